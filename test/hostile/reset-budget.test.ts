/** L3 on calls that state a timeout: honest deadlines trip nothing, however they come; rapid reset trips it, whatever it states. */

import { inspectFrames } from '../../framing/frame-inspector.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import type { Limits } from '../../transport/limits.ts';
import { EchoService, HOLD } from '../support/echo-service.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { octets, PREFACE, rstStream, settings, settingsAck } from '../support/frame-factory.ts';
import { ScriptedPipe } from '../support/scripted-peer.ts';
import { type TestContext, t } from '../support/tap.ts';
import { Code, oddId, request, unaryCall } from './octets.ts';

const NO_REFILL: Partial<Limits> = { peerResetsPerSecond: 0 };
const TOO_MANY = `${Code.ENHANCE_YOUR_CALM} too_many_resets`;

/** A server whose handlers never answer, and one client that is the test. */
class Target {
  readonly clock = new FakeClock();
  readonly pipe = new ScriptedPipe();
  readonly service = new EchoService();
  readonly #server: GrpcServer;
  #opened = 0;

  constructor(limits: Partial<Limits> = NO_REFILL) {
    this.#server = new GrpcServer({ clock: this.clock, limits });
    this.#server.addMethods(this.service.methods);
    this.#server.accept(this.pipe);
    this.pipe.feed(octets(PREFACE, settings(), settingsAck()));
  }

  get starts(): number {
    return this.service.held.length;
  }

  /** Sends a call and returns its id. */
  call(timeout: string | null): number {
    const { octets: sent, id } = this.made(timeout);
    this.pipe.feed(sent);
    return id;
  }

  /** Opens a stream and sends no message on it. */
  headers(timeout: string): number {
    const id = oddId(this.#opened++);
    this.pipe.feed(request(id, HOLD.path, { extra: [['grpc-timeout', timeout]] }));
    return id;
  }

  made(timeout: string | null): { readonly octets: Uint8Array; readonly id: number } {
    const id = oddId(this.#opened++);
    return {
      octets: unaryCall(id, HOLD.path, '', timeout === null ? [] : [['grpc-timeout', timeout]]),
      id,
    };
  }

  reset(id: number): void {
    this.pipe.feed(rstStream(id, Code.CANCEL));
  }

  /** Sends a call and its reset in one read. */
  pair(timeout: string | null): void {
    const { octets: sent, id } = this.made(timeout);
    this.pipe.feed(octets(sent, rstStream(id, Code.CANCEL)));
  }

  /** Lets everything booked happen: flushes, turns, handlers. Returns the GOAWAY sent meanwhile as code and text, or ''. */
  async settle(): Promise<string> {
    let said = '';
    do {
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
      for (const sent of inspectFrames(this.pipe.take(), () => [])) {
        if (sent.type !== 'GOAWAY') continue;
        said = `${sent.errorCode} ${new TextDecoder().decode(sent.debugData)}`;
      }
    } while (this.pipe.paused && said === '');
    return said;
  }

  async close(): Promise<void> {
    this.pipe.destroy();
    await this.#server.closeNow();
  }
}

async function withTarget(limits: Partial<Limits>, use: (target: Target) => Promise<void>) {
  const target = new Target(limits);
  try {
    await use(target);
  } finally {
    await target.close();
  }
}

/** Sees that `allowed` rounds of `step` are borne and one more is not. */
async function expectLimit(
  t: TestContext,
  target: Target,
  allowed: number,
  step: () => Promise<void> | void,
): Promise<void> {
  let said = '';
  for (let i = 0; i < allowed && said === ''; i++) {
    await step();
    // As many streams as one turn takes (L23).
    if (i % 100 === 99) said = await target.settle();
  }
  t.equal(said || (await target.settle()), '', `${allowed} are borne`);
  await step();
  t.equal(await target.settle(), TOO_MANY, 'one more is not');
}

/**
 * What a client does that makes all its calls at once, `timeoutsMs[i]` long, and sends each when a stream is free, with the timeout it had
 * to begin with: the way of clients that do not know when their HEADERS leave.
 */
async function callsAtOnce(target: Target, timeoutsMs: readonly number[]): Promise<string> {
  const open: { readonly id: number; readonly dueMs: number }[] = [];
  let next = 0;
  let said = '';
  for (let ms = 0; (open.length > 0 || next < timeoutsMs.length) && said === ''; ms++) {
    for (let i = open.length - 1; i >= 0; i--) {
      if (open[i]!.dueMs <= ms) target.reset(open.splice(i, 1)[0]!.id);
    }
    while (open.length < 100 && next < timeoutsMs.length) {
      const dueMs = timeoutsMs[next++]!;
      if (dueMs > ms) open.push({ id: target.call(`${dueMs}m`), dueMs });
    }
    target.clock.advance(1);
    said = await target.settle();
  }
  return said;
}

const THOUSANDS: readonly number[] = Array.from({ length: 3000 }, (_, i) => 1 + (i % 300));

await t.test('L3 3,000 calls at once whose deadlines pass, and again', async (t) => {
  await withTarget(NO_REFILL, async (target) => {
    for (let round = 0; round < 5; round++) t.equal(await callsAtOnce(target, THOUSANDS), '');
    t.ok(target.starts > 1000, `${target.starts} handlers ran`);
  });
});

await t.test('L3 3,000 calls whose deadlines passed before anything was sent', async (t) => {
  // node:http2 sends HEADERS, DATA and RST_STREAM of every request that was closed before the connection was there.
  await withTarget(NO_REFILL, async (target) => {
    for (const [i, timeoutMs] of THOUSANDS.entries()) {
      target.pair(`${timeoutMs}m`);
      if (i % 100 === 99) t.equal(await target.settle(), '');
    }
    t.equal(target.starts, 0, 'no handler knows of them');
  });
});

await t.test('L3 a client whose calls all wait for almost all of their time', async (t) => {
  // More calls than streams for ever: each leaves the queue with 20 of its 1,000 milliseconds left, five of them a millisecond.
  await withTarget(NO_REFILL, async (target) => {
    const open: number[] = [];
    for (let ms = 0; ms < 5000; ms++) {
      for (let i = 0; i < 5; i++) {
        if (open.length === 100) target.reset(open.shift()!);
        open.push(target.call('1000m'));
      }
      target.clock.advance(1);
      if (ms % 4 === 3) t.equal(await target.settle(), '', `millisecond ${ms}`);
    }
  });
});

await t.test('L3 deadlines of a millisecond one after the other', async (t) => {
  await withTarget(NO_REFILL, async (target) => {
    for (let i = 0; i < 3000; i++) {
      const id = target.call('1m');
      await new Promise((resolve) => setImmediate(resolve));
      target.clock.advance(1);
      target.reset(id);
    }
    t.equal(await target.settle(), '');
  });
});

await t.test('L2 deadlines that pass on the client while no handler ends', async (t) => {
  await withTarget({ ...NO_REFILL, maxRunningHandlers: 10 }, async (target) => {
    for (let i = 0; i < 10; i++) target.call(null);
    for (let round = 0; round < 300; round++) {
      const ids = Array.from({ length: 10 }, () => target.call('1000m'));
      t.equal(await target.settle(), '', `round ${round}`);
      target.clock.advance(10);
      for (const id of ids) target.reset(id);
    }
    t.equal(target.starts, 10);
  });
});

await t.test(
  'L3 a timeout buys nothing for calls that are reset as soon as they run',
  async (t) => {
    for (const timeout of ['300m', '1H', '99999999H']) {
      await withTarget(NO_REFILL, async (target) => {
        await expectLimit(t, target, 1000, async () => {
          const id = target.call(timeout);
          await new Promise((resolve) => setImmediate(resolve));
          target.reset(id);
        });
        t.ok(target.starts <= 1001, `${target.starts} handlers ran`);
      });
    }
  },
);

await t.test('L3 a timeout that is malformed or missing buys nothing at all', async (t) => {
  for (const timeout of [null, '1x', '']) {
    await withTarget(NO_REFILL, async (target) => {
      await expectLimit(t, target, 1000, () => target.pair(timeout));
    });
  }
});

await t.test('L3 with a timeout, eight calls that no handler saw count as one', async (t) => {
  for (const timeout of ['300m', '99999999H', '1n', '0m']) {
    await withTarget(NO_REFILL, async (target) => {
      await expectLimit(t, target, 8000, () => target.pair(timeout));
      t.equal(target.starts, 0);
    });
  }
});

await t.test('L3 a call with a timeout pays for one reset in ten milliseconds', async (t) => {
  for (const [livedMs, borne] of [
    [9, false],
    [10, true],
  ] as const) {
    await withTarget(NO_REFILL, async (target) => {
      let said = '';
      for (let round = 0; round < 150 && said === ''; round++) {
        const ids = Array.from({ length: 100 }, () => target.call('300m'));
        said = await target.settle();
        target.clock.advance(livedMs);
        for (const id of ids) target.reset(id);
      }
      t.equal(said, borne ? '' : TOO_MANY, `${livedMs} ms`);
    });
  }
});

await t.test('L3 calls with a timeout pay for none without', async (t) => {
  await withTarget(NO_REFILL, async (target) => {
    const idle = Array.from({ length: 50 }, () => target.headers('1H'));
    const running = Array.from({ length: 20 }, () => target.call('1H'));
    t.equal(await target.settle(), '');
    for (let i = 0; i < 990; i++) {
      target.pair(null);
      if (i % 20 === 19) t.equal(await target.settle(), '');
    }
    target.clock.advance(60_000);
    for (const id of [...idle, ...running]) target.reset(id);
    t.equal(await target.settle(), '');
    await expectLimit(t, target, 10, () => target.pair(null));
  });
});

await t.test('L3 calls without a timeout leave those with one their budget', async (t) => {
  await withTarget(NO_REFILL, async (target) => {
    for (let i = 0; i < 1000; i++) {
      target.pair(null);
      if (i % 100 === 99) t.equal(await target.settle(), '');
    }
    for (const [i, timeoutMs] of THOUSANDS.entries()) {
      target.pair(`${timeoutMs}m`);
      if (i % 100 === 99) t.equal(await target.settle(), '');
    }
  });
});

await t.test('L3 streams that no handler saw pay for no other reset', async (t) => {
  await withTarget(NO_REFILL, async (target) => {
    for (let i = 0; i < 7920; i++) {
      target.pair('1H');
      if (i % 100 === 99) t.equal(await target.settle(), '');
    }
    const idle = Array.from({ length: 50 }, () => target.headers('1H'));
    t.equal(await target.settle(), '');
    target.clock.advance(1000);
    for (const id of idle) target.reset(id);
    t.equal(await target.settle(), '');
    await expectLimit(t, target, 80, () => target.pair('1H'));
  });
});

await t.test('L3 what calls with a timeout have lived is not saved beyond the burst', async (t) => {
  await withTarget(NO_REFILL, async (target) => {
    const ids = Array.from({ length: 100 }, () => target.call('1H'));
    await target.settle();
    target.clock.advance(600_000);
    for (const id of ids) target.reset(id);
    await expectLimit(t, target, 1000, () => target.pair(null));
  });
});
