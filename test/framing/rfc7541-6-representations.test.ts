import { ErrorCode } from '../../framing/constants.ts';
import { HpackDecoder, type HpackDecoderLimits } from '../../framing/hpack/hpack-decoder.ts';
import { octets } from '../support/frame-factory.ts';
import {
  decodeBlock,
  expectCompressionError,
  expectConnectionError,
  HPACK_LIMITS,
  INDEXING,
  indexed,
  literal,
  literalNamed,
  NEVER_INDEXED,
  sizeUpdate,
  WITHOUT_INDEXING,
} from '../support/hpack.ts';
import { t } from '../support/tap.ts';

const GET = indexed(2);

function repeat(block: Uint8Array, times: number): Uint8Array {
  const all = new Uint8Array(block.length * times);
  for (let i = 0; i < times; i++) all.set(block, i * block.length);
  return all;
}

function decoderWith(limits: Partial<HpackDecoderLimits>): HpackDecoder {
  return new HpackDecoder({ ...HPACK_LIMITS, ...limits });
}

await t.test('§6.1 index 0 is COMPRESSION_ERROR', async (t) => {
  expectCompressionError(
    t,
    () => decodeBlock(new HpackDecoder(HPACK_LIMITS), '80'),
    'hpack.index-zero',
  );
});

await t.test('§6.1 an indexed field of more than one octet', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  for (let i = 0; i < 80; i++) decodeBlock(decoder, literal(INDEXING, `n${i}`, ''));
  t.strictSame(decodeBlock(decoder, octets(indexed(126), indexed(127), indexed(141))), [
    'n15',
    '',
    'n14',
    '',
    'n0',
    '',
  ]);
});

await t.test('§6.2.1 a literal with incremental indexing enters the table', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  t.strictSame(decodeBlock(decoder, literal(INDEXING, 'a', '1')), ['a', '1']);
  t.strictSame(decodeBlock(decoder, literalNamed(INDEXING, 62, '2')), ['a', '2']);
  t.strictSame(decodeBlock(decoder, literalNamed(INDEXING, 4, '/x')), [':path', '/x']);
  t.strictSame(decoder.tableEntries(), [':path', '/x', 'a', '2', 'a', '1']);
});

await t.test('§6.2.2 §6.2.3 other literals leave the table alone', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  decodeBlock(decoder, literal(INDEXING, 'a', '1'));
  for (const pattern of [WITHOUT_INDEXING, NEVER_INDEXED]) {
    t.strictSame(decodeBlock(decoder, literal(pattern, 'b', '2')), ['b', '2']);
    t.strictSame(decodeBlock(decoder, literalNamed(pattern, 62, '3')), ['a', '3']);
    t.strictSame(decodeBlock(decoder, literalNamed(pattern, 58, 'x')), ['user-agent', 'x']);
  }
  t.strictSame(decoder.tableEntries(), ['a', '1']);
});

await t.test('§6.3 a size update of more than one octet', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  decodeBlock(decoder, literal(INDEXING, 'a', 'x'.repeat(400)));
  t.strictSame(decodeBlock(decoder, octets(sizeUpdate(433), GET)), [':method', 'GET']);
  t.equal(decoder.tableOctets, 433);
  t.strictSame(decodeBlock(decoder, octets(sizeUpdate(432), GET)), [':method', 'GET']);
  t.equal(decoder.tableOctets, 0);
});

await t.test('an empty block is an empty list', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  t.strictSame(decodeBlock(decoder, ''), []);
  t.equal(decoder.complete, true);
});

await t.test('octets around the block are not read', async (t) => {
  const chunk = octets([0xff, 0xff], GET, [0xff]);
  t.strictSame(new HpackDecoder(HPACK_LIMITS).decode(chunk, 2, 3), [':method', 'GET']);
});

await t.test('a decoded list does not change with the chunk', async (t) => {
  const block = octets(
    literal(INDEXING, 'a-long-name', 'a value of some length'),
    literal(WITHOUT_INDEXING, 'b', 'another value of some length', true),
  );
  const wanted = ['a-long-name', 'a value of some length', 'b', 'another value of some length'];
  const decoder = new HpackDecoder(HPACK_LIMITS);
  const list = decoder.decode(block, 0, block.length);
  block.fill(0xaa);
  decodeBlock(decoder, literal(WITHOUT_INDEXING, 'c', 'yet another value in Huffman code', true));
  t.strictSame(list, wanted);
  t.strictSame(decoder.tableEntries(), wanted.slice(0, 2));
});

await t.test('L5: a list at the limit is whole, one octet more is cut', async (t) => {
  // :method GET counts 42, the literals 33 + value.
  const block = (valueOctets: number): Uint8Array =>
    octets(GET, literal(WITHOUT_INDEXING, 'a', 'x'.repeat(valueOctets)), GET);
  const decoder = decoderWith({ maxHeaderListOctets: 200 });
  const value = 'x'.repeat(200 - 42 - 33 - 42);
  t.strictSame(decodeBlock(decoder, block(value.length)), [
    ':method',
    'GET',
    'a',
    value,
    ':method',
    'GET',
  ]);
  t.equal(decoder.complete, true);
  t.strictSame(decodeBlock(decoder, block(value.length + 1)), [':method', 'GET', 'a', `${value}x`]);
  t.equal(decoder.complete, false);
  t.strictSame(decodeBlock(decoder, GET), [':method', 'GET'], 'the next block is its own');
  t.equal(decoder.complete, true);
});

await t.test('L5: behind a field that is too large nothing is stored, however small', async (t) => {
  const decoder = decoderWith({ maxHeaderListOctets: 200 });
  const large = literal(WITHOUT_INDEXING, 'a', 'x'.repeat(168));
  t.strictSame(decodeBlock(decoder, octets(GET, large, GET)), [':method', 'GET']);
  t.equal(decoder.complete, false);
});

await t.test(
  'L5: four times the limit is decoded to its end, one octet more is ENHANCE_YOUR_CALM',
  async (t) => {
    const block = (total: number): Uint8Array =>
      literal(WITHOUT_INDEXING, 'a', 'x'.repeat(total - 33));
    const decoder = decoderWith({ maxHeaderListOctets: 200 });
    t.strictSame(decodeBlock(decoder, octets(block(400), block(400))), []);
    t.equal(decoder.complete, false);
    for (const [what, octetsBeyond] of [
      ['in two fields', octets(block(400), block(401))],
      ['in one field', block(801)],
      ['in a string alone', literal(WITHOUT_INDEXING, 'a', 'x'.repeat(801))],
      ['in a name', literal(INDEXING, 'x'.repeat(801), '')],
      ['in a Huffman string', literal(WITHOUT_INDEXING, 'a', '0'.repeat(801), true)],
      ['in a Huffman string of long codes', literal(WITHOUT_INDEXING, 'a', '\n'.repeat(900), true)],
      ['in indexed fields', repeat(GET, 20)],
    ] as const) {
      expectConnectionError(
        t,
        () => decodeBlock(decoderWith({ maxHeaderListOctets: 200 }), octetsBeyond),
        ErrorCode.ENHANCE_YOUR_CALM,
        'hpack.header-list-too-large',
        what,
      );
    }
  },
);

await t.test(
  'L5: a string beyond four times the limit is refused by its length, unread',
  async (t) => {
    for (const huffman of [false, true]) {
      const block = literal(WITHOUT_INDEXING, 'a', '\n'.repeat(3000), huffman);
      let reads = 0;
      const counted = new Proxy(block, {
        get: (chunk, key) => {
          reads++;
          return chunk[Number(key)];
        },
      });
      expectConnectionError(
        t,
        () => decoderWith({ maxHeaderListOctets: 200 }).decode(counted, 0, block.length),
        ErrorCode.ENHANCE_YOUR_CALM,
        'hpack.header-list-too-large',
      );
      t.ok(reads < 20, `${reads} reads`);
    }
  },
);

await t.test('L6: as many fields as allowed are whole, one more is cut', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  t.equal(decodeBlock(decoder, repeat(GET, 128)).length, 256);
  t.equal(decoder.complete, true);
  t.equal(decodeBlock(decoder, repeat(GET, 129)).length, 256);
  t.equal(decoder.complete, false);
});

await t.test('L5 L6: no limit at all is possible', async (t) => {
  const decoder = decoderWith({
    maxHeaderListOctets: Number.POSITIVE_INFINITY,
    maxHeaderFields: Number.POSITIVE_INFINITY,
  });
  t.equal(decodeBlock(decoder, repeat(GET, 5000)).length, 10_000);
  t.equal(decoder.complete, true);
});

await t.test(
  'S55 a large entry referred to again and again is stored up to the limit only',
  async (t) => {
    const decoder = new HpackDecoder(HPACK_LIMITS);
    const value = 'x'.repeat(4000);
    decodeBlock(decoder, literal(INDEXING, 'a', value));
    const list = decodeBlock(decoder, repeat(indexed(62), 16));
    t.equal(list.length, 8, '4 fields of 4033 octets are within 16384');
    t.equal(decoder.complete, false);
    t.equal(list[1], list[7]);
    expectConnectionError(
      t,
      () => decodeBlock(decoder, repeat(indexed(62), 16_384)),
      ErrorCode.ENHANCE_YOUR_CALM,
      'hpack.header-list-too-large',
    );
  },
);

await t.test(
  'S56 a nearly empty entry referred to again and again is cut at field 129',
  async (t) => {
    const decoder = new HpackDecoder(HPACK_LIMITS);
    decodeBlock(decoder, literal(INDEXING, 'a', ''));
    t.equal(decodeBlock(decoder, repeat(indexed(62), 1000)).length, 256);
    t.equal(decoder.complete, false);
    expectConnectionError(
      t,
      () => decodeBlock(decoder, repeat(indexed(62), 16_000)),
      ErrorCode.ENHANCE_YOUR_CALM,
      'hpack.header-list-too-large',
      '16000 x 33 octets are beyond 4 x 16384',
    );
  },
);

await t.test('S58 fields without name and value count 32 octets each', async (t) => {
  const empty = literal(WITHOUT_INDEXING, '', '');
  const decoder = decoderWith({ maxHeaderListOctets: 320 });
  t.equal(decodeBlock(decoder, repeat(empty, 10)).length, 20);
  t.equal(decoder.complete, true);
  t.equal(decodeBlock(decoder, repeat(empty, 11)).length, 20);
  t.equal(decoder.complete, false);
  expectConnectionError(
    t,
    () => decodeBlock(decoder, repeat(empty, 10_000)),
    ErrorCode.ENHANCE_YOUR_CALM,
    'hpack.header-list-too-large',
  );
});

await t.test('S59 what an over-limit block inserts is there for the next block', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  const filler = literal(WITHOUT_INDEXING, 'filler', 'x'.repeat(20_000));
  const block = octets(
    literal(INDEXING, 'before', '1'),
    filler,
    literal(INDEXING, 'after', '2'),
    literalNamed(INDEXING, 62, '3'),
    indexed(62),
    literal(INDEXING, 'in-huffman', 'four', true),
  );
  t.strictSame(decodeBlock(decoder, block), ['before', '1']);
  t.equal(decoder.complete, false);
  const wanted = ['in-huffman', 'four', 'after', '3', 'after', '2', 'before', '1'];
  t.strictSame(decoder.tableEntries(), wanted);
  const all = octets(indexed(62), indexed(63), indexed(64), indexed(65));
  t.strictSame(decodeBlock(decoder, all), wanted);
  t.equal(decoder.complete, true);
});

await t.test('S59 faults behind the limits are still found', async (t) => {
  for (const [fault, token] of [
    [octets([0x80]), 'hpack.index-zero'],
    [indexed(70), 'hpack.index-out-of-range'],
    [sizeUpdate(0), 'hpack.size-update-not-at-start'],
    [octets([0x04, 0x81, 0xff]), 'hpack.huffman-padding-too-long'],
    [octets([0x00, 0x05, 0x61]), 'hpack.truncated'],
  ] as const) {
    expectCompressionError(
      t,
      () => decodeBlock(new HpackDecoder(HPACK_LIMITS), octets(repeat(GET, 129), fault)),
      token,
    );
  }
});

await t.test(
  'S60 any text may be indexed; a bad field changes nothing for its neighbours',
  async (t) => {
    const decoder = new HpackDecoder(HPACK_LIMITS);
    const bad = ['Upper-Case', 'x', '', '', 'te', 'gzip', 'x-bin', '!!', 'nul\0', '\r\n', ':x', ''];
    for (let i = 0; i < bad.length; i += 2) {
      t.strictSame(decodeBlock(decoder, literal(INDEXING, bad[i]!, bad[i + 1]!)), [
        bad[i],
        bad[i + 1],
      ]);
    }
    decodeBlock(decoder, literal(INDEXING, 'good', '1'));
    t.strictSame(decodeBlock(decoder, octets(indexed(62), indexed(68))), [
      'good',
      '1',
      'Upper-Case',
      'x',
    ]);
  },
);

await t.test('S61 many short strings in one block', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  const fields = Array.from({ length: 100 }, (_, i) => [`n${i}`, `v${i}`] as const);
  const block = octets(
    ...fields.map(([name, value], i) => literal(WITHOUT_INDEXING, name, value, i % 2 === 0)),
  );
  t.strictSame(decodeBlock(decoder, block), fields.flat());
});

await t.test('a name and a value in Huffman code do not overwrite each other', async (t) => {
  const decoder = decoderWith({ maxHeaderListOctets: 1_000_000 });
  // The value needs a larger scratch buffer than the name, which has to survive that.
  const name = 'n'.repeat(3000);
  const value = 'v'.repeat(100_000);
  for (const pattern of [WITHOUT_INDEXING, INDEXING]) {
    t.strictSame(decodeBlock(decoder, literal(pattern, name, value, true)), [name, value]);
  }
  t.strictSame(decodeBlock(decoder, literal(WITHOUT_INDEXING, 'b', 'c', true)), ['b', 'c']);
});
