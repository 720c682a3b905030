/** Requests whose time is over before their behaviours run are counted, also when it is interceptors or decompression that they wait for. */

import { serverMethods } from '../../lib/alpha/service-handler.ts';
import { INLINE_OCTETS } from '../../lib/call/message-inflater.ts';
import {
  type ServerInterceptor,
  streamStreamServiceDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { BIDI, FakeServerHost, requestHeaders, UNARY } from '../grpc/fake-hosts.ts';
import { prefixed } from '../grpc/fake-stream.ts';
import { ManualCodec, manuallyCompressed, manualSettings } from '../grpc/manual-codec.ts';
import { t } from '../support/tap.ts';
import { gate } from './support/loopback.ts';

/** Decompressed in the thread pool, which the test works by hand. */
const COMPRESSED = prefixed(manuallyCompressed(new Array<number>(INLINE_OCTETS).fill(7)), 1);
const PLAIN = prefixed([1, 2]);

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const lookOn: ServerInterceptor = (_context, next) => next();

/** A server of a unary and a streaming method whose behaviours never end, behind `interceptor`; and what has begun. */
function serve(interceptor: ServerInterceptor) {
  const begun: string[] = [];
  const codec = new ManualCodec();
  const host = new FakeServerHost({}, manualSettings(codec, false));
  const read = (octets: Uint8Array): Uint8Array => octets;
  const methods = {
    Unary: unaryUnaryServiceDescription<Uint8Array, Uint8Array>(
      () => {
        begun.push('unary');
        return new Promise(() => {});
      },
      read,
      read,
    ),
    Both: streamStreamServiceDescription<Uint8Array, Uint8Array>(
      () => {
        begun.push('both');
        return new Promise(() => {});
      },
      read,
      read,
    ),
  };
  for (const served of serverMethods('test.S', methods, host.clock, () => {}, [interceptor])) {
    host.methods.set(served.method.path, served);
  }
  return { begun, codec, host };
}

/** Sends a request with a second of time. */
async function send(host: FakeServerHost, path: string, message: readonly number[]): Promise<void> {
  const stream = host.accept(requestHeaders(path, 'grpc-timeout', '1S', 'grpc-encoding', 'manual'));
  stream.receive([...message], true);
  host.run();
  await turn();
  host.run();
}

async function expire(host: FakeServerHost): Promise<void> {
  host.clock.advance(1200);
  host.run();
  await turn();
}

await t.test('one that is not decompressed by then', async (t) => {
  const { begun, codec, host } = serve(lookOn);
  await send(host, UNARY.path, COMPRESSED);
  t.equal(codec.decompressions.length, 1);
  await expire(host);
  t.strictSame(host.trips, ['expiredRequests']);
  t.strictSame(begun, []);
});

await t.test('one that an interceptor holds up', async (t) => {
  for (const [path, message] of [
    [UNARY.path, PLAIN],
    [UNARY.path, COMPRESSED],
    [BIDI.path, PLAIN],
  ] as const) {
    const held = gate();
    const { begun, host } = serve(async (_context, next) => {
      await held.opened;
      return await next();
    });
    await send(host, path, message);
    await expire(host);
    t.strictSame(host.trips, ['expiredRequests'], path);
    held.open();
    await turn();
    host.run();
    t.strictSame(begun, [], 'it does not run afterwards');
    t.strictSame(host.trips, ['expiredRequests'], 'once');
  }
});

await t.test('not one whose behaviour runs: that hears of it itself', async (t) => {
  for (const [path, message] of [
    [UNARY.path, PLAIN],
    [UNARY.path, COMPRESSED],
    [BIDI.path, PLAIN],
  ] as const) {
    const { begun, codec, host } = serve(lookOn);
    await send(host, path, message);
    if (message === COMPRESSED) {
      codec.finishDecompression();
      host.run();
      await turn();
    }
    t.equal(begun.length, 1, path);
    await expire(host);
    t.strictSame(host.trips, [], path);
  }
});
