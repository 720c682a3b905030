import { HpackDecoder } from '../../framing/hpack/hpack-decoder.ts';
import { HpackEncoder } from '../../framing/hpack/hpack-encoder.ts';
import { octets, toHex } from '../support/frame-factory.ts';
import {
  decodeBlock,
  encodeBlock,
  expectCompressionError,
  HPACK_LIMITS,
  INDEXING,
  indexed,
  literal,
  literalNamed,
  sizeUpdate,
} from '../support/hpack.ts';
import { t } from '../support/tap.ts';

const GET = indexed(2);
const GET_LIST = [':method', 'GET'];

await t.test('§4.1 an entry counts 32 octets more than its name and value', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  decodeBlock(decoder, literal(INDEXING, 'name', 'value'));
  t.equal(decoder.tableOctets, 41);
  decodeBlock(decoder, literal(INDEXING, '', ''));
  t.equal(decoder.tableOctets, 73);
});

await t.test('§4.1 Huffman coding does not change what an entry counts', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  decodeBlock(decoder, literal(INDEXING, 'eeeeeeee', 'eeeeeeee', true));
  t.equal(decoder.tableOctets, 48);
});

await t.test(
  '§4.2 the table starts at 4096 octets whatever setting is still to be acknowledged',
  async (t) => {
    const decoder = new HpackDecoder({ ...HPACK_LIMITS, maxTableOctets: 64 });
    const value = 'x'.repeat(1000);
    decodeBlock(decoder, literal(INDEXING, 'a', value));
    t.strictSame(decodeBlock(decoder, indexed(62)), ['a', value]);
  },
);

await t.test('§4.2 a smaller acknowledged setting demands a size update first', async (t) => {
  const fresh = (): HpackDecoder => {
    const decoder = new HpackDecoder(HPACK_LIMITS);
    decodeBlock(decoder, octets(literal(INDEXING, 'a', '1'), literal(INDEXING, 'b', '2')));
    decoder.setMaxTableOctets(40);
    return decoder;
  };
  await t.test('missing', async (t) => {
    expectCompressionError(t, () => decodeBlock(fresh(), GET), 'hpack.size-update-missing');
  });
  await t.test('missing in an empty block', async (t) => {
    expectCompressionError(t, () => decodeBlock(fresh(), ''), 'hpack.size-update-missing');
  });
  await t.test('larger than the setting', async (t) => {
    const block = octets(sizeUpdate(41), GET);
    expectCompressionError(t, () => decodeBlock(fresh(), block), 'hpack.size-update-too-large');
  });
  await t.test('equal to the setting', async (t) => {
    const decoder = fresh();
    t.strictSame(decodeBlock(decoder, octets(sizeUpdate(40), GET)), GET_LIST);
    t.strictSame(decoder.tableEntries(), ['b', '2']);
    t.strictSame(decodeBlock(decoder, octets(GET, GET)), [...GET_LIST, ...GET_LIST]);
  });
  await t.test('smaller than the setting', async (t) => {
    const decoder = fresh();
    t.strictSame(decodeBlock(decoder, octets(sizeUpdate(0), GET)), GET_LIST);
    t.strictSame(decoder.tableEntries(), []);
  });
});

await t.test(
  '§4.2 no size update is due while the peer uses no more than the new setting',
  async (t) => {
    const decoder = new HpackDecoder(HPACK_LIMITS);
    decodeBlock(decoder, sizeUpdate(100));
    decoder.setMaxTableOctets(100);
    t.strictSame(decodeBlock(decoder, GET), GET_LIST, 'same');
    decoder.setMaxTableOctets(5000);
    t.strictSame(decodeBlock(decoder, GET), GET_LIST, 'raised');
    decoder.setMaxTableOctets(101);
    t.strictSame(decodeBlock(decoder, GET), GET_LIST, 'lowered, still enough');
    decoder.setMaxTableOctets(99);
    expectCompressionError(t, () => decodeBlock(decoder, GET), 'hpack.size-update-missing');
  },
);

await t.test('§4.2 after lowering and raising, the smallest size comes first', async (t) => {
  const fresh = (): HpackDecoder => {
    const decoder = new HpackDecoder(HPACK_LIMITS);
    decoder.setMaxTableOctets(200);
    decoder.setMaxTableOctets(100);
    decoder.setMaxTableOctets(4096);
    return decoder;
  };
  expectCompressionError(
    t,
    () => decodeBlock(fresh(), octets(sizeUpdate(101), GET)),
    'hpack.size-update-missing',
  );
  expectCompressionError(
    t,
    () => decodeBlock(fresh(), octets(sizeUpdate(4096), sizeUpdate(100), GET)),
    'hpack.size-update-missing',
  );
  t.strictSame(decodeBlock(fresh(), octets(sizeUpdate(100), GET)), GET_LIST);
  t.strictSame(decodeBlock(fresh(), octets(sizeUpdate(100), sizeUpdate(4096), GET)), GET_LIST);
});

await t.test(
  '§4.2 the smallest of two settings counts although the second is larger',
  async (t) => {
    const decoder = new HpackDecoder(HPACK_LIMITS);
    decoder.setMaxTableOctets(100);
    decoder.setMaxTableOctets(200);
    expectCompressionError(
      t,
      () => decodeBlock(decoder, octets(sizeUpdate(200), GET)),
      'hpack.size-update-missing',
    );
  },
);

await t.test('§4.2 size updates stand at the start of a block only', async (t) => {
  for (const [what, block] of [
    ['after an indexed field', octets(GET, sizeUpdate(0))],
    ['after a literal', octets(literal(INDEXING, 'a', '1'), sizeUpdate(0), GET)],
    ['after size update and field', octets(sizeUpdate(0), GET, sizeUpdate(0))],
  ] as const) {
    expectCompressionError(
      t,
      () => decodeBlock(new HpackDecoder(HPACK_LIMITS), block),
      'hpack.size-update-not-at-start',
      what,
    );
  }
});

await t.test('§4.2 L8: two size updates are taken, a third is COMPRESSION_ERROR', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  const two = octets(sizeUpdate(0), sizeUpdate(4096));
  t.strictSame(decodeBlock(decoder, octets(two, GET)), GET_LIST);
  t.strictSame(decodeBlock(decoder, octets(two, GET)), GET_LIST, 'counted per block');
  expectCompressionError(
    t,
    () => decodeBlock(decoder, octets(two, sizeUpdate(4096), GET)),
    'hpack.too-many-size-updates',
  );
});

await t.test(
  '§4.2 L8: a size update to our maximum is taken, to one more is COMPRESSION_ERROR',
  async (t) => {
    const decoder = new HpackDecoder(HPACK_LIMITS);
    t.strictSame(decodeBlock(decoder, octets(sizeUpdate(4096), GET)), GET_LIST);
    expectCompressionError(
      t,
      () => decodeBlock(decoder, octets(sizeUpdate(4097), GET)),
      'hpack.size-update-too-large',
    );
    const larger = new HpackDecoder({ ...HPACK_LIMITS, maxTableOctets: 8192 });
    t.strictSame(decodeBlock(larger, octets(sizeUpdate(8192), GET)), GET_LIST);
    expectCompressionError(
      t,
      () => decodeBlock(larger, octets(sizeUpdate(8193), GET)),
      'hpack.size-update-too-large',
    );
  },
);

await t.test(
  '§4.3 a smaller maximum evicts the oldest entries, a larger one brings none back',
  async (t) => {
    const decoder = new HpackDecoder(HPACK_LIMITS);
    for (const name of ['a', 'b', 'c']) decodeBlock(decoder, literal(INDEXING, name, '1'));
    decodeBlock(decoder, sizeUpdate(68));
    t.strictSame(decoder.tableEntries(), ['c', '1', 'b', '1']);
    decodeBlock(decoder, sizeUpdate(67));
    t.strictSame(decoder.tableEntries(), ['c', '1']);
    decodeBlock(decoder, sizeUpdate(4096));
    t.strictSame(decoder.tableEntries(), ['c', '1']);
    expectCompressionError(t, () => decodeBlock(decoder, indexed(63)), 'hpack.index-out-of-range');
  },
);

await t.test('§4.4 an insertion evicts the oldest entries until it fits', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  decodeBlock(decoder, sizeUpdate(102));
  for (const name of ['a', 'b', 'c']) decodeBlock(decoder, literal(INDEXING, name, '1'));
  t.strictSame(decoder.tableEntries(), ['c', '1', 'b', '1', 'a', '1'], 'exactly full');
  decodeBlock(decoder, literal(INDEXING, 'd', '1'));
  t.strictSame(decoder.tableEntries(), ['d', '1', 'c', '1', 'b', '1']);
  decodeBlock(decoder, literal(INDEXING, 'e', '12'));
  t.strictSame(decoder.tableEntries(), ['e', '12', 'd', '1']);
});

await t.test('§4.4 an entry larger than the table empties it and is no error', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  decodeBlock(decoder, sizeUpdate(100));
  decodeBlock(decoder, literal(INDEXING, 'a', '1'));
  const fits = 'x'.repeat(67);
  t.strictSame(decodeBlock(decoder, literal(INDEXING, 'b', fits)), ['b', fits]);
  t.strictSame(decoder.tableEntries(), ['b', fits]);
  t.strictSame(decodeBlock(decoder, literal(INDEXING, 'b', `${fits}x`)), ['b', `${fits}x`]);
  t.strictSame(decoder.tableEntries(), []);
  t.equal(decoder.tableOctets, 0);
});

await t.test('§4.4 a name may be that of the entry which its insertion evicts', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  decodeBlock(decoder, sizeUpdate(40));
  decodeBlock(decoder, literal(INDEXING, 'name', '1'));
  t.strictSame(decodeBlock(decoder, literalNamed(INDEXING, 62, '2')), ['name', '2']);
  t.strictSame(decoder.tableEntries(), ['name', '2']);
});

await t.test('§4.2 the encoder announces what became of its table', async (t) => {
  const first = (own: number, peer: readonly number[]): string => {
    const encoder = new HpackEncoder(own);
    for (const octets of peer) encoder.setPeerMaxTableOctets(octets);
    return toHex(encodeBlock(encoder, [], GET_LIST));
  };
  const wanted = (...updates: number[]): string =>
    toHex(octets(...updates.map((update) => sizeUpdate(update)), GET));
  t.equal(first(4096, []), wanted(), 'nothing changed');
  t.equal(first(4096, [4096]), wanted(), 'the initial size again');
  t.equal(first(4096, [1000]), wanted(1000), 'lowered');
  t.equal(first(4096, [0]), wanted(0), 'no table at all');
  t.equal(first(4096, [1000, 500]), wanted(500), 'lowered twice');
  t.equal(first(4096, [0, 4096]), wanted(0, 4096), 'lowered and raised again');
  t.equal(first(4096, [500, 100, 300]), wanted(100, 300), 'smallest, then final');
  t.equal(first(4096, [65_536]), wanted(), 'L8: never more than our own maximum');
  t.equal(first(4096, [4_294_967_295]), wanted(), 'L8: the largest setting there is');
  t.equal(first(16_384, [16_384]), wanted(16_384), 'raised');
  t.equal(first(16_384, [16_384, 4096]), wanted(), 'raised and lowered to where it was');
  t.equal(first(256, []), wanted(256), 'our own maximum is smaller from the beginning');
  t.equal(first(256, [4096]), wanted(256), 'and the peer offers more');
  t.equal(first(256, [100, 4096]), wanted(100, 256), 'and the peer offered less for a while');
});

await t.test('§4.2 the encoder announces a change once', async (t) => {
  const encoder = new HpackEncoder(4096);
  encoder.setPeerMaxTableOctets(100);
  t.equal(toHex(encodeBlock(encoder, [], GET_LIST)), toHex(octets(sizeUpdate(100), GET)));
  t.equal(toHex(encodeBlock(encoder, [], GET_LIST)), toHex(GET));
  encoder.setPeerMaxTableOctets(100);
  t.equal(toHex(encodeBlock(encoder, [], GET_LIST)), toHex(GET), 'the same setting again');
  encoder.setPeerMaxTableOctets(4096);
  t.equal(toHex(encodeBlock(encoder, [], GET_LIST)), toHex(octets(sizeUpdate(4096), GET)));
});

await t.test('§4.3 the encoder evicts as soon as the peer lowers the setting', async (t) => {
  const encoder = new HpackEncoder(4096);
  const decoder = new HpackDecoder(HPACK_LIMITS);
  decodeBlock(decoder, encodeBlock(encoder, [], ['a', '1', 'b', '2']));
  t.strictSame(encoder.tableEntries(), ['b', '2', 'a', '1']);
  encoder.setPeerMaxTableOctets(40);
  encoder.setPeerMaxTableOctets(4096);
  t.strictSame(encoder.tableEntries(), ['b', '2']);
  const list = ['a', '1', 'b', '2'];
  t.strictSame(decodeBlock(decoder, encodeBlock(encoder, [], list)), list);
  t.strictSame(decoder.tableEntries(), encoder.tableEntries());
});

await t.test('§4.2 without a table the encoder inserts nothing', async (t) => {
  const encoder = new HpackEncoder(0);
  const decoder = new HpackDecoder(HPACK_LIMITS);
  const list = ['a', '1', 'grpc-timeout', '1S', ':path', '/a.B/C'];
  for (let i = 0; i < 3; i++) {
    t.strictSame(decodeBlock(decoder, encodeBlock(encoder, list, list)), [...list, ...list]);
    t.strictSame(decoder.tableEntries(), []);
    t.strictSame(encoder.tableEntries(), []);
  }
});
