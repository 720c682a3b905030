/**
 * A connection under test without a socket: octets go in by hand, frames come out as values, time is a fake clock. The peer's octets are
 * made by frame-factory.ts and by `block` below, which share no code with the runtime.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import { type InspectedFrame, inspectFrames } from '../../framing/frame-inspector.ts';
import { HpackDecoder } from '../../framing/hpack/hpack-decoder.ts';
import type { ByteDuplex, ByteDuplexListener, PeerInfo } from '../../transport/byte-duplex.ts';
import { ClientConnection } from '../../transport/client-connection.ts';
import type { ConnectionCloseReason } from '../../transport/connection-role.ts';
import { CLIENT_LIMITS, type Limits, SERVER_LIMITS } from '../../transport/limits.ts';
import { ServerConnection } from '../../transport/server-connection.ts';
import type {
  ClientStreamListener,
  Initiator,
  StreamListener,
  StreamProgress,
  TransportStream,
} from '../../transport/stream-listener.ts';
import { FakeClock } from './fake-clock.ts';
import { octets, PREFACE, settings, settingsAck } from './frame-factory.ts';

/** One end of a pipe whose other end is the test. */
export class ScriptedPipe implements ByteDuplex {
  readonly peer: PeerInfo = { address: 'test:1', tlsCipher: null, certificate: null };
  pendingOctets = 0;
  /** While true, writes are kept as pending and `write` returns false: a peer that does not read. */
  stalled = false;
  paused = false;
  ended = false;
  destroyed = false;
  writes = 0;
  keepsProcessAlive = true;
  #listener: ByteDuplexListener | null = null;
  #written: Uint8Array[] = [];

  start(listener: ByteDuplexListener): void {
    this.#listener = listener;
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.ended || this.destroyed) return true;
    this.writes += 1;
    for (const chunk of chunks) {
      this.#written.push(new Uint8Array(chunk));
      if (this.stalled) this.pendingOctets += chunk.length;
    }
    return !this.stalled;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    this.ended = true;
  }

  destroy(reason?: Error): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#listener?.onClosed(reason);
  }

  setKeepsProcessAlive(alive: boolean): void {
    this.keepsProcessAlive = alive;
  }

  /** The peer reads again. */
  unstall(): void {
    this.stalled = false;
    this.pendingOctets = 0;
    this.#listener?.onWritable();
  }

  feed(chunk: Uint8Array): void {
    this.#listener?.onOctets(chunk, chunk.length);
  }

  endByPeer(): void {
    this.#listener?.onEnd();
  }

  /** Takes everything written so far. */
  take(): Uint8Array {
    const all = new Uint8Array(this.#written.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of this.#written) {
      all.set(chunk, at);
      at += chunk.length;
    }
    this.#written = [];
    return all;
  }
}

/** What a stream's listener heard, in order. */
export type StreamEvent =
  | {
      readonly type: 'headers';
      readonly headers: HeaderList;
      readonly endStream: boolean;
      readonly complete: boolean;
    }
  | { readonly type: 'data'; readonly octets: Uint8Array; readonly endStream: boolean }
  | { readonly type: 'trailers'; readonly headers: HeaderList }
  | { readonly type: 'writable' }
  | {
      readonly type: 'closed';
      readonly errorCode: number;
      readonly initiator: Initiator;
      readonly progress: StreamProgress;
      readonly reason: string;
    };

/** Records a stream's events. `usesAtOnce` decides what `onData` returns. */
export class RecordedStream implements StreamListener, ClientStreamListener {
  readonly events: StreamEvent[] = [];
  stream: TransportStream | null = null;
  usesAtOnce = true;
  extra: HeaderList | null = null;

  onSendHeaders(): HeaderList | null {
    return this.extra;
  }

  onHeaders(headers: HeaderList, endStream: boolean, complete: boolean): void {
    this.events.push({ type: 'headers', headers, endStream, complete });
  }

  onData(chunk: Uint8Array, start: number, end: number, endStream: boolean): number {
    this.events.push({
      type: 'data',
      octets: new Uint8Array(chunk.subarray(start, end)),
      endStream,
    });
    return this.usesAtOnce ? end - start : 0;
  }

  onTrailers(headers: HeaderList): void {
    this.events.push({ type: 'trailers', headers });
  }

  onWritable(): void {
    this.events.push({ type: 'writable' });
  }

  onClosed(
    errorCode: number,
    initiator: Initiator,
    progress: StreamProgress,
    reason: string,
  ): void {
    this.events.push({ type: 'closed', errorCode, initiator, progress, reason });
  }

  /** The `closed` event, or undefined while the stream lives. */
  get closed(): (StreamEvent & { type: 'closed' }) | undefined {
    return this.events.find(
      (event): event is StreamEvent & { type: 'closed' } => event.type === 'closed',
    );
  }

  get received(): Uint8Array {
    const parts: Uint8Array[] = [];
    for (const event of this.events) if (event.type === 'data') parts.push(event.octets);
    return octets(...parts);
  }
}

/** A header block of literals without indexing and without Huffman: any peer could send it. */
export function block(...fields: readonly (readonly [string, string])[]): Uint8Array {
  const parts: (number[] | string)[] = [];
  for (const [name, value] of fields) {
    parts.push([0], stringLength(name.length), name, stringLength(value.length), value);
  }
  return octets(...parts);
}

function stringLength(length: number): number[] {
  if (length < 127) return [length];
  const rest: number[] = [127];
  let left = length - 127;
  for (; left >= 128; left = Math.floor(left / 128)) rest.push((left % 128) | 128);
  rest.push(left);
  return rest;
}

/** The fields of a plain gRPC request. */
export const REQUEST: readonly (readonly [string, string])[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/test.Service/Method'],
  [':authority', 'localhost'],
  ['te', 'trailers'],
  ['content-type', 'application/grpc'],
];

/** The fields of a plain gRPC response. */
export const RESPONSE: readonly (readonly [string, string])[] = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
];

abstract class Scripted {
  readonly clock: FakeClock = new FakeClock();
  readonly pipe: ScriptedPipe = new ScriptedPipe();
  closed: ConnectionCloseReason | null = null;
  readEnds = 0;
  readonly #deferred: (() => void)[] = [];
  readonly #turns: (() => void)[] = [];
  readonly #decoder = new HpackDecoder({
    maxTableOctets: 4096,
    maxHeaderListOctets: 1 << 20,
    maxHeaderFields: 10_000,
    maxTableSizeUpdates: 2,
  });

  protected readonly defer = (run: () => void): void => {
    this.#deferred.push(run);
  };

  protected readonly nextTurn = (run: () => void): void => {
    this.#turns.push(run);
  };

  /** The peer sends. */
  send(...parts: readonly Uint8Array[]): void {
    this.pipe.feed(octets(...parts));
  }

  /** Ends the tick: runs what was deferred. */
  tick(): void {
    for (let run = this.#deferred.shift(); run !== undefined; run = this.#deferred.shift()) run();
  }

  /** Runs one booked turn, if there is one. */
  turn(): boolean {
    const run = this.#turns.shift();
    run?.();
    return run !== undefined;
  }

  /** Ends the tick and returns the frames written since the last call, header blocks decoded. */
  frames(): InspectedFrame[] {
    this.tick();
    return inspectFrames(this.pipe.take(), (encoded) =>
      this.#decoder.decode(encoded, 0, encoded.length),
    );
  }

  /** Frames of one type since the last call of `frames`. */
  framesOf(type: InspectedFrame['type']): InspectedFrame[] {
    return this.frames().filter((frame) => frame.type === type);
  }
}

/** A server connection under test; the test is its client. */
export class ScriptedServer extends Scripted {
  readonly connection: ServerConnection;
  readonly streams: RecordedStream[] = [];
  readonly requests: HeaderList[] = [];
  usesAtOnce = true;

  constructor(limits: Partial<Limits> = {}, greet = true) {
    super();
    this.connection = new ServerConnection(
      this.pipe,
      this.clock,
      { limits: { ...SERVER_LIMITS, ...limits }, defer: this.defer, nextTurn: this.nextTurn },
      {
        onStream: (stream, headers, endStream, complete) => {
          const recorded = new RecordedStream();
          recorded.stream = stream;
          recorded.usesAtOnce = this.usesAtOnce;
          recorded.events.push({ type: 'headers', headers, endStream, complete });
          this.streams.push(recorded);
          this.requests.push(headers);
          return recorded;
        },
        onReadEnd: () => {
          this.readEnds += 1;
          return false;
        },
        onClosed: (reason) => {
          this.closed = reason;
        },
      },
    );
    if (greet) {
      this.send(PREFACE, settings(), settingsAck());
      this.frames();
    }
  }
}

/** A client connection under test; the test is its server. */
export class ScriptedClient extends Scripted {
  readonly connection: ClientConnection;
  ready = 0;
  draining: string[] = [];

  constructor(
    limits: Partial<Limits> = {},
    options: {
      readonly greet?: boolean;
      readonly firstStreamId?: number;
      readonly keepaliveWithoutCalls?: boolean;
    } = {},
  ) {
    super();
    this.connection = new ClientConnection(
      this.pipe,
      this.clock,
      {
        limits: { ...CLIENT_LIMITS, ...limits },
        defer: this.defer,
        nextTurn: this.nextTurn,
        keepaliveWithoutCalls: options.keepaliveWithoutCalls ?? false,
        ...(options.firstStreamId === undefined ? {} : { firstStreamId: options.firstStreamId }),
      },
      {
        onReady: () => {
          this.ready += 1;
        },
        onDraining: (reason) => {
          this.draining.push(reason);
        },
        onClosed: (reason) => {
          this.closed = reason;
        },
        onReadEnd: () => {
          this.readEnds += 1;
          return false;
        },
      },
    );
    if (options.greet ?? true) {
      this.send(settings(), settingsAck());
      this.tick();
      const first = this.pipe.take();
      inspectFrames(first.subarray(PREFACE.length));
    }
  }

  /** Opens a request stream. */
  open(template: HeaderList = REQUEST.flat()): RecordedStream {
    const recorded = new RecordedStream();
    recorded.stream = this.connection.openStream(template, recorded);
    return recorded;
  }
}
