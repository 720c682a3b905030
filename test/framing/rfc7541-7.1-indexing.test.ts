import type { HeaderList } from '../../framing/frame-handler.ts';
import { HpackDecoder } from '../../framing/hpack/hpack-decoder.ts';
import { HpackEncoder } from '../../framing/hpack/hpack-encoder.ts';
import { octets, toHex } from '../support/frame-factory.ts';
import {
  decodeBlock,
  encodeBlock,
  HPACK_LIMITS,
  indexed,
  literal,
  literalNamed,
  NEVER_INDEXED,
  WITHOUT_INDEXING,
} from '../support/hpack.ts';
import { t } from '../support/tap.ts';

const REQUEST: HeaderList = [
  ':method',
  'POST',
  ':scheme',
  'http',
  ':path',
  '/grpc.testing.TestService/EmptyCall',
  ':authority',
  'localhost:50051',
  'te',
  'trailers',
  'content-type',
  'application/grpc',
];

/** An encoder and the decoder of its peer, which has to agree after every block. */
class Pair {
  readonly encoder: HpackEncoder;
  readonly decoder: HpackDecoder = new HpackDecoder({ ...HPACK_LIMITS, maxHeaderFields: 1000 });

  constructor(maxTableOctets = 4096) {
    this.encoder = new HpackEncoder(maxTableOctets);
  }

  send(template: HeaderList, extra: HeaderList | null = null): Uint8Array {
    const block = encodeBlock(this.encoder, template, extra);
    const list = decodeBlock(this.decoder, block);
    const wanted = [...template, ...(extra ?? [])];
    if (JSON.stringify(list) !== JSON.stringify(wanted)) {
      throw new Error(`decoded to ${JSON.stringify(list)}, not ${JSON.stringify(wanted)}`);
    }
    if (this.encoder.tableEntries().join('\n') !== this.decoder.tableEntries().join('\n')) {
      throw new Error('the tables differ');
    }
    return block;
  }
}

await t.test(
  'a template is inserted by its first block and is all references from then on',
  async (t) => {
    const pair = new Pair();
    t.ok(pair.send(REQUEST).length > 40);
    t.equal(pair.encoder.tableEntries().length, 8, 'the four fields that are not static');
    const warm = pair.send(REQUEST);
    t.equal(warm.length, 6);
    for (let i = 0; i < 3; i++) t.equal(toHex(pair.send(REQUEST)), toHex(warm));
  },
);

await t.test('fields of a call follow the template', async (t) => {
  const pair = new Pair();
  pair.send(REQUEST, ['x-a', '1']);
  const warm = pair.send(REQUEST, ['x-a', '1']);
  t.equal(warm.length, 7);
  t.equal(pair.send(REQUEST).length, 6);
  t.equal(pair.send([], ['x-a', '1']).length, 1);
  t.equal(pair.send(REQUEST, []).length, 6);
});

await t.test('an insertion by a call moves the references of the template', async (t) => {
  const pair = new Pair();
  pair.send(REQUEST);
  const warm = pair.send(REQUEST);
  pair.send(REQUEST, ['x-a', '1']);
  const moved = pair.send(REQUEST);
  t.not(toHex(moved), toHex(warm));
  t.equal(moved.length, 6);
});

await t.test('a change of the table size empties the cached block', async (t) => {
  const pair = new Pair();
  pair.send(REQUEST);
  pair.send(REQUEST);
  pair.encoder.setPeerMaxTableOctets(0);
  pair.decoder.setMaxTableOctets(0);
  t.ok(pair.send(REQUEST).length > 40, 'size update and literals');
  pair.encoder.setPeerMaxTableOctets(4096);
  pair.decoder.setMaxTableOctets(4096);
  pair.send(REQUEST);
  t.equal(pair.send(REQUEST).length, 6);
});

await t.test('two templates share their common fields and keep a block each', async (t) => {
  const pair = new Pair();
  const other = REQUEST.with(5, '/grpc.testing.TestService/UnaryCall');
  pair.send(REQUEST);
  pair.send(other);
  for (let i = 0; i < 3; i++) {
    t.equal(pair.send(REQUEST).length, 6);
    t.equal(pair.send(other).length, 6);
  }
  t.equal(pair.encoder.tableEntries().length, 10);
});

await t.test('more templates than are kept are still encoded right', async (t) => {
  const pair = new Pair();
  const templates = Array.from({ length: 300 }, (_, i) => REQUEST.with(5, `/a.B/M${i}`));
  let wireOctets = 0;
  for (let round = 0; round < 4; round++) {
    wireOctets = 0;
    for (const template of templates) wireOctets += pair.send(template).length;
  }
  t.ok(
    wireOctets < 300 * 15,
    `${wireOctets} octets for 300 blocks although the table holds a part`,
  );
});

await t.test('templates that do not fit the table together stop changing it', async (t) => {
  const pair = new Pair();
  const templates = Array.from({ length: 100 }, (_, i) =>
    REQUEST.with(5, `/package.Service/M${i}`),
  );
  for (let round = 0; round < 3; round++) for (const template of templates) pair.send(template);
  let changes = 0;
  for (const template of Array.from({ length: 10 }, () => templates).flat()) {
    const before = pair.encoder.tableEntries()[1];
    pair.send(template);
    if (pair.encoder.tableEntries()[1] !== before) changes++;
  }
  t.ok(changes <= 4, `${changes} insertions in 1000 blocks: one per 256 may evict`);
});

await t.test('a table full of old fields is renewed for a new template in time', async (t) => {
  const pair = new Pair();
  for (let i = 0; i < 60; i++) pair.send(['x', `${i}`.padEnd(60, '-')]);
  let octetsAtLast = 0;
  for (let i = 0; i < 3000; i++) octetsAtLast = pair.send(REQUEST).length;
  t.equal(octetsAtLast, 6);
});

await t.test(
  'per-call fields are literals without indexing that refer to a name sent once',
  async (t) => {
    const pair = new Pair();
    pair.send(REQUEST);
    pair.send(REQUEST, ['grpc-timeout', '1000m']);
    const entries = pair.encoder.tableEntries();
    t.strictSame(entries.slice(0, 2), ['grpc-timeout', '1000m']);
    const warm = pair.send(REQUEST);
    for (let i = 999; i > 900; i--) {
      const block = pair.send(REQUEST, ['grpc-timeout', `${i}m`]);
      const wanted = octets(warm, literalNamed(WITHOUT_INDEXING, 62, `${i}m`));
      if (toHex(block) !== toHex(wanted)) t.equal(toHex(block), toHex(wanted));
    }
    t.equal(toHex(pair.send(REQUEST, ['grpc-timeout', '1000m'])), toHex(octets(warm, indexed(62))));
    t.strictSame(pair.encoder.tableEntries(), entries);
  },
);

await t.test('no per-call name changes the table from its second value on', async (t) => {
  for (const name of [
    'grpc-timeout',
    'traceparent',
    'tracestate',
    'grpc-trace-bin',
    'grpc-tags-bin',
    'x-request-id',
    'x-correlation-id',
    'baggage',
    'grpc-message',
  ]) {
    const pair = new Pair();
    pair.send([], [name, 'first value']);
    const entries = pair.encoder.tableEntries();
    t.strictSame(entries, [name, 'first value']);
    for (let i = 0; i < 20; i++) pair.send([], [name, `value ${i}`]);
    t.strictSame(pair.encoder.tableEntries(), entries, name);
  }
});

await t.test('a long per-call value does not enter the table even once', async (t) => {
  const pair = new Pair();
  const value = 'x'.repeat(300);
  const block = pair.send([], ['tracestate', value]);
  t.strictSame(pair.encoder.tableEntries(), []);
  t.equal(block[0], WITHOUT_INDEXING);
});

await t.test('§7.1.3 secrets are never-indexed literals', async (t) => {
  for (const [name, value, wanted] of [
    ['authorization', 'Bearer abc', literalNamed(NEVER_INDEXED, 23, 'Bearer abc')],
    ['proxy-authorization', 'Basic abc', literalNamed(NEVER_INDEXED, 49, 'Basic abc')],
    ['authorization', '', literalNamed(NEVER_INDEXED, 23, '')],
  ] as const) {
    const pair = new Pair();
    for (let i = 0; i < 3; i++) {
      t.equal(toHex(pair.send([], [name, value])), toHex(wanted), name);
      t.equal(toHex(pair.send([name, value])), toHex(wanted), `${name} in a template`);
    }
    t.strictSame(pair.encoder.tableEntries(), []);
  }
  const pair = new Pair();
  for (const list of [
    ['x-api-key', 'k'],
    ['cookie', 'a=1234567890123456'],
    ['set-cookie', 'a=b'],
  ]) {
    t.equal(pair.send([], list)[0]! & 0xf0, NEVER_INDEXED, list[0]);
    t.equal(pair.send(list)[0]! & 0xf0, NEVER_INDEXED, `${list[0]} in a template`);
  }
  t.strictSame(pair.encoder.tableEntries(), []);
});

await t.test('§7.1.3 a cookie of 20 octets may be indexed, one of 19 is not', async (t) => {
  const pair = new Pair();
  pair.send([], ['cookie', 'a'.repeat(19)]);
  t.strictSame(pair.encoder.tableEntries(), []);
  pair.send([], ['cookie', 'a'.repeat(20)]);
  t.strictSame(pair.encoder.tableEntries(), ['cookie', 'a'.repeat(20)]);
});

await t.test('a constant metadata value is indexed', async (t) => {
  const pair = new Pair();
  pair.send(REQUEST, ['x-tenant', 'acme']);
  t.equal(pair.send(REQUEST, ['x-tenant', 'acme']).length, 7);
});

await t.test('values that never repeat stop being inserted', async (t) => {
  const pair = new Pair();
  for (let i = 0; i < 10; i++) pair.send(REQUEST, ['x-user-id', `user-${i}`]);
  const entries = pair.encoder.tableEntries();
  t.equal(entries.filter((text) => text === 'x-user-id').length, 4);
  for (let i = 10; i < 200; i++) pair.send(REQUEST, ['x-user-id', `user-${i}`]);
  t.strictSame(pair.encoder.tableEntries(), entries);
});

await t.test('a value that comes again after many that did not is inserted', async (t) => {
  const pair = new Pair();
  for (let i = 0; i < 10; i++) pair.send(REQUEST, ['x-user-id', `user-${i}`]);
  pair.send(REQUEST, ['x-user-id', 'constant']);
  t.ok(pair.send(REQUEST, ['x-user-id', 'constant']).length > 7);
  t.equal(pair.send(REQUEST, ['x-user-id', 'constant']).length, 7);
});

await t.test('names that never repeat cannot keep the table from resting', async (t) => {
  const pair = new Pair();
  pair.send(REQUEST);
  let changes = 0;
  for (let i = 0; i < 2000; i++) {
    const before = pair.encoder.tableEntries()[0];
    pair.send(REQUEST, [`x-random-${i}`, 'v']);
    if (i >= 200 && pair.encoder.tableEntries()[0] !== before) changes++;
  }
  t.ok(changes <= 8 * 5, `${changes} changes in 1800 blocks`);
});

await t.test('a field larger than three quarters of the table is not inserted', async (t) => {
  const pair = new Pair();
  pair.send([], ['a', 'x'.repeat(3072 - 33 + 1)]);
  t.strictSame(pair.encoder.tableEntries(), []);
  pair.send([], ['a', 'x'.repeat(3072 - 33)]);
  t.equal(pair.encoder.tableOctets, 3072);
});

await t.test('L8: the table never exceeds its maximum', async (t) => {
  const pair = new Pair(200);
  for (let i = 0; i < 100; i++) {
    pair.send([], [`name-${i % 7}`, `value-${i % 5}`]);
    if (pair.encoder.tableOctets > 200) t.fail(`${pair.encoder.tableOctets} octets`);
  }
  t.ok(pair.encoder.tableOctets > 100);
});

await t.test('§5.2 Huffman code is used where it is shorter', async (t) => {
  const pair = new Pair();
  t.equal(
    toHex(pair.send([], ['custom-key', 'custom-value'])),
    toHex(literal(0x40, 'custom-key', 'custom-value', true)),
  );
  t.equal(toHex(pair.send([], ['~~', '~~'])), toHex(literal(0x40, '~~', '~~')));
  t.equal(toHex(pair.send([], ['\xff\0', '\xff\0'])), toHex(literal(0x40, '\xff\0', '\xff\0')));
});

await t.test(
  'text beyond latin1 is a RangeError that names the field and changes nothing',
  async (t) => {
    const pair = new Pair();
    pair.send(REQUEST);
    const entries = pair.encoder.tableEntries();
    const target = new Uint8Array(1000);
    for (const [list, pattern] of [
      [['x-new', '1', 'x-name', 'Ā'], /x-name/],
      [['x-new', '1', 'x-name', `${'a'.repeat(50)}日本`], /x-name/],
      [['x-new', '1', 'na\u{1f600}me', 'v'], /na.*me/u],
      [['x-new', '1', `long-field-name-${'x'.repeat(20)}Ā`, 'v'], /long-field-name/],
    ] as const) {
      for (const run of [
        (): unknown => pair.encoder.encode(REQUEST, list, target, 0),
        (): unknown => pair.encoder.encode(list, null, target, 0),
      ]) {
        try {
          run();
          t.fail('no error');
        } catch (error) {
          t.ok(error instanceof RangeError);
          t.match((error as Error).message, pattern);
        }
      }
    }
    t.strictSame(pair.encoder.tableEntries(), entries);
    t.equal(pair.send(REQUEST).length, 6, 'the encoder goes on');
  },
);

await t.test('a pending size update survives a RangeError', async (t) => {
  const encoder = new HpackEncoder(4096);
  encoder.setPeerMaxTableOctets(0);
  t.throws(() => encoder.encode([], ['a', 'Ā'], new Uint8Array(100), 0), { name: 'RangeError' });
  t.equal(toHex(encodeBlock(encoder, [], [':method', 'GET'])), '2082');
});

await t.test('a target that is too small is a RangeError', async (t) => {
  const encoder = new HpackEncoder(4096);
  t.throws(() => encoder.encode([], ['a', 'b'.repeat(50)], new Uint8Array(20), 0), {
    name: 'RangeError',
  });
});

await t.test('the bound holds for the worst fields', async (t) => {
  const encoder = new HpackEncoder(4096);
  encoder.setPeerMaxTableOctets(4000);
  encoder.setPeerMaxTableOctets(4096);
  const list = Array.from({ length: 50 }, (_, i) => [`\xff${i}`, '\xff'.repeat(i * 10)]).flat();
  for (const [template, extra] of [
    [[], list],
    [list, null],
    [list, list],
    [[], []],
  ] as const) {
    t.ok(encodeBlock(encoder, template, extra).length <= encoder.maxEncodedOctets(template, extra));
  }
});
