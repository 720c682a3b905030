import { borrow, endLoan, isLent, lend } from '../../framing/lent-octets.ts';
import { MessageQueue } from '../../lib/call/message-queue.ts';
import { keptRange } from '../../lib/call/message-range.ts';
import { t } from '../support/tap.ts';

const textOf = (octets: Uint8Array): string => new TextDecoder().decode(octets);

/** A read buffer that is lent for `use` and filled anew afterwards. */
function read(octets: Uint8Array, use: (chunk: Uint8Array) => void): void {
  const buffer = new Uint8Array(65_536);
  buffer.set(octets);
  lend(buffer);
  use(buffer);
  endLoan();
  buffer.fill(0xee);
}

function message(text: string): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, text.length, ...new TextEncoder().encode(text));
}

await t.test('a chunk is lent until its loan ends', async (t) => {
  const chunk = new Uint8Array(4);
  const other = new Uint8Array(4);
  t.equal(isLent(chunk), false);
  lend(chunk);
  t.strictSame([isLent(chunk), isLent(other)], [true, false]);
  endLoan();
  t.equal(isLent(chunk), false);
});

await t.test('each borrower is told once, while the octets are still valid', async (t) => {
  const heard: string[] = [];
  read(message('abc'), (chunk) => {
    for (const name of ['a', 'b']) {
      borrow({
        secure: () => heard.push(`${name} ${isLent(chunk)} ${textOf(chunk.subarray(5, 8))}`),
      });
    }
    t.strictSame(heard, []);
  });
  t.strictSame(heard, ['a true abc', 'b true abc']);
  read(message('abc'), () => {});
  t.equal(heard.length, 2);
});

await t.test('keptRange copies what is lent and references what is not', async (t) => {
  let kept: Uint8Array = new Uint8Array(0);
  read(message('abc'), (chunk) => {
    kept = keptRange(chunk, 5, 8);
  });
  t.equal(textOf(kept), 'abc');
  t.equal(kept.buffer.byteLength, 3, 'F10: no pool is kept with it');
  const large = new Uint8Array(512).fill(7);
  read(large, (chunk) => {
    kept = keptRange(chunk, 0, 512);
  });
  t.strictSame([...kept], [...large]);
  t.ok(kept.buffer.byteLength <= 16 * 512, 'F10: at most sixteen times itself');
  const own = message('abc');
  t.equal(keptRange(own, 0, own.length), own);
  t.equal(keptRange(own, 5, 8).buffer, own.buffer);
});

await t.test('a queue keeps messages that nobody takes during the read', async (t) => {
  const queue = new MessageQueue(100);
  const input = Uint8Array.of(...message('first'), ...message('second'), ...message('third'));
  // In three pieces that cut a prefix and a message in two.
  for (const [start, end] of [
    [0, 12],
    [12, 18],
    [18, input.length],
  ] as const) {
    read(input.subarray(start, end), (chunk) => queue.push(chunk, 0, end - start));
  }
  const found: string[] = [];
  while (queue.chunk !== null) {
    found.push(textOf(queue.chunk.subarray(queue.start, queue.end)));
    queue.shift();
  }
  t.strictSame(found, ['first', 'second', 'third']);
});

await t.test('a message taken during the read is handed on where it lies', async (t) => {
  const queue = new MessageQueue(100);
  read(message('abc'), (chunk) => {
    queue.push(chunk, 0, 8);
    t.equal(queue.chunk, chunk);
    queue.shift();
  });
  t.equal(queue.chunk, null);
  read(message(''), (chunk) => {
    queue.push(chunk, 0, 5);
    t.not(queue.chunk, chunk, 'an empty message holds nothing');
  });
});

await t.test(
  'messages that wait for their turn within the read are copied only at its end',
  async (t) => {
    const queue = new MessageQueue(100);
    const input = Uint8Array.of(...message('first'), ...message('second'), ...message('third'));
    read(input, (chunk) => {
      queue.push(chunk, 0, 10);
      queue.push(chunk, 10, 21);
      queue.push(chunk, 21, 31);
      // What a call does that has delivered as many as others let it.
      queue.compact();
      t.equal(queue.chunk, chunk);
      queue.shift();
      queue.compact();
      t.equal(queue.chunk, chunk);
    });
    t.equal(textOf(queue.chunk?.subarray(queue.start, queue.end) ?? input), 'second');
    t.equal(queue.chunk?.buffer.byteLength, 6, 'F10: nothing else is kept with it');
    queue.shift();
    t.equal(textOf(queue.chunk?.subarray(queue.start, queue.end) ?? input), 'third');
  },
);

await t.test('as few octets as a prefix are kept too, behind a message that waits', async (t) => {
  // What comes last of many responses: the prefix of an empty message, in a DATA frame of its own.
  const empty = message('');
  for (const cut of [0, 1, 2, 3, 4]) {
    const queue = new MessageQueue(100);
    read(message('first'), (chunk) => queue.push(chunk, 0, 10));
    read(empty.subarray(0, cut), (chunk) => queue.push(chunk, 0, cut));
    read(empty.subarray(cut), (chunk) => queue.push(chunk, 0, 5 - cut));
    t.equal(queue.chunk?.length, 5);
    queue.shift();
    t.equal(queue.overLimit, 0, `the prefix in pieces of ${cut} and ${5 - cut}`);
    t.strictSame([queue.chunk?.length, queue.flags], [0, 0]);
  }
});

await t.test('a message that ends in a few octets of a read is kept', async (t) => {
  const input = message('ab');
  const queue = new MessageQueue(100);
  read(input.subarray(0, 3), (chunk) => queue.push(chunk, 0, 3));
  read(input.subarray(3), (chunk) => queue.push(chunk, 0, 4));
  t.equal(textOf((queue.chunk ?? input).subarray(queue.start, queue.end)), 'ab');
});
