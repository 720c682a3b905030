/**
 * Everything a connection sends: frames go into one buffer, DATA waits for windows, and one write per tick takes all of it to the pipe,
 * or a few of them when a tick has the frames of many calls.
 * The connection's send window and the state of the pipe are changed here alone.
 */

import { DEFAULT_WINDOW_OCTETS } from '../framing/constants.ts';
import type { HeaderList } from '../framing/frame-handler.ts';
import { FrameWriter } from '../framing/frame-writer.ts';
import { HpackEncoder } from '../framing/hpack/hpack-encoder.ts';
import { MESSAGE_PREFIX_OCTETS } from '../framing/message/message-framer.ts';
import { OutputBuffer } from '../framing/output-buffer.ts';
import type { AbuseGuard } from './abuse-guard.ts';
import type { ByteDuplex } from './byte-duplex.ts';
import { type ConnectionOptions, defaultDefer } from './connection-role.ts';
import { SendWindow } from './flow-control.ts';
import type { Limits } from './limits.ts';
import type { TransportObserver } from './observer.ts';
import { SendScheduler } from './send-scheduler.ts';
import type { Http2Stream } from './stream.ts';

/** Output beyond this waits in the stream queues, where it can be scheduled fairly and dropped by a reset. */
const OUTPUT_HIGH_WATER_OCTETS = 262_144;

/**
 * Calls whose frames the first write of a tick takes when more are made in it: the peer works on them meanwhile, where two ends that answer
 * each other would take turns and each be idle half of the time. Every further write takes twice as many, so that large ticks have few.
 * A call counts again when frames of another came between.
 */
export const FIRST_WRITE_CALLS = 32;
/** As many as ready calls run between two flushes. */
export const MAX_WRITE_CALLS = 128;
/**
 * As OUTPUT_HIGH_WATER_OCTETS, for a pipe that takes whole writes of that size at once: each write is a system call, and wakes the peer.
 * Never more than `connectionWriteQuotaOctets` (L17).
 */
const LARGEST_WRITE_OCTETS = 1_048_576;

/** Frames of large messages are two chunks each, which have less than this on average; slabs full of small ones have more. */
const LARGE_MESSAGE_CHUNK_OCTETS = 16_384;

/** A PING ACK, the largest frame that answers a frame of the peer's. */
const LARGEST_REPLY_OCTETS = 17;

/** What the output tells its connection. */
export interface OutputHost {
  /** Coarse clock reading. */
  readonly nowMs: number;
  /** The pipe stopped or went on taking octets. */
  onPipe(blocked: boolean, pendingOctets: number): void;
  /** L9: replies pile up unread; reading should pause until the pipe takes them. */
  onRepliesPiledUp(): void;
  /** L9: far too many replies are unread. */
  onFlooded(): void;
  /** A flush booked outside a read is done; listeners may have been told that they can write. */
  afterDeferredFlush(): void;
}

/** The sending half of a connection. */
export class ConnectionOutput {
  /** Payload octets queued in all streams. */
  queuedOctets = 0;
  /** Octets of DATA that left the stream queues (L21). */
  dataOctetsSent = 0;
  /** Set by the connection while it handles a read, whose end flushes anyway. */
  inRead = false;
  /** No more frames are written: GOAWAY was the last one. */
  closed = false;
  pipeBlocked = false;
  /** When HEADERS or DATA were last written; coarse. */
  lastTrafficMs: number = Number.NEGATIVE_INFINITY;
  readonly streamWriteQuotaOctets: number;
  readonly writer: FrameWriter;
  readonly sendWindow: SendWindow = new SendWindow(DEFAULT_WINDOW_OCTETS);
  readonly #limits: Limits;
  readonly #guard: AbuseGuard;
  readonly #duplex: ByteDuplex;
  readonly #host: OutputHost;
  readonly #observer: TransportObserver | null;
  readonly #output: OutputBuffer = new OutputBuffer();
  readonly #encoder: HpackEncoder;
  readonly #scheduler: SendScheduler = new SendScheduler();
  readonly #defer: (run: () => void) => void;
  readonly #flushDeferred: () => void;
  #flushScheduled = false;
  /** Calls that have frames in the next write, and how many of them make it leave before the tick ends. */
  #callsWaiting = 0;
  #callsPerWrite: number = FIRST_WRITE_CALLS;
  /** Of the call whose HEADERS or message was written last. */
  #lastStreamId = 0;
  /** The scheduler writes, and goes on when a frame is made. */
  #inRound = false;
  /** Octets that may gather before they are written. */
  #writeOctets = OUTPUT_HIGH_WATER_OCTETS;
  readonly #largestWriteOctets: number;
  /** Replies to peer-made work since the pipe last took everything (L9), and the most octets one of them has. */
  #unsentReplies = 0;

  constructor(duplex: ByteDuplex, guard: AbuseGuard, options: ConnectionOptions, host: OutputHost) {
    this.#limits = options.limits;
    this.#guard = guard;
    this.#duplex = duplex;
    this.#host = host;
    this.#observer = options.observer ?? null;
    this.#encoder = new HpackEncoder(options.limits.maxEncoderTableOctets);
    this.writer = new FrameWriter(this.#output, this.#encoder);
    this.streamWriteQuotaOctets = options.limits.streamWriteQuotaOctets;
    this.#largestWriteOctets = Math.max(
      OUTPUT_HIGH_WATER_OCTETS,
      Math.min(LARGEST_WRITE_OCTETS, options.limits.connectionWriteQuotaOctets),
    );
    this.#defer = options.defer ?? defaultDefer;
    this.#flushDeferred = (): void => {
      this.#flushScheduled = false;
      this.flush();
      this.#host.afterDeferredFlush();
    };
  }

  /** Octets in the buffer that the pipe was not given yet. */
  get bufferedOctets(): number {
    return this.#output.length;
  }

  /** The pipe takes nothing and answers pile up: a server reads no more requests until it does (D1). */
  get isOverfull(): boolean {
    const room = OUTPUT_HIGH_WATER_OCTETS + this.#limits.controlPauseOctets;
    return this.pipeBlocked && this.#output.length >= room;
  }

  /** Octets the pipe was given and has not taken yet. */
  get pipePendingOctets(): number {
    return this.#duplex.pendingOctets;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE (RFC 9113 §6.5.2); our own bound is L8. */
  setPeerHeaderTableOctets(octets: number): void {
    this.#encoder.setPeerMaxTableOctets(octets);
  }

  // ---- DATA ------------------------------------------------------------------------------------------------------

  /** Whether a DATA frame of `octets` may be written at once: frame size, connection window, nobody waiting, room. */
  mayWriteData(octets: number): boolean {
    return (
      octets <= this.writer.maxFrameOctets &&
      octets <= this.sendWindow.available &&
      this.#scheduler.idle &&
      this.#output.length < this.#writeOctets
    );
  }

  /** The largest DATA frame that may be written now; 0 stops the scheduler's round. */
  frameOctetsAllowed(): number {
    if (this.#output.length >= this.#writeOctets) return 0;
    return Math.max(0, Math.min(this.writer.maxFrameOctets, this.sendWindow.available));
  }

  /** L17: whether the stream and the connection have little enough unsent for the writer to go on. */
  isBelowQuota(stream: Http2Stream): boolean {
    return (
      stream.queuedOctets <= this.#limits.streamWriteQuotaOctets &&
      this.queuedOctets + this.#output.length <= this.#limits.connectionWriteQuotaOctets
    );
  }

  /** A stream has something queued, or its window opened. */
  schedule(stream: Http2Stream): void {
    if (stream.id === 0) return;
    this.#scheduler.add(stream);
    this.scheduleFlush();
  }

  unschedule(stream: Http2Stream): void {
    this.#scheduler.remove(stream);
  }

  /** One whole message as one DATA frame; `mayWriteData` was true. */
  writeMessage(streamId: number, flags: number, payload: Uint8Array, endStream: boolean): void {
    if (streamId !== this.#lastStreamId) this.#onNextCall(streamId);
    this.sendWindow.debit(payload.length + MESSAGE_PREFIX_OCTETS);
    this.writer.message(streamId, flags, payload, endStream);
    this.#onTraffic(true);
    this.scheduleFlush();
  }

  /** `octets` of prefix + payload from `offset` on as one DATA frame; `frameOctetsAllowed` was at least that. */
  writeMessagePart(
    streamId: number,
    flags: number,
    payload: Uint8Array,
    offset: number,
    octets: number,
    endStream: boolean,
  ): void {
    this.sendWindow.debit(octets);
    this.dataOctetsSent += octets;
    this.writer.messagePart(streamId, flags, payload, offset, offset + octets, endStream);
    this.#onTraffic(true);
  }

  /** An empty DATA frame with END_STREAM: needs no window (RFC 9113 §6.9.1). */
  writeEmptyEnd(streamId: number): void {
    this.writer.dataHeader(streamId, 0, true);
    this.#onTraffic(true);
    this.scheduleFlush();
  }

  #onTraffic(isData: boolean): void {
    this.lastTrafficMs = this.#host.nowMs;
    this.#guard.onTrafficSent(isData);
  }

  // ---- the other frames ------------------------------------------------------------------------------------------

  writeHeaders(
    streamId: number,
    template: HeaderList,
    extra: HeaderList | null,
    endStream: boolean,
  ): void {
    if (streamId !== this.#lastStreamId) this.#onNextCall(streamId);
    this.writer.headers(streamId, template, extra, endStream);
    this.#onTraffic(false);
    this.scheduleFlush();
  }

  writeWindowUpdate(streamId: number, increment: number): void {
    if (this.closed) return;
    this.writer.windowUpdate(streamId, increment);
    this.scheduleFlush();
  }

  /** RST_STREAM by our user. */
  writeReset(streamId: number, errorCode: number): void {
    if (this.closed) return;
    this.writer.rstStream(streamId, errorCode);
    this.scheduleFlush();
  }

  /** RST_STREAM that the peer's error made us send: a reply in the sense of L9. */
  writeErrorReset(streamId: number, errorCode: number): void {
    if (this.closed) return;
    this.writer.rstStream(streamId, errorCode);
    this.#countReply();
  }

  /** SETTINGS of ours; `parameters` is id, value, id, value, … */
  writeSettings(parameters: readonly number[]): void {
    if (this.closed) return;
    this.writer.settings(parameters);
    this.scheduleFlush();
  }

  writeSettingsAck(): void {
    this.writer.settingsAck();
    this.#countReply();
  }

  /** A PING of ours; `payload` is 8 octets. */
  writePing(payload: Uint8Array): void {
    if (this.closed) return;
    this.writer.ping(payload, false);
    this.scheduleFlush();
  }

  writePingAck(payload: Uint8Array): void {
    this.writer.ping(payload, true);
    this.#countReply();
  }

  writeGoAway(lastStreamId: number, errorCode: number, text: string): void {
    if (this.closed) return;
    this.writer.goAway(lastStreamId, errorCode, text);
    this.scheduleFlush();
  }

  /** L9: replies that the peer does not read must not pile up. */
  #countReply(): void {
    this.scheduleFlush();
    this.#unsentReplies += 1;
    const { controlPauseFrames, controlPauseOctets, controlCloseFrames, controlCloseOctets } =
      this.#limits;
    // Replies alone: DATA in the same buffer has bounds of its own.
    const octets = this.#unsentReplies * LARGEST_REPLY_OCTETS;
    if (this.#unsentReplies < controlPauseFrames && octets < controlPauseOctets) return;
    if (!this.pipeBlocked) this.flush();
    if (!this.pipeBlocked) return;
    if (this.#unsentReplies >= controlCloseFrames || octets >= controlCloseOctets) {
      this.#host.onFlooded();
    } else this.#host.onRepliesPiledUp();
  }

  // ---- the pipe --------------------------------------------------------------------------------------------------

  /** The pipe takes octets again. */
  onPipeWritable(): void {
    this.pipeBlocked = false;
    this.#host.onPipe(false, 0);
    this.flush();
  }

  /** Books a flush for the end of this tick; inside a read it comes at its end anyway. */
  scheduleFlush(): void {
    if (this.#flushScheduled || this.inRead) return;
    this.#flushScheduled = true;
    this.#defer(this.#flushDeferred);
  }

  /** Hands everything to the pipe though it may be blocked: the last flush of a connection that closes. */
  flushAll(): void {
    const chunks = this.#output.takeChunks();
    if (chunks.length === 0) return;
    this.#tell(chunks);
    this.#duplex.write(chunks);
  }

  #tell(chunks: readonly Uint8Array[]): void {
    const observer = this.#observer;
    if (observer?.onOctetsSent === undefined) return;
    for (const chunk of chunks) observer.onOctetsSent(chunk);
  }

  /**
   * Frames of another call than before follow: what is complete may leave. A stream alone is not cut: its messages go on in the next turn, so
   * that its reader is busy anyway. Never inside a round of the scheduler, nor while DATA of others waits for its turn, nor behind a write
   * that the system has not taken: there it would only be queued.
   */
  #onNextCall(streamId: number): void {
    this.#lastStreamId = streamId;
    if (this.#callsWaiting >= this.#callsPerWrite && this.#mayWriteEarly()) {
      const callsPerWrite = Math.min(2 * this.#callsPerWrite, MAX_WRITE_CALLS);
      this.flush();
      this.#callsPerWrite = callsPerWrite;
    }
    this.#callsWaiting += 1;
  }

  #mayWriteEarly(): boolean {
    return (
      !this.pipeBlocked &&
      !this.#inRound &&
      this.#scheduler.idle &&
      this.#duplex.pendingOctets === 0
    );
  }

  /** Hands everything waiting to the pipe, in one write. */
  flush(): void {
    this.#callsWaiting = 0;
    this.#callsPerWrite = FIRST_WRITE_CALLS;
    if (this.closed) return;
    for (;;) {
      if (!this.#scheduler.idle) {
        this.#inRound = true;
        this.#scheduler.pump(this);
        this.#inRound = false;
      }
      if (this.#output.length === 0 || this.pipeBlocked) return;
      const duplex = this.#duplex;
      if (duplex.pendingOctets === 0) this.#output.recycle();
      const octets = this.#output.length;
      const chunks = this.#output.takeChunks();
      if (this.#observer !== null) this.#tell(chunks);
      const writable = duplex.write(chunks);
      const pending = duplex.pendingOctets;
      if (pending === 0) this.#output.recycle();
      // What a slow pipe holds can be neither scheduled nor dropped, so it gets no more at once than it has shown that it takes.
      if (pending > 0) this.#writeOctets = OUTPUT_HIGH_WATER_OCTETS;
      else if (octets >= OUTPUT_HIGH_WATER_OCTETS) {
        // Small messages fill slabs: their reader has much to do with each write, and should begin with it early.
        const isLarge = octets < chunks.length * LARGE_MESSAGE_CHUNK_OCTETS;
        this.#writeOctets = isLarge ? this.#largestWriteOctets : OUTPUT_HIGH_WATER_OCTETS;
      }
      if (!writable) {
        this.pipeBlocked = true;
        this.#host.onPipe(true, pending);
        return;
      }
      this.#unsentReplies = 0;
      if (this.#scheduler.idle) return;
    }
  }
}
