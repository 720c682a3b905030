import type { Limits } from '../../transport/limits.ts';
import { headers, octets, settings, windowUpdate } from '../support/frame-factory.ts';
import { block, REQUEST, ScriptedServer } from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';

const KIB = 1024;
const MEBIBYTE = 1_048_576;
const INITIAL_WINDOW_SIZE = 4;
/** One frame more than was asked for, with headers before it and behind. */
const SLACK = 17 * KIB;

/** A server whose peer takes any amount, with one stream; `sizes` are the octets of each write from here on. */
function openScene(limits: Partial<Limits> = {}) {
  const server = new ScriptedServer(limits);
  server.send(
    settings([INITIAL_WINDOW_SIZE, 0x7fff_ffff]),
    windowUpdate(0, 0x7000_0000),
    headers(1, block(...REQUEST)),
  );
  const stream = server.streams[0]!.stream!;
  stream.sendHeaders([':status', '200'], null, false);
  server.frames();
  const sizes: number[] = [];
  const { pipe } = server;
  const write = pipe.write.bind(pipe);
  pipe.write = (chunks) => {
    sizes.push(octets(...chunks).length);
    return write(chunks);
  };
  const send = (octetCount: number): void => {
    stream.sendMessage(0, new Uint8Array(octetCount), false);
    server.tick();
  };
  return { server, sizes, send };
}

await t.test('a pipe that took 256 KiB at once is given 1 MiB at a time', async (t) => {
  const { sizes, send } = openScene();
  send(3 * MEBIBYTE);
  const [first = 0, second = 0, third = 0, ...rest] = sizes;
  t.ok(first >= 256 * KIB && first < 256 * KIB + SLACK, `first write: ${first}`);
  t.ok(second >= MEBIBYTE && second < MEBIBYTE + SLACK, `second write: ${second}`);
  t.ok(third >= MEBIBYTE && third < MEBIBYTE + SLACK, `third write: ${third}`);
  t.equal(rest.length, 1);
});

await t.test('small writes show nothing of the pipe', async (t) => {
  const { sizes, send } = openScene();
  for (let i = 0; i < 100; i++) send(100 * KIB);
  sizes.length = 0;
  send(MEBIBYTE);
  t.ok((sizes[0] ?? 0) < 256 * KIB + SLACK, `first write: ${sizes[0]}`);
});

await t.test('a pipe that did not take all at once is given 256 KiB next', async (t) => {
  const { server, sizes, send } = openScene();
  send(MEBIBYTE);
  sizes.length = 0;
  server.pipe.stalled = true;
  send(4 * MEBIBYTE);
  t.equal(sizes.length, 1, 'it holds one write');
  t.ok((sizes[0] ?? 0) < MEBIBYTE + SLACK, `which is ${sizes[0]}`);
  server.pipe.unstall();
  server.tick();
  t.ok((sizes[1] ?? 0) < 256 * KIB + SLACK, `the write after the stall: ${sizes[1]}`);
});

await t.test('small messages are given 256 KiB at a time', async (t) => {
  const { server, sizes } = openScene();
  const stream = server.streams[0]!.stream!;
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 600; i++) stream.sendMessage(0, new Uint8Array(KIB), false);
    server.tick();
  }
  const largest = Math.max(...sizes);
  t.ok(largest >= 256 * KIB && largest < 256 * KIB + SLACK, `largest write: ${largest}`);
});

await t.test('so are small messages behind a large one, from the second write on', async (t) => {
  const { server, sizes, send } = openScene();
  send(3 * MEBIBYTE);
  const stream = server.streams[0]!.stream!;
  for (let round = 0; round < 3; round++) {
    sizes.length = 0;
    for (let i = 0; i < 600; i++) stream.sendMessage(0, new Uint8Array(KIB), false);
    server.tick();
  }
  const largest = Math.max(...sizes);
  t.ok(largest < 256 * KIB + SLACK, `largest write: ${largest}`);
});

await t.test(
  'L17 no write is larger than connectionWriteQuotaOctets, from 256 KiB on',
  async (t) => {
    for (const [quota, most] of [
      [400 * KIB, 400 * KIB],
      [64 * KIB, 256 * KIB],
    ] as const) {
      const { sizes, send } = openScene({ connectionWriteQuotaOctets: quota });
      send(3 * MEBIBYTE);
      const largest = Math.max(...sizes);
      t.ok(largest >= most && largest < most + SLACK, `largest write: ${largest}`);
    }
  },
);
