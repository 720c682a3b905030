/** Keepalive of clients and servers (gRFC A8, L22), the check of silent connections, and the ping policy of servers (L11). */

import { ErrorCode } from '../../framing/constants.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  goAway,
  headers,
  PREFACE,
  ping,
  settings,
  settingsAck,
  windowUpdate,
} from '../support/frame-factory.ts';
import {
  block,
  REQUEST,
  RESPONSE,
  ScriptedClient,
  ScriptedServer,
} from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';

/** The payload of our keepalive PING, by its effect alone: whatever comes in a PING goes back in the ACK. */
function answerPings(peer: ScriptedClient | ScriptedServer): number {
  let answered = 0;
  for (const frame of peer.frames()) {
    if (frame.type !== 'PING' || frame.ack) continue;
    peer.send(ping(frame.payload, ACK));
    answered += 1;
  }
  return answered;
}

function types(peer: ScriptedClient | ScriptedServer): string[] {
  return peer.frames().map((frame) => frame.type);
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

await t.test('A8 a client has no keepalive unless asked', async (t) => {
  const client = new ScriptedClient();
  client.open();
  t.strictSame(types(client), ['HEADERS']);
  client.clock.advance(24 * HOUR);
  t.strictSame(types(client), []);
  t.equal(client.closed, null);
});

await t.test(
  'A8 a client with a call sends PING after the quiet time, again and again',
  async (t) => {
    const client = new ScriptedClient({ keepaliveTimeMs: 10 * SECOND });
    client.open();
    t.strictSame(types(client), ['HEADERS']);
    client.clock.advance(10 * SECOND - 1);
    t.strictSame(types(client), []);
    client.clock.advance(1);
    t.equal(answerPings(client), 1);
    client.clock.advance(10 * SECOND - 1);
    t.strictSame(types(client), []);
    client.clock.advance(1);
    t.equal(answerPings(client), 1);
    client.clock.advance(5 * SECOND);
    client.send(windowUpdate(0, 1));
    client.clock.advance(10 * SECOND - 1);
    t.strictSame(types(client), [], 'whatever arrives begins the quiet time anew');
    client.clock.advance(1);
    t.strictSame(types(client), ['PING']);
  },
);

await t.test(
  'A8 a PING without an answer: the connection is destroyed, its calls end',
  async (t) => {
    const client = new ScriptedClient({
      keepaliveTimeMs: 10 * SECOND,
      keepaliveTimeoutMs: 3 * SECOND,
    });
    const call = client.open();
    client.clock.advance(10 * SECOND);
    t.ok(types(client).includes('PING'));
    client.clock.advance(3 * SECOND - 1);
    t.equal(call.closed, undefined);
    client.clock.advance(1);
    t.equal(call.closed?.initiator, Initiator.CONNECTION);
    t.equal(call.closed?.progress, StreamProgress.PROCESSED);
    t.match(call.closed?.reason ?? '', /^keepalive: the peer did not answer a PING/);
    t.ok(client.pipe.destroyed, 'not only ended: a dead peer answers no FIN');
    t.equal(client.closed?.errorCode, ErrorCode.NO_ERROR);
    t.equal(client.closed?.goAwayCode, null);
    t.equal(client.clock.pending, 0, 'no timer is left');
  },
);

await t.test(
  'A8 anything that arrives after the PING proves life as well as its ACK',
  async (t) => {
    const client = new ScriptedClient({
      keepaliveTimeMs: 10 * SECOND,
      keepaliveTimeoutMs: 3 * SECOND,
    });
    const call = client.open();
    client.clock.advance(10 * SECOND);
    client.clock.advance(1 * SECOND);
    client.send(windowUpdate(0, 1));
    client.clock.advance(2 * SECOND);
    t.equal(call.closed, undefined);
    t.ok(types(client).includes('PING'));
    client.clock.advance(10 * SECOND);
    t.ok(types(client).includes('PING'), 'and it is asked again');
  },
);

await t.test(
  'A8 a client without calls is silent, and asks when the next call comes',
  async (t) => {
    const client = new ScriptedClient({ keepaliveTimeMs: 20 * SECOND });
    client.clock.advance(10 * MINUTE);
    t.strictSame(types(client), []);
    client.open();
    t.strictSame(types(client), ['HEADERS', 'PING'], 'behind the HEADERS: no server minds it');
    client.send(ping('pwkeep\0\0', ACK));
    const other = new ScriptedClient({ keepaliveTimeMs: 20 * SECOND });
    other.clock.advance(20 * SECOND);
    other.send(windowUpdate(0, 1));
    other.open();
    t.strictSame(types(other), ['HEADERS'], 'something has just arrived');
    other.clock.advance(20 * SECOND);
    t.strictSame(types(other), ['PING']);
  },
);

await t.test('A8 permit without calls: a client pings all the same', async (t) => {
  const client = new ScriptedClient(
    { keepaliveTimeMs: 20 * SECOND },
    { keepaliveWithoutCalls: true },
  );
  client.clock.advance(20 * SECOND);
  t.strictSame(types(client), ['PING']);
  client.clock.advance(20 * SECOND);
  t.ok(client.pipe.destroyed);
});

await t.test('S105 a server finds out that its client is gone and ends its calls', async (t) => {
  const server = new ScriptedServer();
  server.send(headers(1, block(...REQUEST), END_HEADERS));
  server.frames();
  server.clock.advance(2 * HOUR - 1);
  t.strictSame(types(server), []);
  server.clock.advance(1);
  t.strictSame(types(server), ['PING']);
  server.clock.advance(20 * SECOND);
  t.equal(server.streams[0]?.closed?.initiator, Initiator.CONNECTION);
  t.ok(server.pipe.destroyed);
  t.equal(server.clock.pending, 0);
});

await t.test('A8 a server pings connections without calls too', async (t) => {
  const server = new ScriptedServer({ keepaliveTimeMs: MINUTE });
  server.clock.advance(MINUTE);
  t.equal(answerPings(server), 1);
  server.clock.advance(MINUTE);
  t.equal(answerPings(server), 1);
  t.equal(server.closed, null);
});

await t.test(
  'L20 while the pipe is full the write stall timer is the judge, not keepalive',
  async (t) => {
    const server = new ScriptedServer({ keepaliveTimeMs: MINUTE, keepaliveTimeoutMs: SECOND });
    server.send(headers(1, block(...REQUEST), END_HEADERS));
    server.pipe.stalled = true;
    server.streams[0]?.stream?.sendHeaders(RESPONSE.flat(), null, false);
    server.streams[0]?.stream?.sendMessage(0, new Uint8Array(20_000), false);
    server.tick();
    for (let round = 0; round < 8; round += 1) {
      server.clock.advance(10 * SECOND);
      server.pipe.pendingOctets -= 1200;
    }
    t.equal(server.closed, null, 'slow, but alive');
    server.clock.advance(20 * SECOND);
    server.clock.advance(20 * SECOND);
    t.match(server.closed?.message ?? '', /^write stalled/);
    t.ok(server.pipe.destroyed);
  },
);

// ---- silence --------------------------------------------------------------------------------------------------------

await t.test('L22 a connection silent for long is asked when a call uses it', async (t) => {
  const client = new ScriptedClient();
  client.clock.advance(MINUTE);
  const call = client.open();
  t.strictSame(types(client), ['HEADERS', 'PING']);
  client.clock.advance(20 * SECOND);
  t.match(call.closed?.reason ?? '', /did not answer a PING/);
  t.ok(client.pipe.destroyed);
});

await t.test(
  'L22 a silent connection that answers is used on, without further PINGs',
  async (t) => {
    const client = new ScriptedClient();
    client.clock.advance(MINUTE);
    const call = client.open();
    t.equal(answerPings(client), 1);
    client.open();
    client.clock.advance(HOUR);
    t.strictSame(types(client), ['HEADERS']);
    t.equal(call.closed, undefined);
  },
);

await t.test('L22 a connection that was read from lately is trusted', async (t) => {
  const client = new ScriptedClient();
  client.clock.advance(30 * SECOND);
  client.send(windowUpdate(0, 1));
  client.clock.advance(MINUTE - 1);
  client.open();
  t.strictSame(types(client), ['HEADERS']);
  const trusting = new ScriptedClient({ verifyAfterQuietMs: Number.POSITIVE_INFINITY });
  trusting.clock.advance(HOUR);
  trusting.open();
  t.strictSame(types(trusting), ['HEADERS']);
});

await t.test(
  'L22 C17 a hundred calls given up without an octet in between: PING, once',
  async (t) => {
    const client = new ScriptedClient({ verifyAfterQuietMs: Number.POSITIVE_INFINITY });
    const giveUp = (calls: number): void => {
      for (let i = 0; i < calls; i++) client.open().stream!.reset(ErrorCode.CANCEL);
      client.tick();
    };
    const pings = (): number => types(client).filter((type) => type === 'PING').length;
    giveUp(99);
    t.equal(pings(), 0);
    giveUp(1);
    t.equal(pings(), 1);
    client.send(ping('pwkeep\0\0', ACK));
    client.clock.advance(MINUTE);
    giveUp(150);
    t.equal(pings(), 0, 'a gRPC server counts what is more than one in five minutes');
    client.clock.advance(4 * MINUTE);
    for (let i = 0; i < 2; i++) {
      client.clock.advance(SECOND);
      client.send(settings());
      giveUp(60);
    }
    t.equal(pings(), 0, 'whatever arrives proves life');
    giveUp(40);
    t.equal(pings(), 1);
    client.clock.advance(20 * SECOND);
    t.not(client.closed, null, 'and without an answer the connection is over');
  },
);

await t.test('L22 after a sleep of the machine the next call asks', async (t) => {
  const client = new ScriptedClient();
  client.clock.advance(2 * SECOND);
  client.clock.sleep(HOUR);
  client.open();
  t.strictSame(types(client), ['HEADERS', 'PING']);
  client.send(ping('pwkeep\0\0', ACK));
  client.clock.advance(2 * SECOND);
  client.open();
  t.strictSame(types(client), ['HEADERS'], 'once');
});

await t.test('L22 a sleep or a standstill under open calls is noticed by itself', async (t) => {
  for (const happen of ['sleep', 'standStill'] as const) {
    const client = new ScriptedClient();
    const call = client.open();
    t.strictSame(types(client), ['HEADERS']);
    client.clock.advance(30 * SECOND);
    t.strictSame(types(client), []);
    client.clock[happen](HOUR);
    client.clock.advance(10 * SECOND);
    t.strictSame(types(client), ['PING'], happen);
    client.clock.advance(20 * SECOND);
    t.ok(call.closed !== undefined);
    t.equal(client.clock.pending, 0);
  }
});

await t.test('after a standstill a timeout waits until what arrived has been read', async (t) => {
  const client = new ScriptedClient({
    keepaliveTimeMs: 10 * SECOND,
    keepaliveTimeoutMs: 3 * SECOND,
  });
  const call = client.open();
  client.clock.advance(10 * SECOND);
  t.ok(types(client).includes('PING'));
  client.clock.standStill(HOUR);
  t.equal(call.closed, undefined, 'the ACK may lie in the socket');
  client.send(ping('pwkeep\0\0', ACK));
  client.clock.advance(10 * SECOND - 1);
  t.equal(call.closed, undefined);
  client.clock.advance(1);
  t.ok(types(client).includes('PING'));
  client.clock.standStill(HOUR);
  client.clock.advance(SECOND);
  t.ok(call.closed !== undefined, 'nothing was there to read: dead');

  const server = new ScriptedServer({}, false);
  server.clock.standStill(MINUTE);
  server.send(PREFACE, settings(), settingsAck());
  server.clock.advance(SECOND);
  t.equal(server.closed, null, 'the same for the first SETTINGS');
});

// ---- ping policy of servers -----------------------------------------------------------------------------------------

/** Sends a PING; the code and text of the GOAWAY that ends the connection, or null. */
function pingIt(server: ScriptedServer): string | null {
  server.send(ping('12345678'));
  for (const frame of server.frames()) {
    if (frame.type === 'GOAWAY')
      return `${frame.errorCode} ${new TextDecoder().decode(frame.debugData)}`;
  }
  return null;
}

const TOO_MANY = `${ErrorCode.ENHANCE_YOUR_CALM} too_many_pings`;

function openCall(server: ScriptedServer): void {
  server.send(headers(1, block(...REQUEST), END_HEADERS));
  server.frames();
}

await t.test('L11 the third PING too soon ends the connection: too_many_pings', async (t) => {
  const server = new ScriptedServer();
  openCall(server);
  t.equal(pingIt(server), null, 'the first is free');
  t.equal(pingIt(server), null, 'first strike');
  t.equal(pingIt(server), null, 'second strike');
  t.equal(pingIt(server), TOO_MANY);
  t.equal(server.closed?.errorCode, ErrorCode.ENHANCE_YOUR_CALM);
  t.ok(server.pipe.ended, 'closed at once, calls or not');
  server.clock.advance(SECOND);
  t.ok(server.pipe.destroyed);
});

await t.test('L11 a PING every five minutes is welcome while there are calls', async (t) => {
  const server = new ScriptedServer({ keepaliveTimeMs: Number.POSITIVE_INFINITY });
  openCall(server);
  for (let n = 0; n < 20; n += 1) {
    t.equal(pingIt(server), null);
    server.clock.advance(5 * MINUTE);
  }
  t.equal(pingIt(server), null);
  server.clock.advance(5 * MINUTE - 1);
  t.equal(pingIt(server), null);
  server.clock.advance(5 * MINUTE - 1);
  t.equal(pingIt(server), null);
  server.clock.advance(5 * MINUTE - 1);
  t.equal(pingIt(server), TOO_MANY, 'three times a millisecond too soon');
});

await t.test('L11 without calls the least time is two hours, unless permitted', async (t) => {
  const strict = new ScriptedServer({ keepaliveTimeMs: Number.POSITIVE_INFINITY });
  for (let n = 0; n < 3; n += 1) {
    t.equal(pingIt(strict), null);
    strict.clock.advance(2 * HOUR - 1);
  }
  t.equal(pingIt(strict), TOO_MANY);
  const permitting = new ScriptedServer({
    keepaliveTimeMs: Number.POSITIVE_INFINITY,
    pingMinIntervalMs: MINUTE,
    pingMinIntervalWithoutCallsMs: MINUTE,
  });
  for (let n = 0; n < 10; n += 1) {
    t.equal(pingIt(permitting), null);
    permitting.clock.advance(MINUTE);
  }
});

await t.test('L11 HEADERS or DATA of the server clear the strikes', async (t) => {
  const server = new ScriptedServer();
  openCall(server);
  const stream = server.streams[0]?.stream;
  for (let n = 0; n < 3; n += 1) t.equal(pingIt(server), null);
  stream?.sendHeaders(RESPONSE.flat(), null, false);
  for (let n = 0; n < 3; n += 1) t.equal(pingIt(server), null, 'after HEADERS');
  stream?.sendMessage(0, Uint8Array.of(1), false);
  for (let n = 0; n < 3; n += 1) t.equal(pingIt(server), null, 'after DATA');
  t.equal(pingIt(server), TOO_MANY);
});

await t.test('A8 a client holds its server to no ping policy', async (t) => {
  const client = new ScriptedClient();
  client.open();
  client.frames();
  for (let n = 0; n < 50; n += 1) client.send(ping('12345678'));
  t.equal(types(client).filter((type) => type === 'PING').length, 50);
  t.equal(client.closed, null);
});

// ---- GOAWAY ---------------------------------------------------------------------------------------------------------

await t.test('5.4 the code and text of a GOAWAY come with the end of the connection', async (t) => {
  const client = new ScriptedClient();
  const call = client.open();
  client.frames();
  client.send(goAway(1, ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings'));
  t.equal(client.connection.state, 'draining');
  client.send(
    headers(1, block(...RESPONSE)),
    data(1, [0, 0, 0, 0, 0]),
    headers(1, block(['grpc-status', '0']), END_STREAM | END_HEADERS),
  );
  client.connection.close(ErrorCode.NO_ERROR, 'test');
  t.ok(call.closed !== undefined);
  t.equal(client.closed?.goAwayCode, ErrorCode.ENHANCE_YOUR_CALM);
  t.equal(client.closed?.goAwayDebug, 'too_many_pings');
  const server = new ScriptedServer();
  openCall(server);
  server.send(goAway(0, ErrorCode.INTERNAL_ERROR, 'client bug'));
  server.pipe.endByPeer();
  t.equal(server.closed?.goAwayCode, ErrorCode.INTERNAL_ERROR);
  t.equal(server.closed?.goAwayDebug, 'client bug');
});
