/**
 * A call on the server: judges the request, waits for its handler slot, enforces cardinality and deadline, and answers exactly once. Stream
 * events only record; judging and user code run in `runReady`, out of the connection's ready queue.
 *
 *   accepted ──request judged──▶ waiting (unary request: for its one message; all: for a slot) ──▶ handler ──▶ answered ──▶ stream closed
 *
 * Any state may end in cancellation: by RST_STREAM, loss of the connection, or the deadline.
 */

import { ErrorCode } from '../../framing/constants.ts';
import type { HeaderList } from '../../framing/frame-handler.ts';
import type { PeerInfo } from '../../transport/byte-duplex.ts';
import type { Timer } from '../../transport/clock.ts';
import {
  Initiator,
  type StreamListener,
  type StreamProgress,
  type TransportStream,
} from '../../transport/stream-listener.ts';
import { CallScope } from '../call-scope.ts';
import type { MethodDescriptor } from '../method.ts';
import { unknownEncoding } from '../protocol/compression.ts';
import type { RequestFacts } from '../protocol/request-headers.ts';
import { Status } from '../status.ts';
import type { CallAbortion, ServerCall, ServerCallListener, ServerMethod } from './call.ts';
import { abortionText, metadataFault, overLimitMessage } from './call-fault.ts';
import { deliverCall } from './deliver-call.ts';
import { deadlineOf, EXPIRY_RESET_DELAY_MS } from './expiry.ts';
import { LATER, READABLE } from './message-inflater.ts';
import { MessageQueue } from './message-queue.ts';
import type { ReadyEntry } from './ready-queue.ts';
import { COMPLETE, INCOMPLETE_TEXT, judgeUnaryRequest, UNFINISHED } from './request-judgement.ts';
import { EXPIRED, type Refusal, refusalOf, unknownMethod } from './request-refusal.ts';
import { costOfReset } from './reset-cost.ts';
import { isReadByClient, ResponseCompression, switchCompression } from './response-compression.ts';
import { sendRefusal, sendStatus } from './response-status.ts';
import type { ServerCallHost, SlotCall } from './server-call-host.ts';
import { type AbortionRecord, ListenerEvent, Mark, Slot, UNROUTED } from './server-call-state.ts';

/**
 * Makes the call of a request stream and queues it: what a `StreamAcceptor` does. `complete` is false when `headers` was cut at the limits;
 * `endStream` when the request has no messages. Runs no user code.
 */
export function acceptCall(
  stream: TransportStream,
  headers: HeaderList,
  endStream: boolean,
  complete: boolean,
  host: ServerCallHost,
): StreamListener {
  const call = new ServerCallImpl(stream, headers, endStream, complete, host);
  host.readyQueue.push(call);
  return call;
}

/** One call. Created by `acceptCall`. */
export class ServerCallImpl implements ServerCall, StreamListener, SlotCall, ReadyEntry {
  inReadyQueue: boolean = false;
  readonly headers: HeaderList;
  readonly deadlineMs: number;
  readonly #host: ServerCallHost;
  readonly #stream: TransportStream;
  readonly #facts: RequestFacts;
  readonly #received: MessageQueue;
  /** Null for responses that are not compressed. */
  #compression: ResponseCompression | null = null;
  /** What calls made in the handler inherit; null when there can be none. */
  #scope: CallScope | null = null;
  #served: ServerMethod | null = null;
  #listener: ServerCallListener | null = null;
  #timer: Timer | null = null;
  #slot: Slot = Slot.NONE;
  /** Those of `Mark`. */
  #marks: number;
  #abortion: AbortionRecord | null = null;
  #demand: number = 0;

  constructor(
    stream: TransportStream,
    headers: HeaderList,
    endStream: boolean,
    complete: boolean,
    host: ServerCallHost,
  ) {
    const facts = host.requestReader.read(headers);
    this.headers = headers;
    this.deadlineMs = deadlineOf(host.clock, facts.timeoutMs);
    this.#host = host;
    this.#stream = stream;
    this.#facts = facts;
    this.#marks = Mark.SETTLED;
    if (endStream) this.#marks |= Mark.REQUEST_ENDED;
    if (complete) this.#marks |= Mark.HEADERS_COMPLETE;
    this.#received = new MessageQueue(host.limits.maxReceiveMessageOctets);
  }

  #is(mark: number): boolean {
    return (this.#marks & mark) !== 0;
  }

  // ---- ServerCall: the API's side -------------------------------------------------------------------------------------------------

  get method(): MethodDescriptor {
    return this.#served === null ? UNROUTED : this.#served.method;
  }

  get peer(): PeerInfo {
    return this.#stream.peer;
  }

  get authority(): string {
    return this.#facts.authority;
  }

  get cancelled(): boolean {
    return this.#abortion !== null;
  }

  get abortReason(): string {
    return this.#abortion === null ? '' : this.#abortion.reason;
  }

  get abortCode(): number | null {
    return this.#abortion === null ? null : this.#abortion.code;
  }

  get maxUndeliveredMessages(): number {
    return this.#host.limits.maxUndeliveredMessages;
  }

  get holdsRequest(): boolean {
    return !this.method.requestStreaming && this.#received.flags !== 0;
  }

  request(messages: number): void {
    this.#demand += messages;
    const { chunk, octetsBehind } = this.#received;
    if (chunk !== null || octetsBehind > 0 || this.#is(Mark.REQUEST_ENDED)) {
      this.#host.readyQueue.pushSoon(this);
    }
  }

  sendMetadata(metadata: HeaderList | null): void {
    if (this.#is(Mark.HEADERS_SENT | Mark.ANSWERED)) return;
    const fault = metadataFault(metadata, this.#host.limits.maxHeaderBlockOctets);
    if (fault !== null) this.#failRunning(Status.RESOURCE_EXHAUSTED, fault);
    if (this.#is(Mark.ANSWERED)) return;
    this.#marks |= Mark.HEADERS_SENT;
    const templates = this.#host.responseTemplates;
    const compression = this.#compression;
    const template =
      compression === null ? templates.plain : templates.encoded(compression.encoding);
    this.#stream.sendHeaders(template, metadata, false);
  }

  setCompression(encoding: string): boolean {
    const { compression } = this.#host;
    const current = this.#compression;
    if (!compression.codecs.has(encoding)) {
      throw new RangeError(unknownEncoding(encoding, compression.codecs));
    }
    if (this.#is(Mark.HEADERS_SENT)) return switchCompression(current, encoding);
    if (!isReadByClient(encoding, this.#facts)) return false;
    const codec = compression.codecs.get(encoding);
    this.#compression =
      codec === null
        ? null
        : new ResponseCompression(codec, compression, this.#stream, this.#host.limits, () =>
            this.#readySoon(),
          );
    return true;
  }

  sendMessage(message: Uint8Array): boolean {
    if (this.#is(Mark.ANSWERED)) return true;
    if (this.#is(Mark.MESSAGE_SENT) && !this.method.responseStreaming) {
      this.#failRunning(Status.INTERNAL, 'handler sent more than one message in a unary response');
      return true;
    }
    this.#marks |= Mark.MESSAGE_SENT;
    this.sendMetadata(null);
    const accepted =
      this.#compression === null
        ? this.#stream.sendMessage(0, message, false)
        : this.#compression.send(message);
    if (!accepted) this.#marks |= Mark.SENDER_WAITS;
    return accepted;
  }

  sendUnaryAndClose(message: Uint8Array, trailers: HeaderList | null): void {
    if (this.#is(Mark.ANSWERED)) return;
    this.sendMessage(message);
    if (!this.#is(Mark.ANSWERED)) this.#answer(Status.OK, '', trailers);
  }

  close(code: number, message: string, trailers: HeaderList | null): void {
    if (this.#is(Mark.ANSWERED)) return;
    if (code === Status.OK && !this.#is(Mark.MESSAGE_SENT) && !this.method.responseStreaming) {
      this.#answer(Status.INTERNAL, 'handler ended a unary response without a message', null);
      return;
    }
    this.#answer(code, message, trailers);
  }

  countTrip(token: string): void {
    this.#host.onTrip?.(token);
  }

  settled(): void {
    this.#marks |= Mark.SETTLED;
    if (this.#scope !== null) this.#scope.end();
    this.#releaseSlotIfOver();
  }

  // ---- SlotCall: the server's side ------------------------------------------------------------------------------------------------

  onSlot(): void {
    if (this.#slot !== Slot.WAITING) return;
    this.#slot = Slot.HELD;
    this.#host.readyQueue.pushSoon(this);
  }

  onSlotRefused(): void {
    if (this.#slot !== Slot.WAITING) return;
    this.#finish();
    this.#stream.reset(ErrorCode.REFUSED_STREAM);
  }

  /** L2: the slot is free when the handler has settled and the stream is closed; a call that waits for one only leaves the queue. */
  #releaseSlotIfOver(resetByPeer = false): void {
    if (!this.#is(Mark.STREAM_CLOSED)) return;
    if (this.#slot === Slot.WAITING || (this.#slot === Slot.HELD && this.#is(Mark.SETTLED))) {
      this.#slot = Slot.RELEASED;
      this.#host.releaseSlot(this, resetByPeer);
    }
  }

  // ---- StreamListener: the transport's side ---------------------------------------------------------------------------------------

  onHeaders(): void {
    // The initial list came through the acceptor.
  }

  onData(chunk: Uint8Array, start: number, end: number, endStream: boolean): number {
    if (endStream) this.#marks |= Mark.REQUEST_ENDED;
    if (this.#is(Mark.ANSWERED)) return end - start;
    this.#received.push(chunk, start, end);
    this.#host.readyQueue.push(this);
    return 0;
  }

  onTrailers(): void {
    // gRPC requests have no trailers (PROTOCOL-HTTP2, Requests); what they say is ignored.
    this.#marks |= Mark.REQUEST_ENDED;
    if (!this.#is(Mark.ANSWERED)) this.#host.readyQueue.push(this);
  }

  onWritable(): void {
    if (this.#compression === null || this.#compression.onStreamWritable()) this.#readySoon();
  }

  /** More may be sent: tells the listener if it waits for that. */
  #readySoon(): void {
    if (!this.#is(Mark.SENDER_WAITS) || this.#is(Mark.ANSWERED)) return;
    this.#marks &= ~Mark.SENDER_WAITS;
    this.#marks |= Mark.READY_DUE;
    this.#host.readyQueue.pushSoon(this);
  }

  costOfReset(nowMs: number): number | null {
    return costOfReset(nowMs, this.deadlineMs, this.#facts.timeoutMs, this.#listener !== null);
  }

  onClosed(
    errorCode: number,
    initiator: Initiator,
    _progress: StreamProgress,
    reason: string,
  ): void {
    this.#marks |= Mark.STREAM_CLOSED;
    if (!this.#is(Mark.ANSWERED)) {
      const abortion = initiator === Initiator.LIBRARY ? 'network' : 'cancelled';
      this.#abandon(abortion, abortionText(errorCode, initiator, reason));
    }
    if (this.#compression !== null) this.#compression.cancel();
    this.#stopTimer();
    this.#received.clear();
    // Resets of calls with a timeout are counted by `costOfReset` alone: deadlines pass while handlers are slow.
    const canExpire = this.deadlineMs !== Number.POSITIVE_INFINITY;
    this.#releaseSlotIfOver(initiator === Initiator.REMOTE && !canExpire);
    this.#host.readyQueue.pushSoon(this);
  }

  // ---- the answer -----------------------------------------------------------------------------------------------------------------

  #answer(code: number, message: string, metadata: HeaderList | null): void {
    const headersSent = this.#is(Mark.HEADERS_SENT);
    const compression = this.#compression;
    this.#finish();
    if (
      compression === null ||
      !compression.holdBack(() => this.#writeStatus(headersSent, code, message, metadata))
    ) {
      this.#writeStatus(headersSent, code, message, metadata);
    }
  }

  #writeStatus(
    headersSent: boolean,
    code: number,
    message: string,
    metadata: HeaderList | null,
  ): void {
    sendStatus(this.#stream, this.#host.limits, headersSent, code, message, metadata);
    this.#endEarly();
  }

  #refuse(refusal: Refusal): void {
    if (refusal.token !== null) this.#host.onTrip?.(refusal.token);
    this.#finish();
    sendRefusal(this.#stream, this.#host.limits, refusal);
    this.#endEarly();
  }

  /** RFC 9113 §8.1: after a complete response the client is told with NO_ERROR that the rest of its request is not needed. */
  #endEarly(): void {
    if (!this.#is(Mark.REQUEST_ENDED) && !this.#is(Mark.STREAM_CLOSED))
      this.#stream.reset(ErrorCode.NO_ERROR);
  }

  #finish(): void {
    this.#marks |= Mark.ANSWERED | Mark.HEADERS_SENT;
    this.#received.clear();
    this.#stopTimer();
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** The call ends without an answer of the handler's. `code`: of the status that was sent instead. */
  #abandon(abortion: CallAbortion, reason: string, code: number | null = null): void {
    this.#marks |= Mark.ANSWERED;
    this.#abortion = { abortion, reason, code };
    this.#received.clear();
    this.#stopTimer();
  }

  /** Answers with a status of our own; a handler that runs is told that its call was aborted. */
  #failRunning(code: number, message: string): void {
    if (this.#is(Mark.ANSWERED)) return;
    this.#answer(code, message, null);
    this.#abandon('network', message, code);
    this.#host.readyQueue.pushSoon(this);
  }

  /** For the timer of the deadline. */
  onTimer(): void {
    this.#timer = null;
    if (this.#is(Mark.ANSWERED)) return;
    if (this.#listener === null) this.countTrip(EXPIRED.token);
    this.#abandon('expired', 'its deadline has passed');
    this.#host.readyQueue.pushSoon(this);
    const reset = (): void => this.#stream.reset(ErrorCode.CANCEL);
    this.#timer = this.#host.clock.setTimer(EXPIRY_RESET_DELAY_MS, reset, false);
  }

  // ---- ReadyEntry: where judging and user code run --------------------------------------------------------------------------------

  runReady(): void {
    const isFirst = !this.#is(Mark.JUDGED);
    if (isFirst) {
      this.#marks |= Mark.JUDGED;
      if (!this.#is(Mark.ANSWERED)) this.#judge();
    }
    if (this.#listener === null) {
      if (this.#is(Mark.ANSWERED) || !this.#mayStart(isFirst)) {
        this.#received.compact();
        return;
      }
      this.#marks |= Mark.START_DUE;
      if (this.#host.scopes !== null) {
        this.#scope = new CallScope(this.deadlineMs, this.#host.clock);
      }
    }
    const scopes = this.#scope === null ? null : this.#host.scopes;
    if (scopes === null) this.deliver();
    else scopes.run(this.#scope, deliverCall, this);
  }

  /** @internal Runs user code; for `deliverCall`. */
  deliver(): void {
    if (this.#is(Mark.START_DUE)) {
      this.#marks &= ~Mark.START_DUE;
      this.#startHandler();
    }
    const listener = this.#listener;
    if (listener === null) return;
    if (!this.#is(Mark.ANSWERED)) {
      this.#deliverRequest(listener);
      this.#received.compact();
    }
    if (this.#is(Mark.READY_DUE)) {
      this.#marks &= ~Mark.READY_DUE;
      if (!this.#is(Mark.ANSWERED)) this.#tell(listener, ListenerEvent.READY);
    }
    if (this.#abortion !== null && !this.#is(Mark.CANCEL_DELIVERED)) {
      this.#marks |= Mark.CANCEL_DELIVERED;
      if (this.#scope !== null) this.#scope.abort(this.#abortion.abortion);
      this.#tell(listener, ListenerEvent.CANCEL);
    }
    if (this.#is(Mark.STREAM_CLOSED) && !this.#is(Mark.COMPLETE_DELIVERED)) {
      this.#marks |= Mark.COMPLETE_DELIVERED;
      this.#tell(listener, ListenerEvent.COMPLETE);
      if (!this.#is(Mark.SETTLED) && this.#slot === Slot.HELD) this.#host.handlerLingers(this);
    }
  }

  /** An exception of the API ends the call, if it has not ended yet. */
  #tell(listener: ServerCallListener, event: ListenerEvent): void {
    try {
      if (event === ListenerEvent.COMPLETE) listener.onComplete();
      else if (event === ListenerEvent.HALF_CLOSE) listener.onHalfClose();
      else if (event === ListenerEvent.READY) listener.onReady();
      else if (this.#abortion !== null) listener.onCancel(this.#abortion.abortion);
    } catch (error) {
      this.#host.readyQueue.report(error);
      this.#failRunning(Status.UNKNOWN, 'handler failed');
    }
  }

  /** Refuses the request, or finds its method and starts the deadline. */
  #judge(): void {
    const { codecs } = this.#host.compression;
    const refusal = refusalOf(this.#facts, this.#is(Mark.HEADERS_COMPLETE), codecs);
    if (refusal !== null) {
      this.#refuse(refusal);
      return;
    }
    const served = this.#host.lookup(this.#facts.path);
    if (served === null) {
      this.#refuse(unknownMethod(this.#facts.path));
      return;
    }
    if (this.deadlineMs !== Number.POSITIVE_INFINITY) {
      const leftMs = this.deadlineMs - this.#host.clock.now();
      if (leftMs <= 0) {
        this.#refuse(EXPIRED);
        return;
      }
      this.#timer = this.#host.clock.setTimer(leftMs, this, false);
    }
    this.#served = served;
    const { codec } = this.#host.compression;
    if (codec !== null) this.setCompression(codec.name);
  }

  /** Whether the handler may run: the request allows it and a slot is free. `justJudged`: so was the deadline. */
  #mayStart(justJudged: boolean): boolean {
    if (this.#served === null) return false;
    if (!this.method.requestStreaming && !this.#hasOneRequest()) return false;
    if (this.#slot === Slot.NONE) {
      this.#slot = Slot.WAITING;
      if (this.#host.acquireSlot(this)) this.#slot = Slot.HELD;
    }
    // The compiler does not know that acquireSlot may have called onSlot or onSlotRefused.
    if ((this.#slot as Slot) !== Slot.HELD) return false;
    if (!justJudged && this.deadlineMs <= this.#host.clock.now()) {
      this.#refuse(EXPIRED);
      return false;
    }
    if (this.method.requestStreaming || this.#received.flags === 0) return true;
    // Decompressed only now, so that calls that wait for a slot hold no more than they were sent.
    return this.#served.readsOnDemand === true || this.#isReadable();
  }

  #startHandler(): void {
    const served = this.#served;
    if (served === null) return;
    this.#marks &= ~Mark.SETTLED;
    try {
      this.#listener = served.handler(this);
    } catch (error) {
      this.#host.readyQueue.report(error);
      // security.md E12: nothing of a handler's exception reaches the client unasked.
      if (!this.#is(Mark.ANSWERED)) this.#answer(Status.UNKNOWN, 'handler failed', null);
      this.settled();
    }
  }

  /** Whether a unary request is complete and one readable message; answers it when it can no longer become that. */
  #hasOneRequest(): boolean {
    const received = this.#received;
    if (this.#failedOverLimit()) return false;
    const { codecs } = this.#host.compression;
    const { encoding } = this.#facts;
    const judged = judgeUnaryRequest(received, this.#is(Mark.REQUEST_ENDED), encoding, codecs);
    if (judged === COMPLETE) return true;
    if (judged === UNFINISHED) this.#awaitRest();
    else this.#failRunning(judged.code, judged.message);
    return false;
  }

  /** Whether the first message, which has flags, can be read now; if it never can, the call is answered. */
  #isReadable(): boolean {
    const readability = this.#received.prepare(this.#facts.encoding, this.#host, this);
    if (readability === READABLE) return true;
    if (readability !== LATER) this.#failRunning(readability.code, readability.message);
    return false;
  }

  onInflated(): void {
    this.#host.readyQueue.pushSoon(this);
  }

  #deliverRequest(listener: ServerCallListener): void {
    const received = this.#received;
    if (!this.method.requestStreaming) {
      const isHeld = received.chunk !== null && received.flags !== 0;
      if (isHeld && (this.#demand === 0 || !this.#isReadable())) return;
      const { chunk, start, end } = received;
      if (chunk === null) return;
      received.clear();
      this.#deliverMessage(listener, chunk, start, end);
      return;
    }
    for (let runs = 0; this.#demand > 0 && received.chunk !== null; runs++) {
      if (!this.#host.readyQueue.mayDeliver(runs)) {
        this.#host.readyQueue.pushSoon(this);
        break;
      }
      if (received.flags !== 0 && !this.#isReadable()) break;
      const { chunk, start, end } = received;
      this.#demand--;
      received.shift();
      this.#deliverMessage(listener, chunk as Uint8Array, start, end);
      if (this.#is(Mark.ANSWERED)) return;
    }
    this.#stream.consume(received.takeReleased());
    if (this.#failedOverLimit() || received.chunk !== null) return;
    if (!this.#is(Mark.REQUEST_ENDED)) {
      this.#awaitRest();
    } else if (received.octetsBehind > 0) {
      this.#failRunning(Status.INTERNAL, INCOMPLETE_TEXT);
    } else if (!this.#is(Mark.HALF_CLOSE_DELIVERED)) {
      this.#marks |= Mark.HALF_CLOSE_DELIVERED;
      this.#tell(listener, ListenerEvent.HALF_CLOSE);
    }
  }

  #deliverMessage(to: ServerCallListener, chunk: Uint8Array, start: number, end: number): void {
    this.#host.readyQueue.chargeMessage(end - start);
    try {
      to.onMessage(chunk, start, end);
    } catch (error) {
      this.#host.readyQueue.report(error);
      this.#failRunning(Status.INTERNAL, 'request message could not be read');
    }
  }

  /** L18: a message over the limit ends the call at its prefix. */
  #failedOverLimit(): boolean {
    const { overLimit } = this.#received;
    if (overLimit === 0) return false;
    const message = overLimitMessage(overLimit, this.#host.limits.maxReceiveMessageOctets);
    this.#host.onTrip?.('message.too-large');
    this.#failRunning(Status.RESOURCE_EXHAUSTED, message);
    return true;
  }

  /**
   * Makes room for the rest of a message that is waited for, and for the end behind it: an nghttp2 peer (Node, grpc-js, proxies) sends no
   * END_STREAM while the window is empty, though it needs none.
   */
  #awaitRest(): void {
    const received = this.#received;
    if (this.#demand === 0 && this.method.requestStreaming) return;
    if (received.chunk !== null) this.#stream.expect(1);
    else if (received.wanted > 0) this.#stream.expect(received.wanted + 1);
  }
}
