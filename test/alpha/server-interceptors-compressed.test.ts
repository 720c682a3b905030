/** Interceptors of a server and compressed requests: what they refuse is not decompressed, what they let pass is read as ever. */

import { AsyncLocalStorage } from 'node:async_hooks';
import {
  RpcError,
  type ServerInterceptor,
  Status,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { type TestContext, t } from '../support/tap.ts';
import { rejection } from './support/fake-channel.ts';
import { collect, fromJson, gate, openStub, startServer, toJson } from './support/loopback.ts';
import { SERVICE } from './support/words.ts';

const LIMIT = 65_536;
/** Compressed it is some hundred octets, decompressed more than the server takes. */
const BOMB = 'a'.repeat(2 * LIMIT);
/** Decompressed at once, and in the thread pool. */
const SHORT = 'short';
const LONG = Array.from({ length: 6000 }, (_, i) => (i * 7919).toString(36))
  .join('')
  .slice(0, LIMIT - 10);

const METHODS = {
  Say: unaryUnaryInvocationDescription<string, string>(toJson, fromJson),
  List: unaryStreamInvocationDescription<string, string>(toJson, fromJson),
};
const storage = new AsyncLocalStorage<string>();
const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function open(t: TestContext, interceptors: readonly ServerInterceptor[]) {
  const counts = { read: 0, begun: 0 };
  const read = (octets: Uint8Array): string => {
    counts.read++;
    return fromJson(octets);
  };
  const answer = (request: string): string => {
    counts.begun++;
    return `${request.length} ${storage.getStore() ?? 'lost'}`;
  };
  const server = await startServer(
    t,
    SERVICE,
    {
      Say: unaryUnaryServiceDescription<string, string>(answer, read, toJson),
      List: unaryStreamServiceDescription<string, string>(
        (request) => [answer(request)],
        read,
        toJson,
      ),
    },
    { interceptors, limits: { maxReceiveMessageOctets: LIMIT } },
  );
  const stub = openStub(t, SERVICE, METHODS, server, {
    compression: 'gzip',
    compressionMinOctets: 0,
  });
  return { stub, counts, server };
}

await t.test('a refusal comes before the request is decompressed', async (t) => {
  const refuse = (): never => {
    throw new RpcError(Status.UNAUTHENTICATED, 'who are you?');
  };
  for (const interceptor of [
    refuse,
    async () => {
      await later(5);
      return refuse();
    },
  ]) {
    const { stub, counts } = await open(t, [interceptor]);
    // Decompressed it would be RESOURCE_EXHAUSTED.
    for (const error of [
      await rejection(stub.Say(BOMB, 5)),
      await rejection(collect(stub.List(BOMB, 5))),
    ]) {
      t.equal((error as RpcError).code, Status.UNAUTHENTICATED);
    }
    t.strictSame(counts, { read: 0, begun: 0 });
  }
});

await t.test('what interceptors let pass is read, in their async context', async (t) => {
  const seen: number[] = [];
  const { stub, counts } = await open(t, [
    (_context, next) => storage.run('kept', () => next()),
    (_context, next) =>
      next({ onRequest: (request) => void seen.push((request as string).length) }),
  ]);
  for (const request of [SHORT, LONG]) {
    t.equal(await stub.Say(request, 5), `${request.length} kept`);
    t.strictSame(await collect(stub.List(request, 5)), [`${request.length} kept`]);
  }
  t.strictSame(
    seen,
    [SHORT, SHORT, LONG, LONG].map(({ length }) => length),
  );
  t.strictSame(counts, { read: 4, begun: 4 });
});

await t.test('what they let wait is read as well', async (t) => {
  const { stub } = await open(t, [
    async (_context, next) => {
      await later(5);
      return await storage.run('kept', () => next());
    },
  ]);
  const requests = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? SHORT : LONG));
  const answers = await Promise.all(requests.map((request) => stub.Say(request, 5)));
  t.strictSame(
    answers,
    requests.map(({ length }) => `${length} kept`),
  );
});

await t.test('a request that cannot be decompressed ends behind the interceptors', async (t) => {
  const outcomes: (readonly [number, string])[] = [];
  const observed: (readonly [number, string])[] = [];
  const { stub, counts, server } = await open(t, [
    async (_context, next) => {
      const outcome = await next();
      outcomes.push([outcome.code, outcome.details]);
      return outcome;
    },
    (_context, next) =>
      next({ onStatus: ({ code, details }) => void observed.push([code, details]) }),
  ]);
  const received: (readonly [number, string])[] = [];
  for (const error of [
    (await rejection(stub.Say(BOMB, 5))) as RpcError,
    (await rejection(collect(stub.List(BOMB, 5)))) as RpcError,
  ]) {
    t.equal(error.code, Status.RESOURCE_EXHAUSTED);
    t.match(error.details, /larger than max/);
    received.push([error.code, error.details]);
  }
  t.strictSame(counts, { read: 0, begun: 0 });
  t.strictSame(outcomes, received, 'the interceptors are told the status that the client gets');
  t.strictSame(observed, received);
  for (let i = 0; i < 100 && server.stats().runningHandlers > 0; i++) await later(5);
  t.equal(server.stats().runningHandlers, 0, 'no slot is kept');
});

await t.test(
  'a client that cancels while an interceptor waits leaves no slot behind',
  async (t) => {
    const begun = gate();
    const held = gate();
    const { stub, counts, server } = await open(t, [
      async (_context, next) => {
        begun.open();
        await held.opened;
        return await next();
      },
    ]);
    const call = stub.Say.async(LONG, 5);
    await begun.opened;
    call.cancel();
    for (let i = 0; i < 100 && server.stats().activeCalls > 0; i++) await later(5);
    held.open();
    for (let i = 0; i < 100 && server.stats().runningHandlers > 0; i++) await later(5);
    t.equal(server.stats().runningHandlers, 0);
    t.strictSame(counts, { read: 0, begun: 0 });
  },
);
