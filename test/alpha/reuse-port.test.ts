/** Servers that share a port: the option `reusePort`, where the runtime has it. */

import {
  server,
  stub,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { t } from '../support/tap.ts';

const { versions } = process;
const isNode = versions['bun'] === undefined && versions['deno'] === undefined;
const [major = 0, minor = 0] = versions.node.split('.').map(Number);
const canShare = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
const CONNECTIONS = 32;

const same = (octets: Uint8Array): Uint8Array => octets;

/** A server that answers with its own number. */
function numbered(number: number, port: number, reusePort: boolean): ReturnType<typeof server> {
  const answer = (): Uint8Array => Uint8Array.of(number);
  const methods = { Who: unaryUnaryServiceDescription(answer, same, same) };
  return server('test.Who', methods, port, { host: '127.0.0.1', reusePort });
}

await t.test('a Unix socket has no port to share', async (t) => {
  const methods = { Who: unaryUnaryServiceDescription(same, same, same) };
  t.throws(() => server('test.Who', methods, 0, { path: 'x.sock', reusePort: true }), {
    message: /reusePort: port must be 0 with it/,
  });
});

if (!isNode) {
  t.skip('reusePort: whether this runtime shares ports is its own matter');
} else if (canShare) {
  await t.test('two servers share a port, and connections are spread over them', async (t) => {
    const first = await numbered(1, 0, true).start();
    const second = await numbered(2, first.port(), true).start();
    t.equal(second.port(), first.port(), 'the same port');
    const seen = new Set<number>();
    for (let i = 0; i < CONNECTIONS; i++) {
      const who = unaryUnaryInvocationDescription<Uint8Array, Uint8Array>(same, same);
      const remote = stub('test.Who', { Who: who }, '127.0.0.1', first.port()).open();
      seen.add((await remote.Who(Uint8Array.of(0), 10))[0]!);
      await remote.close();
    }
    // The kernel hashes addresses and ports; that 32 connections all fall to one of two has a chance of 1 in 2^31.
    t.strictSame(
      [...seen].sort((a, b) => a - b),
      [1, 2],
      'both answered',
    );
    await t.rejects(numbered(3, first.port(), false).start(), /taken/, 'but not one without it');
    await first.stop();
    await second.stop();
  });
} else {
  await t.test('a runtime without it says so when the server starts', async (t) => {
    await t.rejects(numbered(1, 0, true).start(), /takes Node 22\.12 or newer/);
    const alone = await numbered(1, 0, false).start();
    t.ok(alone.port() > 0, 'without the option it starts');
    await alone.stop();
  });
}
