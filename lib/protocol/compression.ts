/**
 * Message encodings (gRPC PROTOCOL-HTTP2, Message-Encoding; compression.md): which ones this side has, what the peer accepts, and what a
 * message's flag octet may say.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import { MessageFlag } from '../../framing/message/message-framer.ts';
import type { CompressionCodec } from '../compression-codec.ts';

/** The encoding of messages that are not compressed. */
export const IDENTITY = 'identity';

/** Messages below this many octets are sent as they are by default: compressing them costs more time than it saves. */
export const DEFAULT_COMPRESSION_MIN_OCTETS = 1024;

/** The codecs of one channel or server by their names. */
export class CompressionCodecs {
  /** Value of `grpc-accept-encoding`: `identity` first, then the codecs in their order. */
  readonly accepted: string;
  /** The field `grpc-accept-encoding`, the same array each time. */
  readonly acceptField: HeaderList;
  readonly #byName: ReadonlyMap<string, CompressionCodec>;

  constructor(codecs: readonly CompressionCodec[]) {
    this.#byName = new Map(codecs.map((codec) => [codec.name, codec]));
    this.accepted = [IDENTITY, ...this.#byName.keys()].join(',');
    this.acceptField = Object.freeze(['grpc-accept-encoding', this.accepted]);
  }

  /** The codec of the encoding `name`; null for `identity` and for what this side does not have. */
  get(name: string): CompressionCodec | null {
    return this.#byName.get(name) ?? null;
  }

  /** Whether messages in `encoding` can be read and written. */
  has(encoding: string): boolean {
    return encoding === IDENTITY || this.#byName.has(encoding);
  }
}

/** Neither reads nor writes compressed messages. */
export const NO_CODECS: CompressionCodecs = new CompressionCodecs([]);

/** How one channel or server compresses. */
export interface CompressionSettings {
  readonly codecs: CompressionCodecs;
  /** What its messages are sent with unless a call says otherwise; null: as they are. */
  readonly codec: CompressionCodec | null;
  /** Messages of fewer octets are sent as they are. */
  readonly minOctets: number;
}

/** Reads compressed messages only if it has `codecs`, sends none. */
export function identitySettings(codecs: CompressionCodecs): CompressionSettings {
  return { codecs, codec: null, minOctets: DEFAULT_COMPRESSION_MIN_OCTETS };
}

/**
 * The settings of the options `compression` and `compressionMinOctets`. Throws RangeError naming the option for an encoding that this
 * runtime has no codec for, and for a threshold that is no number of 0 or more.
 */
export function compressionSettings(
  codecs: CompressionCodecs,
  compression: string | undefined,
  minOctets: number | undefined,
): CompressionSettings {
  if (minOctets !== undefined && !(typeof minOctets === 'number' && minOctets >= 0)) {
    throw new RangeError(
      `compressionMinOctets must be a number of 0 or more, got ${String(minOctets)}`,
    );
  }
  if (compression !== undefined && !codecs.has(compression)) {
    throw new RangeError(`compression: ${unknownEncoding(compression, codecs)}`);
  }
  return {
    codecs,
    codec: compression === undefined ? null : codecs.get(compression),
    minOctets: minOctets ?? DEFAULT_COMPRESSION_MIN_OCTETS,
  };
}

/** What to say of an encoding that `codecs` does not have. */
export function unknownEncoding(encoding: unknown, codecs: CompressionCodecs): string {
  return `this runtime has no encoding ${JSON.stringify(encoding)}, only ${codecs.accepted}`;
}

/**
 * Whether a peer whose `grpc-accept-encoding` is `accept` (empty: it sent none) and whose own messages are in `encoding` reads messages
 * in encoding `name`. Without a list it is taken to read what it writes, as grpc-go does.
 */
export function isAccepted(name: string, accept: string, encoding: string): boolean {
  if (accept === '') return name === encoding;
  return accept.split(',').some((accepted) => accepted.trim() === name);
}

/**
 * Why a message with flag octet `flags` (1 … 255) cannot be read in a stream whose `grpc-encoding` is `encoding`; null when it can. Each
 * of the faults ends the call with INTERNAL.
 */
export function messageFlagsFault(
  flags: number,
  encoding: string,
  codecs: CompressionCodecs,
): string | null {
  if (flags !== MessageFlag.COMPRESSED)
    return `message with undefined flags 0x${flags.toString(16)}`;
  if (encoding === IDENTITY) return 'compressed message without grpc-encoding';
  return codecs.has(encoding)
    ? null
    : `compressed message in an encoding that was not offered: ${unknownEncoding(encoding, codecs)}`;
}
