/** Waiting times between connection attempts (grpc/grpc doc/connection-backoff.md). */

import type { KnownOptions } from '../known-options.ts';

/** Numbers of the backoff; the defaults are those of the document. */
export interface BackoffOptions {
  /** Time from the first attempt to the second. */
  readonly initialMs?: number;
  /** Growth from one failure to the next, 1 or more. */
  readonly multiplier?: number;
  /** Largest time before jitter. */
  readonly maxMs?: number;
  /** Random share, up or down, of every time but the first, 0 … 1. */
  readonly jitter?: number;
  /** Returns numbers of 0 (included) to 1 (excluded). */
  readonly random?: () => number;
}

/** The names of `BackoffOptions`. */
export const BACKOFF_OPTIONS: KnownOptions<BackoffOptions> = {
  initialMs: true,
  multiplier: true,
  maxMs: true,
  jitter: true,
  random: true,
};

/** Least time that an attempt is given, however short the backoff is. */
export const MIN_CONNECT_TIMEOUT_MS = 20_000;

/** The series of one address. Times run from the start of an attempt, so a slow failure is followed by a short wait. */
export class Backoff {
  readonly #initialMs: number;
  readonly #multiplier: number;
  readonly #maxMs: number;
  readonly #jitter: number;
  readonly #random: () => number;
  #currentMs: number;

  /** Throws RangeError when a number is outside its range. */
  constructor(options: BackoffOptions = {}) {
    this.#initialMs = atLeast('initialMs', options.initialMs ?? 1000, 0);
    this.#multiplier = atLeast('multiplier', options.multiplier ?? 1.6, 1);
    this.#maxMs = atLeast('maxMs', options.maxMs ?? 120_000, 0);
    this.#jitter = atLeast('jitter', options.jitter ?? 0.2, 0);
    if (this.#jitter > 1) throw new RangeError('jitter must be 1 or less');
    this.#random = options.random ?? Math.random;
    this.#currentMs = 0;
  }

  /** The time from the start of the attempt that begins now to the start of the next one, should it fail. */
  next(): number {
    if (this.#currentMs === 0) {
      this.#currentMs = Math.min(this.#initialMs, this.#maxMs);
      return this.#currentMs;
    }
    this.#currentMs = Math.min(this.#currentMs * this.#multiplier, this.#maxMs);
    // Jitter keeps the clients of a server that came back from arriving all at once.
    return this.#currentMs * (1 + this.#jitter * (2 * this.#random() - 1));
  }

  /** After a connection that worked: the series begins anew. */
  reset(): void {
    this.#currentMs = 0;
  }
}

function atLeast(name: string, value: number, least: number): number {
  if (!(value >= least)) throw new RangeError(`${name} must be ${least} or more, got ${value}`);
  return value;
}
