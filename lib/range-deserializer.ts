/**
 * Deserializers that read a range of a larger chunk and keep no reference to it, so that a message can be read where it was received. They
 * are known by the deserializer of whole octet strings that they stand for; any other deserializer gets octets of its own.
 */

/** Turns the octets `start` … `end` of `chunk`, which are valid only during the call, into a value. */
export type RangeDeserializer<Value> = (chunk: Uint8Array, start: number, end: number) => Value;

const known = new WeakMap<object, RangeDeserializer<unknown>>();

/** Says that `fromRange` does for ranges what `deserialize` does for whole octet strings. */
export function standsFor<Value>(
  fromRange: RangeDeserializer<Value>,
  deserialize: (octets: Uint8Array) => Value,
): void {
  known.set(deserialize, fromRange);
}

/** What stands for `deserialize`, or null. */
export function rangeDeserializerOf<Value>(
  deserialize: (octets: Uint8Array) => Value,
): RangeDeserializer<Value> | null {
  return (known.get(deserialize) as RangeDeserializer<Value> | undefined) ?? null;
}
