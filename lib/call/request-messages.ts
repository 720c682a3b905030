/**
 * The request side of a client call: messages on their way to a stream, compressed if the call says so, and kept as long as they can still be
 * sent again on another one (gRFC A6, transparent retry).
 */

import { MessageFlag } from '../../framing/message/message-framer.ts';
import type { Limits } from '../../transport/limits.ts';
import type { TransportStream } from '../../transport/stream-listener.ts';
import { type CompressionSettings, unknownEncoding } from '../protocol/compression.ts';
import { type CompressorSink, MessageCompressor } from './message-compressor.ts';
import type { RetryBuffer } from './retry-buffer.ts';

/** What the request side needs of the channel. */
export interface RequestHost {
  readonly limits: Limits;
  /** The budget of all calls for messages kept (L25). */
  readonly retryBuffer: RetryBuffer;
  readonly compression: CompressionSettings;
}

/** What a message kept behind the first one takes beside its octets, so that a stream of tiny messages is bounded like one of large ones. */
const KEPT_MESSAGE_OCTETS = 128;

/** The messages of one call; the usual one message needs no array. */
export class RequestMessages implements CompressorSink {
  /** True once nothing is kept any more: the call cannot be sent again. */
  committed: boolean;
  /** The caller has given its last message. */
  ended: boolean;
  readonly #host: RequestHost;
  /** Null when requests are not compressed. */
  readonly #compressor: MessageCompressor | null;
  #stream: TransportStream | null;
  /** Octets that the messages kept stand for. */
  #octets: number;
  #first: Uint8Array | null;
  #more: Uint8Array[] | null;
  #reserved: number;
  /** `send` returned false. */
  #senderWaits: boolean;

  /**
   * `compression`: of the call's options. `owner` is told when more may be sent after `send` returned false, for causes that `attach` and
   * `onStreamWritable` do not tell it of.
   */
  constructor(
    host: RequestHost,
    compression: string | null | undefined,
    owner: { onRequestReady(): void },
  ) {
    this.committed = false;
    this.ended = false;
    this.#host = host;
    this.#stream = null;
    this.#octets = 0;
    this.#first = null;
    this.#more = null;
    this.#reserved = 0;
    this.#senderWaits = false;
    const { compression: settings } = host;
    const isDefault = compression === undefined || compression === null;
    const codec = isDefault ? settings.codec : settings.codecs.get(compression);
    this.#compressor =
      codec === null
        ? null
        : new MessageCompressor(codec, settings.minOctets, this, () => {
            if (this.#isReady()) owner.onRequestReady();
          });
  }

  /** Why nothing can be sent: this side has no codec for `compression`, which the call's options ask for. Null when it can. */
  faultOf(compression: string | null | undefined): string | null {
    const { codecs } = this.#host.compression;
    return compression === undefined || compression === null || codecs.has(compression)
      ? null
      : unknownEncoding(compression, codecs);
  }

  /** `grpc-encoding` of the request; null for none. */
  get encoding(): string | null {
    return this.#compressor === null ? null : this.#compressor.codec.name;
  }

  /** What is kept now is more than L25 allows: it will not be kept once it is handed to a stream. */
  get outgrowsRetry(): boolean {
    return this.#octets > this.#host.limits.retryBufferOctets || this.#reserved < this.#octets;
  }

  /** Whether the server has not been sent the end of the request. */
  get isUnfinished(): boolean {
    return !this.ended || this.#compressor?.isBusy === true;
  }

  /** Sends a message, or keeps it until there is a stream. False: wait until more may be sent. `end`: it is the last one. */
  send(message: Uint8Array, compress: boolean, end: boolean): boolean {
    this.ended = end;
    const compressor = this.#compressor;
    if (compressor === null) return this.sendEncoded(MessageFlag.IDENTITY, message, end);
    const accepted = compressor.send(message, compress, end);
    const { streamWriteQuotaOctets } = this.#host.limits;
    if (accepted && !compressor.sinkFull && compressor.octets <= streamWriteQuotaOctets) {
      return true;
    }
    this.#senderWaits = true;
    return false;
  }

  /** No message will follow. */
  end(): void {
    this.ended = true;
    if (this.#compressor?.end() === true) return;
    if (this.#stream !== null) this.#stream.sendEnd();
  }

  /** Sends everything kept on `stream`, and what follows too. True: the sender waits no longer. */
  attach(stream: TransportStream): boolean {
    this.#stream = stream;
    const first = this.#first;
    const more = this.#more;
    const end = !this.isUnfinished;
    let accepted = true;
    if (first === null) {
      if (end) stream.sendEnd();
    } else {
      accepted = stream.sendMessage(this.#flagsOf(first), first, end && more === null);
    }
    if (more !== null) {
      for (let i = 0; i < more.length; i++) {
        const message = more[i] as Uint8Array;
        const isLast = end && i === more.length - 1;
        accepted = stream.sendMessage(this.#flagsOf(message), message, isLast);
      }
    }
    this.#commitIfTooLarge();
    if (accepted) return this.#senderWaits && this.onStreamWritable();
    this.#senderWaits = true;
    return false;
  }

  /** The stream is closed. */
  detach(): void {
    this.#stream = null;
  }

  /** The stream takes more. True: the sender waits no longer. */
  onStreamWritable(): boolean {
    if (this.#compressor !== null) this.#compressor.sinkFull = false;
    return this.#isReady();
  }

  /** Lets go of everything kept: a response has begun, or too much would have to be kept. */
  commit(): void {
    if (this.committed) return;
    this.committed = true;
    this.#host.retryBuffer.release(this.#reserved);
    this.#reserved = 0;
    this.#octets = 0;
    this.#first = null;
    this.#more = null;
    if (this.#compressor !== null) this.#compressor.sent.clear();
  }

  /** The call has ended: nothing is sent any more. */
  close(): void {
    this.commit();
    if (this.#compressor !== null) this.#compressor.cancel();
    this.#stream = null;
    this.#senderWaits = false;
  }

  // ---- CompressorSink; also the way of messages that are not compressed -----------------------------------------------------------

  sendEncoded(flags: number, octets: Uint8Array, end: boolean): boolean {
    if (!this.committed) this.#keep(flags, octets);
    const stream = this.#stream;
    let accepted: boolean;
    if (stream === null) {
      accepted = this.#octets <= this.#host.limits.streamWriteQuotaOctets;
    } else {
      accepted = stream.sendMessage(flags, octets, end);
      this.#commitIfTooLarge();
    }
    if (!accepted) {
      this.#senderWaits = true;
      if (this.#compressor !== null) this.#compressor.sinkFull = true;
    }
    return accepted;
  }

  /** Whether a sender that waits need not wait any longer; it does not from then on. */
  #isReady(): boolean {
    const compressor = this.#compressor;
    if (!this.#senderWaits) return false;
    if (compressor !== null) {
      const { streamWriteQuotaOctets } = this.#host.limits;
      if (compressor.sinkFull || compressor.octets * 2 >= streamWriteQuotaOctets) return false;
    }
    this.#senderWaits = false;
    return true;
  }

  #keep(flags: number, message: Uint8Array): void {
    if (flags !== MessageFlag.IDENTITY) this.#compressor?.sent.add(message);
    let octets = message.length;
    if (this.#first === null) {
      this.#first = message;
    } else {
      this.#more ??= [];
      this.#more.push(message);
      octets += KEPT_MESSAGE_OCTETS;
    }
    this.#octets += octets;
    if (this.#host.retryBuffer.reserve(octets)) this.#reserved += octets;
  }

  /** Once everything kept has been handed to a stream: commits when it is more than L25 allows. */
  #commitIfTooLarge(): void {
    if (this.outgrowsRetry) this.commit();
  }

  #flagsOf(message: Uint8Array): number {
    const isCompressed = this.#compressor?.sent.has(message) === true;
    return isCompressed ? MessageFlag.COMPRESSED : MessageFlag.IDENTITY;
  }
}
