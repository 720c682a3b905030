/** The clock that the default clock of channels and servers reads too. */

/** Monotonic milliseconds of this thread. */
export const threadClock: { now(): number } = { now: () => performance.now() };
