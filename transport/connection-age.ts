/**
 * L28: how long a server keeps a connection (gRFC A9): idle, meaning without a call, and in all; then the graceful end, and the hard end
 * when the grace is over. All three are Infinity, and cost nothing, unless set.
 */

import type { Clock, Timer } from './clock.ts';
import type { Limits } from './limits.ts';

/** The server connection whose age is watched. */
export interface AgingConnection {
  readonly activeStreams: number;
  /** Begins the graceful end; `reason` is the debug data of its GOAWAY. */
  drain(reason: string): void;
  /** Ends what is left. */
  cutOff(reason: string): void;
  /** Runs what a timer does, and the flush after it. */
  runTimer(action: () => void): void;
}

/** Whether `limits` bound the age of connections or their idle time at all. */
export function limitsAge(limits: Limits): boolean {
  return Number.isFinite(limits.maxConnectionIdleMs) || Number.isFinite(limits.maxConnectionAgeMs);
}

/** The timers of one connection. */
export class ConnectionAge {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #connection: AgingConnection;
  #idleTimer: Timer | null = null;
  #ageTimer: Timer | null = null;
  /** Clock reading since which the connection has had no call. */
  #idleSinceMs: number;
  #stopped = false;

  /** `random`: a number of 0 … 1 for the jitter of the age, so that connections made together do not end together. */
  constructor(
    clock: Clock,
    limits: Limits,
    connection: AgingConnection,
    random: number = Math.random(),
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#connection = connection;
    this.#idleSinceMs = clock.now();
    const { maxConnectionIdleMs, maxConnectionAgeMs, maxConnectionAgeJitter } = limits;
    if (Number.isFinite(maxConnectionIdleMs)) this.#armIdle(maxConnectionIdleMs);
    if (Number.isFinite(maxConnectionAgeMs)) {
      const jitter = 1 + maxConnectionAgeJitter * (2 * random - 1);
      this.#ageTimer = this.#after(maxConnectionAgeMs * jitter, () => this.#onAge());
    }
  }

  /** The last call ended. */
  onIdle(): void {
    this.#idleSinceMs = this.#clock.now();
  }

  /** The connection is over. */
  stop(): void {
    this.#stopped = true;
    this.#idleTimer?.cancel();
    this.#ageTimer?.cancel();
    this.#idleTimer = null;
    this.#ageTimer = null;
  }

  #armIdle(delayMs: number): void {
    this.#idleTimer = this.#after(delayMs, () => {
      const { maxConnectionIdleMs } = this.#limits;
      // One timer that looks again, instead of one that every call resets.
      const busy = this.#connection.activeStreams > 0;
      const idleMs = busy ? 0 : this.#clock.now() - this.#idleSinceMs;
      if (idleMs >= maxConnectionIdleMs) this.#connection.drain('max_idle');
      else this.#armIdle(maxConnectionIdleMs - idleMs);
    });
  }

  #onAge(): void {
    this.#connection.drain('max_age');
    const { maxConnectionAgeGraceMs } = this.#limits;
    if (this.#stopped || !Number.isFinite(maxConnectionAgeGraceMs)) return;
    this.#ageTimer = this.#after(maxConnectionAgeGraceMs, () => this.#connection.cutOff('max_age'));
  }

  #after(delayMs: number, action: () => void): Timer {
    return this.#clock.setTimer(
      delayMs,
      () => {
        if (!this.#stopped) this.#connection.runTimer(action);
      },
      false,
    );
  }
}
