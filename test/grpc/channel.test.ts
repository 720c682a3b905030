/** Connectivity of a channel: when it dials, which calls wait and which fail, backoff, GOAWAY, loss (security.md 5.4, 5.5). */

import { inspectFrames } from '../../framing/frame-inspector.ts';
import { Channel } from '../../lib/channel/channel.ts';
import type { ChannelOptions } from '../../lib/channel/channel-options.ts';
import { ConnectivityState } from '../../lib/channel/connectivity.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { Status } from '../../lib/status.ts';
import { callOptions, startUnary } from '../support/client-calls.ts';
import { ECHO, EchoService, HOLD } from '../support/echo-service.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  data,
  END_HEADERS,
  END_STREAM,
  goAway,
  headers,
  settings,
  settingsAck,
} from '../support/frame-factory.ts';
import { ScriptedConnector, settle } from '../support/scripted-connector.ts';
import { block, RESPONSE, type ScriptedPipe } from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';

const MESSAGE = Uint8Array.of(1, 2, 3);
const OK_TRAILERS = block(['grpc-status', '0']);

interface Parts {
  readonly channel: Channel;
  readonly connector: ScriptedConnector;
  readonly clock: FakeClock;
}

function makeChannel(options: Partial<ChannelOptions> = {}): Parts {
  const connector = new ScriptedConnector();
  const clock = new FakeClock();
  const channel = new Channel('localhost:1', {
    connector,
    clock,
    backoff: { random: () => 0.5 },
    ...options,
  });
  return { channel, connector, clock };
}

function makeServer(): { readonly server: GrpcServer; readonly service: EchoService } {
  const service = new EchoService();
  const server = new GrpcServer();
  server.addMethods(service.methods);
  return { server, service };
}

const waiting = callOptions({ waitForReady: true });

/** Answers stream `id` on a scripted pipe with one message and status OK. */
function answer(pipe: ScriptedPipe, id: number): void {
  pipe.feed(headers(id, block(...RESPONSE)));
  pipe.feed(data(id, [0, 0, 0, 0, 1, 9]));
  pipe.feed(headers(id, OK_TRAILERS, END_STREAM | END_HEADERS));
}

function frameTypes(pipe: ScriptedPipe): string[] {
  return inspectFrames(pipe.take()).map((frame) => frame.type);
}

await t.test('nothing is dialled before the first call starts', async (t) => {
  const { channel, connector } = makeChannel();
  t.equal(channel.state, ConnectivityState.IDLE);
  channel.createCall(ECHO, callOptions());
  t.equal(connector.attempts.length, 0);
  startUnary(channel, ECHO, MESSAGE);
  t.equal(connector.attempts.length, 1);
  t.equal(channel.state, ConnectivityState.CONNECTING);
  startUnary(channel, ECHO, MESSAGE);
  t.equal(connector.attempts.length, 1, 'one attempt for all calls');
  t.equal(channel.waitingCalls, 2);
  await channel.closeNow();
});

await t.test('§3.4 the first call leaves in one write with preface and SETTINGS', async (t) => {
  const { channel, connector } = makeChannel();
  const { outcome } = startUnary(channel, ECHO, MESSAGE);
  const pipe = connector.last.accept();
  t.equal(channel.state, ConnectivityState.CONNECTING, 'not READY before the SETTINGS');
  await settle();
  t.equal(pipe.writes, 1);
  t.strictSame(frameTypes(pipe), ['PREFACE', 'SETTINGS', 'WINDOW_UPDATE', 'HEADERS', 'DATA']);
  pipe.feed(settings());
  t.equal(channel.state, ConnectivityState.READY);
  answer(pipe, 1);
  const { status, messages } = await outcome;
  t.equal(status.code, Status.OK);
  t.strictSame(messages, [Uint8Array.of(9)]);
  await channel.closeNow();
});

await t.test(
  '5.5 a failed attempt fails waiting calls, and new ones until the backoff is over',
  async (t) => {
    const { channel, connector, clock } = makeChannel();
    const first = startUnary(channel, ECHO, MESSAGE);
    t.equal(connector.last.timeoutMs, 20_000, 'connection-backoff.md: least connect timeout');
    clock.advance(400);
    connector.last.fail('connecting to test:1 failed: for this test');
    t.equal(channel.state, ConnectivityState.TRANSIENT_FAILURE);
    const { status } = await first.outcome;
    t.equal(status.code, Status.UNAVAILABLE);
    t.equal(
      status.message,
      'No connection established. Last error: connecting to test:1 failed: for this test',
    );
    t.ok(status.cause instanceof Error);
    const second = await startUnary(channel, ECHO, MESSAGE).outcome;
    t.equal(second.status.code, Status.UNAVAILABLE);
    t.equal(connector.attempts.length, 1, 'no attempt of its own');
    clock.advance(599);
    t.equal(channel.state, ConnectivityState.TRANSIENT_FAILURE);
    clock.advance(1);
    t.equal(channel.state, ConnectivityState.IDLE, '1 s from the start of the attempt');
    t.equal(connector.attempts.length, 1, 'nobody waits, so nobody dials');
    startUnary(channel, ECHO, MESSAGE);
    t.equal(connector.attempts.length, 2);
    connector.last.fail('again');
    clock.advance(1599);
    t.equal(channel.state, ConnectivityState.TRANSIENT_FAILURE);
    clock.advance(1);
    t.equal(channel.state, ConnectivityState.IDLE, '1.6 s the second time');
    await channel.closeNow();
  },
);

await t.test('wait-for-ready calls wait through failures and are served at last', async (t) => {
  const { channel, connector, clock } = makeChannel();
  const { server } = makeServer();
  const { outcome } = startUnary(channel, ECHO, MESSAGE, waiting);
  connector.last.fail('down');
  t.equal(channel.state, ConnectivityState.TRANSIENT_FAILURE);
  t.equal(channel.waitingCalls, 1);
  clock.advance(1000);
  t.equal(connector.attempts.length, 2, 'a waiting call makes the channel dial by itself');
  connector.last.fail('still down');
  const late = startUnary(channel, ECHO, MESSAGE, waiting);
  clock.advance(1600);
  t.equal(connector.attempts.length, 3);
  connector.last.acceptBy(server);
  t.equal((await outcome).status.code, Status.OK);
  t.equal((await late.outcome).status.code, Status.OK);
  await channel.close();
  await server.shutdown(0);
});

await t.test('wait-for-ready calls are not risked on a connection without SETTINGS', async (t) => {
  const { channel, connector, clock } = makeChannel();
  const { server } = makeServer();
  const { outcome } = startUnary(channel, ECHO, MESSAGE, waiting);
  const pipe = connector.last.accept();
  await settle();
  t.strictSame(frameTypes(pipe), ['PREFACE', 'SETTINGS', 'WINDOW_UPDATE']);
  pipe.destroy();
  t.equal(channel.state, ConnectivityState.TRANSIENT_FAILURE, 'a proxy without a server');
  t.equal(channel.waitingCalls, 1);
  clock.advance(1000);
  connector.last.acceptBy(server);
  t.equal((await outcome).status.code, Status.OK);
  await channel.close();
  await server.shutdown(0);
});

await t.test('a connection that ends before its SETTINGS is a failed attempt', async (t) => {
  const { channel, connector } = makeChannel();
  const { outcome } = startUnary(channel, ECHO, MESSAGE);
  const pipe = connector.last.accept();
  await settle();
  pipe.destroy(new Error('read ECONNRESET'));
  const { status } = await outcome;
  t.equal(status.code, Status.UNAVAILABLE);
  t.match(status.message, /ECONNRESET/);
  t.equal(channel.state, ConnectivityState.TRANSIENT_FAILURE);
  await channel.close();
});

await t.test(
  '5.5 loss of a READY connection: calls fail, the next call dials at once',
  async (t) => {
    const { channel, connector } = makeChannel();
    const { outcome } = startUnary(channel, HOLD, MESSAGE);
    const pipe = connector.last.accept();
    pipe.feed(settings());
    await settle();
    pipe.destroy(new Error('read ECONNRESET'));
    const { status } = await outcome;
    t.equal(status.code, Status.UNAVAILABLE);
    t.match(status.message, /ECONNRESET/);
    t.equal(channel.state, ConnectivityState.IDLE);
    startUnary(channel, ECHO, MESSAGE);
    t.equal(connector.attempts.length, 2);
    await channel.closeNow();
  },
);

await t.test('5.4 GOAWAY: calls in flight go on, new ones go to a new connection', async (t) => {
  const { channel, connector } = makeChannel();
  const old = startUnary(channel, ECHO, MESSAGE);
  const first = connector.last.accept();
  first.feed(settings());
  await settle();
  first.feed(goAway(1, 0, 'max_age'));
  t.equal(channel.state, ConnectivityState.IDLE);
  const fresh = startUnary(channel, ECHO, MESSAGE);
  t.equal(connector.attempts.length, 2);
  const second = connector.last.accept();
  second.feed(settings());
  await settle();
  answer(second, 1);
  t.equal((await fresh.outcome).status.code, Status.OK);
  t.notOk(first.destroyed || first.ended, 'the old connection lives as long as its call');
  answer(first, 1);
  t.equal((await old.outcome).status.code, Status.OK);
  await settle();
  t.ok(first.ended || first.destroyed, 'and no longer');
  await channel.closeNow();
});

await t.test(
  '5.4 GOAWAY: a call above the last stream id is sent again, unseen by its caller',
  async (t) => {
    const { channel, connector } = makeChannel();
    const { outcome } = startUnary(channel, ECHO, MESSAGE);
    const first = connector.last.accept();
    first.feed(settings());
    await settle();
    first.feed(goAway(0, 0));
    await settle();
    t.equal(connector.attempts.length, 2);
    const second = connector.last.accept();
    second.feed(settings());
    await settle();
    answer(second, 1);
    t.equal((await outcome).status.code, Status.OK);
    await channel.closeNow();
  },
);

await t.test(
  'C14 a server that turns away every connection meets the backoff, not a loop',
  async (t) => {
    const { channel, connector, clock } = makeChannel();
    // With no stream slots the call stays in this process, and may be tried without end (gRFC A6).
    const { call } = startUnary(channel, ECHO, MESSAGE, waiting);
    for (let i = 1; i <= 4; i++) {
      t.equal(connector.attempts.length, i);
      const pipe = connector.last.accept();
      pipe.feed(settings([3, 0]));
      pipe.feed(goAway(0, 0));
      await settle();
    }
    t.equal(channel.state, ConnectivityState.TRANSIENT_FAILURE);
    t.equal(connector.attempts.length, 4);
    clock.advance(1000);
    t.equal(connector.attempts.length, 5);
    call.cancel('enough');
    await channel.closeNow();
  },
);

await t.test('L31 calls that wait for a connection are bounded', async (t) => {
  const { channel } = makeChannel({ limits: { maxWaitingCalls: 2 } });
  startUnary(channel, ECHO, MESSAGE);
  const second = startUnary(channel, ECHO, MESSAGE);
  const third = await startUnary(channel, ECHO, MESSAGE).outcome;
  t.equal(third.status.code, Status.RESOURCE_EXHAUSTED);
  t.match(third.status.message, /2 calls .* wait for a connection .*maxWaitingCalls/);
  second.call.cancel('makes room');
  startUnary(channel, ECHO, MESSAGE);
  t.equal(channel.waitingCalls, 2);
  await channel.closeNow();
});

await t.test('L31 calls that wait for a stream slot are bounded (C04)', async (t) => {
  const { channel, connector } = makeChannel({ limits: { maxWaitingCalls: 2 } });
  channel.connect();
  const pipe = connector.last.accept();
  pipe.feed(settings([3, 0]));
  startUnary(channel, ECHO, MESSAGE);
  startUnary(channel, ECHO, MESSAGE);
  const third = await startUnary(channel, ECHO, MESSAGE).outcome;
  t.equal(third.status.code, Status.RESOURCE_EXHAUSTED);
  t.match(third.status.message, /wait for a stream slot/);
  await channel.closeNow();
});

await t.test('a deadline ends the wait for a connection', async (t) => {
  const { channel, connector, clock } = makeChannel();
  const options = callOptions({ timeoutMs: 500, deadlineMs: clock.now() + 500 });
  const { outcome } = startUnary(channel, ECHO, MESSAGE, options);
  clock.advance(500);
  t.equal((await outcome).status.code, Status.DEADLINE_EXCEEDED);
  t.equal(channel.waitingCalls, 0);
  const pipe = connector.last.accept();
  await settle();
  t.notOk(frameTypes(pipe).includes('HEADERS'), 'nothing of it goes on the wire');
  await channel.closeNow();
});

await t.test('the process is kept open only while a call waits', async (t) => {
  const { channel, connector, clock } = makeChannel();
  t.equal(clock.pendingAlive, 0);
  const { call } = startUnary(channel, ECHO, MESSAGE, waiting);
  t.ok(clock.pendingAlive > 0, 'connecting');
  connector.last.fail('down');
  t.ok(clock.pendingAlive > 0, 'waiting for the backoff');
  call.cancel('enough');
  t.equal(clock.pendingAlive, 0);
  await settle();
  await channel.close();
  t.equal(clock.pending, 0, 'no timer is left behind');
});

await t.test('connect() dials ahead, and again before the backoff is over', async (t) => {
  const { channel, connector } = makeChannel();
  channel.connect();
  t.equal(connector.attempts.length, 1);
  connector.last.fail('down');
  t.equal(channel.state, ConnectivityState.TRANSIENT_FAILURE);
  channel.connect();
  t.equal(connector.attempts.length, 2);
  await channel.close();
  t.ok(connector.last.cancelled);
});

await t.test('close waits for the calls in flight and takes no new ones', async (t) => {
  const { channel, connector } = makeChannel();
  const { server, service } = makeServer();
  const { outcome } = startUnary(channel, HOLD, MESSAGE);
  connector.last.acceptBy(server);
  const [held] = await service.heldCalls(1);
  let closed = false;
  const closing = channel.close().then(() => {
    closed = true;
  });
  t.equal(channel.state, ConnectivityState.SHUTDOWN);
  const refused = await startUnary(channel, ECHO, MESSAGE).outcome;
  t.equal(refused.status.code, Status.UNAVAILABLE);
  t.equal(refused.status.message, 'the channel is closed');
  await settle();
  t.notOk(closed);
  held?.answer(Uint8Array.of(7));
  const { status, messages } = await outcome;
  t.equal(status.code, Status.OK, 'its reply is delivered');
  t.strictSame(messages, [Uint8Array.of(7)]);
  await closing;
  await server.shutdown(Number.POSITIVE_INFINITY);
  t.equal(server.connectionCount, 0);
});

await t.test('close: a call that still waits for a connection goes on waiting', async (t) => {
  const { channel, connector } = makeChannel();
  const { server } = makeServer();
  const { outcome } = startUnary(channel, ECHO, MESSAGE);
  const closing = channel.close();
  connector.last.acceptBy(server);
  t.equal((await outcome).status.code, Status.OK);
  await closing;
  await server.shutdown(0);
});

await t.test('close of a channel that never connected, and twice', async (t) => {
  const { channel, connector } = makeChannel();
  const closing = channel.close();
  t.equal(channel.close(), closing);
  await closing;
  channel.connect();
  t.equal(connector.attempts.length, 0);
});

await t.test('closeNow cancels the calls in flight, here and on the server', async (t) => {
  const { channel, connector } = makeChannel();
  const { server, service } = makeServer();
  const inFlight = startUnary(channel, HOLD, MESSAGE);
  connector.last.acceptBy(server);
  const [held] = await service.heldCalls(1);
  await channel.closeNow();
  const { status } = await inFlight.outcome;
  t.equal(status.code, Status.CANCELLED);
  t.equal(status.message, 'Cancelled on client: the channel was closed');
  t.equal(channel.activeCalls, 0);
  await settle();
  t.ok(held?.call.cancelled);
  t.equal(held?.aborted, 'cancelled');
  await server.shutdown(0);
});

await t.test('requests carry authority, scheme and user agent', async (t) => {
  const { server, service } = makeServer();
  const { channel, connector } = makeChannel({ authority: 'math.example', userAgent: 'app/1' });
  const { call } = startUnary(channel, HOLD, MESSAGE);
  connector.last.acceptBy(server);
  const [held] = await service.heldCalls(1);
  const list = held?.call.headers ?? [];
  const field = (name: string): string | undefined => list[list.indexOf(name) + 1];
  t.equal(field(':authority'), 'math.example');
  t.equal(field(':scheme'), 'http');
  t.match(field('user-agent') ?? '', /^app\/1 grpc-purewire\/\d+\.\d+\.\d+ \([a-z]+\/[\d.]+\)$/);
  call.cancel('');
  await channel.closeNow();
  await server.shutdown(0);
});

await t.test(
  'gRFC A8 too_many_pings doubles the keepalive time of the connections to come',
  async (t) => {
    const { channel, connector, clock } = makeChannel({ limits: { keepaliveTimeMs: 10_000 } });
    startUnary(channel, HOLD, MESSAGE);
    const first = connector.last.accept();
    first.feed(settings());
    first.feed(settingsAck());
    await settle();
    frameTypes(first);
    clock.advance(10_000);
    await settle();
    t.ok(frameTypes(first).includes('PING'));
    first.feed(goAway(1, 0xb, 'too_many_pings'));
    first.endByPeer();
    first.destroy();
    await settle();
    startUnary(channel, HOLD, MESSAGE);
    const second = connector.last.accept();
    t.not(second, first);
    second.feed(settings());
    second.feed(settingsAck());
    await settle();
    frameTypes(second);
    clock.advance(19_000);
    await settle();
    t.notOk(frameTypes(second).includes('PING'));
    clock.advance(1000);
    await settle();
    t.ok(frameTypes(second).includes('PING'));
    await channel.closeNow();
  },
);

await t.test('L22 a keepalive time below the floor is raised to it', async (t) => {
  const { channel } = makeChannel({ limits: { keepaliveTimeMs: 5 } });
  t.equal(channel.limits.keepaliveTimeMs, 10_000);
});

await t.test('options that cannot be used are refused when the channel is made', async (t) => {
  t.throws(() => new Channel(''), TypeError);
  t.throws(() => new Channel('localhost:0'), RangeError);
  t.throws(() => new Channel('h:1', { connectTimeoutMs: 0 }), RangeError);
  t.throws(() => new Channel('h:1', { authority: 'user@host' }), TypeError);
  t.throws(() => new Channel('h:1', { userAgent: 'a\r\nb' }), TypeError);
  t.throws(() => new Channel('h:1', { limits: { maxWaitingCalls: -1 } }), RangeError);
  t.throws(() => new Channel('h:1', { backoff: { multiplier: 0 } }), RangeError);
});

await t.test('A6 what could not be sent again waits for the SETTINGS', async (t) => {
  const connector = new ScriptedConnector();
  const channel = new Channel('localhost:1', {
    connector,
    limits: { retryBufferOctets: 1000 },
  });
  startUnary(channel, ECHO, new Uint8Array(1000));
  startUnary(channel, ECHO, new Uint8Array(1001));
  const pipe = connector.last.accept();
  await settle();
  const opened = (): number =>
    inspectFrames(pipe.take()).filter((frame) => frame.type === 'HEADERS').length;
  t.equal(opened(), 1, 'the other may be refused by a server that allows one stream only');
  t.equal(channel.waitingCalls, 1);
  pipe.feed(settings());
  await settle();
  t.equal(opened(), 1, 'and leaves once the server has said how many it allows');
  t.equal(channel.waitingCalls, 0);
  await channel.closeNow();
});
