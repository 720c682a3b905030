/**
 * One HTTP/2 stream: its state, windows, send queue and listener. Octets leave at once when the windows allow it and nothing is queued;
 * otherwise they wait here and the scheduler writes them. Created by the client and server roles, changed by them, by the connection and by its listener's side.
 */

import { ErrorCode } from '../framing/constants.ts';
import type { HeaderList } from '../framing/frame-handler.ts';
import { MESSAGE_PREFIX_OCTETS } from '../framing/message/message-framer.ts';
import type { PeerInfo } from './byte-duplex.ts';
import type { Http2Connection } from './connection.ts';
import type { DrainRecord } from './drain-guard.ts';
import { ReceiveWindow, SendWindow } from './flow-control.ts';
import {
  type ClientStreamListener,
  Initiator,
  type StreamListener,
  StreamProgress,
  type TransportStream,
} from './stream-listener.ts';
import {
  CloseCause,
  canReceive,
  canSend,
  onSendData,
  onSendHeaders,
  StreamState,
} from './stream-state.ts';

/** One queued item: a message with its prefix, an empty end, or trailers. */
interface QueuedItem {
  next: QueuedItem | null;
  readonly flags: number;
  /** Message octets behind the prefix; null for an end without message or for trailers. */
  readonly payload: Uint8Array | null;
  /** Octets of prefix and payload already written. */
  written: number;
  readonly endStream: boolean;
  readonly trailerTemplate: HeaderList | null;
  readonly trailerExtra: HeaderList | null;
}

/** Which list of the connection a stream is on; a stream waits on at most one. */
export const WaitList = { NONE: 0, READY: 1, SLOT: 2 } as const;
export type WaitList = (typeof WaitList)[keyof typeof WaitList];

/** Facts of a stream, as bits of one number: an open stream is little more than its fields. */
const Mark = {
  HEADERS_RECEIVED: 1,
  HEADERS_SENT: 2,
  /** END_STREAM is queued or sent: nothing more may be queued. */
  ENDED: 4,
  /** From a `sendMessage` that returned false until `onWritable`. */
  WRITER_WAITS: 8,
  RESET_WHEN_SENT: 16,
} as const;

/** What few streams have. */
class StreamExtras {
  /** The part of the unread octets that belongs to an unfinished message and does not count against L29. */
  unreadExempt = 0;
  /** Octets of 1xx header lists received (client; C06). */
  informationalOctets = 0;
  /** L21: kept while the whole rest of our side is queued; null before. */
  drain: DrainRecord | null = null;
}

/** A stream of a client or server connection. */
export class Http2Stream implements TransportStream {
  id: number;
  state: StreamState;
  closeCause: CloseCause;
  listener: StreamListener;
  readonly connection: Http2Connection;
  readonly sendWindow: SendWindow;
  readonly receiveWindow: ReceiveWindow;
  /** Payload octets received and not consumed; a part of `receiveWindow.held`. */
  unread: number;
  /** Octets queued to be sent, prefixes included. */
  queuedOctets: number;
  /** Octets that content-length still promises, or -1 when there was none (RFC 9113 §8.1.1). */
  contentLengthLeft: number;
  /** Empty DATA frames in a row (L13). */
  emptyDataInARow: number;
  /** Intrusive links of the wait list. */
  waitList: WaitList;
  previousWaiting: Http2Stream | null;
  nextWaiting: Http2Stream | null;
  /** Client, waiting for a slot: the header template to send when one is free. */
  pendingTemplate: HeaderList | null;

  #queueHead: QueuedItem | null;
  #queueTail: QueuedItem | null;
  /** Those of `Mark`. */
  #marks: number;
  #extras: StreamExtras | null;

  constructor(
    connection: Http2Connection,
    id: number,
    listener: StreamListener,
    sendWindowOctets: number,
    receiveWindowOctets: number,
  ) {
    this.id = id;
    this.state = StreamState.IDLE;
    this.closeCause = CloseCause.NONE;
    this.listener = listener;
    this.connection = connection;
    this.sendWindow = new SendWindow(sendWindowOctets);
    this.receiveWindow = new ReceiveWindow(receiveWindowOctets, connection.nowMs);
    this.unread = 0;
    this.queuedOctets = 0;
    this.contentLengthLeft = -1;
    this.emptyDataInARow = 0;
    this.waitList = 0;
    this.previousWaiting = null;
    this.nextWaiting = null;
    this.pendingTemplate = null;
    this.#queueHead = null;
    this.#queueTail = null;
    this.#marks = 0;
    this.#extras = null;
  }

  #is(mark: number): boolean {
    return (this.#marks & mark) !== 0;
  }

  /** Initial headers (client: final response headers) have been received. */
  get headersReceived(): boolean {
    return this.#is(Mark.HEADERS_RECEIVED);
  }

  onHeadersReceived(): void {
    this.#marks |= Mark.HEADERS_RECEIVED;
  }

  /** Resets with NO_ERROR once everything queued is sent (early response, RFC 9113 §8.1). */
  resetWhenSent(): void {
    this.#marks |= Mark.RESET_WHEN_SENT;
  }

  /** What few streams have; made now if there is none. */
  get extras(): StreamExtras {
    this.#extras ??= new StreamExtras();
    return this.#extras;
  }

  /** L21: the record of the drain guard; null while it watches something else or nothing. */
  get drain(): DrainRecord | null {
    return this.#extras === null ? null : this.#extras.drain;
  }

  get isSendClosed(): boolean {
    return this.state === StreamState.HALF_CLOSED_LOCAL || this.state === StreamState.CLOSED;
  }

  get peer(): PeerInfo {
    return this.connection.peer;
  }

  /** True when something is queued. */
  get hasQueued(): boolean {
    return this.#queueHead !== null;
  }

  /** Client: writes the request HEADERS now; the id was just assigned (RFC 9113 §5.1.1: HEADERS leave in id order). */
  writeRequestHeaders(template: HeaderList): void {
    const extra = (this.listener as ClientStreamListener).onSendHeaders();
    this.state = onSendHeaders(this.state, false) as StreamState;
    this.#marks |= Mark.HEADERS_SENT;
    this.connection.output.writeHeaders(this.id, template, extra, false);
  }

  sendHeaders(template: HeaderList, extra: HeaderList | null, endStream: boolean): void {
    if (this.#is(Mark.HEADERS_SENT) || !canSend(this.state) || this.#is(Mark.ENDED)) return;
    this.#marks |= Mark.HEADERS_SENT;
    this.state = onSendHeaders(this.state, endStream) as StreamState;
    this.connection.output.writeHeaders(this.id, template, extra, endStream);
    if (endStream) {
      this.#marks |= Mark.ENDED;
      this.#closeIfDone();
    }
  }

  sendMessage(flags: number, payload: Uint8Array, endStream: boolean): boolean {
    if (this.#is(Mark.ENDED) || this.state === StreamState.CLOSED) return true;
    const octets = payload.length + MESSAGE_PREFIX_OCTETS;
    const { output } = this.connection;
    if (
      this.#queueHead === null &&
      canSend(this.state) &&
      octets <= this.sendWindow.available &&
      output.mayWriteData(octets)
    ) {
      this.sendWindow.debit(octets);
      output.writeMessage(this.id, flags, payload, endStream);
      if (endStream) this.#sentEnd();
      return true;
    }
    if (endStream) this.#marks |= Mark.ENDED;
    return this.#enqueue(flags, payload, endStream, null, null, octets);
  }

  sendEnd(): void {
    if (this.#is(Mark.ENDED) || this.state === StreamState.CLOSED) return;
    this.#marks |= Mark.ENDED;
    if (this.#queueHead === null && canSend(this.state)) {
      this.connection.output.writeEmptyEnd(this.id);
      this.#sentEnd();
      return;
    }
    this.#enqueue(0, null, true, null, null, 0);
  }

  sendTrailers(template: HeaderList, extra: HeaderList | null): void {
    if (this.#is(Mark.ENDED) || this.state === StreamState.CLOSED) return;
    this.#marks |= Mark.ENDED;
    if (this.#queueHead === null && canSend(this.state)) {
      this.#writeTrailers(template, extra);
      return;
    }
    this.#enqueue(0, null, true, template, extra, 0);
  }

  consume(octets: number): void {
    if (octets <= 0 || this.state === StreamState.CLOSED) return;
    const used = Math.min(octets, this.unread);
    this.#release(used);
    this.connection.receiver.creditStream(this, used);
  }

  expect(octets: number): void {
    if (!canReceive(this.state)) return;
    const held = this.unread - this.#unreadExempt;
    if (held > 0) {
      this.extras.unreadExempt += held;
      this.connection.guard.onConsumed(held);
      this.connection.receiver.releaseUnread(held);
    }
    const increment = this.receiveWindow.expect(octets);
    if (increment > 0) this.connection.output.writeWindowUpdate(this.id, increment);
  }

  reset(errorCode: number): void {
    this.connection.resetByUser(this, errorCode);
  }

  /** Writes queued octets, at most `budget`. Returns the octets written, or -1 when the stream's own window stops it. */
  writeQueued(budget: number): number {
    let written = 0;
    for (;;) {
      const item = this.#queueHead;
      if (item === null) return written;
      if (item.payload === null) {
        // Trailers and an empty END_STREAM need no window (RFC 9113 §6.9.1).
        this.#dequeue();
        if (item.trailerTemplate !== null) {
          this.#writeTrailers(item.trailerTemplate, item.trailerExtra);
        } else {
          this.connection.output.writeEmptyEnd(this.id);
          this.#sentEnd();
        }
        return written;
      }
      const left = item.payload.length + MESSAGE_PREFIX_OCTETS - item.written;
      const octets = Math.min(
        left,
        budget - written,
        this.sendWindow.available,
        this.connection.output.frameOctetsAllowed(),
      );
      if (octets <= 0) return written > 0 || this.sendWindow.available > 0 ? written : -1;
      const last = octets === left;
      this.sendWindow.debit(octets);
      this.connection.output.writeMessagePart(
        this.id,
        item.flags,
        item.payload,
        item.written,
        octets,
        last && item.endStream,
      );
      item.written += octets;
      this.queuedOctets -= octets;
      this.connection.output.queuedOctets -= octets;
      written += octets;
      if (!last) continue;
      this.#dequeue();
      if (item.endStream) {
        this.#sentEnd();
        return written;
      }
    }
  }

  /** Drops the queue, on reset and on loss of the connection. */
  dropQueue(): void {
    this.connection.output.queuedOctets -= this.queuedOctets;
    this.queuedOctets = 0;
    this.#queueHead = null;
    this.#queueTail = null;
    this.#marks |= Mark.ENDED;
  }

  /** Gives back everything unread, when the stream ends: nobody will consume it (L16). */
  releaseUnread(): void {
    if (this.unread === 0) return;
    // What the ended stream held is held no longer: L14 gets its overhead back, or a million unary calls would spend it.
    this.connection.guard.onConsumed(this.unread);
    this.#release(this.unread);
  }

  /** The peer's side ended or the stream is over in both directions: closes if both sides are done. */
  closeIfDone(): void {
    this.#closeIfDone();
  }

  /** Tells the listener, once. Called by the connection after the stream left the table. */
  notifyClosed(
    errorCode: number,
    initiator: Initiator,
    progress: StreamProgress,
    reason: string,
  ): void {
    this.listener.onClosed(errorCode, initiator, progress, reason);
  }

  /** After octets left: tells a waiting writer once the queue is below half of the quota (L17). */
  notifyWritableIfDrained(quotaOctets: number): void {
    if (
      this.#is(Mark.WRITER_WAITS) &&
      this.queuedOctets * 2 < quotaOctets &&
      !this.#is(Mark.ENDED)
    ) {
      this.#marks &= ~Mark.WRITER_WAITS;
      this.listener.onWritable();
    }
  }

  get #unreadExempt(): number {
    return this.#extras === null ? 0 : this.#extras.unreadExempt;
  }

  #release(octets: number): void {
    this.unread -= octets;
    const exempt = Math.min(octets, this.#unreadExempt);
    if (exempt > 0) this.extras.unreadExempt -= exempt;
    this.connection.receiver.releaseUnread(octets - exempt);
  }

  #enqueue(
    flags: number,
    payload: Uint8Array | null,
    endStream: boolean,
    trailerTemplate: HeaderList | null,
    trailerExtra: HeaderList | null,
    octets: number,
  ): boolean {
    const item: QueuedItem = {
      next: null,
      flags,
      payload,
      written: 0,
      endStream,
      trailerTemplate,
      trailerExtra,
    };
    if (this.#queueTail === null) this.#queueHead = item;
    else this.#queueTail.next = item;
    this.#queueTail = item;
    this.queuedOctets += octets;
    this.connection.output.queuedOctets += octets;
    this.connection.output.schedule(this);
    if (endStream) this.connection.onOutputFinished(this);
    const accepted = this.connection.output.isBelowQuota(this);
    if (!accepted) this.#marks |= Mark.WRITER_WAITS;
    return accepted;
  }

  #dequeue(): void {
    const item = this.#queueHead;
    if (item === null) return;
    this.#queueHead = item.next;
    if (item.next === null) this.#queueTail = null;
  }

  #writeTrailers(template: HeaderList, extra: HeaderList | null): void {
    this.#marks |= Mark.HEADERS_SENT;
    this.state = onSendHeaders(this.state, true) as StreamState;
    this.connection.output.writeHeaders(this.id, template, extra, true);
    this.#closeIfDone();
  }

  #sentEnd(): void {
    this.#marks |= Mark.ENDED;
    this.state = onSendData(this.state, true) as StreamState;
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.state === StreamState.CLOSED && this.closeCause === CloseCause.NONE) {
      this.connection.endStream(
        this,
        CloseCause.END_STREAM,
        ErrorCode.NO_ERROR,
        Initiator.REMOTE,
        StreamProgress.PROCESSED,
        '',
      );
    } else if (this.#is(Mark.RESET_WHEN_SENT) && this.#queueHead === null) {
      this.connection.resetByUser(this, ErrorCode.NO_ERROR);
    }
  }
}
