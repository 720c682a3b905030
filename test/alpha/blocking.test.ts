import { Worker } from 'node:worker_threads';
import {
  blockingStub,
  CancellationError,
  CancelledError,
  ExpirationError,
  type InvocationMethods,
  RpcError,
  Status,
  type StubOptions,
  streamStreamInvocationDescription,
  streamUnaryInvocationDescription,
  TimeoutError,
  unaryStreamInvocationDescription,
  unaryUnaryInvocationDescription,
} from '../../lib/index.ts';
import { testCertificates } from '../support/certificates.ts';
import { type TestContext, t } from '../support/tap.ts';
import { readText, rejection, thrown, writeText } from './support/fake-channel.ts';
import { type DivArgs, MATH, MATH_METHODS } from './support/math-service.ts';

const TIMEOUT = 60;
const METHODS = {
  Say: unaryUnaryInvocationDescription(writeText, readText),
  Tell: unaryStreamInvocationDescription(writeText, readText),
  Collect: streamUnaryInvocationDescription(writeText, readText),
  Chat: streamStreamInvocationDescription(writeText, readText),
};

const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const { root, server: identity } = await testCertificates();
const serverThread = new Worker(new URL(`./support/blocking-server${extension}`, import.meta.url), {
  workerData: identity,
});
const [port, securePort] = await new Promise<[number, number]>((resolve, reject) => {
  serverThread.once('message', resolve);
  serverThread.once('error', reject);
});
t.teardown(() => serverThread.terminate());

function open<Methods extends InvocationMethods>(
  t: TestContext,
  serviceName: string,
  methods: Methods,
  options: StubOptions = {},
) {
  const stub = blockingStub(serviceName, methods, '127.0.0.1', port, options).open();
  t.teardown(() => stub[Symbol.asyncDispose]());
  return stub;
}

/** The stub of most tests: each of its own would mean a worker of its own. */
const echo = blockingStub('test.Echo', METHODS, '127.0.0.1', port).open();
t.teardown(() => echo[Symbol.asyncDispose]());

await t.test('the context rules are those of every stub', async (t) => {
  const stub = blockingStub('test.Echo', METHODS, '127.0.0.1', port);
  t.match(thrown(() => stub.Say).message, /not open/);
  t.equal(stub.open(), stub);
  t.match(thrown(() => stub.open()).message, /already open/);
  t.ok(thrown(() => (stub as unknown as Record<string, unknown>)['Nope']) instanceof TypeError);
  const { Say } = stub;
  await stub.close();
  t.match(thrown(() => Say('x', 1)).message, /has left the context/);
  t.match((await rejection(stub.close())).message, /not open/);
});

await t.test('L18 messages ahead of their reader: responses of a blocking stub', async (t) => {
  let deserialized = 0;
  const stub = open(
    t,
    'test.Echo',
    {
      Tell: unaryStreamInvocationDescription(writeText, (octets) => {
        deserialized += 1;
        return readText(octets);
      }),
    },
    { limits: { maxUndeliveredMessages: 5 } },
  );
  let read = 0;
  let ahead = 0;
  for (const response of stub.Tell('4000x4', TIMEOUT)) {
    read += 1;
    ahead = Math.max(ahead, deserialized - read);
    t.ok(Number(response.replaceAll('.', '')) === read - 1);
    // The worker has time to send all that it may.
    if (read % 400 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
  t.equal(read, 4000);
  t.ok(ahead <= 5, `${ahead} ahead`);
});

await t.test('the math service, blocking', async (t) => {
  const math = open(t, MATH, MATH_METHODS);
  t.strictSame(math.Div({ dividend: 973, divisor: 59 }, TIMEOUT), { quotient: 16, remainder: 29 });
  t.equal([...math.Fib({ limit: 43 }, TIMEOUT)].length, 43);
  function* numbers(): Generator<number> {
    for (let i = 0; i < 127; i++) yield i;
  }
  t.equal(math.Sum(numbers(), TIMEOUT), 8001);
  const pairs: DivArgs[] = Array.from({ length: 179 }, (_, i) => ({
    dividend: 1763 + i,
    divisor: 71 + i,
  }));
  t.strictSame(
    [...math.DivMany(pairs, TIMEOUT)],
    pairs.map(({ dividend, divisor }) => ({
      quotient: Math.floor(dividend / divisor),
      remainder: dividend % divisor,
    })),
  );
});

await t.test('a direct call really blocks: no other code runs meanwhile', async (t) => {
  const stub = echo;
  let ran = false;
  queueMicrotask(() => (ran = true));
  t.equal(stub.Say('x', TIMEOUT), 'x');
  t.notOk(ran);
});

await t.test('errors are the same classes, with code, details and metadata', async (t) => {
  const stub = echo;
  const error = thrown(() => stub.Say('fail', TIMEOUT)) as RpcError;
  t.equal(error.constructor, RpcError);
  t.equal(error.code, Status.NOT_FOUND);
  t.equal(error.details, 'nowhere');
  t.equal(error.metadata.get('x-why'), 'that');
  const missing = open(t, 'test.Echo', { Shout: METHODS.Say });
  t.equal((thrown(() => missing.Shout('x', TIMEOUT)) as RpcError).code, Status.UNIMPLEMENTED);
});

await t.test('expiry: while blocked, and without network for a zero timeout', async (t) => {
  const stub = echo;
  t.ok(thrown(() => stub.Say('hang', 0.2)) instanceof ExpirationError);
  t.ok(thrown(() => stub.Say('x', 0)) instanceof ExpirationError);
  t.ok(thrown(() => [...stub.Tell('0x1', 0.2)]) instanceof ExpirationError);
  t.ok(thrown(() => stub.Tell('x', -1).next()) instanceof ExpirationError);
  t.equal(stub.Say('x', TIMEOUT), 'x', 'the stub goes on');
});

await t.test('misuse is a TypeError at once; asynchronous requests are misuse', async (t) => {
  const stub = echo;
  for (const timeout of [undefined, null, '1', Number.NaN]) {
    t.ok(thrown(() => stub.Say('x', timeout as number)) instanceof TypeError);
  }
  async function* requests(): AsyncGenerator<string> {
    yield 'x';
  }
  for (const bad of [requests(), null, undefined, 7]) {
    t.match(
      thrown(() => stub.Collect(bad as never, 1)).message,
      /takes a synchronous iterable of requests/,
    );
    t.ok(thrown(() => stub.Chat(bad as never, 1)) instanceof TypeError);
  }
});

await t.test('serializers run on this side: what they raise fails that RPC only', async (t) => {
  const raised = new RangeError('mine');
  const stub = open(t, 'test.Echo', {
    ...METHODS,
    Say: unaryUnaryInvocationDescription(writeText, (octets) => {
      if (readText(octets) === 'bad') throw raised;
      return readText(octets);
    }),
  });
  const bad = thrown(() => stub.Say('bad', TIMEOUT)) as RpcError;
  t.equal(bad.code, Status.INTERNAL);
  t.equal(bad.cause, raised);
  const unwritable = thrown(() => stub.Say(7 as never, TIMEOUT)) as RpcError;
  t.equal(unwritable.code, Status.INTERNAL);
  t.ok(unwritable.cause instanceof RangeError);
  t.equal(stub.Say('good', TIMEOUT), 'good');
});

await t.test('metadata', async (t) => {
  const stub = open(t, 'test.Echo', METHODS, {
    metadataTransformer: () => [['X-Key', 'transformed']],
  });
  t.equal(
    stub.Say('metadata', { timeout: TIMEOUT, metadata: { 'x-key': 'own' } }),
    'transformed+own',
  );
  const log: unknown[] = [];
  stub.Say('x', {
    timeout: TIMEOUT,
    onInitialMetadata: (metadata) => log.push(metadata.get('x-i')),
    onTrailingMetadata: (metadata) => log.push(metadata.get('x-t')),
  });
  t.strictSame(log, ['1', '2']);
  const responses = stub.Tell('3x1', TIMEOUT);
  t.equal(responses.initialMetadata().get('x-i'), '1');
  t.strictSame([...responses], ['0', '1', '2']);
  t.equal(responses.trailingMetadata()?.get('x-t'), '2');
});

await t.test('response streams: end, repeatedly; abort beats unread responses', async (t) => {
  const stub = echo;
  const responses = stub.Tell('2x1', TIMEOUT);
  t.equal(responses[Symbol.iterator](), responses);
  t.strictSame([...responses], ['0', '1']);
  t.strictSame(responses.next(), { value: undefined, done: true });
  t.strictSame(responses.next(), { value: undefined, done: true });
  const failing = stub.Tell('1x1!', TIMEOUT);
  const error = thrown(() => {
    for (;;) failing.next();
  }) as RpcError;
  t.equal(error.code, Status.DATA_LOSS);
  t.equal((thrown(() => failing.next()) as RpcError).code, Status.DATA_LOSS);
});

await t.test('cancel(), return() and break', async (t) => {
  const stub = echo;
  const cancelled = stub.Tell('0x1', TIMEOUT);
  t.strictSame(cancelled.next(), { value: '0', done: false });
  cancelled.cancel();
  t.ok(thrown(() => cancelled.next()) instanceof CancelledError);
  t.ok(thrown(() => cancelled.next()) instanceof CancelledError);
  const left = stub.Tell('0x1', TIMEOUT);
  for (const response of left) {
    t.equal(response, '0');
    break;
  }
  t.strictSame(left.next(), { value: undefined, done: true });
  const thrownInto = stub.Tell('0x1', TIMEOUT);
  const mine = new Error('mine');
  t.equal(
    thrown(() => thrownInto.throw(mine)),
    mine,
  );
  stub.Tell('0x1', TIMEOUT)[Symbol.dispose]();
  t.equal(stub.Say('x', TIMEOUT), 'x');
});

await t.test('large and many responses, another call in between', async (t) => {
  const stub = echo;
  const responses = stub.Tell('2000x4000', TIMEOUT);
  let count = 0;
  for (const response of responses) {
    if (response.length !== 4000 || Number(response.replaceAll('.', '')) !== count) {
      t.fail(`response ${count} is wrong`);
    }
    if (count++ % 500 === 0) t.equal(stub.Say('x', TIMEOUT), 'x');
  }
  t.equal(count, 2000);
});

await t.test('large and many requests', async (t) => {
  const stub = echo;
  const big = 'x'.repeat(20_000);
  t.equal(
    stub.Collect(
      Array.from({ length: 300 }, () => big),
      TIMEOUT,
    ),
    '6000000',
  );
  let received = 0;
  for (const response of stub.Chat(
    Array.from({ length: 300 }, () => big),
    TIMEOUT,
  )) {
    received += response.length;
  }
  t.equal(received, 300 * 20_001);
});

await t.test('an early response ends the pulling; the iterator is closed', async (t) => {
  const stub = echo;
  let closed = false;
  function* requests(): Generator<string> {
    try {
      yield 'xx';
      yield 'stop';
      for (;;) yield 'x';
    } finally {
      closed = true;
    }
  }
  t.equal(stub.Collect(requests(), TIMEOUT), 'stopped after 2');
  t.ok(closed);
});

await t.test('expiry while an endless iterable is pulled', async (t) => {
  const stub = echo;
  let closed = false;
  function* requests(): Generator<string> {
    try {
      for (;;) yield 'x';
    } finally {
      closed = true;
    }
  }
  t.ok(thrown(() => stub.Collect(requests(), 0.3)) instanceof ExpirationError);
  t.ok(closed);
});

await t.test(
  'requests that raise: the RPC is cancelled and the caller learns the cause',
  async (t) => {
    const stub = echo;
    const raised = new Error('out of data');
    function* requests(): Generator<string> {
      yield 'x';
      throw raised;
    }
    t.equal((thrown(() => stub.Collect(requests(), TIMEOUT)) as RpcError).cause, raised);
    const responses = stub.Chat(requests(), TIMEOUT);
    const error = thrown(() => {
      for (;;) responses.next();
    }) as RpcError;
    t.equal(error.cause, raised);
  },
);

await t.test('stream-stream: requests that depend on the responses read before', async (t) => {
  const stub = echo;
  const seen: string[] = [];
  let pulledBeforeReading = 0;
  function* requests(): Generator<string> {
    pulledBeforeReading++;
    yield 'a';
    yield `${seen.length}`;
  }
  const responses = stub.Chat(requests(), TIMEOUT);
  t.equal(pulledBeforeReading, 0, 'the call returns before the first pull');
  for (const response of responses) seen.push(response);
  t.equal(seen[0], 'a!');
  t.equal(seen.length, 2);
});

await t.test('async: a Future of the same interface', async (t) => {
  const stub = echo;
  const future = stub.Say.async('x', TIMEOUT);
  t.equal(future.running(), true);
  t.equal(await future.result(), 'x');
  t.equal((await future.trailingMetadata()).get('x-t'), '2');
  t.equal((await stub.Say.async('fail', TIMEOUT).exception())?.code, Status.NOT_FOUND);
  const hanging = stub.Say.async('hang', TIMEOUT);
  t.ok((await rejection(hanging.result(0))) instanceof TimeoutError);
  t.equal(hanging.cancel(), false);
  t.equal(hanging.cancelled(), true);
  t.ok((await rejection(hanging)) instanceof CancelledError);
  async function* requests(): AsyncGenerator<string> {
    yield 'xx';
    yield 'x';
  }
  t.equal(await stub.Collect.async(requests(), TIMEOUT), '3');
  t.ok((await rejection(stub.Say.async('hang', 0.1))) instanceof ExpirationError);
});

await t.test('async beside blocking calls, on one stub', async (t) => {
  const stub = echo;
  const futures = Array.from({ length: 20 }, (_, i) => stub.Say.async(`f${i}`, TIMEOUT));
  for (let i = 0; i < 20; i++) t.equal(stub.Say(`b${i}`, TIMEOUT), `b${i}`);
  t.strictSame(
    await Promise.all(futures),
    Array.from({ length: 20 }, (_, i) => `f${i}`),
  );
});

await t.test('an AbortSignal that has aborted; one that aborts a Future', async (t) => {
  const stub = echo;
  const options = { timeout: TIMEOUT, signal: AbortSignal.abort('why') };
  const error = thrown(() => stub.Say('x', options));
  t.ok(error instanceof CancellationError);
  t.equal(error.cause, 'why');
  const controller = new AbortController();
  const future = stub.Say.async('hang', { timeout: TIMEOUT, signal: controller.signal });
  controller.abort();
  t.ok((await rejection(future)) instanceof CancellationError);
});

await t.test('close() waits for what is in flight, and the stub can be opened again', async (t) => {
  const stub = open(t, 'test.Echo', METHODS);
  const future = stub.Say.async('x', TIMEOUT);
  const responses = stub.Tell('300x1000', TIMEOUT);
  const closing = stub.close();
  t.equal([...responses].length, 300, 'responses go on being delivered');
  t.equal(await future, 'x');
  await closing;
  stub.open();
  t.equal(stub.Say('again', TIMEOUT), 'again');
});

await t.test('TLS options reach the worker', async (t) => {
  const secure = { secure: true, rootCertificates: root, serverHostOverride: 'purewire.test' };
  const stub = blockingStub('test.Echo', METHODS, '127.0.0.1', securePort, secure).open();
  t.equal(stub.Say('x', TIMEOUT), 'x');
  await stub.close();
  const strict = blockingStub('test.Echo', METHODS, '127.0.0.1', securePort, {
    ...secure,
    serverHostOverride: 'elsewhere.test',
  }).open();
  t.equal((thrown(() => strict.Say('x', TIMEOUT)) as RpcError).code, Status.UNAVAILABLE);
  await strict.close();
});

await t.test('an unreachable server is UNAVAILABLE', async (t) => {
  const stub = blockingStub('test.Echo', METHODS, 'unix:/nowhere/purewire.sock').open();
  const error = thrown(() => stub.Say('x', TIMEOUT)) as RpcError;
  t.equal(error.code, Status.UNAVAILABLE);
  await stub.close();
});

await t.test('arguments that cannot be used are refused at once', async (t) => {
  t.ok(thrown(() => blockingStub('test.Echo', METHODS, 'localhost', 0)) instanceof RangeError);
  t.ok(
    thrown(() =>
      blockingStub('test.Echo', METHODS, 'localhost', 1, { certificateChain: 'x' }),
    ) instanceof TypeError,
  );
});
