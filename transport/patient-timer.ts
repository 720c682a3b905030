/**
 * A timeout that is fair to the peer after this process has stood still: stopped by a signal, swapped out, asleep with its machine, or
 * blocked by a long computation. Timers then fire before the octets that arrived meanwhile have been read; a timeout that is much too late
 * waits a moment more, once, so that they are.
 */

import {
  type Clock,
  runTimerAction,
  type Timer,
  type TimerAction,
  type TimerTarget,
} from './clock.ts';

/** A timer that fires this much too late, in milliseconds, says that the process stood still. */
export const STANDSTILL_MS = 1000;

/** What a timeout waits more after a standstill, in milliseconds: some turns of the event loop. */
const GRACE_MS = 250;

class PatientTimer implements Timer, TimerTarget {
  readonly #clock: Clock;
  readonly #dueMs: number;
  readonly #action: TimerAction;
  #timer: Timer;

  constructor(clock: Clock, delayMs: number, action: TimerAction) {
    this.#clock = clock;
    this.#dueMs = clock.now() + delayMs;
    this.#action = action;
    this.#timer = clock.setTimer(delayMs, this, false);
  }

  cancel(): void {
    this.#timer.cancel();
  }

  onTimer(): void {
    if (this.#clock.now() - this.#dueMs < STANDSTILL_MS) runTimerAction(this.#action);
    else this.#timer = this.#clock.setTimer(GRACE_MS, this.#action, false);
  }
}

/** As `Clock.setTimer`, but after a standstill of the process `action` comes 250 ms later, not before the peer's octets were read. */
export function setPatientTimer(clock: Clock, delayMs: number, action: TimerAction): Timer {
  return new PatientTimer(clock, delayMs, action);
}
