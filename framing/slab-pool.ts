/** Slabs for octets on their way out or in, leased by connections that are at work. */

import { allocateSlab } from './bytes.ts';

/** Octets of a slab from the pool; `ensure` of more takes a larger one, used once. */
export const SLAB_OCTETS = 32_768;

/** Free slabs kept for the whole process (1 MiB at most); further ones are left to the garbage collector. */
const MAX_POOLED_SLABS = 32;

const pool: Uint8Array[] = [];

/** A slab of at least `octets`, of unknown content: one of `SLAB_OCTETS` if that is enough. */
export function leaseSlab(octets: number): Uint8Array {
  if (octets > SLAB_OCTETS) return allocateSlab(octets);
  return pool.pop() ?? allocateSlab(SLAB_OCTETS);
}

/** Takes a slab back that nobody holds any more. */
export function returnSlab(slab: Uint8Array): void {
  if (slab.length === SLAB_OCTETS && pool.length < MAX_POOLED_SLABS) pool.push(slab);
}

/** Free slabs in the pool right now, for tests. */
export function pooledSlabs(): number {
  return pool.length;
}
