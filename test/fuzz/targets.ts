/** What is fuzzed: for each target the inputs to begin with, and a run of one input, which throws Error when something is wrong. */

import { ConnectionError } from '../../framing/errors.ts';
import { FrameReader } from '../../framing/frame-reader.ts';
import { HpackDecoder } from '../../framing/hpack/hpack-decoder.ts';
import { MessageDeframer } from '../../framing/message/message-deframer.ts';
import { decodeBase64, encodeBase64, isBase64 } from '../../lib/base64.ts';
import { decodeGrpcMessage, encodeGrpcMessage } from '../../lib/protocol/grpc-message.ts';
import { decodeGrpcTimeout, encodeGrpcTimeout } from '../../lib/protocol/grpc-timeout.ts';
import { HeaderRules } from '../../transport/header-rules.ts';
import { randomCuts, randomFrom } from '../support/chunkings.ts';
import { EventRecorder } from '../support/event-recorder.ts';
import {
  continuation,
  data,
  fromHex,
  goAway,
  headers,
  octets,
  PREFACE,
  ping,
  priority,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from '../support/frame-factory.ts';
import { HpackModel } from '../support/hpack-model.ts';
import { block, REQUEST, RESPONSE } from '../support/scripted-peer.ts';
import { compareDecoders, compareServers } from './differential.ts';
import { fuzzClient, fuzzServer } from './whole-connection.ts';

/** One thing to fuzz. */
export interface FuzzTarget {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  /** Throws Error when `input` finds a fault. */
  run(input: Uint8Array): void | Promise<void>;
}

const READER_OPTIONS = {
  role: 'server',
  maxSettingsEntries: 32,
  maxContinuationFrames: 8,
  maxEmptyContinuationFrames: 2,
  maxHeaderBlockOctets: 65_536,
  maxGoAwayDebugOctets: 1024,
} as const;

const HPACK_LIMITS = {
  maxTableOctets: 4096,
  maxHeaderListOctets: 16_384,
  maxHeaderFields: 128,
  maxTableSizeUpdates: 2,
};

const REQUEST_BLOCK = block(...REQUEST);

/** Sessions of a client behind preface and SETTINGS, as parts that mutations can shuffle. */
const CLIENT_SESSIONS: readonly Uint8Array[] = [
  octets(headers(1, REQUEST_BLOCK), data(1, octets([0, 0, 0, 0, 2], 'hi'), 1)),
  octets(settings([4, 10], [1, 0]), settingsAck(), ping('8 octets'), windowUpdate(0, 1000)),
  octets(headers(1, REQUEST_BLOCK.subarray(0, 20), 0), continuation(1, REQUEST_BLOCK.subarray(20))),
  octets(headers(1, REQUEST_BLOCK), rstStream(1, 8), headers(3, REQUEST_BLOCK, 5), priority(3, 1)),
  octets(headers(1, REQUEST_BLOCK), data(1, ''), windowUpdate(1, 5), goAway(0, 0, 'bye')),
];

const SERVER_SESSIONS: readonly Uint8Array[] = [
  octets(
    headers(1, block(...RESPONSE)),
    data(1, octets([0, 0, 0, 0, 2], 'hi')),
    headers(1, block(['grpc-status', '0']), 5),
  ),
  octets(headers(1, block(...RESPONSE, ['grpc-status', '5'], ['grpc-message', '%41']), 5)),
  octets(headers(1, block([':status', '103'])), headers(1, block([':status', '503']), 5)),
  octets(rstStream(1, 7), rstStream(3, 8), goAway(1, 0, 'bye'), windowUpdate(0, 9)),
  octets(settings([3, 1], [4, 0], [5, 16_384]), ping('8 octets'), settingsAck()),
];

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** The events of a session read in `chunks`, and the token of the error that ended it. */
function readSession(chunks: readonly Uint8Array[]): string {
  const recorder = new EventRecorder();
  const reader = new FrameReader(READER_OPTIONS, new HpackDecoder(HPACK_LIMITS));
  let end = '';
  try {
    for (const chunk of chunks) reader.read(chunk, 0, chunk.length, recorder);
  } catch (error) {
    if (!(error instanceof ConnectionError) || error.cause !== undefined) throw error;
    end = error.token;
    const before = recorder.events.length;
    try {
      reader.read(PREFACE, 0, PREFACE.length, recorder);
      throw new Error('read on after a connection error');
    } catch (again) {
      must(again === error && recorder.events.length === before, 'not inert after an error');
    }
  }
  must(recorder.dataUnchanged, 'a DATA range changed after it was handed on');
  return JSON.stringify([recorder.events, end]);
}

function runFrameReader(input: Uint8Array): void {
  const session = octets(PREFACE, settings(), input);
  const random = randomFrom(input.length * 31 + (input[0] ?? 0));
  must(
    readSession([session]) === readSession(randomCuts(session, random)),
    'the events depend on how the octets are cut (P02)',
  );
}

/** Blocks are separated by the octet 0xfe, which no block of the seeds has. */
function runHpack(input: Uint8Array): void {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  const model = new HpackModel();
  let at = 0;
  while (at <= input.length) {
    let end = input.indexOf(0xfe, at);
    if (end < 0) end = input.length;
    const part = input.subarray(at, end);
    at = end + 1;
    let list: readonly string[];
    try {
      list = decoder.decode(part, 0, part.length);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      // Limits of ours that the model does not have end the comparison; so does every error.
      if (error.token.includes('integer') || error.errorCode === 11) return;
      let modelThrew = false;
      try {
        model.decode(part);
      } catch {
        modelThrew = true;
      }
      must(modelThrew, `refused with ${error.token} what the model decodes`);
      return;
    }
    const expected = model.decode(part);
    if (decoder.complete) {
      must(JSON.stringify(list) === JSON.stringify(expected), 'not the list of the model');
    } else {
      must(list.length <= 2 * HPACK_LIMITS.maxHeaderFields, 'more fields than L6');
    }
    must(decoder.tableOctets === model.tableOctets, 'the tables differ');
  }
}

function deframe(chunks: readonly Uint8Array[], compact: boolean): string {
  const deframer = new MessageDeframer(1000);
  const found: string[] = [];
  let [pushed, released] = [0, 0];
  const sink = {
    onDeframed(flags: number, chunk: Uint8Array, start: number, end: number): void {
      found.push(`${flags}:${Buffer.from(chunk.subarray(start, end)).toString('hex')}`);
    },
  };
  for (const chunk of chunks) {
    deframer.push(chunk, 0, chunk.length);
    pushed += chunk.length;
    while (deframer.next(sink)) released += deframer.takeReleased();
    released += deframer.takeReleased();
    if (compact) deframer.compact();
    must(pushed === released + deframer.bufferedOctets, 'octets got lost or came from nowhere');
  }
  return JSON.stringify([found, deframer.overLimit]);
}

function runDeframer(input: Uint8Array): void {
  const random = randomFrom(input.length * 17 + (input[1] ?? 0));
  const whole = deframe([input], false);
  must(whole === deframe(randomCuts(input, random), true), 'messages depend on the chunks (P05)');
}

/** Fields are lines of `name value` apart by the first blank that is not at the beginning. */
function runHeaderRules(input: Uint8Array): void {
  const text = Buffer.from(input).toString('latin1');
  const list: string[] = [];
  for (const line of text.split('\n')) {
    const cut = line.indexOf(' ', 1);
    list.push(cut < 0 ? line : line.slice(0, cut), cut < 0 ? '' : line.slice(cut + 1));
  }
  const rules = new HeaderRules();
  for (const check of ['checkRequest', 'checkResponse', 'checkTrailers'] as const) {
    if (rules[check](list) !== null) continue;
    for (let i = 0; i < list.length; i += 2) {
      must(
        !/[A-Z\0-\x20\x7f-\xff]/.test(list[i]!),
        `${check} let the name ${JSON.stringify(list[i])} pass`,
      );
      must(!/[\0\r\n]/.test(list[i + 1]!), `${check} let a value with control characters pass`);
    }
  }
}

function runGrpcText(input: Uint8Array): void {
  const text = Buffer.from(input).toString('latin1');
  const timeoutMs = decodeGrpcTimeout(text);
  must(timeoutMs === -1 || timeoutMs >= 0, `timeout ${timeoutMs}`);
  must(timeoutMs === -1 || /^[0-9]{1,8}[HMSmun]$/.test(text), `timeout "${text}" was accepted`);
  if (timeoutMs >= 0 && Number.isFinite(timeoutMs)) {
    const again = encodeGrpcTimeout(timeoutMs);
    must(again === null || decodeGrpcTimeout(again) >= 0, 'a timeout that cannot be read again');
  }
  const decoded = decodeGrpcMessage(text);
  must(decoded.length <= text.length, 'a message grew by decoding');
  const utf16 = Buffer.from(input.subarray(0, input.length & ~1)).toString('utf16le');
  const encoded = encodeGrpcMessage(utf16, 64);
  must(encoded.length <= 64 && /^[ -~]*$/.test(encoded), 'a message that is no header value');
  must(
    decodeGrpcMessage(encodeGrpcMessage(utf16, 1e6)) === wellFormed(utf16),
    'a message that is another one after coding',
  );
  const bytes = decodeBase64(text, 0, text.length);
  must((bytes !== null) === isBase64(text, 0, text.length), 'isBase64 and decodeBase64 disagree');
  if (bytes !== null) {
    // Trailing bits that are not zero are tolerated (RFC 4648 §3.5): they are in the last character.
    const [sent, again] = [text.replace(/=+$/, ''), encodeBase64(bytes).replace(/=+$/, '')];
    must(sent.slice(0, -1) === again.slice(0, -1), `"${text}" is not "${again}"`);
  }
  const back = encodeBase64(input);
  must(
    Buffer.from(decodeBase64(back, 0, back.length) ?? []).equals(Buffer.from(input)),
    'base64 does not round-trip',
  );
}

/** Lone surrogates have no UTF-8: they arrive as U+FFFD. */
function wellFormed(text: string): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text));
}

function latin1(text: string): Uint8Array {
  return octets(text);
}

/** All targets. */
export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'frame-reader',
    seeds: CLIENT_SESSIONS,
    run: runFrameReader,
  },
  {
    name: 'hpack',
    seeds: [
      octets(REQUEST_BLOCK, [0xfe], fromHex('828684be58086e6f2d6361636865')),
      fromHex('828684418cf1e3c2e5f23a6ba0ab90f4fffe828684be5886a8eb10649cbf'),
      octets([0x20, 0x3f, 0xe1, 0x1f, 0x40, 1], 'a', [1], 'b', [0xbe, 0xfe, 0xbe]),
    ],
    run: runHpack,
  },
  {
    name: 'deframer',
    seeds: [
      octets([0, 0, 0, 0, 3], 'abc', [1, 0, 0, 0, 0], [0, 0, 0, 1, 0], new Uint8Array(256)),
      octets([0, 0, 0, 3, 0xe9], new Uint8Array(20)),
    ],
    run: runDeframer,
  },
  {
    name: 'header-rules',
    seeds: [
      latin1(REQUEST.map(([name, value]) => `${name} ${value}`).join('\n')),
      latin1(RESPONSE.map(([name, value]) => `${name} ${value}`).join('\n')),
      latin1('grpc-status 0\nx-bin YQ==\ncontent-length 5\nte trailers\nhost h'),
    ],
    run: runHeaderRules,
  },
  {
    name: 'grpc-text',
    seeds: ['99999999H', '1S', '%41%zz%E2%82%AC', 'YQ==', 'YWJj', 'a\0b'].map(latin1),
    run: runGrpcText,
  },
  { name: 'server', seeds: CLIENT_SESSIONS, run: fuzzServer },
  { name: 'client', seeds: SERVER_SESSIONS, run: fuzzClient },
  { name: 'differential', seeds: CLIENT_SESSIONS, run: compareServers },
  {
    name: 'protobuf',
    seeds: [
      fromHex('0a0408021a00120a0a036b657912037661 6c1a0474657874'.replaceAll(' ', '')),
      fromHex('22030102032a03616263310000000000000840388f0145010000004801'),
      fromHex('520212005a0001625 1'.replaceAll(' ', '')),
      fromHex('580762037269676872010872060805120208010b0c'),
    ],
    run: compareDecoders,
  },
];
