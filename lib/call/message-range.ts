/** Messages as the engine hands them on: ranges of chunks that may be lent for the time of one read. */

import { cloneOctets, copyToKeep, plainView, userView } from '../../framing/bytes.ts';
import { isLent } from '../../framing/lent-octets.ts';

/** Below this a message that a program keeps would keep a multiple of itself alive in shared memory (F10), and saves nothing there. */
const SHARED_FROM_OCTETS = 512;

/** The range as octets that stay: a view, `chunk` itself when it is all of it, or a copy when `chunk` is lent. */
export function keptRange(chunk: Uint8Array, start: number, end: number): Uint8Array {
  if (isLent(chunk)) {
    return end - start < SHARED_FROM_OCTETS
      ? cloneOctets(chunk, start, end)
      : copyToKeep(chunk, start, end, userView);
  }
  return start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
}

/** The range as octets that stay and are a plain Uint8Array, always a copy; small ones share memory. */
export function copiedRange(chunk: Uint8Array, start: number, end: number): Uint8Array {
  return copyToKeep(chunk, start, end, plainView);
}
