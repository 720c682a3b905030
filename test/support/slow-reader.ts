/** Services that read slowly and write fast, and what lies between writer and reader meanwhile. */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Cardinality,
  type RpcMethodInvocationDescription,
  type Stub,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
} from '../../lib/index.ts';
import { openStub, startServer } from '../alpha/support/loopback.ts';
import { garbageCollector } from './garbage-collector.ts';
import type { TestContext } from './tap.ts';

const collect = await garbageCollector();

export const MIB: number = 1 << 20;
/**
 * What may lie between the writer's iterable and the reader: the windows at their largest (L30), the write quota (L17), the receive queue,
 * and the socket buffers of the kernel. A third of what flows at least.
 */
export const MAX_BETWEEN_OCTETS: number = 10 * MIB;
/**
 * Growth of heap and buffers, the garbage since the last collection included, which is most of it. A collection is made at every large stride:
 * left to itself a runtime on a busy machine lets more than this pile up, whoever makes it.
 */
const MAX_GROWTH_OCTETS = 96 * MIB;
/** Growth right after a collection: what both ends hold, and what of the garbage the runtime frees in the background. */
const MAX_HELD_OCTETS = 48 * MIB;

/** What the tests of a gibibyte stream; PUREWIRE_BACK_PRESSURE_MIB says otherwise. */
export const LARGE_OCTETS: number = Number(process.env['PUREWIRE_BACK_PRESSURE_MIB'] ?? 1024) * MIB;
/** Large messages, because it is memory that is measured, not speed. */
export const LARGE_MESSAGE_OCTETS: number = 2 * MIB;
/** A pause this often is more than may lie between: the writer is stopped before each. */
export const LARGE_STRIDE: number = 12 * MIB;

/** Counts what is written and read, and the memory in between. */
export class Gauge {
  written = 0;
  read = 0;
  mostBetween = 0;
  mostMemory = 0;
  /** Right after a collection; 0 where the runtime offers none. */
  mostHeld = 0;
  readonly #before: number;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor() {
    this.#before = Gauge.#memory();
    this.#timer = setInterval(() => this.#sample(), 5);
  }

  static #memory(): number {
    const { heapUsed, external } = process.memoryUsage();
    // Bun's heapUsed contains what its external counts: 64 MiB of buffers show as 64 MiB in both, and the sum would be 128. Until its
    // collector has seen them it shows two thirds of new ones in each.
    return process.versions['bun'] === undefined
      ? heapUsed + external
      : Math.max(heapUsed, external);
  }

  #sample(): number {
    const grown = Gauge.#memory() - this.#before;
    this.mostMemory = Math.max(this.mostMemory, grown);
    return grown;
  }

  /** Samples with the garbage and without. */
  #weigh(): void {
    if (collect === null) return;
    this.#sample();
    collect();
    this.mostHeld = Math.max(this.mostHeld, this.#sample());
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

  /** Reads to the end: nothing for a while, then with a pause after each `stride` octets. */
  async readSlowly(messages: AsyncIterable<Uint8Array>, stride: number = MIB): Promise<void> {
    await sleep(200);
    let untilPause = stride;
    let untilWeighed = LARGE_STRIDE;
    for await (const message of messages) {
      this.read += message.length;
      untilPause -= message.length;
      untilWeighed -= message.length;
      if (untilPause > 0) continue;
      untilPause = stride;
      await sleep(2);
      if (untilWeighed > 0) continue;
      untilWeighed = LARGE_STRIDE;
      this.#weigh();
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
      `figure: ${mib(octets)} MiB: at most ${mib(this.mostBetween)} MiB between writer and reader, memory grew by at most ${mib(this.mostMemory)} MiB, held ${mib(this.mostHeld)} MiB`,
    );
    t.ok(this.mostBetween <= MAX_BETWEEN_OCTETS, `${mib(this.mostBetween)} MiB between`);
    t.ok(this.mostMemory <= MAX_GROWTH_OCTETS, `${mib(this.mostMemory)} MiB of memory`);
    t.ok(this.mostHeld <= MAX_HELD_OCTETS, `${mib(this.mostHeld)} MiB held`);
    t.ok(this.mostBetween > 100_000, 'the writer was ahead of the reader');
  }
}

export const same = (octets: Uint8Array): Uint8Array => octets;
type Octets<Kind extends Cardinality> = RpcMethodInvocationDescription<
  Uint8Array,
  Uint8Array,
  Kind
>;

type FlowMethods = {
  Down: Octets<typeof Cardinality.UNARY_STREAM>;
  Up: Octets<typeof Cardinality.STREAM_UNARY>;
  Both: Octets<typeof Cardinality.STREAM_STREAM>;
};

const METHODS: FlowMethods = {
  Down: unaryStreamInvocationDescription(same, same),
  Up: streamUnaryInvocationDescription(same, same),
  Both: streamStreamInvocationDescription(same, same),
};

/** A stub and its server of three streaming methods; the server reads into `up`, `down` writes `octets` in messages of `size`. */
export async function pair(
  t: TestContext,
  up: Gauge,
  down: Gauge,
  octets: number,
  size: number,
  stride: number = MIB,
): Promise<Stub<FlowMethods>> {
  const server = await startServer(t, 'test.Flow', {
    Down: unaryStreamServiceDescription(() => down.write(octets, size), same, same),
    Up: streamUnaryServiceDescription(
      async (requests) => {
        await up.readSlowly(requests, stride);
        return new Uint8Array(0);
      },
      same,
      same,
    ),
    Both: streamStreamServiceDescription(
      async function* (requests) {
        // Reads on its own, so that both directions are full at once.
        const reading = up.readSlowly(requests, stride);
        yield* down.write(octets, size);
        await reading;
      },
      same,
      same,
    ),
  });
  return openStub(t, 'test.Flow', METHODS, server);
}
