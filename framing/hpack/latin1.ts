/** Latin1 text where HPACK is particular about it: short field texts, and the check before encoding (RFC 7541 §5.2: a string is octets). */

import { latin1Slice } from '../bytes.ts';

/**
 * The octets `start` … `end` as text, one character per octet. Most fields are short: up to eight characters are joined in one call, which
 * takes a third of the time of a call into the runtime, and gives a flat string where joining one by one would not.
 */
export function latin1Text(octets: Uint8Array, start: number, end: number): string {
  const at = octets;
  const i = start;
  switch (end - start) {
    case 0:
      return '';
    case 1:
      return String.fromCharCode(at[i]!);
    case 2:
      return String.fromCharCode(at[i]!, at[i + 1]!);
    case 3:
      return String.fromCharCode(at[i]!, at[i + 1]!, at[i + 2]!);
    case 4:
      return String.fromCharCode(at[i]!, at[i + 1]!, at[i + 2]!, at[i + 3]!);
    case 5:
      return String.fromCharCode(at[i]!, at[i + 1]!, at[i + 2]!, at[i + 3]!, at[i + 4]!);
    case 6:
      // biome-ignore format: one line a case
      return String.fromCharCode(at[i]!, at[i + 1]!, at[i + 2]!, at[i + 3]!, at[i + 4]!, at[i + 5]!);
    case 7:
      // biome-ignore format: one line a case
      return String.fromCharCode(at[i]!, at[i + 1]!, at[i + 2]!, at[i + 3]!, at[i + 4]!, at[i + 5]!, at[i + 6]!);
    case 8:
      // biome-ignore format: one line a case
      return String.fromCharCode(at[i]!, at[i + 1]!, at[i + 2]!, at[i + 3]!, at[i + 4]!, at[i + 5]!, at[i + 6]!, at[i + 7]!);
    default:
      return latin1Slice(octets, start, end);
  }
}

const LOOP_CHARACTERS = 8;
const BEYOND_LATIN1 = /[^\0-\xff]/;

/** Whether every character of `text` is 0 … 255. */
export function isLatin1(text: string): boolean {
  // Engines keep such text in one octet per character and then answer the expression without looking at the characters.
  if (text.length > LOOP_CHARACTERS) return !BEYOND_LATIN1.test(text);
  let seen = 0;
  for (let i = 0; i < text.length; i++) seen |= text.charCodeAt(i);
  return seen < 0x100;
}
