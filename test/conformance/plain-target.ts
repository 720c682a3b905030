/**
 * The server that HTTP/2 suites are pointed at: our transport with the least on top of it. Every well-formed request gets `:status` 200
 * and a short body once it has ended.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { ByteDuplex } from '../../transport/byte-duplex.ts';
import { SERVER_LIMITS } from '../../transport/limits.ts';
import type { Listener } from '../../transport/listener.ts';
import { listen, type ServerTls } from '../../transport/node/listen.ts';
import { ServerConnection } from '../../transport/server-connection.ts';
import type { StreamListener, TransportStream } from '../../transport/stream-listener.ts';
import { systemClock } from '../../transport/system-clock.ts';

const RESPONSE: HeaderList = [':status', '200', 'content-type', 'application/octet-stream'];
/** With the five octets in front of it that `sendMessage` writes: more than the flow-control cases need. */
const BODY_TEXT = 'hello from purewire';

/** One request, answered when its END_STREAM has come. */
class PlainRequest implements StreamListener {
  readonly stream: TransportStream;
  readonly #ended: (request: PlainRequest) => void;

  constructor(stream: TransportStream, ended: (request: PlainRequest) => void) {
    this.stream = stream;
    this.#ended = ended;
  }

  onHeaders(): void {}

  onData(_chunk: Uint8Array, start: number, end: number, endStream: boolean): number {
    if (endStream) this.#ended(this);
    return end - start;
  }

  onTrailers(): void {
    this.#ended(this);
  }

  onWritable(): void {}

  onClosed(): void {}

  answer(): void {
    this.stream.sendHeaders(RESPONSE, null, false);
    this.stream.sendMessage(0, new TextEncoder().encode(BODY_TEXT), true);
  }
}

/** Serves one connection until its peer or an error ends it. */
function serveConnection(duplex: ByteDuplex): void {
  let due: PlainRequest[] = [];
  const ended = (request: PlainRequest): void => {
    due.push(request);
  };
  new ServerConnection(
    duplex,
    systemClock,
    { limits: SERVER_LIMITS },
    {
      onStream(stream, _headers, endStream) {
        const request = new PlainRequest(stream, ended);
        if (endStream) ended(request);
        return request;
      },
      onReadEnd() {
        const requests = due;
        due = [];
        for (const request of requests) request.answer();
        return false;
      },
      onClosed() {},
    },
  );
}

/** Listens on a free port of the loopback interface. */
export function startPlainTarget(tls: ServerTls | null): Promise<Listener> {
  return listen(
    {
      address: { host: '127.0.0.1', port: 0 },
      tls,
      clock: systemClock,
      tlsHandshakeTimeoutMs: SERVER_LIMITS.tlsHandshakeTimeoutMs,
      maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
    },
    {
      onConnection: serveConnection,
      // Suites and tests see a refusal as their own handshake's failure.
      onRefused() {},
      onAcceptError(error) {
        console.error(error.message);
      },
    },
  );
}
