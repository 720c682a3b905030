import { ErrorCode } from '../../framing/constants.ts';
import { frame, uint32, windowUpdate } from '../support/frame-factory.ts';
import { connectionError, expectEvents } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR } = ErrorCode;

await t.test('§6.9 increments of 1 … 2^31-1 are told', async (t) => {
  expectEvents(
    t,
    [windowUpdate(0, 1), windowUpdate(5, 2 ** 31 - 1)],
    [
      ['WINDOW_UPDATE', 0, 1],
      ['WINDOW_UPDATE', 5, 2 ** 31 - 1],
    ],
  );
});

await t.test('§6.9 zero increment on a stream is a stream error PROTOCOL_ERROR', async (t) => {
  expectEvents(
    t,
    [windowUpdate(1, 0), frame(8, 0, 3, uint32(2 ** 31)), windowUpdate(1, 2)],
    [
      ['STREAM_ERROR', 1, PROTOCOL_ERROR, 'frame.window-update.zero-increment'],
      ['STREAM_ERROR', 3, PROTOCOL_ERROR, 'frame.window-update.zero-increment'],
      ['WINDOW_UPDATE', 1, 2],
    ],
  );
});

await t.test(
  '§6.9 zero increment on the connection is a connection error PROTOCOL_ERROR',
  async (t) => {
    expectEvents(
      t,
      [windowUpdate(0, 0)],
      [connectionError(PROTOCOL_ERROR, 'frame.window-update.zero-increment-connection')],
    );
  },
);

await t.test('§6.9 a length other than 4 is a connection error FRAME_SIZE_ERROR', async (t) => {
  for (const streamId of [0, 1]) {
    for (const length of [0, 3, 5, 8]) {
      expectEvents(
        t,
        [frame(8, 0, streamId, new Uint8Array(length))],
        [connectionError(FRAME_SIZE_ERROR, 'frame.window-update.length', streamId)],
      );
    }
  }
});
