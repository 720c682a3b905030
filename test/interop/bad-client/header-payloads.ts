/** Payloads about HEADERS, CONTINUATION and the header blocks in them. */

import { Code, Grpc } from '../../hostile/octets.ts';
import {
  continuation,
  data,
  END_HEADERS,
  END_STREAM,
  head,
  headers,
  octets,
  PRIORITY_FLAG,
} from '../../support/frame-factory.ts';
import {
  block,
  fieldsWith,
  GREETING,
  literal,
  open,
  openAndEnd,
  type Payload,
  REQUEST_FIELDS,
  type Verdict,
} from './payload.ts';

const UNFINISHED: Verdict = { unfinished: true };
const COMPRESSION: Verdict = { goAway: [Code.COMPRESSION_ERROR] };
const PROTOCOL: Verdict = { goAway: [Code.PROTOCOL_ERROR] };
/** A header block without a request in it: RFC 9113 §8.1.1 makes that a stream error. */
const MALFORMED: Verdict = { reset: [1, Code.PROTOCOL_ERROR] };

function after(
  name: string,
  content: Uint8Array,
  verdict: Verdict,
  starts: number | 'any' = 0,
): Payload {
  return { program: 'headers', name, octets: octets(GREETING, content), verdict, starts };
}

/** HEADERS with this block on stream 1. */
function blockOf(...parts: readonly (readonly number[] | string | Uint8Array)[]): Uint8Array {
  return headers(1, octets(...parts));
}

/** HEADERS that announces more octets than follow. */
function cutBlock(announced: number, ...content: readonly number[]): Uint8Array {
  return octets(head(announced, 1, END_HEADERS, 1), content);
}

function truncatedFrames(): Payload[] {
  const whole = head(6, 1, 0, 1);
  const cut = Array.from({ length: 9 }, (_, at) =>
    after(`${at + 1} octets of a HEADERS header`, whole.subarray(0, at + 1), UNFINISHED),
  );
  const flagged = [0x01, 0x04, 0xff].map((flags) =>
    after(
      `a HEADERS header that ends behind flags ${flags}`,
      head(6, 1, flags, 1).subarray(0, 5),
      UNFINISHED,
    ),
  );
  return [...cut, ...flagged];
}

function priorities(): Payload[] {
  const short = [1, 2, 3, 4].map((length) =>
    after(
      `HEADERS with PRIORITY of ${length} octets`,
      headers(1, new Uint8Array(length), END_HEADERS | PRIORITY_FLAG),
      { goAway: [Code.FRAME_SIZE_ERROR, Code.PROTOCOL_ERROR] },
    ),
  );
  const cut = [0, 1, 2, 3, 4, 5].map((there) =>
    after(
      `HEADERS with PRIORITY, ${there} of 6 octets`,
      octets(head(6, 1, END_HEADERS | PRIORITY_FLAG, 1), new Uint8Array(there)),
      UNFINISHED,
    ),
  );
  return [...short, ...cut];
}

/** 127 in continuation octets of zero: an index far beyond the tables, however it is written. */
function longIndex(continuations: number): number[] {
  return [0xff, ...new Array<number>(continuations).fill(0x80), 0x00];
}

function indices(): Payload[] {
  return [
    after('an index beyond the tables', blockOf([0xfe]), COMPRESSION),
    after('a name index beyond the tables, indexing', blockOf([0x7f, 0x00], [1], 'a'), COMPRESSION),
    after('a name index beyond the tables, without', blockOf([0x0f, 0x7f], [1], 'a'), COMPRESSION),
    after('a name index beyond the tables, never', blockOf([0x1f, 0x7f], [1], 'a'), COMPRESSION),
    after('a literal cut behind its first octet', cutBlock(4, 0x10), UNFINISHED),
    after('a literal cut in its name', cutBlock(10, 0x10, 0x05, 0x61), UNFINISHED),
    after('index 0', blockOf([0x80]), COMPRESSION),
    ...[1, 2, 3, 4, 5, 6, 7].flatMap((continuations) => [
      after(
        `an index of ${continuations + 2} octets`,
        blockOf(longIndex(continuations)),
        COMPRESSION,
      ),
      after(
        `an index cut behind ${continuations + 1} octets`,
        cutBlock(continuations + 2, ...longIndex(continuations).slice(0, -1)),
        UNFINISHED,
      ),
    ]),
    after(
      'an index of 32 bits and more',
      blockOf([0xff, 0x80, 0x80, 0x80, 0x80, 0x7f]),
      COMPRESSION,
    ),
    after('an index of all ones', blockOf([0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]), COMPRESSION),
    after(
      'an index of 36 bits',
      blockOf([0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]),
      COMPRESSION,
    ),
    after('a block that ends in a literal', blockOf([0x10, 0x05, 0x61]), COMPRESSION),
  ];
}

function tableSizes(): Payload[] {
  const request = block(REQUEST_FIELDS);
  const size = (value: number): number[] => [0x3f, ((value - 31) & 127) | 128, (value - 31) >> 7];
  const served: Verdict = { status: [1, 0] };
  const both = END_HEADERS | END_STREAM;
  return [
    after('table size 4096', headers(1, octets(size(4096), request), both), served, 1),
    after('table size 4112', headers(1, octets(size(4112), request), both), COMPRESSION),
    after(
      'table sizes 0 and 4096',
      headers(1, octets([0x20], size(4096), request), both),
      served,
      1,
    ),
    // RFC 7541 §4.2: the smallest and the last are all that a block may have to tell.
    after(
      'three table sizes',
      headers(1, octets([0x20], size(4096), size(4096), request), both),
      COMPRESSION,
    ),
  ];
}

function continuations(): Payload[] {
  const request = block(REQUEST_FIELDS);
  const first = headers(1, request.subarray(0, 20), END_STREAM);
  return [
    after(
      'HEADERS and CONTINUATION',
      octets(first, continuation(1, request.subarray(20))),
      { status: [1, 0] },
      1,
    ),
    after('HEADERS and DATA before END_HEADERS', octets(first, data(1, '')), PROTOCOL),
    after('HEADERS of another stream before END_HEADERS', octets(first, openAndEnd(3)), PROTOCOL),
    after('CONTINUATION first', continuation(1, request), PROTOCOL),
    // RFC 9113 §8.1: a second HEADERS without END_STREAM makes the request malformed; a third finds a stream that we have reset.
    after('three HEADERS on a stream', octets(open(), open(), open()), MALFORMED, 'any'),
    after(
      'HEADERS with undefined flags and a huge stream id',
      octets(head(literal('a', 'b').length, 1, 0x56, 0x7654_3210), literal('a', 'b')),
      PROTOCOL,
    ),
  ];
}

function timeouts(): Payload[] {
  const timeout = ['grpc-timeout', '15 seconds'] as const;
  const refused: Verdict = { status: [1, Grpc.INTERNAL] };
  return [
    after('a malformed grpc-timeout', openAndEnd(1, fieldsWith([], timeout)), refused),
    after(
      'a malformed grpc-timeout, twice',
      openAndEnd(1, fieldsWith([], timeout, timeout)),
      refused,
    ),
  ];
}

export const HEADER_PAYLOADS: readonly Payload[] = [
  ...truncatedFrames(),
  ...priorities(),
  ...indices(),
  ...tableSizes(),
  ...continuations(),
  ...timeouts(),
];
