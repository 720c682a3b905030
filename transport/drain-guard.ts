/**
 * L21: finished output that the peer does not take. A call whose handler has ended holds memory and its slot until its response is sent;
 * a peer that keeps the windows shut, or opens them by an octet now and then, must not hold them for ever (CVE-2016-1546, CVE-2023-43622,
 * CVE-2024-30156, CVE-2026-49975). Progress is counted in octets sent, never in frames received. Servers only: a client call has its deadline.
 */

import type { Clock, Timer } from './clock.ts';
import type { Http2Connection } from './connection.ts';
import type { Limits } from './limits.ts';
import type { Http2Stream } from './stream.ts';

/** What the guard knows of one stream whose whole output is queued. */
export interface DrainRecord {
  /** Octets that were queued at the last check. */
  queuedOctets: number;
  checkedMs: number;
  /** When octets of this stream last left. */
  progressMs: number;
}

/** Watches the streams of one connection whose output is complete and waits. One timer, which runs only while there are such streams. */
export class DrainGuard {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #connection: Http2Connection;
  #timer: Timer | null = null;
  #sentAtCheck = 0;
  #stopped = false;

  constructor(clock: Clock, limits: Limits, connection: Http2Connection) {
    this.#clock = clock;
    this.#limits = limits;
    this.#connection = connection;
  }

  /** The last part of the stream's output was queued behind octets that wait. */
  watch(stream: Http2Stream): void {
    if (this.#stopped) return;
    const nowMs = this.#clock.now();
    stream.extras.drain = {
      queuedOctets: stream.queuedOctets,
      checkedMs: nowMs,
      progressMs: nowMs,
    };
    this.#arm();
  }

  /** The connection ended. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(): void {
    const { drainIntervalMs } = this.#limits;
    if (this.#timer !== null || this.#stopped || !Number.isFinite(drainIntervalMs)) return;
    this.#timer = this.#clock.setTimer(
      drainIntervalMs,
      () => {
        this.#timer = null;
        this.#connection.runTimer(() => this.#check());
      },
      false,
    );
  }

  #check(): void {
    const connection = this.#connection;
    const { dataOctetsSent } = connection.output;
    const sent = dataOctetsSent - this.#sentAtCheck;
    this.#sentAtCheck = dataOctetsSent;
    let watched = 0;
    connection.streams.forEach((stream) => {
      const record = stream.drain;
      if (record === null || !stream.hasQueued) return;
      if (this.#isTooSlow(stream, record, sent)) {
        connection.streamTooSlow(stream);
      } else watched += 1;
    });
    if (watched > 0) this.#arm();
  }

  /** `sent`: octets that the whole connection sent since the last check. */
  #isTooSlow(stream: Http2Stream, record: DrainRecord, sent: number): boolean {
    const { drainIntervalMs, drainMinOctets, drainStallMs } = this.#limits;
    const { nowMs } = this.#connection;
    if (nowMs - record.checkedMs < drainIntervalMs) return false;
    const progress = record.queuedOctets - stream.queuedOctets;
    record.queuedOctets = stream.queuedOctets;
    record.checkedMs = nowMs;
    if (stream.sendWindow.available > 0 && sent >= drainMinOctets) {
      // Waits for its turn on a busy connection: not this stream's fault.
      record.progressMs = nowMs;
      return false;
    }
    if (progress > 0) {
      record.progressMs = nowMs;
      return progress < drainMinOctets;
    }
    return nowMs - record.progressMs >= drainStallMs;
  }
}
