/**
 * One HTTP/2 connection: takes frames from the reader, keeps windows and streams, decides what an error costs, and writes everything that
 * is waiting once per tick. What differs between client and server is in their role objects.
 *
 *   OPEN ──GOAWAY sent or received──▶ DRAINING ──last stream ended, or an error──▶ CLOSING ──pipe gone──▶ CLOSED
 */

import { cloneOctets } from '../framing/bytes.ts';
import { DEFAULT_WINDOW_OCTETS, ErrorCode } from '../framing/constants.ts';
import { ConnectionError, type ErrorToken } from '../framing/errors.ts';
import { FrameReader } from '../framing/frame-reader.ts';
import { HpackDecoder } from '../framing/hpack/hpack-decoder.ts';
import { isLent } from '../framing/lent-octets.ts';
import { AbuseGuard, type Verdict } from './abuse-guard.ts';
import {
  type ByteDuplex,
  type ByteDuplexListener,
  ExplainedError,
  type PeerInfo,
} from './byte-duplex.ts';
import type { Clock } from './clock.ts';
import { ConnectionOutput, type OutputHost } from './connection-output.ts';
import {
  type ConnectionOptions,
  type ConnectionRole,
  defaultNextTurn,
  Lifecycle,
} from './connection-role.ts';
import { ConnectionTimers } from './connection-timers.ts';
import { DrainGuard } from './drain-guard.ts';
import { FrameReceiver } from './frame-receiver.ts';
import { withTrace } from './frame-trace.ts';
import { framingLimits } from './framing-limits.ts';
import type { Limits } from './limits.ts';
import type { TransportObserver } from './observer.ts';
import { localSettings, RemoteSettings } from './settings.ts';
import type { Http2Stream } from './stream.ts';
import { Initiator, StreamProgress } from './stream-listener.ts';
import { CloseCause, StreamState } from './stream-state.ts';
import { StreamTable } from './stream-table.ts';

/** The part of a connection that client and server share. */
export class Http2Connection implements ByteDuplexListener, OutputHost {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly guard: AbuseGuard;
  readonly remote: RemoteSettings = new RemoteSettings();
  readonly streams: StreamTable;
  readonly output: ConnectionOutput;
  readonly receiver: FrameReceiver;
  readonly timers: ConnectionTimers;
  lifecycle: Lifecycle = Lifecycle.OPEN;
  /** Clock reading of the read or timer being handled; coarse, good for budgets. */
  nowMs: number;

  readonly #duplex: ByteDuplex;
  readonly #role: ConnectionRole;
  readonly #observer: TransportObserver | null;
  /** L21, made when first needed; a client's calls have deadlines instead. */
  #drainGuard: DrainGuard | null;
  readonly #decoder: HpackDecoder;
  readonly #reader: FrameReader;
  readonly #nextTurn: (run: () => void) => void;
  #framesThisTurn = 0;
  #streamsThisTurn = 0;
  #turnEndsMs = 0;
  /** Reading waits for the next turn (L23), or for the pipe to take replies (L9); octets that still arrive are kept in the backlog. */
  #pausedForTurn = false;
  #pausedForPipe = false;
  #turnBooked = false;
  /** Null where there is none. */
  #backlog: Uint8Array[] | null = null;
  #backlogOffset = 0;
  #closedNotified = false;

  constructor(duplex: ByteDuplex, clock: Clock, given: ConnectionOptions, role: ConnectionRole) {
    const { limits } = given;
    const side = role.isClient ? 'client' : 'server';
    const observer = withTrace(given.observer ?? null, side, duplex.peer.address, () =>
      clock.now(),
    );
    const options = observer === null ? given : { ...given, observer };
    this.limits = limits;
    this.clock = clock;
    this.nowMs = clock.now();
    this.guard = new AbuseGuard(limits, !role.isClient);
    this.streams = new StreamTable(limits.maxRememberedStreams, limits.rememberedStreamMs);
    this.output = new ConnectionOutput(duplex, this.guard, options, this);
    this.receiver = new FrameReceiver(this, role);
    this.timers = new ConnectionTimers(
      clock,
      limits,
      this,
      role.isClient,
      options.keepaliveWithoutCalls ?? false,
    );
    this.#drainGuard = null;
    this.#duplex = duplex;
    this.#role = role;
    this.#observer = observer;
    this.#nextTurn = options.nextTurn ?? defaultNextTurn;
    const framing = framingLimits(limits);
    this.#decoder = new HpackDecoder(framing.decoder);
    this.#reader = new FrameReader(
      role.isClient ? framing.clientReader : framing.serverReader,
      this.#decoder,
    );
  }

  get peer(): PeerInfo {
    return this.#duplex.peer;
  }

  /** Writes the first flight (preface, SETTINGS, connection window) and starts reading. Called once, by the role. */
  start(): void {
    const { output } = this;
    if (this.#role.isClient) output.writer.preface();
    output.writer.settings(localSettings(this.limits, this.#role.isClient));
    const increment = this.receiver.openWindow(this.limits.connectionWindowOctets);
    if (increment > 0) output.writer.windowUpdate(0, increment);
    this.timers.onStarted();
    output.scheduleFlush();
    this.#duplex.start(this);
  }

  setKeepsProcessAlive(alive: boolean): void {
    this.#duplex.setKeepsProcessAlive(alive);
  }

  /** The peer acknowledged our SETTINGS: from now on its encoder must keep within our table (RFC 7541 §4.2). */
  onSettingsAcknowledged(): void {
    this.#decoder.setMaxTableOctets(this.limits.decoderTableOctets);
  }

  /** A stream got its id. Called by the roles. */
  addStream(stream: Http2Stream): void {
    this.streams.add(stream);
    this.#streamsThisTurn += 1;
    const { maxConcurrentStreams, newStreamsPerTurnFactor } = this.limits;
    if (
      this.#streamsThisTurn >= newStreamsPerTurnFactor * maxConcurrentStreams &&
      this.output.inRead
    ) {
      this.#reader.pause();
    }
    this.#observer?.onStreamOpened?.(stream.id);
  }

  // ---- octets in -------------------------------------------------------------------------------------------------

  onOctets(chunk: Uint8Array, end: number): void {
    if (this.lifecycle >= Lifecycle.CLOSING) {
      this.timers.lastReadMs = this.clock.now();
      return;
    }
    if (this.#observer !== null) this.#observer.onOctetsReceived?.(chunk.subarray(0, end));
    if (this.#pausedForTurn || this.#pausedForPipe) {
      this.#backlog ??= [];
      this.#backlog.push(cloneOctets(chunk, 0, end));
    } else this.#read(chunk, 0, end);
  }

  #read(chunk: Uint8Array, start: number, end: number): void {
    this.nowMs = this.clock.now();
    this.timers.lastReadMs = this.nowMs;
    this.#framesThisTurn = 0;
    this.#streamsThisTurn = 0;
    this.#turnEndsMs = this.nowMs + this.limits.turnTimeMs;
    this.output.inRead = true;
    let reached = end;
    try {
      reached = this.#reader.read(chunk, start, end, this.receiver);
    } catch (error) {
      this.#failFromRead(error);
    }
    if (reached < end && this.lifecycle < Lifecycle.CLOSING) {
      this.#keepForLater(chunk, reached, end);
      this.#pausedForTurn = true;
      this.#duplex.pause();
      this.#bookTurn();
    }
    this.#runReadEnd(reached - start);
    const verdict = this.guard.onReadEnd();
    if (verdict !== null) this.fail(new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, verdict));
    this.output.inRead = false;
    this.timers.onHeaderBlock(this.#reader.openBlockStreamId);
    this.output.flush();
    if (this.output.isOverfull) this.onRepliesPiledUp();
  }

  /** What is left of a read comes first in the next turn. A lent chunk is copied; one from the backlog is ours. */
  #keepForLater(chunk: Uint8Array, start: number, end: number): void {
    const isOurs = !isLent(chunk);
    this.#backlog ??= [];
    this.#backlog.unshift(isOurs ? chunk : cloneOctets(chunk, start, end));
    this.#backlogOffset = isOurs ? start : 0;
  }

  /** L23: bounds the frames and the time of one turn, so that one connection cannot hold the event loop. */
  countFrame(): void {
    this.#framesThisTurn += 1;
    if (this.#framesThisTurn >= this.limits.framesPerTurn) this.#reader.pause();
    else if ((this.#framesThisTurn & 63) === 0 && this.clock.now() >= this.#turnEndsMs) {
      this.#reader.pause();
    }
  }

  #bookTurn(): void {
    if (this.#turnBooked || this.#pausedForPipe) return;
    this.#turnBooked = true;
    this.#nextTurn(() => this.#continueReading());
  }

  get #hasBacklog(): boolean {
    return this.#backlog !== null && this.#backlog.length > 0;
  }

  #continueReading(): void {
    this.#turnBooked = false;
    // A blocked pipe is no reason to stop: were both ends to wait for the other to read, neither ever would.
    if (this.lifecycle >= Lifecycle.CLOSING || this.#pausedForPipe) return;
    const chunk = this.#backlog?.shift();
    if (chunk !== undefined) {
      const offset = this.#backlogOffset;
      this.#backlogOffset = 0;
      this.#read(chunk, offset, chunk.length);
    }
    if (this.lifecycle >= Lifecycle.CLOSING) return;
    if (this.#hasBacklog) {
      this.#bookTurn();
      return;
    }
    this.#backlog = null;
    this.#pausedForTurn = false;
    if (!this.#pausedForPipe) this.#duplex.resume();
  }

  #runReadEnd(octetsRead = 0): void {
    for (let octets = octetsRead; this.#role.onReadEnd(octets); octets = 0) this.output.flush();
  }

  onWritable(): void {
    this.nowMs = this.clock.now();
    this.output.onPipeWritable();
    if (this.#pausedForPipe && !this.output.pipeBlocked) {
      this.#pausedForPipe = false;
      if (this.#hasBacklog) {
        this.#pausedForTurn = true;
        this.#bookTurn();
      } else if (!this.#pausedForTurn) this.#duplex.resume();
    }
    this.#runReadEnd();
    this.output.flush();
  }

  onEnd(): void {
    if (this.lifecycle >= Lifecycle.CLOSING) this.#duplex.destroy();
    else this.#lose(`the peer closed the connection${this.#role.leavingHint}`, null);
  }

  onClosed(reason: Error | undefined): void {
    const what =
      reason === undefined ? 'the connection was closed' : `connection lost: ${reason.message}`;
    const explained = reason instanceof ExplainedError ? reason : null;
    const hint = explained === null ? this.#role.leavingHint : '';
    const text = this.#role.explainEnd(`${what}${hint}`);
    const token = explained?.token ?? null;
    if (token !== null) this.trip(token);
    this.#closeStreams(ErrorCode.NO_ERROR, text);
    this.#notifyClosed(ErrorCode.NO_ERROR, Initiator.REMOTE, text, reason, token);
    this.lifecycle = Lifecycle.CLOSED;
    this.timers.stopLinger();
    this.#runReadEnd();
  }

  // ---- what the output asks --------------------------------------------------------------------------------------

  onPipe(blocked: boolean, pendingOctets: number): void {
    this.timers.onPipe(blocked, pendingOctets);
  }

  onRepliesPiledUp(): void {
    // Only a server stops reading because it cannot write. Two peers that both did would wait for each other for ever.
    if (this.#role.isClient || this.#pausedForPipe) return;
    this.#pausedForPipe = true;
    this.#reader.pause();
    this.#duplex.pause();
  }

  onFlooded(): void {
    this.loseOver('flooded', 'flooded: the peer does not read the replies to its frames');
  }

  afterDeferredFlush(): void {
    this.#runReadEnd();
  }

  /** The last part of a stream's output waits behind octets that wait. */
  onOutputFinished(stream: Http2Stream): void {
    if (this.#role.isClient) return;
    this.#drainGuard ??= new DrainGuard(this.clock, this.limits, this);
    this.#drainGuard.watch(stream);
  }

  // ---- errors and the end ----------------------------------------------------------------------------------------

  /** L10: counts a frame that did no work. Throws ConnectionError when the budget is spent. */
  glitch(): void {
    this.enforce(this.guard.onGlitch(this.nowMs));
  }

  /** Tells the observer of a limit that has tripped and has no GOAWAY or RST_STREAM of its own. */
  trip(token: ErrorToken): void {
    this.#observer?.onProtocolError?.(0, ErrorCode.ENHANCE_YOUR_CALM, token);
  }

  enforce(verdict: Verdict): void {
    if (verdict !== null) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, verdict);
  }

  /**
   * A stream error of the peer's (RFC 9113 §5.4.2): RST_STREAM, and one more on the account of L4. Throws ConnectionError when that is spent.
   * The stream may be unknown (a request refused before it had one).
   */
  streamError(streamId: number, errorCode: number, token: ErrorToken): void {
    this.#observer?.onProtocolError?.(streamId, errorCode, token);
    this.output.writeErrorReset(streamId, errorCode);
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.streams.remove(streamId, CloseCause.LOCAL_RESET, this.nowMs, DEFAULT_WINDOW_OCTETS);
    } else {
      this.endStream(
        stream,
        CloseCause.LOCAL_RESET,
        errorCode,
        Initiator.LIBRARY,
        StreamProgress.PROCESSED,
        token,
      );
    }
    this.enforce(this.guard.onOwnReset(this.nowMs));
  }

  /** L21: the peer takes too little of a finished response: RST_STREAM CANCEL and a glitch. */
  streamTooSlow(stream: Http2Stream): void {
    this.#observer?.onProtocolError?.(stream.id, ErrorCode.CANCEL, 'stream.drained-too-slowly');
    this.output.writeErrorReset(stream.id, ErrorCode.CANCEL);
    this.endStream(
      stream,
      CloseCause.LOCAL_RESET,
      ErrorCode.CANCEL,
      Initiator.LIBRARY,
      StreamProgress.PROCESSED,
      'the peer did not take the response',
    );
    this.glitch();
  }

  /** A reset by the call engine. Not counted against the peer, but for a refusal: that is one more on the account of L4. */
  resetByUser(stream: Http2Stream, errorCode: number): void {
    if (stream.closeCause !== CloseCause.NONE) return;
    if (!this.output.inRead) this.nowMs = this.clock.now();
    if (stream.id === 0) {
      this.#role.onUnopenedReset(stream);
      this.#leave(stream, CloseCause.LOCAL_RESET);
      stream.notifyClosed(errorCode, Initiator.USER, StreamProgress.MISCARRIED, '');
      return;
    }
    if (errorCode === ErrorCode.NO_ERROR && stream.hasQueued) {
      stream.resetWhenSent();
      return;
    }
    this.output.writeReset(stream.id, errorCode);
    this.endStream(
      stream,
      CloseCause.LOCAL_RESET,
      errorCode,
      Initiator.USER,
      StreamProgress.PROCESSED,
      '',
    );
    if (this.#role.isClient) this.timers.onStreamGivenUp();
    if (errorCode !== ErrorCode.REFUSED_STREAM || this.#role.isClient) return;
    this.trip('stream.too-many-waiting-handlers');
    const verdict = this.guard.onOwnReset(this.nowMs);
    if (verdict !== null) this.fail(new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, verdict));
  }

  /** Takes a stream out and tells its listener, then the role. */
  endStream(
    stream: Http2Stream,
    cause: CloseCause,
    errorCode: number,
    initiator: Initiator,
    progress: StreamProgress,
    reason: string,
  ): void {
    this.#leave(stream, cause);
    stream.notifyClosed(errorCode, initiator, progress, reason);
    this.#observer?.onStreamClosed?.(stream.id, errorCode);
    this.#role.onStreamEnded();
  }

  /** Ends a stream because the connection will not carry it on; nothing is written for it. */
  abandonStream(
    stream: Http2Stream,
    progress: StreamProgress,
    errorCode: number,
    reason: string,
  ): void {
    if (stream.closeCause !== CloseCause.NONE) return;
    this.#leave(stream, CloseCause.CONNECTION);
    stream.notifyClosed(errorCode, Initiator.CONNECTION, progress, reason);
    this.#observer?.onStreamClosed?.(stream.id, errorCode);
  }

  #leave(stream: Http2Stream, cause: CloseCause): void {
    stream.state = StreamState.CLOSED;
    stream.closeCause = cause;
    this.output.unschedule(stream);
    stream.dropQueue();
    stream.releaseUnread();
    if (stream.id === 0) return;
    this.streams.remove(stream.id, cause, this.nowMs, stream.receiveWindow.credit);
  }

  #failFromRead(error: unknown): void {
    if (error instanceof ConnectionError) {
      this.fail(error);
      return;
    }
    // A fault of ours, not of the peer: this connection ends, the process goes on.
    const cause = error instanceof Error ? error : new Error(String(error));
    this.close(ErrorCode.INTERNAL_ERROR, `internal error: ${cause.message}`, cause);
  }

  /** A connection error (RFC 9113 §5.4.1): GOAWAY with code and token, then close. The only place that decides this. */
  fail(error: ConnectionError): void {
    this.#observer?.onProtocolError?.(error.streamId, error.errorCode, error.token);
    this.close(error.errorCode, error.token, error, error.token);
  }

  /** The first part of a graceful end (RFC 9113 §6.8): GOAWAY, and the connection goes on for the streams it has. */
  announceEnd(lastStreamId: number, errorCode: number, text: string): void {
    this.output.writeGoAway(lastStreamId, errorCode, text);
    if (this.lifecycle === Lifecycle.OPEN) this.lifecycle = Lifecycle.DRAINING;
  }

  /**
   * Sends GOAWAY with `errorCode` and `text`, ends every stream, and closes the pipe once that is sent. `token`: the limit or check that is
   * the reason, counted by the caller.
   */
  close(errorCode: number, text: string, cause?: Error, token: ErrorToken | null = null): void {
    if (this.lifecycle >= Lifecycle.CLOSING) return;
    // Calls that ended well may have answers under way, which the peer reads at its own pace.
    const isClean =
      cause === undefined &&
      this.streams.size === 0 &&
      this.clock.now() - this.output.lastTrafficMs < this.limits.writeStallTimeoutMs;
    this.output.writeGoAway(this.#role.lastPeerStreamId, errorCode, text);
    this.output.closed = true;
    this.lifecycle = Lifecycle.CLOSING;
    this.#reader.pause();
    this.#closeStreams(errorCode, text);
    this.output.flushAll();
    const initiator = cause === undefined ? Initiator.USER : Initiator.LIBRARY;
    this.#notifyClosed(errorCode, initiator, text, cause, token);
    // What the peer still sends is read and dropped, so that no TCP reset overtakes GOAWAY.
    if (this.#pausedForTurn || this.#pausedForPipe) this.#duplex.resume();
    this.#duplex.end();
    this.timers.linger(isClean, () => this.#duplex.destroy());
    if (!this.output.inRead) this.#runReadEnd();
  }

  /** A limit has tripped and the peer takes or answers nothing, a GOAWAY neither: counts `token` and loses the connection. */
  loseOver(token: ErrorToken, what: string): void {
    this.trip(token);
    this.#lose(what, token);
  }

  /** The pipe is of no more use: ends every stream and destroys it without a word (flood, stall, loss). */
  #lose(what: string, token: ErrorToken | null): void {
    if (this.lifecycle === Lifecycle.CLOSED) return;
    const text = this.#role.explainEnd(what);
    this.lifecycle = Lifecycle.CLOSING;
    this.output.closed = true;
    this.#reader.pause();
    this.#closeStreams(ErrorCode.NO_ERROR, text);
    this.#notifyClosed(ErrorCode.NO_ERROR, Initiator.LIBRARY, text, undefined, token);
    this.#duplex.destroy();
    if (!this.output.inRead) this.#runReadEnd();
  }

  /** Runs what a timer of this connection does, and the queued user code after it. */
  runTimer(action: () => void): void {
    this.nowMs = this.clock.now();
    try {
      action();
    } catch (error) {
      this.#failFromRead(error);
    }
    this.#runReadEnd();
    this.output.flush();
  }

  #closeStreams(errorCode: number, text: string): void {
    this.streams.forEach((stream) => {
      this.abandonStream(stream, StreamProgress.PROCESSED, errorCode, text);
    });
    this.#role.onStreamsAbandoned(text);
  }

  #notifyClosed(
    errorCode: number,
    initiator: Initiator,
    message: string,
    cause: Error | undefined,
    token: ErrorToken | null,
  ): void {
    if (this.#closedNotified) return;
    this.#closedNotified = true;
    this.lifecycle = Math.max(this.lifecycle, Lifecycle.CLOSING) as Lifecycle;
    this.timers.stop();
    this.#drainGuard?.stop();
    this.#backlog = null;
    const { goAwayCode, goAwayDebug } = this.#role;
    this.#role.onClosed({ errorCode, initiator, message, cause, token, goAwayCode, goAwayDebug });
  }
}
