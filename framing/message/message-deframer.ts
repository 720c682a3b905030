/**
 * Length-Prefixed-Messages out of the DATA octets of one direction of one call (gRPC PROTOCOL-HTTP2 "Data Frames"). The call layer
 * pushes ranges as they arrive and takes messages when its application wants them. A message inside one chunk is handed on
 * as a range of it; any other is put together in memory of its own, which grows with the octets that have come, so a declared length
 * allocates nothing.
 *
 *   PREFIX ──5 octets──▶ BODY ──declared octets──▶ PREFIX …      declared length over the limit: nothing more is delivered
 */

import { allocateOctets, allocateSlab, copyOctets, NO_OCTETS, readUint32 } from '../bytes.ts';
import { isLent } from '../lent-octets.ts';
import { MESSAGE_PREFIX_OCTETS } from './message-framer.ts';

/** Receives messages from `MessageDeframer.next`. */
export interface MessageSink {
  /**
   * One whole message. `flags` is the first prefix octet as received, 0 … 255: the call layer judges it. The octets of the
   * range stay unchanged for as long as they are referenced, unless `chunk` is lent.
   */
  onDeframed(flags: number, chunk: Uint8Array, start: number, end: number): void;
}

/** Shorter ranges behind a pending one are copied together: a flood of tiny DATA frames must not cost an object each (L14). */
const COALESCE_OCTETS = 256;
/** First and last size of the buffers they are copied to; each is twice the one before. */
const FIRST_GATHER_OCTETS = 512;
const LAST_GATHER_OCTETS = 16_384;
/** A held range is copied when its chunk's memory is more than this many times as large. */
const PIN_FACTOR = 4;
/** The memory of a message that is put together has room for this many times the octets that have come, up to its length. */
const ASSEMBLY_FACTOR = 4;

/** A range that waits behind the first one. `owned`: the chunk is ours, and its octets from `end` on are free. */
class PendingRange {
  chunk: Uint8Array;
  start: number;
  end: number;
  owned: boolean;
  next: PendingRange | null;

  constructor(chunk: Uint8Array, start: number, end: number, owned: boolean) {
    this.chunk = chunk;
    this.start = start;
    this.end = end;
    this.owned = owned;
    this.next = null;
  }
}

/** Cuts one direction of a call into messages. */
export class MessageDeframer {
  /**
   * 0, or the declared length of a message over the maximum. Nothing is delivered or kept from then on; the caller ends the call
   * with RESOURCE_EXHAUSTED (L18).
   */
  overLimit: number;
  readonly #maxMessageOctets: number;
  /** Octets of the current prefix that have been read, 0 … 5. */
  #prefixOctets: number;
  #flags: number;
  /** Length declared by the current prefix as far as it has been read. */
  #declared: number;
  /** Octets of all pending ranges, those put together included. */
  #pending: number;
  /** The first octets of the current message, put together; null while it may still lie in one chunk. */
  #assembly: Uint8Array | null;
  #assembled: number;
  #released: number;
  // The first pending range lies in fields of its own: the usual call never needs a second one.
  #chunk: Uint8Array;
  #start: number;
  #end: number;
  #owned: boolean;
  #second: PendingRange | null;
  #last: PendingRange | null;
  /** The last range that `compact` has seen. */
  #lastCompacted: PendingRange | null;

  /** `maxMessageOctets`: largest payload to accept (L18), 0 … 2^32-1 or Infinity. */
  constructor(maxMessageOctets: number) {
    this.overLimit = 0;
    this.#maxMessageOctets = maxMessageOctets;
    this.#prefixOctets = 0;
    this.#flags = 0;
    this.#declared = 0;
    this.#pending = 0;
    this.#assembly = null;
    this.#assembled = 0;
    this.#released = 0;
    this.#chunk = NO_OCTETS;
    this.#start = 0;
    this.#end = 0;
    this.#owned = false;
    this.#second = null;
    this.#last = null;
    this.#lastCompacted = null;
  }

  /** Octets pushed and not yet delivered, prefixes included. Pushed = delivered through `takeReleased` + these. */
  get bufferedOctets(): number {
    return this.#pending + this.#prefixOctets;
  }

  /** Octets still missing for the message begun, of its prefix while that is incomplete; 0 if none. As of the last `next`. */
  get wanted(): number {
    if (this.#prefixOctets === 0) return 0;
    if (this.#prefixOctets < MESSAGE_PREFIX_OCTETS) {
      return MESSAGE_PREFIX_OCTETS - this.#prefixOctets;
    }
    return Math.max(0, this.#declared - this.#pending);
  }

  /** After `next` returned false: whether octets of an unfinished message are held, so that END_STREAM now is an error. */
  get hasPartial(): boolean {
    return this.bufferedOctets > 0;
  }

  /**
   * Adds a range, which is referenced or, when small, copied. `chunk` must not change any more; if it is lent, `compact` is to be called
   * before the loan ends.
   */
  push(chunk: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    if (this.overLimit > 0) {
      this.#released += end - start;
      return;
    }
    let from = start;
    if (this.#assembly !== null) {
      from += Math.min(end - start, this.#declared - this.#assembled);
      this.#assemble(chunk, start, from);
      this.#pending += from - start;
      if (from === end) return;
    }
    const octets = end - from;
    if (this.#pending === this.#assembled) {
      this.#setFirst(chunk, from, end, false);
    } else if (octets < COALESCE_OCTETS) {
      this.#gather(chunk, from, end);
    } else {
      this.#link(new PendingRange(chunk, from, end, false));
    }
    this.#pending += octets;
  }

  /**
   * Delivers the next message to `sink` and returns true, or returns false when none is complete or `overLimit` is set.
   * The state is that after the message already while `sink` runs.
   */
  next(sink: MessageSink): boolean {
    if (this.#prefixOctets < MESSAGE_PREFIX_OCTETS && !this.#readPrefix()) return false;
    const length = this.#declared;
    if (this.#pending < length) {
      this.#takeIn(this.#pending);
      return false;
    }
    const flags = this.#flags;
    let chunk: Uint8Array;
    let start = 0;
    if (this.#assembly === null && this.#end - this.#start >= length) {
      chunk = this.#chunk;
      start = this.#start;
      this.#advance(length);
    } else {
      this.#takeIn(length);
      chunk = this.#assembly ?? NO_OCTETS;
      this.#assembly = null;
      this.#assembled = 0;
      this.#pending -= length;
    }
    this.#prefixOctets = 0;
    this.#declared = 0;
    this.#released += MESSAGE_PREFIX_OCTETS + length;
    sink.onDeframed(flags, chunk, start, start + length);
    return true;
  }

  /** Octets, prefixes included, of messages delivered (or dropped over the limit) since the last call: to be credited to the windows. */
  takeReleased(): number {
    const released = this.#released;
    this.#released = 0;
    return released;
  }

  /**
   * Called at the end of a read: copies what is held of lent chunks, and what is small against its chunk, so that a few octets do not keep
   * a whole read buffer in memory. Costs time for ranges pushed since the last call only.
   */
  compact(): void {
    if (this.#pending === this.#assembled) return;
    if (!this.#owned && isPinning(this.#chunk, this.#start, this.#end)) {
      const octets = this.#end - this.#start;
      const copy = allocateSlab(Math.max(octets, FIRST_GATHER_OCTETS));
      copyOctets(copy, 0, this.#chunk, this.#start, this.#end);
      this.#setFirst(copy, 0, octets, true);
    }
    let range = this.#lastCompacted === null ? this.#second : this.#lastCompacted.next;
    for (; range !== null; range = range.next) {
      if (!range.owned && isPinning(range.chunk, range.start, range.end)) {
        const octets = range.end - range.start;
        // From the runtime's pool: they wait for a moment, and those that stay are copied once more when their turn comes.
        const copy = allocateOctets(octets);
        copyOctets(copy, 0, range.chunk, range.start, range.end);
        range.chunk = copy;
        range.start = 0;
        range.end = octets;
        range.owned = true;
      }
    }
    this.#lastCompacted = this.#last;
  }

  /** Reads on in the prefix; false when it is incomplete or declares too much. */
  #readPrefix(): boolean {
    if (this.#prefixOctets === 0 && this.#end - this.#start >= MESSAGE_PREFIX_OCTETS) {
      this.#flags = this.#chunk[this.#start]!;
      this.#declared = readUint32(this.#chunk, this.#start + 1);
      this.#prefixOctets = MESSAGE_PREFIX_OCTETS;
      this.#advance(MESSAGE_PREFIX_OCTETS);
    }
    while (this.#prefixOctets < MESSAGE_PREFIX_OCTETS) {
      if (this.#pending === 0) return false;
      const octet = this.#chunk[this.#start]!;
      this.#advance(1);
      if (this.#prefixOctets === 0) this.#flags = octet;
      else this.#declared = this.#declared * 256 + octet;
      this.#prefixOctets++;
    }
    if (this.#declared <= this.#maxMessageOctets) return true;
    // gRPC: a message over the limit ends the call at its prefix (L18).
    this.overLimit = this.#declared;
    this.#released += this.bufferedOctets;
    this.#prefixOctets = 0;
    this.#pending = 0;
    this.#assembly = null;
    this.#assembled = 0;
    this.#second = null;
    this.#last = null;
    this.#lastCompacted = null;
    this.#setFirst(NO_OCTETS, 0, 0, false);
    return false;
  }

  /** Uses up `octets` of the first range, at most all of it, and moves the second up when it is spent. */
  #advance(octets: number): void {
    this.#pending -= octets;
    this.#start += octets;
    if (this.#start < this.#end) return;
    const range = this.#second;
    if (range === null) {
      this.#setFirst(NO_OCTETS, 0, 0, false);
      return;
    }
    this.#setFirst(range.chunk, range.start, range.end, range.owned);
    this.#second = range.next;
    if (this.#last === range) this.#last = null;
    if (this.#lastCompacted === range) this.#lastCompacted = null;
  }

  /** Puts the first `octets` octets of the message, which are all here, together. */
  #takeIn(octets: number): void {
    while (this.#assembled < octets) {
      const taken = Math.min(octets - this.#assembled, this.#end - this.#start);
      this.#assemble(this.#chunk, this.#start, this.#start + taken);
      this.#advance(taken);
      // They are still pending, in another place.
      this.#pending += taken;
    }
  }

  /** Adds a range of the message to what is put together. */
  #assemble(chunk: Uint8Array, start: number, end: number): void {
    const assembled = this.#assembled + end - start;
    const room = this.#assembly;
    let assembly = room;
    if (assembly === null || assembly.length < assembled) {
      const capacity = FIRST_GATHER_OCTETS + ASSEMBLY_FACTOR * assembled;
      assembly = allocateSlab(Math.min(this.#declared, capacity));
      if (room !== null) copyOctets(assembly, 0, room, 0, this.#assembled);
      this.#assembly = assembly;
    }
    copyOctets(assembly, this.#assembled, chunk, start, end);
    this.#assembled = assembled;
  }

  /** Copies a small range behind the last one. */
  #gather(chunk: Uint8Array, start: number, end: number): void {
    const octets = end - start;
    const last = this.#last;
    let capacity = FIRST_GATHER_OCTETS;
    if (last === null) {
      if (this.#owned) {
        if (this.#chunk.length - this.#end >= octets) {
          copyOctets(this.#chunk, this.#end, chunk, start, end);
          this.#end += octets;
          return;
        }
        capacity = 2 * this.#chunk.length;
      }
    } else if (last.owned) {
      if (last.chunk.length - last.end >= octets) {
        copyOctets(last.chunk, last.end, chunk, start, end);
        last.end += octets;
        return;
      }
      capacity = 2 * last.chunk.length;
    }
    capacity = Math.max(FIRST_GATHER_OCTETS, Math.min(capacity, LAST_GATHER_OCTETS));
    const buffer = allocateSlab(capacity);
    copyOctets(buffer, 0, chunk, start, end);
    this.#link(new PendingRange(buffer, 0, octets, true));
  }

  #setFirst(chunk: Uint8Array, start: number, end: number, owned: boolean): void {
    this.#chunk = chunk;
    this.#start = start;
    this.#end = end;
    this.#owned = owned;
  }

  #link(range: PendingRange): void {
    if (this.#last === null) this.#second = range;
    else this.#last.next = range;
    this.#last = range;
  }
}

function isPinning(chunk: Uint8Array, start: number, end: number): boolean {
  return isLent(chunk) || (end - start) * PIN_FACTOR < chunk.buffer.byteLength;
}
