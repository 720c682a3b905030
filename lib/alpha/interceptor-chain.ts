/**
 * Runs the interceptors of one RPC, the first outermost, and carries the outcome back through them. A layer costs an object and a closure;
 * promises are made only for interceptors that ask for them.
 *
 *   enter 0 → … → enter n: begin     the RPC goes on when the innermost interceptor calls next
 *   finish ← … ← settle n            its outcome passes each layer that returned what next gave it, once that is known
 */

/* oxlint-disable unicorn/no-thenable -- what next gives is awaited. */

import type { CallStatus } from '../call/call.ts';
import { type Metadata, metadataOfHeaders } from '../metadata.ts';
import type { InterceptedOutcome, RpcObserver, RpcOutcome, RpcProgress } from './interceptors.ts';
import { isThenable } from './message-pump.ts';

/** What an outcome has for a response when it has none. */
export const NONE: unique symbol = Symbol('none');

/** The end of an RPC: its status, and the response of a response-unary one. */
export class Outcome implements RpcOutcome {
  readonly status: CallStatus;
  readonly response: unknown;
  /** The response is an interceptor's: the observers outside it have not seen it. */
  readonly isAnswer: boolean;

  constructor(status: CallStatus, response: unknown, isAnswer = false) {
    this.status = status;
    this.response = response;
    this.isAnswer = isAnswer;
  }

  get code(): number {
    return this.status.code;
  }

  get details(): string {
    return this.status.message;
  }

  get cause(): unknown {
    return this.status.cause;
  }

  get trailingMetadata(): Metadata {
    return metadataOfHeaders(this.status.trailers);
  }
}

/** What one call of `next` has set going, or the whole RPC. */
export class Progress<Observer extends RpcObserver> implements RpcProgress {
  /** Null for the whole RPC. */
  readonly parent: Progress<Observer> | null;
  readonly observer: Observer | null;
  /** The last that was set going within this. */
  child: Progress<Observer> | null;
  outcome: Outcome | null;
  /** Its interceptor returned it as it is: its outcome is that of its parent. */
  isReturned: boolean;
  /** What runs within this has been told once that the RPC is over. */
  knowsEnd: boolean;
  waiters: ((outcome: Outcome) => void)[] | null;

  constructor(parent: Progress<Observer> | null, observer: Observer | null) {
    this.parent = parent;
    this.observer = observer;
    this.child = null;
    this.outcome = null;
    this.isReturned = false;
    this.knowsEnd = false;
    this.waiters = null;
  }

  // biome-ignore lint/suspicious/noThenProperty: it is awaited.
  then<Result1 = RpcOutcome, Result2 = never>(
    onFulfilled?: ((outcome: RpcOutcome) => Result1 | PromiseLike<Result1>) | null,
    onRejected?: ((reason: unknown) => Result2 | PromiseLike<Result2>) | null,
  ): Promise<Result1 | Result2> {
    const settled = new Promise<RpcOutcome>((resolve) => {
      this.waiters ??= [];
      if (this.outcome !== null) resolve(this.outcome);
      else this.waiters.push(resolve);
    });
    return settled.then(onFulfilled, onRejected);
  }
}

/** The interceptors of one RPC at work. Who makes RPCs of a side derives from it. */
export abstract class InterceptorChain<Subject, Observer extends RpcObserver> {
  readonly #interceptors: readonly ((
    subject: Subject,
    next: (observer?: Observer) => RpcProgress,
  ) => InterceptedOutcome)[];
  readonly #root: Progress<Observer>;
  /** What runs within all interceptors, or ran last. */
  #innermost: Progress<Observer> | null;
  /** Promises of interceptors that are not settled. */
  #pending: number;

  constructor(
    interceptors: readonly ((
      subject: Subject,
      next: (observer?: Observer) => RpcProgress,
    ) => InterceptedOutcome)[],
  ) {
    this.#interceptors = interceptors;
    this.#root = new Progress<Observer>(null, null);
    this.#innermost = null;
    this.#pending = 0;
  }

  /** What the interceptors are given. */
  protected abstract readonly subject: Subject;
  /** All interceptors have called `next`: the RPC goes on. */
  protected abstract begin(): void;
  /** What began is not wanted any more. */
  protected abstract giveUp(): void;
  /** The outcome that an exception stands for; `what` raised it. */
  protected abstract outcomeOf(error: unknown, what: string): Outcome;
  /** Why the RPC cannot be made once more; null when it can. */
  protected abstract whyNotAgain(): string | null;
  /** Takes what cannot be told otherwise; must not throw. */
  protected abstract report(error: unknown, what: string): void;
  /** The outcome of the whole RPC, exactly once. */
  protected abstract finish(outcome: Outcome): void;
  /** Nothing of the interceptors runs any more. */
  protected idle(): void {}

  /** Whether the RPC has its outcome. */
  protected get isOver(): boolean {
    return this.#root.outcome !== null;
  }

  /** Whether an interceptor has not settled. */
  get isBusy(): boolean {
    return this.#pending > 0;
  }

  /** Whether what began has no outcome yet. */
  protected get isRunning(): boolean {
    return this.#innermost !== null && this.#innermost.outcome === null;
  }

  /** Runs the interceptors. */
  protected enter(): void {
    this.#enter(0, this.#root);
  }

  /** What began has ended. */
  protected settle(outcome: Outcome): void {
    if (this.#innermost !== null) this.#settle(this.#innermost, outcome);
  }

  /** The RPC is over, whatever interceptors wait for; those that wait for the outcome of `next` get this one. */
  protected end(outcome: Outcome): void {
    this.#endFrom(this.#root, outcome);
  }

  /** `request` as the interceptors want it sent or read. Throws what they throw. */
  protected requestOf(request: unknown): unknown {
    return this.#requestOf(this.#innermost, request);
  }

  /** `response` as the interceptors want it read or sent. Throws what they throw. */
  protected responseOf(response: unknown): unknown {
    let value = response;
    for (let progress = this.#innermost; progress !== null; progress = progress.parent) {
      value = shownResponse(progress.observer, value);
    }
    return value;
  }

  /** Calls a hook whose result counts for nothing; what it throws, or its promise is rejected with, is reported. */
  protected tell(what: string, hook: () => unknown): void {
    try {
      const result = hook();
      if (isThenable(result)) {
        Promise.resolve(result).catch((error: unknown) => this.report(error, what));
      }
    } catch (error) {
      this.report(error, what);
    }
  }

  /** What began, or began last; its observer and those of its parents see its messages, in this order. */
  protected get innermost(): Progress<Observer> | null {
    return this.#innermost;
  }

  /** From the outermost observer to the innermost. */
  #requestOf(progress: Progress<Observer> | null, request: unknown): unknown {
    if (progress === null || progress.parent === null) return request;
    const value = this.#requestOf(progress.parent, request);
    const changed: unknown = progress.observer?.onRequest?.(value);
    return changed === undefined ? value : checkedMessage(changed, 'onRequest');
  }

  #enter(level: number, progress: Progress<Observer>): void {
    const interceptor = this.#interceptors[level];
    if (interceptor === undefined) {
      this.#innermost = progress;
      this.begin();
      return;
    }
    let result: InterceptedOutcome;
    let isPromised: boolean;
    try {
      result = interceptor(this.subject, (observer) => this.#next(level, progress, observer));
      isPromised = isThenable(result);
    } catch (error) {
      this.#settle(progress, this.outcomeOf(error, 'interceptor'));
      return;
    }
    if (result instanceof Progress && result === progress.child) {
      result.isReturned = true;
      if (result.outcome !== null) this.#conclude(progress, result.outcome);
    } else if (isPromised) {
      this.#pending++;
      // A promise of ours: a thenable may throw, or settle twice.
      Promise.resolve(result).then(
        (outcome) => this.#returned(progress, outcome),
        (error: unknown) => this.#returned(progress, this.outcomeOf(error, 'interceptor')),
      );
    } else {
      this.#conclude(progress, this.#checked(result));
    }
  }

  #returned(progress: Progress<Observer>, outcome: unknown): void {
    this.#pending--;
    this.#conclude(progress, this.#checked(outcome));
    if (this.#pending === 0) this.idle();
  }

  #checked(outcome: unknown): Outcome {
    if (outcome instanceof Outcome) return outcome;
    const fault = new TypeError('an interceptor must return what next() or respond() gave');
    return this.outcomeOf(fault, 'interceptor');
  }

  #next(
    level: number,
    parent: Progress<Observer>,
    observer: Observer | undefined,
  ): Progress<Observer> {
    const former = parent.child;
    if (former !== null && former.outcome === null) {
      throw new Error('next() was called again while the RPC goes on: await its outcome first');
    }
    const child = new Progress(parent, observer ?? null);
    const over = outcomeAbove(parent);
    if (over !== null) {
      // Not twice: who calls next until the RPC succeeds would do so for ever.
      if (parent.knowsEnd) throw new Error('next() cannot be called again: the RPC is over');
      parent.knowsEnd = true;
      parent.child = child;
      this.#settle(child, over);
      return child;
    }
    const fault = former === null ? null : this.whyNotAgain();
    if (fault !== null) throw new Error(`next() cannot be called again: ${fault}`);
    parent.child = child;
    this.#enter(level + 1, child);
    return child;
  }

  /** The interceptor within `progress` has ended it with `outcome`. */
  #conclude(progress: Progress<Observer>, outcome: Outcome): void {
    const { observer } = progress;
    if (progress.outcome !== null || !outcome.isAnswer || observer === null) {
      this.#settle(progress, outcome);
      return;
    }
    let shown: Outcome;
    try {
      shown = new Outcome(outcome.status, shownResponse(observer, outcome.response), true);
    } catch (error) {
      shown = this.outcomeOf(error, 'interceptor');
    }
    this.#settle(progress, shown);
  }

  #settle(progress: Progress<Observer>, outcome: Outcome): void {
    if (progress.outcome !== null) return;
    progress.outcome = outcome;
    const { child, parent, observer, waiters } = progress;
    // An interceptor that ended the RPC without waiting for what it had set going.
    if (child !== null && child.outcome === null) this.#endFrom(child, outcome);
    if (progress === this.#innermost) this.giveUp();
    if (observer?.onStatus !== undefined) {
      this.tell('onStatus of an interceptor', () => observer.onStatus?.(outcome));
    }
    progress.waiters = null;
    if (waiters !== null) for (const wake of waiters) wake(outcome);
    if (parent === null) this.finish(outcome);
    else if (progress.isReturned) this.#conclude(parent, outcome);
  }

  /** Settles `progress` and all that runs within it, the innermost first. */
  #endFrom(progress: Progress<Observer>, outcome: Outcome): void {
    const { child } = progress;
    if (child !== null && child.outcome === null) this.#endFrom(child, outcome);
    this.#settle(progress, outcome);
  }
}

/** The outcome that `progress`, or what it is a part of, has already. */
function outcomeAbove<Observer extends RpcObserver>(progress: Progress<Observer>): Outcome | null {
  for (let at: Progress<Observer> | null = progress; at !== null; at = at.parent) {
    if (at.outcome !== null) return at.outcome;
  }
  return null;
}

/** `response` as `observer` wants it. Throws what it throws. */
function shownResponse(observer: RpcObserver | null, response: unknown): unknown {
  const changed: unknown = observer?.onResponse?.(response);
  return changed === undefined ? response : checkedMessage(changed, 'onResponse');
}

/** What a hook gave for a message. Throws TypeError for a promise. */
function checkedMessage(message: unknown, hook: string): unknown {
  if (!isThenable(message)) return message;
  Promise.resolve(message).catch(() => {});
  throw new TypeError(
    `${hook} of an interceptor gave a promise, which is no message: hooks are not awaited`,
  );
}
