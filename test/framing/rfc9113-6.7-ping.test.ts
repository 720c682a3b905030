import { ErrorCode } from '../../framing/constants.ts';
import { ACK, frame, ping } from '../support/frame-factory.ts';
import { connectionError, expectEvents } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR } = ErrorCode;

await t.test('§6.7 PING and its acknowledgement are told apart', async (t) => {
  expectEvents(
    t,
    [ping('\xff\xfe\xfd\xfc\x00\x00\x00\x01'), ping('abcdefgh', ACK)],
    [
      ['PING', 'fffefdfc00000001', false],
      ['PING', '6162636465666768', true],
    ],
  );
});

await t.test('§6.7 PING on a stream is PROTOCOL_ERROR', async (t) => {
  expectEvents(
    t,
    [frame(6, 0, 3, 'abcdefgh')],
    [connectionError(PROTOCOL_ERROR, 'frame.ping.stream-not-zero', 3)],
  );
});

await t.test('§6.7 a length other than 8 is FRAME_SIZE_ERROR', async (t) => {
  for (const flags of [0, ACK]) {
    for (const length of [0, 7, 9, 16]) {
      expectEvents(
        t,
        [frame(6, flags, 0, new Uint8Array(length))],
        [connectionError(FRAME_SIZE_ERROR, 'frame.ping.length')],
      );
    }
  }
});
