/**
 * Compresses the messages of one call on their way out, in order: short ones at once, longer ones in the thread pool, with everything behind
 * them waiting for its turn. Calls without compression have none of this.
 */

import { MessageFlag } from '../../framing/message/message-framer.ts';
import type { CompressionCodec } from '../compression-codec.ts';

/** Octets up to which a message is compressed in the turn it is sent in. */
export const INLINE_OCTETS = 8192;

/** Sends what a compressor hands on. */
export interface CompressorSink {
  /** Sends one message; `end` with the last. False: the stream wants the sender to wait. */
  sendEncoded(flags: number, octets: Uint8Array, end: boolean): boolean;
}

interface Waiting {
  readonly message: Uint8Array;
  readonly compress: boolean;
  end: boolean;
}

/** The compression of one call. */
export class MessageCompressor {
  readonly codec: CompressionCodec;
  /** False: messages go as they are until it is true again. */
  enabled: boolean;
  /** Octets of messages that wait here. */
  octets: number;
  /** The stream wants the sender to wait. Kept by the sink. */
  sinkFull: boolean;
  /** Compressed messages that may have to be sent again. Kept by the sink. */
  readonly sent: Set<Uint8Array>;
  readonly #minOctets: number;
  readonly #sink: CompressorSink;
  readonly #onIdle: () => void;
  readonly #waiting: Waiting[];
  /** The first of `#waiting` is in the thread pool. */
  #atWork: boolean;
  #cancelled: boolean;

  /**
   * `minOctets`: shorter messages go as they are. `onIdle`: nothing waits here any more, and the last message was sent from here rather
   * than from inside `send`.
   */
  constructor(
    codec: CompressionCodec,
    minOctets: number,
    sink: CompressorSink,
    onIdle: () => void,
  ) {
    this.codec = codec;
    this.enabled = true;
    this.octets = 0;
    this.sinkFull = false;
    this.sent = new Set();
    this.#minOctets = minOctets;
    this.#sink = sink;
    this.#onIdle = onIdle;
    this.#waiting = [];
    this.#atWork = false;
    this.#cancelled = false;
  }

  /** Messages wait here. */
  get isBusy(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * Sends `message`, at once or later. `compress` false: as it is. True when it was handed on and the stream accepts more, or when it waits
   * here; the caller judges by `octets` then.
   */
  send(message: Uint8Array, compress: boolean, end: boolean): boolean {
    if (this.#cancelled) return true;
    const isCompressed = compress && this.enabled && message.length >= this.#minOctets;
    if (this.#waiting.length === 0) {
      if (!isCompressed) return this.#sink.sendEncoded(MessageFlag.IDENTITY, message, end);
      if (message.length <= INLINE_OCTETS) {
        return this.#sendShorter(message, this.codec.compress(message), end);
      }
    }
    this.#waiting.push({ message, compress: isCompressed, end });
    this.octets += message.length;
    this.#work();
    return true;
  }

  /** The last message was given. True: it waits here, and will be sent with the end; false: nothing waits, the end is the caller's to send. */
  end(): boolean {
    const last = this.#waiting.at(-1);
    if (last === undefined) return false;
    last.end = true;
    return true;
  }

  /** The call is over: what waits is dropped. */
  cancel(): void {
    this.#cancelled = true;
    this.#waiting.length = 0;
    this.octets = 0;
  }

  #work(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || this.#atWork) return;
      if (next.compress) {
        this.#atWork = true;
        this.codec.compressLater(next.message, (compressed) => this.#onCompressed(compressed));
        return;
      }
      this.#shift();
      this.#sink.sendEncoded(MessageFlag.IDENTITY, next.message, next.end);
    }
  }

  #onCompressed(compressed: Uint8Array | null): void {
    this.#atWork = false;
    const next = this.#waiting[0];
    if (next === undefined) return;
    this.#shift();
    this.#sendShorter(next.message, compressed, next.end);
    this.#work();
    if (!this.#cancelled && this.#waiting.length === 0) this.#onIdle();
  }

  /** What compression made longer, or could not do, goes as it is: the flag octet says so (compression.md). */
  #sendShorter(message: Uint8Array, compressed: Uint8Array | null, end: boolean): boolean {
    return compressed === null || compressed.length >= message.length
      ? this.#sink.sendEncoded(MessageFlag.IDENTITY, message, end)
      : this.#sink.sendEncoded(MessageFlag.COMPRESSED, compressed, end);
  }

  #shift(): void {
    const first = this.#waiting.shift();
    if (first !== undefined) this.octets -= first.message.length;
  }
}
