/**
 * Decompresses the compressed messages of one call in the place they have in its queue: short ones in the turn they are wanted in, longer
 * ones in the thread pool, where at most L19 are at work per connection. Calls without compressed messages have none of this.
 */

import type { CompressionCodec, Decompressed } from '../compression-codec.ts';
import { type CompressionSettings, messageFlagsFault } from '../protocol/compression.ts';
import { Status } from '../status.ts';
import type { InflateSlots, SlotWaiter } from './inflate-slots.ts';
import { keptRange } from './message-range.ts';
import type { ReadyQueue } from './ready-queue.ts';

/**
 * Compressed octets up to which a message is decompressed at once, if it then has at most `INLINE_OUTPUT_OCTETS`: for one of this size the
 * way to the thread pool and back takes several times as much of this thread's time as the work itself (measured: 250 us against 40).
 */
export const INLINE_OCTETS = 8192;
/** What may come out of a message decompressed at once: a tenth of a millisecond. */
export const INLINE_OUTPUT_OCTETS = 65_536;

/** Whether the first message of a queue can be read: yes, or not yet. */
export const READABLE = 'readable';
export const LATER = 'later';
/** The same, or why it never can. */
export type Readability = typeof READABLE | typeof LATER | MessageFault;

/** Why a message cannot be read. */
export interface MessageFault {
  readonly code: number;
  readonly message: string;
}

/** What an inflater needs of the channel or connection. */
export interface InflateHost {
  readonly compression: CompressionSettings;
  readonly inflates: InflateSlots;
  /** What is decompressed at once is work of the turn (L23). */
  readonly readyQueue: Pick<ReadyQueue, 'chargeInflated'>;
  readonly limits: { readonly maxReceiveMessageOctets: number };
}

/** The queue whose first message is to be decompressed. */
export interface InflatedQueue {
  readonly chunk: Uint8Array | null;
  readonly start: number;
  readonly end: number;
  readonly flags: number;
  replaceFirst(message: Uint8Array): void;
}

/** Whoever was told that a message comes later. */
export interface InflateOwner {
  /** It is there, or it cannot be read: `prepare` is to be asked again. */
  onInflated(): void;
}

/** The decompression of one call. */
export class MessageInflater implements SlotWaiter {
  readonly #queue: InflatedQueue;
  readonly #encoding: string;
  readonly #host: InflateHost;
  readonly #owner: InflateOwner;
  #fault: MessageFault | null;
  /** The message at work or waiting for its slot. */
  #octets: Uint8Array | null;
  #stop: (() => void) | null;

  /** `encoding`: the peer's `grpc-encoding`. */
  constructor(queue: InflatedQueue, encoding: string, host: InflateHost, owner: InflateOwner) {
    this.#queue = queue;
    this.#encoding = encoding;
    this.#host = host;
    this.#owner = owner;
    this.#fault = null;
    this.#octets = null;
    this.#stop = null;
  }

  /**
   * Makes the first message of the queue, whose flags are not 0, readable. Otherwise it comes later, or the call is to be ended: with
   * INTERNAL for damage, with RESOURCE_EXHAUSTED for a message over the limit (security.md E2 to E4).
   */
  prepare(): Readability {
    const { chunk, start, end, flags } = this.#queue;
    if (this.#fault !== null) return this.#fault;
    if (chunk === null || this.#octets !== null) return LATER;
    const { codecs } = this.#host.compression;
    const flagsFault = messageFlagsFault(flags, this.#encoding, codecs);
    const codec = codecs.get(this.#encoding);
    if (flagsFault !== null || codec === null) {
      return { code: Status.INTERNAL, message: flagsFault ?? 'no codec' };
    }
    const octets = chunk.subarray(start, end);
    const outcome = this.#inflateAtOnce(codec, octets);
    if (outcome !== null) return this.#take(outcome);
    this.#octets = keptRange(chunk, start, end);
    if (this.#host.inflates.acquire(this)) this.onInflateSlot();
    return LATER;
  }

  onInflateSlot(): void {
    const octets = this.#octets;
    const codec = this.#host.compression.codecs.get(this.#encoding);
    if (octets === null || codec === null) {
      this.#host.inflates.release();
      return;
    }
    const { maxReceiveMessageOctets } = this.#host.limits;
    this.#stop = codec.decompressLater(octets, maxReceiveMessageOctets, (outcome) => {
      this.#octets = null;
      this.#stop = null;
      this.#host.inflates.release();
      this.#take(outcome);
      this.#owner.onInflated();
    });
  }

  /** The call is over: what is at work is dropped. */
  cancel(): void {
    if (this.#octets === null) return;
    this.#octets = null;
    if (this.#stop === null) {
      this.#host.inflates.abandon(this);
      return;
    }
    this.#stop();
    this.#stop = null;
    this.#host.inflates.release();
  }

  /** Null when it is to be done in the thread pool. */
  #inflateAtOnce(codec: CompressionCodec, octets: Uint8Array): Decompressed | null {
    if (octets.length === 0) return { tooLarge: false, message: 'it is empty' };
    if (octets.length > INLINE_OCTETS) return null;
    const { maxReceiveMessageOctets } = this.#host.limits;
    const maxOctets = Math.min(INLINE_OUTPUT_OCTETS, maxReceiveMessageOctets);
    const outcome = codec.decompress(octets, maxOctets);
    this.#host.readyQueue.chargeInflated(
      outcome instanceof Uint8Array ? outcome.length : maxOctets,
    );
    const isOver = !(outcome instanceof Uint8Array) && outcome.tooLarge;
    return isOver && maxOctets < maxReceiveMessageOctets ? null : outcome;
  }

  #take(outcome: Decompressed): Readability {
    if (outcome instanceof Uint8Array) {
      this.#queue.replaceFirst(outcome);
      return READABLE;
    }
    const { maxReceiveMessageOctets } = this.#host.limits;
    this.#fault = outcome.tooLarge
      ? {
          code: Status.RESOURCE_EXHAUSTED,
          message: `Received message larger than max (more than ${maxReceiveMessageOctets} after decompression vs. ${maxReceiveMessageOctets})`,
        }
      : {
          code: Status.INTERNAL,
          message: `message in ${this.#encoding} could not be decompressed: ${outcome.message}`,
        };
    return this.#fault;
  }
}
