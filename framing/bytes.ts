/**
 * Octet access for everything in framing: big-endian integers, latin1 text, copies, allocation. The one place that looks for
 * `Buffer`; without it every function does the same with plain Uint8Arrays. Callers check ranges: nothing here does.
 */

const BufferClass = (globalThis as { Buffer?: typeof Buffer }).Buffer;

/** Ranges up to this length are copied and read in a loop; calls into the runtime only pay above it. */
const LOOP_OCTETS = 32;

/** The empty octet string, shared: it has nothing to modify. */
export const NO_OCTETS: Uint8Array =
  BufferClass === undefined ? new Uint8Array(0) : BufferClass.alloc(0);

/** Reads 16 bits at `at`. */
export function readUint16(octets: Uint8Array, at: number): number {
  return (octets[at]! << 8) | octets[at + 1]!;
}

/** Reads 24 bits at `at`. */
export function readUint24(octets: Uint8Array, at: number): number {
  return (octets[at]! << 16) | (octets[at + 1]! << 8) | octets[at + 2]!;
}

/** Reads the low 31 bits of the 32 at `at`: a stream identifier or increment without its reserved bit (RFC 9113 §4.1). */
export function readUint31(octets: Uint8Array, at: number): number {
  return (
    ((octets[at]! & 0x7f) << 24) |
    (octets[at + 1]! << 16) |
    (octets[at + 2]! << 8) |
    octets[at + 3]!
  );
}

/** Reads 32 bits at `at`, 0 … 2^32-1. */
export function readUint32(octets: Uint8Array, at: number): number {
  return (
    ((octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!) >>> 0
  );
}

/** Writes the low 16 bits of `value` at `at`. */
export function writeUint16(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >>> 8;
  octets[at + 1] = value;
}

/** Writes the low 24 bits of `value` at `at`. */
export function writeUint24(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >>> 16;
  octets[at + 1] = value >>> 8;
  octets[at + 2] = value;
}

/** Writes the low 32 bits of `value` at `at`. */
export function writeUint32(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >>> 24;
  octets[at + 1] = value >>> 16;
  octets[at + 2] = value >>> 8;
  octets[at + 3] = value;
}

/** Copies `start` … `end` of `source` to `target` at `at`, which must have room. */
export function copyOctets(
  target: Uint8Array,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
): void {
  const length = end - start;
  if (length <= LOOP_OCTETS) {
    for (let i = 0; i < length; i++) target[at + i] = source[start + i]!;
  } else if (length === source.length) {
    target.set(source, at);
  } else {
    target.set(source.subarray(start, end), at);
  }
}

/** Returns `start` … `end` of `source` as octets of their own, in memory that holds nothing else: whoever keeps them keeps no pool. */
export function cloneOctets(source: Uint8Array, start: number, end: number): Uint8Array {
  const copy = allocateSlab(end - start);
  copyOctets(copy, 0, source, start, end);
  return copy;
}

/** Makes octets of memory: a plain Uint8Array or one of the runtime's own kind. */
export type ViewOf<Octets extends Uint8Array> = (
  memory: ArrayBufferLike,
  offset: number,
  octets: number,
) => Octets;

/** Plain Uint8Arrays. */
export const plainView: ViewOf<Uint8Array> = (memory, offset, octets) =>
  new Uint8Array(memory, offset, octets);

/** Views as user code knows octets of this runtime: Buffers where there are any. */
export const userView: ViewOf<Uint8Array> =
  BufferClass === undefined
    ? plainView
    : (memory, offset, octets) => BufferClass.from(memory, offset, octets);

/**
 * Allocates `octets` octets of unknown content, small ones from the runtime's shared pool. For short-lived or exactly filled
 * buffers; whoever allocates writes every octet before a range of it leaves.
 */
export function allocateOctets(octets: number): Uint8Array {
  return BufferClass === undefined ? new Uint8Array(octets) : BufferClass.allocUnsafe(octets);
}

/** Allocates `octets` octets of unknown content in memory of their own, for buffers that are kept and written again. */
export function allocateSlab(octets: number): Uint8Array {
  return BufferClass === undefined ? new Uint8Array(octets) : BufferClass.allocUnsafeSlow(octets);
}

/** Reads `start` … `end` as latin1 text: one character per octet. */
export function latin1Slice(octets: Uint8Array, start: number, end: number): string {
  if (BufferClass !== undefined) {
    if (octets instanceof BufferClass) return octets.toString('latin1', start, end);
    return BufferClass.from(octets.buffer, octets.byteOffset + start, end - start).toString(
      'latin1',
    );
  }
  let text = '';
  for (let i = start; i < end; i++) text += String.fromCharCode(octets[i]!);
  return text;
}

/** Writes `text` at `at`, one octet per character (the low eight bits), and returns the offset behind it. There must be room. */
export function latin1Write(octets: Uint8Array, at: number, text: string): number {
  const { length } = text;
  if (length > LOOP_OCTETS && BufferClass !== undefined && octets instanceof BufferClass) {
    return at + octets.write(text, at, length, 'latin1');
  }
  for (let i = 0; i < length; i++) octets[at + i] = text.charCodeAt(i);
  return at + length;
}
