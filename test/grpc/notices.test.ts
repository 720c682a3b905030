/** What a server says about connections: each limit that ends one gives a line, normal ends give none, and no kind hides another. */

import { Notices } from '../../lib/server/notices.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import type { Limits } from '../../transport/limits.ts';
import { ECHO_STREAM, EchoService } from '../support/echo-service.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  END_HEADERS,
  goAway,
  headers,
  octets,
  PREFACE,
  ping,
  settings,
  settingsAck,
} from '../support/frame-factory.ts';
import { settle } from '../support/scripted-connector.ts';
import { block, REQUEST, ScriptedPipe } from '../support/scripted-peer.ts';
import { type TestContext, t } from '../support/tap.ts';

/** A request that goes on for as long as its client likes. */
const STREAM = REQUEST.map(([name, value]): readonly [string, string] => [
  name,
  name === ':path' ? ECHO_STREAM.path : value,
]);

interface Served {
  readonly server: GrpcServer;
  readonly clock: FakeClock;
  readonly pipe: ScriptedPipe;
  readonly lines: string[];
}

/** A server with one connection that has exchanged SETTINGS. */
function serve(t: TestContext, limits: Partial<Limits> = {}): Served {
  const clock = new FakeClock();
  const lines: string[] = [];
  const server = new GrpcServer({ clock, limits, onNotice: (line) => lines.push(line) });
  server.addMethods(new EchoService().methods);
  t.teardown(() => server.closeNow());
  const pipe = new ScriptedPipe();
  server.accept(pipe);
  pipe.feed(octets(PREFACE, settings(), settingsAck()));
  return { server, clock, pipe, lines };
}

await t.test('L9 a flood gives a line', async (t) => {
  const { server, pipe, lines } = serve(t, {
    controlPauseFrames: 200,
    controlCloseFrames: 200,
    pingStrikes: 1000,
  });
  pipe.stalled = true;
  pipe.feed(octets(...Array.from({ length: 300 }, () => ping('abcdefgh'))));
  await settle(1);
  t.strictSame(lines, [
    'connection from test:1 ended: flooded: the peer does not read the replies to its frames',
  ]);
  t.equal(server.stats().trips.get('flooded'), 1);
});

await t.test('L20 a write stall gives a line', async (t) => {
  const { server, clock, pipe, lines } = serve(t);
  pipe.stalled = true;
  pipe.feed(ping('abcdefgh'));
  await settle(1);
  clock.advance(20_000);
  t.strictSame(lines, [
    'connection from test:1 ended: write stalled: the peer does not read (connection.write-stalled)',
  ]);
  t.equal(server.stats().trips.get('connection.write-stalled'), 1);
});

await t.test('L22 a PING without an answer gives a line', async (t) => {
  const { server, clock, lines } = serve(t);
  clock.advance(7_200_000);
  await settle(1);
  clock.advance(20_000);
  t.strictSame(lines, [
    'connection from test:1 ended: keepalive: the peer did not answer a PING (connection.keepalive-timeout)',
  ]);
  t.equal(server.stats().trips.get('connection.keepalive-timeout'), 1);
});

await t.test('L28 calls cut off by age give a line, age itself none', async (t) => {
  const limits = {
    maxConnectionAgeMs: 1_000_000,
    maxConnectionAgeJitter: 0,
    maxConnectionAgeGraceMs: 30_000,
  };
  const { server, clock, pipe, lines } = serve(t, limits);
  pipe.feed(headers(1, block(...STREAM), END_HEADERS));
  clock.advance(1_000_000);
  await settle(1);
  t.strictSame(lines, []);
  clock.advance(30_000);
  t.strictSame(lines, ['connection from test:1 ended: max_age (connection.age-grace-over)']);
  t.equal(server.stats().trips.get('connection.age-grace-over'), 1);
  const old = serve(t, limits);
  old.clock.advance(1_030_000);
  await settle(1);
  t.equal(old.server.connectionCount, 0);
  t.strictSame(old.lines, [], 'without calls');
});

await t.test('peers that leave, are idle, or are told of a shutdown give no line', async (t) => {
  const left = serve(t);
  left.pipe.endByPeer();
  const lost = serve(t);
  lost.pipe.destroy(new Error('ECONNRESET'));
  const goodbye = serve(t);
  goodbye.pipe.feed(goAway(0, 0));
  goodbye.pipe.endByPeer();
  const shut = serve(t);
  await shut.server.shutdown(0);
  for (const { server, lines } of [left, lost, goodbye, shut]) {
    await settle(1);
    t.equal(server.connectionCount, 0);
    t.strictSame(lines, []);
  }
});

await t.test('a token has ten lines a second, and hides no other', async (t) => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const notices = new Notices(clock, (line) => lines.push(line));
  for (let i = 0; i < 25; i++) notices.tell('frame.preface.invalid', `bad ${i}`);
  notices.tell('tls.handshake-failed', 'no certificate');
  t.strictSame(lines, [...Array.from({ length: 10 }, (_, i) => `bad ${i}`), 'no certificate']);
  t.equal(clock.pendingAlive, 0, 'the process may end');
  clock.advance(999);
  notices.tell('frame.preface.invalid', 'bad 25');
  t.equal(lines.length, 11);
  clock.advance(1);
  t.strictSame(lines.slice(11), [
    '16 more connections were refused or ended: frame.preface.invalid',
  ]);
  t.equal(clock.pending, 0);
  notices.tell('frame.preface.invalid', 'bad 26');
  clock.advance(10_000);
  t.strictSame(lines.slice(12), ['bad 26'], 'the next second begins with the next line');
});

await t.test('what is flushed is not said again', async (t) => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const notices = new Notices(clock, (line) => lines.push(line));
  for (let i = 0; i < 12; i++) notices.tell('flooded', 'flood');
  lines.length = 0;
  notices.flush();
  t.strictSame(lines, ['2 more connections were refused or ended: flooded']);
  notices.flush();
  clock.advance(5000);
  t.equal(lines.length, 1);
});

await t.test('a server that has ended says what it left out', async (t) => {
  const { server, lines } = serve(t);
  for (let i = 0; i < 12; i++) {
    const pipe = new ScriptedPipe();
    server.accept(pipe);
    pipe.feed(octets('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'));
    pipe.destroy();
  }
  t.equal(lines.length, 10);
  await server.shutdown(0);
  t.strictSame(lines.slice(10), [
    '2 more connections were refused or ended: connection.preface-invalid',
  ]);
});

await t.test(
  'requests that expire before their behaviours run are counted, and trip nothing',
  async (t) => {
    const { server, clock, pipe, lines } = serve(t, { maxRunningHandlers: 1 });
    const timed = (timeout: string): Uint8Array => block(...STREAM, ['grpc-timeout', timeout]);
    // One that runs past its deadline, one that waits for its slot, one that has no time when it comes.
    pipe.feed(headers(1, timed('1S'), END_HEADERS));
    pipe.feed(headers(3, timed('1S'), END_HEADERS));
    pipe.feed(headers(5, timed('0S'), END_HEADERS));
    await settle(1);
    t.equal(server.stats().expiredRequests, 1);
    clock.advance(1000);
    await settle(1);
    t.equal(server.stats().expiredRequests, 2);
    t.strictSame([...server.stats().trips], []);
    t.strictSame(lines, []);
  },
);
