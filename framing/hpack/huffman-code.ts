/**
 * The Huffman code of RFC 7541 Appendix B as data. The code is canonical: symbols of one length have consecutive codes in the order of the
 * symbols, and shorter codes come first. So the lengths say everything, and the codes are counted out from them.
 */

/** The symbol EOS, which never occurs in a string; its prefix of ones is the padding (RFC 7541 §5.2). */
export const EOS = 256;

/** The longest code, in bits. */
export const MAX_CODE_BITS = 30;

/** Code lengths in bits by symbol, 0 … 256. */
// biome-ignore format: sixteen symbols a line
export const CODE_BITS: Uint8Array = new Uint8Array([
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
]);

/** All symbols, shortest code first and in code order. */
export const SYMBOLS_IN_CODE_ORDER: Uint16Array = new Uint16Array(EOS + 1);
/** The first code of each length, by length in bits. */
export const FIRST_CODE: Int32Array = new Int32Array(MAX_CODE_BITS + 1);
/** How many codes have each length, by length in bits. */
export const CODE_COUNT: Int32Array = new Int32Array(MAX_CODE_BITS + 1);
/** Where the symbols of each length begin in `SYMBOLS_IN_CODE_ORDER`, by length in bits. */
export const FIRST_POSITION: Int32Array = new Int32Array(MAX_CODE_BITS + 1);
/** Codes by symbol, 0 … 256, in the low bits. */
export const CODES: Int32Array = new Int32Array(EOS + 1);

countOutCodes();

function countOutCodes(): void {
  for (let symbol = 0; symbol <= EOS; symbol++) CODE_COUNT[CODE_BITS[symbol]!]!++;
  for (let bits = 1; bits <= MAX_CODE_BITS; bits++) {
    FIRST_CODE[bits] = (FIRST_CODE[bits - 1]! + CODE_COUNT[bits - 1]!) * 2;
    FIRST_POSITION[bits] = FIRST_POSITION[bits - 1]! + CODE_COUNT[bits - 1]!;
  }
  const counted = new Int32Array(MAX_CODE_BITS + 1);
  for (let symbol = 0; symbol <= EOS; symbol++) {
    const bits = CODE_BITS[symbol]!;
    const nth = counted[bits]!++;
    SYMBOLS_IN_CODE_ORDER[FIRST_POSITION[bits]! + nth] = symbol;
    CODES[symbol] = FIRST_CODE[bits]! + nth;
  }
}
