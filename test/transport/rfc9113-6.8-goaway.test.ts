import { ErrorCode } from '../../framing/constants.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
import {
  continuation,
  data,
  END_STREAM,
  goAway,
  headers,
  octets,
  ping,
  rstStream,
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
import { ENDS, pingAck } from '../support/verdicts.ts';

const { NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM } = ErrorCode;
const LARGEST = 0x7fff_ffff;

/** A server past its second GOAWAY, with stream 1 and 3 open. */
function drainingServer(): ScriptedServer {
  const server = new ScriptedServer();
  server.send(
    headers(1, octets(block(...REQUEST), [0x40, 1, 0x61, 1, 0x62])),
    headers(3, block(...REQUEST)),
  );
  server.connection.drain();
  const marker = server.frames().at(-1);
  server.send(pingAck(marker?.type === 'PING' ? marker.payload : octets()));
  server.frames();
  return server;
}

// ---- sent ----------------------------------------------------------------------------------------------------------

await t.test('§6.8 a graceful end begins with GOAWAY NO_ERROR for 2^31-1 and a PING', async (t) => {
  const server = new ScriptedServer();
  server.send(headers(1, block(...REQUEST)));
  server.connection.drain();
  server.connection.drain();
  const frames = server.frames();
  t.strictSame(
    frames.map((frame) => frame.type),
    ['GOAWAY', 'PING'],
    'once',
  );
  const [first] = frames;
  t.strictSame(first?.type === 'GOAWAY' && [first.lastStreamId, first.errorCode], [
    LARGEST,
    NO_ERROR,
  ]);
});

await t.test(
  '§6.8 requests that crossed the first GOAWAY are served; the second names the last of them',
  async (t) => {
    const server = new ScriptedServer();
    server.send(headers(1, block(...REQUEST)));
    server.connection.drain();
    const marker = server.frames().at(-1);
    server.send(headers(3, block(...REQUEST)), headers(5, block(...REQUEST)));
    t.equal(server.streams.length, 3);
    server.send(pingAck(marker?.type === 'PING' ? marker.payload : octets()));
    const [second] = server.frames();
    t.strictSame(second?.type === 'GOAWAY' && [second.lastStreamId, second.errorCode], [
      5,
      NO_ERROR,
    ]);
  },
);

await t.test(
  '§6.8 without an answer to the PING the second GOAWAY comes all the same',
  async (t) => {
    const server = new ScriptedServer();
    server.send(headers(1, block(...REQUEST)));
    server.connection.drain();
    server.frames();
    server.clock.advance(server.connection.activeStreams > 0 ? 20_000 : 0);
    const [second] = server.frames();
    t.strictSame(second?.type === 'GOAWAY' && second.lastStreamId, 1);
  },
);

await t.test(
  '§6.8 a request above the last GOAWAY is refused and its frames are counted and discarded',
  async (t) => {
    const server = drainingServer();
    server.send(
      headers(5, block(...REQUEST)),
      data(5, new Uint8Array(1000)),
      data(5, '', END_STREAM),
    );
    server.send(windowUpdate(5, 10), rstStream(5, 8));
    t.strictSame(server.frames(), [
      { type: 'RST_STREAM', length: 4, flags: 0, streamId: 5, errorCode: REFUSED_STREAM },
    ]);
    t.equal(server.streams.length, 2, 'nobody hears of it');
    t.equal(server.closed, null, 'the calls in progress go on');
  },
);

await t.test(
  '§6.8 §4.3 the field blocks of refused requests are decoded: HPACK stays in step',
  async (t) => {
    const server = drainingServer();
    const inserted = octets(block(...REQUEST), [0x40, 1, 0x63, 1, 0x64]);
    server.send(headers(5, inserted.subarray(0, 9), 0), continuation(5, inserted.subarray(9)));
    // Index 62 is c: d now, and 63 a: b.
    server.send(headers(3, octets([0xbe, 0xbf]), ENDS));
    const last = server.streams[1]?.events.at(-1);
    t.strictSame(last?.type === 'trailers' && last.headers, ['c', 'd', 'a', 'b']);
  },
);

await t.test(
  '§6.8 §6.9 the connection window is credited for DATA of refused requests',
  async (t) => {
    const server = drainingServer();
    server.send(headers(5, block(...REQUEST)));
    server.frames();
    let credited = 0;
    const chunk = data(5, new Uint8Array(16_384));
    for (let sent = 0; sent < 3_000_000; sent += 16_384) {
      server.pipe.feed(chunk);
      for (const frame of server.framesOf('WINDOW_UPDATE')) {
        if (frame.type === 'WINDOW_UPDATE' && frame.streamId === 0) credited += frame.increment;
      }
    }
    t.ok(credited >= 2_000_000, `${credited} octets credited`);
    t.equal(server.closed, null);
  },
);

await t.test('§6.8 the last stream id never grows from one GOAWAY to the next', async (t) => {
  const server = drainingServer();
  server.send(headers(5, block(...REQUEST)), headers(7, block(...REQUEST)));
  server.frames();
  server.connection.close(PROTOCOL_ERROR, 'changed my mind');
  const [last] = server.framesOf('GOAWAY');
  t.equal(last?.type === 'GOAWAY' && last.lastStreamId, 3);
});

await t.test('§6.8 §9.1 every end of ours is preceded by GOAWAY', async (t) => {
  const server = new ScriptedServer();
  server.connection.close(NO_ERROR, 'done');
  t.strictSame(
    server.frames().map((frame) => frame.type),
    ['GOAWAY'],
  );
  t.equal(server.pipe.ended, true);
  const client = new ScriptedClient();
  client.connection.drain();
  const [last] = client.frames();
  t.strictSame(last?.type === 'GOAWAY' && [last.lastStreamId, last.errorCode], [0, NO_ERROR]);
  t.equal(client.pipe.ended, true);
});

await t.test(
  '§6.8 §8.7 an idle server that drains names the last stream it might have acted on',
  async (t) => {
    const server = new ScriptedServer();
    server.send(headers(1, block(...REQUEST), ENDS));
    server.streams[0]?.stream?.sendTrailers([':status', '200'], null);
    server.frames();
    server.connection.close(NO_ERROR, 'done');
    const [last] = server.frames();
    t.equal(last?.type === 'GOAWAY' && last.lastStreamId, 1, 'also when it is closed long since');
  },
);

// ---- received ------------------------------------------------------------------------------------------------------

await t.test('§6.8 a client opens no stream after GOAWAY', async (t) => {
  const client = new ScriptedClient();
  const first = client.open();
  client.frames();
  client.send(goAway(LARGEST, NO_ERROR, 'shutdown'));
  const late = client.open();
  t.equal(late.closed?.progress, StreamProgress.MISCARRIED);
  t.strictSame(client.frames(), []);
  t.equal(first.closed, undefined);
  t.match(client.draining[0] ?? '', /NO_ERROR, "shutdown"/);
});

await t.test('§6.8 calls that wait for a slot never left and can go elsewhere', async (t) => {
  const client = new ScriptedClient();
  client.send(goAway(0, NO_ERROR));
  t.equal(client.pipe.ended, true, 'no call is left: the connection is closed');
  const limited = new ScriptedClient();
  limited.send(octets([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1]));
  const open = limited.open();
  const waiting = limited.open();
  limited.frames();
  limited.send(goAway(1, NO_ERROR));
  t.equal(waiting.closed?.progress, StreamProgress.MISCARRIED);
  t.equal(open.closed, undefined);
});

await t.test(
  '§6.8 §8.7 streams above the last id were not processed, those up to it may have been',
  async (t) => {
    const client = new ScriptedClient();
    const calls = [client.open(), client.open(), client.open()];
    client.frames();
    client.send(goAway(LARGEST, NO_ERROR));
    t.ok(calls.every((call) => call.closed === undefined));
    client.send(goAway(3, NO_ERROR));
    t.equal(calls[2]?.closed?.progress, StreamProgress.REFUSED);
    t.equal(calls[2]?.closed?.initiator, Initiator.CONNECTION);
    client.send(goAway(1, PROTOCOL_ERROR));
    t.equal(calls[1]?.closed?.progress, StreamProgress.REFUSED);
    client.pipe.endByPeer();
    t.equal(calls[0]?.closed?.progress, StreamProgress.PROCESSED);
    t.strictSame(client.draining.length, 1, 'the owner is told once');
  },
);

await t.test(
  '§6.8 streams that GOAWAY spared end as always, then the connection does',
  async (t) => {
    const client = new ScriptedClient();
    const call = client.open();
    call.stream?.sendMessage(0, new Uint8Array(100_000), true);
    client.frames();
    client.send(goAway(1, NO_ERROR), windowUpdate(0, 100_000), windowUpdate(1, 100_000));
    t.equal(client.framesOf('DATA').length > 0, true, 'the request is sent to its end');
    client.send(headers(1, block(...RESPONSE)), headers(1, block(['grpc-status', '0']), ENDS));
    t.equal(call.closed?.errorCode, NO_ERROR);
    const [last] = client.frames();
    t.strictSame(
      last?.type === 'GOAWAY' && last.errorCode,
      NO_ERROR,
      '§6.8: still with a GOAWAY of ours',
    );
    t.equal(client.pipe.ended, true);
  },
);

await t.test('§6.8 frames of a stream that GOAWAY gave up are ignored', async (t) => {
  const client = new ScriptedClient();
  const kept = client.open();
  client.open();
  client.frames();
  client.send(
    goAway(1, NO_ERROR),
    headers(3, block(...RESPONSE)),
    data(3, 'abc', END_STREAM),
    rstStream(3, REFUSED_STREAM),
  );
  t.strictSame(client.frames(), []);
  t.equal(kept.closed, undefined);
  t.equal(client.closed, null);
});

await t.test('§6.8 a last stream id that grew ends the connection, PROTOCOL_ERROR', async (t) => {
  const client = new ScriptedClient();
  client.open();
  client.frames();
  client.send(goAway(1, NO_ERROR), goAway(3, NO_ERROR));
  const last = client.frames().at(-1);
  t.equal(last?.type === 'GOAWAY' && last.errorCode, PROTOCOL_ERROR);
  t.match(client.closed?.message ?? '', /goaway\.last-stream-id-increased/);
});

await t.test(
  '§6.8 a client’s GOAWAY lets its calls end and closes an idle connection',
  async (t) => {
    const server = new ScriptedServer();
    server.send(headers(1, block(...REQUEST)), goAway(0, NO_ERROR));
    t.equal(server.streams[0]?.closed, undefined);
    server.send(data(1, 'abc', END_STREAM), ping('12345678'));
    t.equal(server.framesOf('PING').length, 1);
    const idle = new ScriptedServer();
    idle.send(goAway(0, NO_ERROR));
    t.ok(idle.frames().some((frame) => frame.type === 'GOAWAY'));
  },
);

await t.test('§6.8 debug data cannot forge log lines', async (t) => {
  const client = new ScriptedClient();
  const call = client.open();
  client.frames();
  client.send(goAway(0, 11, 'too_many_pings\r\nINFO all is well\u001b[2J'));
  t.match(call.closed?.reason ?? '', /too_many_pings\.\.INFO all is well\.\[2J/);
  t.match(call.closed?.reason ?? '', /^[ -~]*$/);
});
