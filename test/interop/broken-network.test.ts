/** A network that cuts connections in the middle of a message, delivers octet by octet, or not at all for a while. */

import { type TestContext, t } from '../support/tap.ts';
import { type CutKind, type Direction, ToxicProxy } from '../support/toxic-proxy.ts';
import { hex, sameMessages, sample } from './peers/octets.ts';
import {
  CHAT,
  ECHO,
  HOLD,
  JOIN,
  type Peer,
  type PeerCall,
  type PeerClient,
  type PeerServer,
  REPEAT,
  repeated,
  repeatRequest,
  valuesOf,
} from './peers/peer.ts';
import { GRPC_JS, HTTP2, PUREWIRE } from './peers/peers.ts';

const UNAVAILABLE = 14;
const MESSAGE_OCTETS = 300_000;

const PAIRS: readonly (readonly [client: Peer, server: Peer])[] = [
  [GRPC_JS, PUREWIRE],
  [PUREWIRE, GRPC_JS],
  [HTTP2, PUREWIRE],
  [PUREWIRE, HTTP2],
];

interface Scene {
  readonly server: PeerServer;
  readonly client: PeerClient;
  readonly proxy: ToxicProxy;
}

/** Both peers with the proxy between them; `poison` is applied before the client connects. */
async function scene(
  t: TestContext,
  [client, server]: readonly [Peer, Peer],
  poison: (proxy: ToxicProxy) => void,
): Promise<Scene> {
  const started = await server.startServer({});
  const proxy = await ToxicProxy.start(started.port);
  poison(proxy);
  const opened = client.openClient({ port: proxy.port });
  t.teardown(async () => {
    await opened.close();
    await proxy.close();
    await started.kill();
  });
  return { server: started, client: opened, proxy };
}

for (const pair of PAIRS) {
  const names = `${pair[0].name} client, ${pair[1].name} server`;

  for (const [direction, kind] of [
    ['up', 'end'],
    ['up', 'reset'],
    ['down', 'end'],
    ['down', 'reset'],
  ] as const) {
    await t.test(`cut in the middle of a message, ${direction}, ${kind}: ${names}`, async (t) => {
      const made = await scene(t, pair, (proxy) => {
        proxy[direction].cutAfterOctets = 50_000;
        proxy[direction].cutKind = kind;
      });
      await cutCalls(t, made, direction, kind);
      made.proxy.heal();
      await recovers(t, made, pair[0]);
    });
  }

  await t.test(`every octet by itself: ${names}`, async (t) => {
    const { client } = await scene(t, pair, (proxy) => {
      proxy.up.sliceOctets = 1;
      proxy.down.sliceOctets = 1;
    });
    const metadata = [['initial-octets-bin', sample(50)]] as const;
    const echo = await client.start(ECHO, sample(300), { metadata }).outcome;
    t.equal(echo.code, 0);
    t.equal(valuesOf(echo.initial).get('initial-octets-bin'), hex(sample(50)));
    sameMessages(t, echo.messages, [sample(300)]);
    const request = repeatRequest(5, 90);
    sameMessages(t, (await client.start(REPEAT, request).outcome).messages, [...repeated(request)]);
  });

  await t.test(`slices of all sizes: ${names}`, async (t) => {
    for (const sliceOctets of [7, 100, 1460, 16_393]) {
      const { client } = await scene(t, pair, (proxy) => {
        proxy.up.sliceOctets = sliceOctets;
        proxy.down.sliceOctets = sliceOctets;
      });
      const call = client.start(CHAT, null);
      const parts = [sample(sliceOctets * 20), sample(0), sample(sliceOctets * 3, 1)];
      for (const part of parts) call.send(part);
      call.end();
      sameMessages(t, (await call.outcome).messages, parts, `slices of ${sliceOctets}`);
    }
  });
}

/** The calls under way fail with UNAVAILABLE, and the server's handlers learn it. */
async function cutCalls(
  t: TestContext,
  { client, server }: Scene,
  direction: Direction,
  kind: CutKind,
): Promise<void> {
  const hold = client.start(HOLD, sample(1));
  const cut: PeerCall =
    direction === 'up'
      ? client.start(JOIN, null)
      : client.start(REPEAT, repeatRequest(3, MESSAGE_OCTETS));
  if (direction === 'up') cut.send(sample(MESSAGE_OCTETS));
  const [cutOutcome, holdOutcome] = await Promise.all([cut.outcome, hold.outcome]);
  t.equal(cutOutcome.code, UNAVAILABLE, cutOutcome.details);
  t.equal(holdOutcome.code, UNAVAILABLE, holdOutcome.details);
  t.strictSame(cutOutcome.messages, [], 'no half message is delivered');
  await server.log.until((log) => log.running === 0);
  t.pass(`no handler is left after ${kind}`);
}

/** The same client reaches the server again by a new connection. The node:http2 client has only the one. */
async function recovers(t: TestContext, { client, proxy }: Scene, peer: Peer): Promise<void> {
  if (peer === HTTP2) return;
  for (let attempt = 0; attempt < 1000; attempt++) {
    const { code, messages } = await client.start(ECHO, sample(MESSAGE_OCTETS)).outcome;
    if (code !== UNAVAILABLE) {
      t.equal(code, 0, 'the next connection is good');
      sameMessages(t, messages, [sample(MESSAGE_OCTETS)]);
      t.ok(proxy.connections >= 2);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  t.fail('the client never came back');
}
