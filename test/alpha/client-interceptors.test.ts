/** Interceptors of stubs: what they see, change, refuse and repeat in each cardinality, over the wire. */

import {
  blockingStub,
  CancellationError,
  Cardinality,
  type ClientInterceptor,
  ExpirationError,
  Metadata,
  type OutgoingRpc,
  RpcError,
  type ServerOptions,
  Status,
  type StubOptions,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { type TestContext, t } from '../support/tap.ts';
import { rejection } from './support/fake-channel.ts';
import { collect, fromJson, gate, openStub, startServer, toJson } from './support/loopback.ts';

const SERVICE = 'test.Words';

const METHODS = {
  Say: unaryUnaryInvocationDescription<string, string>(toJson, fromJson),
  List: unaryStreamInvocationDescription<string, string>(toJson, fromJson),
  Join: streamUnaryInvocationDescription<string, string>(toJson, fromJson),
  Chat: streamStreamInvocationDescription<string, string>(toJson, fromJson),
};
type Words = ReturnType<typeof openStub<typeof METHODS>>;

/** Sends initial metadata, answers with its request between brackets, and fails for 'fail'. */
const SERVED = {
  Say: unaryUnaryServiceDescription<string, string>(
    (request, context) => {
      context.sendInitialMetadata({ first: 'yes' });
      context.setTrailingMetadata({ seen: String(context.metadata.get('token') ?? 'none') });
      if (request === 'fail') context.abort(Status.NOT_FOUND, 'not here');
      return `[${request}]`;
    },
    fromJson,
    toJson,
  ),
  List: unaryStreamServiceDescription<string, string>(
    function* (request, context) {
      context.setTrailingMetadata({ seen: String(context.metadata.get('token') ?? 'none') });
      yield `[${request}]`;
      yield `(${request})`;
    },
    fromJson,
    toJson,
  ),
  Join: streamUnaryServiceDescription<string, string>(
    async (requests) => {
      const all: string[] = [];
      for await (const request of requests) all.push(request);
      return all.join('+');
    },
    fromJson,
    toJson,
  ),
  Chat: streamStreamServiceDescription<string, string>(
    async function* (requests) {
      for await (const request of requests) yield `[${request}]`;
    },
    fromJson,
    toJson,
  ),
};

async function open(
  t: TestContext,
  interceptors: readonly ClientInterceptor[],
  options: StubOptions = {},
  serverOptions: ServerOptions = {},
): Promise<Words> {
  const server = await startServer(t, SERVICE, SERVED, serverOptions);
  return openStub(t, SERVICE, METHODS, server, { interceptors, ...options });
}

/** What each kind of RPC gives, as a list. */
async function callAll(stub: Words, requests: readonly [string, string]): Promise<string[][]> {
  return [
    [await stub.Say(requests[0], 5)],
    await collect(stub.List(requests[0], 5)),
    [await stub.Join([...requests], 5)],
    await collect(stub.Chat([...requests], 5)),
    [await stub.Say.async(requests[0], 5)],
  ];
}

const PLAIN = [['[a]'], ['[a]', '(a)'], ['a+b'], ['[a]', '[b]'], ['[a]']];

await t.test('RPCs of every cardinality pass interceptors that only return', async (t) => {
  const seen: string[] = [];
  const stub = await open(t, [
    (rpc, next) => {
      seen.push(`${rpc.method} ${rpc.cardinality}`);
      return next();
    },
    async (_rpc, next) => await next(),
  ]);
  t.strictSame(await callAll(stub, ['a', 'b']), PLAIN);
  t.strictSame(seen, [
    `/${SERVICE}/Say ${Cardinality.UNARY_UNARY}`,
    `/${SERVICE}/List ${Cardinality.UNARY_STREAM}`,
    `/${SERVICE}/Join ${Cardinality.STREAM_UNARY}`,
    `/${SERVICE}/Chat ${Cardinality.STREAM_STREAM}`,
    `/${SERVICE}/Say ${Cardinality.UNARY_UNARY}`,
  ]);
});

await t.test(
  'the first interceptor is outermost, for requests, responses and status',
  async (t) => {
    const log: string[] = [];
    const named =
      (name: string): ClientInterceptor =>
      (_rpc, next) => {
        log.push(`${name} in`);
        return next({
          onRequest: (request) => {
            log.push(`${name} ${String(request)}`);
            return `${String(request)}${name}`;
          },
          onInitialMetadata: (metadata) => log.push(`${name} ${String(metadata.get('first'))}`),
          onResponse: (response) => {
            log.push(`${name} ${String(response)}`);
            return `${name}${String(response)}`;
          },
          onStatus: ({ code }) => log.push(`${name} ${code}`),
        });
      };
    const stub = await open(t, [named('x'), named('y')]);
    t.equal(await stub.Say('a', 5), 'xy[axy]');
    t.strictSame(log, [
      'x in',
      'y in',
      'x a',
      'y ax',
      'y yes',
      'x yes',
      'y [axy]',
      'x y[axy]',
      'y 0',
      'x 0',
    ]);
  },
);

await t.test('messages of streams are replaced one by one; undefined leaves them', async (t) => {
  const stub = await open(t, [
    (_rpc, next) =>
      next({
        onRequest: (request) => (request === 'b' ? 'B' : undefined),
        onResponse: (response) => (response === '[a]' ? '[A]' : undefined),
      }),
  ]);
  t.strictSame(await callAll(stub, ['a', 'b']), [
    ['[A]'],
    ['[A]', '(a)'],
    ['a+B'],
    ['[A]', '[B]'],
    ['[A]'],
  ]);
});

await t.test(
  'metadata set synchronously and after a wait is sent; the caller keeps its own',
  async (t) => {
    for (const interceptor of [
      (rpc: OutgoingRpc, next: Parameters<ClientInterceptor>[1]) => {
        rpc.metadata.set('token', 'secret');
        return next();
      },
      async (rpc: OutgoingRpc, next: Parameters<ClientInterceptor>[1]) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        rpc.metadata.set('token', 'secret');
        return next();
      },
    ]) {
      const stub = await open(t, [interceptor]);
      const mine = Metadata.from({ other: 'kept' });
      const trailers: (string | undefined)[] = [];
      const options = {
        timeout: 5,
        metadata: mine,
        onTrailingMetadata: (metadata: Metadata) => trailers.push(metadata.get('seen')),
      };
      await stub.Say('a', options);
      await collect(stub.List('a', options));
      t.strictSame(trailers, ['secret', 'secret']);
      t.equal(mine.has('token'), false, "the caller's object is not changed");
    }
  },
);

await t.test(
  'an interceptor sees authority, time left, request and trailing metadata',
  async (t) => {
    const stub = await open(
      t,
      [
        async (rpc, next) => {
          t.equal(rpc.authority, 'words.example');
          t.ok(rpc.timeout > 0 && rpc.timeout <= 5, `${rpc.timeout} s`);
          if (rpc.cardinality === Cardinality.UNARY_UNARY) t.equal(rpc.request, 'fail');
          const outcome = await next();
          t.equal(outcome.code, Status.NOT_FOUND);
          t.equal(outcome.details, 'not here');
          t.equal(outcome.trailingMetadata.get('seen'), 'none');
          return outcome;
        },
      ],
      { authority: 'words.example' },
    );
    const error = await rejection(stub.Say('fail', 5));
    t.ok(error instanceof RpcError);
    t.equal((error as RpcError).code, Status.NOT_FOUND);
    t.equal((error as RpcError).metadata.get('seen'), 'none');
  },
);

await t.test(
  'an RpcError thrown before next ends the RPC in every cardinality; nothing is sent',
  async (t) => {
    for (const refuse of [
      () => {
        throw new RpcError(Status.UNAUTHENTICATED, 'no token', Metadata.from({ why: 'none' }));
      },
      async () => {
        throw new RpcError(Status.UNAUTHENTICATED, 'no token', Metadata.from({ why: 'none' }));
      },
    ] satisfies ClientInterceptor[]) {
      const stub = await open(t, [refuse]);
      for (const attempt of [
        stub.Say('a', 5),
        collect(stub.List('a', 5)),
        stub.Join(['a'], 5),
        collect(stub.Chat(['a'], 5)),
        stub.Join.async(['a'], 5).result(),
      ]) {
        const error = (await rejection(attempt)) as RpcError;
        t.equal(error.code, Status.UNAUTHENTICATED);
        t.equal(error.details, 'no token');
        t.equal(error.metadata.get('why'), 'none');
      }
      t.equal(stub.stats()?.connections, 0, 'no connection was made');
    }
  },
);

await t.test(
  'another exception, and a return of something else, is INTERNAL and hurts no other RPC',
  async (t) => {
    const fault = new Error('broken');
    const faults: Record<string, ClientInterceptor> = {
      throws: () => {
        throw fault;
      },
      rejects: async () => {
        throw fault;
      },
      'throws after next': (_rpc, next) => {
        void next();
        throw fault;
      },
      'throws in onRequest': (_rpc, next) =>
        next({
          onRequest: () => {
            throw fault;
          },
        }),
      'throws in onResponse': (_rpc, next) =>
        next({
          onResponse: () => {
            throw fault;
          },
        }),
    };
    let chosen: ClientInterceptor = (_rpc, next) => next();
    const stub = await open(t, [(rpc, next) => chosen(rpc, next)]);
    for (const [what, interceptor] of Object.entries(faults)) {
      const others = stub.Chat(
        (async function* () {
          yield 'a';
          await new Promise((resolve) => setTimeout(resolve, 20));
          yield 'b';
        })(),
        5,
      );
      chosen = interceptor;
      for (const attempt of [
        stub.Say('a', 5),
        collect(stub.List('a', 5)),
        stub.Join(['a'], 5),
        collect(stub.Chat(['a'], 5)),
      ]) {
        const error = (await rejection(attempt)) as RpcError;
        t.equal(error.code, Status.INTERNAL, what);
        t.match(error.details, /^interceptor of \/test\.Words\/\w+ failed: broken/);
        t.equal(error.cause, fault);
      }
      chosen = (_rpc, next) => next();
      t.strictSame(await collect(others), ['[a]', '[b]'], `the other RPC beside: ${what}`);
    }
    chosen = (() => undefined) as never;
    const error = (await rejection(stub.Say('a', 5))) as RpcError;
    t.equal(error.code, Status.INTERNAL);
    t.match(error.details, /must return what next\(\) or respond\(\) gave/);
  },
);

await t.test(
  'what onStatus and onInitialMetadata raise is reported and changes nothing',
  async (t) => {
    const reported: string[] = [];
    const stub = await open(
      t,
      [
        (_rpc, next) =>
          next({
            onStatus: () => {
              throw new Error('status');
            },
            onInitialMetadata: () => {
              throw new Error('initial');
            },
          }),
      ],
      { onError: (error, where) => reported.push(`${where}: ${(error as Error).message}`) },
    );
    t.equal(await stub.Say('a', 5), '[a]');
    t.strictSame(reported, [
      '/test.Words/Say: onInitialMetadata of an interceptor: initial',
      '/test.Words/Say: onStatus of an interceptor: status',
    ]);
  },
);

await t.test('respond answers response-unary RPCs without the server', async (t) => {
  const stub = await open(t, [
    (rpc, next) =>
      rpc.cardinality === Cardinality.UNARY_UNARY || rpc.cardinality === Cardinality.STREAM_UNARY
        ? rpc.respond('cached')
        : next(),
  ]);
  t.equal(await stub.Say('a', 5), 'cached');
  t.equal(await stub.Join(['a'], 5), 'cached');
  t.equal(await stub.Say.async('a', 5), 'cached');
  t.equal(stub.stats()?.connections, 0, 'no connection was made');
  t.strictSame(await collect(stub.List('a', 5)), ['[a]', '(a)']);
});

await t.test(
  'next again repeats a unary RPC; the last response, metadata and status count',
  async (t) => {
    let attempts = 0;
    const initial: unknown[] = [];
    const stub = await open(t, [
      async (_rpc, next) => {
        let outcome = await next();
        while (outcome.code !== Status.OK) outcome = await next();
        return outcome;
      },
      (rpc, next) => {
        attempts++;
        rpc.metadata.set('token', String(attempts));
        if (attempts === 1) throw new RpcError(Status.UNAVAILABLE, 'not yet');
        return next({ onRequest: () => (attempts < 4 ? 'fail' : 'good') });
      },
    ]);
    const trailing: unknown[] = [];
    const response = await stub.Say('a', {
      timeout: 5,
      onInitialMetadata: (metadata) => initial.push(metadata.get('first')),
      onTrailingMetadata: (metadata) => trailing.push(metadata.get('seen')),
    });
    t.equal(response, '[good]');
    t.equal(attempts, 4);
    t.strictSame(initial, ['yes'], 'once');
    t.strictSame(trailing, ['4']);
  },
);

await t.test(
  'a stream cannot be repeated once its requests were read or a response was given',
  async (t) => {
    const faults: string[] = [];
    const stub = await open(t, [
      async (_rpc, next) => {
        const outcome = await next();
        try {
          await next();
        } catch (error) {
          faults.push((error as Error).message);
        }
        return outcome;
      },
    ]);
    t.equal(await stub.Join(['a', 'b'], 5), 'a+b');
    t.strictSame(await collect(stub.List('a', 5)), ['[a]', '(a)']);
    t.strictSame(faults, [
      'next() cannot be called again: the requests of a stream can be read once only',
      'next() cannot be called again: responses have reached the caller',
    ]);
  },
);

await t.test('a server stream that failed before its first response may be repeated', async (t) => {
  let attempts = 0;
  const stub = await open(t, [
    async (_rpc, next) => {
      const outcome = await next();
      return outcome.code === Status.OK ? outcome : await next();
    },
    (_rpc, next) => {
      attempts++;
      if (attempts === 1) throw new RpcError(Status.UNAVAILABLE, 'not yet');
      return next();
    },
  ]);
  t.strictSame(await collect(stub.List('a', 5)), ['[a]', '(a)']);
  t.equal(attempts, 2);
});

await t.test('next while the RPC goes on is an error of the interceptor', async (t) => {
  const stub = await open(t, [
    (_rpc, next) => {
      void next();
      return next();
    },
  ]);
  const error = (await rejection(stub.Say('a', 5))) as RpcError;
  t.equal(error.code, Status.INTERNAL);
  t.match(error.details, /called again while the RPC goes on/);
});

await t.test('the timeout can be shortened, not lengthened', async (t) => {
  const left: number[] = [];
  const stub = await open(t, [
    (rpc, next) => {
      rpc.timeout = 2;
      left.push(rpc.timeout);
      rpc.timeout = 100;
      left.push(rpc.timeout);
      return next();
    },
  ]);
  await stub.Say('a', Number.POSITIVE_INFINITY);
  t.ok(
    left.every((seconds) => seconds > 1 && seconds <= 2),
    left.join(),
  );
  const zero = await open(t, [
    (rpc, next) => {
      rpc.timeout = 0;
      return next();
    },
  ]);
  const error = await rejection(zero.Say('a', 5));
  t.ok(error instanceof ExpirationError);
  t.equal(zero.stats()?.connections, 0, 'nothing was sent');
});

await t.test('deadline and cancellation end an RPC whose interceptor waits for ever', async (t) => {
  const never = new Promise<never>(() => {});
  for (const waits of [
    () => never,
    async (_rpc: unknown, next: Parameters<ClientInterceptor>[1]) => {
      await next();
      return never;
    },
  ] satisfies ClientInterceptor[]) {
    const stub = await open(t, [waits]);
    t.ok((await rejection(stub.Say('a', 0.05))) instanceof ExpirationError);
    t.ok((await rejection(stub.Join(['a'], 0.05))) instanceof ExpirationError);
    const controller = new AbortController();
    const cancelled = rejection(stub.Say('a', { timeout: 5, signal: controller.signal }));
    const future = stub.Say.async('a', 5);
    const responses = stub.Chat([], 5);
    setTimeout(() => {
      controller.abort();
      future.cancel();
      responses.cancel();
    }, 20);
    t.ok((await cancelled) instanceof CancellationError);
    await rejection(future.result());
    t.ok(future.cancelled());
    await rejection(responses.next());
    await stub.close();
  }
});

await t.test('cancelling reaches the call, and the interceptors see it', async (t) => {
  const held = gate();
  const server = await startServer(t, SERVICE, {
    ...SERVED,
    Say: unaryUnaryServiceDescription<string, string>(
      async (request, context) => {
        context.addAbortionCallback(() => held.open());
        await held.opened;
        return request;
      },
      fromJson,
      toJson,
    ),
  });
  const codes: number[] = [];
  const stub = openStub(t, SERVICE, METHODS, server, {
    interceptors: [
      async (_rpc, next) => {
        const outcome = await next({ onStatus: ({ code }) => codes.push(code) });
        codes.push(outcome.code);
        return outcome;
      },
    ],
  });
  const future = stub.Say.async('a', 5);
  setTimeout(() => future.cancel(), 50);
  await held.opened;
  await rejection(future.result());
  t.strictSame(codes, [Status.CANCELLED, Status.CANCELLED]);
});

await t.test(
  'deadline and cancellation of a running call end the RPC though interceptors go on',
  async (t) => {
    const server = await startServer(t, SERVICE, {
      Say: unaryUnaryServiceDescription<string, string>(
        (_request, context) => context.untilAborted(new Promise<string>(() => {})),
        fromJson,
        toJson,
      ),
    });
    const outcomes: number[] = [];
    const stub = openStub(t, SERVICE, { Say: METHODS.Say }, server, {
      interceptors: [
        async (_rpc, next) => {
          await new Promise((resolve) => setTimeout(resolve, 1));
          outcomes.push((await next()).code);
          return new Promise<never>(() => {});
        },
      ],
    });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    const cancelled = await rejection(stub.Say('a', { timeout: 5, signal: controller.signal }));
    t.ok(cancelled instanceof CancellationError);
    t.ok((cancelled as CancellationError).end?.peer, 'the end of the call, not one without a call');
    const expired = await rejection(stub.Say('a', 1));
    t.ok(expired instanceof ExpirationError);
    t.match(String(expired), /Deadline exceeded after/, 'the words of the call');
    t.strictSame(outcomes, [Status.CANCELLED, Status.DEADLINE_EXCEEDED]);
  },
);

await t.test('an interceptor that answers while its call goes on cancels the call', async (t) => {
  const held = gate();
  const server = await startServer(t, SERVICE, {
    Say: unaryUnaryServiceDescription<string, string>(
      async (request, context) => {
        context.addAbortionCallback(() => held.open());
        await held.opened;
        return request;
      },
      fromJson,
      toJson,
    ),
  });
  const stub = openStub(t, SERVICE, { Say: METHODS.Say }, server, {
    interceptors: [
      async (rpc, next) => {
        void next();
        await new Promise((resolve) => setTimeout(resolve, 50));
        return rpc.cardinality === Cardinality.UNARY_UNARY ? rpc.respond('stale') : next();
      },
    ],
  });
  t.equal(await stub.Say('a', 5), 'stale');
  await held.opened;
  t.pass('the behaviour was told');
});

await t.test('close() waits for RPCs that are held up by interceptors', async (t) => {
  const held = gate();
  const stub = await open(t, [
    async (_rpc, next) => {
      await held.opened;
      return next();
    },
  ]);
  const answer = stub.Say('a', 5);
  const closed = stub.close();
  held.open();
  t.equal(await answer, '[a]');
  await closed;
});

await t.test('flow control paces streams through interceptors of both sides', async (t) => {
  const large = 'x'.repeat(50_000);
  let pulled = 0;
  const seen = { requests: 0, responses: 0 };
  const server = await startServer(t, SERVICE, SERVED, {
    interceptors: [(_context, next) => next({ onRequest: () => void seen.requests++ })],
  });
  const stub = openStub(t, SERVICE, METHODS, server, {
    interceptors: [(_rpc, next) => next({ onResponse: () => void seen.responses++ })],
  });
  const responses = stub.Chat(
    (function* () {
      for (; pulled < 1000; pulled++) yield large;
    })(),
    30,
  );
  await responses.next();
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.ok(pulled < 500, `${pulled} requests pulled while nobody reads`);
  let read = 1;
  for await (const response of responses) read += response.length === large.length + 2 ? 1 : 0;
  t.equal(read, 1000);
  t.strictSame(seen, { requests: 1000, responses: 1000 });
});

await t.test('interceptors must be functions, and a blocking stub has none', async (t) => {
  const none = (): unknown =>
    blockingStub(SERVICE, METHODS, 'localhost', 1, { interceptors: [() => {}] } as never);
  t.throws(none, { name: 'TypeError', message: /a blocking stub has none/ });
  await t.rejects(open(t, ['no'] as never), { name: 'TypeError', message: /array of functions/ });
});
