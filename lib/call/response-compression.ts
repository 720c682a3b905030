/**
 * The response side of a server call that compresses: messages go through a compressor, and the status waits until they have left it. Calls
 * without compression have none of this.
 */

import type { Limits } from '../../transport/limits.ts';
import type { TransportStream } from '../../transport/stream-listener.ts';
import type { CompressionCodec } from '../compression-codec.ts';
import { type CompressionSettings, IDENTITY, isAccepted } from '../protocol/compression.ts';
import type { RequestFacts } from '../protocol/request-headers.ts';
import { type CompressorSink, MessageCompressor } from './message-compressor.ts';

/** The compression of one call's responses. */
export class ResponseCompression implements CompressorSink {
  readonly #stream: TransportStream;
  readonly #compressor: MessageCompressor;
  /** L17, for what waits here. */
  readonly #quotaOctets: number;
  readonly #onReady: () => void;
  /** What is due once every message has been sent. */
  #held: (() => void) | null;

  /** `onReady`: after `send` returned false, more may be sent. */
  constructor(
    codec: CompressionCodec,
    settings: CompressionSettings,
    stream: TransportStream,
    limits: Limits,
    onReady: () => void,
  ) {
    this.#stream = stream;
    this.#compressor = new MessageCompressor(codec, settings.minOctets, this, () => this.#onIdle());
    this.#quotaOctets = limits.streamWriteQuotaOctets;
    this.#onReady = onReady;
    this.#held = null;
  }

  /** `grpc-encoding` of the response. */
  get encoding(): string {
    return this.#compressor.codec.name;
  }

  /** Whether the messages to come are compressed. */
  set enabled(enabled: boolean) {
    this.#compressor.enabled = enabled;
  }

  /** Sends one message, now or later. False: wait for `onReady`. */
  send(message: Uint8Array): boolean {
    const compressor = this.#compressor;
    const accepted = compressor.send(message, true, false);
    return accepted && !compressor.sinkFull && compressor.octets <= this.#quotaOctets;
  }

  /** The stream takes more. True: so does this. */
  onStreamWritable(): boolean {
    this.#compressor.sinkFull = false;
    return this.#isDrained();
  }

  /** Calls `action` once every message has been sent; false when that is so already, and nothing is called. */
  holdBack(action: () => void): boolean {
    if (!this.#compressor.isBusy) return false;
    this.#held = action;
    return true;
  }

  /** The stream is over: what waits is dropped. */
  cancel(): void {
    this.#held = null;
    this.#compressor.cancel();
  }

  sendEncoded(flags: number, octets: Uint8Array): boolean {
    const accepted = this.#stream.sendMessage(flags, octets, false);
    if (!accepted) this.#compressor.sinkFull = true;
    return accepted;
  }

  #onIdle(): void {
    const held = this.#held;
    if (held !== null) {
      this.#held = null;
      held();
    } else if (this.#isDrained()) {
      this.#onReady();
    }
  }

  #isDrained(): boolean {
    return !this.#compressor.sinkFull && this.#compressor.octets * 2 < this.#quotaOctets;
  }
}

/** Whether the client of the request reads messages in `encoding`. */
export function isReadByClient(encoding: string, facts: RequestFacts): boolean {
  return encoding === IDENTITY || isAccepted(encoding, facts.acceptEncoding, facts.encoding);
}

/**
 * Switches to `encoding` when headers were sent with that of `compression`, null for none. What grpc-encoding has announced stays, but a
 * message may go as it is all the same (gRPC PROTOCOL-HTTP2, Compressed-Flag). False for any other encoding.
 */
export function switchCompression(
  compression: ResponseCompression | null,
  encoding: string,
): boolean {
  if (encoding !== IDENTITY && encoding !== compression?.encoding) return false;
  if (compression !== null) compression.enabled = encoding !== IDENTITY;
  return true;
}
