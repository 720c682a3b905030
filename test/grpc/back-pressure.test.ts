/**
 * A slow reader stops a fast writer in bounded memory, in both directions and for every streaming cardinality. 96 MiB per kind of call by
 * default; PUREWIRE_BACK_PRESSURE_MIB=1024 for a gibibyte.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
} from '../../lib/index.ts';
import { openStub, startServer } from '../alpha/support/loopback.ts';
import { type TestContext, t } from '../support/tap.ts';

const MIB = 1 << 20;
const TOTAL_OCTETS = Number(process.env['PUREWIRE_BACK_PRESSURE_MIB'] ?? 96) * MIB;
/**
 * What may lie between the writer's iterable and the reader: the windows at their largest (L30), the write quota (L17), the receive queue,
 * and the socket buffers of the kernel. A third of what flows at least.
 */
const MAX_BETWEEN_OCTETS = 10 * MIB;
/** Growth of heap and buffers, the garbage between two collections included, which is most of it. */
const MAX_GROWTH_OCTETS = 96 * MIB;

/** Counts what is written and read, and the memory in between. */
class Gauge {
  written = 0;
  read = 0;
  mostBetween = 0;
  mostMemory = 0;
  readonly #before: number;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor() {
    this.#before = Gauge.#memory();
    this.#timer = setInterval(() => this.#sample(), 5);
  }

  static #memory(): number {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  }

  #sample(): void {
    this.mostMemory = Math.max(this.mostMemory, Gauge.#memory() - this.#before);
  }

  /** Yields `octets` octets in messages of `size`, as fast as they are taken. */
  *write(octets: number, size: number): Generator<Uint8Array> {
    const message = new Uint8Array(size).fill(7);
    for (let sent = 0; sent < octets; sent += size) {
      this.written += size;
      this.mostBetween = Math.max(this.mostBetween, this.written - this.read);
      yield message;
    }
  }

  /** Reads to the end: nothing for a while, then with a pause after each mebibyte. */
  async readSlowly(messages: AsyncIterable<Uint8Array>): Promise<void> {
    await sleep(200);
    let untilPause = MIB;
    for await (const message of messages) {
      this.read += message.length;
      untilPause -= message.length;
      if (untilPause > 0) continue;
      untilPause = MIB;
      await sleep(2);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#sample();
  }

  check(t: TestContext, octets: number): void {
    this.stop();
    const mib = (count: number): string => (count / MIB).toFixed(1);
    t.equal(this.read, octets, 'every octet arrived');
    t.comment(
      `${mib(octets)} MiB: at most ${mib(this.mostBetween)} MiB between writer and reader, memory grew by at most ${mib(this.mostMemory)} MiB`,
    );
    t.ok(this.mostBetween <= MAX_BETWEEN_OCTETS, `${mib(this.mostBetween)} MiB between`);
    t.ok(this.mostMemory <= MAX_GROWTH_OCTETS, `${mib(this.mostMemory)} MiB of memory`);
    t.ok(this.mostBetween > 100_000, 'the writer was ahead of the reader');
  }
}

const same = (octets: Uint8Array): Uint8Array => octets;
const METHODS = {
  Down: unaryStreamInvocationDescription(same, same),
  Up: streamUnaryInvocationDescription(same, same),
  Both: streamStreamInvocationDescription(same, same),
};

/** Message sizes: one that fits in a frame, one that spans several, one larger than a stream's first window. */
const SIZES = [4096, 65_536, MIB] as const;

async function pair(t: TestContext, up: Gauge, down: Gauge, octets: number, size: number) {
  const server = await startServer(t, 'test.Flow', {
    Down: unaryStreamServiceDescription(() => down.write(octets, size), same, same),
    Up: streamUnaryServiceDescription(
      async (requests) => {
        await up.readSlowly(requests);
        return new Uint8Array(0);
      },
      same,
      same,
    ),
    Both: streamStreamServiceDescription(
      async function* (requests) {
        // Reads on its own, so that both directions are full at once.
        const reading = up.readSlowly(requests);
        yield* down.write(octets, size);
        await reading;
      },
      same,
      same,
    ),
  });
  return openStub(t, 'test.Flow', METHODS, server);
}

for (const size of SIZES) {
  const octets = Math.ceil(TOTAL_OCTETS / SIZES.length / MIB) * MIB;
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
