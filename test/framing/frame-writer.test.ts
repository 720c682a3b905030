import { FrameWriter, type HeaderEncoder } from '../../framing/frame-writer.ts';
import { COPY_LIMIT, OutputBuffer } from '../../framing/output-buffer.ts';
import { SLAB_OCTETS } from '../../framing/slab-pool.ts';
import {
  ACK,
  continuation,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  goAway,
  headers,
  octets,
  PREFACE,
  ping,
  rstStream,
  settings,
  settingsAck,
  toHex,
  windowUpdate,
} from '../support/frame-factory.ts';
import { t } from '../support/tap.ts';

/** Stands for HPACK: a list "encodes" to its strings in latin1. */
class TextEncoder implements HeaderEncoder {
  /** Added to the true size, as an upper bound may. */
  slack = 0;

  maxEncodedOctets(template: readonly string[], extra: readonly string[] | null): number {
    return [...template, ...(extra ?? [])].join('').length + this.slack;
  }

  encode(
    template: readonly string[],
    extra: readonly string[] | null,
    target: Uint8Array,
    offset: number,
  ): number {
    const text = [...template, ...(extra ?? [])].join('');
    for (let i = 0; i < text.length; i++) target[offset + i] = text.charCodeAt(i);
    return offset + text.length;
  }
}

interface Writing {
  readonly output: OutputBuffer;
  readonly writer: FrameWriter;
  readonly encoder: TextEncoder;
}

function startWriting(): Writing {
  const output = new OutputBuffer();
  const encoder = new TextEncoder();
  return { output, encoder, writer: new FrameWriter(output, encoder) };
}

function written(output: OutputBuffer): string {
  const expectedLength = output.length;
  const all = octets(...output.takeChunks());
  return all.length === expectedLength ? toHex(all) : `length said ${expectedLength}`;
}

const RANGE = octets(Array.from({ length: 12_000 }, (_, i) => (i * 11) & 0xff));

/** What is written, and the same frame made by hand. */
const CASES: readonly (readonly [string, (writer: FrameWriter) => void, Uint8Array])[] = [
  ['§3.4 preface', (w) => w.preface(), PREFACE],
  ['§6.5 empty SETTINGS', (w) => w.settings([]), settings()],
  [
    '§6.5 SETTINGS with values up to 2^32-1',
    (w) => w.settings([1, 0, 2, 0, 4, 2 ** 31 - 1, 6, 2 ** 32 - 1, 0xfffe, 0x0102_0304]),
    settings([1, 0], [2, 0], [4, 2 ** 31 - 1], [6, 2 ** 32 - 1], [0xfffe, 0x0102_0304]),
  ],
  ['§6.5.3 SETTINGS ACK', (w) => w.settingsAck(), settingsAck()],
  ['§6.2 HEADERS', (w) => w.headers(1, ['a', 'b'], null, false), headers(1, 'ab')],
  [
    '§6.2 HEADERS with extra fields and END_STREAM on the largest stream',
    (w) => w.headers(2 ** 31 - 1, ['a', 'b'], ['c', 'd'], true),
    headers(2 ** 31 - 1, 'abcd', END_HEADERS | END_STREAM),
  ],
  ['§6.2 HEADERS of an empty list', (w) => w.headers(3, [], null, false), headers(3, '')],
  ['§6.1 DATA', (w) => w.data(1, RANGE, 3, 8, false), data(1, RANGE.subarray(3, 8))],
  ['§6.1 DATA by reference', (w) => w.data(1, RANGE, 0, 12_000, true), data(1, RANGE, END_STREAM)],
  [
    '§6.1 a range above COPY_LIMIT',
    (w) => w.data(1, RANGE, 10, 10 + COPY_LIMIT + 1, false),
    data(1, RANGE.subarray(10, 10 + COPY_LIMIT + 1)),
  ],
  ['§6.1 empty DATA with END_STREAM', (w) => w.data(5, RANGE, 4, 4, true), data(5, '', END_STREAM)],
  ['§6.1 a header for DATA', (w) => w.dataHeader(5, 0, true), data(5, '', END_STREAM)],
  ['an empty message', (w) => w.message(1, 0, octets(), false), data(1, [0, 0, 0, 0, 0])],
  [
    'a compressed message with END_STREAM',
    (w) => w.message(1, 1, octets('xyz'), true),
    data(1, octets([1, 0, 0, 0, 3], 'xyz'), END_STREAM),
  ],
  [
    'a message of COPY_LIMIT octets',
    (w) => w.message(1, 0, RANGE.subarray(0, COPY_LIMIT), false),
    data(1, octets([0, 0, 0, 0x10, 0], RANGE.subarray(0, COPY_LIMIT))),
  ],
  [
    'a message by reference',
    (w) => w.message(9, 0, RANGE, true),
    data(9, octets([0, 0, 0, 0x2e, 0xe0], RANGE), END_STREAM),
  ],
  ['§6.7 PING', (w) => w.ping(octets('12345678'), false), ping('12345678')],
  ['§6.7 PING ACK', (w) => w.ping(octets('12345678'), true), ping('12345678', ACK)],
  ['§6.8 GOAWAY', (w) => w.goAway(0, 0, ''), goAway(0, 0)],
  [
    '§6.8 GOAWAY with debug text',
    (w) => w.goAway(2 ** 31 - 1, 0xb, 'too_many_pings'),
    goAway(2 ** 31 - 1, 0xb, 'too_many_pings'),
  ],
  [
    '§6.8 GOAWAY text is cut to the frame size',
    (w) => w.goAway(1, 2, 'é'.repeat(20_000)),
    goAway(1, 2, 'é'.repeat(16_376)),
  ],
  ['§6.4 RST_STREAM', (w) => w.rstStream(7, 8), rstStream(7, 8)],
  [
    '§6.4 RST_STREAM with code 2^32-1',
    (w) => w.rstStream(7, 2 ** 32 - 1),
    rstStream(7, 2 ** 32 - 1),
  ],
  ['§6.9 WINDOW_UPDATE', (w) => w.windowUpdate(0, 2 ** 31 - 1), windowUpdate(0, 2 ** 31 - 1)],
];

for (const [name, write, wanted] of CASES) {
  await t.test(
    `${name} is written octet for octet, at the start and the end of a slab`,
    async (t) => {
      const { output, writer } = startWriting();
      write(writer);
      t.equal(written(output), toHex(wanted));
      // Wherever the slab ends, the frame is whole.
      for (let free = 0; free < 20; free++) {
        const used = new Uint8Array(SLAB_OCTETS - free);
        const late = startWriting();
        late.output.ensure(used.length);
        late.output.position += used.length;
        late.output.takeChunks();
        write(late.writer);
        if (written(late.output) !== toHex(wanted)) t.fail(`with ${free} octets free`);
      }
    },
  );
}

await t.test('many frames of one flush are one chunk', async (t) => {
  const { output, writer } = startWriting();
  writer.headers(1, ['h'], null, false);
  writer.message(1, 0, RANGE.subarray(0, 100), false);
  writer.headers(1, ['t'], null, true);
  writer.windowUpdate(0, 5);
  t.equal(output.takeChunks().length, 1);
});

await t.test('payloads above COPY_LIMIT are references, smaller ones copies', async (t) => {
  const { output, writer } = startWriting();
  const small = octets('small');
  writer.message(1, 0, small, false);
  writer.message(1, 0, RANGE, false);
  writer.data(1, RANGE, 100, 8000, false);
  small.fill(0);
  const chunks = output.takeChunks();
  t.equal(chunks.length, 4);
  t.equal(toHex(chunks[0]!.subarray(14, 19)), toHex(octets('small')));
  t.equal(chunks[1], RANGE);
  t.equal(chunks[3]?.buffer, RANGE.buffer);
});

await t.test("§6.10 a block above the peer's frame size is split without a gap", async (t) => {
  const block = 'abcdefghijklmnopqrstuvwxy'.repeat(2000);
  const max = 16_384;
  for (const length of [max - 1, max, max + 1, 2 * max, 2 * max + 1, 3 * max - 1, 50_000]) {
    for (const slack of [0, 1, 500]) {
      const { output, writer, encoder } = startWriting();
      encoder.slack = slack;
      const text = block.slice(0, length);
      writer.rstStream(1, 8);
      writer.headers(3, [text.slice(0, 10)], [text.slice(10)], true);
      writer.windowUpdate(0, 1);
      const pieces = text.match(/.{1,16384}/g) ?? [];
      const wanted = octets(
        rstStream(1, 8),
        ...pieces.map((piece, i) => {
          const last = i === pieces.length - 1 ? END_HEADERS : 0;
          return i === 0 ? headers(3, piece, END_STREAM | last) : continuation(3, piece, last);
        }),
        windowUpdate(0, 1),
      );
      t.ok(written(output) === toHex(wanted), `${length} octets, bound ${slack} higher`);
    }
  }
});

await t.test('§6.10 the split follows maxFrameOctets', async (t) => {
  const { output, writer } = startWriting();
  writer.maxFrameOctets = 20_000;
  writer.headers(1, ['x'.repeat(20_000)], null, false);
  t.equal(written(output), toHex(headers(1, 'x'.repeat(20_000))));
});

await t.test('a message may be cut anywhere, its prefix included', async (t) => {
  const payload = RANGE.subarray(0, 300);
  const message = octets([1, 0, 0, 1, 0x2c], payload);
  for (let first = 0; first <= 12; first++) {
    for (let second = first; second <= 12; second++) {
      const { output, writer } = startWriting();
      writer.messagePart(1, 1, payload, 0, first, false);
      writer.messagePart(1, 1, payload, first, second, false);
      writer.messagePart(1, 1, payload, second, message.length, true);
      const wanted = octets(
        data(1, message.subarray(0, first)),
        data(1, message.subarray(first, second)),
        data(1, message.subarray(second), END_STREAM),
      );
      if (written(output) !== toHex(wanted)) t.fail(`cut at ${first} and ${second}`);
    }
  }
  t.pass('cut at 0 … 12');
});

await t.test('large pieces of a message are references', async (t) => {
  const { output, writer } = startWriting();
  writer.messagePart(1, 0, RANGE, 0, 6000, false);
  writer.messagePart(1, 0, RANGE, 6000, 12_005, true);
  const chunks = output.takeChunks();
  t.strictSame(
    chunks.map((chunk) => [chunk.length, chunk.buffer === RANGE.buffer]),
    [
      [14, false],
      [5995, true],
      [9, false],
      [6005, true],
    ],
  );
  t.equal(
    toHex(octets(...chunks)),
    toHex(
      octets(
        data(1, octets([0, 0, 0, 0x2e, 0xe0], RANGE.subarray(0, 5995))),
        data(1, RANGE.subarray(5995), END_STREAM),
      ),
    ),
  );
});

await t.test('dataHeader and append make one frame', async (t) => {
  const { output, writer } = startWriting();
  writer.dataHeader(3, 5, true);
  output.append(octets('ab'));
  output.append(octets('cde'));
  t.equal(written(output), toHex(frame(0, END_STREAM, 3, 'abcde')));
});
