/** Between the callables of method descriptions and the octets of the call engine. */

/** What a serializer gave, which must be octets: throws TypeError for anything else. */
export function serialized(message: unknown): Uint8Array {
  if (message instanceof Uint8Array) return message;
  throw new TypeError(
    `it must return a Uint8Array, got ${message === null ? 'null' : typeof message}`,
  );
}

/** The range as a Uint8Array, `chunk` itself when it is all of it. */
export function rangeOf(chunk: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
}
