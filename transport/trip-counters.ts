/**
 * Counts of the checks and limits that have tripped, by token: what a server or channel shows of the abuse it met. Counting allocates
 * nothing, and the tokens are those of our own code, so the map stays small whatever peers do.
 */

import type { TransportObserver } from './observer.ts';

/** Counters of one server or one channel, shared by all its connections. */
export class TripCounters {
  readonly #counts: Map<string, number> = new Map();

  /** One more of `token`. */
  count(token: string): void {
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
  }

  /** How often `token` has been counted. */
  of(token: string): number {
    return this.#counts.get(token) ?? 0;
  }

  /** A copy of all counts by token. */
  snapshot(): ReadonlyMap<string, number> {
    return new Map(this.#counts);
  }
}

/**
 * An observer that counts protocol errors and tripped limits in `counters` and passes every event on to `next`. Without `next` it has the
 * one hook only, so that the hot path stays without calls.
 */
export function countingObserver(
  counters: TripCounters,
  next: TransportObserver | null,
): TransportObserver {
  if (next === null) {
    return { onProtocolError: (_streamId, _errorCode, token) => counters.count(token) };
  }
  return {
    onProtocolError(streamId, errorCode, token) {
      counters.count(token);
      next.onProtocolError?.(streamId, errorCode, token);
    },
    ...(next.onOctetsReceived && { onOctetsReceived: (chunk) => next.onOctetsReceived?.(chunk) }),
    ...(next.onOctetsSent && { onOctetsSent: (chunk) => next.onOctetsSent?.(chunk) }),
    ...(next.onStreamOpened && { onStreamOpened: (streamId) => next.onStreamOpened?.(streamId) }),
    ...(next.onStreamClosed && {
      onStreamClosed: (streamId, errorCode) => next.onStreamClosed?.(streamId, errorCode),
    }),
  };
}
