/** Servers that stop, are killed or vanish while calls are in flight: each side learns it, and the other calls are none the worse. */

import { startProcessPeer } from '../support/process-peer.ts';
import { type TestContext, t } from '../support/tap.ts';
import { sameMessages, sample } from './peers/octets.ts';
import {
  CHAT,
  ECHO,
  ENDLESS,
  HOLD,
  JOIN,
  type Peer,
  type PeerCall,
  type PeerClient,
  REPEAT,
  repeatRequest,
} from './peers/peer.ts';
import { GRPC_JS, HTTP2, PUREWIRE } from './peers/peers.ts';

const CANCELLED = 1;
const UNAVAILABLE = 14;

const PAIRS: readonly (readonly [client: Peer, server: Peer])[] = [
  [GRPC_JS, PUREWIRE],
  [PUREWIRE, GRPC_JS],
  [HTTP2, PUREWIRE],
  [PUREWIRE, HTTP2],
  [PUREWIRE, PUREWIRE],
];

/** One call of each kind, none of which ends by itself. */
async function callsInFlight(client: PeerClient): Promise<PeerCall[]> {
  const hold = client.start(HOLD, sample(1));
  const repeat = client.start(REPEAT, repeatRequest(ENDLESS, 1000));
  const join = client.start(JOIN, null);
  join.send(sample(10));
  const chat = client.start(CHAT, null);
  chat.send(sample(10));
  await Promise.all([repeat.received(1), chat.received(1)]);
  return [hold, repeat, join, chat];
}

async function codesOf(calls: readonly PeerCall[]): Promise<number[]> {
  return Promise.all(calls.map(async (call) => (await call.outcome).code));
}

for (const [client, server] of PAIRS) {
  const names = `${client.name} client, ${server.name} server`;

  await t.test(`the server stops gracefully: ${names}`, async (t) => {
    const started = await server.startServer({});
    const opened = client.openClient({ port: started.port });
    t.teardown(() => opened.close());
    const chat = opened.start(CHAT, null);
    chat.send(sample(10));
    await chat.received(1);
    const join = opened.start(JOIN, null);
    join.send(sample(10));
    await started.log.until((log) => log.started.length === 2);

    let stopped = false;
    const stopping = started.stop().then(() => {
      stopped = true;
    });
    // The calls in flight go on as if nothing had happened.
    for (let i = 2; i < 10; i++) {
      chat.send(sample(i));
      await chat.received(i);
    }
    t.notOk(stopped, 'the server waits for them');
    chat.end();
    t.equal((await chat.outcome).code, 0);
    join.send(sample(20));
    join.end();
    t.equal((await join.outcome).code, 0);
    await stopping;
    t.pass('the server has stopped');
    t.equal((await opened.start(ECHO, sample(1)).outcome).code, UNAVAILABLE, 'nobody listens');
  });

  await t.test(`the server stops by force: ${names}`, async (t) => {
    const started = await server.startServer({});
    const opened = client.openClient({ port: started.port });
    t.teardown(() => opened.close());
    const calls = await callsInFlight(opened);
    await started.log.until((log) => log.started.length === 4);
    await started.kill();
    const codes = await codesOf(calls);
    t.ok(
      codes.every((code) => code === UNAVAILABLE || code === CANCELLED),
      `codes ${codes.join(' ')}`,
    );
    await started.log.until((log) => log.running === 0);
    t.pass('every handler has ended');
  });
}

for (const peer of [GRPC_JS, HTTP2, PUREWIRE]) {
  await t.test(`our client survives the end of a ${peer.name} process`, async (t) => {
    const first = await startProcessPeer('test/interop/peers/server-process.ts', [peer.name]);
    const client = PUREWIRE.openClient({ port: first.port });
    const calls = await callsInFlight(client);
    await first.kill();
    t.strictSame(await codesOf(calls), [UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE]);
    t.equal((await client.start(ECHO, sample(1)).outcome).code, UNAVAILABLE, 'nobody is there');
    const second = await startProcessPeer('test/interop/peers/server-process.ts', [
      peer.name,
      String(first.port),
    ]);
    t.teardown(async () => {
      await client.close();
      await second.kill();
    });
    await answersAgain(t, client);
  });

  await t.test(`our server survives the end of a ${peer.name} client process`, async (t) => {
    const server = await PUREWIRE.startServer({});
    const other = PUREWIRE.openClient({ port: server.port });
    t.teardown(async () => {
      await other.close();
      await server.kill();
    });
    const process = await startProcessPeer('test/interop/peers/client-process.ts', [
      peer.name,
      String(server.port),
    ]);
    await server.log.until((log) => log.started.length === 4);
    await process.kill();
    await server.log.until((log) => log.running === 0);
    t.strictSame([...server.log.cancelled].sort(), ['Chat', 'Hold', 'Join', 'Repeat']);
    t.equal((await other.start(ECHO, sample(1)).outcome).code, 0, 'others are served');
  });
}

/** Calls until the channel has found the server again; each failure on the way is UNAVAILABLE. */
async function answersAgain(t: TestContext, client: PeerClient): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const { code, messages } = await client.start(ECHO, sample(50)).outcome;
    if (code === 0) {
      sameMessages(t, messages, [sample(50)], 'the new process answers');
      return;
    }
    if (code !== UNAVAILABLE || attempt > 1000) {
      t.fail(`attempt ${attempt} ended with ${code}`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
