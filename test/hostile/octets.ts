/** Octets that attacks are made of: header blocks and gRPC messages, written by hand from RFC 7541 and gRPC PROTOCOL-HTTP2. */

import {
  data,
  END_HEADERS,
  END_STREAM,
  headers,
  octets,
  uint32,
} from '../support/frame-factory.ts';
import { block, REQUEST } from '../support/scripted-peer.ts';

/** A header field. */
export type Field = readonly [name: string, value: string];

/** RFC 9113 §7. */
export const Code = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;

/** Status codes of gRPC that attacks meet. */
export const Grpc = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  DEADLINE_EXCEEDED: 4,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  PERMISSION_DENIED: 7,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

/** Paths of the methods that the victim serves. */
export const Path = {
  ECHO: '/test.Echo/Unary',
  ECHO_STREAM: '/test.Echo/Stream',
  /** Answers after 100 ms and ignores that its call was aborted. */
  SLOW: '/hostile.Work/Slow',
  /** Answers after 30 ms; ends at once when its call is aborted. */
  LATER: '/hostile.Work/Later',
  /** Never answers and never settles, until the victim is told. */
  NEVER: '/hostile.Work/Never',
  /** Streams what its request asks for: count and size as text, `100 1024`. */
  DOWNLOAD: '/hostile.Work/Download',
  /** Never asks for a message. */
  PARK: '/hostile.Work/Park',
  /** Reads all messages and answers with their number of octets as text. */
  COUNT: '/hostile.Work/Count',
  /** Answers with the metadata it got. */
  MIRROR: '/hostile.Work/Mirror',
  /** Fails as the request text says: throw, reject, value, late. */
  FAIL: '/hostile.Work/Fail',
  /** Closes with the request text as its status message. */
  STATUS: '/hostile.Work/Status',
  /** Decodes its request with protobufjs and sends it back. */
  PROTO: '/hostile.Work/Proto',
  /** The same as a behaviour of the alpha API, whose default reporter writes to stderr. */
  DECODE: '/hostile.Program/Decode',
  /** Begins to read its messages 200 ms after a hundred such calls have begun, all of them at once; answers when it has read all. */
  READ_LATER: '/hostile.Program/ReadLater',
} as const;

/** Request fields for `path`, with `replaced` put in place of fields of the same name (null drops it) and `extra` behind. */
export function requestFields(
  path: string,
  replaced: Readonly<Record<string, string | null>> = {},
  extra: readonly Field[] = [],
): Field[] {
  const fields: Field[] = [];
  for (const [name, value] of REQUEST) {
    const own = name === ':path' ? path : value;
    const given = Object.hasOwn(replaced, name) ? replaced[name]! : own;
    if (given !== null) fields.push([name, given]);
  }
  return [...fields, ...extra];
}

/** HEADERS of a request. */
export function request(
  streamId: number,
  path: string,
  options: {
    readonly replaced?: Readonly<Record<string, string | null>>;
    readonly extra?: readonly Field[];
    readonly endStream?: boolean;
  } = {},
): Uint8Array {
  const fields = requestFields(path, options.replaced, options.extra);
  return headers(
    streamId,
    block(...fields),
    END_HEADERS | (options.endStream === true ? END_STREAM : 0),
  );
}

/** A length-prefixed message (gRPC PROTOCOL-HTTP2). */
export function message(content: string | Uint8Array = '', flags = 0): Uint8Array {
  return octets([flags], uint32(content.length), content);
}

/** A whole unary call: HEADERS and one message with END_STREAM. */
export function unaryCall(
  streamId: number,
  path: string,
  content: string | Uint8Array = '',
  extra: readonly Field[] = [],
): Uint8Array {
  return octets(request(streamId, path, { extra }), data(streamId, message(content), END_STREAM));
}

/** The `index`-th stream id of a client. */
export function oddId(index: number): number {
  return index * 2 + 1;
}

/** An HPACK integer under its pattern bits (RFC 7541 §5.1). */
export function hpackInteger(value: number, prefixBits: number, pattern = 0): number[] {
  const prefix = 2 ** prefixBits - 1;
  if (value < prefix) return [pattern | value];
  const list = [pattern | prefix];
  let rest = value - prefix;
  for (; rest >= 128; rest = Math.floor(rest / 128)) list.push(128 + (rest % 128));
  return [...list, rest];
}

/** A literal field with incremental indexing and a new name (RFC 7541 §6.2.1). */
export function indexedLiteral(name: string, value: string): Uint8Array {
  return octets([0x40], hpackInteger(name.length, 7), name, hpackInteger(value.length, 7), value);
}

/** References to the entry at `index`, `count` times (RFC 7541 §6.1). */
export function references(index: number, count: number): Uint8Array {
  return new Uint8Array(count).fill(0x80 | index);
}
