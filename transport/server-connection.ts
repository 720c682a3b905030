/**
 * The server's half of a connection: accepts and refuses request streams, and shuts down gracefully in two steps (RFC 9113 §6.8).
 */

import { ErrorCode, MAX_STREAM_ID } from '../framing/constants.ts';
import { ConnectionError, type ErrorToken } from '../framing/errors.ts';
import type { HeaderList } from '../framing/frame-handler.ts';
import type { ByteDuplex, PeerInfo } from './byte-duplex.ts';
import type { Clock } from './clock.ts';
import { Http2Connection } from './connection.ts';
import { ConnectionAge, limitsAge } from './connection-age.ts';
import {
  type ConnectionCloseReason,
  type ConnectionOptions,
  type ConnectionRole,
  Lifecycle,
} from './connection-role.ts';
import { Http2Stream } from './stream.ts';
import type {
  ReadEndHook,
  ServerTransport,
  StreamAcceptor,
  StreamListener,
} from './stream-listener.ts';
import { onReceiveHeaders, type StreamState } from './stream-state.ts';

/** What a server connection tells its owner. */
export interface ServerConnectionListener {
  /** A request arrived: makes its listener. Must not throw and must not run user code. */
  readonly onStream: StreamAcceptor;
  /** Runs queued user code at the end of each batch of events. */
  readonly onReadEnd: ReadEndHook;
  /** The connection is over: exactly once. */
  onClosed(reason: ConnectionCloseReason): void;
}

/** Takes the place of the listener for the moment in which the acceptor makes the real one. */
const NO_LISTENER: StreamListener = {
  onHeaders(): void {},
  onData(): number {
    return 0;
  },
  onTrailers(): void {},
  onWritable(): void {},
  onClosed(): void {},
};

/** One client's connection to a server. */
export class ServerConnection implements ServerTransport, ConnectionRole {
  readonly isClient = false;
  lastPeerStreamId = 0;
  /** The last GOAWAY received: its code, and its debug data as text. */
  goAwayCode: number | null = null;
  goAwayDebug = '';
  readonly #listener: ServerConnectionListener;
  readonly #connection: Http2Connection;
  /** The highest id seen in HEADERS. Above `lastPeerStreamId` once requests cross our last GOAWAY, whose stream id must not grow (§6.8). */
  #highestStreamId = 0;
  /** Streams above this id are not accepted: 2^31-1 until the second GOAWAY. */
  #acceptUpTo: number = MAX_STREAM_ID;
  #draining = false;
  /** What the GOAWAY frames of the graceful end say (gRFC A9). */
  #drainReason = 'shutdown';
  /** L28; null where no age is limited. */
  readonly #age: ConnectionAge | null;

  constructor(
    duplex: ByteDuplex,
    clock: Clock,
    options: ConnectionOptions,
    listener: ServerConnectionListener,
  ) {
    this.#listener = listener;
    this.#connection = new Http2Connection(duplex, clock, options, this);
    this.#age = limitsAge(options.limits) ? new ConnectionAge(clock, options.limits, this) : null;
    this.#connection.start();
  }

  get peer(): PeerInfo {
    return this.#connection.peer;
  }

  get activeStreams(): number {
    return this.#connection.streams.size;
  }

  drain(reason = 'shutdown'): void {
    if (this.#draining || this.#connection.lifecycle >= Lifecycle.CLOSING) return;
    this.#draining = true;
    this.#drainReason = reason;
    // RFC 9113 §6.8: the first GOAWAY stops the client without losing what is under way; after a round trip the second names the truth.
    this.#connection.announceEnd(MAX_STREAM_ID, ErrorCode.NO_ERROR, reason);
    this.#connection.timers.roundTrip(() => {
      this.#acceptUpTo = this.lastPeerStreamId;
      this.#connection.announceEnd(this.lastPeerStreamId, ErrorCode.NO_ERROR, reason);
      this.#closeIfDrained();
    });
  }

  close(errorCode: number, reason: string): void {
    this.#connection.close(errorCode, reason);
  }

  /** Counts `token`, a limit of the layers above, and ends the connection with GOAWAY ENHANCE_YOUR_CALM. */
  fail(token: ErrorToken): void {
    this.#connection.fail(new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, token));
  }

  #closeIfDrained(): void {
    if (
      this.#draining &&
      this.#acceptUpTo !== MAX_STREAM_ID &&
      this.activeStreams === 0 &&
      this.#connection.lifecycle < Lifecycle.CLOSING
    ) {
      this.#connection.close(ErrorCode.NO_ERROR, this.#drainReason);
    }
  }

  // ---- AgingConnection -------------------------------------------------------------------------------------------

  /** As `close`, for the end of the grace of L28. */
  cutOff(reason: string): void {
    const token = 'connection.age-grace-over';
    this.#connection.trip(token);
    this.#connection.close(ErrorCode.NO_ERROR, reason, undefined, token);
  }

  /** As `Http2Connection.runTimer`. */
  runTimer(action: () => void): void {
    this.#connection.runTimer(action);
  }

  // ---- ConnectionRole --------------------------------------------------------------------------------------------

  isIdle(streamId: number): boolean {
    // RFC 9113 §5.1.1: clients use odd ids; an even one was never opened, since we never push.
    return (streamId & 1) === 0 || streamId > this.#highestStreamId;
  }

  onNewStream(streamId: number, headers: HeaderList, endStream: boolean, complete: boolean): void {
    const connection = this.#connection;
    if ((streamId & 1) === 0) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'stream.id-even-from-client', streamId);
    }
    this.#highestStreamId = streamId;
    if (streamId > this.#acceptUpTo) {
      // RFC 9113 §6.8: requests that crossed our last GOAWAY are ignored, and counted: draining is no free pass (S10).
      connection.streamError(streamId, ErrorCode.REFUSED_STREAM, 'stream.refused-after-goaway');
      return;
    }
    this.lastPeerStreamId = streamId;
    connection.guard.onStreamOpened();
    if (connection.streams.size >= connection.limits.maxConcurrentStreams) {
      connection.streamError(streamId, ErrorCode.REFUSED_STREAM, 'stream.too-many-concurrent');
      return;
    }
    const { rules } = connection.receiver;
    const token = complete ? rules.checkRequest(headers) : null;
    if (token !== null) {
      connection.streamError(streamId, ErrorCode.PROTOCOL_ERROR, token);
      return;
    }
    if (complete && endStream && rules.contentLength > 0) {
      connection.streamError(streamId, ErrorCode.PROTOCOL_ERROR, 'stream.content-length-mismatch');
      return;
    }
    const stream = new Http2Stream(
      connection,
      streamId,
      NO_LISTENER,
      connection.remote.initialWindowOctets,
      connection.receiver.streamWindowOctets,
    );
    stream.onHeadersReceived();
    if (complete) stream.contentLengthLeft = rules.contentLength;
    stream.state = onReceiveHeaders(stream.state, endStream) as StreamState;
    connection.addStream(stream);
    const listener = this.#listener.onStream(stream, headers, endStream, complete);
    stream.listener = listener;
  }

  onPeerSettings(): void {
    // Nothing in a client's settings starts work on a server.
  }

  onGoAway(_lastStreamId: number, errorCode: number, debug: string): void {
    this.goAwayCode = errorCode;
    this.goAwayDebug = debug;
    // The client opens no more streams; those it has run on (RFC 9113 §6.8).
    if (this.activeStreams === 0 && !this.#draining) this.drain();
  }

  onUnopenedReset(): void {
    // Server streams always have an id.
  }

  onStreamEnded(): void {
    if (this.activeStreams === 0) this.#age?.onIdle();
    this.#closeIfDrained();
  }

  get leavingHint(): string {
    return '';
  }

  explainEnd(text: string): string {
    return text;
  }

  onStreamsAbandoned(): void {
    // All streams of a server are in the table.
  }

  onReadEnd(octetsRead: number): boolean {
    return this.#listener.onReadEnd(octetsRead);
  }

  onClosed(reason: ConnectionCloseReason): void {
    this.#age?.stop();
    this.#listener.onClosed(reason);
  }
}
