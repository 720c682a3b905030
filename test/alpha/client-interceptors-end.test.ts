/** Interceptors of stubs and the end of RPCs: repeating them, deadlines, cancellation, closing. */

import {
  blockingStub,
  CancellationError,
  Cardinality,
  type ClientInterceptor,
  ExpirationError,
  RpcError,
  Status,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { t } from '../support/tap.ts';
import { rejection } from './support/fake-channel.ts';
import { collect, fromJson, gate, openStub, startServer, toJson } from './support/loopback.ts';
import { METHODS, openWords, SERVED, SERVICE } from './support/words.ts';

await t.test(
  'next again repeats a unary RPC; the last response, metadata and status count',
  async (t) => {
    let attempts = 0;
    const initial: unknown[] = [];
    const stub = await openWords(t, [
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
    const stub = await openWords(t, [
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
      'next() cannot be called again: its requests are a stream, which can be read once only',
      'next() cannot be called again: a response has reached the caller',
    ]);
  },
);

await t.test('a server stream that failed before its first response may be repeated', async (t) => {
  let attempts = 0;
  const stub = await openWords(t, [
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
  const stub = await openWords(t, [
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
  const stub = await openWords(t, [
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
  const zero = await openWords(t, [
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
    const stub = await openWords(t, [waits]);
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
  const running = gate();
  const held = gate();
  const server = await startServer(t, SERVICE, {
    ...SERVED,
    Say: unaryUnaryServiceDescription<string, string>(
      async (request, context) => {
        context.addAbortionCallback(() => held.open());
        running.open();
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
  await running.opened;
  future.cancel();
  await held.opened;
  await rejection(future.result());
  t.strictSame(codes, [Status.CANCELLED, Status.CANCELLED]);
});

await t.test(
  'deadline and cancellation of a running call end the RPC though interceptors go on',
  async (t) => {
    const running = gate();
    const server = await startServer(t, SERVICE, {
      Say: unaryUnaryServiceDescription<string, string>(
        (_request, context) => {
          running.open();
          return context.untilAborted(new Promise<string>(() => {}));
        },
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
    void running.opened.then(() => controller.abort());
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
  const running = gate();
  const held = gate();
  const server = await startServer(t, SERVICE, {
    Say: unaryUnaryServiceDescription<string, string>(
      async (request, context) => {
        context.addAbortionCallback(() => held.open());
        running.open();
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
        await running.opened;
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
  const stub = await openWords(t, [
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
  await t.rejects(openWords(t, ['no'] as never), {
    name: 'TypeError',
    message: /array of functions/,
  });
});
