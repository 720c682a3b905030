/**
 * Whether the peer is still there (gRFC A8, L22): PING after a time without a read, and the end of the connection when nothing comes back.
 * A client also asks before it trusts a connection again that has been silent for long, or through a sleep of the machine: calls on a path
 * that died meanwhile fail in `keepaliveTimeoutMs` then, not at their deadline.
 *
 *   QUIET_TIME ──keepaliveTimeMs without a read──▶ PING_SENT ──a read──▶ QUIET_TIME
 *       ▲ │ a client without calls                     └──keepaliveTimeoutMs──▶ the connection is lost
 *       │ ▼
 *    DORMANT ──a call──▶ (PING_SENT when the time is over already)
 */

import type { Clock, Timer, TimerTarget } from './clock.ts';
import type { Limits } from './limits.ts';
import { STANDSTILL_MS, setPatientTimer } from './patient-timer.ts';

/** A connection that wants to know. */
export interface KeptConnection {
  /** Streams that are open. */
  readonly openStreams: number;
  /** Clock reading of the latest read. */
  readonly lastReadMs: number;
  /** The pipe takes no octets, our PING among them: the write stall timer is the judge then (L20). */
  readonly pipeBlocked: boolean;
  /** Sends the PING whose ACK comes back to `onAck`. */
  sendKeepalivePing(): void;
  /** Nothing came back in time. */
  onDead(): void;
  /** Runs what a timer does, and the flush after it. */
  runTimer(action: () => void): void;
}

/** How often a client with open streams looks for a standstill: of this process, or of its machine. */
const STANDSTILL_CHECK_MS = 5000;

/** A read this recent needs no look at the wall clock. */
const FRESH_MS = 1000;

/** What a client watches besides: whether the process or its machine stood still, and calls that it gave up. */
class ClientWatch {
  /** Looks for a standstill. */
  check: Timer | null = null;
  /** By how much the wall clock was ahead of the monotonic one when last looked at. */
  wallLeadMs: number;
  /** Calls given up since the read at `givenUpSinceMs`, the latest one then. */
  givenUp = 0;
  givenUpSinceMs = Number.NEGATIVE_INFINITY;
  askedForGivenUpMs = Number.NEGATIVE_INFINITY;

  constructor(wallLeadMs: number) {
    this.wallLeadMs = wallLeadMs;
  }
}

/** True once after the wall clock has run ahead of the monotonic one: most systems stop the latter while they sleep. */
function hasSlept(watch: ClientWatch, clock: Clock): boolean {
  const leadMs = clock.wallNow() - clock.now();
  const sleptMs = leadMs - watch.wallLeadMs;
  watch.wallLeadMs = leadMs;
  return sleptMs >= STANDSTILL_MS;
}

/** The keepalive of one connection. */
export class Keepalive implements TimerTarget {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #connection: KeptConnection;
  /** gRFC A8: pings go out without open streams too. */
  readonly #withoutCalls: boolean;
  #timer: Timer | null = null;
  #ack: Timer | null = null;
  #dormant = false;
  #stopped = false;
  /** What only a client watches. */
  readonly #watch: ClientWatch | null;

  constructor(
    clock: Clock,
    limits: Limits,
    connection: KeptConnection,
    isClient: boolean,
    withoutCalls: boolean,
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#connection = connection;
    this.#withoutCalls = withoutCalls || !isClient;
    this.#watch = isClient ? new ClientWatch(clock.wallNow() - clock.now()) : null;
  }

  /** The connection has begun. */
  start(): void {
    this.#arm(this.#limits.keepaliveTimeMs);
  }

  /** The connection has ended. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#ack?.cancel();
    this.#timer = null;
    this.#ack = null;
    if (this.#watch === null) return;
    this.#watch.check?.cancel();
    this.#watch.check = null;
  }

  /** A PING ACK with our payload came. False when no PING of ours is unanswered. */
  onAck(): boolean {
    if (this.#ack === null) return false;
    this.#endPing();
    return true;
  }

  /** A client has just written the HEADERS of a new stream. */
  onStreamOpened(): void {
    const watch = this.#watch;
    if (watch === null) return;
    watch.check ??= this.#watchForStandstill(watch);
    const quietMs = this.#clock.now() - this.#connection.lastReadMs;
    if (quietMs < FRESH_MS && !this.#dormant) return;
    const leftMs = this.#limits.keepaliveTimeMs - quietMs;
    // Behind the HEADERS, to which the server has to answer: no server counts such a PING against us (gRFC A8).
    if (hasSlept(watch, this.#clock) || quietMs >= this.#limits.verifyAfterQuietMs || leftMs <= 0)
      this.#ping();
    else if (this.#dormant) this.#arm(leftMs);
    this.#dormant = false;
  }

  /**
   * A client has reset a stream whose answer it no longer waits for. A server that has died swallows such calls without a word; the RST_STREAM
   * frees our slot, so that their number has no other bound.
   */
  onStreamGivenUp(): void {
    const watch = this.#watch;
    if (watch === null) return;
    const { lastReadMs } = this.#connection;
    if (lastReadMs !== watch.givenUpSinceMs) {
      watch.givenUpSinceMs = lastReadMs;
      watch.givenUp = 0;
    }
    watch.givenUp += 1;
    if (watch.givenUp < this.#limits.verifyAfterGivenUpCalls) return;
    const nowMs = this.#clock.now();
    if (nowMs - watch.askedForGivenUpMs < this.#limits.pingMinIntervalMs) return;
    watch.askedForGivenUpMs = nowMs;
    this.#ping();
  }

  #arm(delayMs: number): void {
    if (!Number.isFinite(delayMs) || this.#stopped) return;
    this.#timer = this.#clock.setTimer(delayMs, this, false);
  }

  /** The quiet time may be over. */
  onTimer(): void {
    this.#connection.runTimer(() => this.#onQuiet());
  }

  #onQuiet(): void {
    this.#timer = null;
    const { keepaliveTimeMs } = this.#limits;
    const quietMs = this.#clock.now() - this.#connection.lastReadMs;
    if (quietMs < keepaliveTimeMs) this.#arm(keepaliveTimeMs - quietMs);
    else if (this.#withoutCalls || this.#connection.openStreams > 0) this.#ping();
    // gRFC A8: a client without calls does not ping, unless it is told to; servers hold it for abuse.
    else this.#dormant = true;
  }

  #ping(): void {
    if (this.#ack !== null || this.#stopped) return;
    this.#timer?.cancel();
    this.#timer = null;
    const sentMs = this.#clock.now();
    this.#connection.sendKeepalivePing();
    this.#ack = setPatientTimer(this.#clock, this.#limits.keepaliveTimeoutMs, () =>
      this.#connection.runTimer(() => {
        // The answer may wait behind other octets on a slow path: whatever arrives proves life as well.
        const { lastReadMs, pipeBlocked } = this.#connection;
        if (lastReadMs > sentMs || pipeBlocked) this.#endPing();
        else this.#connection.onDead();
      }),
    );
  }

  #endPing(): void {
    this.#ack?.cancel();
    this.#ack = null;
    this.#arm(this.#limits.keepaliveTimeMs);
  }

  /** While calls are open: did the process or its machine stand still? Peers and boxes on the way may have given us up meanwhile. */
  #watchForStandstill(watch: ClientWatch): Timer {
    const dueMs = this.#clock.now() + STANDSTILL_CHECK_MS;
    return this.#after(STANDSTILL_CHECK_MS, () => {
      watch.check = null;
      if (this.#connection.openStreams === 0) return;
      const stoodStill = this.#clock.now() - dueMs >= STANDSTILL_CHECK_MS;
      if (hasSlept(watch, this.#clock) || stoodStill) this.#ping();
      if (!this.#stopped) watch.check = this.#watchForStandstill(watch);
    });
  }

  #after(delayMs: number, action: () => void): Timer {
    return this.#clock.setTimer(delayMs, () => this.#connection.runTimer(action), false);
  }
}
