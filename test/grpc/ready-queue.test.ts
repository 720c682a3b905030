import { READY_RUNS_PER_FLUSH, type ReadyEntry, ReadyQueue } from '../../lib/call/ready-queue.ts';
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
  // 128 in a microtask, the rest in two timers of the queue; ours may come between them.
  for (let turns = 0; turns < 10 && queue.length > 0; turns += 1) await timer();
  t.equal(
    entries.every((entry) => entry.runs === 1),
    true,
  );
  queue.pushSoon(late);
  await microtask();
  t.equal(late.runs, 1);
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
