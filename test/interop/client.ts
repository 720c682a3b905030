/**
 * The interoperability client, with the standard flags. Exits with 0 when the case passed, 1 when it failed, 2 when the library under test
 * cannot run it. `--test_case` takes several cases too, with commas between them; each has a channel of its own and writes a line.
 *
 *   npm run interop:client -- --server_host=localhost --server_port=10000 --test_case=large_unary
 *   npm run interop:client -- --server_host=… --server_port=… --test_case=… --use_tls=true --use_test_ca=true [--ca_file=F]
 *       [--server_host_override=foo.test.google.fr] [--additional_metadata=k1:v1;k2:v2] [--soak_iterations=10 …]
 *   npm run interop:client -- … --library=grpc-js     the same case with another library, to judge a server or the case itself
 */

import { readFileSync } from 'node:fs';
import { ALL_CASES } from './cases/all-cases.ts';
import type { SoakOptions } from './cases/case-context.ts';
import { type InteropClient, Unsupported } from './cases/interop-client.ts';
import { openLibrary } from './cases/libraries.ts';
import type { ClientTarget, Pairs } from './peers/peer.ts';
import { type Flags, flagOf, numberOf, readFlags } from './service/options.ts';
import { testIdentity } from './service/test-identity.ts';

const FLAGS = [
  'server_host',
  'server_port',
  'server_host_override',
  'test_case',
  'use_tls',
  'use_test_ca',
  'ca_file',
  'additional_metadata',
  'library',
  'soak_iterations',
  'soak_max_failures',
  'soak_per_iteration_max_acceptable_latency_ms',
  'soak_overall_timeout_seconds',
  'soak_min_time_ms_between_rpcs',
  'soak_request_size',
  'soak_response_size',
  'soak_num_threads',
];
const FAILED = 1;
const UNSUPPORTED = 2;

async function main(): Promise<number> {
  const flags = readFlags(process.argv.slice(2), FLAGS);
  const names = (flags.get('test_case') ?? 'large_unary').split(',');
  const unknown = names.find((name) => !ALL_CASES.has(name));
  if (unknown !== undefined) {
    throw new RangeError(
      `there is no test case "${unknown}"; there are ${[...ALL_CASES.keys()].join(' ')}`,
    );
  }
  const target = await targetOf(flags);
  const library = flags.get('library') ?? 'purewire';
  const open = (): InteropClient =>
    withMetadata(openLibrary(library, target), additionalMetadata(flags));
  const codes: number[] = [];
  for (const name of names) codes.push(await runCase(name, open, soakOptions(flags)));
  return codes.includes(FAILED) ? FAILED : Math.max(...codes);
}

async function runCase(
  name: string,
  openClient: () => InteropClient,
  soak: SoakOptions,
): Promise<number> {
  const client = openClient();
  const say = (text: string): void => console.log(`${name}: ${text}`);
  try {
    await ALL_CASES.get(name)!({ client, openClient, soak, say });
    await client.close();
    say('passed');
    return 0;
  } catch (error) {
    // What a failed case has left open must not wait for it.
    void client.close().catch(() => {});
    const text = (error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ');
    if (error instanceof Unsupported) {
      say(`not supported, ${text}`);
      return UNSUPPORTED;
    }
    console.error(`${name}: failed, ${text}`);
    return FAILED;
  }
}

async function targetOf(flags: Flags): Promise<ClientTarget> {
  const host = flags.get('server_host') ?? 'localhost';
  const port = numberOf(flags, 'server_port', 0);
  if (!flagOf(flags, 'use_tls')) return { host, port };
  const override = flags.get('server_host_override') ?? '';
  const caFile = flags.get('ca_file') ?? (await testIdentity()).caFile;
  const root = readFileSync(caFile, 'utf8');
  return { host, port, tls: override === '' ? { root } : { root, serverName: override } };
}

function additionalMetadata(flags: Flags): Pairs {
  const text = flags.get('additional_metadata') ?? '';
  if (text === '') return [];
  return text.split(';').map((pair) => {
    const colon = pair.indexOf(':');
    if (colon < 1) throw new RangeError(`--additional_metadata: "${pair}" is not key:value`);
    return [pair.slice(0, colon), pair.slice(colon + 1)];
  });
}

function withMetadata(client: InteropClient, metadata: Pairs): InteropClient {
  if (metadata.length === 0) return client;
  return {
    ...client,
    start: (method, request, options = {}) =>
      client.start(method, request, {
        ...options,
        metadata: [...metadata, ...(options.metadata ?? [])],
      }),
  };
}

function soakOptions(flags: Flags): SoakOptions {
  const iterations = numberOf(flags, 'soak_iterations', 10);
  const maxLatencyMs = numberOf(flags, 'soak_per_iteration_max_acceptable_latency_ms', 1000);
  return {
    iterations,
    maxFailures: numberOf(flags, 'soak_max_failures', 0),
    perIterationMaxLatencyMs: maxLatencyMs,
    minTimeBetweenRpcsMs: numberOf(flags, 'soak_min_time_ms_between_rpcs', 0),
    overallTimeoutSeconds: numberOf(
      flags,
      'soak_overall_timeout_seconds',
      Math.ceil((iterations * maxLatencyMs) / 1000),
    ),
    requestSize: numberOf(flags, 'soak_request_size', 271_828),
    responseSize: numberOf(flags, 'soak_response_size', 314_159),
    threads: Math.max(1, numberOf(flags, 'soak_num_threads', 1)),
  };
}

try {
  // What a failed case has left open must not keep the process.
  process.exit(await main());
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(FAILED);
}
