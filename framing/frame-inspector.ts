/**
 * Octets → frames as values, for tracing and tests. Parses on its own, tells what is there rather than what is allowed, never
 * throws, and is never on the hot path. A second reading of RFC 9113 §4.1 and §6 beside FrameReader's, on purpose.
 */

import { latin1Slice, readUint16, readUint24, readUint31, readUint32 } from './bytes.ts';
import {
  CLIENT_PREFACE,
  ErrorCode,
  FRAME_HEADER_OCTETS,
  FrameFlag,
  SettingId,
} from './constants.ts';
import type { HeaderList } from './frame-handler.ts';

/** The frame header (RFC 9113 §4.1) as received; the reserved bit is dropped. */
export interface InspectedHead {
  /** Payload octets as declared. */
  readonly length: number;
  /** All eight flag bits, defined or not. */
  readonly flags: number;
  readonly streamId: number;
}

/** The priority fields of HEADERS and PRIORITY (RFC 9113 §6.2, §6.3). `weight` is 1 … 256. */
export interface InspectedPriority {
  readonly exclusive: boolean;
  readonly dependency: number;
  readonly weight: number;
}

/** One parameter of a SETTINGS frame. */
export interface InspectedSetting {
  readonly id: number;
  readonly value: number;
}

/**
 * A frame, told apart by `type`. Octet fields are views of the inspected octets. `padOctets` is null without the PADDED flag.
 * Beside RFC 9113's types: PREFACE (§3.4); UNKNOWN (§5.5); MALFORMED, a payload that does not hold its type's fields; and
 * INCOMPLETE, where the octets end inside a frame.
 */
export type InspectedFrame =
  | { readonly type: 'PREFACE' }
  | (InspectedHead &
      (
        | {
            readonly type: 'DATA';
            readonly endStream: boolean;
            readonly data: Uint8Array;
            readonly padOctets: number | null;
          }
        | {
            readonly type: 'HEADERS';
            readonly endStream: boolean;
            readonly endHeaders: boolean;
            readonly priority: InspectedPriority | null;
            readonly fragment: Uint8Array;
            readonly padOctets: number | null;
            /** The decoded list when a decoder was given and this frame ends its block, else null. */
            readonly headers: HeaderList | null;
          }
        | { readonly type: 'PRIORITY'; readonly priority: InspectedPriority }
        | { readonly type: 'RST_STREAM'; readonly errorCode: number }
        | {
            readonly type: 'SETTINGS';
            readonly ack: boolean;
            readonly settings: readonly InspectedSetting[];
          }
        | {
            readonly type: 'PUSH_PROMISE';
            readonly endHeaders: boolean;
            readonly promisedStreamId: number;
            readonly fragment: Uint8Array;
            readonly padOctets: number | null;
          }
        | { readonly type: 'PING'; readonly ack: boolean; readonly payload: Uint8Array }
        | {
            readonly type: 'GOAWAY';
            readonly lastStreamId: number;
            readonly errorCode: number;
            readonly debugData: Uint8Array;
          }
        | { readonly type: 'WINDOW_UPDATE'; readonly increment: number }
        | {
            readonly type: 'CONTINUATION';
            readonly endHeaders: boolean;
            readonly fragment: Uint8Array;
            /** As for HEADERS. */
            readonly headers: HeaderList | null;
          }
        | { readonly type: 'UNKNOWN'; readonly typeNumber: number; readonly payload: Uint8Array }
        | { readonly type: 'MALFORMED'; readonly typeNumber: number; readonly payload: Uint8Array }
      ))
  | { readonly type: 'INCOMPLETE'; readonly octets: Uint8Array };

/** Decodes a whole header block; called once per block, in order. Whatever it throws leaves `inspectFrames`. */
export type InspectionDecoder = (block: Uint8Array) => HeaderList;

const TYPE_NAMES = [
  'DATA',
  'HEADERS',
  'PRIORITY',
  'RST_STREAM',
  'SETTINGS',
  'PUSH_PROMISE',
  'PING',
  'GOAWAY',
  'WINDOW_UPDATE',
  'CONTINUATION',
] as const;

const NO_OCTETS = new Uint8Array(0);

/**
 * Reads `octets` as one direction of a connection, from its preface or from any frame boundary. With `decode`, header blocks
 * of HEADERS and CONTINUATION come decoded.
 */
export function inspectFrames(octets: Uint8Array, decode?: InspectionDecoder): InspectedFrame[] {
  const frames: InspectedFrame[] = [];
  let at = 0;
  if (startsWithPreface(octets)) {
    frames.push({ type: 'PREFACE' });
    at = CLIENT_PREFACE.length;
  }
  let block: Uint8Array = NO_OCTETS;
  while (at < octets.length) {
    const payloadAt = at + FRAME_HEADER_OCTETS;
    const end =
      payloadAt > octets.length ? Number.POSITIVE_INFINITY : payloadAt + readUint24(octets, at);
    if (end > octets.length) {
      frames.push({ type: 'INCOMPLETE', octets: octets.subarray(at) });
      break;
    }
    const frame = inspectFrame(octets.subarray(at, payloadAt), octets.subarray(payloadAt, end));
    at = end;
    if (decode !== undefined && (frame.type === 'HEADERS' || frame.type === 'CONTINUATION')) {
      block = frame.type === 'HEADERS' ? frame.fragment : joined(block, frame.fragment);
      frames.push(frame.endHeaders ? { ...frame, headers: decode(block) } : frame);
    } else {
      frames.push(frame);
    }
  }
  return frames;
}

function startsWithPreface(octets: Uint8Array): boolean {
  return (
    octets.length >= CLIENT_PREFACE.length &&
    latin1Slice(octets, 0, CLIENT_PREFACE.length) === CLIENT_PREFACE
  );
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

function inspectFrame(head: Uint8Array, payload: Uint8Array): InspectedFrame {
  const typeNumber = head[3]!;
  const flags = head[4]!;
  const common: InspectedHead = {
    length: payload.length,
    flags,
    streamId: readUint31(head, 5),
  };
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const malformed: InspectedFrame = { type: 'MALFORMED', ...common, typeNumber, payload };
  const name = TYPE_NAMES[typeNumber];
  switch (name) {
    case 'DATA': {
      const body = unpadded(payload, has(FrameFlag.PADDED));
      if (body === null) return malformed;
      const { content: data, padOctets } = body;
      return { type: name, ...common, endStream: has(FrameFlag.END_STREAM), data, padOctets };
    }
    case 'HEADERS': {
      const body = unpadded(payload, has(FrameFlag.PADDED));
      const priorityOctets = has(FrameFlag.PRIORITY) ? 5 : 0;
      if (body === null || body.content.length < priorityOctets) return malformed;
      return {
        type: name,
        ...common,
        endStream: has(FrameFlag.END_STREAM),
        endHeaders: has(FrameFlag.END_HEADERS),
        priority: priorityOctets > 0 ? priorityOf(body.content) : null,
        fragment: body.content.subarray(priorityOctets),
        padOctets: body.padOctets,
        headers: null,
      };
    }
    case 'PRIORITY':
      if (payload.length !== 5) return malformed;
      return { type: name, ...common, priority: priorityOf(payload) };
    case 'RST_STREAM':
      if (payload.length !== 4) return malformed;
      return { type: name, ...common, errorCode: readUint32(payload, 0) };
    case 'SETTINGS': {
      if (payload.length % 6 !== 0) return malformed;
      const settings: InspectedSetting[] = [];
      for (let at = 0; at < payload.length; at += 6) {
        settings.push({ id: readUint16(payload, at), value: readUint32(payload, at + 2) });
      }
      return { type: name, ...common, ack: has(FrameFlag.ACK), settings };
    }
    case 'PUSH_PROMISE': {
      const body = unpadded(payload, has(FrameFlag.PADDED));
      if (body === null || body.content.length < 4) return malformed;
      return {
        type: name,
        ...common,
        endHeaders: has(FrameFlag.END_HEADERS),
        promisedStreamId: readUint31(body.content, 0),
        fragment: body.content.subarray(4),
        padOctets: body.padOctets,
      };
    }
    case 'PING':
      if (payload.length !== 8) return malformed;
      return { type: name, ...common, ack: has(FrameFlag.ACK), payload };
    case 'GOAWAY':
      if (payload.length < 8) return malformed;
      return {
        type: name,
        ...common,
        lastStreamId: readUint31(payload, 0),
        errorCode: readUint32(payload, 4),
        debugData: payload.subarray(8),
      };
    case 'WINDOW_UPDATE':
      if (payload.length !== 4) return malformed;
      return { type: name, ...common, increment: readUint31(payload, 0) };
    case 'CONTINUATION':
      return {
        type: name,
        ...common,
        endHeaders: has(FrameFlag.END_HEADERS),
        fragment: payload,
        headers: null,
      };
    default:
      return { type: 'UNKNOWN', ...common, typeNumber, payload };
  }
}

/** Payload without pad length and padding, or null when they do not fit it. */
function unpadded(
  payload: Uint8Array,
  padded: boolean,
): { content: Uint8Array; padOctets: number | null } | null {
  if (!padded) return { content: payload, padOctets: null };
  const padOctets = payload[0];
  if (padOctets === undefined || padOctets >= payload.length) return null;
  return { content: payload.subarray(1, payload.length - padOctets), padOctets };
}

function priorityOf(octets: Uint8Array): InspectedPriority {
  return {
    exclusive: octets[0]! >= 0x80,
    dependency: readUint31(octets, 0),
    weight: octets[4]! + 1,
  };
}

/** One line of text for a frame: `HEADERS stream=1 length=32 END_STREAM END_HEADERS`. Header values are not shown: they may be secrets. */
export function describeFrame(frame: InspectedFrame): string {
  if (frame.type === 'PREFACE') return 'PREFACE';
  if (frame.type === 'INCOMPLETE') return `INCOMPLETE octets=${frame.octets.length}`;
  const words: string[] = [frame.type, `stream=${frame.streamId}`, `length=${frame.length}`];
  switch (frame.type) {
    case 'DATA':
      if (frame.endStream) words.push('END_STREAM');
      if (frame.padOctets !== null) words.push(`padding=${frame.padOctets}`);
      break;
    case 'HEADERS':
      if (frame.endStream) words.push('END_STREAM');
      if (frame.endHeaders) words.push('END_HEADERS');
      if (frame.padOctets !== null) words.push(`padding=${frame.padOctets}`);
      if (frame.priority !== null) words.push(...priorityWords(frame.priority));
      if (frame.headers !== null) words.push(`fields=${frame.headers.length / 2}`);
      break;
    case 'PRIORITY':
      words.push(...priorityWords(frame.priority));
      break;
    case 'RST_STREAM':
      words.push(nameOf(ErrorCode, frame.errorCode));
      break;
    case 'SETTINGS':
      if (frame.ack) words.push('ACK');
      for (const { id, value } of frame.settings) words.push(`${nameOf(SettingId, id)}=${value}`);
      break;
    case 'PUSH_PROMISE':
      words.push(`promised=${frame.promisedStreamId}`);
      if (frame.endHeaders) words.push('END_HEADERS');
      if (frame.padOctets !== null) words.push(`padding=${frame.padOctets}`);
      break;
    case 'PING':
      if (frame.ack) words.push('ACK');
      words.push(hex(frame.payload));
      break;
    case 'GOAWAY':
      words.push(`last=${frame.lastStreamId}`, nameOf(ErrorCode, frame.errorCode));
      if (frame.debugData.length > 0) words.push(JSON.stringify(printable(frame.debugData)));
      break;
    case 'WINDOW_UPDATE':
      words.push(`increment=${frame.increment}`);
      break;
    case 'CONTINUATION':
      if (frame.endHeaders) words.push('END_HEADERS');
      if (frame.headers !== null) words.push(`fields=${frame.headers.length / 2}`);
      break;
    case 'UNKNOWN':
    case 'MALFORMED':
      words.push(`type=0x${frame.typeNumber.toString(16)}`, `flags=0x${frame.flags.toString(16)}`);
      break;
  }
  return words.join(' ');
}

function priorityWords(priority: InspectedPriority): string[] {
  const words = [`dependency=${priority.dependency}`, `weight=${priority.weight}`];
  return priority.exclusive ? [...words, 'exclusive'] : words;
}

/** The name of `value` in a table of constants, else the number in hexadecimal. */
function nameOf(table: Readonly<Record<string, number>>, value: number): string {
  const entry = Object.entries(table).find(([, number]) => number === value);
  return entry === undefined ? `0x${value.toString(16)}` : entry[0];
}

function hex(octets: Uint8Array): string {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join('');
}

/** The first 100 octets as text; a peer's octets outside printable ASCII become dots, so that they cannot forge log lines. */
function printable(octets: Uint8Array): string {
  return latin1Slice(octets, 0, Math.min(octets.length, 100)).replace(/[^\x20-\x7e]/g, '.');
}
