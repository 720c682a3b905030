/** Prefix integers: the numbers inside every HPACK representation (RFC 7541 §5.1). */

import { ErrorCode } from '../constants.ts';
import { ConnectionError } from '../errors.ts';

/** Octets that one integer from the wire may take, its prefix octet included (L8): values reach 2^28 - 1 and more, beyond any legal use. */
export const MAX_DECODED_INTEGER_OCTETS = 5;

/** Octets that `encodeInteger` writes at most: the prefix octet and five more, for values up to 2^32 - 1. */
export const MAX_ENCODED_INTEGER_OCTETS = 6;

/** A place in a chunk that a reading function moves on; one object lives as long as its decoder. */
export interface Cursor {
  position: number;
}

const MAX_SHIFT = 7 * (MAX_DECODED_INTEGER_OCTETS - 1);

/**
 * Reads one integer at `cursor.position`, whose first octet holds it in its low `prefixBits` (1 … 8) bits, and moves the cursor behind it.
 * Throws ConnectionError COMPRESSION_ERROR: `hpack.truncated` at `end`, `hpack.integer-overflow` beyond five octets,
 * `hpack.integer-padded` when the last octet adds nothing (RFC 7541 §5.1 and §7.4).
 */
export function decodeInteger(
  chunk: Uint8Array,
  cursor: Cursor,
  end: number,
  prefixBits: number,
): number {
  let position = cursor.position;
  if (position >= end) throw new ConnectionError(ErrorCode.COMPRESSION_ERROR, 'hpack.truncated');
  const prefix = (1 << prefixBits) - 1;
  let value = chunk[position++]! & prefix;
  if (value === prefix) {
    let shift = 0;
    for (;;) {
      if (shift === MAX_SHIFT) {
        throw new ConnectionError(ErrorCode.COMPRESSION_ERROR, 'hpack.integer-overflow');
      }
      if (position >= end) {
        throw new ConnectionError(ErrorCode.COMPRESSION_ERROR, 'hpack.truncated');
      }
      const octet = chunk[position++]!;
      // Padding with zeros has no use but to make a parser work for nothing (CVE-2023-33953).
      if (octet === 0 && shift > 0) {
        throw new ConnectionError(ErrorCode.COMPRESSION_ERROR, 'hpack.integer-padded');
      }
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) break;
      shift += 7;
    }
  }
  cursor.position = position;
  return value;
}

/**
 * Writes `value` (0 … 2^32 - 1) at `offset` with a prefix of `prefixBits` (1 … 8) bits under the high bits of `pattern`; returns the offset
 * behind it. `target` is the caller's and has MAX_ENCODED_INTEGER_OCTETS free (RFC 7541 §5.1).
 */
export function encodeInteger(
  value: number,
  prefixBits: number,
  pattern: number,
  target: Uint8Array,
  offset: number,
): number {
  const prefix = (1 << prefixBits) - 1;
  if (value < prefix) {
    target[offset] = pattern | value;
    return offset + 1;
  }
  let position = offset;
  target[position++] = pattern | prefix;
  let rest = value - prefix;
  while (rest >= 0x80) {
    target[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[position++] = rest;
  return position;
}
