/** A loaded service as `stub` and `server` take it. */

import protobuf from 'protobufjs';
import type { Future } from '../../lib/alpha/future.ts';
import type {
  CancellableIterator,
  InvocationMethods,
  RpcContext,
  ServiceMethods,
  Stub,
  UnaryUnaryBehavior,
} from '../../lib/alpha/interfaces.ts';
import { Cardinality } from '../../lib/method.ts';
import {
  type Behaviors,
  type InvocationDescriptions,
  loadService,
  type StreamStream,
  type StreamUnary,
  type UnaryStream,
  type UnaryUnary,
} from '../../lib/protobuf/index.ts';
import { t } from '../support/tap.ts';

const TEXT = `syntax = "proto3"; package m;
service Math {
  rpc Square(Num) returns (Num);
  rpc Count(Num) returns (stream Num);
  rpc Sum(stream Num) returns (Num);
  rpc Echo(stream Num) returns (stream Num);
}
message Num { int32 value = 1; }
`;

interface Num {
  readonly value: number;
}

interface MathMethods {
  Square: UnaryUnary<Num, Num>;
  Count: UnaryStream<Num, Num>;
  Sum: StreamUnary<Num, Num>;
  Echo: StreamStream<Num, Num>;
}

const math = loadService<MathMethods>({ text: TEXT }, 'm.Math');
const context = {} as RpcContext;

class MathServer implements Behaviors<MathMethods> {
  readonly #factor = 2;

  Square = (request: Num): Num => ({ value: request.value ** this.#factor });

  *Count(request: Num): Generator<Num> {
    for (let value = 0; value < request.value * this.#half(); value += 1) yield { value };
  }

  async Sum(requests: AsyncIterable<Num>): Promise<Num> {
    let value = 0;
    for await (const request of requests) value += request.value * this.#half();
    return { value };
  }

  async *Echo(requests: AsyncIterable<Num>): AsyncGenerator<Num> {
    for await (const request of requests) yield { value: request.value * this.#half() };
  }

  #half(): number {
    return this.#factor / 2;
  }
}

await t.test(
  'invocation descriptions: cardinality, request serializer, response deserializer',
  async (t) => {
    const methods = math.invocationDescriptions();
    t.strictSame(Object.keys(methods), ['Square', 'Count', 'Sum', 'Echo']);
    t.equal(Object.getPrototypeOf(methods), null, 'any RPC name is possible');
    t.strictSame(
      [methods.Square, methods.Count, methods.Sum, methods.Echo].map((m) => m.cardinality()),
      [
        Cardinality.UNARY_UNARY,
        Cardinality.UNARY_STREAM,
        Cardinality.STREAM_UNARY,
        Cardinality.STREAM_STREAM,
      ],
    );
    for (const method of Object.values(methods)) {
      t.strictSame([...method.serializeRequest({ value: 3 })], [8, 3]);
      t.equal(method.deserializeResponse(new Uint8Array([8, 4])).value, 4);
    }
    t.throws(() => methods.Count.serializeRequest({ value: 'x' as unknown as number }), {
      message:
        'request of /m.Math/Count: field "value" (int32) must be an integer from -2147483648 to 2147483647, got string "x"',
    });
    t.throws(() => methods.Count.deserializeResponse(new Uint8Array([8])), {
      message:
        'response of /m.Math/Count: not a m.Num message (1 octets): index out of range: 1 + 1 > 1',
    });
  },
);

await t.test('service descriptions call the methods of the object, with its this', async (t) => {
  const methods = math.serviceDescriptions(new MathServer());
  t.strictSame(Object.keys(methods), ['Square', 'Count', 'Sum', 'Echo']);
  for (const method of Object.values(methods)) {
    t.equal(method.deserializeRequest(new Uint8Array([8, 3])).value, 3);
    t.strictSame([...method.serializeResponse({ value: 4 })], [8, 4]);
  }
  t.strictSame(await methods.Square.serviceUnaryUnary({ value: 5 }, context), { value: 25 });
  const counted = (await methods.Count.serviceUnaryStream({ value: 3 }, context)) as Iterable<Num>;
  t.strictSame([...counted], [{ value: 0 }, { value: 1 }, { value: 2 }]);
  async function* requests(): AsyncGenerator<Num> {
    yield { value: 1 };
    yield { value: 2 };
  }
  const iterator = requests as unknown as () => Parameters<
    typeof methods.Sum.serviceStreamUnary
  >[0];
  t.strictSame(await methods.Sum.serviceStreamUnary(iterator(), context), { value: 3 });
  const echoed: Num[] = [];
  for await (const num of await methods.Echo.serviceStreamStream(iterator(), context)) {
    echoed.push(num);
  }
  t.strictSame(echoed, [{ value: 1 }, { value: 2 }]);
});

await t.test('behaviours that do not fit the service', async (t) => {
  const good = new MathServer();
  const { Square, ...rest } = {
    Square: good.Square,
    Count: () => [],
    Sum: () => ({ value: 0 }),
    Echo: () => [],
  };
  const wrong = (behaviors: unknown): Behaviors<MathMethods> => behaviors as Behaviors<MathMethods>;
  const cases: [unknown, string][] = [
    [rest, 'm.Math: behaviors has no method "Square"'],
    [
      { ...rest, square: Square },
      'm.Math: behaviors has no method "Square"; "square" must be spelt as in the .proto',
    ],
    [
      { ...rest, Square: 5 },
      'm.Math: behaviors has no method "Square"; "Square" must be a function',
    ],
    [
      { ...rest, Square, Cube: Square },
      'm.Math: behaviors has a method "Cube", which is no RPC of the service; it has Square, Count, Sum, Echo',
    ],
    [undefined, 'm.Math: behaviors must be an object with one method per RPC'],
  ];
  for (const [behaviors, message] of cases) {
    t.throws(() => math.serviceDescriptions(wrong(behaviors)), { name: 'TypeError', message });
  }
});

await t.test('an RPC named like a member of every object', async (t) => {
  const text = `syntax = "proto3"; service S { rpc toString(N) returns (N); rpc constructor(N) returns (N); }
    message N {}`;
  const service = loadService({ text }, 'S');
  t.strictSame(Object.keys(service.invocationDescriptions()), ['toString', 'constructor']);
  t.throws(() => service.serviceDescriptions({}), {
    message: 'S: behaviors has no method "toString"',
  });
  const echo: UnaryUnaryBehavior<object, object> = (request) => request;
  const methods = service.serviceDescriptions({ toString: echo, constructor: echo });
  t.strictSame(Object.keys(methods), ['toString', 'constructor']);
});

await t.test(
  'a protobufjs Root: parsed, from JSON, and with a type that does not resolve',
  async (t) => {
    const parsed = protobuf.parse(TEXT).root;
    t.equal(loadService({ root: parsed }, 'm.Math').methods.length, 4);
    const json = protobuf.Root.fromJSON(parsed.toJSON());
    t.equal(
      loadService({ root: json }, 'm.Math').methods[3]?.cardinality,
      Cardinality.STREAM_STREAM,
    );
    const broken = protobuf.parse('syntax = "proto3"; message A { B b = 1; }').root;
    t.throws(() => loadService({ root: broken }, 'm.Math'), {
      name: 'ProtoError',
      message:
        'unknown type "B" in field "b" of message A; define it, or import the file that does',
    });
  },
);

await t.test('toObject and unchecked hold for requests and responses', async (t) => {
  const text =
    'syntax = "proto3"; service S { rpc M(N) returns (N); } message N { int64 big = 1; E e = 2; } enum E { ZERO = 0; ONE = 1; }';
  const toObject = { longs: Number, enums: String, defaults: true };
  const converted = loadService({ text }, 'S', { toObject }).methods[0]!;
  t.strictSame(converted.response.decode(new Uint8Array([8, 5])), { big: 5, e: 'ZERO' });
  t.strictSame(converted.request.decode(new Uint8Array([16, 1])), { big: 0, e: 'ONE' });
  const unchecked = loadService({ text }, 'S', { unchecked: true }).methods[0]!;
  t.equal(unchecked.request.encode({ no: 1 }).length, 0, 'what protobufjs makes of it');
});

/** Compiled, never run: each line is a compile error if the types are wrong. */
export function types(stub: Stub<InvocationDescriptions<MathMethods>>): unknown[] {
  const methods: InvocationMethods = math.invocationDescriptions();
  const behaviors: Behaviors<MathMethods> = new MathServer();
  const services: ServiceMethods = math.serviceDescriptions(behaviors);
  const square: Promise<Num> = stub.Square({ value: 1 }, 5);
  const sum: Future<Num> = stub.Sum.async([{ value: 1 }], 5);
  const count: CancellableIterator<Num> = stub.Count({ value: 1 }, 5);
  const echo: CancellableIterator<Num> = stub.Echo([{ value: 1 }], 5);
  // @ts-expect-error a field of a wrong type
  void stub.Square({ value: 'one' }, 5);
  // @ts-expect-error an RPC that does not exist
  stub.Cube({ value: 1 }, 5);
  // @ts-expect-error a behaviour is missing
  math.serviceDescriptions({ Square: () => ({ value: 1 }) });
  // @ts-expect-error a response of a wrong type
  math.serviceDescriptions({ ...behaviors, Square: () => ({ value: 'one' }) });
  const untyped = loadService({ text: TEXT }, 'm.Math');
  const anyMethods: InvocationMethods = untyped.invocationDescriptions();
  const anyServices: ServiceMethods = untyped.serviceDescriptions({
    Square: ({ value }: { value?: unknown }) => ({ value }),
  });
  const anyStub = null as unknown as Stub<ReturnType<typeof untyped.invocationDescriptions>>;
  const anyCall: unknown = anyStub['Square']({ value: 1 }, 5).then(String);
  return [methods, services, square, sum, count, echo, anyMethods, anyServices, anyCall];
}
