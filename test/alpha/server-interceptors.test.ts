/** Interceptors of servers: what they see, change and refuse in each cardinality, over the wire; slots, deadlines and cancellation. */

import {
  CancellationError,
  Cardinality,
  ContextKey,
  ExpirationError,
  Metadata,
  server as makeServer,
  RpcError,
  type RpcObserver,
  type ServerInterceptor,
  type ServerOptions,
  Status,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { memoryStub } from '../../lib/testing/index.ts';
import { type TestContext, t } from '../support/tap.ts';
import { rejection } from './support/fake-channel.ts';
import { collect, fromJson, gate, openStub, startServer, toJson } from './support/loopback.ts';

const SERVICE = 'test.Words';
const USER = new ContextKey<string>('user');

const METHODS = {
  Say: unaryUnaryInvocationDescription<string, string>(toJson, fromJson),
  List: unaryStreamInvocationDescription<string, string>(toJson, fromJson),
  Join: streamUnaryInvocationDescription<string, string>(toJson, fromJson),
  Chat: streamStreamInvocationDescription<string, string>(toJson, fromJson),
};
type Words = ReturnType<typeof openStub<typeof METHODS>>;

/** A service that counts what it deserializes and which behaviours run. */
function words(): {
  methods: Parameters<typeof startServer>[2];
  counts: { read: number; begun: number };
} {
  const counts = { read: 0, begun: 0 };
  const read = (octets: Uint8Array): string => {
    counts.read++;
    return fromJson(octets);
  };
  const methods = {
    Say: unaryUnaryServiceDescription<string, string>(
      (request, context) => {
        counts.begun++;
        context.setTrailingMetadata({ own: 'yes' });
        if (request === 'fail') throw new Error('secret');
        if (request === 'lost') throw new RpcError(Status.NOT_FOUND, 'not here');
        return `[${request}${context.get(USER) ?? ''}]`;
      },
      read,
      toJson,
    ),
    List: unaryStreamServiceDescription<string, string>(
      function* (request) {
        counts.begun++;
        yield `[${request}]`;
        if (request === 'fail') throw new Error('secret');
        yield `(${request})`;
      },
      read,
      toJson,
    ),
    Join: streamUnaryServiceDescription<string, string>(
      async (requests) => {
        counts.begun++;
        const all = await collect(requests);
        return all.join('+');
      },
      read,
      toJson,
    ),
    Chat: streamStreamServiceDescription<string, string>(
      async function* (requests) {
        counts.begun++;
        for await (const request of requests) yield `[${request}]`;
      },
      read,
      toJson,
    ),
  };
  return { methods, counts };
}

async function open(
  t: TestContext,
  interceptors: readonly ServerInterceptor[],
  options: ServerOptions = {},
): Promise<{ stub: Words; counts: { read: number; begun: number }; stats: () => unknown }> {
  const { methods, counts } = words();
  const server = await startServer(t, SERVICE, methods, { interceptors, ...options });
  return {
    stub: openStub(t, SERVICE, METHODS, server),
    counts,
    stats: () => server.stats().lingeringHandlers,
  };
}

async function callAll(stub: Words, requests: readonly string[]): Promise<string[][]> {
  return [
    [await stub.Say(requests[0] ?? '', 5)],
    await collect(stub.List(requests[0] ?? '', 5)),
    [await stub.Join([...requests], 5)],
    await collect(stub.Chat([...requests], 5)),
  ];
}

const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

await t.test('RPCs of every cardinality pass interceptors, synchronous and waiting', async (t) => {
  const seen: string[] = [];
  const { stub } = await open(t, [
    (context, next) => {
      seen.push(`${context.method} ${context.cardinality}`);
      return next();
    },
    async (_context, next) => {
      await later();
      return await next();
    },
  ]);
  t.strictSame(await callAll(stub, ['a', 'b']), [['[a]'], ['[a]', '(a)'], ['a+b'], ['[a]', '[b]']]);
  t.strictSame(await callAll(stub, []), [['[]'], ['[]', '()'], [''], []], 'empty streams too');
  t.strictSame(seen.slice(0, 4), [
    `/${SERVICE}/Say ${Cardinality.UNARY_UNARY}`,
    `/${SERVICE}/List ${Cardinality.UNARY_STREAM}`,
    `/${SERVICE}/Join ${Cardinality.STREAM_UNARY}`,
    `/${SERVICE}/Chat ${Cardinality.STREAM_STREAM}`,
  ]);
});

await t.test(
  'a refusal comes before the request is deserialized and the behaviour runs',
  async (t) => {
    const refusals: ServerInterceptor[] = [
      (context) => context.abort(Status.PERMISSION_DENIED, 'not you'),
      () => {
        throw new RpcError(Status.PERMISSION_DENIED, 'not you', Metadata.from({ why: 'rule' }));
      },
      async (context) => {
        await later();
        return context.abort(Status.PERMISSION_DENIED, 'not you');
      },
    ];
    for (const refuse of refusals) {
      let inner = 0;
      const { stub, counts } = await open(t, [
        refuse,
        (_context, next) => {
          inner++;
          return next();
        },
      ]);
      for (const attempt of [
        stub.Say('a', 5),
        collect(stub.List('a', 5)),
        stub.Join(['a'], 5),
        collect(stub.Chat(['a'], 5)),
      ]) {
        const error = (await rejection(attempt)) as RpcError;
        t.equal(error.code, Status.PERMISSION_DENIED);
        t.equal(error.details, 'not you');
        if (refuse === refusals[1]) t.equal(error.metadata.get('why'), 'rule');
      }
      t.strictSame(counts, { read: 0, begun: 0 });
      t.equal(inner, 0, 'interceptors further in did not run');
    }
  },
);

await t.test(
  'values in the context reach the behaviour; keys of one name are different',
  async (t) => {
    const other = new ContextKey<string>('user');
    const { stub } = await open(t, [
      (context, next) => {
        t.equal(context.get(USER), undefined);
        context.set(other, 'nobody');
        context.set(USER, ` of ${String(context.metadata.get('name'))}`);
        return next();
      },
    ]);
    t.equal(await stub.Say('a', { timeout: 5, metadata: { name: 'ann' } }), '[a of ann]');
  },
);

await t.test(
  'the first interceptor is outermost; messages of all kinds are replaced',
  async (t) => {
    const log: string[] = [];
    const named =
      (name: string): ServerInterceptor =>
      (_context, next) =>
        next({
          onRequest: (request) => `${String(request)}${name}`,
          onResponse: (response) => `${name}${String(response)}`,
          onStatus: ({ code }) => log.push(`${name} ${code}`),
        });
    const { stub } = await open(t, [named('x'), named('y'), (_context, next) => next({})]);
    t.strictSame(await callAll(stub, ['a', 'b']), [
      ['xy[axy]'],
      ['xy[axy]', 'xy(axy)'],
      ['xyaxy+bxy'],
      ['xy[axy]', 'xy[bxy]'],
    ]);
    t.strictSame(log.slice(0, 2), ['y 0', 'x 0']);
  },
);

await t.test(
  'outcomes show the status and what the behaviour raised, and may be replaced',
  async (t) => {
    const seen: unknown[] = [];
    const { stub } = await open(
      t,
      [
        async (context, next) => {
          const outcome = await next();
          context.setTrailingMetadata({ duration: '5' });
          return outcome;
        },
        async (_context, next) => {
          const outcome = await next();
          seen.push([outcome.code, (outcome.cause as Error | undefined)?.message]);
          if (outcome.code === Status.UNKNOWN) throw new RpcError(Status.DATA_LOSS, 'mapped');
          return outcome;
        },
      ],
      { onError: () => {} },
    );
    let trailing: Metadata | null = null;
    await stub.Say('a', { timeout: 5, onTrailingMetadata: (metadata) => (trailing = metadata) });
    t.equal((trailing as Metadata | null)?.get('duration'), '5', 'set after the behaviour');
    for (const attempt of [stub.Say('fail', 5), collect(stub.List('fail', 5))]) {
      const error = (await rejection(attempt)) as RpcError;
      t.equal(error.code, Status.DATA_LOSS);
      t.equal(error.metadata.get('duration'), '5');
    }
    t.equal(((await rejection(stub.Say('lost', 5))) as RpcError).code, Status.NOT_FOUND);
    t.strictSame(seen, [
      [Status.OK, undefined],
      [Status.UNKNOWN, 'secret'],
      [Status.UNKNOWN, 'secret'],
      [Status.NOT_FOUND, 'NOT_FOUND: not here'],
    ]);
  },
);

await t.test(
  'an exception without a status is UNKNOWN, reported, and hurts no other RPC',
  async (t) => {
    const reported: string[] = [];
    let chosen: ServerInterceptor = (_context, next) => next();
    const { stub } = await open(t, [(context, next) => chosen(context, next)], {
      onError: (error, where) => reported.push(`${where}: ${(error as Error).message}`),
    });
    const fault = (): never => {
      throw new Error('secret');
    };
    const faults: Record<string, [ServerInterceptor, number]> = {
      throws: [fault, Status.UNKNOWN],
      rejects: [async () => fault(), Status.UNKNOWN],
      'throws in onRequest': [(_context, next) => next({ onRequest: fault }), Status.INTERNAL],
      'throws in onResponse': [(_context, next) => next({ onResponse: fault }), Status.INTERNAL],
      'returns nothing': [(() => undefined) as never, Status.UNKNOWN],
    };
    for (const [what, [interceptor, code]] of Object.entries(faults)) {
      const other = gate();
      const beside = stub.Chat(
        (async function* () {
          yield 'a';
          await other.opened;
          yield 'b';
        })(),
        5,
      );
      t.strictSame(await beside.next(), { value: '[a]', done: false });
      chosen = interceptor;
      for (const attempt of [
        stub.Say('a', 5),
        collect(stub.List('a', 5)),
        stub.Join(['a'], 5),
        collect(stub.Chat(['a'], 5)),
      ]) {
        const error = (await rejection(attempt)) as RpcError;
        t.equal(error.code, code, what);
        t.notOk(error.details.includes('secret'), 'nothing of the exception reaches the client');
      }
      chosen = (_context, next) => next();
      other.open();
      t.strictSame(await collect(beside), ['[b]'], `the other RPC beside: ${what}`);
    }
    t.equal(reported.length, 20);
    t.match(String(reported[0]), /^\/test\.Words\/Say: interceptor: secret/);
  },
);

await t.test('onRequest may refuse with a status of its own', async (t) => {
  const { stub, counts } = await open(t, [
    (_context, next) =>
      next({
        onRequest: (request) => {
          if (request === 'bad') throw new RpcError(Status.INVALID_ARGUMENT, 'bad word');
        },
      }),
  ]);
  for (const attempt of [stub.Say('bad', 5), collect(stub.Chat(['bad'], 5))]) {
    t.equal(((await rejection(attempt)) as RpcError).code, Status.INVALID_ARGUMENT);
  }
  t.equal(counts.begun, 1, 'the behaviour of the stream only');
});

await t.test('the behaviour runs once: next again is an error of the interceptor', async (t) => {
  const messages: string[] = [];
  const { stub, counts } = await open(t, [
    async (_context, next) => {
      const outcome = await next();
      try {
        await next();
      } catch (error) {
        messages.push((error as Error).message);
      }
      return outcome;
    },
  ]);
  t.equal(await stub.Say('a', 5), '[a]');
  t.strictSame(messages, ['next() cannot be called again: the behavior has run']);
  t.equal(counts.begun, 1);
});

await t.test(
  'deadline and cancellation reach interceptors; one that waits keeps its slot',
  async (t) => {
    const codes: number[] = [];
    const held = gate();
    let begun = 0;
    const observer: RpcObserver = { onStatus: ({ code }) => codes.push(code) };
    const { stub, counts } = await open(
      t,
      [
        (_context, next) => next(observer),
        async (_context, next) => {
          begun++;
          await held.opened;
          return next();
        },
      ],
      { limits: { maxRunningHandlers: 2 } },
    );
    const expired = rejection(stub.Say('a', 0.5));
    const controller = new AbortController();
    const cancelled = rejection(stub.Join(['a'], { timeout: 30, signal: controller.signal }));
    while (begun < 2) await later();
    controller.abort();
    t.ok((await cancelled) instanceof CancellationError);
    t.ok((await expired) instanceof ExpirationError);
    while (codes.length < 2) await later();
    t.equal(codes[0], Status.CANCELLED);
    // Which of the client's reset and the server's own deadline comes first is open.
    t.ok(codes[1] === Status.DEADLINE_EXCEEDED || codes[1] === Status.CANCELLED, String(codes[1]));
    // Both slots are held by interceptors that have not settled.
    t.ok((await rejection(stub.Say('b', 0.1))) instanceof ExpirationError);
    t.equal(begun, 2, 'its interceptors did not run');
    t.strictSame(counts, { read: 0, begun: 0 }, 'no behaviour ran');
    held.open();
    t.equal(await stub.Say('c', 5), '[c]', 'the slots are free again');
    t.equal(counts.begun, 1, 'an RPC that is over begins no more');
  },
);

await t.test('the status of a stopped behaviour is that of the abortion', async (t) => {
  const outcomes: number[] = [];
  const seen = gate();
  const { methods } = words();
  const server = await startServer(
    t,
    SERVICE,
    {
      ...methods,
      Chat: streamStreamServiceDescription<string, string>(
        async function* (requests) {
          for await (const request of requests) yield request;
        },
        fromJson,
        toJson,
      ),
    },
    {
      interceptors: [
        async (_context, next) => {
          const outcome = await next();
          outcomes.push(outcome.code);
          seen.open();
          return outcome;
        },
      ],
    },
  );
  const stub = openStub(t, SERVICE, METHODS, server);
  const responses = stub.Chat(
    (async function* () {
      yield 'a';
      await new Promise(() => {});
    })(),
    5,
  );
  await responses.next();
  responses.cancel();
  await seen.opened;
  t.strictSame(outcomes, [Status.CANCELLED]);
});

await t.test(
  'RPCs made in an interceptor inherit the deadline of the RPC it is around',
  async (t) => {
    let left = 0;
    const inner = await open(t, [
      (context, next) => {
        left = context.timeRemaining();
        return next();
      },
    ]);
    const outer = await open(t, [
      async (_context, next) => {
        await inner.stub.Say('inner', 100);
        return next();
      },
    ]);
    t.equal(await outer.stub.Say('a', 3), '[a]');
    t.ok(left > 0 && left <= 3, `${left} s`);
  },
);

await t.test('a stub in memory takes interceptors of both sides', async (t) => {
  const { methods } = words();
  const stub = memoryStub(SERVICE, METHODS, methods, {
    interceptors: [
      (rpc, next) => {
        t.equal(rpc.authority, 'localhost:1');
        rpc.metadata.set('name', 'ann');
        return next();
      },
    ],
    serverInterceptors: [
      (context, next) => {
        context.set(USER, ` of ${String(context.metadata.get('name'))}`);
        return next();
      },
    ],
  }).open();
  t.teardown(() => stub[Symbol.asyncDispose]());
  t.equal(await stub.Say('a', 5), '[a of ann]');
});

await t.test('interceptors must be an array of functions', async (t) => {
  const { methods } = words();
  for (const interceptors of [() => {}, [1], ['x'], {}]) {
    t.throws(() => makeServer(SERVICE, methods, 0, { interceptors } as never), {
      name: 'TypeError',
      message: /options\.interceptors must be an array of functions/,
    });
  }
});
