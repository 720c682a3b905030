/**
 * Tells whether a received message was compressed on the wire, which the public API hides and the interoperability tests ask for. It looks
 * over the shoulder of the library's receive queue: what is put in the place of a message there is what came out of a decompressor.
 */

import { MessageQueue } from '../../../lib/call/message-queue.ts';
import type { MessageCodec } from '../../../lib/protobuf/index.ts';
import { rangeDeserializerOf, standsFor } from '../../../lib/range-deserializer.ts';

/** Places of decompressed messages in their memory. */
const inflated = new WeakMap<ArrayBufferLike, Set<number>>();

const replaceFirst = MessageQueue.prototype.replaceFirst;
MessageQueue.prototype.replaceFirst = function witnessed(
  this: MessageQueue,
  message: Uint8Array,
): void {
  const places = inflated.get(message.buffer) ?? new Set<number>();
  inflated.set(message.buffer, places.add(message.byteOffset));
  replaceFirst.call(this, message);
};

/** Messages that came compressed. */
const compressedMessages = new WeakSet<object>();
const witnessed = new WeakSet<object>();

/** Remembers from now on which messages of `codec` came compressed: see `cameCompressed`. Messages are looked at where they were received. */
export function witness(codec: MessageCodec): void {
  const { decode } = codec;
  if (witnessed.has(decode)) return;
  witnessed.add(decode);
  const decodeRange = rangeDeserializerOf<object>(decode);
  if (decodeRange === null) throw new Error('this codec reads no ranges');
  standsFor((chunk, start, end) => {
    const message = decodeRange(chunk, start, end);
    const places = inflated.get(chunk.buffer);
    if (places?.has(chunk.byteOffset + start) === true) compressedMessages.add(message);
    return message;
  }, decode);
}

/** Whether `message`, made by a witnessed codec, came compressed. */
export function cameCompressed(message: object): boolean {
  return compressedMessages.has(message);
}
