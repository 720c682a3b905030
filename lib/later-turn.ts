/** A turn of the event loop that is not this one: what gives way to timers, sockets and other connections. */

/** Runs `run` in a later turn, after I/O that is due where the runtime can tell. */
export const inLaterTurn: (run: () => void) => void =
  typeof setImmediate === 'function'
    ? (run): void => void setImmediate(run)
    : (run): void => void setTimeout(run, 0);
