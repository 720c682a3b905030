/**
 * Custom metadata of a call: the header fields that belong to applications (gRPC PROTOCOL-HTTP2, Custom-Metadata). One rule decides what
 * may be set and what a received list shows, so that whatever was received can be sent again.
 */

import type { HeaderList } from '../framing/frame-handler.ts';
import { decodeBase64, encodeBase64, isBase64 } from './base64.ts';

/** A value: text of printable ASCII, or octets for keys that end in `-bin`. */
export type MetadataValue = string | Uint8Array;

/** The type of the values of key `K`. */
export type MetadataValueOf<K extends string> = K extends `${string}-bin`
  ? Uint8Array
  : string extends K
    ? MetadataValue
    : string;

/** What `Metadata.from` takes: pairs, an object of keys, or other metadata. */
export type MetadataInit =
  | Metadata
  | Iterable<readonly [string, MetadataValue]>
  | Readonly<Record<string, MetadataValue | readonly MetadataValue[]>>;

/** Fields that the protocol or the connection owns (gRPC PROTOCOL-HTTP2; RFC 9113 §8.2.2). */
const OWNED_NAMES: ReadonlySet<string> = new Set([
  'content-type',
  'content-length',
  'te',
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'host',
]);

/** Names with the reserved prefix `grpc-` that applications and their libraries do set. */
const OPEN_GRPC_NAMES: ReadonlySet<string> = new Set([
  'grpc-status-details-bin',
  'grpc-retry-pushback-ms',
  'grpc-previous-rpc-attempts',
  'grpc-trace-bin',
  'grpc-tags-bin',
]);

const KEY = /^[0-9a-z_.-]+$/;
const PRINTABLE = /^[ -~]*$/;

/** Why `name`, in lower case, is no metadata key; null when it is one. */
function keyFault(name: string): string | null {
  if (!KEY.test(name)) {
    return name.startsWith(':')
      ? 'names that begin with a colon belong to HTTP/2'
      : 'only 0-9, a-z, _, - and . are allowed';
  }
  if (OWNED_NAMES.has(name)) return 'this field belongs to the protocol';
  if (name.startsWith('grpc-') && !OPEN_GRPC_NAMES.has(name)) {
    return 'names that begin with grpc- are reserved';
  }
  return null;
}

/** Why `value` cannot be the text of a field; null when it can. */
function textFault(value: string): string | null {
  if (!PRINTABLE.test(value)) return 'only printable ASCII is allowed; use a key that ends in -bin';
  // RFC 9113 §8.2.1: a value that begins or ends with whitespace makes the whole message malformed.
  if (value.startsWith(' ') || value.endsWith(' ')) return 'it begins or ends with a blank';
  return null;
}

function checkedKey(key: string): string {
  if (typeof key !== 'string') {
    throw new TypeError(`metadata key must be a string, got ${typeof key}`);
  }
  const name = key.toLowerCase();
  const fault = keyFault(name);
  if (fault !== null) throw new TypeError(`metadata key ${JSON.stringify(key)}: ${fault}`);
  return name;
}

function checkedValue(name: string, value: MetadataValue): MetadataValue {
  if (name.endsWith('-bin')) {
    if (value instanceof Uint8Array) return value;
    throw new TypeError(
      `metadata value of ${name}: keys that end in -bin take a Uint8Array, got ${typeof value}`,
    );
  }
  if (typeof value !== 'string') {
    throw new TypeError(`metadata value of ${name}: a string is needed, got ${typeof value}`);
  }
  const fault = textFault(value);
  // The value itself may be a secret and is not repeated.
  if (fault !== null) throw new TypeError(`metadata value of ${name}: ${fault}`);
  return value;
}

/**
 * An ordered multimap of metadata. Keys are case-insensitive and kept in lower case; values of one key keep their order. Octet values are
 * referenced, not copied: do not change them afterwards.
 */
export class Metadata implements Iterable<[string, MetadataValue]> {
  /** Null while the entries are still only in `#received`. */
  #entries: Map<string, MetadataValue[]> | null;
  #received: HeaderList | null;
  /** The validated header list of the entries, until something changes. */
  #headerList: HeaderList | null;

  constructor() {
    this.#entries = null;
    this.#received = null;
    this.#headerList = null;
  }

  /** Metadata of pairs, of an object whose values may be arrays, or a copy of other metadata. Throws as `set` does. */
  static from(init: MetadataInit): Metadata {
    if (isMetadata(init)) return init.clone();
    const metadata = emptyMetadata();
    if (isIterable(init)) {
      for (const [key, value] of init) metadata.append(key, value);
      return metadata;
    }
    for (const [key, value] of Object.entries(init)) {
      if (typeof value === 'string' || value instanceof Uint8Array) metadata.append(key, value);
      else if (Array.isArray(value)) for (const one of value) metadata.append(key, one);
      // Says, with the key, what is wrong with it.
      else metadata.append(key, value as never);
    }
    return metadata;
  }

  /** The metadata in a received list. Used by `metadataOfHeaders`. @internal */
  static ofReceived(headers: HeaderList): Metadata {
    const metadata = emptyMetadata();
    metadata.#received = headers;
    return metadata;
  }

  /** The number of values under all keys. */
  get size(): number {
    let size = 0;
    for (const values of this.#map().values()) size += values.length;
    return size;
  }

  /** The first value of `key`; undefined when there is none. */
  get<K extends string>(key: K): MetadataValueOf<K> | undefined {
    return this.#map().get(key.toLowerCase())?.[0] as MetadataValueOf<K> | undefined;
  }

  /** All values of `key` in order, as a new array. */
  getAll<K extends string>(key: K): MetadataValueOf<K>[] {
    return [...(this.#map().get(key.toLowerCase()) ?? [])] as MetadataValueOf<K>[];
  }

  /** Whether `key` has a value. */
  has(key: string): boolean {
    return this.#map().has(key.toLowerCase());
  }

  /**
   * Replaces the values of `key` by `value`. Throws TypeError, naming key and reason, for a key that is not of 0-9, a-z, _, - and . (capital
   * letters are lowered) or that the protocol owns, and for a value that is not printable ASCII or, under `-bin`, not a Uint8Array.
   */
  set(key: string, value: MetadataValue): this {
    const name = checkedKey(key);
    const checked = checkedValue(name, value);
    this.#map().set(name, [checked]);
    this.#headerList = null;
    return this;
  }

  /** Adds `value` behind the values of `key`. Throws as `set` does. */
  append(key: string, value: MetadataValue): this {
    const name = checkedKey(key);
    const checked = checkedValue(name, value);
    const values = this.#map().get(name);
    if (values === undefined) this.#map().set(name, [checked]);
    else values.push(checked);
    this.#headerList = null;
    return this;
  }

  /** Removes `key` with all its values; false when it was not there. */
  delete(key: string): boolean {
    this.#headerList = null;
    return this.#map().delete(key.toLowerCase());
  }

  /** The keys, in order of first appearance. */
  keys(): IterableIterator<string> {
    return this.#map().keys();
  }

  /** One pair per value. */
  *entries(): IterableIterator<[string, MetadataValue]> {
    for (const [key, values] of this.#map()) {
      for (const value of values) yield [key, value];
    }
  }

  /** One pair per value. */
  [Symbol.iterator](): IterableIterator<[string, MetadataValue]> {
    return this.entries();
  }

  /** An independent copy; octet values are shared. */
  clone(): Metadata {
    const copy = emptyMetadata();
    const map = copy.#map();
    for (const [key, values] of this.#map()) map.set(key, [...values]);
    copy.#headerList = this.#headerList;
    return copy;
  }

  /** Keys to arrays of values, octets as base64; the object has no prototype. For inspection: it shows secrets in clear. */
  toJSON(): Record<string, string[]> {
    const json = Object.create(null) as Record<string, string[]>;
    for (const [key, values] of this.#map()) {
      json[key] = values.map((value) => (typeof value === 'string' ? value : encodeBase64(value)));
    }
    return json;
  }

  /** The entries as a header list for the wire: valid names and values, `-bin` in base64 without padding. The same array until a change. */
  toHeaderList(): HeaderList {
    if (this.#headerList === null) {
      const list: string[] = [];
      for (const [key, values] of this.#map()) {
        for (const value of values) {
          list.push(key, typeof value === 'string' ? value : encodeBase64(value));
        }
      }
      this.#headerList = list;
    }
    return this.#headerList;
  }

  #map(): Map<string, MetadataValue[]> {
    if (this.#entries === null) {
      this.#entries = new Map<string, MetadataValue[]>();
      if (this.#received !== null) readReceived(this.#received, this.#entries);
      this.#received = null;
    }
    return this.#entries;
  }
}

function isIterable(
  init: Exclude<MetadataInit, Metadata>,
): init is Iterable<readonly [string, MetadataValue]> {
  return typeof (init as Partial<Iterable<unknown>>)[Symbol.iterator] === 'function';
}

function readReceived(headers: HeaderList, entries: Map<string, MetadataValue[]>): void {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    const text = headers[i + 1] as string;
    if (keyFault(name) !== null) continue;
    let values = entries.get(name);
    if (name.endsWith('-bin')) {
      values = readBinary(text, values);
    } else if (textFault(text) === null) {
      if (values === undefined) values = [text];
      else values.push(text);
    }
    if (values !== undefined) entries.set(name, values);
  }
}

/** Appends the octets of each comma-separated part of `text`; parts that are not base64 are left out. */
function readBinary(
  text: string,
  values: MetadataValue[] | undefined,
): MetadataValue[] | undefined {
  let all = values;
  for (let start = 0; start <= text.length; ) {
    const end = endOfPart(text, start);
    const octets = decodeBase64(text, start, end);
    if (octets !== null) {
      if (all === undefined) all = [octets];
      else all.push(octets);
    }
    start = end + 1;
  }
  return all;
}

function endOfPart(text: string, start: number): number {
  const comma = text.indexOf(',', start);
  return comma < 0 ? text.length : comma;
}

/** These two stand outside the class: the bundler renames a class that mentions itself, and `console.log` would show that name. */
function emptyMetadata(): Metadata {
  return new Metadata();
}

function isMetadata(init: MetadataInit): init is Metadata {
  return init instanceof Metadata;
}

/**
 * The metadata in a received header list, read when first used. Left out are pseudo-headers, fields of the protocol and the connection,
 * reserved `grpc-` names, and what `set` would refuse. `-bin` values are split at commas and decoded; values that are not base64 are left
 * out (the engine has failed the call before, see `validateBinaryHeaders`, where that is called for).
 */
export function metadataOfHeaders(headers: HeaderList): Metadata {
  return Metadata.ofReceived(headers);
}

/** The first `-bin` key in `headers` whose value is not a comma-separated list of base64 texts; null when all are. */
export function validateBinaryHeaders(headers: HeaderList): string | null {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    if (!name.endsWith('-bin')) continue;
    const text = headers[i + 1] as string;
    for (let start = 0; start <= text.length; ) {
      const end = endOfPart(text, start);
      if (!isBase64(text, start, end)) return name;
      start = end + 1;
    }
  }
  return null;
}
