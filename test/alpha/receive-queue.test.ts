import { MAX_QUEUED_OCTETS, ReceiveQueue } from '../../lib/alpha/receive-queue.ts';
import { t } from '../support/tap.ts';
import { rejection, thrown } from './support/fake-channel.ts';

const MAX_MESSAGES = 100;

await t.test('values come out in order, through growth and wrap-around', async (t) => {
  const queue = new ReceiveQueue<number>(MAX_MESSAGES);
  const seen: unknown[] = [];
  let pushed = 0;
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < (round % 7) + 1; i++) queue.push(pushed++, 1);
    for (let i = 0; i < round % 5; i++) {
      const result = queue.take();
      if (result !== null) seen.push(result.value);
    }
  }
  queue.end();
  for (let result = queue.take(); result?.done === false; result = queue.take()) {
    seen.push(result.value);
  }
  t.strictSame(
    seen,
    Array.from({ length: pushed }, (_, i) => i),
  );
});

await t.test('readers that came first are served first', async (t) => {
  const queue = new ReceiveQueue<string>(MAX_MESSAGES);
  const reads = [queue.next(), queue.next(), queue.next()];
  queue.push('a', 1);
  queue.push('b', 1);
  queue.end();
  t.strictSame(await Promise.all(reads), [
    { value: 'a', done: false },
    { value: 'b', done: false },
    { value: undefined, done: true },
  ]);
});

await t.test('an available value needs no more than one microtask', async (t) => {
  const queue = new ReceiveQueue<string>(MAX_MESSAGES);
  queue.push('a', 1);
  let seen = '';
  void queue.next().then(({ value }) => {
    seen = String(value);
  });
  await Promise.resolve();
  t.equal(seen, 'a');
});

await t.test('the bound counts octets', async (t) => {
  const queue = new ReceiveQueue<string>(MAX_MESSAGES);
  queue.push('a', MAX_QUEUED_OCTETS - 1);
  t.ok(queue.wantsMore);
  queue.push('b', 1);
  t.notOk(queue.wantsMore);
  queue.take();
  t.ok(queue.wantsMore);
});

await t.test('the bound counts messages', async (t) => {
  const queue = new ReceiveQueue<number>(MAX_MESSAGES);
  for (let i = 0; i < MAX_MESSAGES; i++) {
    t.ok(queue.wantsMore);
    queue.push(i, 0);
  }
  t.notOk(queue.wantsMore);
});

await t.test('the end comes after the values, and for ever', async (t) => {
  const queue = new ReceiveQueue<string>(MAX_MESSAGES);
  queue.push('a', 1);
  queue.end();
  queue.push('late', 1);
  queue.fail(() => new Error('late'));
  t.strictSame(await queue.next(), { value: 'a', done: false });
  t.strictSame(await queue.next(), { value: undefined, done: true });
  t.strictSame(await queue.next(), { value: undefined, done: true });
  t.strictSame(queue.take(), { value: undefined, done: true });
  t.notOk(queue.wantsMore);
});

await t.test('a failure beats values not yet read, and makes a new error each time', async (t) => {
  const queue = new ReceiveQueue<string>(MAX_MESSAGES);
  queue.push('lost', 1);
  queue.fail(() => new RangeError('aborted'));
  queue.end();
  const first = await rejection(queue.next());
  const second = await rejection(queue.next());
  t.equal(first.message, 'aborted');
  t.not(first, second);
  t.equal(thrown(() => queue.take()).message, 'aborted');
});

await t.test('a failure reaches the readers that wait', async (t) => {
  const queue = new ReceiveQueue<string>(MAX_MESSAGES);
  const reads = [queue.next(), queue.next()].map(rejection);
  queue.fail(() => new Error('aborted'));
  t.strictSame(
    (await Promise.all(reads)).map((error) => error.message),
    ['aborted', 'aborted'],
  );
});

await t.test('close drops what is queued and ends readers', async (t) => {
  const queue = new ReceiveQueue<string>(MAX_MESSAGES);
  queue.push('lost', 1);
  queue.close();
  t.strictSame(await queue.next(), { value: undefined, done: true });
  const waiting = new ReceiveQueue<string>(MAX_MESSAGES);
  const read = waiting.next();
  waiting.close();
  t.strictSame(await read, { value: undefined, done: true });
});

await t.test(
  'refuse overrides even an ended queue, and leaves readers to rejectReaders',
  async (t) => {
    const ended = new ReceiveQueue<string>(MAX_MESSAGES);
    ended.end();
    ended.refuse(() => new Error('own'));
    t.equal((await rejection(ended.next())).message, 'own');
    const open = new ReceiveQueue<string>(MAX_MESSAGES);
    const read = rejection(open.next());
    open.refuse(() => new Error('own'));
    open.rejectReaders(() => new Error('theirs'));
    t.equal((await read).message, 'theirs');
    t.equal((await rejection(open.next())).message, 'own');
  },
);
