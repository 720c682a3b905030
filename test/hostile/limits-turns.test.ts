/** Limits counted exactly, continued: replies that nobody reads, refills, turns, and what one connection may take from the others. */

import type { InspectedFrame } from '../../framing/frame-inspector.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import type { Limits } from '../../transport/limits.ts';
import { ECHO, EchoService } from '../support/echo-service.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  headers,
  octets,
  PREFACE,
  ping,
  rstStream,
  settings,
  settingsAck,
} from '../support/frame-factory.ts';
import {
  block,
  REQUEST,
  RESPONSE,
  ScriptedClient,
  ScriptedPipe,
  ScriptedServer,
} from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';
import { Code, message, oddId } from './octets.ts';

const REQUEST_BLOCK = block(...REQUEST);
const NOTHING = frame(0x0b, 0, 0, '');

function goAwayOf(frames: readonly InspectedFrame[]): string | undefined {
  const found = frames.find((sent) => sent.type === 'GOAWAY');
  if (found?.type !== 'GOAWAY') return undefined;
  return `${found.errorCode} ${new TextDecoder().decode(found.debugData)}`;
}

/** A client, which never stops reading, with a pipe that takes nothing. */
function floodedClient(limits: Partial<Limits>): ScriptedClient {
  const client = new ScriptedClient({ glitchBurst: 1e9, framesPerTurn: 1e9, ...limits });
  client.open();
  client.frames();
  client.pipe.stalled = true;
  // What blocks the pipe.
  client.send(ping('8 octets'));
  client.tick();
  return client;
}

await t.test('L9 the connection ends with 1,000 replies unread, not with 999', async (t) => {
  const client = floodedClient({ controlCloseOctets: 1e9 });
  let sent = 0;
  while (client.closed === null && sent < 2000) {
    client.send(ping('8 octets'));
    sent += 1;
  }
  t.equal(1 + sent, 1000, 'with the one that blocked the pipe');
  t.equal(client.pipe.destroyed, true);
});

await t.test('L9 the connection ends with 256 KiB of replies unread', async (t) => {
  const client = floodedClient({ controlCloseFrames: 1e9 });
  let sent = 0;
  while (client.closed === null && sent < 40_000) {
    client.send(ping('8 octets'));
    sent += 1;
  }
  // 17 octets each.
  t.equal(1 + sent, Math.ceil(262_144 / 17));
});

await t.test('L10 330 glitches a second are borne for ever, 331 are not', async (t) => {
  for (const [perSecond, borne] of [
    [330, true],
    [331, false],
  ] as const) {
    const server = new ScriptedServer({
      glitchBurst: 400,
      framesPerTurn: 1e9,
      keepaliveTimeMs: Number.POSITIVE_INFINITY,
    });
    for (let second = 0; second < 200 && server.closed === null; second++) {
      for (let i = 0; i < perSecond; i++) server.send(NOTHING);
      server.frames();
      server.clock.advance(1000);
    }
    t.equal(server.closed === null, borne, `${perSecond} a second`);
  }
});

await t.test('L12 two SETTINGS frames a second are borne for ever, three are not', async (t) => {
  for (const [perSecond, borne] of [
    [2, true],
    [3, false],
  ] as const) {
    const server = new ScriptedServer({ keepaliveTimeMs: Number.POSITIVE_INFINITY });
    for (let second = 0; second < 300 && server.closed === null; second++) {
      for (let i = 0; i < perSecond; i++) server.send(settings());
      server.frames();
      server.clock.advance(1000);
    }
    t.equal(server.closed === null, borne, `${perSecond} a second`);
  }
});

await t.test('L23 a turn ends after ten milliseconds, however few frames it had', async (t) => {
  const server = new ScriptedServer({ glitchBurst: 1e6 });
  // A clock that moves whenever it is looked at.
  const { clock } = server;
  const now = clock.now.bind(clock);
  let looks = 0;
  clock.now = (): number => now() + 2 * looks++;
  server.send(octets(...Array.from({ length: 900 }, () => NOTHING)));
  t.equal(server.pipe.paused, true, 'not 1,000 frames, but ten milliseconds');
  while (server.turn());
  t.equal(server.pipe.paused, false);
});

await t.test('L23 a turn ends with 200 new streams', async (t) => {
  const server = new ScriptedServer({ peerResetBurst: 1e6 });
  const one = (i: number): Uint8Array =>
    octets(
      headers(oddId(i), REQUEST_BLOCK, END_HEADERS | END_STREAM),
      rstStream(oddId(i), Code.CANCEL),
    );
  server.send(octets(...Array.from({ length: 300 }, (_, i) => one(i))));
  t.equal(server.streams.length, 200);
  while (server.turn());
  t.equal(server.streams.length, 300);
});

await t.test(
  'L29 beyond what may be unread the connection window waits for the reader',
  async (t) => {
    const server = new ScriptedServer({
      maxUnreadOctets: 100_000,
      connectionWindowOctets: 200_000,
    });
    server.usesAtOnce = false;
    for (let i = 0; i < 3; i++) server.send(headers(oddId(i), REQUEST_BLOCK));
    let credited = 0;
    const credit = (): void => {
      for (const sent of server.framesOf('WINDOW_UPDATE')) {
        if (sent.type === 'WINDOW_UPDATE' && sent.streamId === 0) credited += sent.increment;
      }
    };
    for (let i = 0; i < 30; i++) server.send(data(oddId(i % 3), new Uint8Array(10_000)).slice());
    credit();
    t.ok(credited <= 100_000 + 16_384, `${credited} credited of 300,000 unread`);
    for (const { stream } of server.streams) stream!.consume(100_000);
    credit();
    t.ok(credited >= 200_000, `${credited} once it was read`);
  },
);

await t.test('L31 L32 late frames of streams beyond the memory are glitches', async (t) => {
  const server = new ScriptedServer({
    maxRememberedStreams: 2,
    glitchBurst: 50,
    glitchesPerSecond: 0,
  });
  for (let i = 0; i < 4; i++) {
    server.send(octets(headers(oddId(i), REQUEST_BLOCK), rstStream(oddId(i), Code.CANCEL)));
  }
  let late = 0;
  while (server.closed === null && late < 1000) {
    server.send(rstStream(1, Code.CANCEL));
    late += 1;
  }
  t.equal(goAwayOf(server.frames()), `${Code.ENHANCE_YOUR_CALM} too_many_glitches`);
});

await t.test('F8 fairness: a flood gets a turn, then the others get theirs', async (t) => {
  const clock = new FakeClock();
  const server = new GrpcServer({ clock, limits: { glitchBurst: 1e9, framesPerTurn: 100 } });
  server.addMethods([
    { ...new EchoService().methods[0]!, method: { ...ECHO, path: '/test.Service/Method' } },
  ]);
  const greeting = octets(PREFACE, settings(), settingsAck());
  const [flood, polite] = [new ScriptedPipe(), new ScriptedPipe()];
  for (const pipe of [flood, polite]) {
    server.accept(pipe);
    pipe.feed(greeting);
  }
  // Half a million frames at once, worth 5,000 turns.
  const frames = new Uint8Array(9 * 500_000);
  for (let at = 0; at < frames.length; at += 9) frames.set(NOTHING, at);
  flood.feed(octets(headers(1, REQUEST_BLOCK)));
  flood.feed(frames);
  t.equal(flood.paused, true);
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 50; i++) {
    polite.take();
    polite.feed(octets(headers(oddId(i), REQUEST_BLOCK), data(oddId(i), message('x'), END_STREAM)));
    await turn();
    t.ok(polite.take().length > 0, `call ${i} is answered in the turn after it came`);
  }
  t.equal(flood.paused, true, 'the flood is not half through');
  flood.destroy();
  polite.destroy();
  await server.closeNow();
});

await t.test('the response side of turns: a client is fair as well', async (t) => {
  const client = new ScriptedClient({ glitchBurst: 1e6 });
  const call = client.open();
  client.frames();
  client.send(
    octets(headers(1, block(...RESPONSE)), ...Array.from({ length: 2500 }, () => NOTHING)),
  );
  client.send(data(1, 'late'));
  t.equal(call.events.filter(({ type }) => type === 'data').length, 0);
  while (client.turn());
  t.equal(call.events.filter(({ type }) => type === 'data').length, 1);
});
