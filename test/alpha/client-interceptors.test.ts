/** Interceptors of stubs: what they see, change, refuse and answer in each cardinality, over the wire. */

import {
  Cardinality,
  type ClientInterceptor,
  Metadata,
  type OutgoingRpc,
  RpcError,
  Status,
} from '../../lib/index.ts';
import { t } from '../support/tap.ts';
import { rejection } from './support/fake-channel.ts';
import { collect } from './support/loopback.ts';
import { openWords, SERVICE, type Words } from './support/words.ts';

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
  const stub = await openWords(t, [
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
    const stub = await openWords(t, [named('x'), named('y')]);
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
  const stub = await openWords(t, [
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
      const stub = await openWords(t, [interceptor]);
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
    const stub = await openWords(
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
      const stub = await openWords(t, [refuse]);
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
    const stub = await openWords(t, [(rpc, next) => chosen(rpc, next)]);
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
    const stub = await openWords(
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
  const stub = await openWords(t, [
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
