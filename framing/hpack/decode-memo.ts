/**
 * The decode memo: what the last few short header blocks decoded to while the dynamic table stayed as it is. Calls of one method repeat the
 * same few octets, and the same octets with the same table mean the same list.
 */

import { NO_OCTETS } from '../bytes.ts';
import type { HeaderList } from '../frame-handler.ts';

/** Longest block that is remembered. */
export const MEMO_BLOCK_OCTETS = 128;

/** Blocks remembered at once, and places made at first: most peers of a server repeat one or two. */
export const MEMO_SLOTS = 16;
const FIRST_SLOTS = 2;

const NO_HASHES = new Int32Array(0);

/**
 * A cache of fixed size: 16 blocks of up to 128 octets. Whoever changes the dynamic table calls `clear`, so nothing stale is ever found, nor kept
 * alive. A peer that sends no block twice costs one pass and one copy of at most 128 octets per block.
 */
export class DecodeMemo {
  #length = 0;
  /** Hash of the block of the last `find`, which `remember` uses. */
  #hash = 0;
  #hashes: Int32Array = NO_HASHES;
  readonly #lists: HeaderList[] = [];
  /** Blocks by slot: the length in octets, then the octets. Grows from the first block on, as `#hashes` does. */
  #blocks: Uint8Array = NO_OCTETS;

  /** The list that the block `start` … `end` of 1 … 128 octets decoded to, or null. */
  find(chunk: Uint8Array, start: number, end: number): HeaderList | null {
    let hash = end - start;
    for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + chunk[i]!) | 0;
    this.#hash = hash;
    const hashes = this.#hashes;
    for (let slot = 0; slot < this.#length; slot++) {
      if (hashes[slot] === hash && this.#holds(slot, chunk, start, end)) return this.#lists[slot]!;
    }
    return null;
  }

  /** Remembers that the block of the last `find`, the same `start` … `end` of `chunk`, decodes to `list`. Copies the octets. */
  remember(chunk: Uint8Array, start: number, end: number, list: HeaderList): void {
    if (this.#length === this.#hashes.length && this.#length < MEMO_SLOTS) this.#grow();
    // When full, a place taken from the hash: more blocks than slots then still leave some of them in place.
    const slot = this.#length < MEMO_SLOTS ? this.#length++ : (this.#hash >>> 8) % MEMO_SLOTS;
    let at = slot * (MEMO_BLOCK_OCTETS + 1);
    this.#hashes[slot] = this.#hash;
    this.#lists[slot] = list;
    this.#blocks[at++] = end - start;
    for (let i = start; i < end; i++) this.#blocks[at++] = chunk[i]!;
  }

  /** Forgets everything. */
  clear(): void {
    if (this.#length === 0) return;
    this.#length = 0;
    this.#lists.length = 0;
  }

  #grow(): void {
    const slots = Math.max(FIRST_SLOTS, 2 * this.#length);
    const hashes = new Int32Array(slots);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    const blocks = new Uint8Array(slots * (MEMO_BLOCK_OCTETS + 1));
    blocks.set(this.#blocks);
    this.#blocks = blocks;
  }

  #holds(slot: number, chunk: Uint8Array, start: number, end: number): boolean {
    const blocks = this.#blocks;
    let at = slot * (MEMO_BLOCK_OCTETS + 1);
    if (blocks[at++] !== end - start) return false;
    for (let i = start; i < end; i++) {
      if (blocks[at++] !== chunk[i]) return false;
    }
    return true;
  }
}
