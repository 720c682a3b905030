/**
 * Octets of one connection → FrameHandler calls. Checks everything that a frame shows by itself or by its place between two
 * others: sizes, flags, padding, stream identifiers, values, header-block assembly. What depends on stream states is the
 * connection's. Called by the connection with each chunk that its pipe delivers; never writes, never looks at streams.
 *
 *   PREFACE (server only) ──24 octets──▶ HEAD ──9 octets, checked──▶ PAYLOAD ──length octets, one handler call──▶ HEAD …
 *   HEADERS without END_HEADERS opens a header block of that stream: until END_HEADERS only its CONTINUATION frames may come.
 *   A connection error ends all: the reader is inert from then on.
 */

import {
  allocateOctets,
  allocateSlab,
  copyOctets,
  NO_OCTETS,
  readUint16,
  readUint24,
  readUint31,
  readUint32,
} from './bytes.ts';
import {
  CLIENT_PREFACE,
  DEFAULT_MAX_FRAME_OCTETS,
  ErrorCode,
  FRAME_HEADER_OCTETS,
  FrameFlag,
  FrameType,
  LARGEST_MAX_FRAME_OCTETS,
  MAX_WINDOW_OCTETS,
  SettingId,
} from './constants.ts';
import { ConnectionError, type ErrorToken } from './errors.ts';
import type { FrameHandler, HeaderList } from './frame-handler.ts';
import { HeaderBlock, type HeaderBlockLimits } from './header-block.ts';
import { isLent, lendSlab } from './lent-octets.ts';
import { leaseSlab, SLAB_OCTETS } from './slab-pool.ts';

/** The HPACK decoder as the reader uses it: each block exactly once, in wire order (RFC 7541 §2.2). */
export interface HeaderDecoder {
  /** Decodes a whole block. Throws ConnectionError COMPRESSION_ERROR when the tables are in doubt (RFC 9113 §4.3). */
  decode(chunk: Uint8Array, start: number, end: number): HeaderList;
  /** Whether the list of the last `decode` holds every field of its block, or was cut at the limits L5 or L6. */
  readonly complete: boolean;
}

/** What a FrameReader needs to know once; the limits are those of the same names in transport/limits.ts. */
export interface FrameReaderOptions extends HeaderBlockLimits {
  /** Our role. A server expects the client preface first (RFC 9113 §3.4); a client refuses ENABLE_PUSH=1 (§6.5.2). */
  readonly role: 'client' | 'server';
  /** L12: parameters in one SETTINGS frame. */
  readonly maxSettingsEntries: number;
  /** L27: octets of GOAWAY debug data handed on; the rest is cut off. */
  readonly maxGoAwayDebugOctets: number;
}

/** Octets of one SETTINGS parameter (RFC 9113 §6.5.1). */
const SETTING_OCTETS = 6;
/** Octets of stream dependency and weight (RFC 9113 §6.3). */
const PRIORITY_OCTETS = 5;
/** Octets of the fixed part of GOAWAY (RFC 9113 §6.8). */
const GOAWAY_OCTETS = 8;
/** From this size on the payload of a frame that comes in several reads lies in a slab. */
const SLAB_FROM_OCTETS = 8192;

function fail(errorCode: number, token: ErrorToken, streamId: number): never {
  throw new ConnectionError(errorCode, token, streamId);
}

/** Reads the frames of one connection. */
export class FrameReader {
  /** Our SETTINGS_MAX_FRAME_SIZE (RFC 9113 §4.2), 2^14 … 2^24-1; frames that announce more are refused at their header. */
  maxFrameOctets: number;
  readonly #options: FrameReaderOptions;
  readonly #decoder: HeaderDecoder;
  /** Octets of the client preface still to come. */
  #prefaceLeft: number;
  #settingsSeen: boolean;
  #paused: boolean;
  #failure: ConnectionError | null;
  /** The incomplete frame: its header in `#head`, made for the first of them; once that is whole, its payload at the start of `#payload`. */
  #head: Uint8Array;
  #payload: Uint8Array | null;
  /** `#payload` is a slab of the pool, to be lent. */
  #payloadIsSlab: boolean;
  /** Octets of it that are here, header included. */
  #held: number;
  /** Made for the first header block that does not come in one frame. */
  #block: HeaderBlock | null;

  constructor(options: FrameReaderOptions, decoder: HeaderDecoder) {
    this.maxFrameOctets = DEFAULT_MAX_FRAME_OCTETS;
    this.#options = options;
    this.#decoder = decoder;
    this.#prefaceLeft = options.role === 'server' ? CLIENT_PREFACE.length : 0;
    this.#settingsSeen = false;
    this.#paused = false;
    this.#failure = null;
    this.#head = NO_OCTETS;
    this.#payload = null;
    this.#payloadIsSlab = false;
    this.#held = 0;
    this.#block = null;
  }

  /** Whether a header block is open: HEADERS without END_HEADERS came and its end did not (limit L7 in time is the caller's). */
  get inHeaderBlock(): boolean {
    return this.openBlockStreamId !== 0;
  }

  /** The stream of the open header block, or 0 (L7 in time is the caller's). */
  get openBlockStreamId(): number {
    return this.#block === null ? 0 : this.#block.streamId;
  }

  /** Octets held for later: an incomplete frame and the fragments of an open header block. */
  get buffered(): number {
    return this.#held + (this.#block?.octets ?? 0);
  }

  /** From inside a handler: `read` returns after the current frame. Without effect outside `read`. */
  pause(): void {
    this.#paused = true;
  }

  /**
   * Delivers every frame that `start` … `end` of `chunk` completes and keeps the incomplete rest. Returns the offset reached,
   * which is less than `end` only after `pause`; `read(chunk, offset, end, handler)` then goes on. DATA octets are handed
   * on as ranges of `chunk`, or of a buffer made for that frame alone, lent where `chunk` is lent. Must not be called from a handler.
   *
   * Throws ConnectionError and nothing else; what a handler or decoder throws otherwise becomes INTERNAL_ERROR with that
   * `cause`. After a throw the reader is inert: every further call throws the same error and parses nothing.
   */
  read(chunk: Uint8Array, start: number, end: number, handler: FrameHandler): number {
    if (this.#failure !== null) throw this.#failure;
    this.#paused = false;
    try {
      return this.#read(chunk, start, end, handler);
    } catch (error) {
      this.#failure = error instanceof ConnectionError ? error : internalError(error);
      this.#payload = null;
      this.#held = 0;
      this.#block?.close();
      throw this.#failure;
    }
  }

  #read(chunk: Uint8Array, start: number, end: number, handler: FrameHandler): number {
    let at = start;
    if (this.#prefaceLeft > 0) at = this.#readPreface(chunk, at, end);
    if (this.#held > 0) {
      at = this.#readRest(chunk, at, end, handler);
      if (this.#paused) return at;
    }
    while (end - at >= FRAME_HEADER_OCTETS) {
      const length = readUint24(chunk, at);
      this.#checkHead(chunk, at, length);
      const payload = at + FRAME_HEADER_OCTETS;
      if (end - payload < length) break;
      this.#dispatch(chunk, at, chunk, payload, length, handler);
      at = payload + length;
      if (this.#paused) return at;
    }
    if (at < end) this.#hold(chunk, at, end);
    return end;
  }

  #readPreface(chunk: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && this.#prefaceLeft > 0) {
      // RFC 9113 §3.4: anything but the preface is a connection error; each octet is checked as it comes.
      if (chunk[at] !== CLIENT_PREFACE.charCodeAt(CLIENT_PREFACE.length - this.#prefaceLeft)) {
        fail(ErrorCode.PROTOCOL_ERROR, 'connection.preface-invalid', 0);
      }
      this.#prefaceLeft--;
      at++;
    }
    return at;
  }

  /** Keeps `start` … `end`, the beginning of a frame whose header, if it is whole, has been checked. Nothing is held before. */
  #hold(chunk: Uint8Array, start: number, end: number): void {
    if (this.#head.length === 0) this.#head = allocateSlab(FRAME_HEADER_OCTETS);
    const payload = Math.min(start + FRAME_HEADER_OCTETS, end);
    copyOctets(this.#head, 0, chunk, start, payload);
    this.#held = end - start;
    if (this.#held < FRAME_HEADER_OCTETS) return;
    copyOctets(this.#makePayload(readUint24(chunk, start), chunk), 0, chunk, payload, end);
  }

  /**
   * Room for the payload of one frame that begins in `chunk`. A handler may keep ranges of it: they are given away with it, or, where
   * octets are lent anyway, lent.
   */
  #makePayload(octets: number, chunk: Uint8Array): Uint8Array {
    this.#payloadIsSlab = octets >= SLAB_FROM_OCTETS && octets <= SLAB_OCTETS && isLent(chunk);
    const payload = this.#payloadIsSlab ? leaseSlab(octets) : allocateOctets(octets);
    this.#payload = payload;
    return payload;
  }

  /** Completes the held frame as far as `start` … `end` goes and returns the offset reached. */
  #readRest(chunk: Uint8Array, start: number, end: number, handler: FrameHandler): number {
    const head = this.#head;
    let at = start;
    if (this.#payload === null) {
      while (this.#held < FRAME_HEADER_OCTETS) {
        if (at === end) return at;
        head[this.#held++] = chunk[at++]!;
      }
      const length = readUint24(head, 0);
      this.#checkHead(head, 0, length);
      if (end - at >= length) {
        this.#held = 0;
        this.#dispatch(head, 0, chunk, at, length, handler);
        return at + length;
      }
    }
    const length = readUint24(head, 0);
    const payload = this.#payload ?? this.#makePayload(length, chunk);
    const filled = this.#held - FRAME_HEADER_OCTETS;
    const taken = Math.min(length - filled, end - at);
    copyOctets(payload, filled, chunk, at, at + taken);
    this.#held += taken;
    if (filled + taken === length) {
      this.#payload = null;
      this.#held = 0;
      if (this.#payloadIsSlab) lendSlab(payload);
      this.#dispatch(head, 0, payload, 0, length, handler);
    }
    return at + taken;
  }

  /** Checks that need the header only, so that nobody waits for the payload of a bad frame. */
  #checkHead(head: Uint8Array, at: number, length: number): void {
    if (!this.#settingsSeen) {
      // RFC 9113 §3.4: the first frame of either side is SETTINGS, and an acknowledgement is none.
      if (head[at + 3] !== FrameType.SETTINGS || (head[at + 4]! & FrameFlag.ACK) !== 0) {
        // 'HTTP': what a client hears of a server, or of a proxy in between, that knows HTTP/1 only.
        const isHttp1 = length === 0x48_54_54 && head[at + 3] === 0x50;
        fail(
          ErrorCode.PROTOCOL_ERROR,
          isHttp1 ? 'connection.peer-speaks-http1' : 'connection.first-frame-not-settings',
          0,
        );
      }
    }
    // RFC 9113 §4.2: FRAME_SIZE_ERROR; for the connection whatever the type, because the payload is never read.
    if (length > this.maxFrameOctets) {
      fail(ErrorCode.FRAME_SIZE_ERROR, 'frame.too-large', readUint31(head, at + 5));
    }
  }

  /** Handles the frame whose header is at `headAt` of `head` and whose whole payload is at `start` of `chunk`. */
  #dispatch(
    head: Uint8Array,
    headAt: number,
    chunk: Uint8Array,
    start: number,
    length: number,
    handler: FrameHandler,
  ): void {
    const type = head[headAt + 3]!;
    // RFC 9113 §4.1: flags that a type does not define are ignored …
    const flags = head[headAt + 4]!;
    // … and so is the reserved bit.
    const streamId = readUint31(head, headAt + 5);
    // RFC 9113 §4.3, §5.5, §6.10: nothing comes between the frames of a header block, not even an unknown type.
    if (type !== FrameType.CONTINUATION && this.openBlockStreamId !== 0) {
      fail(ErrorCode.PROTOCOL_ERROR, 'frame.header-block.interrupted', streamId);
    }
    switch (type) {
      case FrameType.DATA:
        this.#onData(flags, streamId, chunk, start, length, handler);
        break;
      case FrameType.HEADERS:
        this.#onHeaders(flags, streamId, chunk, start, length, handler);
        break;
      case FrameType.PRIORITY:
        this.#onPriority(streamId, chunk, start, length, handler);
        break;
      case FrameType.RST_STREAM:
        // RFC 9113 §6.4.
        if (streamId === 0) fail(ErrorCode.PROTOCOL_ERROR, 'frame.rst-stream.stream-zero', 0);
        if (length !== 4) fail(ErrorCode.FRAME_SIZE_ERROR, 'frame.rst-stream.length', streamId);
        handler.onRstStream(streamId, readUint32(chunk, start));
        break;
      case FrameType.SETTINGS:
        this.#onSettings(flags, streamId, chunk, start, length, handler);
        break;
      case FrameType.PUSH_PROMISE:
        // RFC 9113 §6.6, §8.4: we send ENABLE_PUSH=0 as a client, and a client may never push.
        fail(ErrorCode.PROTOCOL_ERROR, 'frame.push-promise.refused', streamId);
        break;
      case FrameType.PING:
        // RFC 9113 §6.7.
        if (streamId !== 0) fail(ErrorCode.PROTOCOL_ERROR, 'frame.ping.stream-not-zero', streamId);
        if (length !== 8) fail(ErrorCode.FRAME_SIZE_ERROR, 'frame.ping.length', 0);
        handler.onPing(chunk, start, (flags & FrameFlag.ACK) !== 0);
        break;
      case FrameType.GOAWAY:
        this.#onGoAway(streamId, chunk, start, length, handler);
        break;
      case FrameType.WINDOW_UPDATE:
        this.#onWindowUpdate(streamId, chunk, start, length, handler);
        break;
      case FrameType.CONTINUATION:
        this.#onContinuation(flags, streamId, chunk, start, length, handler);
        break;
      default:
        // RFC 9113 §4.1, §5.5: unknown types are ignored.
        handler.onIgnoredFrame(type, streamId, length);
    }
  }

  #onData(
    flags: number,
    streamId: number,
    chunk: Uint8Array,
    start: number,
    length: number,
    handler: FrameHandler,
  ): void {
    // RFC 9113 §6.1: DATA belongs to a stream.
    if (streamId === 0) fail(ErrorCode.PROTOCOL_ERROR, 'frame.data.stream-zero', 0);
    let from = start;
    let end = start + length;
    if ((flags & FrameFlag.PADDED) !== 0) {
      // RFC 9113 §4.2: too small for its mandatory field; with a padded frame's length in doubt, so is the connection window.
      if (length === 0) fail(ErrorCode.FRAME_SIZE_ERROR, 'frame.data.pad-length-missing', streamId);
      end -= chunk[start]!;
      from++;
      // RFC 9113 §6.1: padding as long as the payload, pad length octet included, or longer is a connection error.
      if (end < from) fail(ErrorCode.PROTOCOL_ERROR, 'frame.data.padding-too-long', streamId);
    }
    handler.onData(streamId, chunk, from, end, length, (flags & FrameFlag.END_STREAM) !== 0);
  }

  #onHeaders(
    flags: number,
    streamId: number,
    chunk: Uint8Array,
    start: number,
    length: number,
    handler: FrameHandler,
  ): void {
    // RFC 9113 §6.2: HEADERS belong to a stream.
    if (streamId === 0) fail(ErrorCode.PROTOCOL_ERROR, 'frame.headers.stream-zero', 0);
    let from = start;
    let end = start + length;
    if ((flags & FrameFlag.PADDED) !== 0) {
      // RFC 9113 §4.2: a frame with a field block that is too small is a connection error.
      if (length === 0) {
        fail(ErrorCode.FRAME_SIZE_ERROR, 'frame.headers.pad-length-missing', streamId);
      }
      end -= chunk[start]!;
      from++;
    }
    let selfDependent = false;
    if ((flags & FrameFlag.PRIORITY) !== 0) {
      // RFC 9113 §4.2, as above; counted without the padding, which is judged next.
      if (start + length - from < PRIORITY_OCTETS) {
        fail(ErrorCode.FRAME_SIZE_ERROR, 'frame.headers.priority-missing', streamId);
      }
      selfDependent = readUint31(chunk, from) === streamId;
      from += PRIORITY_OCTETS;
    }
    // RFC 9113 §6.2: padding longer than what is left for the fragment is an error, and of the connection, as the block is lost.
    if (end < from) fail(ErrorCode.PROTOCOL_ERROR, 'frame.headers.padding-too-long', streamId);
    // L7; what CONTINUATION frames add is judged as it comes.
    if (end - from > this.#options.maxHeaderBlockOctets) {
      fail(ErrorCode.ENHANCE_YOUR_CALM, 'frame.header-block.too-large', streamId);
    }
    const endStream = (flags & FrameFlag.END_STREAM) !== 0;
    if ((flags & FrameFlag.END_HEADERS) !== 0) {
      this.#deliverBlock(streamId, chunk, from, end, endStream, selfDependent, handler);
      return;
    }
    this.#block ??= new HeaderBlock(this.#options);
    this.#block.open(streamId, endStream, selfDependent, chunk, from, end);
  }

  #onContinuation(
    flags: number,
    streamId: number,
    chunk: Uint8Array,
    start: number,
    length: number,
    handler: FrameHandler,
  ): void {
    const block = this.#block;
    // RFC 9113 §6.10: only behind HEADERS or CONTINUATION without END_HEADERS, and on the same stream (so never on stream 0).
    if (block === null || block.streamId === 0) {
      fail(ErrorCode.PROTOCOL_ERROR, 'frame.continuation.unexpected', streamId);
    }
    if (block.streamId !== streamId) {
      fail(ErrorCode.PROTOCOL_ERROR, 'frame.continuation.wrong-stream', streamId);
    }
    block.continue(chunk, start, start + length);
    if ((flags & FrameFlag.END_HEADERS) === 0) return;
    const { bytes, octets, endStream, selfDependent } = block;
    block.close();
    this.#deliverBlock(streamId, bytes, 0, octets, endStream, selfDependent, handler);
  }

  #deliverBlock(
    streamId: number,
    chunk: Uint8Array,
    start: number,
    end: number,
    endStream: boolean,
    selfDependent: boolean,
    handler: FrameHandler,
  ): void {
    // RFC 9113 §4.3: every block is decoded, also that of a stream in error, or the HPACK tables of both ends drift apart.
    const headers = this.#decoder.decode(chunk, start, end);
    if (selfDependent) {
      // RFC 7540 §5.3.1, gone from RFC 9113; kept for h2spec, and no legitimate peer does it.
      handler.onStreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'frame.headers.self-dependency');
    } else {
      handler.onHeaders(streamId, headers, endStream, this.#decoder.complete);
    }
  }

  #onPriority(
    streamId: number,
    chunk: Uint8Array,
    start: number,
    length: number,
    handler: FrameHandler,
  ): void {
    // RFC 9113 §6.3: the identifier is the connection's matter, the length only the stream's.
    if (streamId === 0) fail(ErrorCode.PROTOCOL_ERROR, 'frame.priority.stream-zero', 0);
    if (length !== PRIORITY_OCTETS) {
      handler.onStreamError(streamId, ErrorCode.FRAME_SIZE_ERROR, 'frame.priority.length');
    } else if (readUint31(chunk, start) === streamId) {
      // RFC 7540 §5.3.1, gone from RFC 9113; kept for h2spec.
      handler.onStreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'frame.priority.self-dependency');
    } else {
      // RFC 9113 §5.3.2: priorities are deprecated; no tree is kept (CVE-2019-9513).
      handler.onIgnoredFrame(FrameType.PRIORITY, streamId, length);
    }
  }

  #onSettings(
    flags: number,
    streamId: number,
    chunk: Uint8Array,
    start: number,
    length: number,
    handler: FrameHandler,
  ): void {
    // RFC 9113 §6.5: SETTINGS are the connection's, and so are all their errors.
    if (streamId !== 0) {
      fail(ErrorCode.PROTOCOL_ERROR, 'frame.settings.stream-not-zero', streamId);
    }
    if ((flags & FrameFlag.ACK) !== 0) {
      if (length !== 0) fail(ErrorCode.FRAME_SIZE_ERROR, 'frame.settings.ack-with-payload', 0);
      handler.onSettingsEnd(true);
      return;
    }
    if (length % SETTING_OCTETS !== 0) {
      fail(ErrorCode.FRAME_SIZE_ERROR, 'frame.settings.length', 0);
    }
    // L12 (CVE-2020-11080): judged before any parameter costs work.
    if (length > this.#options.maxSettingsEntries * SETTING_OCTETS) {
      fail(ErrorCode.ENHANCE_YOUR_CALM, 'frame.settings.too-many-entries', 0);
    }
    const end = start + length;
    for (let at = start; at < end; at += SETTING_OCTETS) {
      this.#checkSetting(readUint16(chunk, at), readUint32(chunk, at + 2));
    }
    this.#settingsSeen = true;
    for (let at = start; at < end; at += SETTING_OCTETS) {
      handler.onSetting(readUint16(chunk, at), readUint32(chunk, at + 2));
    }
    handler.onSettingsEnd(false);
  }

  #checkSetting(id: number, value: number): void {
    switch (id) {
      case SettingId.ENABLE_PUSH:
        // RFC 9113 §6.5.2: 0 or 1, and a server may not announce 1.
        if (value > 1) fail(ErrorCode.PROTOCOL_ERROR, 'frame.settings.enable-push-invalid', 0);
        if (value === 1 && this.#options.role === 'client') {
          fail(ErrorCode.PROTOCOL_ERROR, 'frame.settings.enable-push-from-server', 0);
        }
        break;
      case SettingId.INITIAL_WINDOW_SIZE:
        // RFC 9113 §6.5.2: above 2^31-1 is a FLOW_CONTROL_ERROR.
        if (value > MAX_WINDOW_OCTETS) {
          fail(ErrorCode.FLOW_CONTROL_ERROR, 'frame.settings.initial-window-size-too-large', 0);
        }
        break;
      case SettingId.MAX_FRAME_SIZE:
        // RFC 9113 §6.5.2: 2^14 … 2^24-1.
        if (value < DEFAULT_MAX_FRAME_OCTETS || value > LARGEST_MAX_FRAME_OCTETS) {
          fail(ErrorCode.PROTOCOL_ERROR, 'frame.settings.max-frame-size-out-of-range', 0);
        }
        break;
      default:
      // RFC 9113 §6.5.2: every value of the others is legal, and unknown parameters are ignored.
    }
  }

  #onGoAway(
    streamId: number,
    chunk: Uint8Array,
    start: number,
    length: number,
    handler: FrameHandler,
  ): void {
    // RFC 9113 §6.8.
    if (streamId !== 0) fail(ErrorCode.PROTOCOL_ERROR, 'frame.goaway.stream-not-zero', streamId);
    if (length < GOAWAY_OCTETS) fail(ErrorCode.FRAME_SIZE_ERROR, 'frame.goaway.length', 0);
    const debug = start + GOAWAY_OCTETS;
    // L27: the peer may send a frame full of debug data; we hand on its beginning.
    const debugEnd = Math.min(start + length, debug + this.#options.maxGoAwayDebugOctets);
    handler.onGoAway(
      readUint31(chunk, start),
      readUint32(chunk, start + 4),
      chunk,
      debug,
      debugEnd,
    );
  }

  #onWindowUpdate(
    streamId: number,
    chunk: Uint8Array,
    start: number,
    length: number,
    handler: FrameHandler,
  ): void {
    // RFC 9113 §6.9: the length is the connection's matter on every stream.
    if (length !== 4) fail(ErrorCode.FRAME_SIZE_ERROR, 'frame.window-update.length', streamId);
    const increment = readUint31(chunk, start);
    if (increment > 0) {
      handler.onWindowUpdate(streamId, increment);
      return;
    }
    // RFC 9113 §6.9: a zero increment is an error of the stream, or of the connection on stream 0.
    if (streamId === 0) {
      fail(ErrorCode.PROTOCOL_ERROR, 'frame.window-update.zero-increment-connection', 0);
    }
    handler.onStreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'frame.window-update.zero-increment');
  }
}

/** A fault of a handler or decoder, as the one error that leaves `read`. */
function internalError(cause: unknown): ConnectionError {
  const error = new ConnectionError(ErrorCode.INTERNAL_ERROR, 'frame.reader.internal-error');
  error.cause = cause;
  return error;
}
