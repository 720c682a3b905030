/** Messages as the engine hands them on: ranges of chunks that may be lent for the time of one read. */

import { cloneOctets } from '../../framing/bytes.ts';
import { isLent } from '../../framing/lent-octets.ts';

/** The range as octets that stay: a view, `chunk` itself when it is all of it, or a copy when `chunk` is lent. */
export function keptRange(chunk: Uint8Array, start: number, end: number): Uint8Array {
  if (isLent(chunk)) return cloneOctets(chunk, start, end);
  return start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
}
