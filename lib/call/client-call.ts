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
import type { MethodDescriptor } from '../method.ts';
import { IDENTITY, messageFlagsFault } from '../protocol/message-encoding.ts';
import { requestFields } from '../protocol/request-headers.ts';
import {
  badBinaryMessage,
  httpFault,
  NO_HEADERS,
  type ResponseFacts,
} from '../protocol/response-headers.ts';
import { Status } from '../status.ts';
import type { CallOptions, CallStatus, ClientCall, ClientCallListener } from './call.ts';
import { closureStatus, expiredMessage, messageOf, overLimitMessage } from './call-fault.ts';
import type { ListedCall } from './call-list.ts';
import type { ClientCallHost, PendingCall } from './client-call-host.ts';
import { ForeignResponse } from './foreign-response.ts';
import { MessageQueue } from './message-queue.ts';
import type { ReadyEntry } from './ready-queue.ts';
import { SentMessages } from './sent-messages.ts';

/** Messages given to one call's listener before the calls queued behind it get their turn. */
const MESSAGES_PER_RUN = 32;

/** One call. Created by the channel's `createCall`. */
export class ClientCallImpl implements ClientCall, ClientStreamListener, PendingCall, ReadyEntry {
  inReadyQueue: boolean;
  listed: boolean;
  previousListed: ListedCall | null;
  nextListed: ListedCall | null;
  peer: PeerInfo | null;
  readonly method: MethodDescriptor;
  readonly options: CallOptions;
  readonly #host: ClientCallHost;
  readonly #sent: SentMessages;
  readonly #received: MessageQueue;
  #listener: ClientCallListener | null;
  #stream: TransportStream | null;
  #timer: Timer | null;
  /** The final status once it is known; delivered by `runReady`. */
  #status: CallStatus | null;
  /** The status came in trailers, behind messages that are still to be delivered. */
  #statusInOrder: boolean;
  #statusDelivered: boolean;
  /** Response headers that are due to the listener. */
  #metadata: HeaderList | null;
  /** The response, once its headers have shown that it is not gRPC. */
  #foreign: ForeignResponse | null;
  /** `grpc-encoding` of the response. */
  #encoding: string;
  /** Messages wanted through `request` and not delivered. */
  #demand: number;
  #halfClosed: boolean;
  /** The host keeps the call until it finds a transport. */
  #waiting: boolean;
  /** The stream of the current attempt was closed, perhaps while it was being opened. */
  #attemptClosed: boolean;
  /** The server refused the call once already (gRFC A6 allows one immediate retry). */
  #refused: boolean;
  #retryDue: boolean;
  /** `sendMessage` returned false. */
  #senderWaits: boolean;
  #readyDue: boolean;

  constructor(method: MethodDescriptor, options: CallOptions, host: ClientCallHost) {
    this.inReadyQueue = false;
    this.listed = false;
    this.previousListed = null;
    this.nextListed = null;
    this.peer = null;
    this.method = method;
    this.options = options;
    this.#host = host;
    this.#sent = new SentMessages(host.retryBuffer, host.limits.retryBufferOctets);
    this.#received = new MessageQueue(host.limits.maxReceiveMessageOctets);
    this.#listener = null;
    this.#stream = null;
    this.#timer = null;
    this.#status = null;
    this.#statusInOrder = false;
    this.#statusDelivered = false;
    this.#metadata = null;
    this.#foreign = null;
    this.#encoding = IDENTITY;
    this.#demand = 0;
    this.#halfClosed = false;
    this.#waiting = false;
    this.#attemptClosed = false;
    this.#refused = false;
    this.#retryDue = false;
    this.#senderWaits = false;
    this.#readyDue = false;
  }

  // ---- ClientCall: the API's side -------------------------------------------------------------------------------------------------

  start(listener: ClientCallListener): void {
    if (this.#listener !== null) throw new Error('a call can be started only once');
    this.#listener = listener;
    if (this.#status !== null) {
      this.#host.readyQueue.pushSoon(this);
      return;
    }
    const { deadlineMs } = this.options;
    if (deadlineMs !== Number.POSITIVE_INFINITY) {
      const leftMs = deadlineMs - this.#host.clock.now();
      if (leftMs <= 0) {
        this.#endWith(this.#expiredStatus());
        return;
      }
      this.#timer = this.#host.clock.setTimer(leftMs, () => this.#onDeadline(), true);
    }
    this.#attempt();
  }

  startUnary(listener: ClientCallListener, message: Uint8Array): void {
    this.#sent.add(message);
    this.#halfClosed = true;
    this.start(listener);
  }

  request(messages: number): void {
    this.#demand += messages;
    // Nothing happens inside the caller's frame: it may be a listener's.
    if (this.#received.chunk !== null || this.#received.octetsBehind > 0) {
      this.#host.readyQueue.pushSoon(this);
    }
  }

  sendMessage(message: Uint8Array): boolean {
    if (this.#status !== null || this.#halfClosed) return true;
    this.#sent.add(message);
    const stream = this.#stream;
    const accepted =
      stream === null
        ? this.#sent.octets <= this.#host.limits.streamWriteQuotaOctets
        : stream.sendMessage(0, message, false);
    if (stream !== null) this.#sent.commitIfTooLarge();
    if (!accepted) this.#senderWaits = true;
    return accepted;
  }

  halfClose(): void {
    if (this.#status !== null || this.#halfClosed) return;
    this.#halfClosed = true;
    if (this.#stream !== null) this.#stream.sendEnd();
  }

  cancel(reason: string): void {
    this.#abort(Status.CANCELLED, reason, undefined);
  }

  fail(code: number, message: string, cause: unknown): void {
    this.#abort(code, message, cause);
  }

  // ---- PendingCall: the channel's side --------------------------------------------------------------------------------------------

  onTransport(transport: ClientTransport): void {
    this.#waiting = false;
    if (this.#status === null) this.#open(transport);
  }

  onPickFailed(status: CallStatus): void {
    this.#waiting = false;
    if (this.#status === null) this.#end(status, false);
  }

  #attempt(): void {
    this.#waiting = true;
    const transport = this.#host.pick(this);
    if (transport === null) return;
    this.#waiting = false;
    this.#open(transport);
  }

  #open(transport: ClientTransport): void {
    this.#attemptClosed = false;
    const stream = transport.openStream(this.#host.template(this.method), this);
    if (this.#attemptClosed) return;
    this.#stream = stream;
    this.peer = stream.peer;
    const accepted = this.#sent.sendTo(stream, this.#halfClosed);
    this.#sent.commitIfTooLarge();
    if (accepted && this.#senderWaits) this.onWritable();
    else if (!accepted) this.#senderWaits = true;
  }

  // ---- ClientStreamListener: the transport's side ---------------------------------------------------------------------------------

  onSendHeaders(): HeaderList | null {
    const { deadlineMs, timeoutMs, metadata } = this.options;
    if (deadlineMs === Number.POSITIVE_INFINITY) return metadata;
    return requestFields(deadlineMs - this.#host.clock.now(), timeoutMs, metadata);
  }

  onHeaders(headers: HeaderList, endStream: boolean, complete: boolean): void {
    if (this.#status !== null) return;
    // gRFC A6: a call commits when response headers arrive.
    this.#sent.commit();
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
      if (this.#foreign.push(chunk, start, end) || endStream) this.#endWith(this.#foreign.status);
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
    if (!this.#senderWaits || this.#status !== null) return;
    this.#senderWaits = false;
    this.#readyDue = true;
    this.#host.readyQueue.pushSoon(this);
  }

  onClosed(
    errorCode: number,
    initiator: Initiator,
    progress: StreamProgress,
    reason: string,
  ): void {
    this.#attemptClosed = true;
    this.#stream = null;
    if (this.#status !== null) return;
    if (this.#mayRetry(progress)) {
      this.#retryDue = true;
      this.#host.readyQueue.pushSoon(this);
      return;
    }
    const expired =
      this.options.deadlineMs !== Number.POSITIVE_INFINITY &&
      this.#host.clock.now() >= this.options.deadlineMs;
    const status =
      expired && errorCode === ErrorCode.CANCEL
        ? this.#expiredStatus()
        : closureStatus(errorCode, initiator, progress, reason, this.#foreign?.status ?? null);
    this.#end(status, false);
  }

  /** gRFC A6: what never left is sent again, what the server's library refused once more, anything else not at all. */
  #mayRetry(progress: StreamProgress): boolean {
    if (progress === StreamProgress.PROCESSED || this.#sent.committed) return false;
    if (progress === StreamProgress.MISCARRIED) return true;
    if (this.#refused) return false;
    this.#refused = true;
    return true;
  }

  // ---- the end of the call --------------------------------------------------------------------------------------------------------

  /** The server ended the call with `headers`: trailers, or the headers of a Trailers-Only response. */
  #complete(facts: ResponseFacts, headers: HeaderList): void {
    let status = facts.status ?? this.#foreign?.status ?? null;
    if (status === null) {
      status = {
        code: Status.UNKNOWN,
        message: 'server ended the call without grpc-status',
        trailers: headers,
        cause: undefined,
      };
    } else if (status.code === Status.OK) {
      status = this.#judgeOk(status);
    }
    const stream = this.#stream;
    this.#end(status, true);
    // RFC 9113 §8.1: the response is complete, the rest of the request is of no use.
    if (!this.#halfClosed && stream !== null) stream.reset(ErrorCode.CANCEL);
  }

  /** What becomes of status OK: an expired call never reports it, and a unary response needs its message. */
  #judgeOk(status: CallStatus): CallStatus {
    const { deadlineMs } = this.options;
    if (deadlineMs !== Number.POSITIVE_INFINITY && this.#host.clock.now() >= deadlineMs) {
      return this.#expiredStatus();
    }
    if (this.method.responseStreaming) return status;
    const { chunk, flags, octetsBehind } = this.#received;
    if (chunk === null) {
      return octetsBehind > 0
        ? failure(Status.INTERNAL, 'the response message is incomplete', status)
        : failure(Status.UNIMPLEMENTED, 'server sent no response message to a unary call', status);
    }
    const fault = messageFlagsFault(flags, this.#encoding);
    return fault === null ? status : failure(Status.INTERNAL, fault, status);
  }

  /** Ends the call for what was just received, if that is against the rules. */
  #failedOnReceipt(): boolean {
    const received = this.#received;
    if (received.overLimit > 0) {
      const { maxReceiveMessageOctets } = this.#host.limits;
      this.#abort(
        Status.RESOURCE_EXHAUSTED,
        overLimitMessage(received.overLimit, maxReceiveMessageOctets),
        undefined,
      );
      return true;
    }
    if (!this.method.responseStreaming && received.chunk !== null && received.octetsBehind > 0) {
      this.#abort(
        Status.UNIMPLEMENTED,
        'server sent more than one response message to a unary call',
        undefined,
      );
      return true;
    }
    return false;
  }

  #onDeadline(): void {
    this.#timer = null;
    if (this.#status === null) this.#endWith(this.#expiredStatus());
  }

  #expiredStatus(): CallStatus {
    const phase =
      this.#stream === null && !this.#attemptClosed
        ? ' before a connection was ready'
        : this.#stream?.id === 0
          ? ' before a stream was free'
          : '';
    return {
      code: Status.DEADLINE_EXCEEDED,
      message: expiredMessage(this.options.timeoutMs) + phase,
      trailers: NO_HEADERS,
      cause: undefined,
    };
  }

  /** Ends the call from this side, unless its end is already certain. */
  #abort(code: number, message: string, cause: unknown): void {
    const unread = this.#statusInOrder && !this.#statusDelivered && this.#received.chunk !== null;
    if (this.#status !== null && !unread) return;
    this.#endWith({ code, message, trailers: NO_HEADERS, cause });
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
    this.#statusInOrder = inOrder;
    this.#sent.commit();
    if (!inOrder) {
      this.#received.clear();
      this.#metadata = null;
    }
    if (this.#timer !== null) {
      this.#timer.cancel();
      this.#timer = null;
    }
    if (this.#waiting) {
      this.#waiting = false;
      this.#host.unqueue(this);
    }
    if (inOrder) this.#host.readyQueue.push(this);
    else this.#host.readyQueue.pushSoon(this);
  }

  // ---- ReadyEntry: where the listener is called -----------------------------------------------------------------------------------

  runReady(): void {
    if (this.#retryDue) {
      this.#retryDue = false;
      if (this.#status === null) this.#attempt();
    }
    const listener = this.#listener;
    if (listener === null || this.#statusDelivered) return;
    if (this.#metadata !== null) {
      const metadata = this.#metadata;
      this.#metadata = null;
      try {
        listener.onMetadata(metadata);
      } catch (error) {
        this.#host.readyQueue.report(error);
      }
    }
    if (this.method.responseStreaming) this.#runStreaming(listener);
    else this.#runUnary(listener);
    if (this.#readyDue) {
      this.#readyDue = false;
      if (this.#status === null) {
        try {
          listener.onReady();
        } catch (error) {
          this.#host.readyQueue.report(error);
        }
      }
    }
    const status = this.#status;
    if (status !== null && this.#received.chunk === null) this.#deliverStatus(listener, status);
  }

  /** A unary response is delivered together with its OK, so that the API need not hold it back. */
  #runUnary(listener: ClientCallListener): void {
    const received = this.#received;
    const { chunk } = received;
    if (this.#status === null) {
      this.#awaitRest();
    } else if (chunk !== null) {
      const { start, end } = received;
      received.clear();
      if (this.#status.code === Status.OK) this.#deliverMessage(listener, chunk, start, end);
    }
  }

  #runStreaming(listener: ClientCallListener): void {
    const received = this.#received;
    for (let runs = 0; this.#demand > 0 && received.chunk !== null; runs++) {
      if (runs === MESSAGES_PER_RUN) {
        this.#host.readyQueue.pushSoon(this);
        break;
      }
      const fault = messageFlagsFault(received.flags, this.#encoding);
      if (fault !== null) {
        this.#abort(Status.INTERNAL, fault, undefined);
        return;
      }
      const { chunk, start, end } = received;
      this.#demand--;
      received.shift();
      this.#deliverMessage(listener, chunk, start, end);
      if (this.#status === null && this.#failedOnReceipt()) return;
    }
    const stream = this.#stream;
    if (stream !== null) stream.consume(received.takeReleased());
    if (this.#status === null) this.#awaitRest();
    else if (this.#statusInOrder) this.#judgeRest(this.#status);
  }

  /** With the status known and every whole message delivered: octets left over are half a message. */
  #judgeRest(status: CallStatus): void {
    const received = this.#received;
    if (received.chunk !== null) return;
    if (status.code === Status.OK && received.overLimit > 0) {
      const { maxReceiveMessageOctets } = this.#host.limits;
      const message = overLimitMessage(received.overLimit, maxReceiveMessageOctets);
      this.#status = failure(Status.RESOURCE_EXHAUSTED, message, status);
    } else if (status.code === Status.OK && received.octetsBehind > 0) {
      this.#status = failure(Status.INTERNAL, 'the last response message is incomplete', status);
    }
    received.clear();
  }

  /** Makes room for the rest of a message that the listener waits for. */
  #awaitRest(): void {
    const received = this.#received;
    if (received.octetsBehind === 0) return;
    const wanted = this.#demand > 0 || !this.method.responseStreaming ? received.wanted : 0;
    if (wanted > 0 && received.chunk === null && this.#stream !== null) {
      this.#stream.expect(wanted);
    }
    received.compact();
  }

  #deliverMessage(
    listener: ClientCallListener,
    chunk: Uint8Array,
    start: number,
    end: number,
  ): void {
    try {
      listener.onMessage(chunk, start, end);
    } catch (error) {
      this.#failInListener(error);
    }
  }

  /** The API could not use a message: that is this call's end, whatever the server says later. */
  #failInListener(error: unknown): void {
    if (this.#status !== null && !this.#statusInOrder) return;
    const message = `response message could not be read: ${messageOf(error)}`;
    this.#endWith({ code: Status.INTERNAL, message, trailers: NO_HEADERS, cause: error });
  }

  #deliverStatus(listener: ClientCallListener, status: CallStatus): void {
    this.#statusDelivered = true;
    this.#received.clear();
    try {
      listener.onStatus(status);
    } catch (error) {
      this.#host.readyQueue.report(error);
    }
    this.#host.callEnded(this);
  }
}

/** `status` turned into a failure; its trailers stay readable. */
function failure(code: number, message: string, status: CallStatus): CallStatus {
  return { code, message, trailers: status.trailers, cause: undefined };
}
