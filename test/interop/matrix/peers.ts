/** All implementations of the matrix, ours first. */

import { goPeer } from './go-peer.ts';
import { GRPC_JAVA } from './java-peer.ts';
import { CASE_NAMES } from './matrix.ts';
import { CONNECT, GRPC_JS, NODE_HTTP2, PUREWIRE } from './node-peers.ts';
import type { MatrixPeer } from './peer.ts';
import { GRPCIO } from './python-peer.ts';

export const MATRIX_PEERS: readonly MatrixPeer[] = [
  PUREWIRE,
  GRPC_JS,
  NODE_HTTP2,
  CONNECT,
  goPeer(CASE_NAMES),
  GRPC_JAVA,
  GRPCIO,
];
