/**
 * Messages of one protobufjs type into octets and back. Encoding and decoding are protobufjs's own; here are the checks around them and
 * the memory they use.
 */

import protobuf from 'protobufjs';
import { copiedRange, keptRange } from '../call/message-range.ts';
import type { KnownOptions } from '../known-options.ts';
import { sharedSlab } from '../platform/shared-slab.ts';
import { standsFor } from '../range-deserializer.ts';
import { FieldProblem, MessageChecker } from './message-check.ts';
import { codingProblem, converterStart, messageDepth, readerStart } from './message-depth.ts';
import { fullNameOf } from './proto-check.ts';

/** How messages are converted. */
export interface ConversionOptions {
  /**
   * Received messages become plain objects by protobufjs's `toObject` with these options (`longs`, `enums`, `bytes`, `defaults`,
   * `arrays`, `objects`, `oneofs`, `json`), whose names are not checked. Without it they are protobufjs message instances: absent fields
   * read as their defaults and 64-bit integers are Longs.
   */
  readonly toObject?: protobuf.IConversionOptions;
  /**
   * True: messages go to protobufjs's encoder as they are. It writes zero or nothing for a value of a wrong type and drops fields it
   * does not know, so this is only for messages known to be right. False, the default, checks them first.
   */
  readonly unchecked?: boolean;
  /**
   * Messages may hold messages this deep, read or written, groups, unknown fields and the contents of Any as JSON included (L26). 100 by
   * default, as in protobuf's own libraries; 1 to 10,000. Holds whatever `recursionLimit` of protobufjs is set to.
   */
  readonly maxMessageDepth?: number;
}

/** The names of `ConversionOptions`. Those in `toObject` are protobufjs's, of which a later version may have more: they are not checked. */
export const CONVERSION_OPTIONS: KnownOptions<ConversionOptions> = {
  toObject: true,
  unchecked: true,
  maxMessageDepth: true,
};

/** Messages of one type into octets and back. */
export interface MessageCodec<Message = object> {
  /** The full name of the message type, such as `google.protobuf.Timestamp`. */
  readonly typeName: string;
  /**
   * The octets of a message instance or plain object; they are the caller's, though their `.buffer` may hold other messages. 64-bit integers
   * may be numbers, bigints, decimal strings or Longs, and enum values numbers or names. Throws TypeError that names the field and what is wrong
   * with it.
   */
  readonly encode: (message: Message) => Uint8Array;
  /**
   * The message in `octets`, which keeps no reference to a much larger buffer that they are part of. Throws Error when they are not a
   * message of this type, or nested more than `maxMessageDepth` deep (L26).
   */
  readonly decode: (octets: Uint8Array) => Message;
}

/** What a codec needs of a message type; made from a reflected type, or from a class of a static module. */
export interface EncodableType {
  readonly name: string;
  /** Whether messages of the type may hold `bytes`, which protobufjs decodes as views. */
  readonly holdsBytes: boolean;
  readonly encode: (message: object, writer: protobuf.Writer, depth: number) => protobuf.Writer;
  /** `depth`: what protobufjs is to believe that it has descended so far. The same holds for the others. */
  readonly decode: (octets: Uint8Array | protobuf.Reader, depth: number) => object;
  readonly toObject: (
    message: object,
    options: protobuf.IConversionOptions,
    depth: number,
  ) => object;
  /** What to encode for `message`, which is nested no deeper than `maxDepth`. Throws FieldProblem. */
  readonly check: (message: unknown, maxDepth: number) => object;
}

/** The methods of protobufjs with the parameter that its declarations leave out. */
interface DepthAware {
  encode(message: object, writer: protobuf.Writer, depth: number): protobuf.Writer;
  decode(
    octets: Uint8Array | protobuf.Reader,
    length: undefined,
    endTag: undefined,
    depth: number,
  ): object;
  toObject(message: object, options: protobuf.IConversionOptions, depth: number): object;
}

const CHECKER = new MessageChecker(false);
const TEXT_BYTES_CHECKER = new MessageChecker(true);

/** The parts of a reflected type. */
export function encodableOfType(
  type: protobuf.Type,
  conversion: protobuf.IConversionOptions | undefined,
): EncodableType {
  const checker = conversion?.bytes === String ? TEXT_BYTES_CHECKER : CHECKER;
  const methods = type as unknown as DepthAware;
  return {
    name: fullNameOf(type),
    holdsBytes: holdsBytes(type, new Set()),
    encode: (message, writer, depth) => methods.encode(message, writer, depth),
    decode: (octets, depth) => methods.decode(octets, undefined, undefined, depth),
    toObject: (message, options, depth) => methods.toObject(message, options, depth),
    check: checker.forType(type),
  };
}

function holdsBytes(type: protobuf.Type, seen: Set<protobuf.Type>): boolean {
  if (seen.has(type)) return false;
  seen.add(type);
  return type.fieldsArray.some((field) => {
    const resolved = field.resolve().resolvedType;
    if (resolved === null) return field.type === 'bytes';
    return 'fieldsArray' in resolved && holdsBytes(resolved, seen);
  });
}

/** The codec of `type`. `role` begins its error messages, such as `request of /demo.Files/Stat`. */
export function messageCodec<Message>(
  type: EncodableType,
  role: string,
  options: ConversionOptions,
): MessageCodec<Message> {
  const { check, name, holdsBytes } = type;
  const unchecked = options.unchecked === true;
  const conversion = options.toObject ?? null;
  const maxDepth = messageDepth(options.maxMessageDepth);

  function encode(message: Message): Uint8Array {
    try {
      const checked = unchecked ? (message as object) : check(message, maxDepth);
      return encodeMessage(type, checked, maxDepth);
    } catch (error) {
      throw new TypeError(`${role}: ${encodingProblem(error, name, maxDepth)}`, { cause: error });
    }
  }

  function decodeFrom(source: Uint8Array | protobuf.Reader, octets: number): Message {
    try {
      const message = type.decode(source, readerStart(maxDepth));
      if (conversion === null) return message as Message;
      return type.toObject(message, conversion, converterStart(maxDepth)) as Message;
    } catch (error) {
      throw new Error(
        `${role}: not a ${name} message (${octets} octets): ${codingProblem(error, maxDepth)}`,
        { cause: error },
      );
    }
  }

  function decode(octets: Uint8Array): Message {
    return decodeFrom(holdsBytes ? detached(octets) : octets, octets.length);
  }

  function decodeRange(chunk: Uint8Array, start: number, end: number): Message {
    // What protobufjs keeps of its input are views: `bytes` fields, and unknown fields where the program asks for them.
    if (holdsBytes || !discardsUnknown()) {
      return decodeFrom(ownOctets(chunk, start, end), end - start);
    }
    const reader = protobuf.Reader.create(chunk);
    reader.pos = start;
    reader.len = end;
    return decodeFrom(reader, end - start);
  }

  standsFor(decodeRange, decode);
  return { typeName: name, encode, decode };
}

function encodingProblem(error: unknown, typeName: string, maxDepth: number): string {
  if (error instanceof FieldProblem) return error.message;
  return `cannot be encoded as ${typeName}: ${codingProblem(error, maxDepth)}`;
}

/**
 * The octets as a plain Uint8Array whose buffer they fill at least half. `bytes` fields become views of that buffer, and would keep a whole
 * 64 KiB read alive for the sake of a few octets.
 */
function detached(octets: Uint8Array): Uint8Array {
  if (octets.length * 2 < octets.buffer.byteLength) return new Uint8Array(octets);
  return octets.constructor === Uint8Array
    ? octets
    : new Uint8Array(octets.buffer, octets.byteOffset, octets.length);
}

function discardsUnknown(): boolean {
  return (
    (protobuf.Reader as unknown as { readonly discardUnknown?: boolean }).discardUnknown === true
  );
}

/** Received messages up to this size are copied even where they need not be: a view of a large chunk would keep all of it. */
const COPIED_OCTETS = 2048;

/** A copy of the range, or the range itself where its chunk is about that large and may be kept. */
function ownOctets(chunk: Uint8Array, start: number, end: number): Uint8Array {
  if (end - start > COPIED_OCTETS) return detached(keptRange(chunk, start, end));
  return copiedRange(chunk, start, end);
}

const SLAB_OCTETS = 8192;
const SLAB_RESERVE = 1024;

// One writer for all codecs. Messages lie one behind the other in a slab and are handed out as views of it, so that a small message costs
// no buffer and no copy of its own. The first slab is made at the first message.
let slab: Uint8Array = new Uint8Array(0);
let writer = writerOn(slab);
let busy = false;

/** protobufjs's writer calls Buffer's own methods where there is one. Never from Buffer's pool: a message would hold that as well. */
function newSlab(): Uint8Array {
  const { Buffer } = protobuf.util as unknown as { Buffer: typeof globalThis.Buffer | null };
  const octets = sharedSlab(SLAB_OCTETS);
  return Buffer === null ? octets : Buffer.from(octets.buffer);
}

function writerOn(buffer: Uint8Array): protobuf.Writer {
  const made = protobuf.Writer.create();
  made.buf = buffer;
  return made;
}

function renewSlab(): void {
  slab = newSlab();
  writer = writerOn(slab);
}

function encodeMessage(type: EncodableType, message: object, maxDepth: number): Uint8Array {
  const depth = converterStart(maxDepth);
  // A getter of the message that encodes something itself must not write into ours.
  if (busy) return type.encode(message, protobuf.Writer.create(), depth).finish();
  if (slab.length - writer.pos < SLAB_RESERVE) renewSlab();
  const start = writer.pos;
  busy = true;
  let complete = false;
  try {
    type.encode(message, writer, depth);
    complete = true;
  } finally {
    busy = false;
    if (!complete) renewSlab(); // the writer is in the middle of something
  }
  const { buf, pos } = writer;
  if (buf === slab) return new Uint8Array(buf.buffer, buf.byteOffset + start, pos - start);
  // The message outgrew the slab: the writer went on in a larger buffer of its own.
  renewSlab();
  return detached(buf.subarray(start, pos));
}
