/**
 * Everything that lib/ may see of the transport: streams, their listeners, and the two kinds of connection.
 */

import type { HeaderList } from '../framing/frame-handler.ts';
import type { PeerInfo } from './byte-duplex.ts';

/**
 * Who ended a stream: our user, this library (a stream error of the peer's), the peer by RST_STREAM or END_STREAM, or the loss or
 * shutdown of the connection under it. Remote resets are never echoed.
 */
export const Initiator = { USER: 0, LIBRARY: 1, REMOTE: 2, CONNECTION: 3 } as const;
export type Initiator = (typeof Initiator)[keyof typeof Initiator];

/**
 * How far a stream got, in the words of gRFC A6. PROCESSED: the peer's application may have seen it. REFUSED: it reached the peer's
 * library but surely not its application (REFUSED_STREAM, or above a GOAWAY's last stream id). MISCARRIED: it never left this process.
 */
export const StreamProgress = { PROCESSED: 0, REFUSED: 1, MISCARRIED: 2 } as const;
export type StreamProgress = (typeof StreamProgress)[keyof typeof StreamProgress];

/**
 * Receives the events of one stream, in order, while a read is being parsed: implementations record and return; user code runs later,
 * from the read-end hook. Must not throw.
 */
export interface StreamListener {
  /** Initial header list (client: the response headers, 1xx already skipped). Never called on a server: see `StreamAcceptor`. */
  onHeaders(headers: HeaderList, endStream: boolean, complete: boolean): void;
  /**
   * DATA without padding. Returns how many of the `end - start` octets are used up now; the rest is given back through
   * `TransportStream.consume`. `endStream` on the last range (which may be empty). Octets stay unchanged while referenced.
   */
  onData(chunk: Uint8Array, start: number, end: number, endStream: boolean): number;
  /** Trailing header list; always the end of the stream. */
  onTrailers(headers: HeaderList, complete: boolean): void;
  /** The stream's send queue fell below half of its quota after `sendMessage` had returned false (L17). */
  onWritable(): void;
  /**
   * The stream is over: exactly once, and last. After a clean end in both directions `errorCode` is NO_ERROR with `initiator`
   * REMOTE. `reason` says what happened when it was not a clean end (connection lost, GOAWAY text), else an empty string.
   */
  onClosed(errorCode: number, initiator: Initiator, progress: StreamProgress, reason: string): void;
  /**
   * Server: what a reset by the peer at `nowMs` of the connection's clock takes from the budget that L3 gives calls with a timeout, where 1 is
   * a call that was worked for in vain; negative gives back. Null, or without it: the call has no timeout, and counts wholly.
   */
  costOfReset?(nowMs: number): number | null;
}

/** A stream listener on the client, which is asked for its volatile header fields when HEADERS are written. */
export interface ClientStreamListener extends StreamListener {
  /**
   * The fields that follow the template, asked for exactly once, when HEADERS are about to be written (a queued stream may wait long
   * before that, and `grpc-timeout` is computed from the time left). Null when there are none.
   */
  onSendHeaders(): HeaderList | null;
}

/** One HTTP/2 stream as the call engine uses it. Every method is safe in every state; after the stream is closed they do nothing. */
export interface TransportStream {
  /** Whether our END_STREAM or RST_STREAM was written, or the stream is over; octets that still wait in its queue keep it open. */
  readonly isSendClosed: boolean;
  /** Stream identifier; 0 until a slot is free and HEADERS are written. */
  readonly id: number;
  readonly peer: PeerInfo;
  /**
   * Server: sends initial response headers: `template` (the same array object each time lets the encoder reuse its block) followed by
   * `extra`. With `endStream` this is a Trailers-Only response.
   */
  sendHeaders(template: HeaderList, extra: HeaderList | null, endStream: boolean): void;
  /**
   * Sends one length-prefixed message (gRPC PROTOCOL-HTTP2): prefix with `flags` (0, or 1 for compressed) and `payload`. The stream owns
   * `payload` from now on; payloads up to COPY_LIMIT are copied before the call returns. Returns false when more than the write
   * quota (L17) is queued: wait for `onWritable`. `endStream` ends our side.
   */
  sendMessage(flags: number, payload: Uint8Array, endStream: boolean): boolean;
  /** Ends our side without a message: an empty DATA frame with END_STREAM behind what is queued. */
  sendEnd(): void;
  /** Server: sends trailers behind what is queued and ends our side. Without `sendHeaders` before it this is a Trailers-Only response. */
  sendTrailers(template: HeaderList, extra: HeaderList | null): void;
  /** Gives `octets` received earlier back to the flow-control windows (RFC 9113 §6.9). */
  consume(octets: number): void;
  /**
   * A message is being received of which `octets` are still missing: the windows are widened so that it can arrive whole, since what
   * is here of it cannot be consumed before. Bounded by the caller's message limit (L18). Called after each read that left one unfinished.
   */
  expect(octets: number): void;
  /** Ends the stream now with RST_STREAM, dropping what is queued. No further listener call except `onClosed`, made synchronously. */
  reset(errorCode: number): void;
}

/** A client connection as the channel uses it. */
export interface ClientTransport {
  /** `connecting` until the peer's SETTINGS arrived; streams may be opened from the start; `draining` after GOAWAY. */
  readonly state: 'connecting' | 'ready' | 'draining' | 'closed';
  readonly peer: PeerInfo;
  /** Streams open or waiting for a slot. */
  readonly activeStreams: number;
  /** Those of them that wait for a slot (RFC 9113 §5.1.2); the channel bounds them (L31). */
  readonly waitingStreams: number;
  /** Whether a stream opened now would not wait for a slot. */
  readonly hasFreeSlot: boolean;
  /**
   * Opens a stream: HEADERS with `template` + `listener.onSendHeaders()` are written at once when a slot is free (RFC 9113 §5.1.2), else
   * when one becomes free, in order of opening. On a draining or closed transport the listener gets `onClosed` with MISCARRIED.
   */
  openStream(template: HeaderList, listener: ClientStreamListener): TransportStream;
}

/** Called on a server for each request stream. Must not throw and must not run user code: it makes the call object and queues it. */
export type StreamAcceptor = (
  stream: TransportStream,
  headers: HeaderList,
  endStream: boolean,
  complete: boolean,
) => StreamListener;

/** A server connection as the server uses it. */
export interface ServerTransport {
  readonly peer: PeerInfo;
  readonly activeStreams: number;
  /** Two-step graceful shutdown (RFC 9113 §6.8): no new streams, close when the last one ends. */
  drain(): void;
  /** Closes at once with GOAWAY(`errorCode`); every stream gets `onClosed`. */
  close(errorCode: number, reason: string): void;
}

/**
 * Where user code runs: called after the last frame of a read, before the flush, and never re-entered. It runs queued calls and returns
 * true when more are waiting (the connection then flushes and calls again). `octetsRead`: those of the read that just ended, 0 for other causes
 * and when it is called again.
 */
export type ReadEndHook = (octetsRead: number) => boolean;
