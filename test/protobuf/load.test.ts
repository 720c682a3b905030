/** Where `.proto` definitions come from, and what is said when they are wrong. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  loadRoot,
  loadService,
  loadServiceAsync,
  ProtoError,
  type ProtoSource,
  type ServiceOptions,
} from '../../lib/protobuf/index.ts';
import { t } from '../support/tap.ts';
import { protoFolder } from './proto-folder.ts';

const SHOP = `syntax = "proto3";
package shop.v1;
import "items/item.proto";
import "google/protobuf/timestamp.proto";
service Shop {
  rpc Buy(Order) returns (Receipt);
  rpc Watch(Order) returns (stream shop.items.Item);
  rpc Fill(stream shop.items.Item) returns (Order);
  rpc Trade(stream Order) returns (stream Order);
}
message Order { repeated shop.items.Item items = 1; }
message Receipt { google.protobuf.Timestamp paid_at = 1; }
`;
const ITEM = `syntax = "proto3";
package shop.items;
import public "price.proto";
message Item { string name = 1; Price unit_price = 2; }
`;
const PRICE = `syntax = "proto3";
package shop.items;
message Price { int64 units = 1; }
`;

/** The ProtoError that loading ends with, from both the blocking and the asynchronous loader. */
async function failure(
  source: ProtoSource,
  serviceName = 'a.B',
  options: ServiceOptions = {},
): Promise<ProtoError> {
  const asynchronous = await loadServiceAsync(source, serviceName, options).catch(
    (error: unknown) => error,
  );
  try {
    loadService(source, serviceName, options);
  } catch (error) {
    if (!(error instanceof ProtoError)) throw error;
    t.equal((asynchronous as Error).message, error.message, 'both loaders say the same');
    return error;
  }
  throw new Error('loading should have failed');
}

await t.test('a file: its methods, with imports relative to it and well-known types', async (t) => {
  const folder = protoFolder(t, {
    'shop.proto': SHOP,
    'items/item.proto': ITEM,
    'items/price.proto': PRICE,
  });
  const wanted = [
    ['Buy', '/shop.v1.Shop/Buy', 'shop.v1.Order', 'shop.v1.Receipt', false, false],
    ['Watch', '/shop.v1.Shop/Watch', 'shop.v1.Order', 'shop.items.Item', false, true],
    ['Fill', '/shop.v1.Shop/Fill', 'shop.items.Item', 'shop.v1.Order', true, false],
    ['Trade', '/shop.v1.Shop/Trade', 'shop.v1.Order', 'shop.v1.Order', true, true],
  ];
  const path = join(folder, 'shop.proto');
  for (const service of [
    loadService({ file: path }, 'shop.v1.Shop'),
    await loadServiceAsync({ file: path }, 'shop.v1.Shop'),
    loadService({ file: pathToFileURL(path) }, 'shop.v1.Shop'),
    loadService({ root: loadRoot({ file: path }) }, 'shop.v1.Shop'),
    loadService({ file: 'shop.proto' }, 'shop.v1.Shop', { includeDirs: [folder] }),
    loadService({ text: SHOP, filename: path }, 'shop.v1.Shop'),
  ]) {
    t.equal(service.name, 'shop.v1.Shop');
    t.strictSame(
      service.methods.map((method) => [
        method.name,
        method.path,
        method.request.typeName,
        method.response.typeName,
        method.requestStreaming,
        method.responseStreaming,
      ]),
      wanted,
    );
  }
});

await t.test('imports start at includeDirs, before the importing file', async (t) => {
  const folder = protoFolder(t, {
    'protos/shop/shop.proto': SHOP,
    'protos/shop/items/item.proto': 'this is not the one',
    'protos/items/item.proto': ITEM,
    'more/price.proto': PRICE,
  });
  const includeDirs = [join(folder, 'protos'), join(folder, 'more')];
  const service = loadService({ file: 'shop/shop.proto' }, 'shop.v1.Shop', { includeDirs });
  t.equal(service.methods.length, 4);
});

await t.test('every file of google/protobuf can be imported', async (t) => {
  const names = 'any api descriptor duration empty field_mask source_context struct timestamp type';
  const imports = [...names.split(' '), 'wrappers'].map(
    (name) => `import "google/protobuf/${name}.proto";`,
  );
  const text = `syntax = "proto3"; package a; ${imports.join('\n')}
    service B {
      rpc C(google.protobuf.Empty) returns (google.protobuf.FileDescriptorProto);
      rpc D(google.protobuf.Api) returns (google.protobuf.Type);
      rpc E(google.protobuf.Value) returns (google.protobuf.Any);
    }`;
  const service = loadService({ text }, 'a.B');
  t.equal(service.methods.length, 3);
  const descriptor = service.message('google.protobuf.FileDescriptorProto');
  const octets = descriptor.encode({ name: 'x.proto' });
  t.equal(descriptor.decode(octets)['name'], 'x.proto');
});

await t.test('files that import each other', async (t) => {
  const folder = protoFolder(t, {
    'a.proto':
      'syntax = "proto3"; package a; import "b.proto"; service B { rpc C(M) returns (N); } message M { N n = 1; }',
    'b.proto': 'syntax = "proto3"; package a; import "a.proto"; message N { M m = 1; }',
  });
  t.equal(loadService({ file: join(folder, 'a.proto') }, 'a.B').methods.length, 1);
});

await t.test('field names become camelCase unless keepCase', async (t) => {
  const text =
    'syntax = "proto3"; service S { rpc M(R) returns (R); } message R { int32 a_b = 1; }';
  const octets = new Uint8Array([8, 5]);
  const camel = loadService({ text }, 'S').message('R');
  t.strictSame(camel.encode({ aB: 5 }), octets);
  t.equal(camel.decode(octets)['aB'], 5);
  const kept = loadService({ text }, 'S', { keepCase: true }).message('R');
  t.strictSame(kept.encode({ a_b: 5 }), octets);
  t.equal(kept.decode(octets)['a_b'], 5);
});

await t.test('a file that is not there', async (t) => {
  const folder = protoFolder(t, {});
  const path = join(folder, 'no.proto');
  const error = await failure({ file: path });
  t.equal(
    error.message,
    `${path}: no such .proto file; looked for ${path}. Correct the path (a relative one starts at the working directory) or add its folder to includeDirs`,
  );
  t.equal(error.file, path);
  // The system's own text differs between runtimes, and between their blocking and asynchronous calls.
  const unreadable = { name: 'ProtoError', message: /: cannot be read: .*directory/i };
  t.throws(() => loadService({ file: folder }, 'a.B'), unreadable);
  await t.rejects(loadServiceAsync({ file: folder }, 'a.B'), unreadable);
});

await t.test('an import that is not there: file, line, and the places looked at', async (t) => {
  const folder = protoFolder(t, { 'shop.proto': SHOP, 'items/item.proto': ITEM });
  const item = join(folder, 'items/item.proto');
  const error = await failure({ file: join(folder, 'shop.proto') });
  t.equal(
    error.message,
    `${item}:3: import "price.proto" not found; looked for ${join(folder, 'items/price.proto')}. Add the folder that import paths start from to includeDirs`,
  );
  t.strictSame([error.file, error.line], [item, 3]);
  const fromText = await failure({ text: 'syntax = "proto3";\nimport "x.proto";' });
  t.equal(
    fromText.message,
    'line 2: import "x.proto" not found; there is no folder to look in. Add the folder that import paths start from to includeDirs',
  );
  t.equal(fromText.line, 2);
});

await t.test('a syntax error: file, line, and the line itself', async (t) => {
  const text = 'syntax = "proto3";\nservice B {\n  rpc C(D) return (D);\n}';
  const folder = protoFolder(t, { 'a.proto': text });
  const path = join(folder, 'a.proto');
  const message = `illegal token 'return', 'returns' expected in "rpc C(D) return (D);"`;
  const error = await failure({ file: path });
  t.equal(error.message, `${path}:3: ${message}`);
  t.strictSame([error.file, error.line], [path, 3]);
  t.equal((await failure({ text })).message, `line 3: ${message}`);
  t.equal((await failure({ text, filename: 'a.proto' })).message, `a.proto:3: ${message}`);
  t.match(
    (await failure({ text: 'message A {' })).message,
    /^line 1: (illegal token 'null'|unexpected end)/,
  );
});

await t.test(
  'names that mean nothing: file and line of the use, and the name that was meant',
  async (t) => {
    const head = 'syntax = "proto3";\npackage a;\n';
    const cases: [string, string][] = [
      [
        `${head}message M {\n  // Thing x = 7;\n  Thing x = 7;\n}`,
        'a.proto:5: unknown type "Thing" in field "x" of message a.M; define it, or import the file that does',
      ],
      [
        `${head}message M {\n  map<string, thing> x = 7;\n}\nmessage Thing {}`,
        'a.proto:4: unknown type "thing" in field "x" of message a.M; is it a.Thing?',
      ],
      [
        `${head}message Q {}\nservice B {\n  rpc C(Q) returns (b.Q);\n}`,
        'a.proto:5: unknown type "b.Q" in rpc C of a.B; is it a.Q?',
      ],
      [
        `${head}message M {\n  string s = 0;\n}`,
        'a.proto:4: field "s" of message a.M has number 0; numbers are 1 to 536870911, without 19000 to 19999',
      ],
      [
        `${head}message M {\n  string s = 19500;\n}`,
        'a.proto:4: field "s" of message a.M has number 19500; numbers are 1 to 536870911, without 19000 to 19999',
      ],
      [`${head}message M {}\nmessage M {}`, "a.proto: duplicate name 'M' in Namespace .a"],
    ];
    for (const [text, message] of cases) {
      t.equal((await failure({ text, filename: 'a.proto' })).message, message);
    }
  },
);

await t.test('a service that is not there: those that are', async (t) => {
  const text = 'syntax = "proto3"; package a; service Files {} service Other {}';
  const filename = 'a.proto';
  t.equal(
    (await failure({ text, filename }, 'a.B')).message,
    'no service "a.B" in a.proto; there is a.Files, a.Other',
  );
  t.equal(
    (await failure({ text, filename }, 'Files')).message,
    'no service "Files" in a.proto; is it "a.Files"?',
  );
  t.equal(
    (await failure({ text: '', filename }, 'a.B')).message,
    'no service "a.B" in a.proto; there is none',
  );
  const service = loadService({ text, filename }, 'a.Files');
  t.throws(() => service.message('a.Nothing'), {
    message: 'no message type "a.Nothing" in a.proto; import the file that defines it',
  });
});

await t.test('wrong arguments', async (t) => {
  const wrongSource = {
    name: 'TypeError',
    message:
      'source must be an object with exactly one of file, text, root and module, such as { file: "shop.proto" }',
  };
  for (const source of ['a.proto', null, {}, { file: 'a', text: 'b' }]) {
    t.throws(() => loadService(source as unknown as ProtoSource, 'a.B'), wrongSource);
    await t.rejects(loadServiceAsync(source as unknown as ProtoSource, 'a.B'), wrongSource);
  }
  for (const includeDirs of ['protos', [5]] as unknown as string[][]) {
    t.throws(() => loadService({ file: 'a.proto' }, 'a.B', { includeDirs }), {
      name: 'TypeError',
      message: 'includeDirs must be an array of paths of folders',
    });
  }
  t.throws(() => loadService({ text: '' }, ''), { name: 'TypeError' });
  t.throws(() => loadService({ text: 5 as unknown as string }, 'a.B'), { name: 'TypeError' });
  t.throws(() => loadService({ file: '' }, 'a.B'), { name: 'TypeError' });
  t.throws(() => loadService({ root: { nested: {} } } as unknown as ProtoSource, 'a.B'), {
    message:
      'source.root must be a protobufjs Root; make one of a JSON descriptor with protobuf.Root.fromJSON',
  });
});
