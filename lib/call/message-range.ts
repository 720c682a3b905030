/** Messages as the engine hands them on: ranges of chunks that may be lent for the time of one read. */

import {
  cloneOctets,
  copyOctets,
  NO_OCTETS,
  plainView,
  userView,
  type ViewOf,
} from '../../framing/bytes.ts';
import { isLent } from '../../framing/lent-octets.ts';
import { sharedSlab } from '../platform/shared-slab.ts';

/** Below this a message that a program keeps would keep a multiple of itself alive in shared memory (F10), and saves nothing there. */
const SHARED_FROM_OCTETS = 512;
/** Copies of up to this many octets share slabs, which saves most of their cost. */
const SHARED_UP_TO_OCTETS = 2048;
/** What the smallest copy that is kept can keep alive. */
const SLAB_OCTETS = 8192;
/** Copies begin at multiples of this, so that typed arrays of every element fit over them whatever lies before. */
const ALIGNMENT_OCTETS = 8;

let slab: Uint8Array = NO_OCTETS;
let slabUsed = 0;

/** The range as octets that stay: a view, `chunk` itself when it is all of it, or a copy when `chunk` is lent. */
export function keptRange(chunk: Uint8Array, start: number, end: number): Uint8Array {
  if (isLent(chunk)) {
    return end - start < SHARED_FROM_OCTETS
      ? cloneOctets(chunk, start, end)
      : copyToKeep(chunk, start, end, userView);
  }
  return start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
}

/**
 * The range as octets that stay and are a plain Uint8Array, always a copy. Small ones share memory, of one octet too: whoever keeps one keeps
 * 8 KiB with it.
 */
export function copiedRange(chunk: Uint8Array, start: number, end: number): Uint8Array {
  return copyToKeep(chunk, start, end, plainView);
}

function copyToKeep<Octets extends Uint8Array>(
  source: Uint8Array,
  start: number,
  end: number,
  viewOf: ViewOf<Octets>,
): Octets {
  const octets = end - start;
  if (octets > SHARED_UP_TO_OCTETS) {
    const copy = cloneOctets(source, start, end);
    return viewOf(copy.buffer, copy.byteOffset, octets);
  }
  if (slab.length - slabUsed < octets) {
    slab = sharedSlab(SLAB_OCTETS);
    slabUsed = 0;
  }
  const at = slabUsed;
  slabUsed = (at + octets + ALIGNMENT_OCTETS - 1) & -ALIGNMENT_OCTETS;
  copyOctets(slab, at, source, start, end);
  return viewOf(slab.buffer, slab.byteOffset + at, octets);
}
