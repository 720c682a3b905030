import { ErrorCode } from '../../framing/constants.ts';
import {
  canReceive,
  canSend,
  onReceiveData,
  onReceiveHeaders,
  onReceiveReset,
  onSendData,
  onSendHeaders,
  onSendReset,
  StreamState,
} from '../../transport/stream-state.ts';
import { t } from '../support/tap.ts';

const { OPEN, HALF_CLOSED_LOCAL, HALF_CLOSED_REMOTE, CLOSED } = StreamState;
const CLOSED_ERROR = -ErrorCode.STREAM_CLOSED;
const PROTOCOL = -ErrorCode.PROTOCOL_ERROR;

/** Every (state, input) pair, written from the drawing of RFC 9113 §5.1: idle, open, half-closed (local), half-closed (remote), closed. */
const ORACLE: readonly (readonly [string, (state: StreamState) => number, readonly number[]])[] = [
  [
    'recv H',
    (s) => onReceiveHeaders(s, false),
    [OPEN, OPEN, HALF_CLOSED_LOCAL, CLOSED_ERROR, CLOSED_ERROR],
  ],
  [
    'recv H + ES',
    (s) => onReceiveHeaders(s, true),
    [HALF_CLOSED_REMOTE, HALF_CLOSED_REMOTE, CLOSED, CLOSED_ERROR, CLOSED_ERROR],
  ],
  [
    'recv DATA',
    (s) => onReceiveData(s, false),
    [PROTOCOL, OPEN, HALF_CLOSED_LOCAL, CLOSED_ERROR, CLOSED_ERROR],
  ],
  [
    'recv DATA + ES',
    (s) => onReceiveData(s, true),
    [PROTOCOL, HALF_CLOSED_REMOTE, CLOSED, CLOSED_ERROR, CLOSED_ERROR],
  ],
  ['recv R', onReceiveReset, [PROTOCOL, CLOSED, CLOSED, CLOSED, CLOSED]],
  [
    'send H',
    (s) => onSendHeaders(s, false),
    [OPEN, OPEN, CLOSED_ERROR, HALF_CLOSED_REMOTE, CLOSED_ERROR],
  ],
  [
    'send H + ES',
    (s) => onSendHeaders(s, true),
    [HALF_CLOSED_LOCAL, HALF_CLOSED_LOCAL, CLOSED_ERROR, CLOSED, CLOSED_ERROR],
  ],
  [
    'send DATA',
    (s) => onSendData(s, false),
    [PROTOCOL, OPEN, CLOSED_ERROR, HALF_CLOSED_REMOTE, CLOSED_ERROR],
  ],
  [
    'send DATA + ES',
    (s) => onSendData(s, true),
    [PROTOCOL, HALF_CLOSED_LOCAL, CLOSED_ERROR, CLOSED, CLOSED_ERROR],
  ],
  ['send R', onSendReset, [PROTOCOL, CLOSED, CLOSED, CLOSED, CLOSED]],
];

for (const [input, apply, expected] of ORACLE) {
  await t.test(`§5.1 ${input} in every state`, async (t) => {
    for (const [name, state] of Object.entries(StreamState)) {
      t.equal(apply(state), expected[state], name);
    }
  });
}

await t.test('§5.1 who may send in which state', async (t) => {
  t.strictSame(Object.values(StreamState).map(canSend), [false, true, false, true, false]);
  t.strictSame(Object.values(StreamState).map(canReceive), [false, true, true, false, false]);
});
