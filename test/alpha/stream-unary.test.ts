import { CancellationError, ExpirationError, type RpcError } from '../../lib/alpha/exceptions.ts';
import type { RequestIterable } from '../../lib/alpha/interfaces.ts';
import { makeStub } from '../../lib/alpha/stub.ts';
import { streamUnaryInvocationDescription } from '../../lib/alpha/utilities.ts';
import { Status } from '../../lib/status.ts';
import { t } from '../support/tap.ts';
import {
  FakeChannel,
  readText,
  rejection,
  status,
  thrown,
  turn,
  writeText,
} from './support/fake-channel.ts';

function open() {
  const channel = new FakeChannel();
  const reported: string[] = [];
  const stub = makeStub(
    'test.Echo',
    { Collect: streamUnaryInvocationDescription(writeText, readText) },
    {
      openChannel: () => channel,
      metadataTransformer: null,
      report: (error, where) => reported.push(`${where}: ${(error as Error).message}`),
    },
  ).open();
  return { channel, stub, reported };
}

await t.test('requests of any iterable, then half-close, then the response', async (t) => {
  const sources: [string, () => RequestIterable<string>][] = [
    ['array', () => ['a', 'b']],
    ['set', () => new Set(['a', 'b'])],
    [
      'generator',
      function* () {
        yield 'a';
        yield 'b';
      },
    ],
    [
      'async generator',
      async function* () {
        yield 'a';
        await turn();
        yield 'b';
      },
    ],
  ];
  for (const [name, source] of sources) {
    const { channel, stub } = open();
    const answer = stub.Collect(source(), 1);
    await turn();
    await turn();
    t.strictSame(channel.call.log, ['start', 'message a', 'message b', 'halfClose'], name);
    channel.call.respond('ab');
    t.equal(await answer, 'ab');
  }
});

await t.test('the call returns before the first request is pulled, in both forms', async (t) => {
  for (const form of ['direct', 'async'] as const) {
    const { channel, stub } = open();
    let touched = 0;
    const requests = {
      *[Symbol.iterator]() {
        touched++;
        yield 'a';
      },
    };
    if (form === 'direct') void stub.Collect(requests, 1);
    else stub.Collect.async(requests, 1);
    t.equal(touched, 0, form);
    t.strictSame(channel.call.log, ['start']);
    await turn();
    t.equal(touched, 1, form);
  }
});

await t.test('what is not iterable is a TypeError at once', async (t) => {
  const { channel, stub } = open();
  for (const requests of [null, undefined, 7, {}, { next: () => 1 }]) {
    for (const form of [stub.Collect, stub.Collect.async]) {
      const error = thrown(() => form(requests as never, 1));
      t.ok(error instanceof TypeError);
      t.match(error.message, /\/test\.Echo\/Collect takes an iterable of requests/);
    }
  }
  t.equal(channel.calls.length, 0);
});

await t.test('a zero timeout expires, and the iterable is never touched', async (t) => {
  const { channel, stub } = open();
  let touched = false;
  const requests = {
    [Symbol.iterator]: () => {
      touched = true;
      return ['a'][Symbol.iterator]();
    },
  };
  t.ok((await rejection(stub.Collect(requests, 0))) instanceof ExpirationError);
  await turn();
  t.notOk(touched);
  t.equal(channel.calls.length, 0);
});

await t.test('back-pressure: no pull while the call is full', async (t) => {
  const { channel, stub } = open();
  let pulled = 0;
  const answer = rejection(
    stub.Collect(
      (function* () {
        for (;;) yield String(pulled++);
      })(),
      1,
    ),
  );
  channel.call.accepts = false;
  await turn();
  t.equal(pulled, 1);
  await turn();
  t.equal(pulled, 1);
  channel.call.ready();
  channel.call.accepts = false;
  await turn();
  t.ok(pulled > 1);
  channel.call.end(status(Status.ABORTED));
  await answer;
});

await t.test('an early end stops the pulling at once and closes the iterator', async (t) => {
  for (const [end, wanted] of [
    ['response', 'early'],
    ['status', 'error'],
  ] as const) {
    const { channel, stub } = open();
    const log: string[] = [];
    const answer = stub.Collect(
      (async function* () {
        try {
          for (let i = 0; ; i++) {
            yield String(i);
            await turn();
          }
        } finally {
          log.push('closed');
        }
      })(),
      1,
    );
    await turn();
    if (end === 'response') channel.call.respond('early');
    else channel.call.end(status(Status.ABORTED));
    t.equal(await answer.catch(() => 'error'), wanted);
    await turn();
    await turn();
    t.strictSame(log, ['closed']);
    const { length } = channel.call.log;
    await turn();
    t.equal(channel.call.log.length, length, 'nothing more is sent');
    t.notOk(channel.call.log.includes('halfClose'));
  }
});

await t.test(
  'a request iterable that raises cancels the RPC, and the caller learns the cause',
  async (t) => {
    const raised = new Error('out of data');
    const { channel, stub } = open();
    const answer = stub.Collect(
      (function* () {
        yield 'a';
        throw raised;
      })(),
      600,
    );
    const error = (await rejection(answer)) as RpcError;
    t.equal(error.code, Status.UNKNOWN);
    t.match(error.details, 'iterating the requests of /test.Echo/Collect failed: out of data');
    t.equal(error.cause, raised);
    t.strictSame(channel.call.log, ['start', 'message a', `fail ${Status.UNKNOWN}`]);

    const future = stub.Collect.async(
      {
        [Symbol.asyncIterator]: () => {
          throw raised;
        },
      },
      600,
    );
    t.equal((await future.exception())?.cause, raised);
    t.equal(future.cancelled(), false);
  },
);

await t.test(
  'a request that cannot be serialized fails that RPC, and the iterator is closed',
  async (t) => {
    const { channel, stub } = open();
    let closed = false;
    const answer = stub.Collect(
      (function* () {
        try {
          yield 'a';
          yield 7 as unknown as string;
          yield 'never';
        } finally {
          closed = true;
        }
      })(),
      600,
    );
    const error = (await rejection(answer)) as RpcError;
    t.equal(error.code, Status.INTERNAL);
    t.match(error.details, 'request serializer of /test.Echo/Collect failed: no text: 7');
    t.ok(closed);
    t.strictSame(channel.call.log, ['start', 'message a', `fail ${Status.INTERNAL}`]);
  },
);

await t.test('own cancel stops the pulling', async (t) => {
  const { channel, stub } = open();
  let closed = false;
  const future = stub.Collect.async(
    (async function* () {
      try {
        for (;;) {
          yield 'a';
          await turn();
        }
      } finally {
        closed = true;
      }
    })(),
    600,
  );
  await turn();
  future.cancel();
  await turn();
  await turn();
  t.ok(closed);
  t.equal(future.cancelled(), true);
  t.equal(channel.call.log.at(-1), `fail ${Status.CANCELLED}`);
});

await t.test('server cancellation while requests are pending', async (t) => {
  const { channel, stub } = open();
  const future = stub.Collect.async(
    {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }),
    },
    600,
  );
  await turn();
  channel.call.end(status(Status.CANCELLED));
  t.ok((await rejection(future)) instanceof CancellationError);
});

await t.test("an exception of the iterator's return() is reported, not raised", async (t) => {
  const { channel, stub, reported } = open();
  const answer = stub.Collect(
    {
      [Symbol.iterator]: () => ({
        next: () => ({ value: 'a', done: false }),
        return: () => {
          throw new Error('unclosable');
        },
      }),
    },
    1,
  );
  channel.call.accepts = false;
  await turn();
  channel.call.respond('fine');
  t.equal(await answer, 'fine');
  t.strictSame(reported, ['/test.Echo/Collect: return() of the request iterator: unclosable']);
});
