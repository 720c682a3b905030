/** A gibibyte from a client that writes as fast as it may, up to a server that sleeps now and then. */

import {
  Gauge,
  LARGE_MESSAGE_OCTETS,
  LARGE_OCTETS,
  LARGE_STRIDE,
  pair,
} from '../support/slow-reader.ts';
import { t } from '../support/tap.ts';

await t.test('1 GiB up to a server that sleeps', async (t) => {
  const gauge = new Gauge();
  const stub = await pair(t, gauge, gauge, LARGE_OCTETS, LARGE_MESSAGE_OCTETS, LARGE_STRIDE);
  await stub.Up(gauge.write(LARGE_OCTETS, LARGE_MESSAGE_OCTETS), Number.POSITIVE_INFINITY);
  gauge.check(t, LARGE_OCTETS);
});
