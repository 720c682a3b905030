/**
 * The interoperability server, with the standard flags:
 *
 *   npm run interop:server -- --port 10000
 *   npm run interop:server -- --port 10000 --use_tls=true [--tls_cert_file F --tls_key_file F]
 *   npm run interop:server -- --port 10000 --max_concurrent_streams_limit 2
 *
 * Without certificate files, TLS uses the test identity that `interop:client --use_test_ca=true` trusts.
 */

import { readFileSync } from 'node:fs';
import { type ServerOptions, server } from '../../lib/index.ts';
import { openRcaService, testService } from './service/definition.ts';
import { flagOf, numberOf, readFlags } from './service/options.ts';
import { LoadReports } from './service/orca.ts';
import { testIdentity } from './service/test-identity.ts';
import { TestService, testServiceMethods } from './service/test-service.ts';

const FLAGS = [
  'port',
  'use_tls',
  'tls_cert_file',
  'tls_key_file',
  'server_id',
  'max_concurrent_streams_limit',
  'address_type',
];
const DEFAULT_PORT = 10_000;
/** For the header of 63 KB in one of the cases. */
const MAX_HEADER_LIST_OCTETS = 131_072;
const ANY_HOST: Readonly<Record<string, string | undefined>> = {
  IPV4: '0.0.0.0',
  IPV6: '::',
  IPV4_IPV6: undefined,
};

async function main(): Promise<void> {
  const flags = readFlags(process.argv.slice(2), FLAGS);
  const addressType = flags.get('address_type') ?? 'IPV4_IPV6';
  if (!Object.hasOwn(ANY_HOST, addressType)) {
    throw new RangeError(`--address_type must be one of ${Object.keys(ANY_HOST).join(', ')}`);
  }
  const streams = numberOf(flags, 'max_concurrent_streams_limit', 0);
  const options: ServerOptions = {
    host: ANY_HOST[addressType],
    compressionMinOctets: 0,
    limits: {
      maxHeaderListOctets: MAX_HEADER_LIST_OCTETS,
      maxHeaderBlockOctets: MAX_HEADER_LIST_OCTETS,
      maxReceiveMessageOctets: Number.POSITIVE_INFINITY,
      ...(streams === 0 ? {} : { maxConcurrentStreams: streams }),
    },
  };
  const tls = flagOf(flags, 'use_tls') ? await tlsOptions(flags) : {};
  const reports = new LoadReports();
  const service = new TestService(flags.get('server_id') ?? `purewire-${process.pid}`, reports);
  const serving = server(
    {
      [testService.name]: testServiceMethods(service),
      [openRcaService.name]: openRcaService.serviceDescriptions(reports),
    },
    numberOf(flags, 'port', DEFAULT_PORT),
    { ...options, ...tls },
  );
  await serving.start();
  console.log(`port ${serving.port()}`);
}

async function tlsOptions(flags: ReadonlyMap<string, string>): Promise<ServerOptions> {
  const { certFile, keyFile } = await testIdentity();
  return {
    certificateChain: readFileSync(flags.get('tls_cert_file') ?? certFile),
    privateKey: readFileSync(flags.get('tls_key_file') ?? keyFile),
  };
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
