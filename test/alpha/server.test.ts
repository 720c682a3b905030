import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Abortion,
  CancellationError,
  ExpirationError,
  type RpcContext,
  RpcError,
  Status,
  server,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  stub,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { testCertificates } from '../support/certificates.ts';
import { t } from '../support/tap.ts';
import { readText, rejection, thrown, turn, writeText } from './support/fake-channel.ts';
import { gate, openStub, startServer } from './support/loopback.ts';

const TIMEOUT = 60;

type Behavior = (request: string, context: RpcContext) => string | Promise<string>;
const served = (behavior: Behavior) => ({
  Say: unaryUnaryServiceDescription(behavior, readText, writeText),
});
const METHODS = { Say: unaryUnaryInvocationDescription(writeText, readText) };
const ECHO = served((request) => request);

await t.test(
  'construction opens no socket; start() and open() give the server itself',
  async (t) => {
    const one = server('test.Echo', ECHO, 0, { host: '127.0.0.1' });
    t.equal(await one.start(), one);
    t.ok(one.port() > 0);
    await one.stop();
    t.equal(await one.open(), one);
    t.equal(await one.close(), undefined);
  },
);

await t.test(
  'misuse: double start, stop when not running, port() outside the running state',
  async (t) => {
    const one = server('test.Echo', ECHO, 0, { host: '127.0.0.1' });
    t.match((await rejection(one.stop())).message, /cannot be stopped: it is stopped/);
    t.match(
      thrown(() => one.port()).message,
      /port\(\) may only be called while the server is running/,
    );
    await one.start();
    t.match((await rejection(one.start())).message, /cannot be started: it is running/);
    t.match((await rejection(one.open())).message, /cannot be started: it is running/);
    const stopping = one.stop();
    t.match(thrown(() => one.port()).message, /while the server is running/);
    await stopping;
    t.match((await rejection(one.close())).message, /cannot be stopped: it is stopped/);
    t.match(thrown(() => one.port()).message, /it is stopped/);
  },
);

await t.test('a server can be started again', async (t) => {
  const one = server('test.Echo', ECHO, 0, { host: '127.0.0.1' });
  for (let i = 0; i < 3; i++) {
    await one.start();
    const echo = stub('test.Echo', METHODS, '127.0.0.1', one.port()).open();
    t.equal(await echo.Say('x', TIMEOUT), 'x');
    await echo.close();
    await one.stop();
  }
});

await t.test(
  'Symbol.asyncDispose stops once, and is no error when there is nothing to stop',
  async (t) => {
    const one = server('test.Echo', ECHO, 0, { host: '127.0.0.1' });
    await one[Symbol.asyncDispose]();
    await one.start();
    await one[Symbol.asyncDispose]();
    await one[Symbol.asyncDispose]();
    const starting = one.start();
    await one[Symbol.asyncDispose]();
    await starting;
    t.match(thrown(() => one.port()).message, /it is stopped/);
  },
);

await t.test(
  'a port that is taken: start() rejects with the cause, and can be tried again',
  async (t) => {
    const first = await startServer(t, 'test.Echo', ECHO);
    const port = first.port();
    const second = server('test.Echo', ECHO, port, { host: '127.0.0.1' });
    const error = await rejection(second.start());
    t.match(error.message, String(port));
    t.match(thrown(() => second.port()).message, /it is stopped/);
    await first.stop();
    await second.start();
    t.equal(second.port(), port);
    await second.stop();
  },
);

await t.test('a Unix socket', async (t) => {
  const path = join(tmpdir(), `purewire-${process.pid}-${Math.random().toString(36).slice(2)}`);
  const one = server('test.Echo', ECHO, 0, { path });
  await one.start();
  t.equal(one.port(), 0);
  for (const port of [undefined, 0]) {
    const echo = stub('test.Echo', METHODS, `unix:${path}`, port).open();
    t.equal(await echo.Say('x', TIMEOUT), 'x');
    await echo.close();
  }
  await one.stop();
  t.ok(
    thrown(() => stub('test.Echo', METHODS, `unix:${path}`, 50_051)) instanceof TypeError,
    'a port beside a path',
  );
  t.ok(thrown(() => server('test.Echo', ECHO, 1, { path })) instanceof TypeError);
  t.ok(
    thrown(() => server('test.Echo', ECHO, 0, { path, host: 'localhost' })) instanceof TypeError,
  );
});

await t.test('several services of one server: an object, pairs, a Map', async (t) => {
  const other = served((request) => `other ${request}`);
  for (const services of [
    { 'test.Echo': ECHO, 'test.Other': other },
    [
      ['test.Echo', ECHO],
      ['test.Other', other],
    ] as const,
    new Map([
      ['test.Echo', ECHO],
      ['test.Other', other],
    ]),
  ]) {
    const one = server(services, 0, { host: '127.0.0.1' });
    await one.start();
    const answers: string[] = [];
    for (const name of ['test.Echo', 'test.Other']) {
      const echo = stub(name, METHODS, '127.0.0.1', one.port()).open();
      answers.push(await echo.Say('x', TIMEOUT));
      await echo.close();
    }
    t.strictSame(answers, ['x', 'other x']);
    await one.stop();
  }
});

await t.test('arguments that cannot be used are refused at once', async (t) => {
  const pem = '-----BEGIN CERTIFICATE-----';
  const bad: [() => unknown, RegExp][] = [
    [() => server('test.Echo', ECHO, -1), /port must be an integer/],
    [() => server('test.Echo', ECHO, 65_536), /port must be an integer/],
    [() => server('test.Echo', ECHO, '1' as never), /port must be an integer/],
    [() => server('test.Echo', ECHO, undefined as never), /port must be an integer/],
    [() => server('', ECHO, 0), /serviceName/],
    [() => server('test.Echo', ECHO, 0, { onNotice: 'log' as never }), /onNotice must be/],
    [() => server(null as never, 0), /services by name/],
    [() => server('test.Echo', null as never, 0), /must be an object/],
    [
      () =>
        server(
          [
            ['a', ECHO],
            ['a', ECHO],
          ],
          0,
        ),
      /served already/,
    ],
    [
      () => server('test.Echo', ECHO, 0, { privateKey: '-----BEGIN PRIVATE KEY-----' }),
      /privateKey/,
    ],
    [() => server('test.Echo', ECHO, 0, { certificateChain: pem }), /certificateChain/],
    [() => server('test.Echo', ECHO, 0, { rootCertificates: pem }), /privateKey/],
    [() => server('test.Echo', ECHO, 0, { limits: { maxConcurrentStreams: -1 } }), /limits/],
    [() => server('test.Echo', ECHO, 0, { onError: 7 as never }), /onError must be a function/],
    [() => stub('test.Echo', METHODS, '', 1), /host/],
    [() => stub('test.Echo', METHODS, 'localhost', 0), /port/],
    [() => stub('test.Echo', METHODS, 'localhost'), /port/],
    [() => stub('test.Echo', METHODS, 'localhost', '50051' as never), /port/],
    [() => stub('test/Echo', METHODS, 'localhost', 1), /serviceName/],
    [() => stub('test.Echo', METHODS, 'localhost', 1, { rootCertificates: pem }), /secure/],
    [() => stub('test.Echo', METHODS, 'localhost', 1, { serverHostOverride: 'x' }), /secure/],
    [
      () => stub('test.Echo', METHODS, 'localhost', 1, { secure: true, certificateChain: pem }),
      /privateKey/,
    ],
    [
      () => stub('test.Echo', METHODS, 'localhost', 1, { metadataTransformer: 7 as never }),
      /metadataTransformer must be a function/,
    ],
    [() => stub('test.Echo', METHODS, 'localhost', 1, { limits: { nope: 1 } as never }), /nope/],
  ];
  for (const [make, message] of bad) {
    const error = thrown(make);
    t.ok(error instanceof TypeError || error instanceof RangeError, String(message));
    t.match(error.message, message);
  }
});

await t.test('TLS that does not fit is never silently insecure', async (t) => {
  const { root, server: identity } = await testCertificates();
  const one = await startServer(t, 'test.Echo', ECHO, identity);
  const plain = openStub(t, 'test.Echo', METHODS, one);
  t.equal(((await rejection(plain.Say('x', TIMEOUT))) as RpcError).code, Status.UNAVAILABLE);
  const untrusting = openStub(t, 'test.Echo', METHODS, one, { secure: true });
  t.equal(((await rejection(untrusting.Say('x', TIMEOUT))) as RpcError).code, Status.UNAVAILABLE);
  const trusting = openStub(t, 'test.Echo', METHODS, one, { secure: true, rootCertificates: root });
  t.equal(await trusting.Say('x', TIMEOUT), 'x');
});

await t.test('onNotice hears why a connection was refused, and may itself throw', async (t) => {
  const { root, server: identity } = await testCertificates();
  const notices: string[] = [];
  const errors: string[] = [];
  const one = await startServer(t, 'test.Echo', ECHO, {
    ...identity,
    onNotice: (message) => {
      notices.push(message);
      throw new Error('no disk');
    },
    onError: (error, where) => errors.push(`${where}: ${(error as Error).message}`),
  });
  const plain = openStub(t, 'test.Echo', METHODS, one);
  t.equal(((await rejection(plain.Say('x', TIMEOUT))) as RpcError).code, Status.UNAVAILABLE);
  // Deno no longer knows the address of a socket whose handshake failed.
  const whom = 'Deno' in globalThis ? '.+' : 'ipv4:127\\.0\\.0\\.1:\\d+';
  t.match(`${notices[0]}`, new RegExp(`^TLS handshake with ${whom} failed: .`));
  t.equal(errors[0], 'onNotice: no disk');
  const trusting = openStub(t, 'test.Echo', METHODS, one, { secure: true, rootCertificates: root });
  t.equal(await trusting.Say('x', TIMEOUT), 'x', 'other connections are served');
});

await t.test('client certificates reach the behaviour', async (t) => {
  const { root, server: identity, client } = await testCertificates();
  const one = await startServer(
    t,
    'test.Echo',
    served((_request, context) => `${context.peer.certificate?.length ?? 'none'}`),
    { ...identity, rootCertificates: root, clientCertificates: 'require' },
  );
  const secure = { secure: true, rootCertificates: root };
  const echo = openStub(t, 'test.Echo', METHODS, one, { ...secure, ...client });
  t.ok(Number(await echo.Say('x', TIMEOUT)) > 0);
  const nobody = openStub(t, 'test.Echo', METHODS, one, secure);
  t.equal(((await rejection(nobody.Say('x', TIMEOUT))) as RpcError).code, Status.UNAVAILABLE);
});

await t.test('an unknown method is UNIMPLEMENTED for that RPC only', async (t) => {
  const one = await startServer(t, 'test.Echo', ECHO);
  const echo = openStub(t, 'test.Echo', { ...METHODS, Shout: METHODS.Say }, one);
  t.equal(((await rejection(echo.Shout('x', TIMEOUT))) as RpcError).code, Status.UNIMPLEMENTED);
  t.equal(await echo.Say('x', TIMEOUT), 'x');
});

await t.test('an unreachable server is UNAVAILABLE, not an expiry', async (t) => {
  const one = await startServer(t, 'test.Echo', ECHO);
  const port = one.port();
  await one.stop();
  const echo = stub('test.Echo', METHODS, '127.0.0.1', port).open();
  t.equal(((await rejection(echo.Say('x', TIMEOUT))) as RpcError).code, Status.UNAVAILABLE);
  await echo.close();
});

await t.test('stop() waits for RPCs in flight, which end with their own answer', async (t) => {
  const { opened, open } = gate();
  const begun = gate();
  const one = await startServer(
    t,
    'test.Echo',
    served(async (request) => {
      begun.open();
      await opened;
      return request;
    }),
  );
  const echo = openStub(t, 'test.Echo', METHODS, one);
  const answer = echo.Say('x', TIMEOUT);
  await begun.opened;
  let stopped = false;
  const stopping = one.stop().then(() => (stopped = true));
  await turn();
  t.notOk(stopped);
  open();
  t.equal(await answer, 'x');
  await stopping;
});

await t.test(
  'stop(graceSeconds) cuts off what is left; the context is told CANCELLED',
  async (t) => {
    const begun = gate();
    const aborted = gate();
    let abortion: Abortion | undefined;
    const one = await startServer(
      t,
      'test.Echo',
      served(async (request, context) => {
        context.addAbortionCallback((given) => {
          abortion = given;
          aborted.open();
        });
        begun.open();
        await aborted.opened;
        return request;
      }),
    );
    const echo = openStub(t, 'test.Echo', METHODS, one);
    const answer = rejection(echo.Say('x', TIMEOUT));
    await begun.opened;
    await one.stop(0);
    t.equal(abortion, Abortion.CANCELLED);
    t.ok((await answer) instanceof RpcError);
  },
);

await t.test('a second stop() only shortens the grace', async (t) => {
  const begun = gate();
  const one = await startServer(
    t,
    'test.Echo',
    served(() => {
      begun.open();
      return new Promise(() => {});
    }),
  );
  const echo = openStub(t, 'test.Echo', METHODS, one);
  const answer = rejection(echo.Say('x', TIMEOUT));
  await begun.opened;
  const gentle = one.stop();
  await one.stop(0);
  await gentle;
  t.ok((await answer) instanceof RpcError);
  for (const grace of [-1, Number.NaN, '1', null]) {
    t.ok((await rejection(one.stop(grace as number))) instanceof RangeError);
  }
});

await t.test('closing a stub lets its RPCs end, and their answers are delivered', async (t) => {
  const { opened, open } = gate();
  const one = await startServer(
    t,
    'test.Echo',
    served(async (request) => {
      await opened;
      return request;
    }),
  );
  const echo = openStub(t, 'test.Echo', METHODS, one);
  const answer = echo.Say('x', TIMEOUT);
  let closed = false;
  const closing = echo.close().then(() => (closed = true));
  await turn();
  t.notOk(closed);
  open();
  t.equal(await answer, 'x');
  await closing;
});

await t.test(
  'expiry: the client gets ExpirationError, the context EXPIRED or CANCELLED',
  async (t) => {
    const told = gate();
    const log: Abortion[] = [];
    const one = await startServer(
      t,
      'test.Echo',
      served((_request, context) => {
        t.ok(context.timeRemaining() > 0 && context.timeRemaining() <= 0.2);
        context.addAbortionCallback((abortion) => {
          log.push(abortion);
          told.open();
        });
        return new Promise(() => {});
      }),
    );
    const echo = openStub(t, 'test.Echo', METHODS, one);
    t.ok((await rejection(echo.Say('x', 0.2))) instanceof ExpirationError);
    await told.opened;
    t.ok(log[0] === Abortion.EXPIRED || log[0] === Abortion.CANCELLED);
    await one.stop(0);
  },
);

await t.test('timeRemaining is Infinity for a client without limit', async (t) => {
  const one = await startServer(
    t,
    'test.Echo',
    served((_request, context) => String(context.timeRemaining())),
  );
  const echo = openStub(t, 'test.Echo', METHODS, one);
  t.equal(await echo.Say('x', Number.POSITIVE_INFINITY), 'Infinity');
});

await t.test(
  'cancellation reaches the behaviour: CANCELLED, signal, request iterator',
  async (t) => {
    const told = gate();
    const log: unknown[] = [];
    const one = await startServer(t, 'test.Echo', {
      Collect: streamUnaryServiceDescription(
        async (requests, context) => {
          context.addAbortionCallback((abortion) => log.push(abortion));
          try {
            for await (const _request of requests) begun.open();
          } catch (error) {
            log.push((error as Error).constructor, context.signal.aborted, context.isActive());
            told.open();
          }
          return 'dropped';
        },
        readText,
        writeText,
      ),
    });
    const begun = gate();
    const echo = openStub(
      t,
      'test.Echo',
      { Collect: streamUnaryInvocationDescription(writeText, readText) },
      one,
    );
    const endless = gate();
    const future = echo.Collect.async(
      (async function* () {
        yield 'x';
        await endless.opened;
      })(),
      TIMEOUT,
    );
    await begun.opened;
    future.cancel();
    await told.opened;
    t.strictSame(log, [Abortion.CANCELLED, CancellationError, true, false]);
    endless.open();
  },
);

await t.test('a client that goes away closes the response generator', async (t) => {
  const closed = gate();
  const one = await startServer(t, 'test.Echo', {
    Tell: unaryStreamServiceDescription(
      async function* (request: string) {
        try {
          for (;;) {
            yield request;
            await turn();
          }
        } finally {
          closed.open();
        }
      },
      readText,
      writeText,
    ),
  });
  const echo = openStub(
    t,
    'test.Echo',
    { Tell: unaryStreamInvocationDescription(writeText, readText) },
    one,
  );
  for await (const response of echo.Tell('x', TIMEOUT)) {
    t.equal(response, 'x');
    break;
  }
  await closed.opened;
});

await t.test('metadata goes both ways, and status details with it', async (t) => {
  const one = await startServer(
    t,
    'test.Echo',
    served((request, context) => {
      context.sendInitialMetadata({ 'x-seen': context.metadata.getAll('x-key').join('+') });
      context.setTrailingMetadata({ 'x-bin': new Uint8Array([1, 2, 3]) });
      if (request === 'fail') context.abort(Status.ALREADY_EXISTS, 'zu spät %');
      return request;
    }),
  );
  const echo = openStub(t, 'test.Echo', METHODS, one, {
    metadataTransformer: () => [['X-Key', 'transformed']],
  });
  const future = echo.Say.async('x', { timeout: TIMEOUT, metadata: { 'x-key': 'own' } });
  t.equal((await future.initialMetadata()).get('x-seen'), 'transformed+own');
  t.equal(await future, 'x');
  t.strictSame([...((await future.trailingMetadata()).get('x-bin') ?? [])], [1, 2, 3]);
  const error = (await rejection(echo.Say('fail', TIMEOUT))) as RpcError;
  t.equal(error.code, Status.ALREADY_EXISTS);
  t.equal(error.details, 'zu spät %');
  t.strictSame([...(error.metadata.get('x-bin') ?? [])], [1, 2, 3]);
});

await t.test('back-pressure from end to end: a fast sender waits for a slow reader', async (t) => {
  let pulled = 0;
  const one = await startServer(t, 'test.Echo', {
    Chat: streamStreamServiceDescription(
      async function* (requests) {
        for await (const request of requests) yield request;
      },
      readText,
      writeText,
    ),
  });
  const echo = openStub(
    t,
    'test.Echo',
    { Chat: streamStreamInvocationDescription(writeText, readText) },
    one,
  );
  const big = 'x'.repeat(64 * 1024);
  const total = 400;
  const responses = echo.Chat(
    (function* () {
      while (pulled < total) {
        pulled++;
        yield big;
      }
    })(),
    TIMEOUT,
  );
  await responses.next();
  let before = -1;
  while (before !== pulled) {
    before = pulled;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.ok(pulled < total, `stopped after ${pulled} of ${total} while nobody read`);
  let received = 1;
  for await (const response of responses) {
    if (response.length === big.length) received++;
  }
  t.equal(received, total);
  t.equal(pulled, total);
});

await t.test('what a behaviour raises goes to onError, not to the client', async (t) => {
  const reported: string[] = [];
  const one = await startServer(
    t,
    'test.Echo',
    served(() => {
      throw new Error('secret');
    }),
    { onError: (error, where) => reported.push(`${where}: ${(error as Error).message}`) },
  );
  const echo = openStub(t, 'test.Echo', METHODS, one);
  const error = (await rejection(echo.Say('x', TIMEOUT))) as RpcError;
  t.equal(error.code, Status.UNKNOWN);
  t.equal(error.details, 'the service raised an exception');
  t.strictSame(reported, ['/test.Echo/Say: behavior: secret']);
});
