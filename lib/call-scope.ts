/**
 * What calls inherit from the call being served in whose handler they are made: its deadline and its cancellation (as contexts do in
 * grpc-go and grpc-java). The storage that finds the scope of running code is injected; see lib/platform/call-context.ts.
 */

import type { Clock } from '../transport/clock.ts';

/** Why the call that is served ended early. */
export type ScopeAbortion = 'cancelled' | 'expired' | 'network';

/** A call made in a scope. */
export interface ScopeChild {
  /** The served call was aborted. At most once; runs no user code. */
  onScopeAborted(abortion: ScopeAbortion): void;
}

/** The scope of one call being served, from the start of its handler to its end. */
export class CallScope {
  readonly #deadlineMs: number;
  readonly #clock: Clock;
  readonly #children: Set<ScopeChild>;
  #abortion: ScopeAbortion | null;
  #over: boolean;

  /** `deadlineMs`: of the served call, on `clock`. */
  constructor(deadlineMs: number, clock: Clock) {
    this.#deadlineMs = deadlineMs;
    this.#clock = clock;
    this.#children = new Set();
    this.#abortion = null;
    this.#over = false;
  }

  /** True once the handler has settled: timers and connections that it left behind inherit nothing any more. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Why the served call was aborted; null as long as it was not. */
  get abortion(): ScopeAbortion | null {
    return this.#abortion;
  }

  /** Milliseconds until the deadline, below 0 when it has passed; Infinity without one. */
  get leftMs(): number {
    return this.#deadlineMs === Number.POSITIVE_INFINITY
      ? Number.POSITIVE_INFINITY
      : this.#deadlineMs - this.#clock.now();
  }

  /** Calls in flight that end with this scope. */
  get children(): number {
    return this.#children.size;
  }

  /** `child` ends when the served call is aborted. */
  add(child: ScopeChild): void {
    this.#children.add(child);
  }

  /** `child` has ended. */
  remove(child: ScopeChild): void {
    this.#children.delete(child);
  }

  /** The served call was aborted: so are the calls made in it. */
  abort(abortion: ScopeAbortion): void {
    if (this.#abortion !== null) return;
    this.#abortion = abortion;
    const children = [...this.#children];
    this.#children.clear();
    for (const child of children) child.onScopeAborted(abortion);
  }

  /** The handler has settled. Calls still in flight keep their deadline, and nothing cancels them any more. */
  end(): void {
    this.#over = true;
    this.#children.clear();
  }
}

/** Knows the scope of the running code, across `await`. */
export interface ScopeStorage {
  /** The scope that the running code belongs to, or null. */
  current(): CallScope | null;
  /** Calls `fn(argument)`; it, and whatever it starts, belongs to `scope`. */
  run<Argument>(
    scope: CallScope | null,
    fn: (argument: Argument) => void,
    argument: Argument,
  ): void;
}
