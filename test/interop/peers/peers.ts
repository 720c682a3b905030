/** All peers by name, and whether the runtime can carry them. */

import { openGrpcJsClient } from './grpc-js-client.ts';
import { startGrpcJsServer } from './grpc-js-server.ts';
import { openHttp2Client } from './http2-client.ts';
import { startHttp2Server } from './http2-server.ts';
import type { Peer } from './peer.ts';
import { openPurewireClient } from './purewire-client.ts';
import { startPurewireServer } from './purewire-server.ts';

/** Ourselves. */
export const PUREWIRE: Peer = {
  name: 'purewire',
  openClient: openPurewireClient,
  startServer: startPurewireServer,
};

/** The gRPC library most used on Node. */
export const GRPC_JS: Peer = {
  name: 'grpc-js',
  openClient: openGrpcJsClient,
  startServer: startGrpcJsServer,
};

/** gRPC by hand on nghttp2. */
export const HTTP2: Peer = {
  name: 'node:http2',
  openClient: openHttp2Client,
  startServer: startHttp2Server,
};
