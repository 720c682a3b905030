/** What the HPACK tests share: limits, block building by hand, and the expected errors. */

import { ErrorCode } from '../../framing/constants.ts';
import { ConnectionError } from '../../framing/errors.ts';
import type { HeaderList } from '../../framing/frame-handler.ts';
import type { HpackDecoder, HpackDecoderLimits } from '../../framing/hpack/hpack-decoder.ts';
import type { HpackEncoder } from '../../framing/hpack/hpack-encoder.ts';
import { huffmanEncode, huffmanLength } from '../../framing/hpack/huffman.ts';
import { fromHex, octets } from './frame-factory.ts';
import type { TestContext } from './tap.ts';

/** The default limits of a connection (L5, L6, L8). */
export const HPACK_LIMITS: HpackDecoderLimits = {
  maxTableOctets: 4096,
  maxHeaderListOctets: 16_384,
  maxHeaderFields: 128,
  maxTableSizeUpdates: 2,
};

/** First octets of the literal representations (RFC 7541 §6.2). */
export const INDEXING = 0x40;
export const WITHOUT_INDEXING = 0x00;
export const NEVER_INDEXED = 0x10;

/** An integer under its pattern bits (RFC 7541 §5.1), written without the production code. */
export function integer(value: number, prefixBits: number, pattern = 0): number[] {
  const prefix = 2 ** prefixBits - 1;
  if (value < prefix) return [pattern + value];
  const list = [pattern + prefix];
  let rest = value - prefix;
  for (; rest >= 128; rest = Math.floor(rest / 128)) list.push(128 + (rest % 128));
  return [...list, rest];
}

/** A string literal (RFC 7541 §5.2), Huffman-coded or not. */
export function string(text: string, huffman = false): Uint8Array {
  if (!huffman) return octets(integer(text.length, 7), text);
  const target = new Uint8Array(huffmanLength(text));
  huffmanEncode(text, target, 0);
  return octets(integer(target.length, 7, 0x80), target);
}

/** An indexed field (RFC 7541 §6.1). */
export function indexed(index: number): Uint8Array {
  return octets(integer(index, 7, 0x80));
}

/** A literal field with a name of its own (RFC 7541 §6.2). */
export function literal(pattern: number, name: string, value: string, huffman = false): Uint8Array {
  return octets([pattern], string(name, huffman), string(value, huffman));
}

/** A literal field with an indexed name (RFC 7541 §6.2). */
export function literalNamed(pattern: number, index: number, value: string): Uint8Array {
  return octets(integer(index, pattern === INDEXING ? 6 : 4, pattern), string(value));
}

/** A dynamic table size update (RFC 7541 §6.3). */
export function sizeUpdate(tableOctets: number): Uint8Array {
  return octets(integer(tableOctets, 5, 0x20));
}

/** Decodes a whole block, given in hex or as octets, from the middle of a larger chunk. */
export function decodeBlock(decoder: HpackDecoder, block: Uint8Array | string): HeaderList {
  const content = typeof block === 'string' ? fromHex(block.replaceAll(' ', '')) : block;
  const chunk = new Uint8Array(content.length + 7).fill(0xff);
  chunk.set(content, 3);
  return decoder.decode(chunk, 3, 3 + content.length);
}

/** Encodes one block and checks that it kept to its bound and to its place. */
export function encodeBlock(
  encoder: HpackEncoder,
  template: HeaderList,
  extra: HeaderList | null = null,
): Uint8Array {
  const bound = encoder.maxEncodedOctets(template, extra);
  const target = new Uint8Array(bound + 5);
  const end = encoder.encode(template, extra, target, 5);
  if (end > target.length) throw new Error(`block of ${end - 5} octets, bound ${bound}`);
  if (target.subarray(0, 5).some((octet) => octet !== 0)) throw new Error('wrote before offset');
  return target.slice(5, end);
}

/** Expects COMPRESSION_ERROR with `token` of `run`. */
export function expectCompressionError(
  t: TestContext,
  run: () => unknown,
  token: string,
  message: string = token,
): void {
  expectConnectionError(t, run, ErrorCode.COMPRESSION_ERROR, token, message);
}

/** Expects a ConnectionError of the whole connection with `errorCode` and `token` of `run`. */
export function expectConnectionError(
  t: TestContext,
  run: () => unknown,
  errorCode: number,
  token: string,
  message: string = token,
): void {
  try {
    const result = run();
    t.fail(`${message}: no error but ${JSON.stringify(result)?.slice(0, 200)}`);
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    t.strictSame([error.errorCode, error.token, error.streamId], [errorCode, token, 0], message);
  }
}
