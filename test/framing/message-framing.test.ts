import { MessageDeframer, type MessageSink } from '../../framing/message/message-deframer.ts';
import { writeMessagePrefix } from '../../framing/message/message-framer.ts';
import { chunkings, randomCuts, randomFrom, testSeed } from '../support/chunkings.ts';
import { octets, uint32 } from '../support/frame-factory.ts';
import { garbageCollector } from '../support/garbage-collector.ts';
import { t } from '../support/tap.ts';

/** Records messages as [flags, text] and keeps their ranges. */
class Messages implements MessageSink {
  readonly found: [flags: number, text: string][] = [];
  readonly ranges: { chunk: Uint8Array; start: number; end: number }[] = [];

  onDeframed(flags: number, chunk: Uint8Array, start: number, end: number): void {
    this.found.push([flags, textOf(chunk.subarray(start, end))]);
    this.ranges.push({ chunk, start, end });
  }

  /** The texts of the kept ranges as they are now. */
  get texts(): string[] {
    return this.ranges.map(({ chunk, start, end }) => textOf(chunk.subarray(start, end)));
  }
}

function textOf(input: Uint8Array): string {
  let text = '';
  for (const octet of input) text += String.fromCharCode(octet);
  return text;
}

function message(text: string, flags = 0): Uint8Array {
  return octets([flags], uint32(text.length), text);
}

function push(deframer: MessageDeframer, input: Uint8Array): void {
  deframer.push(input, 0, input.length);
}

/** Takes all messages that are complete. */
function takeAll(deframer: MessageDeframer, sink: Messages): void {
  while (deframer.next(sink));
}

/** `length` octets of text, different at each place. */
function text(length: number, seed: number): string {
  return Array.from({ length }, (_, i) =>
    String.fromCharCode((seed + i * 31 + (i >> 8)) & 0xff),
  ).join('');
}

await t.test('PROTOCOL-HTTP2 the prefix is a flags octet and a 32-bit length', async (t) => {
  const target = new Uint8Array(7);
  writeMessagePrefix(target, 1, 1, 0xfedcba98);
  t.strictSame([...target], [0, 1, 0xfe, 0xdc, 0xba, 0x98, 0]);
});

await t.test(
  'messages come out whole, in order, with their flags, under every chunking',
  async (t) => {
    const input = octets(
      message('hello'),
      message(''),
      message(text(3000, 5), 1),
      message('', 1),
      message('x', 255),
      message(text(300, 9)),
    );
    const wanted = [
      [0, 'hello'],
      [0, ''],
      [1, text(3000, 5)],
      [1, ''],
      [255, 'x'],
      [0, text(300, 9)],
    ];
    for (const { name, chunks } of chunkings(input)) {
      for (const compact of [false, true]) {
        for (const late of [false, true]) {
          const how = `${name}, ${compact ? 'compacted' : 'not compacted'}, ${late ? 'taken late' : 'taken at once'}`;
          const deframer = new MessageDeframer(4096);
          const sink = new Messages();
          for (const chunk of chunks) {
            push(deframer, chunk);
            if (!late) takeAll(deframer, sink);
            if (compact) deframer.compact();
          }
          takeAll(deframer, sink);
          t.strictSame(sink.found, wanted, how);
          t.strictSame(
            sink.texts,
            sink.found.map(([, found]) => found),
            `unchanged later, ${how}`,
          );
          t.equal(deframer.bufferedOctets, 0, how);
          t.equal(deframer.hasPartial, false, how);
          t.equal(deframer.takeReleased(), input.length, how);
          t.equal(deframer.takeReleased(), 0, how);
        }
      }
    }
  },
);

await t.test('a message inside one chunk is a range of it', async (t) => {
  const deframer = new MessageDeframer(100);
  const sink = new Messages();
  const input = octets('junk', message('abc'), message('de'), 'junk');
  deframer.push(input, 4, input.length - 4);
  takeAll(deframer, sink);
  t.strictSame(sink.ranges, [
    { chunk: input, start: 9, end: 12 },
    { chunk: input, start: 17, end: 19 },
  ]);
  t.equal(sink.ranges[0]?.chunk, input);
});

await t.test('only the message that lies across chunks is copied', async (t) => {
  const deframer = new MessageDeframer(1000);
  const sink = new Messages();
  const all = octets(message(text(290, 1)), message(text(300, 2)), message(text(310, 3)));
  const first = all.slice(0, 400);
  const second = all.slice(400);
  push(deframer, first);
  takeAll(deframer, sink);
  push(deframer, second);
  takeAll(deframer, sink);
  t.strictSame(
    sink.ranges.map(({ chunk }) => chunk === first || chunk === second),
    [true, false, true],
  );
  t.strictSame(
    sink.found.map(([, found]) => found),
    [text(290, 1), text(300, 2), text(310, 3)],
  );
});

await t.test('next delivers one message per call', async (t) => {
  const deframer = new MessageDeframer(100);
  const sink = new Messages();
  push(deframer, octets(message('a'), message('b')));
  t.equal(deframer.next(sink), true);
  t.strictSame(sink.found, [[0, 'a']]);
  t.equal(deframer.takeReleased(), 6);
  t.equal(deframer.bufferedOctets, 6);
  t.equal(deframer.next(sink), true);
  t.equal(deframer.next(sink), false);
  t.strictSame(sink.found, [
    [0, 'a'],
    [0, 'b'],
  ]);
});

await t.test('the sink may push and take more', async (t) => {
  const deframer = new MessageDeframer(100);
  const found: string[] = [];
  const sink: MessageSink = {
    onDeframed(_, chunk, start, end) {
      found.push(textOf(chunk.subarray(start, end)));
      if (found.length === 1) {
        push(deframer, message('third'));
        deframer.next(sink);
      }
    },
  };
  push(deframer, octets(message('first'), message('second')));
  deframer.next(sink);
  deframer.next(sink);
  t.strictSame(found, ['first', 'second', 'third']);
});

await t.test('bufferedOctets, wanted and hasPartial tell what is held and missing', async (t) => {
  const deframer = new MessageDeframer(5000);
  const sink = new Messages();
  const look = (): (number | boolean)[] => {
    t.equal(deframer.next(sink), false);
    return [deframer.bufferedOctets, deframer.wanted, deframer.hasPartial];
  };
  t.strictSame(look(), [0, 0, false]);
  push(deframer, octets([0]));
  t.strictSame(look(), [1, 4, true]);
  push(deframer, octets([0, 0]));
  t.strictSame(look(), [3, 2, true]);
  push(deframer, octets([0x03, 0xe8]));
  t.strictSame(look(), [5, 1000, true]);
  push(deframer, octets('abc'));
  t.strictSame(look(), [8, 997, true]);
  push(deframer, new Uint8Array(996));
  t.strictSame(look(), [1004, 1, true]);
  push(deframer, octets('x', [0]));
  t.equal(deframer.wanted, 0);
  t.equal(deframer.next(sink), true);
  t.strictSame(look(), [1, 4, true]);
  t.equal(deframer.takeReleased(), 1005);
  t.equal(deframer.takeReleased(), 0);
});

await t.test(
  'L18 S80 C20 a declared length over the maximum stops delivery at the fifth octet',
  async (t) => {
    for (const [maximum, declared] of [
      [100, 101],
      [4_194_304, 4_194_305],
      [100, 2 ** 32 - 1],
      [0, 1],
    ] as const) {
      const deframer = new MessageDeframer(maximum);
      const sink = new Messages();
      const prefix = octets([0], uint32(declared));
      push(deframer, message(''));
      push(deframer, prefix.slice(0, 4));
      takeAll(deframer, sink);
      t.equal(deframer.overLimit, 0);
      push(deframer, prefix.slice(4));
      t.equal(deframer.next(sink), false);
      t.equal(deframer.overLimit, declared);
      push(deframer, new Uint8Array(500));
      push(deframer, message('late'));
      t.equal(deframer.next(sink), false);
      t.equal(deframer.bufferedOctets, 0, 'nothing is kept');
      t.equal(deframer.wanted, 0);
      t.equal(deframer.takeReleased(), 5 + 5 + 500 + 9, 'dropped octets are released');
      t.strictSame(sink.found, [[0, '']]);
      deframer.compact();
    }
  },
);

await t.test('L18 a length of exactly the maximum is delivered', async (t) => {
  const deframer = new MessageDeframer(100);
  const sink = new Messages();
  push(deframer, message(text(100, 1)));
  takeAll(deframer, sink);
  t.strictSame(sink.found, [[0, text(100, 1)]]);
  t.equal(deframer.overLimit, 0);
});

await t.test('an unlimited deframer does not allocate by the declared length', async (t) => {
  const deframer = new MessageDeframer(Number.POSITIVE_INFINITY);
  const sink = new Messages();
  push(deframer, octets([0], uint32(2 ** 32 - 1), 'a few octets'));
  t.equal(deframer.next(sink), false);
  t.equal(deframer.overLimit, 0);
  t.equal(deframer.wanted, 2 ** 32 - 1 - 12);
});

await t.test('F10 compact frees the read buffer of which little is held', async (t) => {
  const sink = new Messages();
  for (const held of [3, 40, 5000]) {
    const deframer = new MessageDeframer(70_000);
    const read = new Uint8Array(65_536);
    const part = octets(message(text(60_000, held))).subarray(0, held);
    read.set(part);
    deframer.push(read, 0, held);
    deframer.next(sink);
    deframer.compact();
    // What is scribbled into the read buffer now cannot reach the message any more.
    read.fill(0xee);
    push(deframer, octets(message(text(60_000, held))).subarray(held));
    takeAll(deframer, sink);
    t.equal(sink.found.pop()?.[1] === text(60_000, held), true, `${held} octets held`);
  }
});

await t.test('F10 compact leaves a chunk that is mostly held', async (t) => {
  const deframer = new MessageDeframer(100_000);
  const sink = new Messages();
  const whole = octets(message('a'), message(text(60_000, 1)));
  const first = whole.slice(0, 30_000);
  push(deframer, first);
  deframer.next(sink);
  deframer.compact();
  first[29_999] = 0;
  push(deframer, whole.slice(30_000));
  takeAll(deframer, sink);
  t.equal(sink.found[1]?.[1].charCodeAt(29_988), 0, 'the chunk was referenced, not copied');
});

await t.test(
  'the octets of a message that is wanted and not whole are taken out of their chunks',
  async (t) => {
    const deframer = new MessageDeframer(100_000);
    const sink = new Messages();
    const whole = message(text(60_000, 1));
    for (let at = 0; at < whole.length; at += 9000) {
      const chunk = whole.slice(at, at + 9000);
      push(deframer, chunk);
      if (deframer.next(sink)) break;
      chunk.fill(0xee);
      t.equal(deframer.bufferedOctets, at + chunk.length);
    }
    t.strictSame(sink.found, [[0, text(60_000, 1)]]);
    t.equal(deframer.takeReleased(), whole.length);
  },
);

await t.test('F10 compact looks at ranges behind the first too', async (t) => {
  const deframer = new MessageDeframer(100_000);
  const sink = new Messages();
  const whole = message(text(3000, 1));
  const reads: Uint8Array[] = [];
  for (let at = 0; at < whole.length; at += 500) {
    const read = new Uint8Array(65_536);
    const part = whole.subarray(at, at + 500);
    read.set(part, 1000);
    reads.push(read);
    deframer.push(read, 1000, 1000 + part.length);
    deframer.compact();
    read.fill(0xee);
  }
  takeAll(deframer, sink);
  t.equal(sink.found[0]?.[1] === text(3000, 1), true);
});

await t.test('F10 compact goes on behind ranges that were used up', async (t) => {
  const deframer = new MessageDeframer(100_000);
  const sink = new Messages();
  for (let round = 0; round < 3; round++) {
    const whole = message(text(1500, round));
    const reads: Uint8Array[] = [];
    for (let at = 0; at < whole.length; at += 400) {
      const read = new Uint8Array(65_536);
      const part = whole.subarray(at, at + 400);
      read.set(part);
      reads.push(read);
      deframer.push(read, 0, part.length);
    }
    deframer.compact();
    for (const read of reads) read.fill(0xee);
    takeAll(deframer, sink);
    t.equal(sink.found[round]?.[1] === text(1500, round), true, `round ${round}`);
  }
});

await t.test('L14 S31 small ranges behind a pending one are copied together', async (t) => {
  const deframer = new MessageDeframer(10_000);
  const sink = new Messages();
  const whole = message(text(5000, 7));
  const scratch = new Uint8Array(1);
  for (let at = 0; at < whole.length; at++) {
    const first = at === 0;
    const chunk = first ? whole.slice(0, 1) : scratch;
    chunk[0] = whole[at]!;
    deframer.push(chunk, 0, 1);
  }
  // All but the first range came in one and the same octet: only copies can have kept them apart.
  takeAll(deframer, sink);
  t.equal(sink.found[0]?.[1] === text(5000, 7), true);
});

await t.test('L14 S31 memory of a tiny-DATA flood stays near its octets', async (t) => {
  const collect = await garbageCollector();
  if (collect === null) {
    t.skip('this runtime gives no access to its garbage collector');
    return;
  }
  collect();
  const before = process.memoryUsage();
  const deframers = Array.from({ length: 100 }, () => new MessageDeframer(1_000_000));
  const chunk = new Uint8Array(1);
  for (const deframer of deframers) {
    push(deframer, octets([0], uint32(1_000_000)));
    for (let i = 0; i < 50_000; i++) deframer.push(chunk, 0, 1);
  }
  collect();
  const after = process.memoryUsage();
  const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  // S31 allows eight times the payload; buffers that double need less than twice.
  t.ok(grown < 100 * 50_000 * 2, `${grown} octets for 5000000`);
  t.equal(deframers[99]?.bufferedOctets, 50_005);
});

await t.test('S85 thirteen thousand empty messages of one chunk', async (t) => {
  const deframer = new MessageDeframer(100);
  const sink = new Messages();
  push(deframer, new Uint8Array(5 * 13_000));
  takeAll(deframer, sink);
  t.equal(sink.found.length, 13_000);
  t.equal(deframer.takeReleased(), 65_000);
});

await t.test('property: any messages, cut anyhow, taken and compacted at any time', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = randomFrom(seed);
  const pick = (below: number): number => Math.floor(random() * below);
  for (let round = 0; round < 60; round++) {
    const wanted: [number, string][] = [];
    const parts: Uint8Array[] = [];
    for (let i = pick(12); i >= 0; i--) {
      const body = text(random() < 0.3 ? pick(5) : pick(2000), pick(256));
      const flags = pick(256);
      wanted.push([flags, body]);
      parts.push(message(body, flags));
    }
    const all = octets(...parts);
    // Short pieces, or pieces long enough to be referenced.
    const chunks =
      round % 2 === 0
        ? randomCuts(all, random)
        : Array.from({ length: Math.ceil(all.length / 400) }, (_, i) =>
            all.slice(i * 400, (i + 1) * 400),
          );
    const deframer = new MessageDeframer(2000);
    const sink = new Messages();
    let pushed = 0;
    let released = 0;
    for (const chunk of chunks) {
      push(deframer, chunk);
      pushed += chunk.length;
      while (random() < 0.5 && deframer.next(sink));
      if (random() < 0.3) deframer.compact();
      released += deframer.takeReleased();
      if (released + deframer.bufferedOctets !== pushed) t.fail(`octets lost in round ${round}`);
    }
    takeAll(deframer, sink);
    released += deframer.takeReleased();
    t.strictSame(sink.found, wanted, `round ${round}`);
    t.strictSame(
      sink.texts,
      wanted.map(([, body]) => body),
      `round ${round}, later`,
    );
    t.equal(released, all.length);
    t.equal(deframer.hasPartial, false);
  }
});
