/** Limits counted exactly: the transport over a pipe in memory, with a clock that stands still (security reference, I8 and I7). */

import { MAX_STREAM_ID } from '../../framing/constants.ts';
import type { InspectedFrame } from '../../framing/frame-inspector.ts';
import type { SlotCall } from '../../lib/call/server-call-host.ts';
import { HandlerSlots } from '../../lib/server/handler-slots.ts';
import { EDGE_LIMITS, type Limits } from '../../transport/limits.ts';
import {
  continuation,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  headers,
  octets,
  paddedData,
  ping,
  priority,
  rstStream,
  settings,
  uint32,
  windowUpdate,
} from '../support/frame-factory.ts';
import {
  block,
  REQUEST,
  RESPONSE,
  ScriptedClient,
  ScriptedServer,
} from '../support/scripted-peer.ts';
import { type TestContext, t } from '../support/tap.ts';
import { Code, oddId } from './octets.ts';

const REQUEST_BLOCK = block(...REQUEST);
const PING = ping('8 octets');
const NO_REFILL: Partial<Limits> = {
  peerResetsPerSecond: 0,
  glitchesPerSecond: 0,
  settingsPerSecond: 0,
};

function open(streamId: number, endStream = false): Uint8Array {
  return headers(streamId, REQUEST_BLOCK, END_HEADERS | (endStream ? END_STREAM : 0));
}

/** The GOAWAY among `frames` as code and text; undefined without one. */
function goAwayOf(frames: readonly InspectedFrame[]): string | undefined {
  const found = frames.find((sent) => sent.type === 'GOAWAY');
  if (found?.type !== 'GOAWAY') return undefined;
  return `${found.errorCode} ${new TextDecoder().decode(found.debugData)}`;
}

/** Sends `allowed` times what `make` gives, which must be borne, and once more, which must end the connection with `goAway`. */
function expectLimit(
  t: TestContext,
  server: ScriptedServer,
  allowed: number,
  make: (index: number) => Uint8Array,
  goAway: string,
): void {
  let at = 0;
  const send = (): void => {
    server.send(make(at++));
    // Reading goes on in later turns (L23), and replies are read by the peer.
    while (server.turn());
  };
  while (at < allowed) send();
  t.equal(server.closed, null, `${allowed} are borne`);
  t.equal(goAwayOf(server.frames()), undefined);
  send();
  t.equal(goAwayOf(server.frames()), goAway, 'one more is not');
  t.not(server.closed, null);
}

await t.test('L1 the 101st stream is refused, before SETTINGS are acknowledged too', async (t) => {
  const server = new ScriptedServer({}, false);
  server.send(octets('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings());
  for (let i = 0; i < 101; i++) server.send(open(oddId(i)));
  while (server.turn());
  t.equal(server.streams.length, 100);
  const resets = server.frames().filter((sent) => sent.type === 'RST_STREAM');
  t.strictSame(
    resets.map((sent) => [sent.streamId, sent.type === 'RST_STREAM' && sent.errorCode]),
    [[oddId(100), Code.REFUSED_STREAM]],
  );
});

await t.test('L2 calls that are reset while they wait, and no handler ends', async (t) => {
  let flooded = 0;
  const slots = new HandlerSlots(10, {
    onFlooded(): void {
      flooded += 1;
    },
  });
  const call = (): SlotCall => ({ onSlot(): void {}, onSlotRefused(): void {} });
  const running = Array.from({ length: 10 }, call);
  for (const holder of running) t.equal(slots.acquire(holder), true);
  const resetWaiting = (times: number, resetByPeer: boolean): void => {
    for (let i = 0; i < times; i++) {
      const waiting = call();
      slots.acquire(waiting);
      slots.release(waiting, resetByPeer);
    }
  };
  resetWaiting(1000, false);
  t.equal(flooded, 0, 'deadlines are no offence');
  resetWaiting(40, true);
  slots.release(running[0]!);
  slots.acquire(running[0]!);
  resetWaiting(40, true);
  t.equal(flooded, 0, 'a handler that ends sets the count back');
  resetWaiting(1, true);
  t.equal(flooded, 1, 'the 41st in a row');
  t.equal(slots.running, 10);
  t.equal(slots.waiting, 0);
});

await t.test('L3 1,000 resets are borne, the next is not', async (t) => {
  const server = new ScriptedServer(NO_REFILL);
  expectLimit(
    t,
    server,
    1000,
    (i) => octets(open(oddId(i), true), rstStream(oddId(i), Code.CANCEL)),
    `${Code.ENHANCE_YOUR_CALM} too_many_resets`,
  );
});

await t.test('L3 S02 30 resets a second are borne for ever', async (t) => {
  const server = new ScriptedServer();
  for (let second = 0, i = 0; second < 300; second++) {
    for (let n = 0; n < 30; n++, i++) {
      server.send(octets(open(oddId(i), true), rstStream(oddId(i), Code.CANCEL)));
    }
    server.clock.advance(1000);
    server.frames();
  }
  t.equal(server.closed, null);
});

await t.test('L4 200 resets of ours in 30 seconds are borne, the next is not', async (t) => {
  for (const goAwayFirst of [false, true]) {
    const server = new ScriptedServer();
    if (goAwayFirst) {
      // CVE-2025-8671, as it escaped a first fix: the budget must hold after GOAWAY.
      server.send(open(1), frame(7, 0, 0, new Uint8Array(8)));
    }
    expectLimit(
      t,
      server,
      200,
      (i) => octets(open(oddId(i + 1), true), windowUpdate(oddId(i + 1), 0)),
      `${Code.ENHANCE_YOUR_CALM} too_many_errors`,
    );
  }
});

await t.test('L4 200 resets in any 30 seconds are borne for ever', async (t) => {
  const server = new ScriptedServer();
  for (let i = 0; i < 2000; i++) {
    server.send(octets(open(oddId(i), true), windowUpdate(oddId(i), 0)));
    server.clock.advance(151);
    server.frames();
  }
  t.equal(server.closed, null);
});

await t.test('L7 the time of one header block, not of many in a row', async (t) => {
  const server = new ScriptedServer();
  for (let i = 0; i < 20; i++) {
    // Each read ends inside a block, but no block takes ten seconds.
    server.send(headers(oddId(i), REQUEST_BLOCK.subarray(0, 10), 0));
    server.clock.advance(5000);
    server.send(continuation(oddId(i), REQUEST_BLOCK.subarray(10)), data(oddId(i), '', END_STREAM));
  }
  t.equal(server.closed, null);
  server.send(headers(1001, REQUEST_BLOCK.subarray(0, 10), 0));
  server.clock.advance(9999);
  t.equal(server.closed, null);
  server.clock.advance(1);
  t.equal(goAwayOf(server.frames()), `${Code.ENHANCE_YOUR_CALM} headers.block-timeout`);
});

await t.test('L9 replies that are not read stop our reading, then the connection', async (t) => {
  const server = new ScriptedServer({
    pingStrikes: 1e9,
    glitchBurst: 1e9,
    controlCloseFrames: 300,
  });
  server.pipe.stalled = true;
  let sent = 0;
  while (!server.pipe.paused && sent < 1000) {
    server.send(PING);
    sent += 1;
  }
  t.ok(sent >= 99 && sent <= 102, `paused after ${sent} pings`);
  t.equal(server.closed, null);
  // One that goes on all the same finds its octets kept, unread and bounded by the system's buffers.
  server.pipe.unstall();
  while (server.turn());
  t.equal(server.pipe.paused, false, 'read on once the peer has read');
});

await t.test('L10 the budget of frames that do nothing', async (t) => {
  const kinds: readonly (readonly [string, (i: number) => Uint8Array])[] = [
    ['PRIORITY', (i) => priority(oddId(i % 100), 0)],
    ['unknown types', () => frame(0x0b, 0, 0, 'x')],
    ['WINDOW_UPDATE beyond the allowance', () => windowUpdate(0, 1)],
    ['SETTINGS ACK that we never asked for', () => frame(4, 1, 0)],
    ['PING ACK that answers nothing', () => ping('whatever', 1)],
  ];
  for (const [name, make] of kinds) {
    await t.test(name, async (t) => {
      const server = new ScriptedServer({ ...NO_REFILL, glitchBurst: 500 });
      const allowance = name.startsWith('WINDOW') ? 5 : 0;
      // The greeting's SETTINGS was the first glitch.
      const goAway = `${Code.ENHANCE_YOUR_CALM} too_many_glitches`;
      expectLimit(t, server, 499 + allowance, make, goAway);
    });
  }
});

await t.test(
  'L11 gRFC A8 the first PING is free, two strikes are borne, the third is not',
  async (t) => {
    expectLimit(t, new ScriptedServer(), 3, () => PING, `${Code.ENHANCE_YOUR_CALM} too_many_pings`);
  },
);

await t.test(
  'L11 a PING every five minutes with a call, every two hours without, is fine',
  async (t) => {
    const server = new ScriptedServer({ keepaliveTimeMs: Number.POSITIVE_INFINITY });
    for (let i = 0; i < 20; i++) {
      server.send(PING);
      server.clock.advance(7_200_000);
    }
    server.send(open(1));
    for (let i = 0; i < 20; i++) {
      server.send(PING);
      server.clock.advance(300_000);
    }
    t.equal(server.closed, null);
  },
);

await t.test('L11 L10 a PING for each message of ours is no strike and no glitch', async (t) => {
  const server = new ScriptedServer({ ...NO_REFILL, glitchBurst: 10 });
  server.send(open(1), windowUpdate(1, 2 ** 30), windowUpdate(0, 2 ** 30));
  const { stream } = server.streams[0]!;
  stream!.sendHeaders([':status', '200'], null, false);
  for (let i = 0; i < 20_000; i++) {
    stream!.sendMessage(0, new Uint8Array(8), false);
    server.frames();
    server.send(PING);
  }
  t.equal(server.closed, null);
});

await t.test('L12 100 SETTINGS frames are borne, the next is not', async (t) => {
  const server = new ScriptedServer(NO_REFILL);
  const make = (i: number): Uint8Array => settings([4, i % 2 === 0 ? 0 : 65_535]);
  expectLimit(t, server, 99, make, `${Code.ENHANCE_YOUR_CALM} too_many_settings`);
});

await t.test('L13 ten empty DATA frames in a row are borne, the next is not', async (t) => {
  const server = new ScriptedServer();
  server.send(open(1));
  expectLimit(t, server, 10, () => data(1, ''), `${Code.ENHANCE_YOUR_CALM} too_many_empty_data`);
});

await t.test('L13 100 more empty DATA frames than others are borne, on any streams', async (t) => {
  const server = new ScriptedServer();
  for (let i = 0; i < 50; i++) server.send(open(oddId(i)));
  expectLimit(
    t,
    server,
    100,
    (i) => data(oddId(i % 50), ''),
    `${Code.ENHANCE_YOUR_CALM} too_many_empty_data`,
  );
});

await t.test('L13 a connection of any age may have an empty DATA frame per message', async (t) => {
  const server = new ScriptedServer();
  server.send(open(1));
  for (let i = 0; i < 10_000; i++) {
    server.send(data(1, ''), data(1, octets([0], uint32(0))));
    while (server.turn());
    server.frames();
  }
  t.equal(server.closed, null);
});

await t.test(
  'L14 unread fragments of one octet spend the budget, read ones earn it back',
  async (t) => {
    const unread = new ScriptedServer();
    unread.usesAtOnce = false;
    unread.send(open(1));
    let sent = 0;
    while (unread.closed === null && sent < 10_000) {
      unread.send(data(1, [0]));
      sent += 1;
    }
    t.equal(sent, 101, 'one more than 25,600 / 255');
    t.equal(goAwayOf(unread.frames()), `${Code.ENHANCE_YOUR_CALM} too_much_small_data`);
    const read = new ScriptedServer();
    read.send(open(1));
    for (let i = 0; i < 10_000; i++) read.send(data(1, [0]));
    while (read.turn());
    t.equal(read.closed, null);
  },
);

/** A server stream whose whole response of `octetsQueued` waits for window. */
function queuedResponse(limits: Partial<Limits> = {}): ScriptedServer {
  const server = new ScriptedServer(limits);
  server.send(settings([4, 0]), open(1, true));
  const { stream } = server.streams[0]!;
  stream!.sendHeaders([':status', '200'], null, false);
  stream!.sendMessage(0, new Uint8Array(100_000), false);
  stream!.sendTrailers(['grpc-status', '0'], null);
  server.frames();
  return server;
}

function resetsOf(server: ScriptedServer): number[] {
  return server
    .framesOf('RST_STREAM')
    .map((sent) => (sent.type === 'RST_STREAM' ? sent.errorCode : -1));
}

await t.test('L21 a finished response that nobody takes is reset after a minute', async (t) => {
  const server = queuedResponse();
  server.clock.advance(59_999);
  t.strictSame(resetsOf(server), []);
  server.clock.advance(1);
  t.strictSame(resetsOf(server), [Code.CANCEL]);
  t.equal(server.streams[0]!.closed?.errorCode, Code.CANCEL);
  t.equal(server.closed, null, 'the connection goes on');
});

await t.test('L21 1,023 octets in 20 seconds are too few, 1,024 are enough', async (t) => {
  const drip = queuedResponse();
  for (let i = 0; i < 31; i++) {
    drip.send(windowUpdate(1, 33));
    drip.clock.advance(19_999 / 31);
  }
  drip.clock.advance(100);
  t.strictSame(resetsOf(drip), [Code.CANCEL], 'S39, HTTP/2 Bomb');
  const slow = queuedResponse();
  for (let i = 0; i < 20; i++) {
    slow.send(windowUpdate(1, 1024));
    slow.clock.advance(20_000);
  }
  t.strictSame(resetsOf(slow), []);
});

await t.test(
  'L21 a response that waits for its turn on a busy connection is left alone',
  async (t) => {
    const server = new ScriptedServer({ framesPerTurn: 1e9 });
    server.send(settings([4, 1_000_000]), open(1, true), open(3, true));
    for (const { stream } of server.streams) {
      stream!.sendHeaders([':status', '200'], null, false);
      stream!.sendMessage(0, new Uint8Array(400_000), false);
      stream!.sendTrailers(['grpc-status', '0'], null);
    }
    for (let i = 0; i < 100; i++) {
      server.send(windowUpdate(0, 1500));
      server.clock.advance(5000);
      server.tick();
    }
    t.strictSame(resetsOf(server), []);
  },
);

await t.test('L21 a handler that still runs may keep its stream waiting', async (t) => {
  const server = new ScriptedServer({ keepaliveTimeMs: Number.POSITIVE_INFINITY });
  server.send(settings([4, 0]), open(1, true));
  const { stream } = server.streams[0]!;
  stream!.sendHeaders([':status', '200'], null, false);
  stream!.sendMessage(0, new Uint8Array(100), false);
  server.clock.advance(3_600_000);
  t.strictSame(resetsOf(server), []);
});

await t.test(
  '§6.1 a peer that pads each frame can always send the rest of a message',
  async (t) => {
    const server = new ScriptedServer({ streamWindowOctets: 65_535 });
    server.usesAtOnce = false;
    server.send(open(1));
    let credit = 65_535;
    for (let i = 0; i < 4; i++) {
      server.send(paddedData(1, new Uint8Array(15_900), 255));
      credit -= 15_900 + 256;
    }
    server.streams[0]!.stream!.expect(600);
    for (const sent of server.framesOf('WINDOW_UPDATE')) {
      if (sent.type === 'WINDOW_UPDATE' && sent.streamId === 1) credit += sent.increment;
    }
    t.ok(credit >= 600 + 256, `${credit} octets of credit for 600 and their padding`);
  },
);

await t.test('L20 a pipe that takes less than 1 KiB in 20 seconds is stalled', async (t) => {
  const server = queuedResponse();
  server.pipe.stalled = true;
  server.send(windowUpdate(1, 90_000));
  server.tick();
  server.pipe.pendingOctets = 50_000;
  server.clock.advance(19_999);
  server.pipe.pendingOctets -= 2000;
  server.clock.advance(1);
  t.equal(server.pipe.destroyed, false);
  server.pipe.pendingOctets -= 1;
  server.clock.advance(20_000);
  t.equal(server.pipe.destroyed, true);
});

await t.test('L23 1,000 frames are read in one turn, the rest in the next ones', async (t) => {
  const server = new ScriptedServer({ glitchBurst: 1e6 });
  server.send(octets(...Array.from({ length: 2500 }, () => frame(0x0b, 0, 0, ''))), open(1));
  t.equal(server.streams.length, 0);
  t.equal(server.pipe.paused, true);
  let turns = 0;
  while (server.turn()) turns += 1;
  t.ok(turns >= 2, `${turns} turns`);
  t.equal(server.streams.length, 1);
  t.equal(server.pipe.paused, false);
});

await t.test('L28 gRFC A9 a connection without calls ends with max_idle', async (t) => {
  const server = new ScriptedServer({ maxConnectionIdleMs: 300_000 });
  server.send(open(1, true));
  server.clock.advance(1_000_000);
  t.equal(goAwayOf(server.frames()), undefined, 'not while a call is open');
  server.send(rstStream(1, Code.CANCEL));
  server.clock.advance(299_999);
  t.equal(goAwayOf(server.frames()), undefined);
  server.clock.advance(1);
  t.equal(goAwayOf(server.frames()), `${Code.NO_ERROR} max_idle`);
});

await t.test('L28 gRFC A9 the age of a connection, its jitter and its grace', async (t) => {
  const server = new ScriptedServer({
    maxConnectionAgeMs: 1_000_000,
    maxConnectionAgeGraceMs: 5000,
    keepaliveTimeMs: Number.POSITIVE_INFINITY,
  });
  server.send(open(1));
  server.clock.advance(899_999);
  t.equal(goAwayOf(server.frames()), undefined, 'not before 90 %');
  server.clock.advance(200_001);
  const [first] = server.framesOf('GOAWAY');
  t.equal(first?.type === 'GOAWAY' && first.lastStreamId, MAX_STREAM_ID);
  server.clock.advance(30_000);
  t.equal(server.streams[0]!.closed !== undefined, true, 'cut off when the grace is over');
  t.not(server.closed, null);
});

await t.test(
  'L28 the edge preset limits idle time, age, grace and connections per address, and messages',
  async (t) => {
    t.strictSame(
      [
        EDGE_LIMITS.maxConnectionIdleMs,
        EDGE_LIMITS.maxConnectionAgeMs,
        EDGE_LIMITS.maxConnectionAgeGraceMs,
        EDGE_LIMITS.maxConnectionsPerAddress,
        EDGE_LIMITS.maxReceiveMessageOctets,
      ],
      [300_000, 1_800_000, 300_000, 100, 1_048_576],
    );
  },
);

await t.test(
  'B12 D4 what a peer sends behind our GOAWAY does not keep the connection',
  async (t) => {
    const hostile = new ScriptedServer();
    hostile.send(windowUpdate(0, 0));
    hostile.clock.advance(500);
    hostile.send(PING);
    hostile.clock.advance(500);
    t.equal(hostile.pipe.destroyed, true, 'a second after an error');
    const clean = new ScriptedServer();
    clean.connection.close(Code.NO_ERROR, 'shutdown');
    for (let i = 0; i < 85 && !clean.pipe.destroyed; i++) {
      clean.send(PING);
      clean.clock.advance(1000);
    }
    t.equal(clean.pipe.destroyed, true, 'after a clean end too, in the end');
  },
);

await t.test('the budgets hold for clients too', async (t) => {
  const client = new ScriptedClient({ ...NO_REFILL, glitchBurst: 100 });
  client.open();
  client.frames();
  client.send(headers(1, block(...RESPONSE)));
  for (let i = 0; i < 11; i++) client.send(data(1, ''));
  t.equal(goAwayOf(client.frames()), `${Code.ENHANCE_YOUR_CALM} too_many_empty_data`);
});

await t.test('B11 after a connection error nothing more is parsed', async (t) => {
  const server = new ScriptedServer();
  server.send(windowUpdate(0, 0));
  server.send(open(1), settings([4, 0]), PING);
  t.equal(server.streams.length, 0);
  t.equal(server.frames().filter((sent) => sent.type === 'GOAWAY').length, 1);
});
