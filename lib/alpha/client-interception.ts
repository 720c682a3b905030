/**
 * RPCs of stubs that have interceptors. The chain stands between the caller's listener and the calls: it starts a call each time the
 * innermost interceptor calls `next`, shows its messages to the observers, and tells the caller the outcome that comes out at the other end.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { Timer } from '../../transport/clock.ts';
import type { CallStatus, ClientCall } from '../call/call.ts';
import { deadlineAfter, timeLeftMs, timeoutMsOfSeconds } from '../deadline.ts';
import { Metadata, metadataOfHeaders } from '../metadata.ts';
import type { Cardinality } from '../method.ts';
import { RpcError } from '../rpc-error.ts';
import { Status } from '../status.ts';
import type { BoundMethod } from './bound-method.ts';
import { InterceptorChain, NONE, Outcome, statusOfError } from './interceptor-chain.ts';
import type {
  ClientInterceptor,
  ClientRpcObserver,
  OutgoingRpc,
  RpcOutcome,
} from './interceptors.ts';
import type { RequestIterable, RpcOptions, Timeout } from './interfaces.ts';
import { isIterableSource, MessagePump, type PumpControl } from './message-pump.ts';
import { RequestSender } from './request-sender.ts';
import { callableFailure, expiredStatus, localStatus } from './rpc-fault.ts';
import { initialMetadata, readyToStart, rpcOptions } from './rpc-invocation.ts';
import {
  type CallControl,
  RpcExtras,
  type RpcListener,
  type ValueListener,
} from './rpc-listener.ts';
import { serialized } from './serialization.ts';

/** As `startUnaryRequest`, through the interceptors of the method's stub. */
export function interceptUnaryRequest<Request, Response>(
  method: BoundMethod<Request, Response>,
  request: Request,
  timeout: Timeout,
  listener: ValueListener,
): void {
  start(method, request, null, timeout, listener);
}

/** As `startStreamRequest`, through the interceptors of the method's stub; no request is pulled before they let the RPC go on. */
export function interceptStreamRequest<Request, Response>(
  method: BoundMethod<Request, Response>,
  requests: RequestIterable<Request>,
  timeout: Timeout,
  listener: ValueListener,
): void {
  if (!isIterableSource(requests)) {
    throw new TypeError(
      `${method.descriptor.path} takes an iterable of requests, such as an array or a generator, got ${requests === null ? 'null' : typeof requests}`,
    );
  }
  start(method, undefined, requests as RequestIterable<unknown>, timeout, listener);
}

function start(
  method: BoundMethod<never, unknown>,
  request: unknown,
  requests: RequestIterable<unknown> | null,
  timeout: Timeout,
  listener: ValueListener,
): void {
  const options = rpcOptions(method, timeout);
  const timeoutMs = timeoutMsOfSeconds(options === null ? (timeout as number) : options.timeout);
  const own = options?.metadata === undefined ? null : Metadata.from(options.metadata);
  if (!readyToStart(timeoutMs, options, listener)) return;
  let metadata: Metadata | null;
  try {
    metadata = initialMetadata(method.activation.metadataTransformer, own);
  } catch (error) {
    listener.onStatus(callableFailure(method.descriptor, 'metadata transformer', error));
    return;
  }
  new InterceptedRpc(method as BoundMethod<unknown, unknown>, listener, {
    request,
    requests,
    timeoutMs,
    options,
    metadata,
  }).start();
}

/** What the caller gave. */
interface Invocation {
  readonly request: unknown;
  /** Null for a unary request. */
  readonly requests: RequestIterable<unknown> | null;
  readonly timeoutMs: number;
  readonly options: RpcOptions | null;
  readonly metadata: Metadata | null;
}

/** What interceptors see of the RPC; its types are those of `OutgoingRpc`. */
class Outgoing {
  readonly #method: BoundMethod<unknown, unknown>;
  readonly #request: unknown;
  /** Null for none, as long as nobody asks. */
  #metadata: Metadata | null;
  #deadlineMs: number;
  #timeoutMs: number;

  constructor(method: BoundMethod<unknown, unknown>, invocation: Invocation) {
    this.#method = method;
    this.#request = invocation.request;
    this.#metadata = invocation.metadata;
    this.#timeoutMs = invocation.timeoutMs;
    this.#deadlineMs = deadlineAfter(this.#now(), this.#timeoutMs);
  }

  get method(): string {
    return this.#method.descriptor.path;
  }

  get cardinality(): Cardinality {
    return this.#method.descriptor.cardinality;
  }

  get authority(): string {
    return this.#method.activation.channel.authority ?? '';
  }

  get metadata(): Metadata {
    this.#metadata ??= new Metadata();
    return this.#metadata;
  }

  get timeout(): number {
    return timeLeftMs(this.#deadlineMs, this.#now()) / 1000;
  }

  set timeout(seconds: number) {
    const timeoutMs = timeoutMsOfSeconds(seconds);
    const deadlineMs = deadlineAfter(this.#now(), timeoutMs);
    if (deadlineMs >= this.#deadlineMs) return;
    this.#deadlineMs = deadlineMs;
    this.#timeoutMs = timeoutMs;
  }

  get request(): unknown {
    if (this.#method.descriptor.requestStreaming) {
      throw new TypeError(`${this.method} has no single request: see onRequest`);
    }
    return this.#request;
  }

  respond(response: unknown): RpcOutcome {
    if (this.#method.descriptor.responseStreaming) {
      throw new TypeError(`${this.method} has no single response`);
    }
    if (response === undefined || response === null) {
      throw new TypeError(`respond takes a response, got ${String(response)}`);
    }
    return new Outcome(OK, response);
  }

  static headers(rpc: Outgoing): HeaderList | null {
    const metadata = rpc.#metadata;
    return metadata === null || metadata.size === 0 ? null : metadata.toHeaderList();
  }

  static deadlineMs(rpc: Outgoing): number {
    return rpc.#deadlineMs;
  }

  /** The timeout that led to the deadline. */
  static timeoutMs(rpc: Outgoing): number {
    return rpc.#timeoutMs;
  }

  #now(): number {
    return this.#method.activation.channel.clock.now();
  }
}

const OK: CallStatus = { code: Status.OK, message: '', trailers: [], cause: undefined };

/** One RPC; to its caller's listener it is the call. */
class InterceptedRpc
  extends InterceptorChain<OutgoingRpc, ClientRpcObserver>
  implements CallControl
{
  protected readonly subject: OutgoingRpc;
  readonly #method: BoundMethod<unknown, unknown>;
  readonly #outgoing: Outgoing;
  readonly #listener: ValueListener;
  readonly #invocation: Invocation;
  #attempt: Attempt | null;
  /** Responses asked for; once one has come there is no further attempt that would have to know. */
  #demand: number;
  /** Initial metadata of the last attempt, as long as it may be another one that counts. */
  #headers: HeaderList | null;
  #metadataGiven: boolean;
  #responseGiven: boolean;
  /** The caller has cancelled: the status of the call is that of the RPC. */
  #isCancelled: boolean;
  /** Ends an RPC whose interceptors do not. */
  #timer: Timer | null;

  constructor(
    method: BoundMethod<unknown, unknown>,
    listener: ValueListener,
    invocation: Invocation,
  ) {
    super(method.activation.interceptors as readonly ClientInterceptor[]);
    this.#method = method;
    this.#outgoing = new Outgoing(method, invocation);
    this.subject = this.#outgoing as unknown as OutgoingRpc;
    this.#listener = listener;
    this.#invocation = invocation;
    this.#attempt = null;
    this.#demand = 0;
    this.#headers = null;
    this.#metadataGiven = false;
    this.#responseGiven = false;
    this.#isCancelled = false;
    this.#timer = null;
  }

  start(): void {
    const { options } = this.#invocation;
    const listener = this.#listener;
    listener.call = this;
    if (options !== null) listener.extras = new RpcExtras(this.#method, options, this);
    this.#method.activation.begin();
    this.enter();
    this.#watchDeadline();
  }

  // ---- what the caller's listener does with its call ------------------------------------------------------------------------------

  request(messages: number): void {
    this.#demand += messages;
    this.#attempt?.request(messages);
  }

  cancel(reason: string): void {
    this.fail(Status.CANCELLED, reason, undefined);
  }

  fail(code: number, message: string, cause: unknown): void {
    if (this.isOver) return;
    this.#isCancelled = true;
    const attempt = this.#attempt;
    // The call knows best how it ended; it may have ended already.
    if (attempt !== null && !attempt.hasEnded) attempt.fail(code, message, cause);
    else this.end(new Outcome(localStatus(code, message, cause), NONE));
  }

  // ---- InterceptorChain -----------------------------------------------------------------------------------------------------------

  protected begin(): void {
    this.#attempt = new Attempt(this, this.#method);
    this.#attempt.start();
  }

  protected giveUp(): void {
    const attempt = this.#attempt;
    if (attempt === null || attempt.hasEnded) return;
    attempt.fail(Status.CANCELLED, 'Cancelled on client: by an interceptor', undefined);
  }

  protected outcomeOf(error: unknown, what: string): Outcome {
    const status =
      error instanceof RpcError
        ? statusOfError(error)
        : callableFailure(this.#method.descriptor, what, error);
    return new Outcome(status, NONE);
  }

  protected whyNotAgain(): string | null {
    if (this.#invocation.requests !== null) return 'the requests of a stream can be read once only';
    return this.#responseGiven ? 'responses have reached the caller' : null;
  }

  protected report(error: unknown, what: string): void {
    this.#method.report(error, what);
  }

  protected finish(outcome: Outcome): void {
    this.#timer?.cancel();
    const listener = this.#listener;
    if (this.#headers !== null) listener.onMetadata(this.#headers);
    if (outcome.response !== NONE) listener.onResponse(outcome.response, 0);
    listener.onStatus(outcome.status);
    this.#method.activation.end();
  }

  // ---- the attempt ----------------------------------------------------------------------------------------------------------------

  /** Starts a call. */
  startCall(attempt: Attempt): void {
    const { channel } = this.#method.activation;
    const { options, requests } = this.#invocation;
    const { descriptor } = this.#method;
    const call = channel.createCall(descriptor, {
      deadlineMs: Outgoing.deadlineMs(this.#outgoing),
      timeoutMs: Outgoing.timeoutMs(this.#outgoing),
      metadata: Outgoing.headers(this.#outgoing),
      waitForReady: options?.waitForReady === true,
      compression: options?.compression ?? null,
      propagate: options?.propagate !== false,
    });
    attempt.call = call;
    attempt.extras = this.#listener.extras;
    if (requests === null) this.#startUnary(attempt, call);
    else this.#startStream(attempt, call, requests);
    this.#passDemand(call);
  }

  #startUnary(attempt: Attempt, call: ClientCall): void {
    const { extras } = attempt;
    let request: unknown;
    try {
      request = this.requestOf(this.#invocation.request);
    } catch (error) {
      attempt.onStatus(this.failureOf(error));
      return;
    }
    let message: Uint8Array;
    try {
      message = serialized(this.#method.description.serializeRequest(request));
    } catch (error) {
      attempt.onStatus(callableFailure(this.#method.descriptor, 'request serializer', error));
      return;
    }
    if (extras === null) call.startUnary(attempt, message);
    else call.startUnary(attempt, message, extras.compresses(request));
  }

  #startStream(attempt: Attempt, call: ClientCall, requests: RequestIterable<unknown>): void {
    const sender = new ObservedSender(this, this.#method, call, attempt.extras);
    const pump = new MessagePump(requests, sender);
    sender.pump = pump;
    attempt.pump = pump;
    call.start(attempt);
    queueMicrotask(() => pump.start());
  }

  #passDemand(call: ClientCall): void {
    if (this.#method.descriptor.responseStreaming && this.#demand > 0) call.request(this.#demand);
  }

  /** `request` as observers want it sent. */
  outbound(request: unknown): unknown {
    return this.requestOf(request);
  }

  /** The outcome of what a hook raised. */
  failureOf(error: unknown): CallStatus {
    return this.outcomeOf(error, 'interceptor').status;
  }

  onMetadata(headers: HeaderList): void {
    let metadata: Metadata | null = null;
    for (let { innermost } = this; innermost !== null; innermost = innermost.parent) {
      const { observer } = innermost;
      if (observer?.onInitialMetadata === undefined) continue;
      metadata ??= metadataOfHeaders(headers);
      try {
        observer.onInitialMetadata(metadata);
      } catch (error) {
        this.report(error, 'onInitialMetadata of an interceptor');
      }
    }
    if (this.#invocation.requests === null && !this.#method.descriptor.responseStreaming) {
      this.#headers = headers;
    } else if (!this.#metadataGiven) {
      this.#metadataGiven = true;
      this.#listener.onMetadata(headers);
    }
  }

  /** A response of `attempt` as observers want it read, handed to the caller at once when there may be several. */
  onResponse(attempt: Attempt, received: unknown, octets: number): void {
    const response = this.responseOf(received);
    if (!this.#method.descriptor.responseStreaming) {
      attempt.response = response;
    } else if (!this.isOver) {
      this.#responseGiven = true;
      this.#listener.onResponse(response, octets);
    }
  }

  onReady(): void {
    this.#attempt?.pump?.resume();
  }

  onAttemptEnded(attempt: Attempt, status: CallStatus): void {
    const response = status.code === Status.OK ? attempt.response : NONE;
    const outcome = new Outcome(status, response);
    this.settle(outcome);
    if (this.isOver) return;
    if (this.#isCancelled || this.#outgoing.timeout === 0) this.end(outcome);
    else this.#watchDeadline();
  }

  /** While no call is under way nobody else watches the deadline. */
  #watchDeadline(): void {
    if (this.isOver || this.isRunning || this.#timer !== null) return;
    const { clock } = this.#method.activation.channel;
    const leftMs = timeLeftMs(Outgoing.deadlineMs(this.#outgoing), clock.now());
    const onDeadline = (): void => {
      this.#timer = null;
      // Else the call ends by itself.
      if (this.isRunning) return;
      const status = expiredStatus('the RPC expired while its interceptors held it up');
      this.end(new Outcome(status, NONE));
    };
    this.#timer = clock.setTimer?.(leftMs, onDeadline, true) ?? null;
  }
}

/** One call of an intercepted RPC, as its listener. */
class Attempt implements RpcListener {
  call: ClientCall | null;
  pump: PumpControl | null;
  extras: RpcExtras | null;
  fault: CallStatus | null;
  hasEnded: boolean;
  response: unknown;
  readonly #rpc: InterceptedRpc;
  readonly #method: BoundMethod<unknown, unknown>;

  constructor(rpc: InterceptedRpc, method: BoundMethod<unknown, unknown>) {
    this.call = null;
    this.pump = null;
    this.extras = null;
    this.fault = null;
    this.hasEnded = false;
    this.response = NONE;
    this.#rpc = rpc;
    this.#method = method;
  }

  start(): void {
    this.#rpc.startCall(this);
  }

  request(messages: number): void {
    if (!this.hasEnded) this.call?.request(messages);
  }

  fail(code: number, message: string, cause: unknown): void {
    this.call?.fail(code, message, cause);
  }

  onMetadata(headers: HeaderList): void {
    this.#rpc.onMetadata(headers);
  }

  onMessage(chunk: Uint8Array, start: number, end: number): void {
    let response: unknown;
    try {
      response = this.#method.responseOf(chunk, start, end);
    } catch (error) {
      this.#break(callableFailure(this.#method.descriptor, 'response deserializer', error));
      return;
    }
    try {
      this.#rpc.onResponse(this, response, end - start);
    } catch (error) {
      this.#break(this.#rpc.failureOf(error));
    }
  }

  onStatus(status: CallStatus): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.pump?.stop();
    this.#rpc.onAttemptEnded(this, this.fault ?? status);
  }

  onReady(): void {
    this.pump?.resume();
  }

  /** The end of the call may be certain already: the fault overrides it. */
  #break(fault: CallStatus): void {
    this.fault ??= fault;
    this.call?.fail(fault.code, fault.message, fault.cause);
  }
}

/** Shows requests to the observers before they are serialized. */
class ObservedSender extends RequestSender<unknown> {
  readonly #rpc: InterceptedRpc;

  constructor(
    rpc: InterceptedRpc,
    method: BoundMethod<unknown, unknown>,
    call: ClientCall,
    extras: RpcExtras | null,
  ) {
    super(method, call, extras);
    this.#rpc = rpc;
  }

  override onValue(request: unknown): boolean {
    let value: unknown;
    try {
      value = this.#rpc.outbound(request);
    } catch (error) {
      this.fail(this.#rpc.failureOf(error));
      return false;
    }
    return super.onValue(value);
  }
}
