/**
 * Eight connections with hardly anything to do, then with very much at once, then idle again, server and clients in this process. Prints the
 * octets in use before, at most during, and after; the connections stay open.
 */

import {
  server,
  stub,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { octetsAtRest, octetsInUse } from './memory-use.ts';

const CONNECTIONS = 8;
const CALLS_AT_ONCE = 100;
const MESSAGE_OCTETS = 65_536;

const same = (octets: Uint8Array): Uint8Array => octets;

let most = 0;
let served = 0;
const echo = unaryUnaryServiceDescription(
  async (octets: Uint8Array) => {
    // All of a burst are there before the first is answered, in some: what they hold then is the burst.
    await new Promise((resolve) => setImmediate(resolve));
    if (++served % 50 === 0) most = Math.max(most, octetsInUse());
    return octets;
  },
  same,
  same,
);
const running = await server('memory.Burst', { Echo: echo }, 0, { host: '127.0.0.1' }).start();
const methods = { Echo: unaryUnaryInvocationDescription(same, same) };
const remotes = Array.from({ length: CONNECTIONS }, () =>
  stub('memory.Burst', methods, '127.0.0.1', running.port()).open(),
);

/** Several rounds, so that windows have grown as far as they do. */
async function burst(rounds: number, callsAtOnce: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await Promise.all(
      remotes.flatMap((remote) =>
        Array.from({ length: callsAtOnce }, async () => {
          const { length } = await remote.Echo(new Uint8Array(MESSAGE_OCTETS), 300);
          if (length !== MESSAGE_OCTETS) throw new Error(`${length} octets came back`);
        }),
      ),
    );
  }
}

// One call at a time, as often as makes the code warm.
await burst(100, 1);
const before = await octetsAtRest();
most = 0;
await burst(5, CALLS_AT_ONCE);
const after = await octetsAtRest();
console.log(JSON.stringify({ before, most, after }));
process.exit(0);
