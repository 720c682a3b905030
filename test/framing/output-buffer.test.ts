import { COPY_LIMIT, OutputBuffer } from '../../framing/output-buffer.ts';
import { pooledSlabs, SLAB_OCTETS } from '../../framing/slab-pool.ts';
import { randomFrom, testSeed } from '../support/chunkings.ts';
import { octets } from '../support/frame-factory.ts';
import { t } from '../support/tap.ts';

/** Writes text the way FrameWriter does: ensure, then by index. */
function write(output: OutputBuffer, text: string): void {
  output.ensure(text.length);
  for (let i = 0; i < text.length; i++) output.bytes[output.position++] = text.charCodeAt(i);
}

function textOf(chunks: readonly Uint8Array[]): string {
  return chunks.map((chunk) => String.fromCharCode(...chunk)).join('');
}

await t.test('an empty buffer holds nothing', async (t) => {
  const output = new OutputBuffer();
  t.equal(output.length, 0);
  t.equal(output.bytes.length, 0);
  t.strictSame(output.takeChunks(), []);
  output.recycle();
  t.equal(output.bytes.length, 0);
});

await t.test('small writes leave as one chunk', async (t) => {
  const output = new OutputBuffer();
  write(output, 'one ');
  output.append(octets('two '));
  write(output, 'three');
  t.equal(output.length, 13);
  const chunks = output.takeChunks();
  t.equal(chunks.length, 1);
  t.equal(textOf(chunks), 'one two three');
  t.equal(output.length, 0);
  t.strictSame(output.takeChunks(), []);
});

await t.test('COPY_LIMIT octets are copied, one more is kept by reference, in order', async (t) => {
  const output = new OutputBuffer();
  const small = new Uint8Array(COPY_LIMIT).fill(1);
  const large = new Uint8Array(COPY_LIMIT + 1).fill(2);
  write(output, 'a');
  output.append(small);
  output.append(large);
  write(output, 'b');
  t.equal(output.length, 2 * COPY_LIMIT + 3);
  const chunks = output.takeChunks();
  t.strictSame(
    chunks.map((chunk) => chunk.length),
    [COPY_LIMIT + 1, COPY_LIMIT + 1, 1],
  );
  t.equal(chunks[1], large);
  small.fill(9);
  t.equal(chunks[0]?.[1], 1, 'the copy is ours');
});

await t.test('ensure gives contiguous octets and moves to a new slab when needed', async (t) => {
  const output = new OutputBuffer();
  write(output, 'x'.repeat(SLAB_OCTETS - 3));
  const first = output.bytes;
  output.ensure(3);
  t.equal(output.bytes, first);
  output.ensure(4);
  t.not(output.bytes, first);
  t.equal(output.position, 0);
  t.equal(output.length, SLAB_OCTETS - 3);
  write(output, 'yyyy');
  t.equal(output.length, SLAB_OCTETS + 1);
  t.strictSame(
    output.takeChunks().map((chunk) => chunk.length),
    [SLAB_OCTETS - 3, 4],
  );
});

await t.test('ensure of more than a slab gives that much, once', async (t) => {
  const output = new OutputBuffer();
  output.ensure(SLAB_OCTETS + 1);
  t.ok(output.bytes.length > SLAB_OCTETS);
  write(output, 'z');
  t.equal(textOf(output.takeChunks()), 'z');
  const before = pooledSlabs();
  output.recycle();
  t.equal(pooledSlabs(), before, 'an odd slab does not enter the pool');
});

await t.test('octets in flight are not overwritten before recycle', async (t) => {
  const output = new OutputBuffer();
  write(output, 'first');
  const inFlight = output.takeChunks();
  write(output, 'second');
  for (let i = 0; i < 3; i++) write(output, '.'.repeat(SLAB_OCTETS));
  t.equal(textOf(inFlight), 'first');
  t.equal(output.length, 6 + 3 * SLAB_OCTETS);
});

await t.test('recycle while octets wait keeps those octets', async (t) => {
  const output = new OutputBuffer();
  write(output, 'a'.repeat(SLAB_OCTETS));
  output.takeChunks();
  write(output, 'b'.repeat(10));
  output.recycle();
  const other = new OutputBuffer();
  for (let i = 0; i < 4; i++) write(other, 'c'.repeat(SLAB_OCTETS));
  t.equal(output.length, 10);
  t.equal(textOf(output.takeChunks()), 'b'.repeat(10));
});

await t.test('a slab that still has waiting octets does not enter the pool', async (t) => {
  const output = new OutputBuffer();
  write(output, 'handed out');
  const handedOut = output.takeChunks();
  // The rest of the same slab waits, and the slab is full: it may not come back with this recycle.
  write(output, 'w'.repeat(SLAB_OCTETS - 10));
  write(output, 'next slab');
  output.recycle();
  const other = new OutputBuffer();
  for (let i = 0; i < 70; i++) write(other, 'o'.repeat(SLAB_OCTETS));
  t.equal(textOf(handedOut), 'handed out');
  t.equal(textOf(output.takeChunks()), `${'w'.repeat(SLAB_OCTETS - 10)}next slab`);
});

await t.test('an idle buffer holds no slab and the pool is reused and bounded', async (t) => {
  const outputs = Array.from({ length: 100 }, () => new OutputBuffer());
  for (const output of outputs) {
    write(output, 'x');
    output.takeChunks();
  }
  for (const output of outputs) {
    output.recycle();
    t.equal(output.bytes.length, 0);
  }
  t.equal(pooledSlabs(), 32);
  const output = new OutputBuffer();
  write(output, 'x');
  t.equal(pooledSlabs(), 31, 'leased from the pool');
  output.takeChunks();
  output.recycle();
  output.recycle();
  t.equal(pooledSlabs(), 32, 'returned once');
});

await t.test(
  'property: what goes in comes out, once and in order, whatever happens between',
  async (t) => {
    const seed = testSeed();
    t.comment(`seed ${seed}`);
    const random = randomFrom(seed);
    const pick = (below: number): number => Math.floor(random() * below);
    for (let round = 0; round < 20; round++) {
      const outputs = [new OutputBuffer(), new OutputBuffer()];
      const written = ['', ''];
      const arrived = ['', ''];
      const inFlight: Uint8Array[][] = [[], []];
      let next = 0;
      for (let step = 0; step < 200; step++) {
        const i = pick(2);
        const output = outputs[i]!;
        const kind = pick(10);
        if (kind < 4) {
          const text = String.fromCharCode(33 + (next++ % 90)).repeat(pick(300));
          write(output, text);
          written[i] += text;
        } else if (kind < 7) {
          const text = String.fromCharCode(33 + (next++ % 90)).repeat(pick(3000));
          output.append(octets(text));
          written[i] += text;
        } else if (kind === 7) {
          output.ensure(pick(20_000));
        } else if (kind === 8) {
          for (const chunk of output.takeChunks()) inFlight[i]!.push(chunk);
        } else {
          // The pipe reads its chunks as late as it may: just before it says that it has them.
          arrived[i] += textOf(inFlight[i]!);
          inFlight[i]!.length = 0;
          output.recycle();
        }
        if (
          written[i]!.length - arrived[i]!.length - textOf(inFlight[i]!).length !==
          output.length
        ) {
          t.fail(`length is wrong at step ${step}`);
        }
      }
      for (const i of [0, 1]) {
        arrived[i] += textOf(inFlight[i]!) + textOf(outputs[i]!.takeChunks());
        t.ok(
          arrived[i] === written[i],
          `round ${round}, buffer ${i}: ${written[i]!.length} octets`,
        );
      }
    }
  },
);
