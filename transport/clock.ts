/**
 * Time as the transport and the call engine see it: a monotonic reading and coarse timers. Tests use a fake one.
 */

/** A pending timer. */
export interface Timer {
  /** Removes the timer; a fired or cancelled timer is left alone. */
  cancel(): void;
}

/** An object that does itself what is to be done when its timer fires: many need no closure each for that. */
export interface TimerTarget {
  /** The time has come. Must not throw. */
  onTimer(): void;
}

/** What a timer does; it must not throw. */
export type TimerAction = (() => void) | TimerTarget;

/** Does what a timer is for. */
export function runTimerAction(action: TimerAction): void {
  if (typeof action === 'function') action();
  else action.onTimer();
}

/** A source of time. */
export interface Clock {
  /** Monotonic milliseconds with fractions, from an arbitrary origin. */
  now(): number;
  /** Milliseconds of the wall clock since 1970. Beside `now`, which may stand still in the meantime, it tells that the machine slept. */
  wallNow(): number;
  /**
   * Runs `action` once, not before `delayMs` (0 … Infinity; Infinity never fires) has passed. Delays above 2^31-1 ms are exact
   * too. A timer with `keepsProcessAlive` false does not hold the process open.
   */
  setTimer(delayMs: number, action: TimerAction, keepsProcessAlive: boolean): Timer;
}
