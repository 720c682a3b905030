/** Small constants of client calls. */

/** Facts of a call, as bits of one number: a field for each would be a fifth of what an open call holds. */
export const Mark = {
  /** Inside `start`, with the whole timeout left: headers that are written now need no look at the clock. */
  STARTS_NOW: 1,
  /** The host keeps the call until it finds a transport. */
  WAITING: 2,
  /** The stream of the current attempt was closed, perhaps while it was being opened. */
  ATTEMPT_CLOSED: 4,
  /** The server refused the call once already (gRFC A6 allows one immediate retry). */
  REFUSED: 8,
  RETRY_DUE: 16,
  READY_DUE: 32,
  /** The status came in trailers, behind messages that are still to be delivered. */
  STATUS_IN_ORDER: 64,
  STATUS_DELIVERED: 128,
} as const;
