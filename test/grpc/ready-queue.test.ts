import {
  READY_RUNS_PER_FLUSH,
  type ReadyEntry,
  ReadyQueue,
  WORK_PER_TURN,
} from '../../lib/call/ready-queue.ts';
import { t } from '../support/tap.ts';

class Entry implements ReadyEntry {
  inReadyQueue = false;
  runs = 0;
  readonly onRun: (entry: Entry) => void;

  constructor(onRun: (entry: Entry) => void = () => {}) {
    this.onRun = onRun;
  }

  runReady(): void {
    this.runs++;
    this.onRun(this);
  }
}

const microtask = (): Promise<void> => Promise.resolve();
const timer = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

function queueWithErrors(): { queue: ReadyQueue; errors: unknown[] } {
  const errors: unknown[] = [];
  return { queue: new ReadyQueue((error) => errors.push(error)), errors };
}

await t.test('entries run in order, each queued at most once', async (t) => {
  const { queue } = queueWithErrors();
  const order: number[] = [];
  const entries = [0, 1, 2].map((n) => new Entry(() => order.push(n)));
  for (const entry of entries) queue.push(entry);
  for (const entry of entries) queue.push(entry);
  t.equal(queue.length, 3);
  t.equal(queue.run(), false);
  t.strictSame(order, [0, 1, 2]);
  t.equal(queue.run(), false);
  t.strictSame(order, [0, 1, 2]);
});

await t.test('push alone waits for the hook, pushSoon runs in a microtask', async (t) => {
  const { queue } = queueWithErrors();
  const entry = new Entry();
  queue.push(entry);
  await microtask();
  t.equal(entry.runs, 0);
  queue.pushSoon(entry);
  t.equal(entry.runs, 0, 'not re-entrantly');
  await microtask();
  t.equal(entry.runs, 1);
  queue.pushSoon(entry);
  t.equal(queue.run(), false);
  t.equal(entry.runs, 2, 'the hook came first');
  await microtask();
  t.equal(entry.runs, 2);
});

await t.test('at most 128 run between two flushes, the rest stays in order', async (t) => {
  const { queue } = queueWithErrors();
  const order: number[] = [];
  for (let n = 0; n < 300; n++) queue.push(new Entry(() => order.push(n)));
  t.equal(queue.run(), true);
  t.equal(order.length, READY_RUNS_PER_FLUSH);
  t.equal(queue.run(), true);
  t.equal(queue.run(), false);
  t.strictSame(
    order,
    Array.from({ length: 300 }, (_, n) => n),
  );
});

await t.test('what is left over runs even when no connection calls again', async (t) => {
  const { queue } = queueWithErrors();
  const entries = Array.from({ length: 300 }, () => new Entry());
  for (const entry of entries) queue.pushSoon(entry);
  const late = new Entry();
  // 128 in a microtask, the rest in two turns of the queue; ours may come between them.
  for (let turns = 0; turns < 10 && queue.length > 0; turns += 1) await timer();
  t.equal(
    entries.every((entry) => entry.runs === 1),
    true,
  );
  queue.pushSoon(late);
  await microtask();
  t.equal(late.runs, 1);
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Entries that each deliver `octets` and queue themselves again, `count` times in all. */
function deliverer(queue: ReadyQueue, octets: number, count: number): Entry {
  return new Entry((entry) => {
    queue.chargeMessage(octets);
    if (entry.runs < count) queue.pushSoon(entry);
  });
}

await t.test(
  'L23 what is delivered in microtasks gives way when the turn has had its work',
  async (t) => {
    const { queue } = queueWithErrors();
    const entry = deliverer(queue, 0, 2 * WORK_PER_TURN + 10);
    queue.pushSoon(entry);
    for (let runs = 0; runs < 4 * WORK_PER_TURN; runs++) await microtask();
    t.ok(entry.runs <= WORK_PER_TURN, `${entry.runs} before the first turn`);
    const perTurn: number[] = [];
    for (let turns = 0; entry.runs < 2 * WORK_PER_TURN + 10 && turns < 100; turns++) {
      const before = entry.runs;
      await turn();
      perTurn.push(entry.runs - before);
    }
    t.equal(entry.runs, 2 * WORK_PER_TURN + 10, 'nothing is lost');
    t.ok(Math.max(...perTurn) <= WORK_PER_TURN, perTurn.join(' '));
  },
);

await t.test('L23 large and inflated messages are more work than small ones', async (t) => {
  const sum = (charge: (queue: ReadyQueue) => void): number => {
    const { queue } = queueWithErrors();
    let messages = 0;
    while (queue.mayDeliver(0)) {
      charge(queue);
      messages++;
    }
    return messages;
  };
  t.equal(
    sum((queue) => queue.chargeMessage(1023)),
    1024,
  );
  t.equal(
    sum((queue) => queue.chargeMessage(65_536)),
    16,
  );
  t.equal(
    sum((queue) => {
      queue.chargeInflated(65_536);
      queue.chargeMessage(65_536);
    }),
    8,
  );
  t.equal(
    sum((queue) => queue.chargeMessage(64 * 2 ** 20)),
    1,
    'one always goes',
  );
});

await t.test('L23 octets that are read pay for what they bring', async (t) => {
  const { queue } = queueWithErrors();
  const unary = (): Entry => new Entry(() => queue.chargeMessage(0));
  let ran = 0;
  // Unary calls of 30 octets, a hundred in each read, never wait for a turn.
  for (let reads = 0; reads < 200; reads++) {
    const entries = Array.from({ length: 100 }, unary);
    for (const entry of entries) queue.push(entry);
    t.equal(queue.run(3000), false);
    ran += entries.filter(({ runs }) => runs === 1).length;
  }
  t.equal(ran, 20_000);
  // A read of one octet, as each TLS record may be, buys nothing.
  const tiny = deliverer(queue, 0, 10 * WORK_PER_TURN);
  for (let reads = 0; reads < 100; reads++) {
    queue.push(tiny);
    queue.run(1);
  }
  t.ok(tiny.runs <= WORK_PER_TURN, `${tiny.runs} in one turn`);
  // A whole read of a socket brings more than a turn has, and no more than once.
  const full = queueWithErrors().queue;
  full.run(65_536);
  full.run(65_536);
  let messages = 0;
  for (; full.mayDeliver(0); messages++) full.chargeMessage(0);
  t.equal(messages, 4 * WORK_PER_TURN);
});

await t.test(
  'an entry may queue itself and others while it runs; run is not re-entered',
  async (t) => {
    const { queue } = queueWithErrors();
    const log: string[] = [];
    const other = new Entry(() => log.push('other'));
    const self = new Entry((entry) => {
      log.push('self');
      if (entry.runs === 1) {
        queue.pushSoon(entry);
        queue.push(other);
        t.equal(queue.run(), false);
        log.push('end');
      }
    });
    queue.push(self);
    queue.run();
    t.strictSame(log, ['self', 'end', 'self', 'other']);
  },
);

await t.test(
  'S19 exceptions are reported and stop nobody, not even those of the reporter',
  async (t) => {
    const { queue, errors } = queueWithErrors();
    const after = new Entry();
    queue.push(
      new Entry(() => {
        throw new Error('mine');
      }),
    );
    queue.push(after);
    t.equal(queue.run(), false);
    t.equal(after.runs, 1);
    t.match((errors[0] as Error).message, 'mine');

    const broken = new ReadyQueue(() => {
      throw new Error('reporter');
    });
    broken.push(
      new Entry(() => {
        throw new Error('mine');
      }),
    );
    broken.push(after);
    t.equal(broken.run(), false);
    t.equal(after.runs, 2);
  },
);
