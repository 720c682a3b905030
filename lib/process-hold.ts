/** Holds the process open while something is waited for that no socket of ours stands for. */

import type { Clock, Timer } from '../transport/clock.ts';

/** How long one timer holds; it is set again when it fires. */
const HOLD_MS = 3_600_000;

/** A hold that is on or off. */
export class ProcessHold {
  readonly #clock: Clock;
  #timer: Timer | null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#timer = null;
  }

  /** Turns the hold on or off. */
  set(held: boolean): void {
    if (held === (this.#timer !== null)) return;
    if (held) this.#hold();
    else this.#release();
  }

  #hold(): void {
    this.#timer = this.#clock.setTimer(HOLD_MS, () => this.#hold(), true);
  }

  #release(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
