/** One thing that a bad client sends, and what the server owes in return. */

import type { RawPeer } from '../../hostile/raw-peer.ts';
import {
  END_HEADERS,
  END_STREAM,
  headers,
  octets,
  PREFACE,
  settings,
} from '../../support/frame-factory.ts';

/** What must come back. Handlers that the payload must start are counted beside it. */
export type Verdict =
  /** GOAWAY with one of these codes, then the close. */
  | { readonly goAway: readonly number[] }
  /** RST_STREAM with this code on this stream, and a connection that still answers PING. */
  | { readonly reset: readonly [streamId: number, code: number] }
  /** The end of the response on this stream with this grpc-status, and a connection that still answers PING. */
  | { readonly status: readonly [streamId: number, code: number] }
  /** This HTTP status on this stream, and a connection that still answers PING. */
  | { readonly http: readonly [streamId: number, status: string] }
  /** Nothing: the connection still answers PING. */
  | { readonly ignored: true }
  /** Incomplete input: nothing but the close when the client has half-closed. */
  | { readonly unfinished: true };

/** A payload of the suite. */
export interface Payload {
  readonly program: string;
  readonly name: string;
  readonly octets: Uint8Array;
  readonly verdict: Verdict;
  /**
   * Handlers that must have started in the end; 0 unless given. `any`: user code runs after the last frame of a read, so one that opens a stream
   * and ends it starts none, and two reads may start one.
   */
  readonly starts?: number | 'any';
  /** More to be checked, after the verdict. */
  check?(peer: RawPeer): void | Promise<void>;
}

/** Answers with the number of octets that it got. */
export const COUNT_PATH = '/hostile.Work/Count';

/** Preface and empty SETTINGS. */
export const GREETING: Uint8Array = octets(PREFACE, settings());

type Field = readonly [name: string, value: string];

/** The fields of a good request. */
export const REQUEST_FIELDS: readonly Field[] = [
  [':path', COUNT_PATH],
  [':scheme', 'http'],
  [':method', 'POST'],
  [':authority', 'localhost'],
  ['content-type', 'application/grpc'],
  ['grpc-accept-encoding', 'deflate, identity, gzip'],
  ['te', 'trailers'],
  ['user-agent', 'bad-client'],
];

/** `REQUEST_FIELDS` without those called `left`, and with `added` behind them. */
export function fieldsWith(left: readonly string[], ...added: readonly Field[]): Field[] {
  return [...REQUEST_FIELDS.filter(([name]) => !left.includes(name)), ...added];
}

/** A literal that is never indexed, without Huffman (RFC 7541 §6.2.3). */
export function literal(name: string, value: string): Uint8Array {
  if (name.length > 126 || value.length > 16_000) throw new RangeError('too long');
  const rest = value.length - 127;
  const length =
    rest < 0 ? [value.length] : rest < 128 ? [127, rest] : [127, (rest & 127) | 128, rest >> 7];
  return octets([0x10, name.length], name, length, value);
}

/** A header block of such literals. */
export function block(fields: readonly Field[]): Uint8Array {
  return octets(...fields.map(([name, value]) => literal(name, value)));
}

/** HEADERS of a request that has more to come. */
export function open(streamId = 1, fields: readonly Field[] = REQUEST_FIELDS): Uint8Array {
  return headers(streamId, block(fields));
}

/** HEADERS of a request without any message. */
export function openAndEnd(streamId = 1, fields: readonly Field[] = REQUEST_FIELDS): Uint8Array {
  return headers(streamId, block(fields), END_HEADERS | END_STREAM);
}

/** The octets of gRPC's prefix for a message of `length`. */
export function prefix(length: number, flags = 0): number[] {
  return [flags, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255];
}
