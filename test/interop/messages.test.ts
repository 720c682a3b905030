/** Messages of every size between our client and their server, and the other way round. */

import { type TestContext, t } from '../support/tap.ts';
import { joined, sameMessages, sample } from './peers/octets.ts';
import {
  CHAT,
  ECHO,
  JOIN,
  type Peer,
  type PeerClient,
  REPEAT,
  repeated,
  repeatRequest,
} from './peers/peer.ts';
import { GRPC_JS, HTTP2, PUREWIRE } from './peers/peers.ts';

const MIB = 1024 * 1024;

/** Around the prefix, the frame size, the windows of both sides, and far beyond them. */
const SIZES = [0, 1, 4, 5, 16_378, 16_379, 16_380, 16_384, 65_530, 65_535, 65_536, 262_139];
const LARGE_SIZES = [262_144, MIB, 4 * MIB + 1, 8 * MIB];

const PAIRS: readonly (readonly [client: Peer, server: Peer])[] = [
  [GRPC_JS, PUREWIRE],
  [PUREWIRE, GRPC_JS],
  [HTTP2, PUREWIRE],
  [PUREWIRE, HTTP2],
];

for (const [client, server] of PAIRS) {
  await t.test(`${client.name} client, ${server.name} server`, async (t) => {
    const started = await server.startServer({});
    const opened = client.openClient({ port: started.port });
    t.teardown(async () => {
      await opened.close();
      await started.kill();
    });
    await sizesThereAndBack(t, opened);
    await largeStreams(t, opened);
  });
}

async function sizesThereAndBack(t: TestContext, client: PeerClient): Promise<void> {
  await t.test('one by one', async (t) => {
    for (const octets of [...SIZES, ...LARGE_SIZES]) {
      const message = sample(octets, 1);
      const { code, details, messages } = await client.start(ECHO, message).outcome;
      t.equal(code, 0, `${octets} octets ${details}`);
      sameMessages(t, messages, [message], `${octets} octets`);
    }
  });

  await t.test('all at once on one connection', async (t) => {
    const sizes = [...SIZES, 8 * MIB, ...SIZES];
    const outcomes = await Promise.all(
      sizes.map((octets, seed) => client.start(ECHO, sample(octets, seed)).outcome),
    );
    for (const [seed, { code, messages }] of outcomes.entries()) {
      t.equal(code, 0);
      sameMessages(t, messages, [sample(sizes[seed]!, seed)], `${sizes[seed]} octets`);
    }
  });
}

async function largeStreams(t: TestContext, client: PeerClient): Promise<void> {
  await t.test('server streaming: 6 messages of 1.5 MiB', async (t) => {
    const request = repeatRequest(6, 1.5 * MIB);
    const { code, messages } = await client.start(REPEAT, request).outcome;
    t.equal(code, 0);
    sameMessages(t, messages, [...repeated(request)]);
  });

  await t.test('client streaming: every size in one call', async (t) => {
    const parts = [...SIZES, 4 * MIB + 1].map((octets, seed) => sample(octets, seed));
    const call = client.start(JOIN, null);
    for (const part of parts) call.send(part);
    call.end();
    const { code, messages } = await call.outcome;
    t.equal(code, 0);
    sameMessages(t, messages, [joined(parts)]);
  });

  await t.test('bidirectional: 8 MiB each way while the other is under way', async (t) => {
    const parts = [sample(8 * MIB, 1), sample(0), sample(8 * MIB, 2)];
    const call = client.start(CHAT, null);
    for (const part of parts) call.send(part);
    call.end();
    const { code, messages } = await call.outcome;
    t.equal(code, 0);
    sameMessages(t, messages, parts);
  });
}
