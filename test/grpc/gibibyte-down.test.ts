/** A gibibyte from a server that writes as fast as it may, down to a client that sleeps now and then. */

import {
  Gauge,
  LARGE_MESSAGE_OCTETS,
  LARGE_OCTETS,
  LARGE_STRIDE,
  pair,
} from '../support/slow-reader.ts';
import { t } from '../support/tap.ts';

await t.test('1 GiB down to a client that sleeps', async (t) => {
  const gauge = new Gauge();
  const stub = await pair(t, gauge, gauge, LARGE_OCTETS, LARGE_MESSAGE_OCTETS);
  const responses = stub.Down(new Uint8Array(0), Number.POSITIVE_INFINITY);
  await gauge.readSlowly(responses, LARGE_STRIDE);
  gauge.check(t, LARGE_OCTETS);
});
