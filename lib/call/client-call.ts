/**
 * A call on the client: rules per cardinality, demand, deadline, cancellation, transparent retry, and the final status exactly once. Stream
 * events only record; the listener is called from `runReady`, out of the channel's ready queue.
 *
 *   idle ──start──▶ waiting for a transport ⇄ stream open ──trailers, reset, deadline, cancel──▶ status known ──▶ status delivered
 *
 * A status that the server sent comes behind the messages it sent before; any other end of the call drops what is unread.
 */

import { ErrorCode } from '../../framing/constants.ts';
import type { HeaderList } from '../../framing/frame-handler.ts';
import type { PeerInfo } from '../../transport/byte-duplex.ts';
import type { Timer } from '../../transport/clock.ts';
import {
  type ClientStreamListener,
  type ClientTransport,
  type Initiator,
  StreamProgress,
  type TransportStream,
} from '../../transport/stream-listener.ts';
import { CallPhase, EndedBy } from '../call-end.ts';
import type { CallScope, ScopeAbortion, ScopeChild } from '../call-scope.ts';
import type { MethodDescriptor } from '../method.ts';
import { IDENTITY } from '../protocol/compression.ts';
import { isWhole, requestFields } from '../protocol/request-headers.ts';
import {
  badBinaryMessage,
  httpFault,
  NO_HEADERS,
  type ResponseFacts,
} from '../protocol/response-headers.ts';
import { Status } from '../status.ts';
import type { CallOptions, CallStatus, ClientCall, ClientCallListener } from './call.ts';
import { closureCause, closureStatus, messageOf } from './call-fault.ts';
import type { ListedCall } from './call-list.ts';
import {
  type CallProgress,
  type CallTimeline,
  expiredStatus,
  explained,
  explainedClosure,
  localCause,
  msSince,
  recounted,
  timelineOf,
  wholeMs,
} from './call-progress.ts';
import type { ClientCallHost, PendingCall } from './client-call-host.ts';
import { Mark } from './client-call-state.ts';
import { deliverCall } from './deliver-call.ts';
import { mayHaveExpired } from './expiry.ts';
import { ForeignResponse } from './foreign-response.ts';
import { LATER, READABLE } from './message-inflater.ts';
import { MessageQueue } from './message-queue.ts';
import type { ReadyEntry } from './ready-queue.ts';
import { RequestMessages } from './request-messages.ts';
import { judgeRest, judgeUnaryOk, outlivesStream, receiptFault } from './response-judgement.ts';

/** One call. Created by the channel's `createCall`. */
export class ClientCallImpl
  implements ClientCall, ClientStreamListener, PendingCall, ReadyEntry, CallProgress, ScopeChild
{
  inReadyQueue: boolean = false;
  listed: boolean = false;
  previousListed: ListedCall | null = null;
  nextListed: ListedCall | null = null;
  peer: PeerInfo | null = null;
  readonly method: MethodDescriptor;
  /** Those of the caller, with the deadline of the scope if that is shorter. */
  options: CallOptions;
  // How far the call is, for its error: see CallProgress.
  phase: CallPhase = CallPhase.STARTING;
  startedMs: number = 0;
  timeline: CallTimeline | null = null;
  messagesReceived: number = 0;
  readonly #host: ClientCallHost;
  readonly #request: RequestMessages;
  readonly #received: MessageQueue;
  #listener: ClientCallListener | null = null;
  #stream: TransportStream | null = null;
  #timer: Timer | null = null;
  /** The final status once it is known; delivered by `runReady`. */
  #status: CallStatus | null = null;
  /** Response headers that are due to the listener. */
  #metadata: HeaderList | null = null;
  /** The response, once its headers have shown that it is not gRPC. */
  #foreign: ForeignResponse | null = null;
  /** `grpc-encoding` of the response. */
  #encoding: string = IDENTITY;
  /** The served call whose handler made this one; its listener runs there too. */
  #scope: CallScope | null = null;
  /** Messages wanted through `request` and not delivered. */
  #demand: number = 0;

  /** Those of `Mark`. */
  #marks: number = 0;

  constructor(method: MethodDescriptor, options: CallOptions, host: ClientCallHost) {
    this.method = method;
    this.options = options;
    this.#host = host;
    this.#request = new RequestMessages(host, options.compression, this);
    this.#received = new MessageQueue(host.limits.maxReceiveMessageOctets);
  }

  #is(mark: number): boolean {
    return (this.#marks & mark) !== 0;
  }

  start(listener: ClientCallListener): void {
    if (this.#listener !== null) throw new Error('a call can be started only once');
    this.#listener = listener;
    if (this.#status !== null) {
      this.#host.readyQueue.pushSoon(this);
      return;
    }
    const nowMs = this.#host.clock.now();
    this.startedMs = wholeMs(nowMs);
    if (this.#host.scopes !== null && !this.#inherit(nowMs)) return;
    const fault = this.#request.faultOf(this.options.compression);
    if (fault !== null) {
      this.#abort(Status.INTERNAL, fault, undefined, EndedBy.USER);
      return;
    }
    const { deadlineMs } = this.options;
    if (deadlineMs !== Number.POSITIVE_INFINITY) {
      const leftMs = deadlineMs - nowMs;
      if (leftMs <= 0) {
        this.#endWith(this.#expired());
        return;
      }
      this.#timer = this.#host.clock.setTimer(leftMs, this, true);
      if (isWhole(leftMs, this.options.timeoutMs)) this.#marks |= Mark.STARTS_NOW;
    }
    this.#attempt();
    this.#marks &= ~Mark.STARTS_NOW;
  }

  startUnary(listener: ClientCallListener, message: Uint8Array, compress = true): void {
    this.#request.send(message, compress, true);
    this.start(listener);
  }

  /** Takes over what the served call around it says. False: that is the end of this call. */
  #inherit(nowMs: number): boolean {
    const scope = this.#host.scopes?.current() ?? null;
    this.#scope = scope;
    if (scope === null || scope.isOver || this.options.propagate === false) return true;
    const { leftMs, abortion } = scope;
    if (nowMs + leftMs < this.options.deadlineMs) {
      this.options = { ...this.options, deadlineMs: nowMs + leftMs, timeoutMs: leftMs };
    }
    if (abortion !== null) {
      this.onScopeAborted(abortion);
      return false;
    }
    scope.add(this);
    return true;
  }

  onScopeAborted(abortion: ScopeAbortion): void {
    if (abortion === 'expired' && this.#status === null) {
      this.#endWith(this.#expired());
      return;
    }
    const message = `Cancelled by parent call: the call that it was made in was aborted (${abortion})`;
    this.#abort(Status.CANCELLED, message, undefined, EndedBy.LIBRARY);
  }

  request(messages: number): void {
    this.#demand += messages;
    // Nothing happens inside the caller's frame: it may be a listener's.
    if (this.#received.chunk !== null || this.#received.octetsBehind > 0) {
      this.#host.readyQueue.pushSoon(this);
    }
  }

  sendMessage(message: Uint8Array, compress = true): boolean {
    if (this.#status !== null || this.#request.ended) return true;
    return this.#request.send(message, compress, false);
  }

  halfClose(): void {
    if (this.#status === null && !this.#request.ended) this.#request.end();
  }

  cancel(reason: string): void {
    this.#abort(Status.CANCELLED, reason, undefined, EndedBy.USER);
  }

  fail(code: number, message: string, cause: unknown): void {
    this.#abort(code, message, cause, EndedBy.USER);
  }

  // ---- PendingCall: the channel's side --------------------------------------------------------------------------------------------

  get outgrowsRetry(): boolean {
    return this.#request.outgrowsRetry;
  }

  onTransport(transport: ClientTransport): void {
    this.#marks &= ~Mark.WAITING;
    timelineOf(this).connectedMs = msSince(this.startedMs, this.#host.clock.now());
    if (this.#status === null) this.#open(transport);
  }

  onPickFailed(status: CallStatus): void {
    this.#marks &= ~Mark.WAITING;
    if (this.#status !== null) return;
    const isUnavailable = status.code === Status.UNAVAILABLE;
    const endedBy = isUnavailable ? EndedBy.CONNECTION : EndedBy.LIBRARY;
    this.#end(this.#explain(status, endedBy), false);
  }

  #attempt(): void {
    this.#marks |= Mark.WAITING;
    this.phase = CallPhase.CONNECTING;
    const transport = this.#host.pick(this);
    if (transport === null) return;
    this.#marks &= ~Mark.WAITING;
    this.#open(transport);
  }

  #open(transport: ClientTransport): void {
    this.#marks &= ~Mark.ATTEMPT_CLOSED;
    this.phase = CallPhase.QUEUED;
    const template = this.#host.template(this.method, this.#request.encoding);
    const stream = transport.openStream(template, this);
    if (this.#is(Mark.ATTEMPT_CLOSED)) return;
    this.#stream = stream;
    this.peer = stream.peer;
    if (this.#request.attach(stream)) this.onRequestReady();
  }

  /** For the request side: after `sendMessage` returned false, more may be sent. */
  onRequestReady(): void {
    if (this.#status !== null) return;
    this.#marks |= Mark.READY_DUE;
    this.#host.readyQueue.pushSoon(this);
  }

  // ---- ClientStreamListener: the transport's side ---------------------------------------------------------------------------------

  onSendHeaders(): HeaderList | null {
    const { deadlineMs, timeoutMs, metadata } = this.options;
    this.phase = CallPhase.SENT;
    if (this.#is(Mark.STARTS_NOW)) return requestFields(timeoutMs, timeoutMs, metadata);
    const nowMs = this.#host.clock.now();
    timelineOf(this).sentMs = msSince(this.startedMs, nowMs);
    if (deadlineMs === Number.POSITIVE_INFINITY) return metadata;
    return requestFields(deadlineMs - nowMs, timeoutMs, metadata);
  }

  onHeaders(headers: HeaderList, endStream: boolean, complete: boolean): void {
    if (this.#status !== null) return;
    this.phase = CallPhase.RESPONDING;
    // gRFC A6: a call commits when response headers arrive.
    this.#request.commit();
    if (!complete) {
      this.#abort(Status.RESOURCE_EXHAUSTED, 'response headers are over the limit', undefined);
      return;
    }
    const facts = this.#host.responseReader.read(headers);
    const fault = httpFault(facts, headers);
    if (fault !== null) this.#foreign = new ForeignResponse(fault);
    if (endStream) {
      this.#complete(facts, headers);
      return;
    }
    if (fault !== null) return;
    if (facts.badBinaryKey !== null) {
      this.#abort(Status.INTERNAL, badBinaryMessage(facts.badBinaryKey), undefined);
      return;
    }
    this.#encoding = facts.encoding;
    this.#metadata = headers;
    this.#host.readyQueue.push(this);
  }

  onData(chunk: Uint8Array, start: number, end: number, endStream: boolean): number {
    if (this.#status !== null) return end - start;
    if (this.#foreign !== null) {
      if (this.#foreign.push(chunk, start, end) || endStream) {
        this.#endWith(this.#explain(this.#foreign.status, EndedBy.PEER));
      }
      return end - start;
    }
    const received = this.#received;
    received.push(chunk, start, end);
    if (this.#failedOnReceipt()) return 0;
    if (endStream) {
      this.#abort(Status.INTERNAL, 'server closed the stream without sending trailers', undefined);
      return 0;
    }
    this.#host.readyQueue.push(this);
    return 0;
  }

  onTrailers(headers: HeaderList, complete: boolean): void {
    if (this.#status !== null) return;
    if (!complete) {
      this.#abort(Status.RESOURCE_EXHAUSTED, 'response trailers are over the limit', undefined);
      return;
    }
    this.#complete(this.#host.responseReader.read(headers), headers);
  }

  onWritable(): void {
    if (this.#status === null && this.#request.onStreamWritable()) this.onRequestReady();
  }

  onClosed(
    errorCode: number,
    initiator: Initiator,
    progress: StreamProgress,
    reason: string,
  ): void {
    this.#marks |= Mark.ATTEMPT_CLOSED;
    const streamId = this.#stream?.id ?? null;
    this.#stream = null;
    if (this.#status !== null) return;
    this.#request.detach();
    if (this.#mayRetry(progress)) {
      this.#marks |= Mark.RETRY_DUE;
      this.#host.readyQueue.pushSoon(this);
      return;
    }
    if (errorCode === ErrorCode.CANCEL && mayHaveExpired(this.#host.clock, this.options)) {
      this.#end(this.#expired(streamId), false);
      return;
    }
    const foreign = this.#foreign?.status ?? null;
    const status = closureStatus(errorCode, initiator, progress, reason, foreign);
    const cause = closureCause(errorCode, initiator, reason, streamId);
    const explain = status === foreign ? explained : explainedClosure;
    const inOrder = this.#demand > 0 && outlivesStream(this.method, this.#received, initiator);
    this.#end(explain(status, this, this.#host, cause), inOrder);
  }

  /** gRFC A6: what never left is sent again, what the server's library refused once more, anything else not at all. */
  #mayRetry(progress: StreamProgress): boolean {
    if (progress === StreamProgress.PROCESSED || this.#request.committed) return false;
    if (progress === StreamProgress.MISCARRIED) return true;
    if (this.#is(Mark.REFUSED)) return false;
    this.#marks |= Mark.REFUSED;
    return true;
  }

  // ---- the end of the call --------------------------------------------------------------------------------------------------------

  /** The server ended the call with `headers`: trailers, or the headers of a Trailers-Only response. */
  #complete(facts: ResponseFacts, headers: HeaderList): void {
    this.phase = CallPhase.TRAILERS;
    let status = facts.status ?? this.#foreign?.status ?? null;
    if (status === null) {
      const message = 'server ended the call without grpc-status';
      status = { code: Status.UNKNOWN, message, trailers: headers, cause: undefined };
    } else if (status.code === Status.OK) {
      status = this.#judgeOk(status);
    } else if (status.code === Status.CANCELLED && mayHaveExpired(this.#host.clock, this.options)) {
      status = this.#expired();
    }
    if (status.code !== Status.OK && status.end === undefined) {
      const isOurs = facts.status?.code === Status.OK;
      status = this.#explain(status, isOurs ? EndedBy.LIBRARY : EndedBy.PEER);
    }
    const stream = this.#stream;
    this.#end(status, true);
    // RFC 9113 §8.1: the response is complete, the rest of the request is of no use.
    if (stream !== null && !stream.isSendClosed) stream.reset(ErrorCode.CANCEL);
  }

  /** What becomes of status OK: an expired call never reports it, and a unary response needs its message. */
  #judgeOk(status: CallStatus): CallStatus {
    if (this.#host.clock.now() >= this.options.deadlineMs) return this.#expired();
    if (this.method.responseStreaming) return status;
    return judgeUnaryOk(status, this.#received, this.#encoding, this.#host.compression.codecs);
  }

  /** Ends the call for what was just received, if that is against the rules. */
  #failedOnReceipt(): boolean {
    const { maxReceiveMessageOctets } = this.#host.limits;
    const fault = receiptFault(this.method, this.#received, maxReceiveMessageOctets);
    if (fault === null) return false;
    this.#abort(fault.code, fault.message, undefined);
    return true;
  }

  /** For the timer of the deadline. */
  onTimer(): void {
    this.#timer = null;
    if (this.#status === null) this.#endWith(this.#expired());
  }

  /** `streamId`: of the stream, if it has just been closed. */
  #expired(streamId: number | null = this.#stream?.id ?? null): CallStatus {
    return expiredStatus(this, this.#host, streamId, () => this.#host.describeWait());
  }

  /** `status` together with how the call ended, for ends that no closing stream explains. */
  #explain(status: CallStatus, endedBy: EndedBy): CallStatus {
    const cause = localCause(endedBy, this.#stream?.id ?? null);
    return explained(status, this, this.#host, cause);
  }

  /** Ends the call from this side, unless its end is already certain. */
  #abort(code: number, message: string, cause: unknown, endedBy: EndedBy = EndedBy.LIBRARY): void {
    const unread =
      this.#is(Mark.STATUS_IN_ORDER) &&
      !this.#is(Mark.STATUS_DELIVERED) &&
      this.#received.chunk !== null;
    if (this.#status !== null && !unread) return;
    const status = { code, message, trailers: NO_HEADERS, cause };
    this.#endWith(this.#explain(status, endedBy));
  }

  /** Ends the call from this side with `status`. */
  #endWith(status: CallStatus): void {
    const stream = this.#stream;
    this.#end(status, false);
    if (stream !== null) stream.reset(ErrorCode.CANCEL);
  }

  /** Sets the final status. `inOrder`: what was received before is delivered first. */
  #end(status: CallStatus, inOrder: boolean): void {
    this.#status = status;
    if (inOrder) this.#marks |= Mark.STATUS_IN_ORDER;
    else this.#marks &= ~Mark.STATUS_IN_ORDER;
    this.#request.close();
    if (!inOrder) {
      this.#received.clear();
      this.#metadata = null;
    }
    if (this.#scope !== null) this.#scope.remove(this);
    if (this.#timer !== null) {
      this.#timer.cancel();
      this.#timer = null;
    }
    if (this.#is(Mark.WAITING)) {
      this.#marks &= ~Mark.WAITING;
      this.#host.unqueue(this);
    }
    if (inOrder) this.#host.readyQueue.push(this);
    else this.#host.readyQueue.pushSoon(this);
  }

  /** Where the listener is called. */
  runReady(): void {
    const { scopes } = this.#host;
    if (scopes === null || scopes.current() === this.#scope) this.deliver();
    else scopes.run(this.#scope, deliverCall, this);
  }

  /** @internal Runs user code; for `deliverCall`. */
  deliver(): void {
    if (this.#is(Mark.RETRY_DUE)) {
      this.#marks &= ~Mark.RETRY_DUE;
      if (this.#status === null) this.#attempt();
    }
    const listener = this.#listener;
    if (listener === null || this.#is(Mark.STATUS_DELIVERED)) return;
    if (this.#metadata !== null) {
      const metadata = this.#metadata;
      this.#metadata = null;
      // Not for the usual unary response, which is here as a whole.
      if (this.#status === null) {
        timelineOf(this).respondedMs = msSince(this.startedMs, this.#host.clock.now());
      }
      this.#tell(listener, metadata);
    }
    if (this.method.responseStreaming) this.#runStreaming(listener);
    else this.#runUnary(listener);
    if (this.#is(Mark.READY_DUE)) {
      this.#marks &= ~Mark.READY_DUE;
      if (this.#status === null) this.#tell(listener, null);
    }
    const status = this.#status;
    if (status !== null && this.#received.chunk === null) this.#deliverStatus(listener, status);
  }

  /** Hands on `metadata`; null: that more may be sent. */
  #tell(listener: ClientCallListener, metadata: HeaderList | null): void {
    try {
      if (metadata === null) listener.onReady();
      else listener.onMetadata(metadata);
    } catch (error) {
      this.#host.readyQueue.report(error);
    }
  }

  /** A unary response is delivered together with its OK, so that the API need not hold it back. */
  #runUnary(listener: ClientCallListener): void {
    const received = this.#received;
    const { chunk } = received;
    if (this.#status === null) {
      this.#awaitRest();
    } else if (chunk !== null) {
      if (this.#status.code !== Status.OK) {
        received.clear();
        return;
      }
      if (received.flags !== 0 && !this.#isReadable()) return;
      const { chunk: message, start, end } = received;
      received.clear();
      this.#deliverMessage(listener, message as Uint8Array, start, end);
    }
  }

  /** Whether the first message, which has flags, can be read now; if it never can, the call is ended. */
  #isReadable(): boolean {
    const readability = this.#received.prepare(this.#encoding, this.#host, this);
    if (readability === READABLE) return true;
    if (readability !== LATER) this.#abort(readability.code, readability.message, undefined);
    return false;
  }

  onInflated(): void {
    this.#host.readyQueue.pushSoon(this);
  }

  #runStreaming(listener: ClientCallListener): void {
    const received = this.#received;
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
      if (this.#status === null && this.#failedOnReceipt()) return;
    }
    const stream = this.#stream;
    if (stream !== null) stream.consume(received.takeReleased());
    if (this.#status === null) this.#awaitRest();
    else if (this.#is(Mark.STATUS_IN_ORDER)) this.#judgeRest(this.#status);
  }

  /** With the status known and every whole message delivered; without trailers, every one that was asked for. */
  #judgeRest(status: CallStatus): void {
    const received = this.#received;
    if (received.chunk !== null && (this.phase === CallPhase.TRAILERS || this.#demand > 0)) return;
    const judged = judgeRest(status, received, this.#host.limits.maxReceiveMessageOctets);
    if (judged !== status) this.#status = this.#explain(judged, EndedBy.LIBRARY);
    received.clear();
  }

  /**
   * Makes room for the rest of a message that the listener waits for, and for the end behind it: nghttp2 (Node, grpc-js, proxies) sends no
   * trailers and no END_STREAM while the window is empty, though neither needs any.
   */
  #awaitRest(): void {
    const received = this.#received;
    if ((this.#demand > 0 || !this.method.responseStreaming) && this.#stream !== null) {
      if (received.chunk !== null) this.#stream.expect(1);
      else if (received.wanted > 0) this.#stream.expect(received.wanted + 1);
    }
    received.compact();
  }

  #deliverMessage(
    listener: ClientCallListener,
    chunk: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.messagesReceived++;
    this.#host.readyQueue.chargeMessage(end - start);
    try {
      listener.onMessage(chunk, start, end);
    } catch (error) {
      this.#failInListener(error);
    }
  }

  /** The API could not use a message: that is this call's end, whatever the server says later. */
  #failInListener(error: unknown): void {
    if (this.#status !== null && !this.#is(Mark.STATUS_IN_ORDER)) return;
    const message = `response message could not be read: ${messageOf(error)}`;
    const status = { code: Status.INTERNAL, message, trailers: NO_HEADERS, cause: error };
    this.#endWith(this.#explain(status, EndedBy.USER));
  }

  #deliverStatus(listener: ClientCallListener, status: CallStatus): void {
    this.#marks |= Mark.STATUS_DELIVERED;
    this.#received.clear();
    try {
      listener.onStatus(status.end === undefined ? status : recounted(status, this));
    } catch (error) {
      this.#host.readyQueue.report(error);
    }
    this.#host.callEnded(this);
  }
}
