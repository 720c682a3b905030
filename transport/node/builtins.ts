/**
 * The runtime's modules for sockets and TLS, loaded at their first use: that takes as long as loading all of this library, and a program
 * that only imports it, or has no TLS, does not pay.
 */

import type * as cryptoModule from 'node:crypto';
import type * as netModule from 'node:net';
import type * as tlsModule from 'node:tls';

/** `node:net`. */
export function nodeNet(): typeof netModule {
  return process.getBuiltinModule('node:net');
}

/** `node:tls`. */
export function nodeTls(): typeof tlsModule {
  return process.getBuiltinModule('node:tls');
}

/** `node:crypto`. */
export function nodeCrypto(): typeof cryptoModule {
  return process.getBuiltinModule('node:crypto');
}
