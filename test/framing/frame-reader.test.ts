import { ErrorCode } from '../../framing/constants.ts';
import { ConnectionError } from '../../framing/errors.ts';
import { randomCuts, randomFrom, testSeed } from '../support/chunkings.ts';
import type { RecordedEvent } from '../support/event-recorder.ts';
import {
  continuation,
  data,
  headers,
  octets,
  PREFACE,
  ping,
  settings,
  windowUpdate,
} from '../support/frame-factory.ts';
import { connectionError, readAll, startReading } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

await t.test('pause ends read behind the current frame, and read goes on from there', async (t) => {
  const input = octets(
    data(1, 'abc'),
    settings([3, 1], [4, 2]),
    headers(3, 'x', 0),
    continuation(3, 'y'),
    ping('12345678'),
  );
  const wanted: RecordedEvent[] = [
    ['DATA', 1, 'abc', 3, false],
    ['SETTING', 3, 1],
    ['SETTING', 4, 2],
    ['SETTINGS_END', false],
    ['HEADERS', 3, ['block', 'xy'], false, true],
    ['PING', '3132333435363738', false],
  ];
  const { reader, recorder } = startReading();
  recorder.afterEvent = () => reader.pause();
  const stops: number[] = [];
  let at = 0;
  while (at < input.length) {
    at = reader.read(input, at, input.length, recorder);
    stops.push(at);
  }
  t.strictSame(recorder.events, wanted);
  // 12 octets of DATA; SETTINGS ends at 33, its frame being delivered whole; HEADERS + CONTINUATION at 53; PING at 70.
  t.strictSame(stops, [12, 33, 53, 70]);
  t.equal(reader.buffered, 0);
});

await t.test(
  'pause at every event loses and repeats nothing, however the input is cut',
  async (t) => {
    const seed = testSeed();
    t.comment(`seed ${seed}`);
    const random = randomFrom(seed);
    const frames = Array.from({ length: 40 }, (_, i) =>
      i % 3 === 0 ? windowUpdate(1, i + 1) : data(1, `${'d'.repeat(i)}${i}`),
    );
    const input = octets(...frames);
    const whole = startReading();
    const wanted = readAll(whole, [input]);
    t.equal(wanted.length, 40);
    const { reader, recorder } = startReading();
    recorder.afterEvent = () => reader.pause();
    for (const chunk of randomCuts(input, random)) {
      let at = 0;
      do {
        at = reader.read(chunk, at, chunk.length, recorder);
      } while (at < chunk.length);
    }
    t.strictSame(recorder.events, wanted);
    t.ok(recorder.dataUnchanged);
  },
);

await t.test('pause in the handler of a joined frame stops right behind it', async (t) => {
  const { reader, recorder } = startReading();
  const input = octets(data(1, 'abc'), ping('12345678'));
  for (const cut of [4, 10]) {
    recorder.afterEvent = () => {};
    reader.read(input, 0, cut, recorder);
    recorder.afterEvent = () => reader.pause();
    t.equal(reader.read(input, cut, input.length, recorder), 12);
    t.equal(recorder.events.length, 1);
    t.equal(reader.read(input, 12, input.length, recorder), input.length);
    t.equal(recorder.events.length, 2);
    recorder.events.length = 0;
  }
});

await t.test('pause outside a handler has no effect', async (t) => {
  const { reader, recorder } = startReading();
  reader.pause();
  const input = octets(ping('12345678'), ping('12345678'));
  t.equal(reader.read(input, 0, input.length, recorder), input.length);
  t.equal(recorder.events.length, 2);
});

await t.test('a paused reader keeps no part of the unread rest', async (t) => {
  const { reader, recorder } = startReading();
  recorder.afterEvent = () => reader.pause();
  const input = octets(ping('12345678'), data(1, 'abc').subarray(0, 5));
  t.equal(reader.read(input, 0, input.length, recorder), 17);
  t.equal(reader.buffered, 0);
});

await t.test('only start … end of the chunk is read', async (t) => {
  const { reader, recorder } = startReading();
  const input = octets('junk', ping('12345678'), 'junk');
  t.equal(reader.read(input, 4, 21, recorder), 21);
  t.strictSame(recorder.events, [['PING', '3132333435363738', false]]);
  t.equal(reader.buffered, 0);
  t.equal(reader.read(input, 4, 4, recorder), 4);
});

await t.test('the preface may end inside a chunk', async (t) => {
  const { reader, recorder } = startReading({}, true);
  const input = octets(PREFACE, settings(), ping('12345678'));
  reader.read(input.slice(0, 20), 0, 20, recorder);
  reader.read(input.slice(20), 0, input.length - 20, recorder);
  t.strictSame(recorder.events, [
    ['SETTINGS_END', false],
    ['PING', '3132333435363738', false],
  ]);
});

await t.test('a handler may end reading with a ConnectionError', async (t) => {
  const reading = startReading();
  const error = new ConnectionError(ErrorCode.STREAM_CLOSED, 'test.closed', 1);
  reading.recorder.onData = () => {
    throw error;
  };
  const input = octets(data(1, 'abc'), ping('12345678'));
  t.strictSame(readAll(reading, [input]), [
    connectionError(ErrorCode.STREAM_CLOSED, 'test.closed', 1),
  ]);
  t.throws(() => reading.reader.read(input, 0, input.length, reading.recorder), error);
});

await t.test('any other error of a handler becomes INTERNAL_ERROR with that cause', async (t) => {
  const reading = startReading();
  const cause = new RangeError('a bug');
  reading.recorder.onPing = () => {
    throw cause;
  };
  let thrown: unknown;
  try {
    reading.reader.read(ping('12345678'), 0, 17, reading.recorder);
  } catch (error) {
    thrown = error;
  }
  t.ok(thrown instanceof ConnectionError);
  t.equal((thrown as ConnectionError).errorCode, ErrorCode.INTERNAL_ERROR);
  t.equal((thrown as ConnectionError).cause, cause);
});

await t.test('an incomplete frame holds its octets once, in memory of its own size', async (t) => {
  const { reader, recorder } = startReading();
  const input = data(1, new Uint8Array(16_000));
  const read = new Uint8Array(65_536);
  read.set(input.subarray(0, 100), 65_000);
  reader.read(read, 65_000, 65_100, recorder);
  t.equal(reader.buffered, 100);
  let chunkOctets = 0;
  recorder.onData = (_, chunk, start, end) => {
    chunkOctets = chunk.length;
    t.equal(end - start, 16_000);
  };
  reader.read(input, 100, input.length, recorder);
  t.equal(chunkOctets, 16_000);
});
