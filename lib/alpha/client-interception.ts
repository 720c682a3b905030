/**
 * RPCs of stubs that have interceptors. The chain stands between the caller's listener and the calls: it starts a call each time the
 * innermost interceptor calls `next`, shows its messages to the observers, and tells the caller the outcome that comes out at the other end.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { Timer } from '../../transport/clock.ts';
import type { CallStatus, ClientCall } from '../call/call.ts';
import type { CallScope, ScopeAbortion, ScopeChild } from '../call-scope.ts';
import { timeLeftMs, timeoutMsOfSeconds } from '../deadline.ts';
import { Metadata, metadataOfHeaders } from '../metadata.ts';
import { RpcError } from '../rpc-error.ts';
import { Status } from '../status.ts';
import type { BoundMethod } from './bound-method.ts';
import { Attempt, type AttemptHost, ObservedSender } from './client-attempt.ts';
import { InterceptorChain, NONE, Outcome } from './interceptor-chain.ts';
import type { ClientInterceptor, ClientRpcObserver, OutgoingRpc } from './interceptors.ts';
import type { RequestIterable, Timeout } from './interfaces.ts';
import { isIterableSource, MessagePump } from './message-pump.ts';
import { type Invocation, Outgoing } from './outgoing-rpc.ts';
import {
  abortedByScope,
  callableFailure,
  expiredStatus,
  localStatus,
  statusCarriedBy,
} from './rpc-fault.ts';
import { initialMetadata, readyToStart, rpcOptions } from './rpc-invocation.ts';
import { type CallControl, RpcExtras, type ValueListener } from './rpc-listener.ts';
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

/** One RPC; to its caller's listener it is the call. */
class InterceptedRpc
  extends InterceptorChain<OutgoingRpc, ClientRpcObserver>
  implements CallControl, AttemptHost, ScopeChild
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
  /** The caller has cancelled: the status of this call is that of the RPC. */
  #cancelled: Attempt | null;
  #hasEntered: boolean;
  /** The served call whose handler made this RPC. */
  #scope: CallScope | null;
  /** Ends an RPC whose interceptors do not. */
  #timer: Timer | null;

  constructor(
    method: BoundMethod<unknown, unknown>,
    listener: ValueListener,
    invocation: Invocation,
  ) {
    super(method.activation.interceptors as readonly ClientInterceptor[]);
    this.#method = method;
    this.#outgoing = new Outgoing(method, invocation, () => this.#onDeadlineLowered());
    this.subject = this.#outgoing as unknown as OutgoingRpc;
    this.#listener = listener;
    this.#invocation = invocation;
    this.#attempt = null;
    this.#demand = 0;
    this.#headers = null;
    this.#metadataGiven = false;
    this.#responseGiven = false;
    this.#cancelled = null;
    this.#hasEntered = false;
    this.#scope = null;
    this.#timer = null;
  }

  start(): void {
    const { options } = this.#invocation;
    const listener = this.#listener;
    listener.call = this;
    if (options !== null) listener.extras = new RpcExtras(this.#method, options, this);
    this.#method.activation.begin();
    if (this.#inherit()) this.enter();
    this.#hasEntered = true;
    this.#watchDeadline();
  }

  /** Takes over what the served call around it says, as a call does. False: that is the end of this RPC. */
  #inherit(): boolean {
    const scope = this.#method.activation.channel.scopes?.current() ?? null;
    if (scope === null || scope.isOver || this.#invocation.options?.propagate === false) {
      return true;
    }
    if (scope.abortion !== null) {
      this.#stop(abortedByScope(scope.abortion));
      return false;
    }
    if (scope.leftMs !== Number.POSITIVE_INFINITY) this.subject.timeout = scope.leftMs / 1000;
    this.#scope = scope;
    scope.add(this);
    return true;
  }

  onScopeAborted(abortion: ScopeAbortion): void {
    // Later: it must run no user code.
    queueMicrotask(() => this.#stop(abortedByScope(abortion)));
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
    this.#stop(localStatus(code, message, cause));
  }

  #stop(status: CallStatus): void {
    if (this.isOver || this.#cancelled !== null) return;
    const attempt = this.#attempt;
    if (attempt === null || attempt.hasEnded) {
      this.end(new Outcome(status, NONE));
    } else {
      // The call knows best how it ended; it may have ended already.
      this.#cancelled = attempt;
      attempt.fail(status.code, status.message, status.cause);
    }
  }

  // ---- InterceptorChain -----------------------------------------------------------------------------------------------------------

  protected begin(): void {
    this.#headers = null;
    this.#attempt = new Attempt(this, this.#method);
    this.#attempt.start();
  }

  protected giveUp(): void {
    const attempt = this.#attempt;
    if (attempt === null || attempt.hasEnded) return;
    this.#attempt = null;
    attempt.pump?.stop();
    attempt.fail(Status.CANCELLED, 'Cancelled on client: by an interceptor', undefined);
    this.#watchDeadline();
  }

  protected outcomeOf(error: unknown, what: string): Outcome {
    const carried = statusCarriedBy(error);
    if (carried === null) {
      return new Outcome(callableFailure(this.#method.descriptor, what, error), NONE);
    }
    const isRpcError = error instanceof RpcError;
    const end = isRpcError ? error.end : null;
    const status: CallStatus = {
      code: carried.code,
      message: carried.details,
      trailers: carried.trailers ?? [],
      cause: isRpcError ? error.cause : error,
    };
    return new Outcome(end === null ? status : { ...status, end }, NONE);
  }

  protected whyNotAgain(): string | null {
    if (this.#invocation.requests !== null)
      return 'its requests are a stream, which can be read once only';
    return this.#responseGiven ? 'a response has reached the caller' : null;
  }

  protected report(error: unknown, what: string): void {
    this.#method.report(error, what);
  }

  protected finish(outcome: Outcome): void {
    this.#timer?.cancel();
    const listener = this.#listener;
    this.#scope?.remove(this);
    if (!outcome.isAnswer) this.#giveMetadata();
    if (outcome.response !== NONE) listener.onResponse(outcome.response, 0);
    listener.onStatus(outcome.status);
    this.#method.activation.end();
  }

  // ---- the attempt ----------------------------------------------------------------------------------------------------------------

  isCurrent(attempt: Attempt): boolean {
    return attempt === this.#attempt;
  }

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
    for (let { innermost } = this; innermost !== null; innermost = innermost.parent) {
      const { observer } = innermost;
      if (observer?.onInitialMetadata === undefined) continue;
      // One each: what an observer changes is its own.
      const metadata = metadataOfHeaders(headers);
      this.tell('onInitialMetadata of an interceptor', () =>
        observer.onInitialMetadata?.(metadata),
      );
    }
    this.#headers = headers;
    // There is no other attempt whose metadata it could be.
    if (this.#invocation.requests !== null) this.#giveMetadata();
  }

  #giveMetadata(): void {
    const headers = this.#headers;
    this.#headers = null;
    if (headers === null || this.#metadataGiven) return;
    this.#metadataGiven = true;
    this.#listener.onMetadata(headers);
  }

  /** A response of `attempt` as observers want it read, handed to the caller at once when there may be several. */
  onResponse(attempt: Attempt, received: unknown, octets: number): void {
    const response = this.responseOf(received);
    if (!this.#method.descriptor.responseStreaming) {
      attempt.response = response;
    } else if (!this.isOver) {
      this.#responseGiven = true;
      this.#giveMetadata();
      this.#listener.onResponse(response, octets);
    }
  }

  onAttemptEnded(attempt: Attempt, status: CallStatus): void {
    const response = status.code === Status.OK ? attempt.response : NONE;
    const outcome = new Outcome(status, response);
    if (this.isCurrent(attempt)) this.settle(outcome);
    else if (attempt !== this.#cancelled) return;
    if (this.isOver) return;
    if (attempt === this.#cancelled || this.#outgoing.timeout === 0) this.end(outcome);
    else this.#watchDeadline();
  }

  #onDeadlineLowered(): void {
    if (!this.#hasEntered) return;
    this.#timer?.cancel();
    this.#timer = null;
    this.#watchDeadline();
  }

  /** While no call is under way nobody else watches the deadline. */
  #watchDeadline(): void {
    if (this.isOver || this.isRunning || this.#timer !== null) return;
    const { clock } = this.#method.activation.channel;
    const deadlineMs = Outgoing.deadlineMs(this.#outgoing);
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    const leftMs = timeLeftMs(deadlineMs, clock.now());
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
