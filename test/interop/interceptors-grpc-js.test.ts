/** Interceptors of ours with `@grpc/grpc-js` at the other end. */

import { Client, credentials, Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import {
  RpcError,
  Status,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { rejection } from '../alpha/support/fake-channel.ts';
import { collect, openStub, startServer } from '../alpha/support/loopback.ts';
import { t } from '../support/tap.ts';

const octets = (value: Uint8Array): Uint8Array => new Uint8Array(value);
const buffer = (value: Buffer): Buffer => value;
const SERVICE = 'test.Octets';

await t.test('grpc-js client, our server: refused without a token, served with one', async (t) => {
  const outcomes: number[] = [];
  const server = await startServer(
    t,
    SERVICE,
    {
      Echo: unaryUnaryServiceDescription((request: Uint8Array) => request, octets, octets),
      Chat: streamStreamServiceDescription(
        (requests: AsyncIterable<Uint8Array>) => requests,
        octets,
        octets,
      ),
    },
    {
      interceptors: [
        (_context, next) => next({ onStatus: ({ code }) => outcomes.push(code) }),
        async (context, next) => {
          await Promise.resolve();
          if (context.metadata.get('authorization') !== 'Bearer good') {
            throw new RpcError(Status.UNAUTHENTICATED, 'a token is missing');
          }
          return next();
        },
      ],
    },
  );
  const client = new Client(`127.0.0.1:${server.port()}`, credentials.createInsecure());
  t.teardown(() => client.close());
  const echo = (metadata: Metadata): Promise<string> =>
    new Promise((resolve) => {
      const path = `/${SERVICE}/Echo`;
      client.makeUnaryRequest(
        path,
        buffer,
        buffer,
        Buffer.from('hello'),
        metadata,
        (error, value) =>
          resolve(error === null ? String(value) : `${error.code} ${error.details}`),
      );
    });
  t.equal(await echo(new Metadata()), '16 a token is missing');
  const good = new Metadata();
  good.set('authorization', 'Bearer good');
  t.equal(await echo(good), 'hello');
  const chat = client.makeBidiStreamRequest(`/${SERVICE}/Chat`, buffer, buffer, good);
  chat.write(Buffer.from('a'));
  chat.end(Buffer.from('b'));
  const answers: string[] = [];
  for await (const answer of chat) answers.push(String(answer));
  t.strictSame(answers, ['a', 'b']);
  t.strictSame(outcomes, [Status.UNAUTHENTICATED, Status.OK, Status.OK]);
});

await t.test('our client, grpc-js server: token, replaced messages, status, retry', async (t) => {
  let calls = 0;
  const server = new Server();
  const types = {
    requestSerialize: buffer,
    requestDeserialize: buffer,
    responseSerialize: buffer,
    responseDeserialize: buffer,
  };
  server.addService(
    {
      Echo: { path: `/${SERVICE}/Echo`, requestStream: false, responseStream: false, ...types },
      Chat: { path: `/${SERVICE}/Chat`, requestStream: true, responseStream: true, ...types },
    },
    {
      Echo: (
        call: { request: Buffer; metadata: Metadata },
        done: (error: object | null, value?: Buffer) => void,
      ) => {
        calls++;
        if (call.metadata.get('authorization')[0] !== 'Bearer good')
          done({ code: 16, details: 'no' });
        else if (calls < 3) done({ code: 14, details: 'busy' });
        else done(null, call.request);
      },
      Chat: (call: NodeJS.ReadWriteStream) => {
        call.on('data', (value: Buffer) => call.write(value));
        call.on('end', () => call.end());
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  t.teardown(() => server.forceShutdown());
  const outcomes: number[] = [];
  let token = 'Bearer good';
  const stub = openStub(
    t,
    SERVICE,
    {
      Echo: unaryUnaryInvocationDescription(octets, octets),
      Chat: streamStreamInvocationDescription(octets, octets),
    },
    { port: () => port } as never,
    {
      interceptors: [
        (rpc, next) => {
          rpc.metadata.set('authorization', token);
          return next({
            onRequest: (request) => Buffer.concat([request as Uint8Array, Buffer.from('!')]),
          });
        },
        async (_rpc, next) => {
          let outcome = await next();
          while (outcome.code === Status.UNAVAILABLE) {
            outcomes.push(outcome.code);
            outcome = await next();
          }
          outcomes.push(outcome.code);
          return outcome;
        },
      ],
    },
  );
  t.equal(Buffer.from(await stub.Echo(Buffer.from('hello'), 5)).toString(), 'hello!');
  const answers = await collect(stub.Chat([Buffer.from('a'), Buffer.from('b')], 5));
  t.strictSame(
    answers.map((answer) => Buffer.from(answer).toString()),
    ['a!', 'b!'],
  );
  token = 'Bearer bad';
  const error = (await rejection(stub.Echo(Buffer.from('x'), 5))) as RpcError;
  t.equal(error.code, Status.UNAUTHENTICATED);
  t.strictSame(outcomes, [14, 14, 0, 0, 16]);
});
