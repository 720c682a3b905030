/** How long connections live: idle time, age and grace of servers (gRFC A9, L28), the time to connect, peers that do not read. */

import { ErrorCode, MAX_STREAM_ID } from '../../framing/constants.ts';
import { inspectFrames } from '../../framing/frame-inspector.ts';
import { Channel } from '../../lib/channel/channel.ts';
import { ConnectivityState } from '../../lib/channel/connectivity.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { Status } from '../../lib/status.ts';
import { type AgingConnection, ConnectionAge } from '../../transport/connection-age.ts';
import { type Limits, SERVER_LIMITS } from '../../transport/limits.ts';
import { Initiator } from '../../transport/stream-listener.ts';
import { startUnary } from '../support/client-calls.ts';
import { ECHO, EchoService, HOLD } from '../support/echo-service.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  ACK,
  END_HEADERS,
  END_STREAM,
  goAway,
  headers,
  octets,
  ping,
  settings,
  settingsAck,
} from '../support/frame-factory.ts';
import { ScriptedConnector, settle } from '../support/scripted-connector.ts';
import { block, REQUEST, RESPONSE, ScriptedServer } from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** Frames in short: `GOAWAY 2147483647 max_age`, `PING`. PINGs are answered when `answer`. */
function story(server: ScriptedServer, answer = true): string[] {
  const told: string[] = [];
  for (const frame of server.frames()) {
    if (frame.type === 'GOAWAY') {
      const text = new TextDecoder().decode(frame.debugData);
      told.push(`GOAWAY ${frame.errorCode} ${frame.lastStreamId} ${text}`);
    } else if (frame.type === 'PING' && !frame.ack) {
      told.push('PING');
      if (answer) server.send(ping(frame.payload, ACK));
    } else told.push(frame.type);
  }
  return told;
}

function request(server: ScriptedServer, id: number): void {
  server.send(headers(id, block(...REQUEST), END_HEADERS | END_STREAM));
}

function respond(server: ScriptedServer, index: number): void {
  server.streams[index]?.stream?.sendHeaders(RESPONSE.flat(), null, true);
}

await t.test('A9 a connection without calls ends after the idle time, with max_idle', async (t) => {
  const server = new ScriptedServer({ maxConnectionIdleMs: MINUTE });
  server.clock.advance(MINUTE - 1);
  t.strictSame(story(server), []);
  server.clock.advance(1);
  t.strictSame(story(server), [`GOAWAY 0 ${MAX_STREAM_ID} max_idle`, 'PING']);
  t.strictSame(story(server), ['GOAWAY 0 0 max_idle', 'GOAWAY 0 0 max_idle']);
  t.equal(server.closed?.errorCode, ErrorCode.NO_ERROR);
  t.equal(server.closed?.message, 'max_idle');
  t.ok(server.pipe.ended);
  server.clock.advance(SECOND);
  t.ok(server.pipe.destroyed, 'also when the client does not close its side');
  t.equal(server.clock.pending, 0);
});

await t.test(
  'A9 a call keeps the connection; the idle time begins when the last one ends',
  async (t) => {
    const server = new ScriptedServer({ maxConnectionIdleMs: MINUTE });
    server.clock.advance(50 * SECOND);
    request(server, 1);
    server.clock.advance(10 * MINUTE + 7 * SECOND);
    respond(server, 0);
    story(server);
    server.clock.advance(MINUTE - 1);
    t.strictSame(story(server), []);
    server.clock.advance(1);
    t.strictSame(story(server)[0], `GOAWAY 0 ${MAX_STREAM_ID} max_idle`);
  },
);

await t.test('A9 a call that crosses the GOAWAY of an idle connection is served', async (t) => {
  const server = new ScriptedServer({ maxConnectionIdleMs: MINUTE });
  server.clock.advance(MINUTE);
  t.strictSame(story(server, false), [`GOAWAY 0 ${MAX_STREAM_ID} max_idle`, 'PING']);
  request(server, 1);
  server.send(ping('pwdrain\0', ACK));
  t.strictSame(story(server), ['GOAWAY 0 1 max_idle']);
  t.equal(server.closed, null);
  respond(server, 0);
  t.strictSame(story(server), ['HEADERS', 'GOAWAY 0 1 max_idle']);
  t.equal(server.closed?.message, 'max_idle');
});

await t.test(
  'A9 age: two GOAWAYs, calls go on, the connection ends with the last one',
  async (t) => {
    const server = new ScriptedServer({
      maxConnectionAgeMs: 10 * MINUTE,
      maxConnectionAgeJitter: 0,
    });
    server.clock.advance(10 * MINUTE - 1);
    request(server, 1);
    request(server, 3);
    t.strictSame(story(server), []);
    server.clock.advance(1);
    t.strictSame(story(server), [`GOAWAY 0 ${MAX_STREAM_ID} max_age`, 'PING']);
    t.strictSame(story(server), ['GOAWAY 0 3 max_age']);
    respond(server, 1);
    t.strictSame(story(server), ['HEADERS']);
    server.clock.advance(60 * MINUTE);
    t.equal(server.closed, null, 'grace is without end by default');
    respond(server, 0);
    t.equal(server.closed?.message, 'max_age');
    t.equal(
      server.streams.filter((stream) => stream.closed?.initiator === Initiator.CONNECTION).length,
      0,
    );
  },
);

await t.test(
  'A9 after the grace the rest is cut off, also when the client does not read',
  async (t) => {
    const server = new ScriptedServer({
      maxConnectionAgeMs: MINUTE,
      maxConnectionAgeJitter: 0,
      maxConnectionAgeGraceMs: 10 * SECOND,
    });
    request(server, 1);
    server.pipe.stalled = true;
    server.clock.advance(MINUTE + 10 * SECOND - 1);
    t.equal(server.closed, null);
    server.clock.advance(1);
    t.equal(server.closed?.message, 'max_age');
    t.equal(server.closed?.errorCode, ErrorCode.NO_ERROR);
    t.equal(server.streams[0]?.closed?.initiator, Initiator.CONNECTION);
    server.clock.advance(SECOND);
    t.ok(server.pipe.destroyed);
    t.equal(server.clock.pending, 0);
  },
);

await t.test(
  'A9 a client that does not answer the marker PING does not hold up the end',
  async (t) => {
    const server = new ScriptedServer({ maxConnectionIdleMs: MINUTE });
    server.clock.advance(MINUTE);
    story(server, false);
    server.clock.advance(SERVER_LIMITS.keepaliveTimeoutMs);
    t.equal(server.closed?.message, 'max_idle');
  },
);

await t.test('A9 the age is spread by a tenth to either side', async (t) => {
  for (const [random, ageMs] of [
    [0, 900],
    [0.5, 1000],
    [1, 1100],
  ] as const) {
    const clock = new FakeClock();
    const drained: string[] = [];
    const connection: AgingConnection = {
      activeStreams: 1,
      drain: (reason) => drained.push(reason),
      cutOff: () => {},
      runTimer: (action) => action(),
    };
    const limits: Limits = { ...SERVER_LIMITS, maxConnectionAgeMs: 1000 };
    const age = new ConnectionAge(clock, limits, connection, random);
    clock.advance(ageMs - 1);
    t.strictSame(drained, []);
    clock.advance(1);
    t.strictSame(drained, ['max_age'], `random ${random}`);
    age.stop();
    t.equal(clock.pending, 0);
  }
});

await t.test('S107 no call fails when connections end by age', async (t) => {
  const serverClock = new FakeClock();
  const service = new EchoService();
  const server = new GrpcServer({
    clock: serverClock,
    limits: { maxConnectionAgeMs: MINUTE, maxConnectionAgeJitter: 0 },
  });
  server.addMethods(service.methods);
  const connector = new ScriptedConnector();
  const channel = new Channel('localhost:1', { connector, clock: new FakeClock() });
  const outcomes = Array.from(
    { length: 50 },
    () => startUnary(channel, HOLD, Uint8Array.of(1)).outcome,
  );
  connector.last.acceptBy(server);
  const held = await service.heldCalls(50);
  // The SETTINGS ACK has to be through before the clock moves.
  await settle();
  serverClock.advance(MINUTE);
  await settle();
  t.equal(channel.state, ConnectivityState.IDLE, 'no more calls on the old connection');
  const late = startUnary(channel, ECHO, Uint8Array.of(2)).outcome;
  t.equal(connector.attempts.length, 2, 'a new one for the next call, at once');
  connector.last.acceptBy(server);
  t.equal((await late).status.code, Status.OK);
  for (const call of held) call.answer(Uint8Array.of(7));
  for (const { status } of await Promise.all(outcomes))
    t.equal(status.code, Status.OK, status.message);
  await settle();
  t.equal(server.connectionCount, 1, 'the old connection is gone');
  await channel.close();
  await server.shutdown(0);
});

// ---- connecting -----------------------------------------------------------------------------------------------------

await t.test('one time limit for dialling, TLS and the first SETTINGS together', async (t) => {
  const connector = new ScriptedConnector();
  const clock = new FakeClock();
  const channel = new Channel('localhost:1', { connector, clock, connectTimeoutMs: 5000 });
  const { outcome } = startUnary(channel, ECHO, Uint8Array.of(1));
  t.equal(connector.last.timeoutMs, 5000);
  clock.advance(4000);
  const pipe = connector.last.accept();
  await settle();
  clock.advance(999);
  t.equal(channel.state, ConnectivityState.CONNECTING);
  clock.advance(1);
  t.equal(channel.state, ConnectivityState.IDLE, 'the backoff ran from the start of the attempt');
  t.equal((await outcome).status.code, Status.UNAVAILABLE);
  t.match(
    channel.describeWait(),
    /connecting to test:1 failed: connected, but while waiting for the server's SETTINGS: they did not come in time/,
  );
  clock.advance(SECOND);
  t.ok(pipe.destroyed);
  await channel.closeNow();
});

await t.test(
  'a peer that ends the connection before its SETTINGS: the text names the phase',
  async (t) => {
    const connector = new ScriptedConnector();
    const channel = new Channel('localhost:1', { connector, clock: new FakeClock() });
    channel.connect();
    connector.last.accept().destroy(new Error('read ECONNRESET'));
    const { status } = await startUnary(channel, ECHO, Uint8Array.of(1)).outcome;
    t.match(status.message, /while waiting for the server's SETTINGS: .*read ECONNRESET/);
    t.match(
      status.message,
      / before it sent SETTINGS: check that it speaks HTTP\/2, and whether it wants TLS$/,
    );
    await channel.closeNow();
  },
);

await t.test('A8 too_many_pings is reported, other ends by GOAWAY are not', async (t) => {
  const connector = new ScriptedConnector();
  const reported: string[] = [];
  const channel = new Channel('localhost:1', {
    connector,
    clock: new FakeClock(),
    limits: { keepaliveTimeMs: 10_000 },
    reportError: (error, where) => reported.push(`${where}: ${(error as Error).message}`),
  });
  for (const [code, text] of [
    [ErrorCode.NO_ERROR, 'max_age'],
    [ErrorCode.NO_ERROR, 'too_many_pings'],
    [ErrorCode.ENHANCE_YOUR_CALM, 'too_many_resets'],
    [ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings'],
  ] as const) {
    t.strictSame(reported, []);
    startUnary(channel, HOLD, Uint8Array.of(1));
    const pipe = connector.last.accept();
    pipe.feed(settings());
    await settle();
    pipe.feed(goAway(1, code, text));
    await settle();
  }
  t.equal(reported.length, 1);
  t.match(
    reported[0] ?? '',
    /^channel to localhost:1: test:1 ended a connection with "too_many_pings": set keepaliveTimeMs \(10000\) .*; 20000 is used from now on$/,
  );
  await channel.closeNow();
});

await t.test('A8 too_many_pings: the connections to come wait twice as long', async (t) => {
  const connector = new ScriptedConnector();
  const clock = new FakeClock();
  const channel = new Channel('localhost:1', {
    connector,
    clock,
    limits: { keepaliveTimeMs: 10_000 },
    reportError: () => {},
  });
  for (const seconds of [10, 20, 40]) {
    startUnary(channel, HOLD, Uint8Array.of(1));
    const pipe = connector.last.accept();
    pipe.feed(octets(settings(), settingsAck()));
    await settle();
    const sent = (): string[] => inspectFrames(pipe.take()).map((frame) => frame.type);
    pipe.take();
    clock.advance(seconds * SECOND - 1);
    await settle();
    t.strictSame(sent(), [], `nothing before ${seconds} s`);
    clock.advance(1);
    await settle();
    t.strictSame(sent(), ['PING'], `PING after ${seconds} s without a read`);
    pipe.feed(goAway(1, ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings'));
    await settle();
  }
  await channel.closeNow();
});

// ---- peers that do not read -----------------------------------------------------------------------------------------

await t.test('L20 a peer that does not read is destroyed, its calls end', async (t) => {
  const server = new ScriptedServer();
  request(server, 1);
  server.pipe.stalled = true;
  server.streams[0]?.stream?.sendHeaders(RESPONSE.flat(), null, false);
  server.streams[0]?.stream?.sendMessage(0, new Uint8Array(100_000), false);
  server.tick();
  server.clock.advance(20 * SECOND - 1);
  t.equal(server.closed, null);
  server.clock.advance(1);
  t.match(server.closed?.message ?? '', /^write stalled: the peer does not read/);
  t.ok(server.pipe.destroyed);
  t.equal(server.streams[0]?.closed?.initiator, Initiator.CONNECTION);
  t.equal(server.clock.pending, 0);
});
