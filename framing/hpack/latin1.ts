/**
 * Latin1 text to and from octets, one character per octet (RFC 9113 §8.2.1 leaves the octets above ASCII uninterpreted). Short strings go
 * through plain loops, longer ones through Buffer's own primitives where the runtime has a Buffer: crossing into it costs as much as eight characters.
 */

const FIXED_ARITY = 8;
const SHORT_TEXT = 16;
const PORTABLE_PIECE = 4096;

type Latin1Slice = (this: Uint8Array, start: number, end: number) => string;
type Latin1Write = (this: Uint8Array, text: string, offset: number, length: number) => number;

interface BufferPrimitives {
  readonly latin1Slice: Latin1Slice;
  readonly latin1Write: Latin1Write;
}

const primitives: BufferPrimitives | null = findPrimitives();
const latin1Slice: Latin1Slice = primitives === null ? portableSlice : primitives.latin1Slice;
const latin1Write: Latin1Write = primitives === null ? portableWrite : primitives.latin1Write;

/** Buffer's primitives if they are there and work on a plain Uint8Array, which their documentation does not promise. */
function findPrimitives(): BufferPrimitives | null {
  const prototype = (globalThis as { Buffer?: { prototype?: Partial<BufferPrimitives> } }).Buffer
    ?.prototype;
  const slice = prototype?.latin1Slice;
  const write = prototype?.latin1Write;
  if (typeof slice !== 'function' || typeof write !== 'function') return null;
  try {
    const octets = new Uint8Array(4);
    write.call(octets, 'a\xe9\x80', 1, 3);
    return slice.call(octets, 0, 4) === '\0a\xe9\x80' ? { latin1Slice: slice, latin1Write: write } : null;
  } catch {
    return null;
  }
}

/** `latin1Slice` for runtimes without Buffer; pieces keep the argument list short. */
export function portableSlice(this: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at += PORTABLE_PIECE) {
    const piece = this.subarray(at, Math.min(end, at + PORTABLE_PIECE));
    text += String.fromCharCode.apply(null, piece as unknown as number[]);
  }
  return text;
}

/** `latin1Write` for runtimes without Buffer. */
export function portableWrite(
  this: Uint8Array,
  text: string,
  offset: number,
  length: number,
): number {
  for (let i = 0; i < length; i += 1) this[offset + i] = text.charCodeAt(i);
  return length;
}

/** The octets `start` … `end` as text, one character per octet. The string shares nothing with `octets`. */
export function latin1Text(octets: Uint8Array, start: number, end: number): string {
  const at = octets;
  const i = start;
  // Joining single characters would build a rope; one call with all of them builds a flat string.
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
      return String.fromCharCode(at[i]!, at[i + 1]!, at[i + 2]!, at[i + 3]!, at[i + 4]!, at[i + 5]!);
    case 7:
      // biome-ignore format: one line a case
      return String.fromCharCode(at[i]!, at[i + 1]!, at[i + 2]!, at[i + 3]!, at[i + 4]!, at[i + 5]!, at[i + 6]!);
    case FIXED_ARITY:
      // biome-ignore format: one line a case
      return String.fromCharCode(at[i]!, at[i + 1]!, at[i + 2]!, at[i + 3]!, at[i + 4]!, at[i + 5]!, at[i + 6]!, at[i + 7]!);
    default:
      return latin1Slice.call(octets, start, end);
  }
}

/** Writes `text`, whose characters are 0 … 255, at `offset` of the caller's `target`; returns the offset behind it. */
export function writeLatin1(text: string, target: Uint8Array, offset: number): number {
  const length = text.length;
  if (length <= SHORT_TEXT) {
    for (let i = 0; i < length; i += 1) target[offset + i] = text.charCodeAt(i);
  } else {
    latin1Write.call(target, text, offset, length);
  }
  return offset + length;
}

const BEYOND_LATIN1 = /[^\0-\xff]/;

/** Whether every character of `text` is 0 … 255. */
export function isLatin1(text: string): boolean {
  // Engines keep such text in one octet per character and then need no look at it to answer the expression.
  if (text.length > FIXED_ARITY) return !BEYOND_LATIN1.test(text);
  let seen = 0;
  for (let i = 0; i < text.length; i += 1) seen |= text.charCodeAt(i);
  return seen < 0x100;
}
