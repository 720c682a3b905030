/**
 * Every name of the published reference (grpc.framework.alpha, and what it needs from elsewhere), in camelCase: a member that is missing,
 * renamed or of another shape fails here.
 */

import * as alphaEntry from '../../lib/alpha/index.ts';
import { makeStub } from '../../lib/alpha/stub.ts';
import * as mainEntry from '../../lib/index.ts';
import { t } from '../support/tap.ts';
import { FakeChannel, readText, turn, writeText } from './support/fake-channel.ts';
import { serve } from './support/fake-server-call.ts';

const entry: Record<string, unknown> = mainEntry;

/** Exception → base. */
const EXCEPTIONS: readonly (readonly [string, string])[] = [
  ['RpcError', 'Error'],
  ['CancellationError', 'RpcError'],
  ['ExpirationError', 'RpcError'],
  ['CancelledError', 'Error'],
  ['TimeoutError', 'Error'],
];

const ENUMS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Cardinality: {
    UNARY_UNARY: 'request-unary/response-unary',
    UNARY_STREAM: 'request-unary/response-streaming',
    STREAM_UNARY: 'request-streaming/response-unary',
    STREAM_STREAM: 'request-streaming/response-streaming',
  },
  Abortion: {
    CANCELLED: 'cancelled',
    EXPIRED: 'expired',
    NETWORK_FAILURE: 'network failure',
    SERVICED_FAILURE: 'serviced failure',
    SERVICER_FAILURE: 'servicer failure',
  },
};

/** Function → number of required parameters (`Function.length`). */
const FUNCTIONS: Readonly<Record<string, number>> = {
  unaryUnaryInvocationDescription: 2,
  unaryStreamInvocationDescription: 2,
  streamUnaryInvocationDescription: 2,
  streamStreamInvocationDescription: 2,
  unaryUnaryServiceDescription: 3,
  unaryStreamServiceDescription: 3,
  streamUnaryServiceDescription: 3,
  streamStreamServiceDescription: 3,
  stub: 4,
  blockingStub: 4,
  server: 4,
};

/** Documented type → its members and their number of parameters; additions of purewire are not listed. */
const MEMBERS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  CancellableIterator: { next: 0, cancel: 0 },
  RpcContext: { addAbortionCallback: 1, isActive: 0, timeRemaining: 0 },
  RpcMethodInvocationDescription: { cardinality: 0, deserializeResponse: 1, serializeRequest: 1 },
  RpcMethodServiceDescription: {
    cardinality: 0,
    deserializeRequest: 1,
    serializeResponse: 1,
    serviceUnaryUnary: 2,
    serviceUnaryStream: 2,
    serviceStreamUnary: 2,
    serviceStreamStream: 2,
  },
  Server: { start: 0, stop: 1, open: 0, close: 0, port: 0 },
  Stub: { open: 0, close: 0 },
  UnaryUnarySyncAsync: { async: 2 },
  StreamUnarySyncAsync: { async: 2 },
  Future: {
    cancel: 0,
    cancelled: 0,
    running: 0,
    done: 0,
    result: 1,
    exception: 1,
    traceback: 1,
    addDoneCallback: 1,
  },
};

/** One real object of each documented type. */
async function instances(): Promise<Record<string, object>> {
  const channel = new FakeChannel();
  const stub = makeStub(
    'test.Echo',
    {
      UnaryUnary: mainEntry.unaryUnaryInvocationDescription(writeText, readText),
      UnaryStream: mainEntry.unaryStreamInvocationDescription(writeText, readText),
      StreamUnary: mainEntry.streamUnaryInvocationDescription(writeText, readText),
      StreamStream: mainEntry.streamStreamInvocationDescription(writeText, readText),
    },
    { openChannel: () => channel, metadataTransformer: null, report: () => {} },
  ).open();
  let context: object = {};
  const service = mainEntry.unaryUnaryServiceDescription(
    (request: string, given: mainEntry.RpcContext) => {
      context = given;
      return request;
    },
    readText,
    writeText,
  );
  serve(service).call.message('x');
  await turn();
  return {
    CancellableIterator: stub.UnaryStream('x', 1),
    RpcContext: context,
    RpcMethodInvocationDescription: mainEntry.streamStreamInvocationDescription(
      writeText,
      readText,
    ),
    RpcMethodServiceDescription: service,
    Server: mainEntry.server('test.Echo', { Say: service }, 0),
    Stub: stub,
    UnaryUnarySyncAsync: stub.UnaryUnary,
    StreamUnarySyncAsync: stub.StreamUnary,
    Future: stub.UnaryUnary.async('x', 1),
  };
}

await t.test('exceptions and their bases', async (t) => {
  for (const [name, base] of EXCEPTIONS) {
    const errorClass = entry[name] as (new () => Error) | undefined;
    t.equal(typeof errorClass, 'function', name);
    if (errorClass === undefined) continue;
    t.equal(errorClass.name, name);
    const wanted = base === 'Error' ? Error : entry[base];
    t.equal(Object.getPrototypeOf(errorClass), wanted, `${name} extends ${base}`);
    t.equal(errorClass.prototype.name, name);
  }
});

await t.test('enums: members and values, all of them and no others', async (t) => {
  for (const [name, values] of Object.entries(ENUMS))
    t.strictSame({ ...(entry[name] as object) }, values);
});

await t.test('functions and their parameters', async (t) => {
  for (const [name, parameters] of Object.entries(FUNCTIONS)) {
    const fn = entry[name];
    t.equal(typeof fn, 'function', name);
    t.equal((fn as { length?: number } | undefined)?.length, parameters, `${name}.length`);
  }
});

await t.test('members of every documented type', async (t) => {
  const objects = await instances();
  for (const [type, members] of Object.entries(MEMBERS)) {
    const object = objects[type] as Record<string, unknown> | undefined;
    t.ok(object !== undefined, type);
    for (const [name, parameters] of Object.entries(members)) {
      const member = object?.[name];
      t.equal(typeof member, 'function', `${type}.${name}`);
      t.equal((member as { length?: number } | undefined)?.length, parameters, `${type}.${name}`);
    }
  }
  t.equal(typeof objects['UnaryUnarySyncAsync'], 'function', 'directly callable');
  t.equal(typeof objects['StreamUnarySyncAsync'], 'function', 'directly callable');
  const iterator = objects['CancellableIterator'] as AsyncIterable<unknown>;
  t.equal(iterator[Symbol.asyncIterator](), iterator as unknown, 'iterating gives itself');
  for (const type of ['Server', 'Stub']) {
    t.equal(
      typeof (objects[type] as unknown as AsyncDisposable)[Symbol.asyncDispose],
      'function',
      `${type} is a context manager`,
    );
  }
});

await t.test(
  'the main entry and the alpha entry give the same, and what belongs with it',
  async (t) => {
    t.strictSame(Object.keys(mainEntry).sort(), Object.keys(alphaEntry).sort());
    t.strictSame(
      Object.keys(mainEntry).sort(),
      [
        ...EXCEPTIONS.map(([name]) => name),
        ...Object.keys(ENUMS),
        ...Object.keys(FUNCTIONS),
        'CallPhase',
        'ContextKey',
        'edge',
        'EndedBy',
        'Metadata',
        'Status',
        'traceFrames',
      ].sort(),
    );
  },
);
