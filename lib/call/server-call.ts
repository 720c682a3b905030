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
import { Cardinality, type MethodDescriptor } from '../method.ts';
import { messageFlagsFault } from '../protocol/message-encoding.ts';
import type { RequestFacts } from '../protocol/request-headers.ts';
import {
  OK_TRAILERS,
  RESPONSE_TEMPLATE,
  statusExtra,
  statusTemplate,
} from '../protocol/response-headers.ts';
import { Status } from '../status.ts';
import type { CallAbortion, ServerCall, ServerCallListener, ServerMethod } from './call.ts';
import { overLimitMessage } from './call-fault.ts';
import { MessageQueue } from './message-queue.ts';
import type { ReadyEntry } from './ready-queue.ts';
import { expiredRequest, type Refusal, refusalOf, unknownMethod } from './request-refusal.ts';
import type { ServerCallHost, SlotCall } from './server-call-host.ts';

/** Messages given to one call's listener before the calls queued behind it get their turn. */
const MESSAGES_PER_RUN = 32;

/** What `method` is until the path has been looked up; no user code sees it. */
const UNROUTED: MethodDescriptor = {
  path: '',
  cardinality: Cardinality.STREAM_STREAM,
  requestStreaming: true,
  responseStreaming: true,
};

const INCOMPLETE_REQUEST = 'the last request message is incomplete';

/** Where a call is with its handler slot (L2). */
const Slot = { NONE: 0, WAITING: 1, HELD: 2, RELEASED: 3 } as const;
type Slot = (typeof Slot)[keyof typeof Slot];

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
  inReadyQueue: boolean;
  method: MethodDescriptor;
  readonly peer: PeerInfo;
  readonly headers: HeaderList;
  readonly authority: string;
  readonly deadlineMs: number;
  cancelled: boolean;
  readonly #host: ServerCallHost;
  readonly #stream: TransportStream;
  readonly #facts: RequestFacts;
  readonly #headersComplete: boolean;
  readonly #received: MessageQueue;
  #served: ServerMethod | null;
  #listener: ServerCallListener | null;
  #timer: Timer | null;
  #slot: Slot;
  #judged: boolean;
  #requestEnded: boolean;
  #headersSent: boolean;
  #messageSent: boolean;
  /** The final status was handed to the stream, or the stream was reset. */
  #answered: boolean;
  #streamClosed: boolean;
  #abortion: CallAbortion | null;
  #cancelDelivered: boolean;
  /** The handler has settled, or never ran. */
  #settled: boolean;
  #demand: number;
  #senderWaits: boolean;
  #readyDue: boolean;
  #halfCloseDelivered: boolean;
  #completeDelivered: boolean;

  constructor(
    stream: TransportStream,
    headers: HeaderList,
    endStream: boolean,
    complete: boolean,
    host: ServerCallHost,
  ) {
    const facts = host.requestReader.read(headers);
    this.inReadyQueue = false;
    this.method = UNROUTED;
    this.peer = stream.peer;
    this.headers = headers;
    this.authority = facts.authority;
    this.deadlineMs =
      facts.timeoutMs === Number.POSITIVE_INFINITY
        ? Number.POSITIVE_INFINITY
        : host.clock.now() + facts.timeoutMs;
    this.cancelled = false;
    this.#host = host;
    this.#stream = stream;
    this.#facts = facts;
    this.#headersComplete = complete;
    this.#received = new MessageQueue(host.limits.maxReceiveMessageOctets);
    this.#served = null;
    this.#listener = null;
    this.#timer = null;
    this.#slot = Slot.NONE;
    this.#judged = false;
    this.#requestEnded = endStream;
    this.#headersSent = false;
    this.#messageSent = false;
    this.#answered = false;
    this.#streamClosed = false;
    this.#abortion = null;
    this.#cancelDelivered = false;
    this.#settled = false;
    this.#demand = 0;
    this.#senderWaits = false;
    this.#readyDue = false;
    this.#halfCloseDelivered = false;
    this.#completeDelivered = false;
  }

  // ---- ServerCall: the API's side -------------------------------------------------------------------------------------------------

  request(messages: number): void {
    this.#demand += messages;
    if (this.#received.chunk !== null || this.#received.octetsBehind > 0 || this.#requestEnded) {
      this.#host.readyQueue.pushSoon(this);
    }
  }

  sendMetadata(metadata: HeaderList | null): void {
    if (this.#headersSent || this.#answered) return;
    this.#headersSent = true;
    this.#stream.sendHeaders(RESPONSE_TEMPLATE, metadata, false);
  }

  sendMessage(message: Uint8Array): boolean {
    if (this.#answered) return true;
    if (this.#messageSent && !this.method.responseStreaming) {
      this.#failRunning(Status.INTERNAL, 'handler sent more than one message in a unary response');
      return true;
    }
    this.#messageSent = true;
    this.sendMetadata(null);
    const accepted = this.#stream.sendMessage(0, message, false);
    if (!accepted) this.#senderWaits = true;
    return accepted;
  }

  sendUnaryAndClose(message: Uint8Array, trailers: HeaderList | null): void {
    if (this.#answered) return;
    this.sendMessage(message);
    if (!this.#answered) this.#answer(Status.OK, '', trailers);
  }

  close(code: number, message: string, trailers: HeaderList | null): void {
    if (this.#answered) return;
    if (code === Status.OK && !this.#messageSent && !this.method.responseStreaming) {
      this.#answer(Status.INTERNAL, 'handler ended a unary response without a message', null);
      return;
    }
    this.#answer(code, message, trailers);
  }

  settled(): void {
    this.#settled = true;
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
  #releaseSlotIfOver(): void {
    if (!this.#streamClosed) return;
    if (this.#slot === Slot.WAITING || (this.#slot === Slot.HELD && this.#settled)) {
      this.#slot = Slot.RELEASED;
      this.#host.releaseSlot(this);
    }
  }

  // ---- StreamListener: the transport's side ---------------------------------------------------------------------------------------

  onHeaders(): void {
    // The initial list came through the acceptor.
  }

  onData(chunk: Uint8Array, start: number, end: number, endStream: boolean): number {
    if (endStream) this.#requestEnded = true;
    if (this.#answered) return end - start;
    this.#received.push(chunk, start, end);
    this.#host.readyQueue.push(this);
    return 0;
  }

  onTrailers(): void {
    // gRPC requests have no trailers (PROTOCOL-HTTP2, Requests); what they say is ignored.
    this.#requestEnded = true;
    if (!this.#answered) this.#host.readyQueue.push(this);
  }

  onWritable(): void {
    if (!this.#senderWaits || this.#answered) return;
    this.#senderWaits = false;
    this.#readyDue = true;
    this.#host.readyQueue.pushSoon(this);
  }

  onClosed(_errorCode: number, initiator: Initiator, _progress: StreamProgress): void {
    this.#streamClosed = true;
    if (!this.#answered) {
      this.#abandon(initiator === Initiator.LIBRARY ? 'network' : 'cancelled');
    }
    this.#stopTimer();
    this.#received.clear();
    this.#releaseSlotIfOver();
    this.#host.readyQueue.pushSoon(this);
  }

  // ---- the answer -----------------------------------------------------------------------------------------------------------------

  #answer(code: number, message: string, metadata: HeaderList | null): void {
    const template = statusTemplate(code);
    const extra = statusExtra(message, metadata, this.#host.limits.maxStatusMessageOctets);
    if (this.#headersSent) {
      this.#finish();
      this.#stream.sendTrailers(template, extra);
    } else if (template === OK_TRAILERS && extra === null) {
      this.#finish();
      this.#stream.sendHeaders(RESPONSE_TEMPLATE, OK_TRAILERS, true);
    } else {
      this.#finish();
      const fields = extra === null ? template : [...template, ...extra];
      this.#stream.sendHeaders(RESPONSE_TEMPLATE, fields, true);
    }
    this.#endEarly();
  }

  #refuse(refusal: Refusal): void {
    const { maxStatusMessageOctets } = this.#host.limits;
    const extra = statusExtra(refusal.message, refusal.fields, maxStatusMessageOctets);
    this.#finish();
    this.#stream.sendHeaders(
      refusal.template,
      [...statusTemplate(refusal.code), ...(extra ?? [])],
      true,
    );
    this.#endEarly();
  }

  /** RFC 9113 §8.1: after a complete response the client is told with NO_ERROR that the rest of its request is not needed. */
  #endEarly(): void {
    if (!this.#requestEnded && !this.#streamClosed) this.#stream.reset(ErrorCode.NO_ERROR);
  }

  #finish(): void {
    this.#answered = true;
    this.#headersSent = true;
    this.#stopTimer();
  }

  #stopTimer(): void {
    if (this.#timer !== null) {
      this.#timer.cancel();
      this.#timer = null;
    }
  }

  /** The call ends without an answer of the handler's. */
  #abandon(abortion: CallAbortion): void {
    this.#answered = true;
    this.cancelled = true;
    this.#abortion = abortion;
    this.#received.clear();
    this.#stopTimer();
  }

  /** Answers with a status of our own; a handler that runs is told that its call was aborted. */
  #failRunning(code: number, message: string): void {
    if (this.#answered) return;
    this.#answer(code, message, null);
    this.#abandon('network');
    this.#host.readyQueue.pushSoon(this);
  }

  #onDeadline(): void {
    this.#timer = null;
    if (this.#answered) return;
    this.#abandon('expired');
    this.#host.readyQueue.pushSoon(this);
    this.#stream.reset(ErrorCode.CANCEL);
  }

  // ---- ReadyEntry: where judging and user code run --------------------------------------------------------------------------------

  runReady(): void {
    if (!this.#judged) {
      this.#judged = true;
      if (!this.#answered) this.#judge();
    }
    if (this.#listener === null && !this.#answered) this.#startHandler();
    const listener = this.#listener;
    if (listener === null) return;
    if (!this.#answered) this.#deliverRequest(listener);
    if (this.#readyDue) {
      this.#readyDue = false;
      if (!this.#answered) this.#deliverReady(listener);
    }
    if (this.#abortion !== null && !this.#cancelDelivered) {
      this.#cancelDelivered = true;
      try {
        listener.onCancel(this.#abortion);
      } catch (error) {
        this.#host.readyQueue.report(error);
      }
    }
    if (this.#streamClosed && !this.#completeDelivered) {
      this.#completeDelivered = true;
      try {
        listener.onComplete();
      } catch (error) {
        this.#host.readyQueue.report(error);
      }
    }
  }

  /** Refuses the request, or finds its method and starts the deadline. */
  #judge(): void {
    const refusal = refusalOf(this.#facts, this.#headersComplete);
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
        this.#refuse(expiredRequest());
        return;
      }
      this.#timer = this.#host.clock.setTimer(leftMs, () => this.#onDeadline(), false);
    }
    this.#served = served;
    this.method = served.method;
  }

  /** Runs the handler once the request allows it and a slot is free. */
  #startHandler(): void {
    const served = this.#served;
    if (served === null) return;
    if (!this.method.requestStreaming && !this.#hasOneRequest()) return;
    if (this.#slot === Slot.NONE) {
      this.#slot = Slot.WAITING;
      if (this.#host.acquireSlot(this)) this.#slot = Slot.HELD;
    }
    // The compiler does not know that acquireSlot may have called onSlot or onSlotRefused.
    if ((this.#slot as Slot) !== Slot.HELD) return;
    if (this.deadlineMs <= this.#host.clock.now()) {
      this.#settled = true;
      this.#refuse(expiredRequest());
      return;
    }
    try {
      this.#listener = served.handler(this);
    } catch (error) {
      this.#host.readyQueue.report(error);
      // security.md E12: nothing of a handler's exception reaches the client unasked.
      if (!this.#answered) this.#answer(Status.UNKNOWN, 'handler failed', null);
      this.settled();
    }
  }

  /** Whether a unary request is complete and one readable message; answers it when it can no longer become that. */
  #hasOneRequest(): boolean {
    const received = this.#received;
    if (this.#failedOverLimit()) return false;
    if (received.chunk !== null && received.octetsBehind > 0) {
      this.#failRunning(
        Status.UNIMPLEMENTED,
        'client sent more than one request message to a unary method',
      );
      return false;
    }
    if (!this.#requestEnded) {
      this.#awaitRest();
      return false;
    }
    if (received.chunk === null) {
      if (received.octetsBehind > 0) this.#failRunning(Status.INTERNAL, INCOMPLETE_REQUEST);
      else {
        this.#failRunning(Status.UNIMPLEMENTED, 'client sent no request message to a unary method');
      }
      return false;
    }
    const fault = messageFlagsFault(received.flags, this.#facts.encoding);
    if (fault !== null) this.#failRunning(Status.INTERNAL, fault);
    return fault === null;
  }

  #deliverRequest(listener: ServerCallListener): void {
    const received = this.#received;
    if (!this.method.requestStreaming) {
      const { chunk, start, end } = received;
      if (chunk === null) return;
      received.clear();
      this.#deliverMessage(listener, chunk, start, end);
      return;
    }
    for (let runs = 0; this.#demand > 0 && received.chunk !== null; runs++) {
      if (runs === MESSAGES_PER_RUN) {
        this.#host.readyQueue.pushSoon(this);
        break;
      }
      const fault = messageFlagsFault(received.flags, this.#facts.encoding);
      if (fault !== null) {
        this.#failRunning(Status.INTERNAL, fault);
        return;
      }
      const { chunk, start, end } = received;
      this.#demand--;
      received.shift();
      this.#deliverMessage(listener, chunk, start, end);
      if (this.#answered) return;
    }
    this.#stream.consume(received.takeReleased());
    if (this.#failedOverLimit() || received.chunk !== null) return;
    if (!this.#requestEnded) {
      this.#awaitRest();
    } else if (received.octetsBehind > 0) {
      this.#failRunning(Status.INTERNAL, INCOMPLETE_REQUEST);
    } else if (!this.#halfCloseDelivered) {
      this.#halfCloseDelivered = true;
      try {
        listener.onHalfClose();
      } catch (error) {
        this.#failInListener(error);
      }
    }
  }

  #deliverMessage(
    listener: ServerCallListener,
    chunk: Uint8Array,
    start: number,
    end: number,
  ): void {
    try {
      listener.onMessage(chunk, start, end);
    } catch (error) {
      this.#host.readyQueue.report(error);
      this.#failRunning(Status.INTERNAL, 'request message could not be read');
    }
  }

  #deliverReady(listener: ServerCallListener): void {
    try {
      listener.onReady();
    } catch (error) {
      this.#failInListener(error);
    }
  }

  #failInListener(error: unknown): void {
    this.#host.readyQueue.report(error);
    this.#failRunning(Status.UNKNOWN, 'handler failed');
  }

  /** L18: a message over the limit ends the call at its prefix. */
  #failedOverLimit(): boolean {
    const { overLimit } = this.#received;
    if (overLimit === 0) return false;
    const { maxReceiveMessageOctets } = this.#host.limits;
    this.#failRunning(
      Status.RESOURCE_EXHAUSTED,
      overLimitMessage(overLimit, maxReceiveMessageOctets),
    );
    return true;
  }

  /** Makes room for the rest of a message that is waited for. */
  #awaitRest(): void {
    const received = this.#received;
    if (received.octetsBehind === 0) return;
    const isWanted = this.#demand > 0 || !this.method.requestStreaming;
    if (isWanted && received.chunk === null && received.wanted > 0) {
      this.#stream.expect(received.wanted);
    }
    received.compact();
  }
}
