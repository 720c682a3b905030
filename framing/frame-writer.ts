/**
 * One method per frame of RFC 9113 §6 that gRPC sends, written straight into an OutputBuffer. Called by the connection and its
 * scheduler, which have checked stream states and windows. Writes legal frames only: no padding, no priority, no push.
 */

import { copyOctets, latin1Write, writeUint16, writeUint24, writeUint32 } from './bytes.ts';
import {
  CLIENT_PREFACE,
  DEFAULT_MAX_FRAME_OCTETS,
  FRAME_HEADER_OCTETS,
  FrameFlag,
  FrameType,
} from './constants.ts';
import type { HeaderList } from './frame-handler.ts';
import { MESSAGE_PREFIX_OCTETS, writeMessagePrefix } from './message/message-framer.ts';
import { COPY_LIMIT, type OutputBuffer } from './output-buffer.ts';

/** The HPACK encoder as the writer uses it. Blocks must be written in the order in which they were encoded (RFC 7541 §2.2). */
export interface HeaderEncoder {
  /** Upper bound of the octets that the next `encode` of these lists writes, pending table size updates included. */
  maxEncodedOctets(template: HeaderList, extra: HeaderList | null): number;
  /** Encodes both lists as one block into `target` at `offset` and returns the offset behind the block. */
  encode(
    template: HeaderList,
    extra: HeaderList | null,
    target: Uint8Array,
    offset: number,
  ): number;
}

/** Octets of one SETTINGS parameter (RFC 9113 §6.5.1). */
const SETTING_OCTETS = 6;
/** Octets of the fixed part of GOAWAY (RFC 9113 §6.8). */
const GOAWAY_OCTETS = 8;

function writeFrameHeader(
  target: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  writeUint24(target, at, length);
  target[at + 3] = type;
  target[at + 4] = flags;
  writeUint32(target, at + 5, streamId);
}

/** Writes the frames of one connection. Arguments are trusted: stream ids 0 … 2^31-1, lengths within `maxFrameOctets`. */
export class FrameWriter {
  /** The peer's SETTINGS_MAX_FRAME_SIZE (RFC 9113 §6.5.2), 2^14 … 2^24-1: longer header blocks are split, DATA is the caller's. */
  maxFrameOctets: number;
  readonly #output: OutputBuffer;
  readonly #encoder: HeaderEncoder;

  constructor(output: OutputBuffer, encoder: HeaderEncoder) {
    this.maxFrameOctets = DEFAULT_MAX_FRAME_OCTETS;
    this.#output = output;
    this.#encoder = encoder;
  }

  /** The client connection preface (RFC 9113 §3.4); SETTINGS must follow. */
  preface(): void {
    const output = this.#output;
    output.ensure(CLIENT_PREFACE.length);
    output.position = latin1Write(output.bytes, output.position, CLIENT_PREFACE);
  }

  /** SETTINGS (RFC 9113 §6.5) with `parameters` as id, value, id, value, …; values are 0 … 2^32-1. */
  settings(parameters: readonly number[]): void {
    const length = (parameters.length / 2) * SETTING_OCTETS;
    const output = this.#output;
    output.ensure(FRAME_HEADER_OCTETS + length);
    const { bytes, position } = output;
    writeFrameHeader(bytes, position, length, FrameType.SETTINGS, 0, 0);
    let at = position + FRAME_HEADER_OCTETS;
    for (let i = 0; i < parameters.length; i += 2) {
      writeUint16(bytes, at, parameters[i]!);
      writeUint32(bytes, at + 2, parameters[i + 1]!);
      at += SETTING_OCTETS;
    }
    output.position = at;
  }

  /** SETTINGS with the ACK flag (RFC 9113 §6.5.3). */
  settingsAck(): void {
    this.#header(0, FrameType.SETTINGS, FrameFlag.ACK, 0);
  }

  /**
   * HEADERS (RFC 9113 §6.2) with `template` followed by `extra` as one block, and CONTINUATION frames directly behind it when
   * the block is longer than `maxFrameOctets` (§6.10).
   */
  headers(
    streamId: number,
    template: HeaderList,
    extra: HeaderList | null,
    endStream: boolean,
  ): void {
    const output = this.#output;
    const bound = this.#encoder.maxEncodedOctets(template, extra);
    const moreFrames = Math.floor(bound / this.maxFrameOctets);
    output.ensure(bound + (1 + moreFrames) * FRAME_HEADER_OCTETS);
    const { bytes, position } = output;
    const blockStart = position + FRAME_HEADER_OCTETS;
    const blockEnd = this.#encoder.encode(template, extra, bytes, blockStart);
    const flags = endStream ? FrameFlag.END_STREAM : 0;
    const length = blockEnd - blockStart;
    if (length > this.maxFrameOctets) {
      output.position = this.#splitBlock(bytes, blockStart, blockEnd, streamId, flags);
      return;
    }
    writeFrameHeader(
      bytes,
      position,
      length,
      FrameType.HEADERS,
      flags | FrameFlag.END_HEADERS,
      streamId,
    );
    output.position = blockEnd;
  }

  /** DATA (RFC 9113 §6.1) with `start` … `end` of `chunk`, which is kept by reference above COPY_LIMIT. */
  data(streamId: number, chunk: Uint8Array, start: number, end: number, endStream: boolean): void {
    const length = end - start;
    this.#header(length, FrameType.DATA, endStream ? FrameFlag.END_STREAM : 0, streamId);
    this.#payload(chunk, start, end);
  }

  /** The header of a DATA frame alone; the caller appends exactly `length` octets to the output before anything else is written. */
  dataHeader(streamId: number, length: number, endStream: boolean): void {
    this.#header(length, FrameType.DATA, endStream ? FrameFlag.END_STREAM : 0, streamId);
  }

  /**
   * One DATA frame with one whole gRPC message: prefix and `payload`. The caller has checked that `payload.length + 5` fits
   * `maxFrameOctets` and the windows. Above COPY_LIMIT the payload is kept by reference and must not change any more.
   */
  message(streamId: number, flags: number, payload: Uint8Array, endStream: boolean): void {
    const output = this.#output;
    const { length } = payload;
    const prefixEnd = FRAME_HEADER_OCTETS + MESSAGE_PREFIX_OCTETS;
    output.ensure(length > COPY_LIMIT ? prefixEnd : prefixEnd + length);
    const { bytes, position } = output;
    writeFrameHeader(
      bytes,
      position,
      length + MESSAGE_PREFIX_OCTETS,
      FrameType.DATA,
      endStream ? FrameFlag.END_STREAM : 0,
      streamId,
    );
    writeMessagePrefix(bytes, position + FRAME_HEADER_OCTETS, flags, length);
    output.position = position + prefixEnd;
    if (length > 0) output.append(payload);
  }

  /**
   * One DATA frame with a piece of a gRPC message that does not fit one frame or window: octets `from` … `to` of the prefixed
   * message, where 0 … 4 are its prefix and 5 … `payload.length + 4` its payload. A scheduler that keeps `from` per message can cut
   * anywhere, the prefix included. `endStream` belongs to the last piece only. Ownership as for `message`.
   */
  messagePart(
    streamId: number,
    flags: number,
    payload: Uint8Array,
    from: number,
    to: number,
    endStream: boolean,
  ): void {
    const output = this.#output;
    this.#header(to - from, FrameType.DATA, endStream ? FrameFlag.END_STREAM : 0, streamId);
    let at = from;
    if (at < MESSAGE_PREFIX_OCTETS) {
      const prefixTo = Math.min(to, MESSAGE_PREFIX_OCTETS);
      output.ensure(MESSAGE_PREFIX_OCTETS);
      for (; at < prefixTo; at++) {
        const octet = at === 0 ? flags : payload.length >>> (8 * (MESSAGE_PREFIX_OCTETS - 1 - at));
        output.bytes[output.position++] = octet;
      }
    }
    this.#payload(payload, at - MESSAGE_PREFIX_OCTETS, to - MESSAGE_PREFIX_OCTETS);
  }

  /** PING (RFC 9113 §6.7) with the 8 octets of `payload`, which are copied. */
  ping(payload: Uint8Array, ack: boolean): void {
    this.#header(8, FrameType.PING, ack ? FrameFlag.ACK : 0, 0);
    const output = this.#output;
    output.ensure(8);
    copyOctets(output.bytes, output.position, payload, 0, 8);
    output.position += 8;
  }

  /** GOAWAY (RFC 9113 §6.8); `debugText` is written as latin1 and cut to fit one frame. */
  goAway(lastStreamId: number, errorCode: number, debugText: string): void {
    const output = this.#output;
    const text = debugText.slice(0, this.maxFrameOctets - GOAWAY_OCTETS);
    const length = GOAWAY_OCTETS + text.length;
    output.ensure(FRAME_HEADER_OCTETS + length);
    const { bytes, position } = output;
    writeFrameHeader(bytes, position, length, FrameType.GOAWAY, 0, 0);
    writeUint32(bytes, position + FRAME_HEADER_OCTETS, lastStreamId);
    writeUint32(bytes, position + FRAME_HEADER_OCTETS + 4, errorCode);
    output.position = latin1Write(bytes, position + FRAME_HEADER_OCTETS + GOAWAY_OCTETS, text);
  }

  /** RST_STREAM (RFC 9113 §6.4). */
  rstStream(streamId: number, errorCode: number): void {
    this.#word(FrameType.RST_STREAM, streamId, errorCode);
  }

  /** WINDOW_UPDATE (RFC 9113 §6.9) with an increment of 1 … 2^31-1; stream 0 is the connection. */
  windowUpdate(streamId: number, increment: number): void {
    this.#word(FrameType.WINDOW_UPDATE, streamId, increment);
  }

  #header(length: number, type: number, flags: number, streamId: number): void {
    const output = this.#output;
    output.ensure(FRAME_HEADER_OCTETS);
    writeFrameHeader(output.bytes, output.position, length, type, flags, streamId);
    output.position += FRAME_HEADER_OCTETS;
  }

  /** A frame whose payload is one 32-bit number. */
  #word(type: number, streamId: number, value: number): void {
    const output = this.#output;
    output.ensure(FRAME_HEADER_OCTETS + 4);
    const { bytes, position } = output;
    writeFrameHeader(bytes, position, 4, type, 0, streamId);
    writeUint32(bytes, position + FRAME_HEADER_OCTETS, value);
    output.position = position + FRAME_HEADER_OCTETS + 4;
  }

  #payload(chunk: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length <= 0) return;
    const output = this.#output;
    if (length > COPY_LIMIT) {
      output.append(length === chunk.length ? chunk : chunk.subarray(start, end));
      return;
    }
    output.ensure(length);
    copyOctets(output.bytes, output.position, chunk, start, end);
    output.position += length;
  }

  /**
   * Spreads the block at `blockStart` … `blockEnd` over HEADERS and CONTINUATION frames in place, last piece first, so that
   * every octet moves once. `headers` has ensured the room. Returns the offset behind the last frame.
   */
  #splitBlock(
    bytes: Uint8Array,
    blockStart: number,
    blockEnd: number,
    streamId: number,
    headersFlags: number,
  ): number {
    const { maxFrameOctets } = this;
    const frames = Math.ceil((blockEnd - blockStart) / maxFrameOctets);
    for (let i = frames - 1; i > 0; i--) {
      const from = blockStart + i * maxFrameOctets;
      const to = Math.min(from + maxFrameOctets, blockEnd);
      const target = from + i * FRAME_HEADER_OCTETS;
      bytes.copyWithin(target, from, to);
      writeFrameHeader(
        bytes,
        target - FRAME_HEADER_OCTETS,
        to - from,
        FrameType.CONTINUATION,
        i === frames - 1 ? FrameFlag.END_HEADERS : 0,
        streamId,
      );
    }
    writeFrameHeader(
      bytes,
      blockStart - FRAME_HEADER_OCTETS,
      maxFrameOctets,
      FrameType.HEADERS,
      headersFlags,
      streamId,
    );
    return blockEnd + (frames - 1) * FRAME_HEADER_OCTETS;
  }
}
