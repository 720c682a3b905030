/** Messages into octets and back: every kind of field, the checks before encoding, and hostile octets. */

import protobuf from 'protobufjs';
import { loadService, type MessageCodec, type ProtoMessage } from '../../lib/protobuf/index.ts';
import { t } from '../support/tap.ts';

const TEXT = `syntax = "proto3"; package k;
service S { rpc M(All) returns (All); }
enum Kind { NONE = 0; ONE = 1; MINUS = -1; }
message Inner { int32 x = 1; Inner next = 2; bytes blob = 3; }
message All {
  double d = 1; float f = 2; int32 i32 = 3; int64 i64 = 4; uint32 u32 = 5; uint64 u64 = 6;
  sint32 s32 = 7; sint64 s64 = 8; fixed32 f32 = 9; fixed64 f64 = 10; sfixed32 sf32 = 11;
  sfixed64 sf64 = 12; bool b = 13; string s = 14; bytes by = 15; Kind kind = 16; Inner inner = 17;
  repeated int32 packed = 18; repeated Inner list = 19; map<string, Inner> map = 20;
  map<int64, string> wide_keys = 21; map<bool, int64> bools = 22; repeated int64 wide = 23;
  oneof choice { string left = 24; Inner right = 25; } optional int32 maybe = 26;
}
message Empty {}
message Text { string s = 1; }
message Strings { map<string, string> map = 1; }
message Old { Kind kind = 1; }
`;
const service = loadService({ text: TEXT }, 'k.S');
const all = service.message('k.All');

function root(): protobuf.Root {
  return protobuf.parse(TEXT).root.resolveAll() as protobuf.Root;
}

const LOSSLESS = { longs: BigInt, enums: String } as unknown as protobuf.IConversionOptions;

const FULL = {
  d: 1.5,
  f: -0.25,
  i32: -(2 ** 31),
  i64: -(2n ** 63n),
  u32: 2 ** 32 - 1,
  u64: 2n ** 64n - 1n,
  s32: -7,
  s64: -9007199254740993n,
  f32: 9,
  f64: 10n,
  sf32: -11,
  sf64: -12n,
  b: true,
  s: 'täxt',
  by: new Uint8Array([1, 2, 3]),
  kind: 'MINUS',
  inner: { x: 5, next: { x: 6 } },
  packed: [1, 2, 300],
  list: [{ x: 1 }, {}],
  map: { k: { x: 1 } },
  wideKeys: { '-5': 'minus five' },
  bools: { true: 1n },
  wide: [1n, -1n],
  right: { x: 9 },
  maybe: 0,
};

await t.test(
  'every kind of field survives the round trip, as another protobufjs reads it',
  async (t) => {
    const lossless = loadService({ text: TEXT }, 'k.S', { toObject: LOSSLESS }).message('k.All');
    const octets = lossless.encode(FULL);
    t.strictSame(lossless.decode(octets), FULL);
    const type = root().lookupType('k.All');
    t.strictSame(type.toObject(type.decode(octets), LOSSLESS), FULL);
    t.strictSame(
      lossless.encode(lossless.decode(octets)),
      octets,
      'what is decoded can be encoded',
    );
    const instance = all.decode(octets);
    t.strictSame(all.encode(instance), octets, 'so can a message instance');
    const unchecked = loadService({ text: TEXT }, 'k.S', { unchecked: true }).message('k.All');
    t.strictSame(unchecked.encode(instance), octets);
  },
);

await t.test(
  '64-bit integers: number, bigint, decimal string and Long give the same octets',
  async (t) => {
    const forms = [5000000000, 5000000000n, '5000000000', { low: 705032704, high: 1 }];
    for (const value of forms) {
      t.strictSame([...all.encode({ i64: value })], [32, 128, 228, 151, 208, 18]);
      t.strictSame([...all.encode({ wide: [value] })].slice(3), [128, 228, 151, 208, 18]);
    }
    t.strictSame([...all.encode({ s64: -1n })], [64, 1]);
    t.strictSame([...all.encode({ i64: -1n })].length, 11);
    t.equal(String(all.decode(all.encode({ u64: 2n ** 64n - 1n }))['u64']), '18446744073709551615');
  },
);

await t.test('absent fields read as their defaults; unknown fields are dropped', async (t) => {
  const message = all.decode(new Uint8Array([250, 7, 1, 65])); // field 127, one octet
  t.equal(message['s'], '');
  t.equal(message['i32'], 0);
  t.strictSame(message['list'], []);
  t.equal(all.encode(message).length, 0);
});

await t.test(
  'a value of a wrong type is a TypeError that names method, field and problem',
  async (t) => {
    const codec = service.methods[0]!.request;
    const cases: [unknown, string][] = [
      [undefined, 'must be a k.All message, got undefined'],
      [null, 'must be a k.All message, got null'],
      ['text', 'must be a k.All message, got string "text"'],
      [[], 'must be a k.All message, got an array'],
      [Promise.resolve({}), 'must be a k.All message, got a Promise'],
      [{ s: 5 }, 'field "s" (string) must be a string, got number 5'],
      [{ b: 1 }, 'field "b" (bool) must be a boolean, got number 1'],
      [{ d: '1' }, 'field "d" (double) must be a number, got string "1"'],
      [
        { i32: 2 ** 31 },
        'field "i32" (int32) must be an integer from -2147483648 to 2147483647, got number 2147483648',
      ],
      [{ u32: -1 }, 'field "u32" (uint32) must be an integer from 0 to 4294967295, got number -1'],
      [
        { u64: -1n },
        'field "u64" (uint64) must be a safe integer, bigint, decimal string or Long from 0 to 18446744073709551615, got bigint -1',
      ],
      [
        { i64: 2 ** 60 },
        'field "i64" (int64) must be a safe integer, bigint, decimal string or Long from -9223372036854775808 to 9223372036854775807, got number 1152921504606847000',
      ],
      [{ by: 'text' }, 'field "by" (bytes) must be a Uint8Array, got string "text"'],
      [
        { kind: 'TWO' },
        'field "kind" must be a value of enum k.Kind (NONE=0, ONE=1, MINUS=-1), got string "TWO"',
      ],
      [{ inner: new Date(0) }, 'field "inner" must be a k.Inner message, got a Date'],
      [{ list: { x: 1 } }, 'field "list" must be an array, got an object'],
      [
        { list: [{}, { next: { x: 'a' } }] },
        'field "list[1].next.x" (int32) must be an integer from -2147483648 to 2147483647, got string "a"',
      ],
      [{ list: [null] }, 'field "list[0]" must be a k.Inner message, got null'],
      [{ map: { 'a b': 5 } }, 'field "map["a b"]" must be a k.Inner message, got number 5'],
      [
        { map: new Map() },
        'field "map" must be a plain object, got a Map; use Object.fromEntries(map)',
      ],
      [{ wideKeys: { five: '' } }, 'field "wideKeys["five"]" has a key that is no int64'],
      [{ wide_keys: {} }, 'field "wide_keys" is not a field of k.All; is it "wideKeys"?'],
      [{ inner: { y: 1 } }, 'field "inner.y" is not a field of k.Inner'],
      [{ left: 'a', right: {} }, 'field "right" is the second one set of its oneof'],
    ];
    for (const [value, problem] of cases) {
      t.throws(() => codec.encode(value as object), {
        name: 'TypeError',
        message: `request of /k.S/M: ${problem}`,
      });
    }
    t.strictSame([...codec.encode({ i32: 1 })], [24, 1], 'and the next message is encoded as ever');
  },
);

await t.test('values that are absent or foreign but harmless are accepted', async (t) => {
  t.equal(all.encode({ s: undefined, inner: null, list: undefined }).length, 0);
  t.equal(all.encode(Object.create(null) as ProtoMessage).length, 0);
  t.equal(all.encode({ choice: 'left', left: 'a' }).length, 4, 'oneof name, as toObject sets it');
  t.strictSame([...all.encode({ packed: new Int32Array([1, 2]) })], [146, 1, 2, 1, 2]);
  const asText = loadService({ text: TEXT }, 'k.S', { toObject: { bytes: String } });
  t.strictSame([...asText.message('k.All').encode({ by: 'AQI=' })], [122, 2, 1, 2]);
});

await t.test('proto2: required fields and closed enums', async (t) => {
  const text = `syntax = "proto2"; package p; service S { rpc M(R) returns (R); }
    message R { required int32 a = 1; optional group G = 2 { optional int32 b = 3; } }`;
  const codec = loadService({ text }, 'p.S').message('p.R');
  t.throws(() => codec.encode({}), { message: 'p.R: field "a" is required in p.R' });
  t.throws(() => codec.decode(new Uint8Array()), {
    message: "p.R: not a p.R message (0 octets): missing required 'a'",
  });
  t.strictSame([...codec.encode({ a: 1, g: { b: 2 } })], [8, 1, 19, 24, 2, 20]);
  t.equal(codec.decode(new Uint8Array([8, 1]))['a'], 1);
});

await t.test(
  'a serializer that runs inside another one, and one that throws, leave messages whole',
  async (t) => {
    let inner: Uint8Array | null = null;
    const message = {
      s: 'outer',
      get i32(): number {
        inner = all.encode({ s: 'inner' });
        return 7;
      },
    };
    const unchecked = loadService({ text: TEXT }, 'k.S', { unchecked: true }).message('k.All');
    const octets = unchecked.encode(message);
    t.equal(all.decode(octets)['s'], 'outer');
    t.equal(all.decode(octets)['i32'], 7);
    t.equal(all.decode(inner!)['s'], 'inner');
    const throwing = {
      s: 'x',
      get inner(): ProtoMessage {
        throw new Error('from the getter');
      },
    };
    t.throws(() => unchecked.encode(throwing), { name: 'TypeError', message: /from the getter/ });
    t.equal(all.decode(all.encode({ s: 'after' }))['s'], 'after');
  },
);

await t.test('messages of every size stay as they are while others are encoded', async (t) => {
  const text = service.message('k.Text');
  const sizes = [0, 1, 100, 127, 128, 1000, 7000, 8191, 8192, 9000, 20000, 300000, 3, 5];
  const kept: [string, Uint8Array][] = [];
  for (let round = 0; round < 20; round += 1) {
    for (const size of sizes) {
      const value = String.fromCharCode(97 + (kept.length % 26)).repeat(size);
      kept.push([value, text.encode({ s: value })]);
    }
  }
  t.ok(kept.every(([value, octets]) => text.decode(octets)['s'] === value));
});

await t.test(
  'an encoded message holds no buffer much larger than itself, beyond one slab',
  async (t) => {
    const text = service.message('k.Text');
    for (const size of [10, 1000, 8100, 8200, 17000, 70000, 1100000]) {
      const octets = text.encode({ s: 'a'.repeat(size) });
      t.ok(octets.buffer.byteLength <= Math.max(8192, octets.length * 2), `${size} octets`);
    }
  },
);

await t.test('decoded bytes do not keep the read buffer they came in', async (t) => {
  const inner = service.message('k.Inner');
  const read = new Uint8Array(65536);
  read.set([26, 3, 7, 8, 9], 1000);
  for (const buffer of [read, Buffer.from(read.buffer)]) {
    const message = inner.decode(buffer.subarray(1000, 1005));
    const blob = message['blob'] as Uint8Array;
    t.strictSame([...blob], [7, 8, 9]);
    t.equal(blob.constructor, Uint8Array, 'whatever class the read buffer has');
    t.ok(blob.buffer.byteLength < 64, 'a copy');
  }
  read.fill(0);
  const large = inner.encode({ blob: new Uint8Array(40000).fill(5) });
  const blob = inner.decode(large)['blob'] as Uint8Array;
  t.equal(blob.buffer, large.buffer, 'a message that fills its buffer is not copied');
});

await t.test(
  'L26 messages nested 100 deep are decoded and encoded, deeper ones are refused',
  async (t) => {
    const inner = service.message('k.Inner');
    function nested(depth: number): Uint8Array {
      let octets: number[] = [];
      for (let level = 0; level < depth; level += 1) {
        const length = octets.length;
        octets = [
          18,
          ...(length < 128 ? [length] : [(length & 127) | 128, length >> 7]),
          ...octets,
        ];
      }
      return new Uint8Array(octets);
    }
    const message = inner.decode(nested(100));
    t.strictSame(inner.encode(message), nested(100));
    const tooDeep = {
      message:
        /^k\.Inner: not a k\.Inner message \(\d+ octets\): messages are nested too deeply \(maxMessageDepth is 100\)$/,
    };
    t.throws(() => inner.decode(nested(101)), tooDeep);
    t.throws(() => inner.decode(nested(4000)), tooDeep);
    t.throws(() => inner.encode({ next: message }), {
      message: /^k\.Inner: field "next(\.next){100}" is nested deeper than maxMessageDepth$/,
    });
    const cyclic: { next?: object } = {};
    cyclic.next = cyclic;
    t.throws(() => inner.encode(cyclic), { message: /is nested deeper than maxMessageDepth$/ });
  },
);

await t.test(
  'security.md F4: 21 KB of start-group tags end in a plain Error for any type',
  async (t) => {
    const bomb = new Uint8Array(21 * 1024).fill(0x0b);
    for (const name of ['k.Empty', 'k.Inner', 'k.All', 'k.Strings']) {
      const codec = service.message(name);
      try {
        codec.decode(bomb);
        t.fail('decoded');
      } catch (error) {
        t.equal((error as Error).constructor, Error);
        t.equal(
          (error as Error).message,
          `${name}: not a ${name} message (21504 octets): messages are nested too deeply (maxMessageDepth is 100)`,
        );
      }
    }
  },
);

await t.test('truncated and malformed octets end in a plain Error', async (t) => {
  const cases: [string, number[]][] = [
    ['a string longer than the message', [114, 200, 1, 65]],
    ['a varint that does not end', [24, 255, 255]],
    ['a varint of eleven octets', [24, ...new Array<number>(10).fill(255), 1]],
    ['an inner message cut short', [138, 1, 5, 8]],
    ['an end-group tag alone', [12]],
    ['wire type 7', [15]],
    ['invalid UTF-8 in a string', [114, 2, 0xc3, 0x28]],
  ];
  for (const [name, octets] of cases) {
    try {
      all.decode(new Uint8Array(octets));
      t.fail(name);
    } catch (error) {
      t.equal((error as Error).constructor, Error, name);
      t.match((error as Error).message, /^k\.All: not a k\.All message \(\d+ octets\): ./);
    }
  }
});

await t.test(
  'security.md F2: map keys __proto__, constructor, toString pollute nothing',
  async (t) => {
    const strings = service.message('k.Strings');
    const keys = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];
    const entries = keys.map((key) => {
      const text = new TextEncoder().encode(key);
      return [10, text.length + 5, 10, text.length, ...text, 18, 1, 120];
    });
    const octets = new Uint8Array(entries.flat());
    for (const codec of [
      strings,
      loadService({ text: TEXT }, 'k.S', { toObject: { defaults: true } }).message('k.Strings'),
    ] as MessageCodec<ProtoMessage>[]) {
      const map = codec.decode(octets)['map'] as Record<string, string>;
      for (const key of keys) t.equal(Object.getOwnPropertyDescriptor(map, key)?.value, 'x', key);
      t.strictSame(codec.encode({ map }), octets);
    }
    t.equal(({} as Record<string, unknown>)['x'], undefined);
    t.equal(Object.getPrototypeOf({}), Object.prototype);
  },
);

await t.test('decoding the octets of other types never throws anything but Error', async (t) => {
  const seed = Date.now() % 1_000_000;
  t.comment(`seed ${seed}`);
  let state = seed + 1;
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  const sample = service.methods[0]!.request.encode(FULL as object);
  let decoded = 0;
  for (let run = 0; run < 2000; run += 1) {
    const octets = sample.slice(0, random(sample.length + 1));
    for (let change = random(4); change > 0 && octets.length > 0; change -= 1) {
      octets[random(octets.length)] = random(256);
    }
    try {
      all.decode(octets);
      decoded += 1;
    } catch (error) {
      if ((error as Error).constructor !== Error) t.fail(`seed ${seed}: ${String(error)}`);
    }
  }
  t.ok(decoded > 0, `${decoded} of 2000 were still messages`);
});
