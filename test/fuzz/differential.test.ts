/** The differences that RFC 9113 allows between our server and node:http2 are let pass, and none beside them. */

import {
  data,
  frame,
  headers,
  octets,
  rstStream,
  toHex,
  uint32,
} from '../support/frame-factory.ts';
import { block, REQUEST } from '../support/scripted-peer.ts';
import { onNode, t } from '../support/tap.ts';
import { compareServers, differenceOf, type Verdict, withoutDifferences } from './differential.ts';

const REQUEST_BLOCK = block(...REQUEST);
const NO_SLASH = block(
  ...REQUEST.map(([name, value]) => [name, value.replace(/^\//, '')] as const),
);

function verdict(parts: Partial<Verdict>): Verdict {
  return { connection: false, resets: new Map(), refusals: new Map(), words: '', ...parts };
}

await t.test(
  '§8.1.1 a reset there is a refusal here on the same stream, for its fields',
  async (t) => {
    const noSlash = new Map([[1, 'path does not begin with a slash']]);
    const reset = (streamId: number, code = 1): Verdict =>
      verdict({ resets: new Map([[streamId, code]]) });
    t.equal(differenceOf(verdict({ refusals: noSlash }), reset(1)), null);
    t.equal(differenceOf(verdict({ refusals: new Map([[1, ':status 415']]) }), reset(1)), null);
    const illegal: readonly (readonly [string, Verdict, Verdict])[] = [
      ['nothing was refused', verdict({}), reset(1)],
      ['another stream was refused', verdict({ refusals: noSlash }), reset(3)],
      ['not malformed, but something else', verdict({ refusals: noSlash }), reset(1, 3)],
      [
        'refused for what its messages were',
        verdict({ refusals: new Map([[1, 'no request message']]) }),
        reset(1),
      ],
      ['answered by its handler', verdict({ refusals: new Map([[1, '']]) }), reset(1)],
      [
        'one of two streams was refused',
        verdict({ refusals: noSlash }),
        verdict({
          resets: new Map([
            [1, 1],
            [3, 1],
          ]),
        }),
      ],
      ['the connection ended there', verdict({ refusals: noSlash }), verdict({ connection: true })],
    ];
    for (const [what, mine, other] of illegal) {
      t.match(differenceOf(mine, other) ?? '', /^node:http2 refuses/, what);
    }
    t.match(differenceOf(reset(1), verdict({})) ?? '', /^we refuse/);
  },
);

await t.test('§6.3 PRIORITY of a wrong length is left out on closed streams alone', async (t) => {
  const short = (streamId: number): Uint8Array => frame(2, 0, streamId, 'abcd');
  const open = headers(5, REQUEST_BLOCK, 4);
  const kept = (...parts: Uint8Array[]): string => toHex(withoutDifferences(octets(...parts))!);
  t.equal(kept(open, rstStream(5, 8), short(5)), toHex(octets(open, rstStream(5, 8))), 'reset');
  t.equal(kept(open, short(3)), toHex(open), 'passed over');
  for (const [what, parts] of [
    ['open', [open, short(5)]],
    ['half-closed', [headers(5, REQUEST_BLOCK, 5), short(5)]],
    ['idle', [open, short(7)]],
    ['of the server', [open, short(2)]],
    ['the connection', [open, short(0)]],
    ['before it was reset', [open, short(5), rstStream(5, 8)]],
  ] as const) {
    t.equal(kept(...parts), toHex(octets(...parts)), what);
  }
  t.equal(kept(open, frame(2, 0, 3, 'abcde')), toHex(octets(open, frame(2, 0, 3, 'abcde'))));
});

await t.test('§5.3.2 PRIORITY that makes a stream depend on itself is left out', async (t) => {
  const open = headers(5, REQUEST_BLOCK, 4);
  for (const [streamId, dependency, stays] of [
    [5, 5, false],
    [3, 3, false],
    [5, 3, true],
    [3, 5, true],
    [0, 0, true],
  ] as const) {
    const session = octets(open, frame(2, 0, streamId, uint32(dependency), [15]));
    const kept = toHex(withoutDifferences(session)!);
    t.equal(kept, toHex(stays ? session : open), `${streamId} on ${dependency}`);
  }
});

if (onNode) {
  await t.test('sessions that both judge: the same, and legal differences', async (t) => {
    for (const session of [
      octets(headers(1, NO_SLASH), data(1, octets([0, 0, 0, 0, 2], 'hi'), 1)),
      octets(headers(1, NO_SLASH, 4), rstStream(1, 8)),
      octets(headers(5, REQUEST_BLOCK, 4), frame(2, 0, 5, 'abcd')),
      octets(headers(5, REQUEST_BLOCK, 4), frame(2, 0, 3, 'abcd')),
      octets(headers(5, REQUEST_BLOCK, 4), frame(2, 0, 7, 'abcd')),
    ]) {
      await compareServers(session);
      t.pass(toHex(session.subarray(0, 9)));
    }
  });
}
