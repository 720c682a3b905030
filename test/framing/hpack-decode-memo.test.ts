/** The decode memo: the same octets give the same list object, but only while they mean the same. */

import { HpackDecoder } from '../../framing/hpack/hpack-decoder.ts';
import { octets } from '../support/frame-factory.ts';
import {
  decodeBlock,
  expectCompressionError,
  HPACK_LIMITS,
  INDEXING,
  indexed,
  literal,
  sizeUpdate,
  WITHOUT_INDEXING,
} from '../support/hpack.ts';
import { t } from '../support/tap.ts';

const BLOCK = octets(indexed(3), indexed(62), literal(WITHOUT_INDEXING, 'grpc-timeout', '1S'));

function warmDecoder(): HpackDecoder {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  decodeBlock(decoder, octets(literal(INDEXING, 'a', '1'), literal(INDEXING, 'b', '2')));
  return decoder;
}

await t.test('the same block gives the same list object', async (t) => {
  const decoder = warmDecoder();
  const list = decodeBlock(decoder, BLOCK);
  t.strictSame(list, [':method', 'POST', 'b', '2', 'grpc-timeout', '1S']);
  for (let i = 0; i < 3; i++) t.equal(decodeBlock(decoder, BLOCK), list);
  t.equal(decodeBlock(decoder, ''), decodeBlock(decoder, ''), 'the empty block too');
});

await t.test('another block gives another list', async (t) => {
  const decoder = warmDecoder();
  const list = decodeBlock(decoder, BLOCK);
  const other = BLOCK.slice();
  other[other.length - 1] = 'm'.charCodeAt(0);
  t.strictSame(decodeBlock(decoder, other), [...list.slice(0, -1), '1m']);
  t.strictSame(decodeBlock(decoder, BLOCK.subarray(0, 2)), list.slice(0, 4), 'a part of it');
  t.equal(decodeBlock(decoder, BLOCK), list);
});

await t.test('blocks of one length whose hashes meet are told apart', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  // 31 x 0x82 + 0xa3 = 31 x 0x83 + 0x84
  const first = decodeBlock(decoder, '82a3');
  const second = decodeBlock(decoder, '8384');
  t.strictSame(first, [':method', 'GET', 'expect', '']);
  t.strictSame(second, [':method', 'POST', ':path', '/']);
  t.equal(decodeBlock(decoder, '82a3'), first);
  t.equal(decodeBlock(decoder, '8384'), second);
});

await t.test('an insertion makes the block mean something else', async (t) => {
  const decoder = warmDecoder();
  const before = decodeBlock(decoder, BLOCK);
  const insertion = literal(INDEXING, 'c', '3');
  t.strictSame(decodeBlock(decoder, insertion), ['c', '3']);
  const after = decodeBlock(decoder, BLOCK);
  t.strictSame(after, [':method', 'POST', 'c', '3', 'grpc-timeout', '1S']);
  t.strictSame(
    before,
    [':method', 'POST', 'b', '2', 'grpc-timeout', '1S'],
    'the old list is whole',
  );
  t.equal(decodeBlock(decoder, BLOCK), after, 'remembered again');
});

await t.test('a block that inserts is never remembered', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  const block = octets(indexed(3), literal(INDEXING, 'c', '3'));
  for (let i = 1; i <= 3; i++) {
    t.strictSame(decodeBlock(decoder, block), [':method', 'POST', 'c', '3']);
    t.equal(decoder.tableOctets, 34 * i);
  }
});

await t.test(
  'an entry too large for the table, which empties it, makes blocks mean something else',
  async (t) => {
    const decoder = warmDecoder();
    decodeBlock(decoder, BLOCK);
    decodeBlock(decoder, literal(INDEXING, 'large', 'x'.repeat(5000)));
    expectCompressionError(t, () => decodeBlock(decoder, BLOCK), 'hpack.index-out-of-range');
  },
);

await t.test('eviction by a size update makes the block an error', async (t) => {
  const decoder = warmDecoder();
  decodeBlock(decoder, BLOCK);
  decodeBlock(decoder, sizeUpdate(0));
  expectCompressionError(t, () => decodeBlock(decoder, BLOCK), 'hpack.index-out-of-range');
});

await t.test('a block with a size update is never remembered', async (t) => {
  const decoder = warmDecoder();
  const block = octets(sizeUpdate(34), sizeUpdate(4096), indexed(62));
  const first = decodeBlock(decoder, block);
  t.strictSame(first, ['b', '2']);
  t.not(decodeBlock(decoder, block), first);
  t.strictSame(decoder.tableEntries(), ['b', '2']);
});

await t.test('a size update that is due is asked for although the block is known', async (t) => {
  const decoder = warmDecoder();
  decodeBlock(decoder, BLOCK);
  decoder.setMaxTableOctets(100);
  expectCompressionError(t, () => decodeBlock(decoder, BLOCK), 'hpack.size-update-missing');
});

await t.test('a list that was cut is not remembered', async (t) => {
  const decoder = new HpackDecoder({ ...HPACK_LIMITS, maxHeaderFields: 2 });
  const block = octets(indexed(2), indexed(4), indexed(6));
  const first = decodeBlock(decoder, block);
  t.equal(decoder.complete, false);
  t.not(decodeBlock(decoder, block), first);
  t.equal(decoder.complete, false);
});

await t.test('a remembered list after a cut one is complete', async (t) => {
  const decoder = new HpackDecoder({ ...HPACK_LIMITS, maxHeaderFields: 2 });
  decodeBlock(decoder, indexed(2));
  decodeBlock(decoder, octets(indexed(2), indexed(4), indexed(6)));
  t.equal(decoder.complete, false);
  t.strictSame(decodeBlock(decoder, indexed(2)), [':method', 'GET']);
  t.equal(decoder.complete, true);
});

await t.test('blocks of 128 octets are remembered, longer ones are not', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  const of = (length: number): Uint8Array => literal(WITHOUT_INDEXING, 'a', 'x'.repeat(length - 4));
  t.equal(of(128).length, 128);
  t.equal(decodeBlock(decoder, of(128)), decodeBlock(decoder, of(128)));
  const longer = decodeBlock(decoder, of(129));
  t.not(decodeBlock(decoder, of(129)), longer);
  t.strictSame(decodeBlock(decoder, of(129)), longer);
});

await t.test('sixteen blocks are remembered at once', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  const lists = Array.from({ length: 16 }, (_, i) => decodeBlock(decoder, indexed(i + 1)));
  lists.forEach((list, i) => {
    t.equal(decodeBlock(decoder, indexed(i + 1)), list, `index ${i + 1}`);
  });
});

await t.test('more blocks than places replace each other and stay right', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  const faults: string[] = [];
  let same = 0;
  const last = new Map<number, readonly string[]>();
  for (let i = 0; i < 5000; i++) {
    const value = (i * 7) % 20;
    const list = decodeBlock(decoder, literal(WITHOUT_INDEXING, 'a', `v${value}`));
    if (list[0] !== 'a' || list[1] !== `v${value}` || list.length !== 2) faults.push(`${i}`);
    if (last.get(value) === list) same++;
    last.set(value, list);
  }
  t.strictSame(faults, []);
  t.ok(same > 1000, `${same} of 5000 found although 20 blocks share 16 places`);
});

await t.test('what the caller does to its chunk does not reach the memo', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  const chunk = literal(WITHOUT_INDEXING, 'a', 'one');
  const first = decoder.decode(chunk, 0, chunk.length);
  chunk[chunk.length - 1] = 'f'.charCodeAt(0);
  t.strictSame(decoder.decode(chunk, 0, chunk.length), ['a', 'onf']);
  t.equal(decodeBlock(decoder, literal(WITHOUT_INDEXING, 'a', 'one')), first);
});
