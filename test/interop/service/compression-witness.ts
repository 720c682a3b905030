/**
 * Tells whether a received message was compressed on the wire, which the public API hides and the interoperability tests ask for. It looks
 * over the shoulder of the library's receive queue: what is put in the place of a message there is what came out of a decompressor.
 */

import { MessageQueue } from '../../../lib/call/message-queue.ts';

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

/** Whether the octets given to a deserializer are those of a message that came compressed. */
export function wasCompressed(octets: Uint8Array): boolean {
  return inflated.get(octets.buffer)?.has(octets.byteOffset) === true;
}

/** Messages that came compressed. */
const compressedMessages = new WeakSet<object>();

/** `decode`, which also remembers of each message whether it was compressed: see `cameCompressed`. */
export function witnessing<Message extends object>(
  decode: (octets: Uint8Array) => Message,
): (octets: Uint8Array) => Message {
  return (octets) => {
    const message = decode(octets);
    if (wasCompressed(octets)) compressedMessages.add(message);
    return message;
  };
}

/** Whether `message`, made by a witnessing decoder, came compressed. */
export function cameCompressed(message: object): boolean {
  return compressedMessages.has(message);
}
