/**
 * The transport alone: a client and a server connection joined by a direct pipe, unary exchanges of an empty message, `inFlight` at a time.
 * Prints the time per call of both sides together. Run: node dist/bench/micro/transport.js [calls] [inFlight]
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { ByteDuplex, ByteDuplexListener, PeerInfo } from '../../transport/byte-duplex.ts';
import { ClientConnection } from '../../transport/client-connection.ts';
import { CLIENT_LIMITS, SERVER_LIMITS } from '../../transport/limits.ts';
import { ServerConnection } from '../../transport/server-connection.ts';
import type {
  ClientStreamListener,
  StreamListener,
  TransportStream,
} from '../../transport/stream-listener.ts';
import { systemClock } from '../../transport/system-clock.ts';

/** One end of a pipe that copies what it is given and delivers it in the next tick. */
class DirectPipe implements ByteDuplex {
  readonly peer: PeerInfo = { address: 'memory:bench', tlsCipher: null, certificate: null };
  readonly pendingOctets = 0;
  other: DirectPipe | null = null;
  #listener: ByteDuplexListener | null = null;

  start(listener: ByteDuplexListener): void {
    this.#listener = listener;
  }
  write(chunks: readonly Uint8Array[]): boolean {
    const copy = Buffer.concat(chunks);
    setImmediate(() => this.other?.deliver(copy));
    return true;
  }
  deliver(chunk: Uint8Array): void {
    this.#listener?.onOctets(chunk, chunk.length);
  }
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
  setKeepsProcessAlive(): void {}
}

const calls = Number(process.argv[2] ?? 300_000);
const inFlight = Number(process.argv[3] ?? 100);

const REQUEST: HeaderList = [
  ':method',
  'POST',
  ':scheme',
  'http',
  ':path',
  '/bench.Bench/Unary',
  ':authority',
  'localhost:50051',
  'content-type',
  'application/grpc',
  'te',
  'trailers',
  'user-agent',
  'purewire/bench',
];
const TIMEOUT: HeaderList = ['grpc-timeout', '5S'];
const RESPONSE: HeaderList = [':status', '200', 'content-type', 'application/grpc'];
const TRAILERS: HeaderList = ['grpc-status', '0'];
const EMPTY = new Uint8Array(0);

class ServerStream implements StreamListener {
  stream: TransportStream;
  constructor(stream: TransportStream) {
    this.stream = stream;
  }
  onHeaders(): void {}
  onData(_chunk: Uint8Array, start: number, end: number, endStream: boolean): number {
    if (endStream) ready.push(this.stream);
    return end - start;
  }
  onTrailers(): void {}
  onWritable(): void {}
  onClosed(): void {}
}

const ready: TransportStream[] = [];
let done = 0;
let started = 0;
let finish: () => void = () => {};

class ClientStream implements ClientStreamListener {
  onSendHeaders(): HeaderList {
    return TIMEOUT;
  }
  onHeaders(): void {}
  onData(_chunk: Uint8Array, start: number, end: number): number {
    return end - start;
  }
  onTrailers(): void {}
  onWritable(): void {}
  onClosed(): void {
    done += 1;
    if (started < calls) ended += 1;
    else if (done === calls) finish();
  }
}
let ended = 0;

const clientPipe = new DirectPipe();
const serverPipe = new DirectPipe();
clientPipe.other = serverPipe;
serverPipe.other = clientPipe;

new ServerConnection(
  serverPipe,
  systemClock,
  { limits: SERVER_LIMITS },
  {
    onStream: (stream) => new ServerStream(stream),
    onReadEnd: () => {
      for (const stream of ready) {
        stream.sendHeaders(RESPONSE, null, false);
        stream.sendMessage(0, EMPTY, false);
        stream.sendTrailers(TRAILERS, null);
      }
      ready.length = 0;
      return false;
    },
    onClosed: (reason) => {
      throw new Error(`server: ${reason.message}`);
    },
  },
);
const client = new ClientConnection(
  clientPipe,
  systemClock,
  { limits: CLIENT_LIMITS },
  {
    onReady: () => {},
    onDraining: (reason) => {
      throw new Error(`draining: ${reason}`);
    },
    onClosed: (reason) => {
      throw new Error(`client: ${reason.message}`);
    },
    onReadEnd: () => {
      const count = ended;
      ended = 0;
      for (let index = 0; index < count && started < calls; index += 1) start();
      return false;
    },
  },
);
function start(): void {
  started += 1;
  client.openStream(REQUEST, new ClientStream()).sendMessage(0, EMPTY, true);
}
const before = process.hrtime.bigint();
const all = new Promise<void>((resolve) => {
  finish = resolve;
});
for (let index = 0; index < inFlight; index += 1) start();
await all;
const nanoseconds = Number(process.hrtime.bigint() - before);
console.log(
  `${calls} calls, ${inFlight} in flight: ${(nanoseconds / calls / 1000).toFixed(2)} us per call, both sides`,
);
process.exit(0);
