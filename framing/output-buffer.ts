/**
 * Everything a connection has to send, collected between two writes of its pipe. Small frames share a slab; large payloads are
 * kept by reference between them. Written by FrameWriter, drained by the connection.
 *
 *   slab:  | in flight | waiting | free … |      in flight: handed out by takeChunks, not yet recycled
 *                      ^start    ^position       chunks:    closed regions and references ahead of this one, in order
 */

import { copyOctets, NO_OCTETS } from './bytes.ts';
import { leaseSlab, returnSlab } from './slab-pool.ts';

/** Payloads up to this many octets are copied behind their frame header; above, a reference and a chunk of its own is cheaper. */
export const COPY_LIMIT = 4096;

/** The chunks of a buffer in which none wait. */
const NO_CHUNKS: Uint8Array[] = [];

/** Collects octets to send. Not re-entrant; one per connection. */
export class OutputBuffer {
  /** The current slab. A writer that called `ensure` fills it from `position` on and moves `position`. */
  bytes: Uint8Array;
  /** Offset in `bytes` of the next octet to write. */
  position: number;
  /** Offset in `bytes` of the first octet that waits; octets before it may be in flight. */
  #start: number;
  /** Chunks that wait ahead of `#start`. */
  #chunks: Uint8Array[];
  #chunkOctets: number;
  /** Full slabs whose octets wait or are in flight; null where there are none, as for the part of them below. */
  #retired: Uint8Array[] | null;
  /** Those of them whose octets have all been handed out. */
  #inFlight: Uint8Array[] | null;

  constructor() {
    this.bytes = NO_OCTETS;
    this.position = 0;
    this.#start = 0;
    this.#chunks = NO_CHUNKS;
    this.#chunkOctets = 0;
    this.#retired = null;
    this.#inFlight = null;
  }

  /** Octets waiting: written and not yet taken by `takeChunks`. */
  get length(): number {
    return this.#chunkOctets + this.position - this.#start;
  }

  /** Makes at least `octets` contiguous octets free at `position`; may change `bytes` and `position`. */
  ensure(octets: number): void {
    if (this.bytes.length - this.position < octets) this.#nextSlab(octets);
  }

  /**
   * Adds octets behind all others. Up to COPY_LIMIT they are copied; above, the buffer keeps a reference and they must not be
   * modified until they have left.
   */
  append(octets: Uint8Array): void {
    const { length } = octets;
    if (length > COPY_LIMIT) {
      this.#closeRegion();
      this.#addChunk(octets);
      return;
    }
    this.ensure(length);
    copyOctets(this.bytes, this.position, octets, 0, length);
    this.position += length;
  }

  /** Hands out everything that waits, in order, to be written at once. The chunks stay unchanged until `recycle`. */
  takeChunks(): Uint8Array[] {
    this.#closeRegion();
    const chunks = this.#chunks;
    if (chunks.length === 0) return [];
    this.#chunks = NO_CHUNKS;
    this.#chunkOctets = 0;
    if (this.#retired !== null) {
      if (this.#inFlight === null) this.#inFlight = this.#retired;
      else for (const slab of this.#retired) this.#inFlight.push(slab);
      this.#retired = null;
    }
    return chunks;
  }

  /**
   * Says that the pipe has taken every chunk handed out so far, so that their slabs may be written again. When nothing waits
   * the buffer gives its last slab back too: an idle connection holds none.
   */
  recycle(): void {
    if (this.#inFlight !== null) {
      for (const slab of this.#inFlight) returnSlab(slab);
      this.#inFlight = null;
    }
    if (this.length > 0) return;
    if (this.#retired !== null) {
      for (const slab of this.#retired) returnSlab(slab);
      this.#retired = null;
    }
    returnSlab(this.bytes);
    this.bytes = NO_OCTETS;
    this.position = 0;
    this.#start = 0;
  }

  #closeRegion(): void {
    const { position } = this;
    if (position === this.#start) return;
    this.#addChunk(this.bytes.subarray(this.#start, position));
    this.#start = position;
  }

  #addChunk(chunk: Uint8Array): void {
    // A literal: an empty array that grows takes room for seventeen at once, at every flush.
    if (this.#chunks === NO_CHUNKS) this.#chunks = [chunk];
    else this.#chunks.push(chunk);
    this.#chunkOctets += chunk.length;
  }

  #nextSlab(octets: number): void {
    this.#closeRegion();
    if (this.bytes.length > 0) {
      if (this.#retired === null) this.#retired = [this.bytes];
      else this.#retired.push(this.bytes);
    }
    this.bytes = leaseSlab(octets);
    this.position = 0;
    this.#start = 0;
  }
}
