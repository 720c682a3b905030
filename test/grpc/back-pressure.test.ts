/**
 * A slow reader stops a fast writer in bounded memory, in both directions and for every cardinality: 32 MiB per kind
 * of call and size of message here, a gibibyte each way in the tests called gibibyte.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { unaryUnaryInvocationDescription, unaryUnaryServiceDescription } from '../../lib/index.ts';
import { openStub, startServer } from '../alpha/support/loopback.ts';
import { Gauge, MAX_BETWEEN_OCTETS, MIB, pair, same } from '../support/slow-reader.ts';
import { t } from '../support/tap.ts';

const OCTETS_PER_SIZE = 32 * MIB;

/** Message sizes: one that fits in a frame, one that spans several, one larger than a stream's first window. */
const SIZES = [4096, 65_536, MIB] as const;

for (const size of SIZES) {
  const octets = OCTETS_PER_SIZE;
  const label = `messages of ${size} octets`;

  await t.test(`server streaming, ${label}`, async (t) => {
    const gauge = new Gauge();
    const stub = await pair(t, gauge, gauge, octets, size);
    await gauge.readSlowly(stub.Down(new Uint8Array(0), Number.POSITIVE_INFINITY));
    gauge.check(t, octets);
  });

  await t.test(`client streaming, ${label}`, async (t) => {
    const gauge = new Gauge();
    const stub = await pair(t, gauge, gauge, octets, size);
    await stub.Up(gauge.write(octets, size), Number.POSITIVE_INFINITY);
    gauge.check(t, octets);
  });

  await t.test(`both ways at once, ${label}`, async (t) => {
    const [up, down] = [new Gauge(), new Gauge()];
    const stub = await pair(t, up, down, octets, size);
    const responses = stub.Both(up.write(octets, size), Number.POSITIVE_INFINITY);
    await down.readSlowly(responses);
    up.check(t, octets);
    down.check(t, octets);
  });
}

await t.test('unary RPCs: as many messages are under way as there are streams', async (t) => {
  const streams = 4;
  const gauge = new Gauge();
  let running = 0;
  const server = await startServer(
    t,
    'test.Flow',
    {
      Put: unaryUnaryServiceDescription(
        async (request: Uint8Array) => {
          gauge.mostBetween = Math.max(gauge.mostBetween, ++running * request.length);
          await sleep(5);
          gauge.read += request.length;
          running -= 1;
          return request.subarray(0, 1);
        },
        same,
        same,
      ),
    },
    { limits: { maxConcurrentStreams: streams } },
  );
  const methods = { Put: unaryUnaryInvocationDescription(same, same) };
  const stub = openStub(t, 'test.Flow', methods, server);
  const message = new Uint8Array(2 * MIB);
  // The same octets each time: what is written by the program and waits is not what is measured.
  const calls = Array.from({ length: 64 }, () => stub.Put(message, Number.POSITIVE_INFINITY));
  await Promise.all(calls);
  t.ok(gauge.mostBetween <= streams * message.length, 'no more behaviours than streams');
  gauge.check(t, 64 * message.length);
});

await t.test('a reader that stops for good stops the writer; another call goes on', async (t) => {
  const gauge = new Gauge();
  const stub = await pair(t, gauge, gauge, 1024 * MIB, 65_536);
  const parked = stub.Down(new Uint8Array(0), Number.POSITIVE_INFINITY);
  await parked.next();
  await sleep(300);
  const { written } = gauge;
  t.ok(written < MAX_BETWEEN_OCTETS, `${(written / MIB).toFixed(1)} MiB were written`);
  await sleep(200);
  t.equal(gauge.written, written, 'and not one more');
  const other = new Gauge();
  const second = await pair(t, other, other, 4 * MIB, 65_536);
  await other.readSlowly(second.Down(new Uint8Array(0), 60));
  other.check(t, 4 * MIB);
  await parked.return();
  gauge.stop();
});
