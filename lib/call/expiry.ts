/** What the two ends of a call make of a deadline that each reads off a clock of its own. */

import type { Clock } from '../../transport/clock.ts';
import type { CallOptions } from './call.ts';

/**
 * Time between a deadline and the server's RST_STREAM for it. Clients end the call by themselves; those that name a reset CANCELLED, such
 * as grpc-js, would report that when a busy one of them reads it before its own timer.
 */
export const EXPIRY_RESET_DELAY_MS = 200;

/**
 * Longest time before our deadline in which a server's cancellation is taken for that deadline. C-core reckons it from a clock reading that
 * is as old as its turn, and so comes early when it is busy.
 */
const MAX_SERVER_LEAD_MS = 50;

/** Whether the server may have seen the deadline of a call with these options pass; of a short timeout, in its second half. */
export function mayHaveExpired(clock: Clock, { deadlineMs, timeoutMs }: CallOptions): boolean {
  if (deadlineMs === Number.POSITIVE_INFINITY) return false;
  return clock.now() >= deadlineMs - Math.min(MAX_SERVER_LEAD_MS, timeoutMs / 2);
}

/** The deadline of a call that has `timeoutMs` left; without one the clock is not asked. */
export function deadlineOf(clock: { now(): number }, timeoutMs: number): number {
  return timeoutMs === Number.POSITIVE_INFINITY ? timeoutMs : clock.now() + timeoutMs;
}
