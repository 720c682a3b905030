import { ErrorCode } from '../../framing/constants.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
import {
  data,
  END_HEADERS,
  END_STREAM,
  goAway,
  headers,
  octets,
  PREFACE,
  rstStream,
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

const ES_EH = END_STREAM | END_HEADERS;
const MESSAGE = octets([0, 0, 0, 0, 3, 1, 2, 3]);

await t.test(
  '§3.4 a server answers the preface with SETTINGS, a window and an ACK in one write',
  async (t) => {
    const server = new ScriptedServer({}, false);
    server.tick();
    server.pipe.writes = 0;
    server.send(PREFACE, settings());
    const frames = server.frames();
    t.equal(server.pipe.writes, 1);
    t.strictSame(
      frames.map((frame) => frame.type),
      ['SETTINGS', 'WINDOW_UPDATE', 'SETTINGS'],
    );
  },
);

await t.test(
  '§8.1 a server receives a request and answers with headers, a message and trailers in one write',
  async (t) => {
    const server = new ScriptedServer();
    server.send(headers(1, block(...REQUEST)), data(1, MESSAGE, END_STREAM));
    const [stream] = server.streams;
    t.strictSame(
      stream?.events.map((event) => event.type),
      ['headers', 'data'],
    );
    t.strictSame(stream?.received, MESSAGE);
    server.frames();
    server.pipe.writes = 0;
    stream?.stream?.sendHeaders([':status', '200'], null, false);
    t.equal(stream?.stream?.sendMessage(0, octets([9]), false), true);
    stream?.stream?.sendTrailers(['grpc-status', '0'], null);
    const frames = server.frames();
    t.equal(server.pipe.writes, 1);
    t.strictSame(
      frames.map((frame) => frame.type),
      ['HEADERS', 'DATA', 'HEADERS'],
    );
    t.strictSame(stream?.closed, {
      type: 'closed',
      errorCode: ErrorCode.NO_ERROR,
      initiator: Initiator.REMOTE,
      progress: StreamProgress.PROCESSED,
      reason: '',
    });
    t.equal(server.connection.activeStreams, 0);
  },
);

await t.test(
  '§3.4 a client puts preface, SETTINGS and its first call into one write',
  async (t) => {
    const client = new ScriptedClient({}, { greet: false });
    const call = client.open();
    call.stream?.sendMessage(0, octets([1, 2]), true);
    const frames = client.frames();
    t.equal(client.pipe.writes, 1);
    t.strictSame(
      frames.map((frame) => frame.type),
      ['PREFACE', 'SETTINGS', 'WINDOW_UPDATE', 'HEADERS', 'DATA'],
    );
  },
);

await t.test('§8.1 a client receives headers, a message and trailers', async (t) => {
  const client = new ScriptedClient();
  const call = client.open();
  call.stream?.sendMessage(0, octets([1]), true);
  client.frames();
  client.send(
    headers(1, block(...RESPONSE)),
    data(1, MESSAGE),
    headers(1, block(['grpc-status', '0']), ES_EH),
  );
  t.strictSame(
    call.events.map((event) => event.type),
    ['headers', 'data', 'trailers', 'closed'],
  );
  t.equal(client.connection.activeStreams, 0);
});

await t.test(
  '§5.1.2 streams beyond the peer’s limit wait in order and put nothing on the wire',
  async (t) => {
    const client = new ScriptedClient({}, { greet: false });
    client.send(settings([3, 1]), settingsAck());
    const first = client.open();
    const second = client.open();
    first.stream?.sendMessage(0, octets([1]), true);
    second.stream?.sendMessage(0, octets([2]), true);
    t.equal(second.stream?.id, 0);
    t.equal(client.framesOf('HEADERS').length, 1);
    client.send(headers(1, block(...RESPONSE)), headers(1, block(['grpc-status', '0']), ES_EH));
    const frames = client.frames();
    t.strictSame(
      frames.map((frame) => frame.type),
      ['HEADERS', 'DATA'],
    );
    t.equal(second.stream?.id, 3);
  },
);

await t.test(
  '§6.9 a message larger than the window leaves in pieces as credit arrives',
  async (t) => {
    const client = new ScriptedClient();
    const call = client.open();
    const message = new Uint8Array(200_000).map((_, index) => index & 255);
    t.equal(call.stream?.sendMessage(0, message, true), true);
    let sent: Uint8Array = octets();
    const take = (): void => {
      for (const frame of client.frames()) {
        if (frame.type === 'DATA') sent = octets(sent, frame.data);
      }
    };
    take();
    t.equal(sent.length, 65_535);
    client.send(windowUpdate(0, 1_000_000));
    take();
    t.equal(sent.length, 65_535, 'the stream window still stops it');
    client.send(windowUpdate(1, 10));
    take();
    t.equal(sent.length, 65_545);
    client.send(windowUpdate(1, 1_000_000));
    take();
    t.equal(sent.length, 200_005);
    t.strictSame(sent.subarray(5), message);
  },
);

await t.test(
  '§6.9.2 INITIAL_WINDOW_SIZE may make a window negative; credit must come above zero first',
  async (t) => {
    const client = new ScriptedClient();
    const call = client.open();
    call.stream?.sendMessage(0, new Uint8Array(60_000), false);
    client.frames();
    client.send(settings([4, 10]));
    client.frames();
    call.stream?.sendMessage(0, new Uint8Array(100), true);
    t.equal(client.framesOf('DATA').length, 0);
    client.send(windowUpdate(1, 59_995));
    t.equal(client.framesOf('DATA').length, 0, 'window is exactly 0');
    client.send(windowUpdate(1, 1));
    const frames = client.framesOf('DATA');
    t.equal(frames.length, 1);
  },
);

await t.test('§6.4 RST_STREAM by the peer ends the stream and is not echoed', async (t) => {
  const client = new ScriptedClient();
  const call = client.open();
  client.frames();
  client.send(rstStream(1, ErrorCode.REFUSED_STREAM));
  t.strictSame(call.closed, {
    type: 'closed',
    errorCode: ErrorCode.REFUSED_STREAM,
    initiator: Initiator.REMOTE,
    progress: StreamProgress.REFUSED,
    reason: '',
  });
  t.strictSame(client.frames(), []);
});

await t.test(
  '§6.8 GOAWAY refuses the streams above its last id and lets the others end',
  async (t) => {
    const client = new ScriptedClient();
    const first = client.open();
    const second = client.open();
    first.stream?.sendEnd();
    client.frames();
    client.send(goAway(1, ErrorCode.NO_ERROR, 'max_age'));
    t.equal(first.closed, undefined);
    t.equal(second.closed?.progress, StreamProgress.REFUSED);
    t.equal(second.closed?.initiator, Initiator.CONNECTION);
    t.equal(client.draining.length, 1);
    client.send(headers(1, block(...RESPONSE)), headers(1, block(['grpc-status', '0']), ES_EH));
    t.equal(first.closed?.errorCode, ErrorCode.NO_ERROR);
    t.equal(client.pipe.ended, true);
  },
);

await t.test('§6.8 a server drains in two steps and closes after the last stream', async (t) => {
  const server = new ScriptedServer();
  server.send(headers(1, block(...REQUEST), ES_EH));
  server.connection.drain();
  const first = server.frames();
  t.strictSame(
    first.map((frame) => frame.type),
    ['GOAWAY', 'PING'],
  );
  const ping = first[1];
  if (ping?.type !== 'PING') throw new Error('no PING');
  server.send(headers(3, block(...REQUEST), ES_EH));
  t.equal(server.streams.length, 2, 'a request that crossed the first GOAWAY is served');
  server.send(octets([0, 0, 8, 6, 1, 0, 0, 0, 0], ping.payload));
  const [second] = server.frames();
  t.equal(second?.type === 'GOAWAY' ? second.lastStreamId : -1, 3);
  for (const stream of server.streams)
    stream.stream?.sendTrailers([':status', '200', 'grpc-status', '0'], null);
  server.frames();
  t.equal(server.pipe.ended, true);
});

await t.test('§6.9.1 the receive windows are credited as the application consumes', async (t) => {
  const server = new ScriptedServer();
  server.usesAtOnce = false;
  server.send(headers(1, block(...REQUEST)));
  for (let sent = 0; sent < 131_072; sent += 16_384) server.send(data(1, new Uint8Array(16_384)));
  t.strictSame(
    server.framesOf('WINDOW_UPDATE').length,
    0,
    'stream credit waits for the application',
  );
  server.streams[0]?.stream?.consume(131_072);
  const [update] = server.framesOf('WINDOW_UPDATE');
  t.strictSame(update, {
    type: 'WINDOW_UPDATE',
    length: 4,
    flags: 0,
    streamId: 1,
    increment: 131_072,
  });
});

await t.test('§6.9.1 a message above the window is let in when it is expected', async (t) => {
  const server = new ScriptedServer();
  server.usesAtOnce = false;
  server.send(headers(1, block(...REQUEST)));
  for (let sent = 0; sent < 262_144; sent += 16_384) server.send(data(1, new Uint8Array(16_384)));
  server.streams[0]?.stream?.expect(1_000_000);
  const updates = server
    .framesOf('WINDOW_UPDATE')
    .filter((frame) => frame.type === 'WINDOW_UPDATE' && frame.streamId === 1);
  t.equal(updates[0]?.type === 'WINDOW_UPDATE' ? updates[0].increment : 0, 1_000_000);
});
