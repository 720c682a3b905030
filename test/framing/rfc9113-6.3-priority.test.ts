import { ErrorCode } from '../../framing/constants.ts';
import { frame, ping, priority, priorityFields } from '../support/frame-factory.ts';
import { connectionError, expectEvents } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR } = ErrorCode;

await t.test('§5.3.2 PRIORITY is ignored and reported', async (t) => {
  expectEvents(
    t,
    [priority(1, 3), frame(2, 0, 9, priorityFields(0, 255, true))],
    [
      ['IGNORED', 2, 1, 5],
      ['IGNORED', 2, 9, 5],
    ],
  );
});

await t.test('§6.3 PRIORITY on stream 0 is PROTOCOL_ERROR, whatever its length', async (t) => {
  const wanted = [connectionError(PROTOCOL_ERROR, 'frame.priority.stream-zero')];
  expectEvents(t, [priority(0, 3)], wanted);
  expectEvents(t, [frame(2, 0, 0, 'abcd')], wanted);
});

await t.test('§6.3 a length other than 5 is a stream error FRAME_SIZE_ERROR', async (t) => {
  for (const length of [0, 4, 6, 10]) {
    expectEvents(
      t,
      [frame(2, 0, 1, new Uint8Array(length)), ping('12345678')],
      [
        ['STREAM_ERROR', 1, FRAME_SIZE_ERROR, 'frame.priority.length'],
        ['PING', '3132333435363738', false],
      ],
    );
  }
});

await t.test('RFC 7540 §5.3.1 a stream that depends on itself is a stream error', async (t) => {
  expectEvents(
    t,
    [priority(5, 5), frame(2, 0, 5, priorityFields(5, 1, true)), priority(5, 6)],
    [
      ['STREAM_ERROR', 5, PROTOCOL_ERROR, 'frame.priority.self-dependency'],
      ['STREAM_ERROR', 5, PROTOCOL_ERROR, 'frame.priority.self-dependency'],
      ['IGNORED', 2, 5, 5],
    ],
  );
});
