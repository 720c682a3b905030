/** Definitions as FileDescriptorProtos: written by us, read by protobufjs's own reader, and compared with what went in. */

import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor.js';
import { describedFiles } from '../../lib/services/described-files.ts';
import { DescriptorIndex } from '../../lib/services/descriptor-index.ts';
import { encodeFileDescriptor } from '../../lib/services/file-descriptor.ts';
import { strongComponents } from '../../lib/services/strong-components.ts';
import { t } from '../support/tap.ts';
import { circularRoot, EDITION_PROTO, LEGACY_PROTO, rootOf, SHOP_PROTO } from './definitions.ts';

interface Field {
  readonly name: string;
  readonly number: number;
  readonly label: number;
  readonly type: number;
  readonly typeName?: string;
  readonly extendee?: string;
  readonly defaultValue?: string;
  readonly oneofIndex?: number;
  readonly jsonName?: string;
  readonly proto3Optional?: boolean;
  readonly options?: Readonly<Record<string, unknown>>;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

interface Message {
  readonly name: string;
  readonly field: readonly Field[];
  readonly extension: readonly Field[];
  readonly nestedType: readonly Message[];
  readonly enumType: readonly EnumType[];
  readonly oneofDecl: readonly { readonly name: string }[];
  readonly extensionRange: readonly Range[];
  readonly reservedRange: readonly Range[];
  readonly reservedName: readonly string[];
  readonly options?: Readonly<Record<string, unknown>>;
}

interface EnumType {
  readonly name: string;
  readonly value: readonly {
    readonly name: string;
    readonly number: number;
    readonly options?: object;
  }[];
  readonly options?: Readonly<Record<string, unknown>>;
}

interface File {
  readonly name: string;
  readonly package: string;
  readonly syntax?: string;
  readonly edition?: number;
  readonly dependency: readonly string[];
  readonly messageType: readonly Message[];
  readonly enumType: readonly EnumType[];
  readonly extension: readonly Field[];
  readonly service: readonly {
    readonly name: string;
    readonly method: readonly Readonly<Record<string, unknown>>[];
  }[];
}

const FileDescriptorProto = (descriptor as unknown as { FileDescriptorProto: protobuf.Type })
  .FileDescriptorProto;

function filesOf(...roots: protobuf.Root[]): Map<string, File> {
  return new Map(
    describedFiles(roots).map((file) => [
      file.name,
      FileDescriptorProto.decode(encodeFileDescriptor(file)).toJSON() as unknown as File,
    ]),
  );
}

/** As `toJSON`, with enums as numbers and without empty lists filled in. */
function fileOf(text: string, filename = 'test.proto'): File {
  const [file] = describedFiles([rootOf(text, filename)]).filter(({ name }) => name === filename);
  const decoded = FileDescriptorProto.decode(encodeFileDescriptor(file!));
  return FileDescriptorProto.toObject(decoded, { arrays: true }) as unknown as File;
}

/** A copy without the lists that are empty. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => !Array.isArray(inner) || inner.length > 0)
      .map(([name, inner]) => [name, plain(inner)]),
  );
}

function fieldOf(message: Message | undefined, name: string): Field | undefined {
  return message?.field.find((field) => field.name === name);
}

await t.test('proto3: names, numbers, types and labels are those of the .proto', async (t) => {
  const file = fileOf(SHOP_PROTO);
  t.equal(file.package, 'shop.v1');
  t.equal(file.syntax, 'proto3');
  t.strictSame(file.dependency, ['google/protobuf/timestamp.proto']);
  const [order] = file.messageType;
  t.equal(order?.name, 'Order');
  t.strictSame(
    order?.field.map(({ name, number, label, type }) => [name, number, label, type]),
    [
      ['item_name', 1, 1, 9],
      ['gift_count', 2, 1, 5],
      ['card_number', 3, 1, 9],
      ['trade_in', 4, 1, 11],
      ['express', 5, 1, 8],
      ['by_name', 6, 3, 11],
      ['color_of', 7, 3, 11],
      ['sizes', 8, 3, 5],
      ['loose_sizes', 9, 3, 5],
      ['color', 10, 1, 14],
      ['placed_at', 11, 1, 11],
      ['label', 12, 1, 12],
      ['first_part', 13, 1, 11],
    ],
  );
  t.equal(fieldOf(order, 'trade_in')?.typeName, '.shop.v1.Order');
  t.equal(fieldOf(order, 'placed_at')?.typeName, '.google.protobuf.Timestamp');
  t.equal(fieldOf(order, 'item_name')?.jsonName, 'itemName');
  t.equal(fieldOf(order, 'label')?.jsonName, 'tag');
  t.strictSame(plain(fieldOf(order, 'color')?.options), { deprecated: true });
  t.equal(fieldOf(order, 'sizes')?.options, undefined);
  t.strictSame(plain(fieldOf(order, 'loose_sizes')?.options), { packed: false });
  t.strictSame(
    order?.reservedRange.map(({ start, end }) => [start, end]),
    [
      [20, 21],
      [30, 41],
      [1000, 536_870_912],
    ],
  );
  t.strictSame(order?.reservedName, ['old_name']);
});

await t.test(
  'proto3: optional fields have oneofs of their own, behind the real ones',
  async (t) => {
    const [order] = fileOf(SHOP_PROTO).messageType;
    t.strictSame(
      order?.oneofDecl.map(({ name }) => name),
      ['pay_by', '_gift_count', '_express'],
    );
    t.strictSame(
      order?.field
        .filter((field) => field.oneofIndex !== undefined)
        .map(({ name, oneofIndex, proto3Optional }) => [name, oneofIndex, proto3Optional === true]),
      [
        ['gift_count', 1, true],
        ['card_number', 0, false],
        ['trade_in', 0, false],
        ['express', 2, true],
      ],
    );
  },
);

await t.test('maps are entries with key and value, named as compilers name them', async (t) => {
  const [order] = fileOf(SHOP_PROTO).messageType;
  t.equal(fieldOf(order, 'by_name')?.typeName, '.shop.v1.Order.ByNameEntry');
  const entries = order?.nestedType.filter(({ options }) => options?.['mapEntry'] === true) ?? [];
  t.strictSame(
    entries.map(({ name, field }) => [
      name,
      ...field.map((part) => [part.name, part.number, part.type, part.typeName]),
    ]),
    [
      ['ByNameEntry', ['key', 1, 9, undefined], ['value', 2, 11, '.shop.v1.Order']],
      ['ColorOfEntry', ['key', 1, 5, undefined], ['value', 2, 14, '.shop.v1.Color']],
    ],
  );
});

await t.test('enums with aliases and negative values, services with both streams', async (t) => {
  const { enumType, service } = fileOf(SHOP_PROTO);
  t.strictSame(
    enumType[0]?.value.map(({ name, number }) => [name, number]),
    [
      ['UNSET', 0],
      ['RED', 1],
      ['ROUGE', 1],
      ['BLUE', -2],
    ],
  );
  t.strictSame(plain(enumType[0]?.options), { allowAlias: true });
  t.strictSame(plain(enumType[0]?.value[3]?.options), { deprecated: true });
  t.strictSame(plain(service[0]?.method), [
    { name: 'Buy', inputType: '.shop.v1.Order', outputType: '.shop.v1.Receipt' },
    {
      name: 'Watch',
      inputType: '.shop.v1.Order',
      outputType: '.shop.v1.Receipt',
      serverStreaming: true,
    },
    {
      name: 'Fill',
      inputType: '.shop.v1.Order',
      outputType: '.shop.v1.Receipt',
      options: { deprecated: true },
      clientStreaming: true,
    },
    {
      name: 'Haggle',
      inputType: '.shop.v1.Order',
      outputType: '.shop.v1.Order',
      clientStreaming: true,
      serverStreaming: true,
    },
  ]);
});

await t.test('proto2: required, defaults, groups, extensions', async (t) => {
  const file = fileOf(LEGACY_PROTO);
  t.equal(file.syntax ?? 'proto2', 'proto2');
  const [base] = file.messageType;
  t.equal(fieldOf(base, 'the_name')?.label, 2);
  t.strictSame(
    base?.field.flatMap(({ name, defaultValue }) => (defaultValue ? [[name, defaultValue]] : [])),
    [
      ['depth', '-5'],
      ['greeting', 'say "hi"\n'],
      ['raw', '\\001a\\\\'],
      ['most', 'inf'],
      ['mood', 'GRUMPY'],
      ['on', 'true'],
    ],
  );
  t.strictSame(plain(fieldOf(base, 'packed_ones')?.options?.['packed']), true);
  t.equal(fieldOf(base, 'loose_ones')?.options, undefined);
  t.equal(fieldOf(base, 'entry')?.type, 10);
  t.equal(fieldOf(base, 'entry')?.typeName, '.legacy.Base.Entry');
  t.strictSame(
    base?.extensionRange.map(({ start, end }) => [start, end]),
    [
      [100, 200],
      [500, 536_870_912],
    ],
  );
  t.equal(base?.field.length, 10, 'no field of an extension');
  t.strictSame(
    [...file.extension, ...(base?.extension ?? [])].map(({ name, number, extendee, label }) => [
      name,
      number,
      extendee,
      label,
    ]),
    [
      ['outer_mood', 100, '.legacy.Base', 1],
      ['children', 150, '.legacy.Base', 3],
      ['inner_note', 101, '.legacy.Base', 1],
    ],
  );
});

await t.test('editions: features as they were resolved', async (t) => {
  const file = fileOf(EDITION_PROTO);
  t.equal(file.syntax, 'editions');
  t.equal(file.edition, 1000);
  const [thing] = file.messageType;
  const features = (name: string): unknown => fieldOf(thing, name)?.options?.['features'];
  t.equal(features('with_presence'), undefined);
  t.strictSame(plain(features('without_presence')), { fieldPresence: 2 });
  t.equal(features('packed_ones'), undefined);
  t.strictSame(plain(features('loose_ones')), { repeatedFieldEncoding: 2 });
  t.strictSame(plain(features('inner')), { messageEncoding: 2 });
  t.strictSame(plain(file.enumType[0]?.options?.['features']), { enumType: 2 });
});

await t.test('what protobufjs reads back encodes and decodes the same octets', async (t) => {
  for (const [text, typeName, message] of [
    [
      SHOP_PROTO,
      'shop.v1.Order',
      {
        itemName: 'x',
        giftCount: 0,
        tradeIn: { sizes: [1, 2] },
        byName: { a: { looseSizes: [3, 4] } },
        colorOf: { 5: 1 },
      },
    ],
    [
      LEGACY_PROTO,
      'legacy.Base',
      {
        theName: 'n',
        packedOnes: [1, 2],
        looseOnes: [3, 4],
        entry: [{ keyText: 'k' }],
        '.legacy.outerMood': 2,
      },
    ],
    [
      EDITION_PROTO,
      'modern.Thing',
      { withPresence: '', packedOnes: [1], looseOnes: [2, 3], inner: { shut: 1 } },
    ],
  ] as const) {
    const root = rootOf(text);
    const file = describedFiles([root]).map((described) =>
      FileDescriptorProto.decode(encodeFileDescriptor(described)),
    );
    const again = (
      protobuf.Root as unknown as { fromDescriptor(set: object): protobuf.Root }
    ).fromDescriptor({ file });
    const [before, after] = [root, again].map((side) => {
      const type = side.lookupType(typeName);
      return type.encode(type.fromObject(message)).finish();
    });
    t.strictSame([...(after ?? [])], [...(before ?? [])], typeName);
    t.ok((before?.length ?? 0) > 5);
  }
});

await t.test('files: import names tell nothing of this machine', async (t) => {
  const roots = [
    rootOf(
      'syntax = "proto3"; package shop.v1; message A {}',
      '/secret/place/protos/shop/v1/a.proto',
    ),
    rootOf('syntax = "proto3"; package other; message B {}', '/secret/place/protos/b.proto'),
    rootOf('syntax = "proto3"; package third; message C {}', '/another/secret/b.proto'),
    rootOf('syntax = "proto3"; package given; message D {}', 'my/own/d.proto'),
    rootOf(
      'syntax = "proto3"; package google.rpc; message Status {}',
      '/secret/google/rpc/status.proto',
    ),
  ];
  const names = [...filesOf(...roots).keys()].sort();
  t.strictSame(
    names.filter((name) => !name.endsWith('d.proto')),
    ['b.proto', 'google/rpc/status.proto', 'secret/b.proto', 'shop/v1/a.proto'],
    'a folder more only where two names would be the same',
  );
});

await t.test('files: definitions loaded twice are there once', async (t) => {
  const files = filesOf(rootOf(SHOP_PROTO), rootOf(SHOP_PROTO), rootOf(SHOP_PROTO, 'copy.proto'));
  t.strictSame([...files.keys()].sort(), ['google/protobuf/timestamp.proto', 'test.proto']);
});

await t.test('files: without file names, packages in a circle are taken apart', async (t) => {
  const files = filesOf(circularRoot());
  const imports = [...files].map(([name, { dependency = [] }]) => [name, [...dependency]]);
  t.strictSame(
    imports.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    [
      ['a/Alone.proto', ['b/Leaf.proto']],
      ['a/One.proto', ['b/Two.proto']],
      ['a/S.proto', ['a/Alone.proto', 'a/One.proto']],
      ['a/Three.proto', ['b/Leaf.proto']],
      ['b/Leaf.proto', []],
      ['b/Two.proto', ['a/Three.proto']],
    ],
  );
});

await t.test('strong components come after what they lead to', async (t) => {
  const graph: Readonly<Record<string, readonly string[]>> = {
    a: ['b'],
    b: ['c', 'd'],
    c: ['a'],
    d: ['e', 'elsewhere'],
    e: ['d'],
    f: ['a', 'f'],
  };
  t.strictSame(
    strongComponents(Object.keys(graph), (node) => graph[node] ?? []).map((part) =>
      part.sort().join(''),
    ),
    ['de', 'abc', 'f'],
  );
  const chain = Array.from({ length: 50_000 }, (_, n) => n);
  t.equal(strongComponents(chain, (n) => [n + 1]).length, 50_000, 'deep graphs too');
});

await t.test('the index finds definitions by every name they have', async (t) => {
  const index = new DescriptorIndex([rootOf(SHOP_PROTO), rootOf(LEGACY_PROTO, 'legacy.proto')]);
  for (const symbol of [
    'shop.v1.Order',
    'shop.v1.Order.Part',
    'shop.v1.Order.Part.Kind',
    'shop.v1.Order.Part.BOLT',
    'shop.v1.Order.item_name',
    'shop.v1.Color',
    'shop.v1.ROUGE',
    'shop.v1.Counter',
    'shop.v1.Counter.Buy',
  ]) {
    t.equal(index.bySymbol(symbol)?.file.name, 'test.proto', symbol);
  }
  for (const symbol of ['legacy.outer_mood', 'legacy.Base.inner_note', 'legacy.Base.the_name']) {
    t.equal(index.bySymbol(symbol)?.file.name, 'legacy.proto', symbol);
  }
  for (const symbol of [
    '',
    '.',
    'shop',
    'shop.v1',
    'shop.v1.',
    'shop.v1.Counter.Sell',
    'Order',
    '__proto__',
    'shop.v1.Order.constructor',
  ]) {
    t.equal(index.bySymbol(symbol), undefined, `no ${symbol}`);
  }
  t.equal(index.byExtension('legacy.Base', 150)?.file.name, 'legacy.proto');
  t.equal(index.byExtension('legacy.Base', 151), undefined);
  t.strictSame(index.extensionNumbers('legacy.Base'), [100, 101, 150]);
  t.strictSame(index.extensionNumbers('shop.v1.Order'), []);
  t.equal(index.extensionNumbers('shop.v1.Color'), undefined);
  t.equal(index.byName('google/protobuf/timestamp.proto')?.file.packageName, 'google.protobuf');
});
