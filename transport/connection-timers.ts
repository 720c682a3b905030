/**
 * The timers of one connection: first SETTINGS, SETTINGS ACK, header block, write stall, round-trip marker, linger; keepalive is in a file
 * of its own. They only decide that time is up; the connection acts. None of them needs a writable socket (D4).
 */

import { ErrorCode } from '../framing/constants.ts';
import { ConnectionError } from '../framing/errors.ts';
import type { Clock, Timer } from './clock.ts';
import type { Http2Connection } from './connection.ts';
import { Keepalive, type KeptConnection } from './keepalive.ts';
import type { Limits } from './limits.ts';
import { setPatientTimer } from './patient-timer.ts';

/** How long a connection that sent its last octets waits for the peer to close before it is destroyed. */
const LINGER_MS = 1000;

/** First octets of our PING payloads; a peer's ACK must carry the same eight octets (RFC 9113 §6.7). */
const KEEPALIVE_PING: Uint8Array = Uint8Array.of(0x70, 0x77, 0x6b, 0x65, 0x65, 0x70, 0, 0);
const BDP_PING: Uint8Array = Uint8Array.of(0x70, 0x77, 0x62, 0x64, 0x70, 0, 0, 0);
const ROUND_TRIP_PING: Uint8Array = Uint8Array.of(0x70, 0x77, 0x64, 0x72, 0x61, 0x69, 0x6e, 0);

function samePayload(chunk: Uint8Array, start: number, payload: Uint8Array): boolean {
  for (let index = 0; index < 8; index += 1) {
    if (chunk[start + index] !== payload[index]) return false;
  }
  return true;
}

/** The timers of one connection. */
export class ConnectionTimers implements KeptConnection {
  /** Clock reading of the latest read. */
  lastReadMs: number;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #connection: Http2Connection;
  readonly #keepalive: Keepalive;
  #firstSettings: Timer | null = null;
  #settingsAck: Timer | null = null;
  #settingsUnacknowledged = 0;
  #headerBlock: Timer | null = null;
  #headerBlockStreamId = 0;
  #writeStall: Timer | null = null;
  #roundTrip: Timer | null = null;
  #roundTripDone: (() => void) | null = null;
  #linger: Timer | null = null;
  #bdpPending = false;
  #stopped = false;

  /** `keepaliveWithoutCalls`: a client pings without open streams too; servers always do. */
  constructor(
    clock: Clock,
    limits: Limits,
    connection: Http2Connection,
    isClient: boolean,
    keepaliveWithoutCalls: boolean,
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#connection = connection;
    this.lastReadMs = clock.now();
    this.#keepalive = new Keepalive(clock, limits, this, isClient, keepaliveWithoutCalls);
  }

  /** The first flight is written: L20 for the peer's preface and SETTINGS and for its ACK, and keepalive. */
  onStarted(): void {
    this.#settingsUnacknowledged = 1;
    this.#firstSettings = this.#after(this.#limits.firstSettingsTimeoutMs, () => {
      throw new ConnectionError(ErrorCode.SETTINGS_TIMEOUT, 'connection.first-settings-timeout');
    });
    this.#armSettingsAck();
    this.#keepalive.start();
  }

  onFirstSettings(): void {
    this.#firstSettings?.cancel();
    this.#firstSettings = null;
  }

  /** A further SETTINGS frame of ours is out; the caller waits with the next until this one is acknowledged. */
  onSettingsSent(): void {
    this.#settingsUnacknowledged += 1;
    this.#armSettingsAck();
  }

  /** Whether SETTINGS of ours wait for their ACK. */
  get settingsPending(): boolean {
    return this.#settingsUnacknowledged > 0;
  }

  #armSettingsAck(): void {
    this.#settingsAck = this.#after(this.#limits.settingsAckTimeoutMs, () => {
      if (this.#connection.output.pipeBlocked) {
        // Our SETTINGS may still wait on this side; whether the pipe moves is the write stall's concern (L20).
        this.#armSettingsAck();
        return;
      }
      // RFC 9113 §6.5.3: SETTINGS that are not acknowledged in time may end the connection.
      throw new ConnectionError(ErrorCode.SETTINGS_TIMEOUT, 'connection.settings-ack-timeout');
    });
  }

  /** A SETTINGS ACK came. False when there was nothing to acknowledge. */
  onSettingsAck(): boolean {
    if (this.#settingsUnacknowledged === 0) return false;
    this.#settingsUnacknowledged -= 1;
    this.#settingsAck?.cancel();
    this.#settingsAck = null;
    return true;
  }

  /** After each read: the stream whose header block is unfinished, or 0 (L7). */
  onHeaderBlock(streamId: number): void {
    if (streamId !== this.#headerBlockStreamId) {
      this.#headerBlockStreamId = streamId;
      if (this.#headerBlock !== null) {
        this.#headerBlock.cancel();
        this.#headerBlock = null;
      }
    }
    if (streamId === 0 || this.#headerBlock !== null || this.#stopped) return;
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
      // What counts is octets drained, not that the peer sent something, and an octet now and then is not draining (L21).
      if (pendingOctets - pending >= this.#limits.drainMinOctets) this.onPipe(true, pending);
      else {
        this.#connection.loseOver(
          'connection.write-stalled',
          'write stalled: the peer does not read',
        );
      }
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

  /** Sends the PING that measures a round trip for the BDP estimate. */
  sampleBdp(): void {
    this.#bdpPending = true;
    this.#connection.output.writePing(BDP_PING);
  }

  /** A PING ACK came. One that answers none of ours is ignored (it costs a frame of L23 like any other). */
  onPingAck(chunk: Uint8Array, start: number): void {
    if (this.#bdpPending && samePayload(chunk, start, BDP_PING)) {
      this.#bdpPending = false;
      this.#connection.receiver.onBdpRoundTrip();
    } else if (this.#roundTripDone !== null && samePayload(chunk, start, ROUND_TRIP_PING)) {
      this.#endRoundTrip();
    } else if (!samePayload(chunk, start, KEEPALIVE_PING) || !this.#keepalive.onAck()) {
      this.#connection.glitch();
    }
  }

  /** A client has just written the HEADERS of a new stream. */
  onStreamOpened(): void {
    this.#keepalive.onStreamOpened();
  }

  /** A client has reset a stream that it no longer waits for. */
  onStreamGivenUp(): void {
    this.#keepalive.onStreamGivenUp();
  }

  // ---- KeptConnection --------------------------------------------------------------------------------------------

  get openStreams(): number {
    return this.#connection.streams.size;
  }

  get pipeBlocked(): boolean {
    return this.#connection.output.pipeBlocked;
  }

  sendKeepalivePing(): void {
    this.#connection.output.writePing(KEEPALIVE_PING);
  }

  onDead(): void {
    this.#connection.loseOver(
      'connection.keepalive-timeout',
      'keepalive: the peer did not answer a PING',
    );
  }

  runTimer(action: () => void): void {
    this.#connection.runTimer(action);
  }

  /**
   * Destroys the pipe when it has served: after `LINGER_MS` once everything was taken, unless the peer closes first. A clean end waits as
   * long as the peer reads: octets leave the pipe, or its WINDOW_UPDATEs arrive for what is in the kernel's buffers. Survives `stop`.
   */
  linger(isClean: boolean, destroy: () => void): void {
    let pending = this.#connection.output.pipePendingOctets;
    const closedMs = this.#clock.now();
    let progressMs = closedMs;
    const patienceMs = isClean ? this.#limits.writeStallTimeoutMs : LINGER_MS;
    const wait = (): void => {
      this.#linger = this.#clock.setTimer(
        LINGER_MS,
        () => {
          const nowMs = this.#clock.now();
          const left = this.#connection.output.pipePendingOctets;
          // One that broke a rule gets no more time, whatever it reads or sends; nor may sending alone keep a connection for ever (D4).
          if (isClean && left < pending) progressMs = nowMs;
          pending = left;
          if (isClean && nowMs - closedMs < this.#limits.drainStallMs) {
            progressMs = Math.max(progressMs, this.lastReadMs);
          }
          // With nothing left in this process the kernel does the rest, also when the process ends.
          if (left === 0) this.#connection.setKeepsProcessAlive(false);
          if (nowMs - progressMs >= patienceMs) destroy();
          else wait();
        },
        pending > 0,
      );
    };
    wait();
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
      this.#roundTrip,
    ]) {
      timer?.cancel();
    }
    this.#keepalive.stop();
    this.#roundTripDone = null;
  }

  #after(delayMs: number, action: () => void): Timer {
    return setPatientTimer(this.#clock, delayMs, () => this.#connection.runTimer(action));
  }
}
