/** The flags of the interoperability servers built on other libraries. */

import { readFileSync } from 'node:fs';
import { flagOf, numberOf, readFlags } from '../service/options.ts';
import { testIdentity } from '../service/test-identity.ts';

/** Where to listen, and with which PEM texts. */
export interface ServerFlags {
  readonly port: number;
  /** SETTINGS_MAX_CONCURRENT_STREAMS; 0: as the library has it. */
  readonly maxStreams: number;
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | null;
}

/** Reads `--port N [--use_tls=true [--tls_cert_file F --tls_key_file F]]`. */
export async function readServerFlags(): Promise<ServerFlags> {
  const names = [
    'port',
    'use_tls',
    'tls_cert_file',
    'tls_key_file',
    'max_concurrent_streams_limit',
  ];
  const flags = readFlags(process.argv.slice(2), names);
  const port = numberOf(flags, 'port', 0);
  const maxStreams = numberOf(flags, 'max_concurrent_streams_limit', 0);
  if (!flagOf(flags, 'use_tls')) return { port, maxStreams, tls: null };
  const { certFile, keyFile } = await testIdentity();
  const cert = readFileSync(flags.get('tls_cert_file') ?? certFile);
  const key = readFileSync(flags.get('tls_key_file') ?? keyFile);
  return { port, maxStreams, tls: { cert, key } };
}
