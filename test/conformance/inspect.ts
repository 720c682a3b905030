/**
 * A capture of one direction of a connection as frames, one line each, with header lists, secrets masked.
 *
 *   node dist/test/conformance/inspect.js < octets.bin          binary, as a packet capture gives it
 *   echo 000008060000000000... | node dist/test/conformance/inspect.js    hexadecimal, blanks and line ends apart
 *   … --no-headers                                               for a capture that begins in the middle: HPACK cannot be decoded then
 */

import { parseArgs } from 'node:util';
import { describeFrame, inspectFrames } from '../../framing/frame-inspector.ts';
import { HpackDecoder } from '../../framing/hpack/hpack-decoder.ts';
import { describeHeaders } from '../../transport/frame-trace.ts';

/** Octets of hexadecimal text, or the octets themselves when they are no such text. */
export function captureOctets(input: Uint8Array): Uint8Array {
  const digits: number[] = [];
  for (const octet of input) {
    if (octet === 0x20 || (octet >= 0x09 && octet <= 0x0d) || octet === 0x3a) continue;
    const digit = Number.parseInt(String.fromCharCode(octet), 16);
    if (Number.isNaN(digit)) return input;
    digits.push(digit);
  }
  if (digits.length % 2 !== 0) return input;
  return Uint8Array.from(
    { length: digits.length / 2 },
    (_, i) => digits[2 * i]! * 16 + digits[2 * i + 1]!,
  );
}

/** The lines for a capture. Never throws: what cannot be decoded is said. */
export function inspectionLines(octets: Uint8Array, withHeaders: boolean): string[] {
  const decoder = new HpackDecoder({
    maxTableOctets: Number.POSITIVE_INFINITY,
    maxHeaderListOctets: Number.POSITIVE_INFINITY,
    maxHeaderFields: Number.POSITIVE_INFINITY,
    maxTableSizeUpdates: Number.POSITIVE_INFINITY,
  });
  let broken = !withHeaders;
  const frames = inspectFrames(octets, (block) => {
    if (broken) return [];
    try {
      return decoder.decode(block, 0, block.length);
    } catch (error) {
      broken = true;
      return ['<field block that cannot be decoded>', String(error)];
    }
  });
  return frames.flatMap((frame) => {
    const headers = 'headers' in frame ? (frame.headers ?? []) : [];
    return [describeFrame(frame), ...describeHeaders(headers)];
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { 'no-headers': { type: 'boolean', default: false } } });
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
  const octets = captureOctets(Buffer.concat(chunks));
  for (const line of inspectionLines(octets, !values['no-headers'])) console.log(line);
}

if (process.argv[1]?.endsWith('inspect.js') === true) await main();
