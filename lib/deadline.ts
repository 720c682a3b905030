/** Timeouts of callers as deadlines of the engine: absolute milliseconds on a Clock. */

/**
 * Milliseconds of a timeout in seconds. Zero and negative timeouts are legal and expire at once; Infinity means none. Throws TypeError
 * when `timeout` is not a number or is NaN.
 */
export function timeoutMsOfSeconds(timeout: number): number {
  if (typeof timeout !== 'number' || Number.isNaN(timeout)) {
    throw new TypeError(
      `timeout must be a number of seconds (Infinity for none), got ${typeof timeout === 'string' ? 'a string' : String(timeout)}`,
    );
  }
  return timeout <= 0 ? 0 : timeout * 1000;
}

/** The deadline `timeoutMs` after `nowMs`; Infinity for an infinite timeout. */
export function deadlineAfter(nowMs: number, timeoutMs: number): number {
  return nowMs + timeoutMs;
}

/** Milliseconds left until `deadlineMs`, never below zero; Infinity without a deadline. */
export function timeLeftMs(deadlineMs: number, nowMs: number): number {
  return deadlineMs > nowMs ? deadlineMs - nowMs : 0;
}
