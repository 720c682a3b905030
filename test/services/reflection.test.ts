/** Server reflection, v1 and v1alpha, over a real connection; and the functions that ask. */

import protobuf from 'protobufjs';
import { type ServiceMethods, Status, server, stub } from '../../lib/index.ts';
import { loadService } from '../../lib/protobuf/index.ts';
import {
  describe,
  HealthService,
  listServices,
  reflectionServices,
} from '../../lib/services/index.ts';
import {
  type ReflectionRequest,
  type ReflectionResponse,
  reflectionDefinition,
} from '../../lib/services/reflection-definition.ts';
import { t } from '../support/tap.ts';
import { circularRoot, LEGACY_PROTO, rootOf, SHOP_PROTO } from './definitions.ts';

const HOST = '127.0.0.1';
const V1 = 'grpc.reflection.v1.ServerReflection';
const V1ALPHA = 'grpc.reflection.v1alpha.ServerReflection';

async function serve(services: Readonly<Record<string, ServiceMethods>>): Promise<number> {
  const running = await server(services, 0, { host: HOST }).start();
  t.teardown(() => running.stop(0));
  return running.port();
}

const counter = loadService({ text: SHOP_PROTO, filename: 'shop.proto' }, 'shop.v1.Counter');
const old = { name: 'legacy.Old', root: rootOf(LEGACY_PROTO, 'legacy.proto') };
const health = new HealthService();

const COUNTER: ServiceMethods = counter.serviceDescriptions({
  Buy: (order: object) => ({ order, total: 3 }),
  *Watch() {},
  Fill: () => ({}),
  *Haggle() {},
}) as unknown as ServiceMethods;

/** Asks one question after the other on one stream; codes of errors as numbers. */
async function ask(
  port: number,
  questions: readonly ReflectionRequest[],
  version: 'v1' | 'v1alpha' = 'v1',
): Promise<ReflectionResponse[]> {
  const { name, invocationDescriptions } = reflectionDefinition(version);
  const open = stub(name, invocationDescriptions(), HOST, port).open();
  try {
    const answers: ReflectionResponse[] = [];
    for await (const answer of open.ServerReflectionInfo(questions, 10)) answers.push(answer);
    return answers;
  } finally {
    await open.close();
  }
}

/** Names of the files in an answer. */
function fileNames({ fileDescriptorResponse }: ReflectionResponse): string[] {
  return (fileDescriptorResponse?.fileDescriptorProto ?? []).map((octets) => {
    const reader = protobuf.Reader.create(octets);
    reader.uint32();
    return reader.string();
  });
}

const port = await serve({
  [counter.name]: COUNTER,
  ...health.services(),
  ...reflectionServices([counter, old, health.definition]),
});

await t.test('list_services: what is reflected, and reflection itself', async (t) => {
  const services = ['grpc.health.v1.Health', V1, V1ALPHA, 'legacy.Old', 'shop.v1.Counter'];
  t.strictSame(await listServices(HOST, port), services);
  const [answer] = await ask(port, [{ listServices: '*' }], 'v1alpha');
  t.strictSame(
    answer?.listServicesResponse?.service.map(({ name }) => name),
    services,
  );
});

await t.test('answers repeat the question and the host', async (t) => {
  const [answer] = await ask(port, [{ host: 'here', fileContainingSymbol: 'no.Such' }]);
  t.equal(answer?.validHost, 'here');
  t.equal(answer?.originalRequest?.fileContainingSymbol, 'no.Such');
  t.equal(answer?.errorResponse?.errorCode, Status.NOT_FOUND);
  t.equal(answer?.errorResponse?.errorMessage, 'symbol "no.Such" not found');
});

await t.test('files come with what they import, each import once per stream', async (t) => {
  const answers = await ask(port, [
    { fileContainingSymbol: 'shop.v1.Counter.Buy' },
    { fileContainingSymbol: '.shop.v1.Color' },
    { fileByFilename: 'google/protobuf/timestamp.proto' },
    { fileByFilename: 'legacy.proto' },
  ]);
  t.strictSame(answers.map(fileNames), [
    ['shop.proto', 'google/protobuf/timestamp.proto'],
    ['shop.proto'],
    ['google/protobuf/timestamp.proto'],
    ['legacy.proto'],
  ]);
});

await t.test('extensions are found by number, and counted', async (t) => {
  const answers = await ask(port, [
    { fileContainingExtension: { containingType: 'legacy.Base', extensionNumber: 101 } },
    { fileContainingExtension: { containingType: 'legacy.Base', extensionNumber: 7 } },
    { allExtensionNumbersOfType: 'legacy.Base' },
    { allExtensionNumbersOfType: 'no.Such' },
  ]);
  t.strictSame(answers.map(fileNames)[0], ['legacy.proto']);
  t.equal(answers[1]?.errorResponse?.errorCode, Status.NOT_FOUND);
  t.equal(answers[2]?.allExtensionNumbersResponse?.baseTypeName, 'legacy.Base');
  t.strictSame(answers[2]?.allExtensionNumbersResponse?.extensionNumber, [100, 101, 150]);
  t.equal(answers[3]?.errorResponse?.errorCode, Status.NOT_FOUND);
});

await t.test('an empty question, and files of this machine, are not answered', async (t) => {
  const answers = await ask(port, [
    {},
    { fileByFilename: '/etc/passwd' },
    { fileByFilename: '../package.json' },
    { fileByFilename: '' },
  ]);
  t.strictSame(
    answers.map(({ errorResponse }) => errorResponse?.errorCode),
    [Status.INVALID_ARGUMENT, Status.NOT_FOUND, Status.NOT_FOUND, Status.NOT_FOUND],
  );
  const tooLong = ask(port, [{ fileContainingSymbol: 'x'.repeat(1025) }]);
  await t.rejects(tooLong, { code: Status.INVALID_ARGUMENT });
});

await t.test('an answer holds at most 1 MiB of imports; the rest can be asked for', async (t) => {
  const root = new protobuf.Root();
  const fields = Array.from(
    { length: 300 },
    (_, n) => `string ${'long_'.repeat(200)}${n} = ${n + 1};`,
  );
  for (let n = 0; n < 5; n += 1) {
    (protobuf.parse as { filename?: string | null }).filename = `big${n}.proto`;
    const needs = n === 4 ? '' : `Big${n + 1} next = 15000;`;
    protobuf.parse(
      `syntax = "proto3"; package big; message Big${n} { ${needs} ${fields.join('')} }`,
      root,
    );
  }
  (protobuf.parse as { filename?: string | null }).filename = null;
  const limits = { maxReceiveMessageOctets: 4_194_304 };
  const bigPort = await serve(reflectionServices([{ name: 'big.Big0', root }]));
  const [first] = await ask(bigPort, [{ fileContainingSymbol: 'big.Big0' }]);
  const octets = (first?.fileDescriptorResponse?.fileDescriptorProto ?? []).map(
    ({ length }) => length,
  );
  t.ok(octets.length >= 2 && octets.length < 5, `${octets.length} of 5 files`);
  t.ok(octets.slice(1).reduce((sum, length) => sum + length, 0) <= 1_048_576);
  const described = await describe(HOST, bigPort, 'big.Big0', { limits, timeout: 60 });
  t.equal(described.lookupType('big.Big4').fieldsArray.length, 300);
});

await t.test('describe: a Root with which the service can be called', async (t) => {
  const root = await describe(HOST, port, 'shop.v1.Counter');
  const found = loadService({ root }, 'shop.v1.Counter');
  t.strictSame(
    found.methods.map(({ name, cardinality }) => [name, cardinality]),
    counter.methods.map(({ name, cardinality }) => [name, cardinality]),
  );
  const open = stub(found.name, found.invocationDescriptions(), HOST, port).open();
  const receipt = (await open['Buy']!({ itemName: 'pears', giftCount: 2 }, 10)) as {
    readonly total: number;
    readonly order: { readonly itemName: string; readonly giftCount: number };
  };
  t.equal(receipt.total, 3);
  t.equal(receipt.order.itemName, 'pears');
  t.equal(receipt.order.giftCount, 2);
  await open.close();
  const kept = await describe(HOST, port, 'shop.v1.Order', { keepCase: true });
  t.ok('item_name' in kept.lookupType('shop.v1.Order').fields);
  await t.rejects(describe(HOST, port, 'no.Such'), { code: Status.NOT_FOUND });
});

await t.test('describe and listServices fall back to v1alpha', async (t) => {
  const all = reflectionServices([counter]);
  const onlyAlpha = await serve({ [V1ALPHA]: all[V1ALPHA]! });
  t.ok((await listServices(HOST, onlyAlpha)).includes('shop.v1.Counter'));
  t.ok((await describe(HOST, onlyAlpha, 'shop.v1.Receipt')).lookupType('shop.v1.Order'));
});

await t.test('describe: recursive types in packages that need each other', async (t) => {
  const circular = await serve(reflectionServices([{ name: 'a.S', root: circularRoot() }]));
  const root = await describe(HOST, circular, 'a.S');
  t.equal(root.lookupType('a.One').fields['two']?.resolvedType?.fullName, '.b.Two');
  t.equal(root.lookupType('b.Two').fields['three']?.resolvedType?.fullName, '.a.Three');
});

/** A reflection service that gives the same answer to everything. */
function answering(answer: ReflectionResponse): Promise<number> {
  const { name, serviceDescriptions } = reflectionDefinition('v1');
  return serve({
    [name]: serviceDescriptions({
      async *ServerReflectionInfo(requests) {
        for await (const _ of requests) yield answer;
      },
    }) as unknown as ServiceMethods,
  });
}

await t.test('describe: a server that gives nonsense', async (t) => {
  const writer = protobuf.Writer.create();
  writer.uint32(10).string('a.proto').uint32(26).string('missing.proto');
  for (const [octets, problem] of [
    [Uint8Array.of(255, 255, 255), /no FileDescriptorProto/],
    [writer.finish(), /answered without the file "missing\.proto"/],
  ] as const) {
    const nonsense = await answering({ fileDescriptorResponse: { fileDescriptorProto: [octets] } });
    await t.rejects(describe(HOST, nonsense, 'x.Y'), { code: Status.INTERNAL, details: problem });
  }
  const many = protobuf.Writer.create();
  many.uint32(10).string('a.proto').uint32(34).fork();
  for (let n = 0; n <= 5000; n += 1) many.uint32(18).fork().ldelim();
  const octets = many.ldelim().finish();
  const wide = await answering({ fileDescriptorResponse: { fileDescriptorProto: [octets] } });
  await t.rejects(describe(HOST, wide, 'x.Y'), { code: Status.RESOURCE_EXHAUSTED });
  const silent = await answering({});
  t.strictSame(await listServices(HOST, silent), []);
});

await t.test('what cannot be reflected is refused when the server is made', async (t) => {
  t.throws(() => reflectionServices([{ name: 'no.Such', root: counter.root }]), TypeError);
  t.throws(() => reflectionServices([{} as never]), TypeError);
  t.throws(() => reflectionServices([{ name: 'x', root: {} as never }]), TypeError);
  const listed = await serve(reflectionServices([{ name: 'only.Listed', root: null }]));
  t.ok((await listServices(HOST, listed)).includes('only.Listed'));
});
