/** Connection backoff (grpc/grpc doc/connection-backoff.md). */

import { Backoff, MIN_CONNECT_TIMEOUT_MS } from '../../lib/channel/backoff.ts';
import { t } from '../support/tap.ts';

await t.test('connection-backoff.md: 1 s, x 1.6, up to 120 s', async (t) => {
  const backoff = new Backoff({ random: () => 0.5 });
  const times = Array.from({ length: 14 }, () => Math.round(backoff.next()));
  t.strictSame(
    times,
    [
      1000, 1600, 2560, 4096, 6554, 10486, 16777, 26844, 42950, 68719, 109951, 120000, 120000,
      120000,
    ],
  );
  t.equal(MIN_CONNECT_TIMEOUT_MS, 20_000);
});

await t.test(
  'connection-backoff.md: jitter of 20 % both ways, not on the first and not kept',
  async (t) => {
    let random = 0;
    const backoff = new Backoff({ random: () => random });
    t.equal(backoff.next(), 1000);
    t.equal(backoff.next(), 1600 * 0.8);
    random = 1;
    t.equal(backoff.next(), 2560 * 1.2, 'of the plain series, not of the last time');
  },
);

await t.test('reset begins the series anew', async (t) => {
  const backoff = new Backoff({ random: () => 0.5 });
  backoff.next();
  backoff.next();
  backoff.reset();
  t.equal(backoff.next(), 1000);
  t.equal(Math.round(backoff.next()), 1600);
});

await t.test('numbers outside their range are refused', async (t) => {
  t.throws(() => new Backoff({ initialMs: -1 }), { name: 'RangeError', message: /^initialMs/ });
  t.throws(() => new Backoff({ multiplier: 0.5 }), { name: 'RangeError', message: /^multiplier/ });
  t.throws(() => new Backoff({ maxMs: Number.NaN }), { name: 'RangeError', message: /^maxMs/ });
  t.throws(() => new Backoff({ jitter: 1.1 }), { name: 'RangeError', message: /^jitter/ });
  t.equal(new Backoff({ initialMs: 0, maxMs: 0 }).next(), 0);
});
