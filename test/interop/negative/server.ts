/**
 * The server that misbehaves on HTTP/2 while gRPC on it is fine, one case each: made of the octets of test/support and the raw peer of
 * test/hostile, so that nothing of the runtime under test is on its side.
 */

import { type RawFrame, type RawPeer, RawServer } from '../../hostile/raw-peer.ts';
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  goAway,
  headers,
  octets,
  paddedData,
  ping,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from '../../support/frame-factory.ts';
import { block } from '../../support/scripted-peer.ts';
import { type SimpleRequest, testService } from '../service/definition.ts';

/** The cases, by their standard names. */
export const NEGATIVE_CASES = [
  'goaway',
  'rst_after_header',
  'rst_during_data',
  'rst_after_data',
  'ping',
  'max_streams',
  'data_frame_padding',
  'no_df_padding_sanity_test',
] as const;
export type NegativeCase = (typeof NEGATIVE_CASES)[number];

const UNARY_CALL = '/grpc.testing.TestService/UnaryCall';
const LARGE_RESPONSE_OCTETS = 314_159;
const FRAME_OCTETS = 16_384;
const SMALL_FRAME_OCTETS = 5;
const PADDING_OCTETS = 255;
const DEFAULT_WINDOW = 65_535;
const MAX_CONCURRENT_STREAMS = 3;
const INITIAL_WINDOW_SIZE = 4;
const NO_ERROR = 0;
const RESPONSE_HEADERS = headersOf(END_HEADERS, [
  [':status', '200'],
  ['content-type', 'application/grpc'],
  ['grpc-encoding', 'identity'],
  ['grpc-accept-encoding', 'identity,deflate,gzip'],
]);
const TRAILERS = headersOf(END_HEADERS | END_STREAM, [['grpc-status', '0']]);

function headersOf(flags: number, fields: readonly (readonly [string, string])[]) {
  const encoded = block(...fields);
  return (streamId: number): Uint8Array => headers(streamId, encoded, flags);
}

/** Octets of a DATA frame: what flow control counts, and the frame. */
interface Piece {
  readonly counted: number;
  readonly frame: Uint8Array;
}

class NegativeStream {
  request: Uint8Array = new Uint8Array(0);
  window: number;
  answered = false;
  readonly pieces: Piece[] = [];
  /** Sent behind the last piece. */
  end: readonly Uint8Array[] = [];

  constructor(window: number) {
    this.window = window;
  }
}

class NegativeConnection {
  readonly problems: string[] = [];
  readonly #peer: RawPeer;
  readonly #name: NegativeCase;
  readonly #streams: Map<number, NegativeStream> = new Map();
  #window = DEFAULT_WINDOW;
  #streamWindow = DEFAULT_WINDOW;
  #pingsSent = 0;
  #pingsAcked = 0;

  constructor(peer: RawPeer, name: NegativeCase) {
    this.#peer = peer;
    this.#name = name;
    peer.onFrame = (frame) => this.#onFrame(frame);
    peer.write(name === 'max_streams' ? settings([MAX_CONCURRENT_STREAMS, 1]) : settings());
  }

  /** PINGs that were not answered. */
  get unansweredPings(): number {
    return this.#pingsSent - this.#pingsAcked;
  }

  get pings(): number {
    return this.#pingsSent;
  }

  #onFrame({ type, flags, streamId, payload }: RawFrame): void {
    const view = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    const stream = this.#streams.get(streamId);
    switch (type) {
      case 0:
        if (stream !== undefined) this.#onData(streamId, stream, payload);
        break;
      case 1:
        this.#onHeaders(streamId);
        break;
      case 3:
        this.#streams.delete(streamId);
        break;
      case 4:
        if ((flags & ACK) === 0) this.#onSettings(view);
        break;
      case 6:
        if ((flags & ACK) !== 0) {
          this.#pingsAcked += 1;
          this.#pump();
        } else this.#peer.write(ping(payload, ACK));
        break;
      case 8:
        if (streamId === 0) this.#window += view.readUInt32BE(0);
        else if (stream !== undefined) stream.window += view.readUInt32BE(0);
        this.#pump();
        break;
      default:
        break;
    }
  }

  #onSettings(view: Buffer): void {
    for (let at = 0; at + 6 <= view.length; at += 6) {
      if (view.readUInt16BE(at) !== INITIAL_WINDOW_SIZE) continue;
      const value = view.readUInt32BE(at + 2);
      for (const stream of this.#streams.values()) stream.window += value - this.#streamWindow;
      this.#streamWindow = value;
    }
    this.#peer.write(settingsAck());
    this.#pump();
  }

  #ping(): void {
    if (this.#name !== 'ping') return;
    this.#peer.write(ping(`ping${String(this.#pingsSent).padStart(4, '0')}`));
    this.#pingsSent += 1;
  }

  #onHeaders(streamId: number): void {
    if (this.#streams.has(streamId)) return;
    const stream = new NegativeStream(this.#streamWindow);
    this.#streams.set(streamId, stream);
    if (this.#name === 'max_streams' && this.#streams.size > 1) {
      this.problems.push(`${this.#streams.size} streams are open at once`);
    }
    this.#ping();
    this.#peer.write(RESPONSE_HEADERS(streamId));
    this.#ping();
    if (this.#name !== 'rst_after_header') return;
    this.#peer.write(rstStream(streamId, NO_ERROR));
    this.#streams.delete(streamId);
  }

  #onData(streamId: number, stream: NegativeStream, payload: Uint8Array): void {
    if (payload.length === 0) return;
    stream.request = octets(stream.request, payload);
    this.#peer.write(windowUpdate(0, payload.length), windowUpdate(streamId, payload.length));
    if (stream.answered || stream.request.length < 5) return;
    const length = Buffer.from(stream.request).readUInt32BE(1);
    if (stream.request.length < 5 + length) return;
    stream.answered = true;
    this.#answer(streamId, stream, stream.request.subarray(5, 5 + length));
    this.#pump();
  }

  #answer(streamId: number, stream: NegativeStream, request: Uint8Array): void {
    const isUnary = this.#peer.fieldOf(streamId, ':path') === UNARY_CALL;
    const size = isUnary
      ? ((requestCodec.decode(request) as SimpleRequest).responseSize ?? 0)
      : LARGE_RESPONSE_OCTETS;
    const body = responseCodec.encode({ payload: { body: new Uint8Array(size) } });
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    const message = octets(head, body);
    const half = this.#name === 'rst_during_data';
    const sent = half ? message.subarray(0, message.length >> 1) : message;
    const small = this.#name === 'data_frame_padding' || this.#name === 'no_df_padding_sanity_test';
    const step = small ? SMALL_FRAME_OCTETS : FRAME_OCTETS;
    for (let at = 0; at < sent.length; at += step) {
      const content = sent.subarray(at, at + step);
      stream.pieces.push(
        this.#name === 'data_frame_padding'
          ? {
              counted: content.length + 1 + PADDING_OCTETS,
              frame: paddedData(streamId, content, PADDING_OCTETS),
            }
          : { counted: content.length, frame: data(streamId, content) },
      );
    }
    stream.end = this.#ending(streamId);
  }

  #ending(streamId: number): readonly Uint8Array[] {
    switch (this.#name) {
      case 'rst_during_data':
      case 'rst_after_data':
        return [rstStream(streamId, NO_ERROR)];
      case 'goaway':
        return [TRAILERS(streamId), goAway(streamId, NO_ERROR)];
      default:
        return [TRAILERS(streamId)];
    }
  }

  /** Sends what the client's windows let through. */
  #pump(): void {
    for (const [streamId, stream] of this.#streams) {
      const ready: Uint8Array[] = [];
      let sent = 0;
      for (const { counted, frame } of stream.pieces) {
        if (counted > stream.window || counted > this.#window) break;
        stream.window -= counted;
        this.#window -= counted;
        ready.push(frame);
        sent += 1;
      }
      stream.pieces.splice(0, sent);
      if (ready.length > 0) {
        this.#ping();
        this.#peer.write(...ready);
        this.#ping();
      }
      // A client that leaves a PING unanswered never hears the end of its call.
      if (stream.answered && stream.pieces.length === 0 && this.unansweredPings === 0) {
        this.#streams.delete(streamId);
        this.#peer.write(...stream.end);
      }
    }
  }
}

const unary = testService.methods.find(({ path }) => path === UNARY_CALL)!;
const requestCodec = unary.request;
const responseCodec = unary.response;

/** A running server of one case. */
export interface NegativeServer {
  readonly port: number;
  /** Connections that clients have opened. */
  connections(): number;
  /** What clients did against the rules of the case. */
  problems(): readonly string[];
  close(): void;
}

/** Starts the server of a case on a free port of the loopback interface. */
export async function startNegativeServer(name: NegativeCase): Promise<NegativeServer> {
  const all: NegativeConnection[] = [];
  const server = await RawServer.listen((peer) => all.push(new NegativeConnection(peer, name)), {
    greet: false,
  });
  return {
    port: server.port,
    connections: () => all.length,
    problems() {
      const problems = all.flatMap((connection) => connection.problems);
      if (name === 'ping') {
        const sent = all.reduce((sum, { pings }) => sum + pings, 0);
        const missing = all.reduce((sum, { unansweredPings }) => sum + unansweredPings, 0);
        if (sent === 0) problems.push('no PING was sent');
        if (missing > 0) problems.push(`${missing} of ${sent} PINGs were not answered`);
      }
      if (name === 'goaway' && all.length !== 2) {
        problems.push(`two calls came on ${all.length} connections instead of two`);
      }
      return problems;
    },
    close: () => server.close(),
  };
}
