import { ErrorCode } from '../../framing/constants.ts';
import { frame, rstStream } from '../support/frame-factory.ts';
import { connectionError, expectEvents } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR } = ErrorCode;

await t.test('§6.4 §7 every 32-bit error code is handed on', async (t) => {
  for (const code of [0, 8, 0xd, 0xff, 2 ** 31, 2 ** 32 - 1]) {
    expectEvents(t, [rstStream(3, code)], [['RST_STREAM', 3, code]]);
  }
});

await t.test('§6.4 RST_STREAM on stream 0 is PROTOCOL_ERROR', async (t) => {
  expectEvents(
    t,
    [rstStream(0, 8)],
    [connectionError(PROTOCOL_ERROR, 'frame.rst-stream.stream-zero')],
  );
});

await t.test('§6.4 a length other than 4 is a connection error FRAME_SIZE_ERROR', async (t) => {
  for (const length of [0, 3, 5, 8]) {
    expectEvents(
      t,
      [frame(3, 0, 1, new Uint8Array(length))],
      [connectionError(FRAME_SIZE_ERROR, 'frame.rst-stream.length', 1)],
    );
  }
});
