/**
 * What HPACK costs per header block: warm template, decode memo, decoding without memo, Huffman code.
 * Run after a build: `node dist/bench/micro/hpack.js`. Prints nanoseconds per operation, the best of several rounds.
 */

import { allocateSlab } from '../../framing/bytes.ts';
import type { HeaderList } from '../../framing/frame-handler.ts';
import { HpackDecoder, type HpackDecoderLimits } from '../../framing/hpack/hpack-decoder.ts';
import { HpackEncoder } from '../../framing/hpack/hpack-encoder.ts';
import { huffmanDecode, huffmanEncode, huffmanLength } from '../../framing/hpack/huffman.ts';

const ROUNDS = 12;
const ROUND_MS = 100;

const LIMITS: HpackDecoderLimits = {
  maxTableOctets: 4096,
  maxHeaderListOctets: 16_384,
  maxHeaderFields: 128,
  maxTableSizeUpdates: 2,
};

const REQUEST: HeaderList = [
  ':method',
  'POST',
  ':scheme',
  'http',
  ':path',
  '/benchmark.BenchmarkService/UnaryCall',
  ':authority',
  'localhost:50051',
  'te',
  'trailers',
  'content-type',
  'application/grpc',
  'user-agent',
  'grpc-purewire/0.1.0',
  'grpc-accept-encoding',
  'identity,gzip',
];
const TRAILERS: HeaderList = ['grpc-status', '0'];
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const TOKEN = `Bearer ${'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.'.repeat(10)}`;

/** Keeps results alive, so that the work cannot be optimised away. */
let sink = 0;

function measure(name: string, run: (times: number) => void): void {
  let times = 1000;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    run(times);
    const elapsedMs = performance.now() - start;
    best = Math.min(best, (elapsedMs * 1e6) / times);
    times = Math.max(1000, Math.ceil((times * ROUND_MS) / Math.max(elapsedMs, 0.01)));
  }
  console.log(`${name.padEnd(58)} ${best.toFixed(1).padStart(9)} ns`);
}

const target = allocateSlab(16_384);

function encodeBench(
  name: string,
  template: HeaderList,
  extras: readonly (HeaderList | null)[],
): void {
  const encoder = new HpackEncoder(4096);
  let octets = 0;
  for (let i = 0; i < 8; i++) {
    octets = encoder.encode(template, extras[i % extras.length]!, target, 0);
  }
  measure(`${name}, ${octets} octets`, (times) => {
    let next = 0;
    for (let i = 0; i < times; i++) {
      sink += encoder.encode(template, extras[next]!, target, 0);
      next = next + 1 === extras.length ? 0 : next + 1;
    }
  });
}

/** Decodes blocks of `template` and one of `extras` each; more than 16 different ones do not find themselves in the memo. */
function decodeBench(
  name: string,
  template: HeaderList,
  extras: readonly (HeaderList | null)[],
): void {
  const encoder = new HpackEncoder(4096);
  const decoder = new HpackDecoder(LIMITS);
  const chunk = allocateSlab(1_048_576);
  const bounds = [0];
  for (let i = 0; i < 8; i++) {
    const end = encoder.encode(template, extras[i % extras.length]!, target, 0);
    decoder.decode(target, 0, end);
  }
  for (const extra of extras) bounds.push(encoder.encode(template, extra, chunk, bounds.at(-1)!));
  const octets = bounds.at(-1)! - bounds.at(-2)!;
  measure(`${name}, ${octets} octets`, (times) => {
    let next = 0;
    for (let i = 0; i < times; i++) {
      sink += decoder.decode(chunk, bounds[next]!, bounds[next + 1]!).length;
      next = next + 1 === extras.length ? 0 : next + 1;
    }
  });
}

function distinct(name: string, value: (i: number) => string, more: HeaderList = []): HeaderList[] {
  return Array.from({ length: 997 }, (_, i) => [name, value(i), ...more]);
}

const timeouts = distinct('grpc-timeout', (i) => `${4000 + i}m`);
const traces = distinct('grpc-timeout', (i) => `${4000 + i}m`, ['traceparent', TRACEPARENT]);
const tokens = distinct('grpc-timeout', (i) => `${4000 + i}m`, ['authorization', TOKEN]);
const ids = distinct('x-user-id', (i) => `user-${(i * 7919) % 100_003}`);

encodeBench('encode: warm template', REQUEST, [null]);
encodeBench('encode: warm trailers', TRAILERS, [null]);
encodeBench('encode: template + grpc-timeout', REQUEST, timeouts);
encodeBench('encode: template + grpc-timeout, traceparent', REQUEST, traces);
encodeBench('encode: template + grpc-timeout, 377-octet token', REQUEST, tokens);
encodeBench('encode: template + one metadata value of many', REQUEST, ids);
encodeBench('encode: template + one constant metadata value', REQUEST, [['x-tenant', 'acme']]);
encodeBench('encode: all fields per call', [], [REQUEST]);
{
  const encoder = new HpackEncoder(4096);
  measure('encode: maxEncodedOctets of a warm template', (times) => {
    for (let i = 0; i < times; i++) sink += encoder.maxEncodedOctets(REQUEST, null);
  });
}

decodeBench('decode: memo hit', REQUEST, [null]);
decodeBench('decode: memo hit, trailers', TRAILERS, [null]);
decodeBench('decode: no memo, template + grpc-timeout', REQUEST, timeouts);
decodeBench('decode: no memo, template + grpc-timeout, traceparent', REQUEST, traces);
decodeBench('decode: no memo, template + grpc-timeout, token', REQUEST, tokens);
decodeBench('decode: no memo, template + Huffman metadata value', REQUEST, ids);

for (const [name, text] of [
  ['5 characters', '4999m'],
  ['38 characters', '/benchmark.BenchmarkService/UnaryCall'],
  ['377 characters of a token', TOKEN],
] as const) {
  const coded = allocateSlab(huffmanLength(text));
  huffmanEncode(text, coded, 0);
  measure(`huffman: length of ${name}`, (times) => {
    for (let i = 0; i < times; i++) sink += huffmanLength(text);
  });
  measure(`huffman: encode ${name}`, (times) => {
    for (let i = 0; i < times; i++) sink += huffmanEncode(text, target, i & 7);
  });
  measure(`huffman: decode ${name}`, (times) => {
    for (let i = 0; i < times; i++) sink += huffmanDecode(coded, 0, coded.length, target, i & 7);
  });
}

if (sink === 0) console.log('nothing was measured');
