/**
 * SETTINGS of both sides (RFC 9113 §6.5). Values are validated by the frame reader; here they take effect.
 */

import {
  DEFAULT_HEADER_TABLE_OCTETS,
  DEFAULT_WINDOW_OCTETS,
  SettingId,
} from '../framing/constants.ts';
import type { Limits } from './limits.ts';

/** Streams a client opens before the server's SETTINGS arrived; the protocol sets no bound (§5.1.2), grpc-go uses the same. */
const ASSUMED_CONCURRENT_STREAMS = 100;

/**
 * The peer's settings as far as they matter to streams; before its first SETTINGS frame, the protocol's initial values. Those of the header
 * table and of the frame size are kept by who writes. MAX_HEADER_LIST_SIZE is advisory (§10.5.1) and kept nowhere: it is never a reason to
 * reset a stream (security.md A4), and no buffer is sized by it (A5).
 */
export class RemoteSettings {
  maxConcurrentStreams: number = ASSUMED_CONCURRENT_STREAMS;
  initialWindowOctets: number = DEFAULT_WINDOW_OCTETS;
  received = false;

  /** The end of the first SETTINGS frame: an absent MAX_CONCURRENT_STREAMS now means no bound (§6.5.2). */
  finishFirst(): void {
    if (this.received) return;
    this.received = true;
    if (this.maxConcurrentStreams === ASSUMED_CONCURRENT_STREAMS && !this.#streamsNamed) {
      this.maxConcurrentStreams = Number.POSITIVE_INFINITY;
    }
  }

  setMaxConcurrentStreams(value: number): void {
    this.#streamsNamed = true;
    this.maxConcurrentStreams = value;
  }

  #streamsNamed = false;
}

/** The parameters of our first SETTINGS frame as id, value, id, value, …; values that equal the initial ones are left out. */
export function localSettings(limits: Limits, isClient: boolean): readonly number[] {
  const parameters: number[] = [];
  if (limits.decoderTableOctets !== DEFAULT_HEADER_TABLE_OCTETS) {
    parameters.push(SettingId.HEADER_TABLE_SIZE, limits.decoderTableOctets);
  }
  // RFC 9113 §8.4: a client that wants no pushes says so; a server must not send the setting with 1 and need not send 0.
  if (isClient) parameters.push(SettingId.ENABLE_PUSH, 0);
  else if (Number.isFinite(limits.maxConcurrentStreams)) {
    parameters.push(SettingId.MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams);
  }
  if (limits.streamWindowOctets !== DEFAULT_WINDOW_OCTETS) {
    parameters.push(SettingId.INITIAL_WINDOW_SIZE, limits.streamWindowOctets);
  }
  if (Number.isFinite(limits.maxHeaderListOctets)) {
    parameters.push(SettingId.MAX_HEADER_LIST_SIZE, limits.maxHeaderListOctets);
  }
  return parameters;
}
