/**
 * The interceptors of one served RPC. They run before the request is deserialized; the behaviour runs when the innermost has called `next`,
 * and its answer is sent when all have returned.
 */

import type { CallStatus } from '../call/call.ts';
import { keptRange } from '../call/message-range.ts';
import { Status } from '../status.ts';
import { InterceptorChain, NONE, Outcome } from './interceptor-chain.ts';
import type { RpcObserver, ServerInterceptor } from './interceptors.ts';
import { Abortion, type RpcContext } from './interfaces.ts';
import { Deferred } from './promise-holder.ts';
import { statusCarriedBy } from './rpc-fault.ts';

/** What the client reads for an exception that carries no status: nothing of the exception itself. */
export const BEHAVIOR_RAISED = 'the service raised an exception';

/** The RPC, to its interceptors. */
export interface InterceptedHandler {
  /** The behaviour may run. */
  admit(): void;
  /** Its outcome is not wanted any more. */
  giveUp(): void;
  /** To be sent, unless the RPC was aborted. `outcome.response` is the serialized response, if there is one. */
  conclude(outcome: Outcome): void;
  /** No interceptor runs any more. */
  onInterceptorsSettled(): void;
  report(error: unknown, what: string): void;
}

interface HeldRequest {
  readonly chunk: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** The chain of one RPC. */
export class ServerInterception extends InterceptorChain<RpcContext, RpcObserver> {
  protected readonly subject: RpcContext;
  /** The client sends no more; it may say so before the behaviour runs. */
  isHalfClosed: boolean;
  /** The behaviour has settled; only interceptors keep the handler from being so. */
  isSettleDue: boolean;
  /** What a failure of the behaviour counts as. */
  abortion: Abortion;
  /** The unary request, as long as the behaviour may not run. */
  #held: HeldRequest | null;
  /** Set when the behaviour may run, but the request has to be decompressed first. */
  #arrival: Deferred<Uint8Array> | null;
  readonly #handler: InterceptedHandler;
  #hasConcluded: boolean;

  constructor(
    interceptors: readonly ServerInterceptor[],
    context: RpcContext,
    handler: InterceptedHandler,
  ) {
    super(interceptors);
    this.subject = context;
    this.isHalfClosed = false;
    this.isSettleDue = false;
    this.abortion = Abortion.SERVICER_FAILURE;
    this.#held = null;
    this.#arrival = null;
    this.#handler = handler;
    this.#hasConcluded = false;
  }

  /** Whether what the behaviour makes of the RPC is known: later messages and failures count for nothing. */
  get hasConcluded(): boolean {
    return this.#hasConcluded;
  }

  /** The request that was held, once. */
  takeHeld(): HeldRequest | null {
    const held = this.#held;
    this.#held = null;
    return held;
  }

  start(): void {
    this.enter();
  }

  /**
   * As `start`, with the unary request in a range that is lent: interceptors that let it wait have it copied. Or the request that they have
   * let pass already.
   */
  startWith(chunk: Uint8Array, start: number, end: number): void {
    if (this.#arrival !== null) {
      this.#arrival.resolve(keptRange(chunk, start, end));
      return;
    }
    this.#held = { chunk, start, end };
    this.enter();
    if (this.#held === null) return;
    const kept = keptRange(chunk, start, end);
    this.#held = { chunk: kept, start: 0, end: kept.length };
  }

  /** Runs `use`, which must not throw, with the request that is on its way; in the async context of the innermost `next`, hence a promise. */
  awaitRequest(use: (request: Uint8Array) => void): void {
    this.#arrival = new Deferred();
    void this.#arrival.promise.then(use);
  }

  /** The behaviour has ended, or the request or its response was refused. */
  conclude(status: CallStatus, response: Uint8Array | null): void {
    this.#hasConcluded = true;
    this.settle(new Outcome(status, response ?? NONE));
  }

  /** The RPC was aborted: interceptors learn of it, and nothing is sent. */
  abort(code: number, message: string): void {
    this.end(new Outcome({ code, message, trailers: [], cause: undefined }, NONE));
  }

  /** `request` as the observers want it read. Throws what they throw. */
  inbound(request: unknown): unknown {
    return this.requestOf(request);
  }

  /** `response` as the observers want it sent. Throws what they throw. */
  outbound(response: unknown): unknown {
    return this.responseOf(response);
  }

  protected begin(): void {
    this.#handler.admit();
  }

  protected giveUp(): void {
    this.#handler.giveUp();
  }

  protected outcomeOf(error: unknown, what: string): Outcome {
    const carried = statusCarriedBy(error);
    if (carried === null) this.#handler.report(error, what);
    const status: CallStatus =
      carried === null
        ? { code: Status.UNKNOWN, message: BEHAVIOR_RAISED, trailers: [], cause: error }
        : {
            code: carried.code,
            message: carried.details,
            trailers: carried.trailers ?? [],
            cause: error,
          };
    return new Outcome(status, NONE);
  }

  protected whyNotAgain(): string {
    return 'the behavior has run';
  }

  protected report(error: unknown, what: string): void {
    this.#handler.report(error, what);
  }

  protected finish(outcome: Outcome): void {
    this.#held = null;
    this.#handler.conclude(outcome);
  }

  protected override idle(): void {
    this.#handler.onInterceptorsSettled();
  }
}
