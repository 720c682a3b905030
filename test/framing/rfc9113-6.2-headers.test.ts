import { ErrorCode } from '../../framing/constants.ts';
import { ConnectionError } from '../../framing/errors.ts';
import { chunkings } from '../support/chunkings.ts';
import {
  END_HEADERS,
  END_STREAM,
  frame,
  headers,
  octets,
  PADDED,
  PRIORITY_FLAG,
  priorityFields,
} from '../support/frame-factory.ts';
import { connectionError, expectEvents, readAll, startReading } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR, COMPRESSION_ERROR, INTERNAL_ERROR } = ErrorCode;
const PADDED_HEADERS = END_HEADERS | PADDED;
const PRIORITY_HEADERS = END_HEADERS | PRIORITY_FLAG;

await t.test('§6.2 END_STREAM is told', async (t) => {
  expectEvents(
    t,
    [headers(1, 'a', END_HEADERS | END_STREAM), headers(3, 'b')],
    [
      ['HEADERS', 1, ['block', 'a'], true, true],
      ['HEADERS', 3, ['block', 'b'], false, true],
    ],
  );
});

await t.test('§6.2 HEADERS on stream 0 is PROTOCOL_ERROR', async (t) => {
  expectEvents(
    t,
    [headers(0, 'a')],
    [connectionError(PROTOCOL_ERROR, 'frame.headers.stream-zero')],
  );
});

await t.test('§6.2 padding and priority fields are cut off', async (t) => {
  const fields = priorityFields(7, 200, true);
  expectEvents(
    t,
    [
      frame(1, PADDED_HEADERS, 1, [3], 'abc', [0, 0, 0]),
      frame(1, PRIORITY_HEADERS, 3, fields, 'def'),
      frame(1, PADDED_HEADERS | PRIORITY_FLAG | END_STREAM, 5, [2], fields, 'ghi', [0, 0]),
      frame(1, PADDED_HEADERS | PRIORITY_FLAG, 9, [0], fields),
    ],
    [
      ['HEADERS', 1, ['block', 'abc'], false, true],
      ['HEADERS', 3, ['block', 'def'], false, true],
      ['HEADERS', 5, ['block', 'ghi'], true, true],
      ['HEADERS', 9, ['block', ''], false, true],
    ],
  );
});

await t.test('§6.2 padding longer than the rest of the payload is PROTOCOL_ERROR', async (t) => {
  const wanted = [connectionError(PROTOCOL_ERROR, 'frame.headers.padding-too-long', 1)];
  expectEvents(
    t,
    [frame(1, PADDED_HEADERS, 1, [3], 'abc')],
    [['HEADERS', 1, ['block', ''], false, true]],
  );
  expectEvents(t, [frame(1, PADDED_HEADERS, 1, [4], 'abc')], wanted);
  expectEvents(t, [frame(1, PADDED_HEADERS, 1, [255], 'abc')], wanted);
  // Padding may not reach into the priority fields either.
  const fields = priorityFields(7);
  expectEvents(t, [frame(1, PADDED_HEADERS | PRIORITY_FLAG, 1, [3], fields, 'ab')], wanted);
});

await t.test('§4.2 HEADERS too short for its fields is FRAME_SIZE_ERROR', async (t) => {
  expectEvents(
    t,
    [frame(1, PADDED_HEADERS, 1)],
    [connectionError(FRAME_SIZE_ERROR, 'frame.headers.pad-length-missing', 1)],
  );
  const short = [connectionError(FRAME_SIZE_ERROR, 'frame.headers.priority-missing', 1)];
  expectEvents(t, [frame(1, PRIORITY_HEADERS, 1, [0, 0, 0, 7])], short);
  expectEvents(t, [frame(1, PADDED_HEADERS | PRIORITY_FLAG, 1, [0], [0, 0, 0, 7])], short);
});

await t.test(
  'RFC 7540 §5.3.1 a stream that depends on itself is a stream error, its block decoded',
  async (t) => {
    const input = octets(
      frame(1, PRIORITY_HEADERS | END_STREAM, 5, priorityFields(5, 1, true), 'one'),
      headers(7, 'two'),
    );
    for (const { name, chunks } of chunkings(input)) {
      const reading = startReading();
      t.strictSame(
        readAll(reading, chunks),
        [
          ['STREAM_ERROR', 5, PROTOCOL_ERROR, 'frame.headers.self-dependency'],
          ['HEADERS', 7, ['block', 'two'], false, true],
        ],
        name,
      );
      // RFC 9113 §4.3: the decoder has seen both blocks, in order.
      t.strictSame(reading.decoder.blocks, ['one', 'two'], name);
    }
  },
);

await t.test('§4.3 a list cut at L5 or L6 is told as not complete', async (t) => {
  const { reader, recorder, decoder } = startReading();
  decoder.complete = false;
  const input = headers(1, 'a');
  reader.read(input, 0, input.length, recorder);
  t.strictSame(recorder.events, [['HEADERS', 1, ['block', 'a'], false, false]]);
});

await t.test('§4.3 a decoding error ends the connection', async (t) => {
  const reading = startReading();
  reading.decoder.decode = () => {
    throw new ConnectionError(COMPRESSION_ERROR, 'hpack.test');
  };
  t.strictSame(readAll(reading, [headers(1, 'a')]), [
    connectionError(COMPRESSION_ERROR, 'hpack.test'),
  ]);
  t.strictSame(readAll(reading, [headers(3, 'b')]), [
    connectionError(COMPRESSION_ERROR, 'hpack.test'),
  ]);
});

await t.test('§5.4.1 a fault of decoder or handler is INTERNAL_ERROR with its cause', async (t) => {
  const cause = new TypeError('a bug');
  const reading = startReading();
  reading.decoder.decode = () => {
    throw cause;
  };
  const input = headers(1, 'a');
  t.throws(() => reading.reader.read(input, 0, input.length, reading.recorder), {
    name: 'ConnectionError',
    errorCode: INTERNAL_ERROR,
    token: 'frame.reader.internal-error',
    cause,
  });
});
