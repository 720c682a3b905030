import { ErrorCode } from '../../framing/constants.ts';
import { frame, pushPromise } from '../support/frame-factory.ts';
import { connectionError, expectEvents } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

await t.test('§6.6 §8.4 C08 PUSH_PROMISE is PROTOCOL_ERROR for both roles', async (t) => {
  for (const role of ['client', 'server'] as const) {
    const wanted = [connectionError(ErrorCode.PROTOCOL_ERROR, 'frame.push-promise.refused', 1)];
    expectEvents(t, [pushPromise(1, 2, 'block')], wanted, { role });
    expectEvents(t, [frame(5, 0, 1)], wanted, { role });
  }
});
