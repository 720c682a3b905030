/** gRPC over node:http2 by hand: what client and server peer share. Written from the gRPC documents, independent of our library. */

import { constants, type IncomingHttpHeaders } from 'node:http2';
import type { Pairs } from './peer.ts';

/** Header fields as node:http2 sends them. */
export type Fields = Record<string, string | string[]>;

/** A message with its five-octet prefix. */
export function framed(message: Uint8Array, compressed = false): Buffer {
  const whole = Buffer.alloc(5 + message.length);
  whole[0] = compressed ? 1 : 0;
  whole.writeUInt32BE(message.length, 1);
  whole.set(message, 5);
  return whole;
}

/** Cuts a stream of octets into messages. */
export class MessageSplitter {
  #parts: Buffer[] = [];
  #octets = 0;

  /** The messages that `chunk` completes. */
  push(chunk: Buffer): Buffer[] {
    this.#parts.push(chunk);
    this.#octets += chunk.length;
    const messages: Buffer[] = [];
    for (;;) {
      if (this.#octets < 5) return messages;
      this.#gather(5);
      const length = this.#parts[0]!.readUInt32BE(1);
      if (this.#octets < 5 + length) return messages;
      this.#gather(5 + length);
      const [first] = this.#parts as [Buffer];
      messages.push(first.subarray(5, 5 + length));
      this.#parts[0] = first.subarray(5 + length);
      this.#octets -= 5 + length;
    }
  }

  /** Octets of an incomplete message. */
  get rest(): number {
    return this.#octets;
  }

  /** Makes the first part at least `octets` long. */
  #gather(octets: number): void {
    if (this.#parts[0]!.length < octets) this.#parts = [Buffer.concat(this.#parts)];
  }
}

/** Metadata as header fields; octets in base64 without padding. */
export function fieldsOf(pairs: Pairs): Fields {
  const fields: Fields = {};
  for (const [key, value] of pairs) {
    const text =
      typeof value === 'string' ? value : Buffer.from(value).toString('base64').replace(/=+$/, '');
    const known = fields[key];
    if (known === undefined) fields[key] = text;
    else fields[key] = [...(Array.isArray(known) ? known : [known]), text];
  }
  return fields;
}

const OWN_FIELDS = new Set(['te', 'content-type', 'user-agent', 'date', 'content-length']);

/** The custom metadata in raw header fields (names and values in turn), in their order. */
export function pairsOf(rawFields: readonly string[]): Pairs {
  const pairs: [string, string | Uint8Array][] = [];
  for (let i = 0; i + 1 < rawFields.length; i += 2) {
    const name = rawFields[i]!;
    const value = rawFields[i + 1]!;
    if (name.startsWith(':') || name.startsWith('grpc-') || OWN_FIELDS.has(name)) continue;
    if (!name.endsWith('-bin')) pairs.push([name, value]);
    else for (const part of value.split(',')) pairs.push([name, octetsOf(part)]);
  }
  return pairs;
}

function octetsOf(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, 'base64'));
}

/** Percent-encoding of grpc-message: every octet of the UTF-8 form but printable ASCII without `%`. */
export function percentEncoded(text: string): string {
  return Array.from(Buffer.from(text), (octet) =>
    octet >= 0x20 && octet <= 0x7e && octet !== 0x25
      ? String.fromCharCode(octet)
      : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');
}

/** The status in response headers or trailers, or null. */
export function statusOf(
  headers: IncomingHttpHeaders,
): { readonly code: number; readonly details: string } | null {
  const code = headers['grpc-status'];
  if (code === undefined) return null;
  return { code: Number(code), details: decodeURIComponent(String(headers['grpc-message'] ?? '')) };
}

const UNITS: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds of a grpc-timeout, or null when there is none. */
export function timeoutOf(headers: IncomingHttpHeaders): number | null {
  const match = /^(\d{1,8})([HMSmun])$/.exec(String(headers['grpc-timeout'] ?? ''));
  return match === null ? null : Number(match[1]) * UNITS[match[2]!]!;
}

/** HTTP/2 error codes (RFC 9113 §7). */
export const CANCEL: number = constants.NGHTTP2_CANCEL;
export const NO_ERROR: number = constants.NGHTTP2_NO_ERROR;
