import type { RpcContext } from '../../lib/alpha/interfaces.ts';
import * as utilities from '../../lib/alpha/utilities.ts';
import { Cardinality } from '../../lib/method.ts';
import { t } from '../support/tap.ts';
import { octetsOf, readText, text, thrown, writeText } from './support/fake-channel.ts';

const context = { marker: 'the context' } as unknown as RpcContext;

/** Either interface at once: what the one private class offers. */
type AnyDescription = {
  cardinality(): Cardinality;
  serializeRequest(request: unknown): Uint8Array;
  deserializeRequest(octets: Uint8Array): unknown;
  serializeResponse(response: unknown): Uint8Array;
  deserializeResponse(octets: Uint8Array): unknown;
  serviceUnaryUnary(request: unknown, context: unknown): unknown;
  serviceUnaryStream(request: unknown, context: unknown): unknown;
  serviceStreamUnary(requests: unknown, context: unknown): unknown;
  serviceStreamStream(requests: unknown, context: unknown): unknown;
};

const SERVICES = [
  'serviceUnaryUnary',
  'serviceUnaryStream',
  'serviceStreamUnary',
  'serviceStreamStream',
] as const;

const KINDS = [
  ['unaryUnary', Cardinality.UNARY_UNARY, 'serviceUnaryUnary'],
  ['unaryStream', Cardinality.UNARY_STREAM, 'serviceUnaryStream'],
  ['streamUnary', Cardinality.STREAM_UNARY, 'serviceStreamUnary'],
  ['streamStream', Cardinality.STREAM_STREAM, 'serviceStreamStream'],
] as const;

const made: AnyDescription[] = [];
const makers: Readonly<Record<string, unknown>> = { ...utilities };

for (const [kind, cardinality, service] of KINDS) {
  await t.test(`${kind}InvocationDescription`, async (t) => {
    const make = makers[`${kind}InvocationDescription`] as (...parts: unknown[]) => unknown;
    const description = make(writeText, readText) as AnyDescription;
    made.push(description);
    t.equal(make.length, 2);
    t.equal(description.cardinality(), cardinality);
    t.equal(text(description.serializeRequest('hello')), 'hello');
    t.equal(description.deserializeResponse(octetsOf('there')), 'there');
    t.match(
      thrown(() => description.deserializeRequest(octetsOf(''))).message,
      /made without a request deserializer/,
    );
    for (const absent of [
      () => description.deserializeRequest(octetsOf('')),
      () => description.serializeResponse(''),
      ...SERVICES.map((name) => () => description[name]('', context)),
    ]) {
      t.ok(thrown(absent) instanceof TypeError);
    }
  });

  await t.test(`${kind}ServiceDescription`, async (t) => {
    const make = makers[`${kind}ServiceDescription`] as (...parts: unknown[]) => unknown;
    const seen: unknown[] = [];
    const behavior = (...args: unknown[]): string => {
      seen.push(...args);
      return 'given';
    };
    const description = make(behavior, readText, writeText) as AnyDescription;
    made.push(description);
    t.equal(make.length, 3);
    t.equal(description.cardinality(), cardinality);
    t.equal(description.deserializeRequest(octetsOf('hello')), 'hello');
    t.equal(text(description.serializeResponse('there')), 'there');
    t.equal(description[service]('the request', context), 'given');
    t.strictSame(seen, ['the request', context]);
    for (const absent of [
      () => description.serializeRequest(''),
      () => description.deserializeResponse(octetsOf('')),
      ...SERVICES.filter((name) => name !== service).map(
        (name) => () => description[name]('', context),
      ),
    ]) {
      t.ok(thrown(absent) instanceof TypeError);
    }
  });
}

await t.test('all eight makers return one class that implements both interfaces', async (t) => {
  t.equal(made.length, 8);
  t.equal(new Set(made.map((description) => Object.getPrototypeOf(description))).size, 1);
});

await t.test(
  'callables are called without a receiver, and what they throw comes through',
  async (t) => {
    const receivers: unknown[] = [];
    const description = utilities.unaryUnaryInvocationDescription(function (this: unknown): never {
      receivers.push(this);
      throw new RangeError('mine');
    }, readText);
    t.ok(thrown(() => description.serializeRequest(0)) instanceof RangeError);
    t.strictSame(receivers, [undefined]);
  },
);
