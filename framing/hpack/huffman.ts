/** Huffman coding of string literals (RFC 7541 §5.2): length, encoding, table-driven decoding. */

import { ErrorCode } from '../constants.ts';
import { ConnectionError } from '../errors.ts';
import {
  CODE_BITS,
  CODE_COUNT,
  CODES,
  EOS,
  FIRST_CODE,
  FIRST_POSITION,
  MAX_CODE_BITS,
  SYMBOLS_IN_CODE_ORDER,
} from './huffman-code.ts';

// Twelve bits hold two of the common symbols (5, 6 and 7 bits), and the table of 16 KiB stays in the first-level cache.
const LOOKUP_BITS = 12;
const LOOKUP_MASK = (1 << LOOKUP_BITS) - 1;

/**
 * By the next twelve bits: first symbol (bits 0-7), second symbol (8-15), bits of the first (16-19), bits of both, or of the first when there
 * is no second (20-23). 0 where the first code is longer than twelve bits; no real entry is 0, as it uses at least five bits.
 */
const LOOKUP: Int32Array = new Int32Array(1 << LOOKUP_BITS);

/** By symbol: the code above its length in bits (0-4), so that one load gets both; 0 for codes of more than 24 bits. */
const PACKED_CODES: Int32Array = packedCodes();

function packedCodes(): Int32Array {
  const packed = new Int32Array(EOS + 1);
  for (let symbol = 0; symbol <= EOS; symbol++) {
    const bits = CODE_BITS[symbol]!;
    if (bits <= 24) packed[symbol] = (CODES[symbol]! << 5) | bits;
  }
  return packed;
}

/** At the first decoding, not when the module is loaded: it takes part of a millisecond. */
function fillLookup(): void {
  for (let window = 0; window <= LOOKUP_MASK; window++) {
    const first = symbolAt(window, LOOKUP_BITS);
    if (first < 0) continue;
    const firstBits = CODE_BITS[first]!;
    const restBits = LOOKUP_BITS - firstBits;
    const second = symbolAt(window & ((1 << restBits) - 1), restBits);
    LOOKUP[window] =
      second < 0
        ? first | (firstBits << 16) | (firstBits << 20)
        : first | (second << 8) | (firstBits << 16) | ((firstBits + CODE_BITS[second]!) << 20);
  }
}

/** The symbol whose code begins `bits`, of which there are `count`; -1 when there is none that short. */
function symbolAt(bits: number, count: number): number {
  for (let length = 5; length <= count; length++) {
    const nth = (bits >>> (count - length)) - FIRST_CODE[length]!;
    if (nth < CODE_COUNT[length]!) return SYMBOLS_IN_CODE_ORDER[FIRST_POSITION[length]! + nth]!;
  }
  return -1;
}

/** Octets that `huffmanEncode` writes for `text`, whose characters are 0 … 255; linear in its length (RFC 7541 §5.2). */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += CODE_BITS[text.charCodeAt(i)]!;
  return (bits + 7) >>> 3;
}

/**
 * Writes `text`, whose characters are 0 … 255, Huffman-coded and padded with ones at `offset`; returns the offset behind it. `target` is the
 * caller's and has `huffmanLength(text)` octets free (RFC 7541 §5.2).
 */
export function huffmanEncode(text: string, target: Uint8Array, offset: number): number {
  let position = offset;
  let pending = 0;
  let pendingBits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i);
    const packed = PACKED_CODES[symbol]!;
    if (packed !== 0) {
      const bits = packed & 0x1f;
      pending = (pending << bits) | (packed >>> 5);
      pendingBits += bits;
    } else {
      // Up to 7 bits wait, so a code of more than 24 bits goes in two parts to stay within 32.
      const highBits = CODE_BITS[symbol]! - 16;
      pending = (pending << highBits) | (CODES[symbol]! >>> 16);
      pendingBits += highBits;
      while (pendingBits >= 8) {
        pendingBits -= 8;
        target[position++] = pending >>> pendingBits;
      }
      pending = (pending << 16) | (CODES[symbol]! & 0xffff);
      pendingBits += 16;
    }
    while (pendingBits >= 8) {
      pendingBits -= 8;
      target[position++] = pending >>> pendingBits;
    }
  }
  if (pendingBits > 0) {
    const padBits = 8 - pendingBits;
    target[position++] = (pending << padBits) | ((1 << padBits) - 1);
  }
  return position;
}

/** The most octets that `octets` Huffman-coded octets can decode to: the shortest code has five bits. */
export function maxHuffmanDecodedOctets(octets: number): number {
  return Math.floor((octets * 8) / 5);
}

/** The fewest octets that `octets` Huffman-coded octets can decode to: the longest code of an octet has thirty bits. */
export function minHuffmanDecodedOctets(octets: number): number {
  return Math.max(0, Math.floor((octets * 8 - 7) / MAX_CODE_BITS));
}

/**
 * Decodes `start` … `end` of `chunk` to `target` at `offset`; returns the offset behind the decoded octets. `target` is the caller's and has
 * `maxHuffmanDecodedOctets(end - start)` free. Linear in the length. Throws ConnectionError COMPRESSION_ERROR: `hpack.huffman-eos`,
 * `hpack.huffman-padding-too-long` for 8 bits or more, `hpack.huffman-padding-not-ones` (RFC 7541 §5.2).
 */
export function huffmanDecode(
  chunk: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  offset: number,
): number {
  if (LOOKUP[0] === 0) fillLookup();
  let position = start;
  let written = offset;
  // The low `waiting` bits of `bits` are read but not decoded; what stands above them is old.
  let bits = 0;
  let waiting = 0;
  for (;;) {
    while (waiting <= 16 && position < end) {
      bits = (bits << 8) | chunk[position++]!;
      waiting += 8;
    }
    if (waiting < LOOKUP_BITS) break;
    const entry = LOOKUP[(bits >>> (waiting - LOOKUP_BITS)) & LOOKUP_MASK]!;
    if (entry !== 0) {
      const used = entry >>> 20;
      target[written++] = entry;
      if (used !== ((entry >>> 16) & 0xf)) target[written++] = entry >>> 8;
      waiting -= used;
      continue;
    }
    // A code of 13 bits or more: rare, so it is walked bit by bit from its place in the chunk.
    let bitPosition = position * 8 - waiting;
    const lastBit = end * 8;
    let code = 0;
    let length = 0;
    let symbol = -1;
    while (symbol < 0) {
      if (bitPosition === lastBit) {
        throw paddingError(code, length);
      }
      code = (code << 1) | ((chunk[bitPosition >>> 3]! >>> (7 - (bitPosition & 7))) & 1);
      bitPosition++;
      length++;
      const nth = code - FIRST_CODE[length]!;
      if (nth < CODE_COUNT[length]!) symbol = SYMBOLS_IN_CODE_ORDER[FIRST_POSITION[length]! + nth]!;
    }
    if (symbol === EOS) {
      throw new ConnectionError(ErrorCode.COMPRESSION_ERROR, 'hpack.huffman-eos');
    }
    target[written++] = symbol;
    position = (bitPosition + 7) >>> 3;
    waiting = position * 8 - bitPosition;
    bits = waiting > 0 ? chunk[position - 1]! : 0;
  }
  // Fewer than twelve bits are left: fill up with ones, as the padding does, and take the symbols that lie within what is left.
  while (waiting > 0) {
    const window =
      ((bits << (LOOKUP_BITS - waiting)) | ((1 << (LOOKUP_BITS - waiting)) - 1)) & LOOKUP_MASK;
    const entry = LOOKUP[window]!;
    const used = (entry >>> 16) & 0xf;
    if (entry === 0 || used > waiting) {
      const mask = (1 << waiting) - 1;
      if (waiting > 7 || (bits & mask) !== mask) throw paddingError(bits & mask, waiting);
      break;
    }
    target[written++] = entry;
    waiting -= used;
  }
  return written;
}

/** The fault of `count` last bits that are no symbol. */
function paddingError(bits: number, count: number): ConnectionError {
  const ones = bits === (1 << count) - 1;
  return new ConnectionError(
    ErrorCode.COMPRESSION_ERROR,
    ones ? 'hpack.huffman-padding-too-long' : 'hpack.huffman-padding-not-ones',
  );
}
