/**
 * What framing hands upwards: one synchronous call per frame with flat arguments, no frame object.
 */

import type { ErrorToken } from './errors.ts';

/**
 * A header list as name, value, name, value, … in wire order. Names are lower-case; values are latin1 text, one character
 * per octet. A list handed over by the decoder is shared and must never be modified.
 */
export type HeaderList = readonly string[];

/**
 * Receives the frames of one connection in wire order. Implemented by the connection, called by `FrameReader`.
 * Octet ranges are `(chunk, start, end)`, end exclusive. A handler may reset streams, write, or pause
 * the reader; it may throw ConnectionError, which ends reading like one of the reader's own.
 */
export interface FrameHandler {
  /**
   * DATA (RFC 9113 §6.1). `start` … `end` is the payload without padding; `flowLength` is the whole frame length with pad length
   * octet and padding, 0 … 2^24-1, which is what flow control counts. The octets stay unchanged for as long as they are referenced, unless
   * `chunk` is lent (`lent-octets.ts`): then until the read ends.
   */
  onData(
    streamId: number,
    chunk: Uint8Array,
    start: number,
    end: number,
    flowLength: number,
    endStream: boolean,
  ): void;
  /**
   * A whole header block, CONTINUATION frames included (RFC 9113 §6.2, §6.10). `complete` is false when the list was cut at the
   * header-list limits (L5, L6); the HPACK state has then still been kept in step.
   */
  onHeaders(streamId: number, headers: HeaderList, endStream: boolean, complete: boolean): void;
  /** RST_STREAM (§6.4); `errorCode` is any 32-bit number. */
  onRstStream(streamId: number, errorCode: number): void;
  /** One parameter of a SETTINGS frame (§6.5), in order, once the whole frame is present and its values were found legal. */
  onSetting(id: number, value: number): void;
  /** The end of a SETTINGS frame (`ack` false), or a SETTINGS frame with the ACK flag. */
  onSettingsEnd(ack: boolean): void;
  /** PING (§6.7): 8 opaque octets at `start`, valid only during the call. */
  onPing(chunk: Uint8Array, start: number, ack: boolean): void;
  /** GOAWAY (§6.8): `start` … `end` is the kept part of the debug data (L27), valid only during the call. */
  onGoAway(
    lastStreamId: number,
    errorCode: number,
    chunk: Uint8Array,
    start: number,
    end: number,
  ): void;
  /** WINDOW_UPDATE (§6.9) with an increment of 1 … 2^31-1; stream 0 is the connection. */
  onWindowUpdate(streamId: number, increment: number): void;
  /** A stream error found while reading (§5.4.2); reading goes on. The handler decides what to send. */
  onStreamError(streamId: number, errorCode: number, token: ErrorToken): void;
  /** PRIORITY and frames of unknown type (§5.5, §6.3): ignored in meaning, reported so that they can be counted (L10). */
  onIgnoredFrame(type: number, streamId: number, length: number): void;
}
