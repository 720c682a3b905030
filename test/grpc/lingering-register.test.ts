/** When handlers that linger are told of (L2), by a clock that the test turns. */

import type { LingeringCall } from '../../lib/call/server-call-host.ts';
import { Cardinality, methodDescriptor } from '../../lib/method.ts';
import { type LingeringHost, LingeringRegister } from '../../lib/server/lingering-handlers.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { t } from '../support/tap.ts';

const LIMIT_MS = 10_000;
const MINUTE_MS = 60_000;
const HOST: LingeringHost = {
  peerAddress: 'ipv4:192.0.2.1:1',
  runningHandlers: 1,
  waitingCalls: 0,
};

function lingering(service: string): LingeringCall {
  return {
    method: methodDescriptor(service, 'M', Cardinality.UNARY_UNARY),
    abortReason: '',
    onSlot: () => {},
    onSlotRefused: () => {},
  };
}

function register(): {
  clock: FakeClock;
  register: LingeringRegister;
  trips: () => number;
  reports: string[];
} {
  const clock = new FakeClock();
  const reports: string[] = [];
  let trips = 0;
  const limits = { lingeringHandlerMs: LIMIT_MS, maxRunningHandlers: 100 };
  const made = new LingeringRegister(
    clock,
    limits,
    () => trips++,
    (_, path) => reports.push(path),
  );
  return { clock, register: made, trips: () => trips, reports };
}

await t.test(
  'a handler is told of at its time, also while an older one waits for its next line',
  async (t) => {
    const { clock, register: lingerers, trips, reports } = register();
    lingerers.add(lingering('test.A'), HOST);
    clock.advance(LIMIT_MS);
    t.strictSame([trips(), reports], [1, ['/test.A/M']]);
    clock.advance(1000);
    const second = lingering('test.B');
    lingerers.add(second, HOST);
    clock.advance(LIMIT_MS - 1);
    t.equal(trips(), 1, 'not before its time');
    clock.advance(1);
    t.strictSame([trips(), reports], [2, ['/test.A/M', '/test.B/M']]);
    clock.advance(MINUTE_MS - LIMIT_MS - 1000);
    t.strictSame(reports, ['/test.A/M', '/test.B/M', '/test.A/M'], 'the older one once a minute');
  },
);

await t.test('one line a minute per method, whatever comes and goes', async (t) => {
  const { clock, register: lingerers, trips, reports } = register();
  for (let seconds = 0; seconds < 70; seconds++) {
    const call = lingering('test.A');
    lingerers.add(call, HOST);
    clock.advance(LIMIT_MS);
    lingerers.delete(call);
    t.equal(clock.pending, 0, 'no timer is left when nothing lingers');
    clock.advance(1);
  }
  t.equal(trips(), 70);
  t.equal(reports.length, 12, 'those of each sixth');
});
