/**
 * The messages of one direction of a call on their way in: octets pushed while a read is parsed, messages taken when the application wants
 * them. Bounded by the stream's window, which is credited only for what was taken (L16, L18).
 */

import { cloneOctets, NO_OCTETS } from '../../framing/bytes.ts';
import { type Borrower, borrow, isLent } from '../../framing/lent-octets.ts';
import { MessageDeframer, type MessageSink } from '../../framing/message/message-deframer.ts';
import { MESSAGE_PREFIX_OCTETS, MessageFlag } from '../../framing/message/message-framer.ts';
import {
  type InflateHost,
  type InflateOwner,
  MessageInflater,
  type Readability,
} from './message-inflater.ts';

/** A waiting message is copied when its chunk's memory is more than this many times as large (F10). */
const PIN_FACTOR = 4;

/** A queue whose first message lies in its own fields, so that the usual call, one message in one chunk, needs no deframer. */
export class MessageQueue implements MessageSink, Borrower {
  /** The chunk of the first message; null when no message is complete. It may be lent: see `compact`. */
  chunk: Uint8Array | null;
  start: number;
  end: number;
  /** The first message's flag octet as received. */
  flags: number;
  /** 0, or the declared length of a message over the maximum: nothing more is delivered. */
  overLimit: number;
  readonly #maxMessageOctets: number;
  #deframer: MessageDeframer | null;
  /** Octets of the first message, its prefix included. */
  #firstOctets: number;
  /** `chunk` is a copy that keeps nothing else in memory. */
  #firstCompacted: boolean;
  /** To be told when the loan of the octets held ends. */
  #borrows: boolean;
  #released: number;
  /** Made at the first compressed message. */
  #inflater: MessageInflater | null;

  /** `maxMessageOctets`: largest payload to accept (L18). */
  constructor(maxMessageOctets: number) {
    this.chunk = null;
    this.start = 0;
    this.end = 0;
    this.flags = 0;
    this.overLimit = 0;
    this.#maxMessageOctets = maxMessageOctets;
    this.#deframer = null;
    this.#firstOctets = 0;
    this.#firstCompacted = false;
    this.#borrows = false;
    this.#released = 0;
    this.#inflater = null;
  }

  /** Octets that belong to the message behind the first one, or to the first one while it is incomplete. */
  get octetsBehind(): number {
    return this.#deframer === null ? 0 : this.#deframer.bufferedOctets;
  }

  /** Octets still missing for the message begun, of its prefix while that is incomplete; 0 if none is begun. */
  get wanted(): number {
    return this.#deframer === null ? 0 : this.#deframer.wanted;
  }

  /** Adds octets, which must not change any more unless they are lent. Afterwards `chunk` or `overLimit` may have become set. */
  push(chunk: Uint8Array, start: number, end: number): void {
    const octets = end - start;
    if (octets === 0) return;
    if (this.chunk === null && octets >= MESSAGE_PREFIX_OCTETS && this.octetsBehind === 0) {
      const length = prefixLength(chunk, start);
      if (length === octets - MESSAGE_PREFIX_OCTETS && length <= this.#maxMessageOctets) {
        this.#setFirst(chunk, start + MESSAGE_PREFIX_OCTETS, end);
        if (length > 0) this.#mayBorrow(chunk);
        this.flags = chunk[start] as number;
        this.#firstOctets = octets;
        this.#firstCompacted = false;
        return;
      }
    }
    // Also for a few octets: nobody takes them during the read when a message waits in front of them.
    this.#mayBorrow(chunk);
    if (this.#deframer === null) this.#deframer = new MessageDeframer(this.#maxMessageOctets);
    this.#deframer.push(chunk, start, end);
    if (this.chunk === null) this.#pull(this.#deframer);
  }

  /** Removes the first message and moves the next one up, if it is complete. */
  shift(): void {
    this.chunk = null;
    this.#released += this.#firstOctets;
    this.#firstOctets = 0;
    if (this.#deframer !== null) this.#pull(this.#deframer);
  }

  /** Makes the first message, which has flags, readable: see `MessageInflater.prepare`. `encoding`: the peer's `grpc-encoding`. */
  prepare(encoding: string, host: InflateHost, owner: InflateOwner): Readability {
    this.#inflater ??= new MessageInflater(this, encoding, host, owner);
    return this.#inflater.prepare();
  }

  /** Puts `message` in the place of the first one, which it is the decompressed form of. The window is credited for the original. */
  replaceFirst(message: Uint8Array): void {
    this.chunk = message;
    this.start = 0;
    this.end = message.length;
    this.flags = MessageFlag.IDENTITY;
  }

  /** Octets, prefixes included, of messages shifted out since the last call: to be given back to the window. */
  takeReleased(): number {
    const released = this.#released;
    this.#released = 0;
    return released;
  }

  /** Lets go of chunks that only a few octets are left of; what is held of lent ones is copied when the loan ends, if it is held then. */
  compact(): void {
    if (!this.#borrows) this.#compact();
  }

  #compact(): void {
    const { chunk, start, end } = this;
    if (chunk !== null && !this.#firstCompacted) {
      this.#firstCompacted = true;
      if (isLent(chunk) || (end - start) * PIN_FACTOR < chunk.buffer.byteLength) {
        this.chunk = cloneOctets(chunk, start, end);
        this.start = 0;
        this.end = end - start;
      }
    }
    if (this.#deframer !== null) this.#deframer.compact();
  }

  /** For the loan. */
  secure(): void {
    this.#borrows = false;
    this.#compact();
  }

  /** Forgets everything held; the call is over. */
  clear(): void {
    if (this.#inflater !== null) this.#inflater.cancel();
    this.chunk = null;
    this.#deframer = null;
  }

  /** For the deframer. */
  onDeframed(flags: number, chunk: Uint8Array, start: number, end: number): void {
    this.#setFirst(chunk, start, end);
    this.flags = flags;
    this.#firstCompacted = false;
  }

  #mayBorrow(chunk: Uint8Array): void {
    if (this.#borrows || !isLent(chunk)) return;
    this.#borrows = true;
    borrow(this);
  }

  #setFirst(chunk: Uint8Array, start: number, end: number): void {
    if (start === end) {
      this.chunk = NO_OCTETS;
      this.start = 0;
      this.end = 0;
    } else {
      this.chunk = chunk;
      this.start = start;
      this.end = end;
    }
  }

  #pull(deframer: MessageDeframer): void {
    deframer.next(this);
    this.#firstOctets = deframer.takeReleased();
    this.overLimit = deframer.overLimit;
  }
}

function prefixLength(chunk: Uint8Array, start: number): number {
  return (
    (chunk[start + 1] as number) * 0x1000000 +
    (((chunk[start + 2] as number) << 16) |
      ((chunk[start + 3] as number) << 8) |
      (chunk[start + 4] as number))
  );
}
