import fc from 'fast-check';
import type { HeaderList } from '../../framing/frame-handler.ts';
import { inspectFrames } from '../../framing/frame-inspector.ts';
import { FrameWriter, type HeaderEncoder } from '../../framing/frame-writer.ts';
import { OutputBuffer } from '../../framing/output-buffer.ts';
import { randomCuts, randomFrom, testSeed } from '../support/chunkings.ts';
import type { RecordedEvent } from '../support/event-recorder.ts';
import { octets, toHex } from '../support/frame-factory.ts';
import { readAll, startReading } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

/** The counterpart of BlockTextDecoder. */
const encoder: HeaderEncoder = {
  maxEncodedOctets: (template, extra) => [...template, ...(extra ?? [])].join('').length,
  encode(template, extra, target, offset) {
    const text = [...template, ...(extra ?? [])].join('');
    for (let i = 0; i < text.length; i++) target[offset + i] = text.charCodeAt(i);
    return offset + text.length;
  },
};

/** Something to write, and the events that reading it must give. */
interface Step {
  readonly write: (writer: FrameWriter) => void;
  readonly events: readonly RecordedEvent[];
}

const streamIds = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const uint32s = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const texts = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .tuple(fc.integer({ min: 0, max: maxLength }), fc.nat(255))
    .map(([length, from]) =>
      Array.from({ length }, (_, i) => String.fromCharCode((from + i * 13) & 0xff)).join(''),
    );

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(streamIds, texts(3000), fc.boolean()).map(([id, text, endStream]) => ({
    write: (writer: FrameWriter) =>
      writer.data(id, octets('-', text), 1, 1 + text.length, endStream),
    events: [['DATA', id, text, text.length, endStream]] as RecordedEvent[],
  })),
  fc
    .tuple(streamIds, fc.nat(255), texts(3000), fc.boolean())
    .map(([id, flags, text, endStream]) => {
      const prefix = [flags, 0, 0, text.length >> 8, text.length & 0xff];
      const whole = `${String.fromCharCode(...prefix)}${text}`;
      return {
        write: (writer: FrameWriter) => writer.message(id, flags, octets(text), endStream),
        events: [['DATA', id, whole, whole.length, endStream]] as RecordedEvent[],
      };
    }),
  fc
    .tuple(streamIds, texts(300), fc.option(texts(40_000)), fc.boolean())
    .map(([id, template, extra, endStream]) => ({
      write: (writer: FrameWriter) =>
        writer.headers(id, [template], extra === null ? null : [extra], endStream),
      events: [
        ['HEADERS', id, ['block', template + (extra ?? '')] as HeaderList, endStream, true],
      ] as RecordedEvent[],
    })),
  fc.tuple(streamIds, uint32s).map(([id, code]) => ({
    write: (writer: FrameWriter) => writer.rstStream(id, code),
    events: [['RST_STREAM', id, code]] as RecordedEvent[],
  })),
  fc
    .tuple(fc.nat(2 ** 31 - 1), fc.integer({ min: 1, max: 2 ** 31 - 1 }))
    .map(([id, increment]) => ({
      write: (writer: FrameWriter) => writer.windowUpdate(id, increment),
      events: [['WINDOW_UPDATE', id, increment]] as RecordedEvent[],
    })),
  fc.tuple(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.boolean()).map(([payload, ack]) => ({
    write: (writer: FrameWriter) => writer.ping(payload, ack),
    events: [['PING', toHex(payload), ack]] as RecordedEvent[],
  })),
  fc.tuple(fc.nat(2 ** 31 - 1), uint32s, texts(10)).map(([id, code, text]) => ({
    write: (writer: FrameWriter) => writer.goAway(id, code, text),
    events: [['GOAWAY', id, code, text]] as RecordedEvent[],
  })),
  fc
    .array(fc.tuple(fc.integer({ min: 7, max: 0xffff }), uint32s), { maxLength: 4 })
    .map((pairs) => ({
      write: (writer: FrameWriter) => writer.settings(pairs.flat()),
      events: [
        ...pairs.map(([id, value]) => ['SETTING', id, value] as RecordedEvent),
        ['SETTINGS_END', false] as RecordedEvent,
      ],
    })),
  fc.constant({
    write: (writer: FrameWriter) => writer.settingsAck(),
    events: [['SETTINGS_END', true]] as RecordedEvent[],
  }),
);

await t.test(
  'what FrameWriter writes, FrameReader reads, however it is flushed and cut',
  async (t) => {
    const seed = testSeed();
    t.comment(`seed ${seed}`);
    let runs = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(steps, fc.boolean()), { maxLength: 30 }),
        fc.nat(),
        (script, cutSeed) => {
          const output = new OutputBuffer();
          const writer = new FrameWriter(output, encoder);
          const wire: Uint8Array[] = [];
          for (const [step, flush] of script) {
            step.write(writer);
            if (flush) {
              wire.push(octets(...output.takeChunks()));
              output.recycle();
            }
          }
          wire.push(octets(...output.takeChunks()));
          const whole = octets(...wire);
          const reading = startReading({ maxHeaderBlockOctets: 65_536 });
          const found = readAll(reading, randomCuts(whole, randomFrom(cutSeed)));
          const wanted = script.flatMap(([step]) => step.events);
          runs++;
          return (
            JSON.stringify(found) === JSON.stringify(wanted) &&
            reading.reader.buffered === 0 &&
            // The inspector's own reading agrees that every frame is whole and well formed.
            inspectFrames(whole).every(({ type }) => type !== 'MALFORMED' && type !== 'INCOMPLETE')
          );
        },
      ),
      { seed: seed | 0, numRuns: 150 },
    );
    t.equal(runs >= 150, true);
  },
);

await t.test(
  'any octets: FrameReader ends in a ConnectionError or goes on, and is the same for every cut',
  async (t) => {
    const seed = testSeed();
    t.comment(`seed ${seed}`);
    // Headers that are nearly right, so that the payload checks are reached.
    const frames = fc
      .tuple(
        fc.integer({ min: 0, max: 11 }),
        fc.nat(255),
        fc.oneof(fc.constant(0), fc.constant(1), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
        fc.uint8Array({ maxLength: 20 }),
        fc.oneof(
          { weight: 9, arbitrary: fc.constant(0) },
          { weight: 1, arbitrary: fc.nat(2 ** 24 - 21) },
        ),
      )
      .map(([type, flags, id, payload, lie]) => {
        const length = payload.length + lie;
        return octets(
          [length >> 16, length >> 8, length].map((octet) => octet & 0xff),
          [type, flags],
          [id / 2 ** 24, id >>> 16, id >>> 8, id].map((octet) => octet & 0xff),
          payload,
        );
      });
    fc.assert(
      fc.property(fc.array(frames, { maxLength: 12 }), fc.nat(), (parts, cutSeed) => {
        const input = octets(...parts);
        const whole = readAll(startReading(), [input]);
        const cut = readAll(startReading(), randomCuts(input, randomFrom(cutSeed)));
        return JSON.stringify(whole) === JSON.stringify(cut);
      }),
      { seed: seed | 0, numRuns: 500 },
    );
    t.pass('500 inputs');
  },
);

await t.test('any octets: the inspector never throws and covers every octet', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (input) => {
      let sum = 0;
      for (const frame of inspectFrames(input)) {
        if (frame.type === 'INCOMPLETE') sum += frame.octets.length;
        else if (frame.type === 'PREFACE') sum += 24;
        else sum += 9 + frame.length;
      }
      return sum === input.length;
    }),
    { seed: seed | 0, numRuns: 300 },
  );
  t.pass('300 inputs');
});
