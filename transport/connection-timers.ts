/**
 * The timers of one connection: first SETTINGS, SETTINGS ACK, header block, write stall, keepalive (gRFC A8), round-trip marker, linger.
 * They only decide that time is up; the connection acts. None of them needs a writable socket (D4).
 */

import { ErrorCode } from '../framing/constants.ts';
import { ConnectionError } from '../framing/errors.ts';
import type { Clock, Timer } from './clock.ts';
import type { Http2Connection } from './connection.ts';
import type { Limits } from './limits.ts';

/** How long a connection that sent its last octets waits for the peer to close before it is destroyed. */
const LINGER_MS = 1000;

/** First octets of our PING payloads; a peer's ACK must carry the same eight octets (RFC 9113 §6.7). */
const KEEPALIVE_PING: Uint8Array = Uint8Array.of(0x70, 0x77, 0x6b, 0x65, 0x65, 0x70, 0, 0);
const ROUND_TRIP_PING: Uint8Array = Uint8Array.of(0x70, 0x77, 0x64, 0x72, 0x61, 0x69, 0x6e, 0);

function samePayload(chunk: Uint8Array, start: number, payload: Uint8Array): boolean {
  for (let index = 0; index < 8; index += 1) {
    if (chunk[start + index] !== payload[index]) return false;
  }
  return true;
}

/** The timers of one connection. */
export class ConnectionTimers {
  /** Clock reading of the latest read. */
  lastReadMs: number;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #connection: Http2Connection;
  #firstSettings: Timer | null = null;
  #settingsAck: Timer | null = null;
  #settingsUnacknowledged = 0;
  #headerBlock: Timer | null = null;
  #writeStall: Timer | null = null;
  #keepalive: Timer | null = null;
  #keepaliveAck: Timer | null = null;
  #roundTrip: Timer | null = null;
  #roundTripDone: (() => void) | null = null;
  #linger: Timer | null = null;
  #stopped = false;

  constructor(clock: Clock, limits: Limits, connection: Http2Connection) {
    this.#clock = clock;
    this.#limits = limits;
    this.#connection = connection;
    this.lastReadMs = clock.now();
  }

  /** The first flight is written: L20 for the peer's preface and SETTINGS and for its ACK, and keepalive. */
  onStarted(): void {
    this.#settingsUnacknowledged = 1;
    this.#firstSettings = this.#after(this.#limits.firstSettingsTimeoutMs, () => {
      throw new ConnectionError(ErrorCode.SETTINGS_TIMEOUT, 'connection.first-settings-timeout');
    });
    this.#settingsAck = this.#after(this.#limits.settingsAckTimeoutMs, () => {
      // RFC 9113 §6.5.3: SETTINGS that are not acknowledged in time may end the connection.
      throw new ConnectionError(ErrorCode.SETTINGS_TIMEOUT, 'connection.settings-ack-timeout');
    });
    this.#armKeepalive(this.#limits.keepaliveTimeMs);
  }

  onFirstSettings(): void {
    this.#firstSettings?.cancel();
    this.#firstSettings = null;
  }

  /** A SETTINGS ACK came. False when there was nothing to acknowledge. */
  onSettingsAck(): boolean {
    if (this.#settingsUnacknowledged === 0) return false;
    this.#settingsUnacknowledged -= 1;
    this.#settingsAck?.cancel();
    this.#settingsAck = null;
    return true;
  }

  /** After each read: whether a header block is unfinished (L7). */
  onHeaderBlock(unfinished: boolean): void {
    if (!unfinished) {
      if (this.#headerBlock !== null) {
        this.#headerBlock.cancel();
        this.#headerBlock = null;
      }
      return;
    }
    if (this.#headerBlock !== null || this.#stopped) return;
    this.#headerBlock = this.#after(this.#limits.headerBlockTimeoutMs, () => {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'headers.block-timeout');
    });
  }

  /** The pipe takes no more octets, or takes them again (L20, write stall). */
  onPipe(blocked: boolean, pendingOctets: number): void {
    this.#writeStall?.cancel();
    this.#writeStall = null;
    if (!blocked || this.#stopped) return;
    this.#writeStall = this.#after(this.#limits.writeStallTimeoutMs, () => {
      const pending = this.#connection.output.pipePendingOctets;
      // What counts is octets drained, not that the peer sent something (security.md, L21).
      if (pending < pendingOctets) this.onPipe(true, pending);
      else this.#connection.lose('write stalled: the peer does not read', undefined);
    });
  }

  /** Sends a marker PING; `done` runs at its ACK or when the time is up, whichever is first. */
  roundTrip(done: () => void): void {
    this.#roundTripDone = done;
    this.#connection.output.writePing(ROUND_TRIP_PING);
    this.#roundTrip = this.#after(this.#limits.keepaliveTimeoutMs, () => this.#endRoundTrip());
  }

  #endRoundTrip(): void {
    const done = this.#roundTripDone;
    this.#roundTrip?.cancel();
    this.#roundTrip = null;
    this.#roundTripDone = null;
    done?.();
  }

  /** A PING ACK came. One that answers none of ours is ignored (it costs a frame of L23 like any other). */
  onPingAck(chunk: Uint8Array, start: number): void {
    if (this.#roundTripDone !== null && samePayload(chunk, start, ROUND_TRIP_PING)) {
      this.#endRoundTrip();
    } else if (this.#keepaliveAck !== null && samePayload(chunk, start, KEEPALIVE_PING)) {
      this.#keepaliveAck.cancel();
      this.#keepaliveAck = null;
      this.#armKeepalive(this.#limits.keepaliveTimeMs);
    } else this.#connection.glitch();
  }

  /** gRFC A8: after keepaliveTime without a read, PING; without an answer in keepaliveTimeout the connection is dead. */
  #armKeepalive(delayMs: number): void {
    if (!Number.isFinite(delayMs) || this.#stopped) return;
    this.#keepalive = this.#after(delayMs, () => {
      const quietMs = this.#clock.now() - this.lastReadMs;
      if (quietMs < this.#limits.keepaliveTimeMs) {
        this.#armKeepalive(this.#limits.keepaliveTimeMs - quietMs);
        return;
      }
      this.#connection.output.writePing(KEEPALIVE_PING);
      this.#keepaliveAck = this.#after(this.#limits.keepaliveTimeoutMs, () => {
        this.#connection.lose('keepalive: the peer did not answer a PING', undefined);
      });
    });
  }

  /** Destroys the pipe after a short wait, unless the peer closes first; survives `stop`. */
  linger(destroy: () => void): void {
    this.#linger = this.#clock.setTimer(LINGER_MS, destroy, true);
  }

  /** The pipe is gone. */
  stopLinger(): void {
    this.#linger?.cancel();
  }

  /** The connection ended: no timer fires any more. */
  stop(): void {
    this.#stopped = true;
    for (const timer of [
      this.#firstSettings,
      this.#settingsAck,
      this.#headerBlock,
      this.#writeStall,
      this.#keepalive,
      this.#keepaliveAck,
      this.#roundTrip,
    ]) {
      timer?.cancel();
    }
    this.#roundTripDone = null;
  }

  #after(delayMs: number, action: () => void): Timer {
    return this.#clock.setTimer(delayMs, () => this.#connection.runTimer(action), false);
  }
}
