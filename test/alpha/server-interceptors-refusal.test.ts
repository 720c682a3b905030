/** Interceptors of a server: refused requests and the async context of the behaviour. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { endLoan, lend } from '../../framing/lent-octets.ts';
import { ServerInterception } from '../../lib/alpha/server-interception.ts';
import {
  Abortion,
  type RpcContext,
  RpcError,
  Status,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { t } from '../support/tap.ts';
import { rejection } from './support/fake-channel.ts';
import { fromJson, openStub, startServer, toJson } from './support/loopback.ts';
import { SERVICE } from './support/words.ts';

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

for (const kind of ['refused by onRequest', 'refused by the deserializer'] as const) {
  await t.test(
    `a behaviour never sees a clean end behind a request that was ${kind}`,
    async (t) => {
      const seen: string[] = [];
      const server = await startServer(
        t,
        SERVICE,
        {
          Join: streamUnaryServiceDescription<string, string>(
            async (requests) => {
              try {
                for await (const request of requests) seen.push(request);
                seen.push('END'); // an upload would be committed here
              } catch {
                seen.push('ABORTED');
              }
              return 'done';
            },
            (octets) => {
              const request = fromJson<string>(octets);
              if (kind === 'refused by the deserializer' && request === 'bad')
                throw new Error('bad');
              return request;
            },
            toJson,
          ),
        },
        {
          onError: () => {},
          interceptors: [
            async (_context, next) => await next(),
            (_context, next) =>
              next({
                onRequest: (request) => {
                  if (request === 'bad') throw new RpcError(Status.INVALID_ARGUMENT, 'bad');
                },
              }),
          ],
        },
      );
      const methods = { Join: streamUnaryInvocationDescription<string, string>(toJson, fromJson) };
      const stub = openStub(t, SERVICE, methods, server);
      // An array: last message and END_STREAM are in one write, so in one read of the server.
      const error = (await rejection(stub.Join(['good', 'bad'], 5))) as RpcError;
      t.not(error.code, Status.OK);
      await later(20);
      t.notOk(seen.includes('END'), `the behaviour saw ${seen.join(', ')}`);
      t.ok(seen.includes('ABORTED'));
    },
  );
}

await t.test(
  'a unary behaviour runs in the async context in which next() was called',
  async (t) => {
    const storage = new AsyncLocalStorage<string>();
    const server = await startServer(
      t,
      SERVICE,
      {
        Say: unaryUnaryServiceDescription<string, string>(
          () => storage.getStore() ?? 'lost',
          fromJson,
          toJson,
        ),
      },
      { interceptors: [(_context, next) => storage.run('kept', () => next())] },
    );
    const methods = { Say: unaryUnaryInvocationDescription<string, string>(toJson, fromJson) };
    const stub = openStub(t, SERVICE, methods, server);
    t.equal(await stub.Say('a', 5), 'kept');
  },
);

await t.test(
  'a unary request that interceptors let wait is read from a copy, in their async context',
  async (t) => {
    const storage = new AsyncLocalStorage<string>();
    const server = await startServer(
      t,
      SERVICE,
      {
        Say: unaryUnaryServiceDescription<string, string>(
          (request) => `${request} ${storage.getStore() ?? 'lost'}`,
          fromJson,
          toJson,
        ),
      },
      {
        interceptors: [
          async (_context, next) => {
            await later(10);
            return storage.run('kept', () => next());
          },
        ],
      },
    );
    const methods = { Say: unaryUnaryInvocationDescription<string, string>(toJson, fromJson) };
    const stub = openStub(t, SERVICE, methods, server);
    const words = Array.from({ length: 20 }, (_, n) => `word ${n}`);
    const said = await Promise.all(words.map((word) => stub.Say(word, 5)));
    t.strictSame(
      said,
      words.map((word) => `${word} kept`),
    );
  },
);

await t.test(
  'what a behaviour makes of a refused request stream does not change its status',
  async (t) => {
    const aborted: string[] = [];
    const server = await startServer(
      t,
      SERVICE,
      {
        Join: streamUnaryServiceDescription<string, string>(
          async (requests, context) => {
            context.addAbortionCallback((abortion) => aborted.push(abortion));
            for await (const _request of requests);
            return 'done';
          },
          (octets) => {
            if (octets.length > 6) throw new Error('bad');
            return fromJson<string>(octets);
          },
          toJson,
        ),
      },
      { onError: () => {}, interceptors: [async (_context, next) => await next()] },
    );
    const methods = { Join: streamUnaryInvocationDescription<string, string>(toJson, fromJson) };
    const stub = openStub(t, SERVICE, methods, server);
    const error = (await rejection(stub.Join(['good', 'not good'], 5))) as RpcError;
    t.equal(error.code, Status.INTERNAL);
    t.equal(error.details, 'the request could not be deserialized');
    t.strictSame(aborted, [Abortion.NETWORK_FAILURE]);
  },
);

await t.test(
  'a unary request that is let wait is copied out of the memory that is lent',
  async (t) => {
    let read = '';
    const interception: ServerInterception = new ServerInterception(
      [
        async (_context, next) => {
          await later(1);
          return next();
        },
      ],
      {} as RpcContext,
      {
        admit: () => {
          const held = interception.takeHeld();
          if (held !== null) read = Buffer.from(held.chunk).toString('utf8', held.start, held.end);
          t.equal(interception.takeHeld(), null, 'once');
        },
        giveUp: () => {},
        conclude: () => {},
        onInterceptorsSettled: () => {},
        report: () => {},
      },
    );
    const lent = Buffer.from('..request..');
    lend(lent);
    interception.startWith(lent, 2, 9);
    endLoan();
    lent.fill('x');
    await later(20);
    t.equal(read, 'request');
  },
);
