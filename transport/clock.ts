/**
 * Time as the transport and the call engine see it: a monotonic reading and coarse timers. Tests use a fake one.
 */

/** A pending timer. */
export interface Timer {
  /** Removes the timer; a fired or cancelled timer is left alone. */
  cancel(): void;
}

/** A source of time. */
export interface Clock {
  /** Monotonic milliseconds with fractions, from an arbitrary origin. */
  now(): number;
  /** Milliseconds of the wall clock since 1970. Beside `now`, which may stand still in the meantime, it tells that the machine slept. */
  wallNow(): number;
  /**
   * Calls `fire` once, not before `delayMs` (0 … Infinity; Infinity never fires) has passed. Delays above 2^31-1 ms are exact
   * too. A timer with `keepsProcessAlive` false does not hold the process open. `fire` must not throw.
   */
  setTimer(delayMs: number, fire: () => void, keepsProcessAlive: boolean): Timer;
}
