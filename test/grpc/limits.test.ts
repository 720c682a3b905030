/** What limits may be set to: nothing that they accept makes a connection unusable, and what would is refused by name. */

import {
  RpcError,
  Status,
  type Stub,
  server,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  stub,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import {
  CLIENT_LIMITS,
  type Limits,
  resolveLimits,
  SERVER_LIMITS,
} from '../../transport/limits.ts';
import { openStub, startServer } from '../alpha/support/loopback.ts';
import { type TestContext, t } from '../support/tap.ts';

const NAMES = Object.keys(SERVER_LIMITS) as (keyof Limits)[];
const EXTREMES = [0, 1, Number.POSITIVE_INFINITY] as const;

const same = (octets: Uint8Array): Uint8Array => octets;
const METHODS = {
  Echo: unaryUnaryInvocationDescription(same, same),
  Chat: streamStreamInvocationDescription(same, same),
};
const SERVED = {
  Echo: unaryUnaryServiceDescription(same, same, same),
  Chat: streamStreamServiceDescription(
    async function* (requests) {
      yield* requests;
    },
    same,
    same,
  ),
};

function accepts(name: keyof Limits, value: number): boolean {
  try {
    resolveLimits(SERVER_LIMITS, { [name]: value });
    return true;
  } catch (error) {
    if (error instanceof RangeError && error.message.startsWith(`limits.${name} must be `)) {
      return false;
    }
    throw error;
  }
}

/** Calls side by side, messages larger than a frame, a stream, and one that is cancelled. */
async function exchange(remote: Stub<typeof METHODS>): Promise<void> {
  await remote.Echo(new Uint8Array(10), 10);
  await Promise.all([
    remote.Echo(new Uint8Array(100_000), 10),
    remote.Echo(new Uint8Array(10), 10),
  ]);
  let octets = 0;
  const messages = Array.from({ length: 5 }, () => new Uint8Array(20_000));
  for await (const message of remote.Chat(messages, 10)) octets += message.length;
  if (octets !== 100_000) throw new Error(`${octets} octets came back`);
  const left = remote.Chat(messages, 10);
  await left.next();
  await left.return();
  await remote.Echo(new Uint8Array(10), 10);
}

/** A duration of 1 ms is legal, and shorter than what it is to allow for. */
const TOO_SHORT = /Ms$/;

async function works(t: TestContext, limits: Partial<Limits>, side: string): Promise<void> {
  const ofServer = side === 'server' ? { limits } : {};
  const ofStub = side === 'stub' ? { limits } : {};
  const served = await startServer(t, 'test.Echo', SERVED, ofServer);
  const remote = openStub(t, 'test.Echo', METHODS, served, { ...ofStub, onError: () => {} });
  try {
    await exchange(remote);
  } finally {
    await remote.close();
    await served.stop(0);
  }
}

for (const side of ['server', 'stub'] as const) {
  await t.test(
    `${side}: calls go on with every limit at 0, 1 and Infinity, if it takes that`,
    async (t) => {
      let tried = 0;
      for (const name of NAMES) {
        for (const value of EXTREMES) {
          if (!accepts(name, value)) continue;
          if (value === 1 && (TOO_SHORT.test(name) || name.startsWith('maxHeader'))) continue;
          if (name === 'maxReceiveMessageOctets' && value <= 1) continue;
          // The SETTINGS frame of every peer takes the one there is.
          if (value === 1 && ['glitchBurst', 'maxSettingsEntries'].includes(name)) continue;
          tried += 1;
          try {
            await works(t, { [name]: value }, side);
          } catch (error) {
            t.fail(`${name} = ${value}: ${String(error)}`);
          }
        }
      }
      t.comment(`${tried} settings`);
      t.ok(tried > 140, `${tried} settings were tried`);
    },
  );
}

await t.test('0 is refused where nothing could pass', async (t) => {
  const refused = NAMES.filter((name) => !accepts(name, 0));
  t.strictSame(refused, [
    'maxConcurrentStreams',
    'maxRunningHandlers',
    'maxHeaderListOctets',
    'maxHeaderFields',
    'maxHeaderBlockOctets',
    'headerBlockTimeoutMs',
    'maxTableSizeUpdates',
    'controlCloseFrames',
    'controlCloseOctets',
    'glitchBurst',
    'maxSettingsEntries',
    'settingsBurst',
    'streamWindowOctets',
    'connectionWindowOctets',
    'streamWriteQuotaOctets',
    'connectionWriteQuotaOctets',
    'maxUndeliveredMessages',
    'maxConcurrentInflates',
    'tlsHandshakeTimeoutMs',
    'firstSettingsTimeoutMs',
    'settingsAckTimeoutMs',
    'writeStallTimeoutMs',
    'drainIntervalMs',
    'drainStallMs',
    'keepaliveTimeMs',
    'keepaliveTimeoutMs',
    'framesPerTurn',
    'maxConnectionIdleMs',
    'maxConnectionAgeMs',
    'maxConnectionsPerAddress',
    'maxWaitingCalls',
  ]);
  const zero = { streamWindowOctets: 0 };
  const refusal =
    /^RangeError: limits.streamWindowOctets must be a whole number of 1 to 2147483647, got 0$/;
  const refusalOf = (make: () => unknown): string => {
    try {
      make();
    } catch (error) {
      return String(error);
    }
    return 'nothing was refused';
  };
  t.match(
    refusalOf(() => stub('a.B', {}, 'localhost', 1, { limits: zero })),
    refusal,
  );
  t.match(
    refusalOf(() => server('a.B', {}, 0, { limits: zero })),
    refusal,
  );
});

await t.test('what has no place on the wire or in memory is refused', async (t) => {
  const resolve = (limits: Partial<Limits>) => () => resolveLimits(CLIENT_LIMITS, limits);
  for (const streamWindowOctets of [
    2 ** 31,
    Number.POSITIVE_INFINITY,
    0.5,
    65_535.5,
    -1,
    Number.NaN,
  ]) {
    t.throws(resolve({ streamWindowOctets }), RangeError, `§6.5.2 window of ${streamWindowOctets}`);
  }
  t.throws(resolve({ decoderTableOctets: 2 ** 32 }), /decoderTableOctets must be a whole number/);
  t.throws(resolve({ maxRememberedStreams: Number.POSITIVE_INFINITY }), RangeError);
  t.throws(resolve({ ownResets: Number.POSITIVE_INFINITY }), RangeError);
  t.throws(resolve({ keepaliveTimeMs: '5' as never }), /a number above 0, got string 5$/);
  t.throws(resolve({ maxMessage: 5 } as never), /limits.maxMessage is not a limit; SECURITY.md/);
  t.throws(resolve({ maxConnectionAgeJitter: 1.1 }), /Jitter must be a number of 0 to 1, got 1.1/);
  t.throws(resolve({ keepaliveTimeMs: 0 }), /keepaliveTimeMs must be a number above 0, got 0/);
  t.throws(resolve({ maxWaitingCalls: '5' as never }), RangeError);
  t.throws(resolve({ noSuchLimit: 1 } as never), TypeError);
  t.equal(resolve({ keepaliveTimeMs: 0.5 })().keepaliveTimeMs, 0.5, 'durations have fractions');
  t.equal(resolve({ streamWindowOctets: 2 ** 31 - 1 })().streamWindowOctets, 2 ** 31 - 1);
  t.equal(resolve({ maxConcurrentStreams: 7 })().maxRunningHandlers, 7, 'L2 = L1');
});

await t.test('L18 a message limit of 0 lets empty messages pass', async (t) => {
  const served = await startServer(t, 'test.Echo', SERVED, {
    limits: { maxReceiveMessageOctets: 0 },
  });
  const remote = openStub(t, 'test.Echo', METHODS, served);
  t.equal((await remote.Echo(new Uint8Array(0), 10)).length, 0);
  const error = await remote.Echo(new Uint8Array(1), 10).catch((raised: unknown) => raised);
  t.ok(error instanceof RpcError && error.code === Status.RESOURCE_EXHAUSTED);
});
