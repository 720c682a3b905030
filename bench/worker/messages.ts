/**
 * The messages of bench.proto through protobufjs: one codec, used by every arm that can take serializer functions, so that what
 * differs between them is the RPC library alone.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { benchRoot } from '../project.ts';

/** `purewire.bench.Message`; with no fields at all also `Empty`. */
export interface Message {
  readonly sequence?: number;
  readonly body?: Uint8Array;
}

export interface DownloadRequest {
  readonly messages: number;
  readonly bodyOctets: number;
}

export interface UploadSummary {
  readonly messages: number;
  readonly octets: number;
}

/** A serializer pair. `encode` gives fresh octets; `decode` may return views into its argument. */
export interface Codec<T> {
  encode(this: void, value: T): Buffer;
  decode(this: void, octets: Uint8Array): T;
}

const root = protobuf.parse(readFileSync(join(benchRoot, 'bench.proto'), 'utf8')).root;

/** The codecs of bench.proto's types. */
export const codecs: {
  readonly empty: Codec<Message>;
  readonly message: Codec<Message>;
  readonly downloadRequest: Codec<DownloadRequest>;
  readonly uploadSummary: Codec<UploadSummary>;
} = {
  empty: emptyCodec(),
  message: codecOf('Message'),
  downloadRequest: codecOf('DownloadRequest'),
  uploadSummary: uploadSummaryCodec(),
};

/** The body all messages of a load carry: a fixed pattern, so that every response can be compared with it. */
export function patternedBody(octets: number): Buffer {
  const body = Buffer.allocUnsafeSlow(octets);
  for (let i = 0; i < octets; i++) body[i] = (i * 31 + (i >>> 8) * 7) & 0xff;
  return body;
}

function codecOf<T>(typeName: string): Codec<T> {
  const type = root.lookupType(`purewire.bench.${typeName}`);
  return {
    // In Node protobufjs writes into a Buffer.
    encode: (value) => type.encode(value as protobuf.Message).finish() as Buffer,
    decode: (octets) => type.decode(octets) as unknown as T,
  };
}

function emptyCodec(): Codec<Message> {
  const { encode, decode } = codecOf<Message>('Empty');
  return {
    encode,
    decode: (octets) => {
      if (octets.length !== 0) throw new Error(`Empty came with ${octets.length} octets`);
      return decode(octets);
    },
  };
}

function uploadSummaryCodec(): Codec<UploadSummary> {
  const { encode, decode } = codecOf<UploadSummary>('UploadSummary');
  return {
    encode,
    decode: (octets) => {
      // A uint64 arrives as a Long where that package is installed.
      const summary = decode(octets);
      return { messages: summary.messages, octets: Number(summary.octets) };
    },
  };
}
