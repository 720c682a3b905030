/** A clock that tests turn by hand: nothing happens until `advance`. */

import { type Clock, runTimerAction, type Timer, type TimerAction } from '../../transport/clock.ts';

class FakeTimer implements Timer {
  readonly clock: FakeClock;
  readonly dueMs: number;
  readonly action: TimerAction;
  readonly keepsProcessAlive: boolean;

  constructor(clock: FakeClock, dueMs: number, action: TimerAction, keepsProcessAlive: boolean) {
    this.clock = clock;
    this.dueMs = dueMs;
    this.action = action;
    this.keepsProcessAlive = keepsProcessAlive;
  }

  cancel(): void {
    this.clock.remove(this);
  }
}

/** A `Clock` whose time moves only through `advance`. */
export class FakeClock implements Clock {
  #nowMs: number;
  /** Reading of the wall clock less that of `now`. */
  #wallLeadMs = 1_700_000_000_000;
  readonly #timers: Set<FakeTimer> = new Set();

  /** `startMs` is the first reading; away from 0 by default, so that code which takes 0 for "never" is found out. */
  constructor(startMs = 1000) {
    this.#nowMs = startMs;
  }

  /** Timers that neither fired nor were cancelled; timers of Infinity count until they are cancelled. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Those of `pending` that would hold the process open. */
  get pendingAlive(): number {
    let count = 0;
    for (const timer of this.#timers) if (timer.keepsProcessAlive) count++;
    return count;
  }

  /** Milliseconds until the earliest timer; Infinity when there is none. */
  get nextDelayMs(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const timer of this.#timers) earliest = Math.min(earliest, timer.dueMs);
    return earliest - this.#nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  wallNow(): number {
    return this.#nowMs + this.#wallLeadMs;
  }

  setTimer(delayMs: number, action: TimerAction, keepsProcessAlive: boolean): Timer {
    if (Number.isNaN(delayMs)) throw new RangeError('a timer delay must be a number');
    const timer = new FakeTimer(
      this,
      this.#nowMs + Math.max(0, delayMs),
      action,
      keepsProcessAlive,
    );
    this.#timers.add(timer);
    return timer;
  }

  /**
   * Moves time forward by `ms` (0 … Infinity excluded) and fires what falls due, in order of due time and then of setting. While a
   * timer fires, `now()` is its due time; timers set meanwhile fire too when they fall due within `ms`.
   */
  advance(ms: number): void {
    if (!(ms >= 0) || ms === Number.POSITIVE_INFINITY) {
      throw new RangeError(`advance needs a finite number of 0 or more, got ${ms}`);
    }
    const endMs = this.#nowMs + ms;
    for (;;) {
      let next: FakeTimer | null = null;
      for (const timer of this.#timers) {
        if (timer.dueMs <= endMs && (next === null || timer.dueMs < next.dueMs)) next = timer;
      }
      if (next === null) break;
      this.#timers.delete(next);
      this.#nowMs = next.dueMs;
      runTimerAction(next.action);
    }
    this.#nowMs = endMs;
  }

  /** The machine sleeps for `ms`: only the wall clock goes on. */
  sleep(ms: number): void {
    this.#wallLeadMs += ms;
  }

  /** The process stands still for `ms`: time goes on, and what fell due fires afterwards, at once. */
  standStill(ms: number): void {
    this.#nowMs += ms;
    const late = [...this.#timers].filter((timer) => timer.dueMs <= this.#nowMs);
    for (const timer of late.sort((a, b) => a.dueMs - b.dueMs)) {
      if (!this.#timers.delete(timer)) continue;
      runTimerAction(timer.action);
    }
  }

  /** For FakeTimer. */
  remove(timer: Timer): void {
    this.#timers.delete(timer as FakeTimer);
  }
}
