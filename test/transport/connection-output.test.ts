/** When a tick's output leaves: in one write, or in growing parts when it has the frames of many calls. */

import { FIRST_WRITE_CALLS, MAX_WRITE_CALLS } from '../../transport/connection-output.ts';
import { data, END_HEADERS, END_STREAM, headers, octets } from '../support/frame-factory.ts';
import { block, REQUEST, ScriptedClient, ScriptedServer } from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';

const RESPONSE_FIELDS = [':status', '200'];
const TRAILER_FIELDS = ['grpc-status', '0'];
const MESSAGE = octets([1, 2, 3]);

/** A server with `count` open requests, ids 1, 3, 5 … */
function serverWith(count: number): ScriptedServer {
  const server = new ScriptedServer({ maxConcurrentStreams: 1000 });
  for (let i = 0; i < count; i++) {
    server.send(headers(1 + 2 * i, block(...REQUEST), END_HEADERS), data(1 + 2 * i, MESSAGE));
  }
  server.frames();
  server.pipe.writes = 0;
  return server;
}

function answer(server: ScriptedServer, at: number): void {
  const stream = server.streams[at]?.stream;
  stream?.sendHeaders(RESPONSE_FIELDS, null, false);
  stream?.sendMessage(0, MESSAGE, false);
  stream?.sendTrailers(TRAILER_FIELDS, null);
}

await t.test('the answers of few calls leave in one write, at the end of the tick', async (t) => {
  const server = serverWith(FIRST_WRITE_CALLS);
  for (let i = 0; i < FIRST_WRITE_CALLS; i++) answer(server, i);
  t.equal(server.pipe.writes, 0);
  t.equal(server.frames().length, 3 * FIRST_WRITE_CALLS);
  t.equal(server.pipe.writes, 1);
});

await t.test(
  'the first answers of many calls leave while the rest is made, each whole',
  async (t) => {
    const server = serverWith(100);
    const cutBehind: number[] = [];
    for (let i = 0; i < 100; i++) {
      const before = server.pipe.writes;
      answer(server, i);
      if (server.pipe.writes > before) cutBehind.push(i);
    }
    t.strictSame(cutBehind, [32, 32 + 64]);
    const ids = server.frames().map((frame) => ('streamId' in frame ? frame.streamId : 0));
    t.equal(server.pipe.writes, 3);
    t.strictSame(
      ids,
      Array.from({ length: 300 }, (_, i) => 1 + 2 * Math.floor(i / 3)),
      'in the order in which they were made',
    );
  },
);

await t.test('a large tick has few writes, and the next one begins anew', async (t) => {
  const client = new ScriptedClient();
  const lengths: number[] = [];
  const open = (count: number): void => {
    let last = client.pipe.writes;
    let inThisWrite = 0;
    for (let i = 0; i < count; i++) {
      const opened = client.open();
      if (client.pipe.writes !== last) {
        lengths.push(inThisWrite);
        inThisWrite = 0;
        last = client.pipe.writes;
      }
      inThisWrite += 1;
      opened.stream?.sendMessage(0, MESSAGE, true);
    }
    lengths.push(inThisWrite);
    client.tick();
    t.equal(client.pipe.writes, last + 1);
  };
  open(500);
  t.strictSame(lengths, [32, 64, MAX_WRITE_CALLS, MAX_WRITE_CALLS, MAX_WRITE_CALLS, 20]);
  lengths.length = 0;
  open(40);
  t.strictSame(lengths, [32, 8]);
});

await t.test('the messages of one stream are not cut into parts', async (t) => {
  const server = serverWith(1);
  const stream = server.streams[0]?.stream;
  stream?.sendHeaders(RESPONSE_FIELDS, null, false);
  for (let i = 0; i < 500; i++) stream?.sendMessage(0, MESSAGE, false);
  t.equal(server.pipe.writes, 0);
  t.equal(server.framesOf('DATA').length, 500);
  t.equal(server.pipe.writes, 1);
});

await t.test('a message on each of many open streams counts as a call', async (t) => {
  const server = serverWith(100);
  for (const { stream } of server.streams) stream?.sendHeaders(RESPONSE_FIELDS, null, false);
  server.frames();
  server.pipe.writes = 0;
  for (const { stream } of server.streams) stream?.sendMessage(0, MESSAGE, false);
  t.equal(server.pipe.writes, 2);
  t.equal(server.framesOf('DATA').length, 100);
  t.equal(server.pipe.writes, 3);
});

await t.test('a pipe that takes nothing is given nothing before it does', async (t) => {
  const server = serverWith(300);
  server.pipe.stalled = true;
  answer(server, 0);
  server.tick();
  t.equal(server.pipe.writes, 1);
  for (let i = 1; i < 300; i++) answer(server, i);
  t.equal(server.pipe.writes, 1);
  server.pipe.unstall();
  t.equal(server.pipe.writes, 2, 'then all of it at once');
  t.equal(server.frames().length, 900);
});

await t.test('HEADERS and END_STREAM alone count as a call too', async (t) => {
  const server = new ScriptedServer({ maxConcurrentStreams: 1000 });
  for (let i = 0; i < 33; i++) {
    server.send(headers(1 + 2 * i, block(...REQUEST), END_HEADERS | END_STREAM));
  }
  server.frames();
  server.pipe.writes = 0;
  for (const { stream } of server.streams) stream?.sendHeaders(RESPONSE_FIELDS, null, true);
  t.equal(server.pipe.writes, 1);
  t.equal(server.framesOf('HEADERS').length, 33);
});

await t.test('nothing leaves early behind a write that the system has not taken', async (t) => {
  const server = serverWith(100);
  server.pipe.pendingOctets = 1;
  for (let i = 0; i < 100; i++) answer(server, i);
  t.equal(server.pipe.writes, 0, 'there it would only be queued');
  t.equal(server.frames().length, 300);
  t.equal(server.pipe.writes, 1);
});

await t.test('a round of the scheduler is one write, however many calls end in it', async (t) => {
  const count = FIRST_WRITE_CALLS + 1;
  const server = serverWith(count);
  const first = server.streams[0]?.stream;
  first?.sendHeaders(RESPONSE_FIELDS, null, false);
  first?.sendMessage(0, new Uint8Array(20_000), false);
  first?.sendTrailers(TRAILER_FIELDS, null);
  for (let i = 1; i < count; i++) answer(server, i);
  const ids = server.frames().map((frame) => ('streamId' in frame ? frame.streamId : 0));
  t.equal(ids.at(-1), 1, 'ends last, behind all that wait');
  t.equal(server.pipe.writes, 1);
});
