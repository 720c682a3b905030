import { ErrorCode } from '../../framing/constants.ts';
import { chunkings } from '../support/chunkings.ts';
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  goAway,
  headers,
  octets,
  ping,
  rstStream,
  windowUpdate,
} from '../support/frame-factory.ts';
import { connectionError, expectEvents, readAll, startReading } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

const RESERVED = 2 ** 31;

await t.test('§4.1 frames of every kind are read one after another', async (t) => {
  expectEvents(
    t,
    [
      headers(1, 'hello'),
      data(1, 'abc'),
      data(1, '', END_STREAM),
      ping('\x00\x01\x02\x03\x04\x05\x06\xff', ACK),
      rstStream(1, 8),
      windowUpdate(3, 77),
      goAway(2 ** 31 - 1, 2 ** 32 - 1, 'bye'),
    ],
    [
      ['HEADERS', 1, ['block', 'hello'], false, true],
      ['DATA', 1, 'abc', 3, false],
      ['DATA', 1, '', 0, true],
      ['PING', '00010203040506ff', true],
      ['RST_STREAM', 1, 8],
      ['WINDOW_UPDATE', 3, 77],
      ['GOAWAY', 2 ** 31 - 1, 2 ** 32 - 1, 'bye'],
    ],
  );
});

await t.test('§4.1 §5.5 S36 every unknown type is ignored and reported', async (t) => {
  for (let type = 0x0a; type <= 0xff; type++) {
    const { reader, recorder } = startReading();
    const input = frame(type, 0xff, 5, 'xyz');
    reader.read(input, 0, input.length, recorder);
    t.strictSame(recorder.events, [['IGNORED', type, 5, 3]]);
  }
  expectEvents(
    t,
    [frame(0x0b, 0, 0), ping('12345678')],
    [
      ['IGNORED', 0x0b, 0, 0],
      ['PING', '3132333435363738', false],
    ],
  );
});

await t.test('§4.1 undefined flags are ignored', async (t) => {
  expectEvents(
    t,
    [
      frame(0, 0xff & ~(0x8 | 0x1), 1, 'd'),
      frame(3, 0xff, 1, [0, 0, 0, 8]),
      frame(4, 0xfe, 0),
      frame(6, 0xfe, 0, '12345678'),
      frame(7, 0xff, 0, new Uint8Array(8)),
      frame(8, 0xff, 0, [0, 0, 0, 1]),
    ],
    [
      ['DATA', 1, 'd', 1, false],
      ['RST_STREAM', 1, 8],
      ['SETTINGS_END', false],
      ['PING', '3132333435363738', false],
      ['GOAWAY', 0, 0, ''],
      ['WINDOW_UPDATE', 0, 1],
    ],
  );
});

await t.test('§4.1 the reserved bit is ignored', async (t) => {
  expectEvents(
    t,
    [
      frame(6, 0, RESERVED, '12345678'),
      frame(0, 0, RESERVED + 3, 'x'),
      frame(1, END_HEADERS, RESERVED + 3, 'b'),
      frame(8, 0, RESERVED + 3, [0x80, 0, 0, 9]),
      frame(7, 0, RESERVED, [0x80, 0, 0, 5], [0, 0, 0, 0]),
    ],
    [
      ['PING', '3132333435363738', false],
      ['DATA', 3, 'x', 1, false],
      ['HEADERS', 3, ['block', 'b'], false, true],
      ['WINDOW_UPDATE', 3, 9],
      ['GOAWAY', 5, 0, ''],
    ],
  );
});

await t.test('§4.1 the largest stream identifier is read whole', async (t) => {
  expectEvents(t, [data(2 ** 31 - 1, 'z')], [['DATA', 2 ** 31 - 1, 'z', 1, false]]);
});

await t.test('an incomplete frame is held, and counted by `buffered`', async (t) => {
  const input = data(1, 'abcdef');
  for (const { name, chunks } of chunkings(input.subarray(0, input.length - 1))) {
    const reading = startReading();
    t.strictSame(readAll(reading, chunks), [], name);
    t.equal(reading.reader.buffered, input.length - 1, name);
    t.strictSame(readAll(reading, [octets('f')]), [['DATA', 1, 'abcdef', 6, false]], name);
    t.equal(reading.reader.buffered, 0, name);
  }
});

await t.test('§5.4.1 S44 nothing is parsed behind a connection error', async (t) => {
  expectEvents(
    t,
    [ping('12345678'), frame(6, 0, 0, 'short'), frame(6, 0, 1, 'short'), ping('87654321')],
    [
      ['PING', '3132333435363738', false],
      connectionError(ErrorCode.FRAME_SIZE_ERROR, 'frame.ping.length'),
    ],
  );
});
