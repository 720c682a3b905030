/** Many calls: one after the other, at once, and on many connections. */

import { type TestContext, t } from '../support/tap.ts';
import { ToxicProxy } from '../support/toxic-proxy.ts';
import { sample } from './peers/octets.ts';
import { CHAT, ECHO, JOIN, type Peer, type PeerClient } from './peers/peer.ts';
import { GRPC_JS, HTTP2, PUREWIRE } from './peers/peers.ts';

const PAIRS: readonly (readonly [client: Peer, server: Peer])[] = [
  [GRPC_JS, PUREWIRE],
  [PUREWIRE, GRPC_JS],
  [HTTP2, PUREWIRE],
  [PUREWIRE, HTTP2],
  [PUREWIRE, PUREWIRE],
];
const CALLS = 10_000;
const AT_ONCE = 1000;
const STREAMS = 100;
const CONNECTIONS = 100;

for (const [client, server] of PAIRS) {
  await t.test(`${client.name} client, ${server.name} server`, async (t) => {
    const started = await server.startServer({ maxConcurrentStreams: STREAMS });
    const proxy = await ToxicProxy.start(started.port);
    const opened = client.openClient({ port: proxy.port });
    t.teardown(async () => {
      await opened.close();
      await proxy.close();
      await started.kill();
    });

    await t.test('10,000 calls on one connection', async (t) => {
      const wrong = await callInTurns(opened, CALLS, STREAMS);
      t.equal(wrong, 0, 'every answer is that of its call');
      t.equal(started.log.started.length, CALLS);
      t.equal(proxy.connections, 1);
    });

    await t.test('1,000 at once, where the server allows 100 streams', async (t) => {
      const held = Array.from({ length: AT_ONCE }, (_, i) => {
        const call = opened.start(CHAT, null);
        call.send(sample(20, i));
        return call;
      });
      for (const [i, call] of held.entries()) {
        // A conversation keeps its slot until it is ended, so the ones behind have to wait.
        await call.received(1);
        call.end();
        const { code, messages } = await call.outcome;
        if (code !== 0 || messages.length !== 1) t.fail(`call ${i}: ${code}`);
      }
      t.equal(started.log.started.length, CALLS + AT_ONCE);
      t.ok(started.log.mostRunning <= STREAMS, `${started.log.mostRunning} ran at once`);
      t.equal(proxy.connections, 1);
    });

    // grpc-js calls that are cancelled before they have a stream stop those behind them, whoever the server is.
    if (client === GRPC_JS) return;
    await t.test('calls that end while others wait free their slots', async (t) => {
      const served = started.log.started.length;
      const calls = Array.from({ length: 3 * STREAMS }, () => opened.start(JOIN, null));
      // node:http2 servers from Node 22 on keep the slot of a stream that was reset until their next turn, and refuse a stream of the same
      // read with ENHANCE_YOUR_CALM. So there only calls without a stream are cancelled.
      const mayCancel = (i: number): boolean => server === PUREWIRE || i >= STREAMS;
      const isCancelled = (i: number): boolean => i % 2 === 0 && mayCancel(i);
      await started.log.until((log) => log.started.length === served + STREAMS);
      for (let i = calls.length - 1; i >= 0; i--) {
        if (isCancelled(i)) calls[i]!.cancel();
        else calls[i]!.end();
      }
      const codes = await Promise.all(calls.map(async (call) => (await call.outcome).code));
      t.ok(
        codes.every((code, i) => code === (isCancelled(i) ? 1 : 0)),
        codes.join(' '),
      );
      t.equal(proxy.connections, 1);
    });
  });
}

for (const [client, server] of PAIRS) {
  await t.test(`${CONNECTIONS} connections: ${client.name} to ${server.name}`, async (t) => {
    const started = await server.startServer({});
    const clients = Array.from({ length: CONNECTIONS }, () =>
      client.openClient({ port: started.port }),
    );
    t.teardown(() => started.kill());
    const wrong = await Promise.all(clients.map((each) => callInTurns(each, 20, 5)));
    t.equal(
      wrong.reduce((sum, count) => sum + count, 0),
      0,
    );
    t.equal(started.log.started.length, 20 * CONNECTIONS);
    await closeAll(t, clients);
  });
}

/** Makes `count` calls, `atOnce` at a time, and returns how many were not answered with their own message. */
async function callInTurns(client: PeerClient, count: number, atOnce: number): Promise<number> {
  let next = 0;
  let wrong = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) {
      const message = sample(16, i);
      const { code, messages } = await client.start(ECHO, message).outcome;
      if (code !== 0 || Buffer.compare(messages[0]!, message) !== 0) wrong += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return wrong;
}

async function closeAll(t: TestContext, clients: readonly PeerClient[]): Promise<void> {
  await Promise.all(clients.map((client) => client.close()));
  t.pass('all closed');
}
