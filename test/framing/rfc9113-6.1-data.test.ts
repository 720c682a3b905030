import { ErrorCode } from '../../framing/constants.ts';
import { data, END_STREAM, frame, octets, PADDED, paddedData } from '../support/frame-factory.ts';
import { connectionError, expectEvents, startReading } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR } = ErrorCode;

await t.test('§6.1 END_STREAM is told', async (t) => {
  expectEvents(
    t,
    [data(1, 'a', END_STREAM), data(3, 'b')],
    [
      ['DATA', 1, 'a', 1, true],
      ['DATA', 3, 'b', 1, false],
    ],
  );
});

await t.test('§6.1 DATA on stream 0 is PROTOCOL_ERROR', async (t) => {
  expectEvents(t, [data(0, 'a')], [connectionError(PROTOCOL_ERROR, 'frame.data.stream-zero')]);
});

await t.test('§6.1 S33 padding is cut off and counted in the flow-controlled length', async (t) => {
  expectEvents(
    t,
    [
      paddedData(1, 'hello', 255),
      paddedData(1, 'hello', 0),
      paddedData(1, '', 10, 10, END_STREAM),
      paddedData(1, '', 0),
    ],
    [
      ['DATA', 1, 'hello', 261, false],
      ['DATA', 1, 'hello', 6, false],
      ['DATA', 1, '', 11, true],
      ['DATA', 1, '', 1, false],
    ],
  );
});

await t.test(
  '§6.1 S34 pad length as long as the payload or longer is PROTOCOL_ERROR',
  async (t) => {
    const wanted = [connectionError(PROTOCOL_ERROR, 'frame.data.padding-too-long', 1)];
    // Payload of 6 octets: pad length and 5 more. 5 leaves nothing and is legal, 6 and more are not.
    expectEvents(t, [paddedData(1, '', 5, 5)], [['DATA', 1, '', 6, false]]);
    expectEvents(t, [paddedData(1, '', 6, 5)], wanted);
    expectEvents(t, [paddedData(1, '', 7, 5)], wanted);
    expectEvents(t, [paddedData(1, '', 255, 5)], wanted);
    expectEvents(t, [paddedData(1, '', 1, 0)], wanted);
  },
);

await t.test('§4.2 PADDED without a pad length is FRAME_SIZE_ERROR', async (t) => {
  expectEvents(
    t,
    [frame(0, PADDED, 1)],
    [connectionError(FRAME_SIZE_ERROR, 'frame.data.pad-length-missing', 1)],
  );
});

await t.test('DATA in one chunk is a range of that chunk, without a copy', async (t) => {
  const { reader, recorder } = startReading();
  const input = octets(data(1, 'abc'), paddedData(1, 'defg', 3));
  const ranges: [Uint8Array, number, number][] = [];
  recorder.onData = (_, chunk, start, end) => void ranges.push([chunk, start, end]);
  reader.read(input, 0, input.length, recorder);
  t.equal(ranges.length, 2);
  t.ok(ranges.every(([chunk]) => chunk === input));
  t.strictSame(
    ranges.map(([, start, end]) => [start, end]),
    [
      [9, 12],
      [22, 26],
    ],
  );
});

await t.test('DATA whose header alone was cut off is still a range of the chunk', async (t) => {
  const { reader, recorder } = startReading();
  const input = data(1, 'abc');
  const rest = input.slice(5);
  let chunkSeen: Uint8Array | null = null;
  recorder.onData = (_, chunk) => {
    chunkSeen = chunk;
  };
  reader.read(input.slice(0, 5), 0, 5, recorder);
  reader.read(rest, 0, rest.length, recorder);
  t.equal(chunkSeen, rest);
});

await t.test('joined DATA gets a buffer of its own that is never written again', async (t) => {
  const { reader, recorder } = startReading();
  const chunks = new Set<Uint8Array>();
  recorder.afterEvent = () => {};
  const onData = recorder.onData.bind(recorder);
  recorder.onData = (id, chunk, start, end, flowLength, endStream) => {
    chunks.add(chunk);
    onData(id, chunk, start, end, flowLength, endStream);
  };
  for (let i = 0; i < 20; i++) {
    const input = data(1, `message ${i} ${'.'.repeat(50)}`);
    reader.read(input.slice(0, 12), 0, 12, recorder);
    const rest = input.slice(12);
    reader.read(rest, 0, rest.length, recorder);
  }
  t.equal(chunks.size, 20);
  t.ok(recorder.dataUnchanged);
});
