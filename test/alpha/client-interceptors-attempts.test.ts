/** Interceptors of a client: outcomes, deadlines and metadata of an RPC that is made of several calls, or of none. */

import {
  Cardinality,
  type ClientInterceptor,
  RpcError,
  type RpcProgress,
  Status,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { t } from '../support/tap.ts';
import { rejection } from './support/fake-channel.ts';
import { fromJson, openStub, startServer, toJson } from './support/loopback.ts';
import { METHODS, openWords, SERVED, SERVICE } from './support/words.ts';

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

await t.test('next() of an RPC that is over does not give outcomes without end', async (t) => {
  let rounds = 0;
  const untilMs = performance.now() + 300;
  const stub = await openWords(t, [
    async (_rpc, next) => {
      let outcome = await next();
      // "Again until OK; the deadline ends it": never leaves the microtask queue once the RPC is over. The bound is the test's own.
      while (outcome.code !== Status.OK && ++rounds < 1_000_000) {
        if (performance.now() < untilMs) await later(20);
        outcome = await next();
      }
      return outcome;
    },
  ]);
  await rejection(stub.Say('fail', 0.2));
  await later(300);
  t.ok(rounds < 1000, `${rounds} rounds`);
});

await t.test(
  'a timeout that is lowered after the first await ends an RPC that is held up',
  async (t) => {
    for (const given of [Number.POSITIVE_INFINITY, 10]) {
      const stub = await openWords(t, [
        async (rpc) => {
          await later(1);
          rpc.timeout = 0.05;
          return new Promise<never>(() => {});
        },
      ]);
      // Held by a signal so that a failing test ends: with Infinity nothing else would.
      const signal = AbortSignal.timeout(2000);
      const error = (await rejection(stub.Say('a', { timeout: given, signal }))) as RpcError;
      t.equal(error.code, Status.DEADLINE_EXCEEDED, `timeout ${given}`);
    }
  },
);

await t.test(
  'a response of respond() passes onResponse of the interceptors outside it',
  async (t) => {
    let known: unknown;
    const stub = await openWords(t, [
      (_rpc, next) => next({ onResponse: (response) => String(response).toUpperCase() }),
      (rpc, next) =>
        rpc.cardinality === Cardinality.UNARY_UNARY && known !== undefined
          ? rpc.respond(known)
          : next({
              onResponse: (response) => {
                known = response;
              },
            }),
    ]);
    t.equal(await stub.Say('a', 5), '[A]');
    t.equal(await stub.Say('a', 5), '[A]', 'the second time too, from the cache');
  },
);

await t.test(
  'a call that was given up ends nothing of the one that was made after it',
  async (t) => {
    let tries = 0;
    const again: ClientInterceptor = async (_rpc, next) => {
      let second: RpcProgress | null = null;
      const first = next({
        onStatus: ({ code }) => {
          if (code === Status.UNAVAILABLE && second === null) second = next();
        },
      });
      const outcome = await first;
      return (second as RpcProgress | null) ?? outcome;
    };
    const stub = await openWords(t, [
      again,
      (_rpc, next) => {
        if (++tries > 1) return next();
        void next();
        throw new RpcError(Status.UNAVAILABLE, 'given up');
      },
    ]);
    t.equal(await stub.Say('a', 5), '[a]');
  },
);
await t.test('the same for many RPCs at once: more than run between two flushes', async (t) => {
  // All are given up in one tick, so that the ready queue defers the ends of all calls but 128 to a timer, behind the second tries.
  let open: () => void = () => {};
  const timeUp = new Promise<void>((resolve) => {
    open = resolve;
  });
  const tries = new WeakMap<object, number>();
  const server = await startServer(t, SERVICE, SERVED);
  const stub = openStub(t, SERVICE, METHODS, server, {
    interceptors: [
      async (_rpc, next) => {
        const outcome = await next();
        return outcome.code === Status.UNAVAILABLE ? next() : outcome;
      },
      async (rpc, next) => {
        const nth = (tries.get(rpc) ?? 0) + 1;
        tries.set(rpc, nth);
        const progress = next();
        if (nth > 1) return progress;
        await timeUp;
        throw new RpcError(Status.UNAVAILABLE, 'took too long');
      },
    ],
  });
  // Nobody answers, and no stream is opened that would have to be reset.
  await server.stop(0);
  const all = Array.from({ length: 400 }, () =>
    rejection(stub.Say('a', { timeout: 1, waitForReady: true })),
  );
  await later(50);
  open();
  const codes = new Set((await Promise.all(all)).map((error) => (error as RpcError).code));
  t.strictSame([...codes], [Status.DEADLINE_EXCEEDED], 'none was cancelled');
});

await t.test(
  'an RPC that its interceptors hold up ends with the served call it was made in',
  async (t) => {
    const server = await startServer(t, SERVICE, SERVED);
    const inner = openStub(t, SERVICE, METHODS, server, {
      interceptors: [() => new Promise<never>(() => {})],
    });
    let ended: unknown = null;
    const give = new AbortController();
    const front = await startServer(t, SERVICE, {
      Say: unaryUnaryServiceDescription<string, string>(
        async (request) => {
          ended = await rejection(inner.Say(request, { timeout: Infinity, signal: give.signal }));
          return request;
        },
        fromJson,
        toJson,
      ),
    });
    const outer = openStub(t, SERVICE, METHODS, front);
    await rejection(outer.Say('a', 0.2));
    await later(500);
    t.ok(ended !== null, 'the inner RPC has ended');
    give.abort();
  },
);

for (const hook of ['onRequest', 'onResponse'] as const) {
  await t.test(
    `a promise that ${hook} gives ends the RPC with INTERNAL and says why`,
    async (t) => {
      const late = async (): Promise<void> => {
        await later(1);
        throw new Error('handled by nobody');
      };
      const stub = await openWords(t, [(_rpc, next) => next({ [hook]: late })]);
      const error = (await rejection(stub.Say('a', 5))) as RpcError;
      t.equal(error.code, Status.INTERNAL);
      t.match(error.details, `${hook} of an interceptor gave a promise`);
      await later(10);
    },
  );
}

await t.test('what async onStatus and onInitialMetadata reject with is reported', async (t) => {
  const reported: string[] = [];
  const server = await startServer(t, SERVICE, SERVED);
  const broken =
    (name: string): (() => unknown) =>
    async () => {
      await later(1);
      throw new Error(name);
    };
  const stub = openStub(t, SERVICE, METHODS, server, {
    onError: (error) => reported.push((error as Error).message),
    interceptors: [
      (_rpc, next) =>
        next({ onStatus: broken('status'), onInitialMetadata: broken('initial metadata') }),
    ],
  });
  t.equal(await stub.Say('a', 5), '[a]');
  await later(20);
  t.strictSame(reported.sort(), ['initial metadata', 'status']);
});

await t.test('a thenable that settles twice, or throws, counts once', async (t) => {
  let then: (resolve: (outcome: unknown) => void) => void = () => {};
  const stub = await openWords(t, [
    (_rpc, next) => {
      void next();
      // oxlint-disable-next-line unicorn/no-thenable -- what is tested.
      return Object.defineProperty({}, 'then', { value: then }) as never;
    },
  ]);
  then = (): void => {
    throw new Error('no outcome');
  };
  t.equal(((await rejection(stub.Say('a', 5))) as RpcError).code, Status.INTERNAL);
  then = (resolve): void => {
    resolve(null);
    resolve(null);
  };
  t.equal(((await rejection(stub.Say('a', 5))) as RpcError).code, Status.INTERNAL);
});

await t.test('what carries a status is the same on both sides; OK is none', async (t) => {
  const thrown: readonly (readonly [unknown, number])[] = [
    [{ code: Status.NOT_FOUND, details: 'plain object' }, Status.NOT_FOUND],
    [new RpcError(Status.ABORTED, 'an error'), Status.ABORTED],
    [Object.assign(new RpcError(Status.ABORTED, 'an error'), { code: 0 }), Status.INTERNAL],
    [{ code: 17, details: 'none' }, Status.INTERNAL],
  ];
  for (const [error, code] of thrown) {
    const stub = await openWords(t, [
      () => {
        throw error;
      },
    ]);
    t.equal(((await rejection(stub.Say('a', 5))) as RpcError).code, code);
  }
});

await t.test('initial metadata is that of the call whose outcome the caller gets', async (t) => {
  let tries = 0;
  const metadata: unknown[] = [];
  const server = await startServer(t, SERVICE, {
    Say: unaryUnaryServiceDescription<string, string>(
      async (request, context) => {
        if (++tries > 1) context.abort(Status.NOT_FOUND, 'not here'); // Trailers-Only: no initial metadata
        context.sendInitialMetadata({ first: 'of the first try' });
        await later(20);
        context.abort(Status.UNAVAILABLE, 'again');
        return request;
      },
      fromJson,
      toJson,
    ),
  });
  const stub = openStub(t, SERVICE, { Say: METHODS.Say }, server, {
    interceptors: [
      async (_rpc, next) => {
        const outcome = await next();
        return outcome.code === Status.UNAVAILABLE ? next() : outcome;
      },
    ],
  });
  const onInitialMetadata = (received: { get(key: string): unknown }): void => {
    metadata.push(received.get('first'));
  };
  const error = (await rejection(stub.Say('a', { timeout: 5, onInitialMetadata }))) as RpcError;
  t.equal(error.code, Status.NOT_FOUND);
  t.strictSame(metadata, []);
});

await t.test('each observer has metadata of its own, and so has who asks an outcome', async (t) => {
  const seen: unknown[] = [];
  const server = await startServer(t, SERVICE, {
    Say: unaryUnaryServiceDescription<string, string>(
      (request, context) => {
        context.sendInitialMetadata({ first: 'sent' });
        context.setTrailingMetadata({ last: 'sent' });
        return request;
      },
      fromJson,
      toJson,
    ),
  });
  const change: ClientInterceptor = (_rpc, next) =>
    next({
      onInitialMetadata: (metadata) => {
        seen.push(metadata.get('first'));
        metadata.set('first', 'changed');
      },
      onStatus: ({ trailingMetadata }) => {
        seen.push(trailingMetadata.get('last'));
        trailingMetadata.set('last', 'changed');
      },
    });
  const stub = openStub(t, SERVICE, { Say: METHODS.Say }, server, {
    interceptors: [change, change],
  });
  await stub.Say('a', 5);
  t.strictSame(seen, ['sent', 'sent', 'sent', 'sent']);
});

await t.test('initial metadata of a response stream comes before its first response', async (t) => {
  const events: unknown[] = [];
  const stub = await openWords(t, [async (_rpc, next) => await next()]);
  const onInitialMetadata = (): void => {
    events.push('metadata');
  };
  for await (const response of stub.List('a', { timeout: 5, onInitialMetadata })) {
    events.push(response);
  }
  t.strictSame(events, ['metadata', '[a]', '(a)']);
});

await t.test(
  'what an RPC that is held up inherits is its deadline too, and nothing without propagate',
  async (t) => {
    const server = await startServer(t, SERVICE, SERVED);
    const timeouts: number[] = [];
    const inner = openStub(t, SERVICE, METHODS, server, {
      interceptors: [
        (rpc, next) => {
          timeouts.push(rpc.timeout);
          return next();
        },
      ],
    });
    const front = await startServer(t, SERVICE, {
      Say: unaryUnaryServiceDescription<string, string>(
        async (request) => {
          await inner.Say(request, Infinity);
          await inner.Say(request, { timeout: Infinity, propagate: false });
          return inner.Say(request, 10);
        },
        fromJson,
        toJson,
      ),
    });
    const outer = openStub(t, SERVICE, METHODS, front);
    t.equal(await outer.Say('a', 60), '[a]');
    t.equal(timeouts.length, 3);
    const [inherited = 0, free, own = 0] = timeouts;
    t.ok(inherited > 10 && inherited <= 60, `${inherited} of 60 s`);
    t.equal(free, Infinity);
    t.ok(own > 0 && own <= 10, `${own} of 10 s`);
  },
);
