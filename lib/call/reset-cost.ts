/**
 * What a client's RST_STREAM takes from its budget (L3): rapid reset (CVE-2023-44487) makes work and does not wait for it, deadlines that
 * pass make less work, or have been waited for.
 */

/** Longest time by which a client's deadline is taken to pass before ours, which starts when the request arrives. */
const MAX_DEADLINE_LEAD_MS = 100;

/** Of a call that was worked for in vain. */
const WHOLE_COST = 1;

/** Of a call that no handler saw: what is left of the work is reading its frames. */
const UNSEEN_COST = 1 / 8;

/**
 * A call that has occupied its stream for so long has paid for itself; with a handler, in twice the time for one other too. A client that keeps n streams occupied can
 * thus reset n calls in this time for ever: no more than it could let expire, by stating it as their timeout.
 */
const PAID_MS = 10;

/** A call that expired has paid by living for so long: less is no timeout that anybody waits for. */
const EXPIRED_PAID_MS = 1;

/**
 * The cost in resets of calls that were worked for in vain; null without a timeout, negative when the call has paid for others too. `deadlineMs` and `nowMs` are
 * readings of the same clock, `timeoutMs` is what the request stated: Infinity for nothing, negative for nonsense. `started`: a handler was
 * given the call.
 *
 * That the deadline has passed can be read off the request only if the request left the client as soon as it was made. Most clients state
 * the whole timeout though the call has waited, for the connection or for a free stream: then its reset comes early by our clock, by up to
 * the timeout, and of calls made at once by the thousand most come so. What tells them from an attack is what they cost.
 */
export function costOfReset(
  nowMs: number,
  deadlineMs: number,
  timeoutMs: number,
  started: boolean,
): number | null {
  if (timeoutMs < 0 || timeoutMs === Number.POSITIVE_INFINITY) return null;
  const livedMs = Math.max(0, nowMs - (deadlineMs - timeoutMs));
  if (livedMs >= timeoutMs - Math.min(MAX_DEADLINE_LEAD_MS, timeoutMs / 10)) {
    return livedMs < EXPIRED_PAID_MS ? UNSEEN_COST : 0;
  }
  const share = 1 - livedMs / PAID_MS;
  // A call that no handler saw pays for itself at most: streams without a message cost their peer nothing.
  return started ? Math.max(-WHOLE_COST, WHOLE_COST * share) : Math.max(0, UNSEEN_COST * share);
}
