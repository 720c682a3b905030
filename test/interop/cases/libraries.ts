/** The client libraries that the cases can be run with. */

import { openGrpcJsClient } from '../peers/grpc-js-client.ts';
import { openHttp2Client } from '../peers/http2-client.ts';
import type { ClientTarget } from '../peers/peer.ts';
import { openConnect } from './connect-adapter.ts';
import type { InteropClient } from './interop-client.ts';
import { interopClientOf } from './peer-adapter.ts';
import { openPurewire } from './purewire-adapter.ts';

/** A client of the library called `name`. Throws RangeError for another name. */
export function openLibrary(name: string, target: ClientTarget): InteropClient {
  switch (name) {
    case 'purewire':
      return openPurewireClient(target);
    case 'grpc-js':
      return interopClientOf(openGrpcJsClient(target));
    case 'node:http2':
      return interopClientOf(openHttp2Client(target));
    case 'connect':
      return openConnect(target);
    default:
      throw new RangeError(
        `there is no library "${name}"; there are purewire, grpc-js, node:http2, connect`,
      );
  }
}

function openPurewireClient({ host = 'localhost', port = 0, tls }: ClientTarget): InteropClient {
  if (tls === undefined) return openPurewire(host, port);
  return openPurewire(host, port, {
    secure: true,
    rootCertificates: tls.root,
    serverHostOverride: tls.serverName,
  });
}
