/**
 * The client that h2specd plays its servers to: one connection over our transport, one GET, and an end.
 *
 *   node dist/test/conformance/h2get.js [--insecure] URL
 */

import { createSecureContext } from 'node:tls';
import type { HeaderList } from '../../framing/frame-handler.ts';
import type { ByteDuplex } from '../../transport/byte-duplex.ts';
import { ClientConnection } from '../../transport/client-connection.ts';
import { CLIENT_LIMITS } from '../../transport/limits.ts';
import { SocketConnector } from '../../transport/node/connect.ts';
import type { ClientStreamListener } from '../../transport/stream-listener.ts';
import { systemClock } from '../../transport/system-clock.ts';

const CONNECT_TIMEOUT_MS = 1000;
/** h2specd gives up after 3 s, the start of this process included. */
const STAY_MS = 1300;
/** After the end of the connection, for what is still on its way out. */
const LAST_OCTETS_MS = 200;

function requestOf(url: URL): HeaderList {
  const scheme = url.protocol.slice(0, -1);
  return [':method', 'GET', ':scheme', scheme, ':path', url.pathname, ':authority', url.host];
}

const response: ClientStreamListener = {
  onSendHeaders: () => null,
  onHeaders(headers) {
    for (let i = 0; i < headers.length; i += 2) console.log(`${headers[i]}: ${headers[i + 1]}`);
  },
  onData: (_chunk, start, end) => {
    console.log(`${end - start} octets`);
    return end - start;
  },
  onTrailers() {},
  onWritable() {},
  onClosed(errorCode, _initiator, _progress, reason) {
    console.log(`stream closed, code ${errorCode} ${reason}`);
  },
};

function get(duplex: ByteDuplex, url: URL): void {
  const connection = new ClientConnection(
    duplex,
    systemClock,
    { limits: CLIENT_LIMITS },
    {
      onReady() {},
      onDraining(reason) {
        console.log(`draining: ${reason}`);
      },
      onClosed(reason) {
        console.log(`connection closed, code ${reason.errorCode}: ${reason.message}`);
        setTimeout(() => process.exit(), LAST_OCTETS_MS);
      },
      onReadEnd: () => false,
    },
  );
  connection.openStream(requestOf(url), response).sendEnd();
}

const args = process.argv.slice(2);
const url = new URL(args.at(-1) ?? '');
const tls =
  url.protocol === 'https:'
    ? {
        context: createSecureContext(),
        serverName: url.hostname,
      }
    : null;
// The suite's certificate is made for the run and trusted by nobody.
if (args.includes('--insecure')) process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';

new SocketConnector({ host: url.hostname, port: Number(url.port) }, tls, systemClock).connect(
  CONNECT_TIMEOUT_MS,
  {
    onConnected: (duplex) => get(duplex, url),
    onFailed(error) {
      console.error(error.message);
      process.exitCode = 1;
    },
  },
);
// The suite waits for the end of this process, whatever the connection does.
setTimeout(() => process.exit(), STAY_MS);
