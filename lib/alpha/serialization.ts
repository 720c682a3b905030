/** Between the callables of method descriptions and the octets of the call engine. */

/** What a serializer gave, which must be octets: throws TypeError for anything else. */
export function serialized(message: unknown): Uint8Array {
  if (message instanceof Uint8Array) return message;
  throw new TypeError(
    `it must return a Uint8Array, got ${message === null ? 'null' : typeof message}`,
  );
}
