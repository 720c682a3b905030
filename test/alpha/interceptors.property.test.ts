/** RPCs through interceptors of all tempers end, once and with a status of their own, and leave nothing behind. */

import fc from 'fast-check';
import {
  Cardinality,
  type ClientInterceptor,
  RpcError,
  type ServerInterceptor,
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
import { t } from '../support/tap.ts';
import { collect, fromJson, openStub, startServer, toJson } from './support/loopback.ts';

const SERVICE = 'test.Words';
const ROUNDS = 150;
const PARALLEL = 8;

const METHODS = {
  Say: unaryUnaryInvocationDescription<string, string>(toJson, fromJson),
  List: unaryStreamInvocationDescription<string, string>(toJson, fromJson),
  Join: streamUnaryInvocationDescription<string, string>(toJson, fromJson),
  Chat: streamStreamInvocationDescription<string, string>(toJson, fromJson),
};

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

const SERVED = {
  Say: unaryUnaryServiceDescription<string, string>(
    async (request, context) => {
      if (request === 'slow') await context.untilAborted(pause());
      if (request === 'fail') throw new RpcError(Status.NOT_FOUND);
      return request;
    },
    fromJson,
    toJson,
  ),
  List: unaryStreamServiceDescription<string, string>(
    async function* (request) {
      yield request;
      if (request === 'slow') await pause();
      if (request === 'fail') throw new RpcError(Status.NOT_FOUND);
      yield request;
    },
    fromJson,
    toJson,
  ),
  Join: streamUnaryServiceDescription<string, string>(
    async (requests) => (await collect(requests)).join(),
    fromJson,
    toJson,
  ),
  Chat: streamStreamServiceDescription<string, string>((requests) => requests, fromJson, toJson),
};

type Temper =
  | 'pass'
  | 'observe'
  | 'await'
  | 'wait'
  | 'throw'
  | 'reject late'
  | 'throw after'
  | 'bad request'
  | 'bad response'
  | 'repeat'
  | 'impatient'
  | 'other'
  | 'nothing';

type AnyInterceptor = ClientInterceptor & ServerInterceptor;

/** An interceptor of the given temper, for both sides. */
function interceptor(temper: Temper): AnyInterceptor {
  const broken = (): never => {
    throw new Error(temper);
  };
  const tempers: Record<Temper, AnyInterceptor> = {
    pass: (_subject, next) => next(),
    observe: (_subject, next) =>
      next({
        onRequest: (value) => value as string,
        onResponse: () => undefined,
        onStatus: broken,
      }),
    await: async (_subject, next) => await next(),
    wait: async (_subject, next) => {
      await pause();
      const outcome = await next();
      await pause();
      return outcome;
    },
    throw: () => {
      throw new RpcError(Status.PERMISSION_DENIED);
    },
    'reject late': async (_subject, next) => {
      await next();
      return broken();
    },
    'throw after': (_subject, next) => {
      void next();
      return broken();
    },
    'bad request': (_subject, next) => next({ onRequest: broken }),
    'bad response': (_subject, next) => next({ onResponse: broken }),
    repeat: async (_subject, next) => {
      const outcome = await next();
      return outcome.code === Status.OK ? outcome : await next();
    },
    impatient: async (_subject, next) => {
      void next();
      await pause();
      throw new RpcError(Status.ABORTED);
    },
    other: (subject, next) =>
      'respond' in subject && subject.cardinality === Cardinality.UNARY_UNARY
        ? subject.respond('other')
        : next(),
    nothing: (() => undefined) as never,
  };
  return tempers[temper];
}

const TEMPERS: readonly Temper[] = [
  'pass',
  'observe',
  'await',
  'wait',
  'throw',
  'reject late',
  'throw after',
  'bad request',
  'bad response',
  'repeat',
  'impatient',
  'other',
  'nothing',
];

await t.test(
  'RPCs end whatever interceptors of both sides do, and slots are free again',
  async (t) => {
    let chosen: { client: readonly Temper[]; server: readonly Temper[] } = {
      client: [],
      server: [],
    };
    const at =
      (side: 'client' | 'server', place: number): AnyInterceptor =>
      (subject, next) =>
        interceptor(chosen[side][place] ?? 'pass')(subject as never, next);
    const server = await startServer(t, SERVICE, SERVED, {
      interceptors: [at('server', 0), at('server', 1)],
      onError: () => {},
    });
    const stub = openStub(t, SERVICE, METHODS, server, {
      interceptors: [at('client', 0), at('client', 1)],
      onError: () => {},
    });
    const tempers = fc.array(fc.constantFrom(...TEMPERS), { maxLength: 2 });
    let [answered, refused] = [0, 0];
    const property = fc.asyncProperty(
      tempers,
      tempers,
      fc.constantFrom('good', 'slow', 'fail'),
      fc.constantFrom(5, 5, 5, 0.002),
      fc.constantFrom(null, null, 0, 1),
      async (client, serverSide, request, timeout, cancelMs) => {
        chosen = { client, server: serverSide };
        const rpcs: Promise<unknown>[] = [];
        for (let i = 0; i < PARALLEL; i += 4) {
          const controller = new AbortController();
          if (cancelMs !== null) setTimeout(() => controller.abort(), cancelMs);
          const options = { timeout, signal: controller.signal };
          rpcs.push(
            stub.Say(request, options),
            collect(stub.List(request, options)),
            stub.Join([request, 'b'], options),
            collect(stub.Chat([request, 'b'], options)),
          );
        }
        for (const outcome of await Promise.allSettled(rpcs)) {
          if (outcome.status === 'fulfilled') answered++;
          else if (outcome.reason instanceof RpcError) refused++;
          else throw outcome.reason;
        }
      },
    );
    await fc.assert(property, { numRuns: ROUNDS });
    t.ok(answered > 0 && refused > 0, `${answered} answered, ${refused} refused`);
    chosen = { client: [], server: [] };
    await stub.close();
    while (server.stats().runningHandlers > 0) await pause();
    t.equal(server.stats().runningHandlers, 0, 'no handler slot is held');
  },
);
