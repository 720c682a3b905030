/** grpc-go, by its own interoperability programs: built from its module where Go is. */

import { findOrBuild, GRPC_GO } from '../../conformance/outside-tools.ts';
import type { Gaps, MatrixPeer } from './peer.ts';
import { runClientOfOne, startServer } from './programs.ts';

/** What its client has a case for, from its list of cases. */
const CLIENT_CASES = new Set([
  ...['empty_unary', 'large_unary', 'client_streaming', 'server_streaming', 'ping_pong'],
  ...['empty_stream', 'timeout_on_sleeping_server', 'cancel_after_begin'],
  ...['cancel_after_first_response', 'status_code_and_message', 'special_status_message'],
  ...['custom_metadata', 'unimplemented_method', 'unimplemented_service', 'pick_first_unary'],
  ...['orca_per_rpc', 'orca_oob', 'rpc_soak', 'channel_soak'],
]);

/** The load balancing policy that hands load reports to the two cases about them. */
const ORCA_CONFIG = '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}';

const NO_COMPRESSION = 'its service ignores the fields about compression';

/** Cases of `all` that its client lacks. */
function missing(all: readonly string[]): Gaps {
  const lacking = all.filter((name) => !CLIENT_CASES.has(name));
  return Object.fromEntries(lacking.map((name) => [name, 'its client has no such case']));
}

/** grpc-go; `all` are the names of all cases. */
export function goPeer(all: readonly string[]): MatrixPeer {
  return {
    name: 'grpc-go',
    clientGaps: missing(all),
    serverGaps: {
      client_compressed_unary: NO_COMPRESSION,
      client_compressed_streaming: NO_COMPRESSION,
      server_compressed_unary: NO_COMPRESSION,
      server_compressed_streaming: NO_COMPRESSION,
      pick_first_unary: 'its service does not fill server_id',
      max_concurrent_streams_connection_scaling: 'its server has no flag for the limit',
    },
    async prepare(say) {
      const tools = findOrBuild(GRPC_GO, say);
      if (typeof tools === 'string') return tools;
      const client = { program: tools.get('client')!.path, arguments: [] };
      const server = { program: tools.get('server')!.path, arguments: [] };
      return {
        version: tools.get('client')!.version,
        startServer: (setup) => startServer(server, setup),
        async runClient(cases, target, told) {
          for (const name of cases) {
            const config = name.startsWith('orca_') ? [`--service_config_json=${ORCA_CONFIG}`] : [];
            told(await runClientOfOne({ ...client, arguments: config }, name, target));
          }
        },
      };
    },
  };
}
