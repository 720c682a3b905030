/** L26: how deep messages may be nested, for whatever is read and written, and what becomes of the call beyond. */

import protobuf from 'protobufjs';
import {
  RpcError,
  Status,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { loadService, type ServiceOptions } from '../../lib/protobuf/index.ts';
import { memoryStub } from '../../lib/testing/index.ts';
import { octets } from '../support/frame-factory.ts';
import { t } from '../support/tap.ts';

const TEXT = `syntax = "proto2"; package d;
import "google/protobuf/any.proto";
service Deep { rpc Echo(Node) returns (Node); }
message Node { optional Node next = 1; map<string, Node> map = 2; optional group Group = 3 { optional Node next = 1; }
  optional google.protobuf.Any any = 4; optional bytes blob = 5; }
`;

function codec(options: ServiceOptions = {}, name = 'd.Node') {
  return loadService({ text: TEXT }, 'd.Deep', options).message(name);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}

/** A message inside `depth` others. */
function nested(depth: number): Uint8Array {
  const heads: number[][] = [];
  for (let level = 0, length = 0; level < depth; level++) {
    heads.push([0x0a, ...varint(length)]);
    length += heads.at(-1)!.length;
  }
  return new Uint8Array(heads.reverse().flat());
}

/** Known groups, and groups of a number that the schema does not know. */
function groups(depth: number, number: number): Uint8Array {
  const [start, end] = [number * 8 + 3, number * 8 + 4];
  return octets(new Array(depth).fill(start), new Array(depth).fill(end));
}

/** A value of Any that holds a Node in `next`, `depth` deep. */
function anys(depth: number): Uint8Array {
  const url = octets('type.googleapis.com/d.Node');
  let message = new Uint8Array(0);
  for (let level = 0; level < depth; level++) {
    const any = octets([0x0a, url.length], url, [0x12], varint(message.length), message);
    message = octets([0x22], varint(any.length), any) as Uint8Array<ArrayBuffer>;
  }
  return message;
}

const TOO_DEEP = /: messages are nested too deeply \(maxMessageDepth is (\d+)\)$/;

await t.test('L26 the depth is the codec’s own, whatever protobufjs is set to', async (t) => {
  const settings = [protobuf.Reader, protobuf.util] as unknown as { recursionLimit: number }[];
  const before = settings.map(({ recursionLimit }) => recursionLimit);
  t.teardown(() => {
    for (const [i, one] of settings.entries()) one.recursionLimit = before[i]!;
  });
  for (const recursionLimit of [...new Set([...before, 7, 1000])]) {
    for (const one of settings) one.recursionLimit = recursionLimit;
    for (const depth of [1, 3, 100, 150]) {
      const options = depth === 100 ? {} : { maxMessageDepth: depth };
      const checked = codec(options);
      const unchecked = codec({ ...options, unchecked: true });
      const inside = nested(depth);
      const message = checked.decode(inside);
      t.strictSame(checked.encode(message), inside, `${depth} deep, both ways`);
      t.strictSame(unchecked.encode(message), inside);
      t.throws(() => checked.decode(nested(depth + 1)), { message: TOO_DEEP });
      t.throws(() => checked.encode({ next: message }), {
        message: /^d\.Node: field "next[.next]*" is nested deeper than maxMessageDepth$/,
      });
      t.throws(() => unchecked.encode({ next: message }), { message: TOO_DEEP });
      const objects = codec({ ...options, toObject: {} });
      t.strictSame(objects.encode(objects.decode(inside)), inside, 'as plain objects');
    }
  }
});

await t.test('L26 maps, groups, unknown groups and Any as JSON count', async (t) => {
  const three = codec({ maxMessageDepth: 3 });
  // An entry of a map is a level of the wire, but no message that a program could see.
  const inMaps = (depth: number): Uint8Array => {
    let message = new Uint8Array(0);
    for (let i = 0; i < depth; i++) {
      const entry = octets([0x0a, 1], 'k', [0x12], varint(message.length), message);
      message = octets([0x12], varint(entry.length), entry) as Uint8Array<ArrayBuffer>;
    }
    return message;
  };
  const cases: readonly (readonly [string, (depth: number) => Uint8Array])[] = [
    ['maps', inMaps],
    // protobufjs counts the outermost one as the message that holds it.
    ['unknown groups', (depth) => groups(depth + 1, 9)],
    ['known groups', (depth) => octets([0x1b], nested(depth - 1), [0x1c])],
  ];
  for (const [what, make] of cases) {
    t.ok(three.decode(make(3)), `${what}: three levels`);
    t.throws(() => three.decode(make(4)), { message: TOO_DEEP }, `${what}: four levels`);
  }
  const json = codec({ toObject: { json: true } });
  t.ok(json.decode(anys(20)), 'Any in Any');
  t.throws(() => json.decode(anys(60)), { message: TOO_DEEP }, 'Any in Any, two levels each');
  t.throws(() => json.decode(anys(300)), { message: TOO_DEEP });
  t.ok(codec().decode(anys(300)), 'octets of an Any that nobody looks into are no levels');
});

await t.test('maxMessageDepth must be a depth', async (t) => {
  for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 10_001, '5' as never]) {
    t.throws(() => codec({ maxMessageDepth: value }), {
      name: 'RangeError',
      message: `maxMessageDepth must be a whole number of 1 to 10000, got ${String(value)}`,
    });
  }
  const most = codec({ maxMessageDepth: 10_000 });
  t.throws(() => most.decode(nested(20_000)), /nested too deeply|call stack/);
});

const KEPT = nested(101);

await t.test('L26 beyond it the call ends with INTERNAL, in each of four places', async (t) => {
  const { Echo: served } = loadService({ text: TEXT }, 'd.Deep').serviceDescriptions({
    Echo: (request: object) => {
      const depth = (request as { blob?: Uint8Array }).blob?.length ?? 0;
      let message = {};
      for (let level = 0; level < depth; level++) message = { next: message };
      return Promise.resolve(message);
    },
  } as never);
  const { Echo: invoked } = loadService({ text: TEXT }, 'd.Deep').invocationDescriptions();
  const same = (message: Uint8Array): Uint8Array => message;
  const errors: unknown[] = [];
  const onError = (error: unknown): void => {
    errors.push(error);
  };
  const end = async (call: () => PromiseLike<unknown>): Promise<number> => {
    try {
      await call();
      return Status.OK;
    } catch (error) {
      t.ok(error instanceof RpcError, String(error));
      return (error as RpcError).code ?? -1;
    }
  };
  const raw = { Echo: unaryUnaryInvocationDescription(same, same) };
  const ofServer = memoryStub('d.Deep', raw, { Echo: served! }, { onError });
  ofServer.open();
  const asking = (depth: number): Uint8Array => octets([0x2a, depth], new Uint8Array(depth));
  t.equal(await end(() => ofServer.Echo(nested(100), 10)), Status.OK);
  t.equal(await end(() => ofServer.Echo(KEPT, 10)), Status.INTERNAL, 'a request received');
  t.equal(await end(() => ofServer.Echo(groups(2000, 9), 10)), Status.INTERNAL);
  t.equal(await end(() => ofServer.Echo(asking(100), 10)), Status.OK);
  t.equal(await end(() => ofServer.Echo(asking(101), 10)), Status.INTERNAL, 'a response to send');
  await ofServer.close();

  let answer = nested(100);
  const Echo = unaryUnaryServiceDescription(async () => answer, same, same);
  const ofClient = memoryStub('d.Deep', { Echo: invoked! }, { Echo }, { onError });
  ofClient.open();
  const stub = ofClient as unknown as {
    Echo(request: object, timeout: number): PromiseLike<object>;
  };
  t.equal(await end(() => stub.Echo({}, 10)), Status.OK);
  answer = KEPT as Uint8Array<ArrayBuffer>;
  t.equal(await end(() => stub.Echo({}, 10)), Status.INTERNAL, 'a response received');
  let request = {};
  for (let level = 0; level < 101; level++) request = { next: request };
  t.equal(await end(() => stub.Echo(request, 10)), Status.INTERNAL, 'a request to send');
  await ofClient.close();
});
