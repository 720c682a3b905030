/** A few lines of each kind in a second, and the number of the rest when it is over: for lines that peers can cause any number of. */

import type { Timer } from '../transport/clock.ts';

/** Lines of one kind in one second; further ones are counted. */
export const MAX_LINES_PER_SECOND = 10;
const SECOND_MS = 1000;
/** Kinds that are told apart. They are names of our code or of methods, never text of peers; further ones share one budget. */
const MAX_KINDS = 1000;
const FURTHER_KINDS = 'further places';

/** What a budget needs of a clock. */
export interface BudgetClock {
  now(): number;
  setTimer(delayMs: number, fire: () => void, keepsProcessAlive: boolean): Timer;
}

/** The lines of one kind in the second that began with the first of them. */
interface Second {
  readonly startMs: number;
  lines: number;
  leftOut: number;
  /** Tells what was left out; null while nothing is. */
  timer: Timer | null;
}

/** The budgets of all kinds. */
export class LineBudget {
  readonly #clock: BudgetClock;
  readonly #onLeftOut: (kind: string, leftOut: number) => void;
  readonly #seconds: Map<string, Second>;

  /** `onLeftOut` hears, at the end of a second, how many lines of a kind were left out, if any were. It must not throw. */
  constructor(clock: BudgetClock, onLeftOut: (kind: string, leftOut: number) => void) {
    this.#clock = clock;
    this.#onLeftOut = onLeftOut;
    this.#seconds = new Map();
  }

  /** Whether one more line of `kind` may be said now; if not, it is counted. */
  take(kind: string): boolean {
    const nowMs = this.#clock.now();
    const known = this.#kindOf(kind, nowMs);
    let second = this.#seconds.get(known);
    if (second === undefined || nowMs - second.startMs >= SECOND_MS) {
      if (second !== undefined) this.#end(known, second);
      second = { startMs: nowMs, lines: 0, leftOut: 0, timer: null };
      this.#seconds.set(known, second);
    }
    if (second.lines < MAX_LINES_PER_SECOND) {
      second.lines += 1;
      return true;
    }
    second.leftOut += 1;
    if (second.timer === null) {
      const over = second;
      const leftMs = second.startMs + SECOND_MS - nowMs;
      second.timer = this.#clock.setTimer(leftMs, () => this.#end(known, over), false);
    }
    return false;
  }

  /** Tells at once what was left out so far: nobody may be there to hear it later. */
  flush(): void {
    for (const [kind, second] of this.#seconds) this.#end(kind, second);
  }

  #kindOf(kind: string, nowMs: number): string {
    if (this.#seconds.size < MAX_KINDS || this.#seconds.has(kind)) return kind;
    for (const [other, second] of this.#seconds) {
      if (nowMs - second.startMs >= SECOND_MS) this.#end(other, second);
    }
    return this.#seconds.size < MAX_KINDS ? kind : FURTHER_KINDS;
  }

  #end(kind: string, second: Second): void {
    this.#seconds.delete(kind);
    if (second.timer === null) return;
    second.timer.cancel();
    this.#onLeftOut(kind, second.leftOut);
  }
}
