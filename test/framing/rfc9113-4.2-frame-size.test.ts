import { ErrorCode } from '../../framing/constants.ts';
import { data, frame, head, headers, windowUpdate } from '../support/frame-factory.ts';
import { connectionError, expectEvents, startReading } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

const { FRAME_SIZE_ERROR, ENHANCE_YOUR_CALM } = ErrorCode;

await t.test('§4.2 a frame of exactly SETTINGS_MAX_FRAME_SIZE is read', async (t) => {
  const text = 'x'.repeat(16_384);
  expectEvents(
    t,
    [data(1, text), windowUpdate(0, 1)],
    [
      ['DATA', 1, text, 16_384, false],
      ['WINDOW_UPDATE', 0, 1],
    ],
  );
});

await t.test(
  '§4.2 S35 one octet more is FRAME_SIZE_ERROR at the header, for every type',
  async (t) => {
    for (let type = 0; type <= 0x0b; type++) {
      for (const length of [16_385, 2 ** 24 - 1]) {
        const streamId = type === 4 || type === 6 || type === 7 ? 0 : 1;
        expectEvents(
          t,
          [head(length, type, 0, streamId)],
          [connectionError(FRAME_SIZE_ERROR, 'frame.too-large', streamId)],
        );
      }
    }
  },
);

await t.test('§4.2 a raised maximum takes effect with the next header', async (t) => {
  const { reader, recorder } = startReading();
  reader.maxFrameOctets = 20_000;
  const input = data(1, new Uint8Array(20_000));
  t.equal(reader.read(input, 0, input.length, recorder), input.length);
  t.equal(recorder.events[0]?.[3], 20_000);
  t.throws(() => reader.read(head(20_001, 0, 0, 1), 0, 9, recorder), {
    errorCode: FRAME_SIZE_ERROR,
    token: 'frame.too-large',
    streamId: 1,
  });
});

await t.test('§4.2 a header block in one frame is held to L7 too', async (t) => {
  const wanted = [connectionError(ENHANCE_YOUR_CALM, 'frame.header-block.too-large', 1)];
  expectEvents(
    t,
    [headers(1, 'x'.repeat(100))],
    [['HEADERS', 1, ['block', 'x'.repeat(100)], false, true]],
  );
  expectEvents(t, [headers(1, 'x'.repeat(101))], wanted);
  expectEvents(t, [headers(1, 'x'.repeat(101), 0)], wanted);
});

await t.test('§4.2 a length of zero is a frame', async (t) => {
  expectEvents(
    t,
    [frame(0, 0, 1), frame(0x30, 0, 9), headers(3, '')],
    [
      ['DATA', 1, '', 0, false],
      ['IGNORED', 0x30, 9, 0],
      ['HEADERS', 3, ['block', ''], false, true],
    ],
  );
});
