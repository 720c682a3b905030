/** Servers over sockets and in memory: addresses, slots, graceful and forced shutdown, peers that speak something else. */

import { connect as netConnect, type Socket } from 'node:net';
import { Channel } from '../../lib/channel/channel.ts';
import { ConnectivityState } from '../../lib/channel/connectivity.ts';
import { tlsChannelCredentials, tlsServerCredentials } from '../../lib/credentials.ts';
import { Cardinality, methodDescriptor } from '../../lib/method.ts';
import { GrpcServer, type GrpcServerOptions } from '../../lib/server/server.ts';
import { Status } from '../../lib/status.ts';
import { createMemoryChannel } from '../../lib/testing/memory-channel.ts';
import { testCertificates } from '../support/certificates.ts';
import { startStream, startUnary, withTimeout } from '../support/client-calls.ts';
import { ECHO, ECHO_STREAM, EchoService, HOLD } from '../support/echo-service.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { PREFACE, settings } from '../support/frame-factory.ts';
import { temporarySocketPath } from '../support/pipe-events.ts';
import { settle } from '../support/scripted-connector.ts';
import { ScriptedPipe } from '../support/scripted-peer.ts';
import { type TestContext, t } from '../support/tap.ts';

const MESSAGE = Uint8Array.of(1, 2, 3);
const certificates = await testCertificates();

function makeServer(
  t: TestContext,
  options: GrpcServerOptions = {},
): { readonly server: GrpcServer; readonly service: EchoService } {
  const service = new EchoService();
  const server = new GrpcServer(options);
  server.addMethods(service.methods);
  t.teardown(() => server.closeNow());
  return { server, service };
}

/** A unary call, a stream and a hundred calls at once. */
async function exercise(t: TestContext, channel: Channel): Promise<void> {
  const one = await startUnary(channel, ECHO, MESSAGE, withTimeout(10_000)).outcome;
  t.equal(one.status.code, Status.OK, one.status.message);
  t.strictSame(
    one.messages.map((message) => [...message]),
    [[1, 2, 3]],
  );
  const sizes = Array.from({ length: 50 }, (_, i) => i * 4096);
  const stream = await startStream(
    channel,
    ECHO_STREAM,
    sizes.map((size) => new Uint8Array(size).fill(size / 4096)),
    withTimeout(20_000),
  ).outcome;
  t.equal(stream.status.code, Status.OK, stream.status.message);
  t.strictSame(
    stream.messages.map((message) => message.length),
    sizes,
  );
  t.ok(
    stream.messages.every((message) => message.every((octet) => octet === message.length / 4096)),
  );
  const many = await Promise.all(
    Array.from(
      { length: 300 },
      () => startUnary(channel, ECHO, MESSAGE, withTimeout(20_000)).outcome,
    ),
  );
  t.strictSame([...new Set(many.map(({ status }) => `${status.code} ${status.message}`))], ['0 ']);
}

await t.test('TCP', async (t) => {
  const { server } = makeServer(t);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const channel = new Channel(`127.0.0.1:${port}`);
  await exercise(t, channel);
  t.equal(server.connectionCount, 1, 'one connection for all calls');
  await channel.close();
});

await t.test('TLS with a client certificate', async (t) => {
  const { server, service } = makeServer(t);
  const port = await server.listen(
    { host: '127.0.0.1', port: 0 },
    tlsServerCredentials({
      ...certificates.server,
      rootCertificates: certificates.root,
      clientCertificates: 'require',
    }),
  );
  const channel = new Channel(`127.0.0.1:${port}`, {
    credentials: tlsChannelCredentials({
      ...certificates.client,
      rootCertificates: certificates.root,
      serverHostOverride: 'purewire.test',
    }),
  });
  await exercise(t, channel);
  const { call } = startUnary(channel, HOLD, MESSAGE);
  const [held] = await service.heldCalls(1);
  t.ok(held?.call.peer.certificate instanceof Uint8Array, 'handlers see the certificate');
  t.equal(held?.call.authority, 'purewire.test');
  call.cancel('');
  await channel.close();
});

await t.test(
  'TLS: a client that does not trust the server gets UNAVAILABLE with the cause',
  async (t) => {
    const { server } = makeServer(t);
    const port = await server.listen(
      { host: '127.0.0.1', port: 0 },
      tlsServerCredentials(certificates.stranger),
    );
    const channel = new Channel(`localhost:${port}`, {
      credentials: tlsChannelCredentials({ rootCertificates: certificates.root }),
    });
    const { status } = await startUnary(channel, ECHO, MESSAGE, withTimeout(10_000)).outcome;
    t.equal(status.code, Status.UNAVAILABLE);
    t.match(
      status.message,
      /^No connection established. Last error: connecting to localhost:\d+ failed: .*certificate/i,
    );
    await channel.close();
  },
);

await t.test('Unix socket', async (t) => {
  const { server } = makeServer(t);
  const { path, remove } = temporarySocketPath();
  t.teardown(remove);
  t.equal(await server.listen({ path }), 0);
  const channel = new Channel(`unix:${path}`);
  await exercise(t, channel);
  await channel.close();
});

await t.test('in memory', async (t) => {
  const { server } = makeServer(t);
  const channel = createMemoryChannel(server);
  await exercise(t, channel);
  await channel.close();
  await server.shutdown(0);
  const late = await startUnary(createMemoryChannel(server), ECHO, MESSAGE).outcome;
  t.equal(late.status.code, Status.UNAVAILABLE);
  t.match(late.status.message, /the server was shut down/);
});

await t.test('several addresses, several services', async (t) => {
  const { server } = makeServer(t);
  const extra = methodDescriptor('other.Service', 'Echo', Cardinality.UNARY_UNARY);
  const echo = new EchoService().methods[0];
  server.addMethods([
    { method: extra, handler: echo?.handler as NonNullable<typeof echo>['handler'] },
  ]);
  t.throws(() => server.addMethods(new EchoService().methods), {
    name: 'TypeError',
    message: 'method /test.Echo/Unary is served already',
  });
  const ports = [
    await server.listen({ host: '127.0.0.1', port: 0 }),
    await server.listen({ host: '127.0.0.1', port: 0 }),
  ];
  t.strictSame(
    server.addresses,
    ports.map((port) => `127.0.0.1:${port}`),
  );
  for (const port of ports) {
    const channel = new Channel(`127.0.0.1:${port}`);
    const { status } = await startUnary(channel, extra, MESSAGE, withTimeout(10_000)).outcome;
    t.equal(status.code, Status.OK);
    await channel.close();
  }
});

await t.test(
  'an unknown method is UNIMPLEMENTED for that call only; a generic method answers for it',
  async (t) => {
    const { server, service } = makeServer(t);
    const unknown = methodDescriptor('test.Echo', 'constructor', Cardinality.UNARY_UNARY);
    const channel = createMemoryChannel(server);
    const { status } = await startUnary(channel, unknown, MESSAGE).outcome;
    t.equal(status.code, Status.UNIMPLEMENTED);
    t.equal((await startUnary(channel, ECHO, MESSAGE).outcome).status.code, Status.OK);
    const echo = service.methods[0] as (typeof service.methods)[number];
    server.setGenericMethod((path) =>
      path === unknown.path ? { method: unknown, handler: echo.handler } : null,
    );
    t.equal((await startUnary(channel, unknown, MESSAGE).outcome).status.code, Status.OK);
    await channel.close();
  },
);

await t.test(
  'L2 handlers at once: one runs, one waits, one is refused; a settled one makes room',
  async (t) => {
    const { server, service } = makeServer(t, { limits: { maxRunningHandlers: 1 } });
    const channel = createMemoryChannel(server);
    const [a, b, c] = [1, 2, 3].map(() => startUnary(channel, HOLD, MESSAGE)) as [
      ReturnType<typeof startUnary>,
      ReturnType<typeof startUnary>,
      ReturnType<typeof startUnary>,
    ];
    const refused = await c.outcome;
    t.equal(refused.status.code, Status.UNAVAILABLE, 'after its one transparent retry');
    t.equal(service.held.length, 1);
    service.held[0]?.answer(Uint8Array.of(1));
    t.equal((await a.outcome).status.code, Status.OK);
    await service.heldCalls(2);
    service.held[1]?.answer(Uint8Array.of(2));
    t.strictSame((await b.outcome).messages, [Uint8Array.of(2)]);
    await channel.close();
  },
);

await t.test('S03 a handler that outlives its stream keeps its slot', async (t) => {
  const { server, service } = makeServer(t, { limits: { maxRunningHandlers: 1 } });
  const channel = createMemoryChannel(server);
  server.addMethods([
    {
      method: methodDescriptor('test.Echo', 'Deaf', Cardinality.UNARY_UNARY),
      // Never settles, whatever happens.
      handler: () => ({
        onMessage(): void {},
        onHalfClose(): void {},
        onCancel(): void {},
        onReady(): void {},
        onComplete(): void {},
      }),
    },
  ]);
  const deaf = startUnary(
    channel,
    methodDescriptor('test.Echo', 'Deaf', Cardinality.UNARY_UNARY),
    MESSAGE,
  );
  await settle(6);
  deaf.call.cancel('');
  await deaf.outcome;
  const next = startUnary(channel, HOLD, MESSAGE);
  await settle(6);
  t.equal(service.held.length, 0, 'no second handler runs');
  next.call.cancel('');
  await channel.closeNow();
});

await t.test('shutdown lets calls in flight end, and refuses what comes after', async (t) => {
  const { server, service } = makeServer(t);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const channel = new Channel(`127.0.0.1:${port}`);
  const inFlight = startUnary(channel, HOLD, MESSAGE);
  const [held] = await service.heldCalls(1);
  let down = false;
  const closing = server.shutdown(Number.POSITIVE_INFINITY).then(() => {
    down = true;
  });
  t.ok(server.isShutDown);
  // Until the GOAWAY is here, the connection takes calls.
  while (channel.state !== ConnectivityState.IDLE) await settle();
  t.notOk(down);
  const late = await startUnary(channel, ECHO, MESSAGE, withTimeout(10_000)).outcome;
  t.equal(late.status.code, Status.UNAVAILABLE);
  t.equal(held?.aborted, null);
  held?.answer(Uint8Array.of(5));
  const { status, messages } = await inFlight.outcome;
  t.equal(status.code, Status.OK);
  t.strictSame(messages, [Uint8Array.of(5)]);
  await closing;
  t.equal(server.connectionCount, 0);
  t.strictSame(server.addresses, []);
  await t.rejects(server.listen({ port: 0 }), { message: /was shut down/ });
  await channel.close();
});

await t.test('shutdown: when the grace is over the rest is cut off', async (t) => {
  const clock = new FakeClock();
  const { server, service } = makeServer(t, { clock });
  const channel = createMemoryChannel(server);
  const inFlight = startUnary(channel, HOLD, MESSAGE);
  const [held] = await service.heldCalls(1);
  const closing = server.shutdown(5000);
  await settle(6);
  clock.advance(4999);
  await settle(6);
  t.equal(held?.aborted, null);
  clock.advance(1);
  const { status } = await inFlight.outcome;
  t.equal(status.code, Status.UNAVAILABLE);
  await settle(6);
  t.not(held?.aborted, null, 'its handler is told');
  clock.advance(1000);
  await closing;
  t.equal(server.connectionCount, 0);
  t.equal(clock.pending, 0, 'no timer is left behind');
  await channel.close();
});

await t.test('S106 a peer that does not read cannot hold up the end', async (t) => {
  const clock = new FakeClock();
  const { server } = makeServer(t, { clock });
  const pipe = new ScriptedPipe();
  server.accept(pipe);
  pipe.feed(PREFACE);
  pipe.feed(settings());
  pipe.stalled = true;
  await settle();
  const closing = server.shutdown(5000);
  clock.advance(4999);
  await settle();
  t.equal(server.connectionCount, 1, 'its answer to the PING is waited for');
  clock.advance(1);
  await closing;
  t.equal(server.connectionCount, 0);
  clock.advance(1000);
  t.ok(pipe.destroyed, 'and its socket is gone a second later');
});

await t.test('shutdown again can only shorten the grace', async (t) => {
  const { server, service } = makeServer(t);
  const channel = createMemoryChannel(server);
  const { outcome } = startUnary(channel, HOLD, MESSAGE);
  await service.heldCalls(1);
  const first = server.shutdown(Number.POSITIVE_INFINITY);
  const second = server.closeNow();
  t.equal(first, second);
  await second;
  t.equal((await outcome).status.code, Status.UNAVAILABLE);
  for (const graceMs of [-1, Number.NaN, '1' as unknown as number]) {
    t.throws(() => server.shutdown(graceMs), RangeError);
  }
  await channel.close();
});

await t.test('a server that never listened shuts down at once', async (t) => {
  await new GrpcServer().shutdown(Number.POSITIVE_INFINITY);
  t.throws(() => new GrpcServer({ limits: { maxConcurrentStreams: -1 } }), RangeError);
});

await t.test('the port of a stopped server is free for the next one', async (t) => {
  const first = makeServer(t).server;
  const port = await first.listen({ host: '127.0.0.1', port: 0 });
  await t.rejects(makeServer(t).server.listen({ host: '127.0.0.1', port }), {
    message: /the port is taken/,
  });
  await first.shutdown(0);
  const second = makeServer(t).server;
  t.equal(await second.listen({ host: '127.0.0.1', port }), port);
});

await t.test('S41 peers that speak something else harm nobody', async (t) => {
  const notices: string[] = [];
  const { server } = makeServer(t, { onNotice: (message) => notices.push(message) });
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const channel = new Channel(`127.0.0.1:${port}`);
  t.equal((await startUnary(channel, ECHO, MESSAGE).outcome).status.code, Status.OK);
  const strangers = [
    'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n',
    '\u0016\u0003\u0001\u0002\u0000\u0001',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r!',
    '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0',
  ];
  for (const text of strangers) await sayAndWait(port, text);
  t.equal((await startUnary(channel, ECHO, MESSAGE).outcome).status.code, Status.OK);
  t.equal(server.connectionCount, 1);
  t.ok(notices.length > 0);
  t.notOk(
    notices.some((notice) => /[\r\n]/.test(notice)),
    'notices are one line each',
  );
  await channel.close();
});

await t.test('S43 clients that vanish at any point harm nobody', async (t) => {
  const { server } = makeServer(t);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const session = Buffer.concat([PREFACE, settings()]);
  for (let length = 0; length <= session.length; length += 3) {
    const socket = await dial(port);
    socket.write(session.subarray(0, length));
    await settle(1);
    socket.resetAndDestroy?.();
    socket.destroy();
  }
  const channel = new Channel(`127.0.0.1:${port}`);
  t.equal((await startUnary(channel, ECHO, MESSAGE).outcome).status.code, Status.OK);
  await channel.close();
  await server.shutdown(0);
  t.equal(server.connectionCount, 0);
});

function dial(port: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = netConnect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.on('connect', () => resolve(socket));
  });
}

/** Says `text` and resolves when the server has closed the connection. */
async function sayAndWait(port: number, text: string): Promise<void> {
  const socket = await dial(port);
  socket.on('data', () => {});
  const closed = new Promise((resolve) => {
    socket.on('close', resolve);
  });
  socket.on('end', () => socket.end());
  socket.write(text, 'latin1');
  await closed;
}
