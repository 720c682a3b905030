import { ErrorCode } from '../../framing/constants.ts';
import { frame, goAway, uint32 } from '../support/frame-factory.ts';
import { connectionError, expectEvents } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR } = ErrorCode;

await t.test('§6.8 §7 last stream, any error code and debug data are told', async (t) => {
  expectEvents(
    t,
    [goAway(7, 0xb, 'calm'), goAway(0, 0xfeed_face)],
    [
      ['GOAWAY', 7, 0xb, 'calm'],
      ['GOAWAY', 0, 0xfeed_face, ''],
    ],
  );
});

await t.test('§6.8 GOAWAY on a stream is PROTOCOL_ERROR', async (t) => {
  expectEvents(
    t,
    [frame(7, 0, 1, uint32(0), uint32(0))],
    [connectionError(PROTOCOL_ERROR, 'frame.goaway.stream-not-zero', 1)],
  );
});

await t.test('§4.2 §6.8 C10 fewer than 8 octets are FRAME_SIZE_ERROR', async (t) => {
  for (const length of [0, 4, 7]) {
    expectEvents(
      t,
      [frame(7, 0, 0, new Uint8Array(length))],
      [connectionError(FRAME_SIZE_ERROR, 'frame.goaway.length')],
    );
  }
});

await t.test('§6.8 L27 C12 debug data is cut at its limit', async (t) => {
  expectEvents(
    t,
    [goAway(1, 0, 'x'.repeat(10)), goAway(1, 0, 'y'.repeat(16_000))],
    [
      ['GOAWAY', 1, 0, 'x'.repeat(10)],
      ['GOAWAY', 1, 0, 'y'.repeat(10)],
    ],
  );
});
