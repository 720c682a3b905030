/** TLS, mutual TLS and Unix sockets with peers, and what is said when the handshake cannot succeed. */

import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { testCertificates } from '../support/certificates.ts';
import { temporarySocketPath } from '../support/pipe-events.ts';
import { type TestContext, t } from '../support/tap.ts';
import { sameMessages, sample } from './peers/octets.ts';
import {
  CHAT,
  type ClientTarget,
  ECHO,
  type Peer,
  type PeerClient,
  type PeerServer,
  type ServerAddress,
} from './peers/peer.ts';
import { GRPC_JS, HTTP2, PUREWIRE } from './peers/peers.ts';

const UNAVAILABLE = 14;
const certificates = await testCertificates();
const { root, server: identity, client: clientIdentity, stranger } = certificates;

const PAIRS: readonly (readonly [client: Peer, server: Peer])[] = [
  [GRPC_JS, PUREWIRE],
  [PUREWIRE, GRPC_JS],
  [HTTP2, PUREWIRE],
  [PUREWIRE, HTTP2],
];

for (const [client, server] of PAIRS) {
  const names = `${client.name} client, ${server.name} server`;

  await t.test(`TLS: ${names}`, async (t) => {
    const { port } = await start(t, server, { tls: identity });
    await converse(t, open(t, client, { host: 'localhost', port, tls: { root } }), 'by name');
    // grpc-js names the address in TLS, which Node 26, Bun and Deno refuse.
    if (client !== GRPC_JS) {
      await converse(t, open(t, client, { port, tls: { root } }), 'by address');
    }
    const other = { root, serverName: 'purewire.test' };
    await converse(t, open(t, client, { port, tls: other }), 'another name of the certificate');
  });

  await t.test(`mutual TLS: ${names}`, async (t) => {
    const { port } = await start(t, server, { tls: { ...identity, clientRoot: root } });
    const tls = { root, identity: clientIdentity };
    await converse(t, open(t, client, { host: 'localhost', port, tls }), 'with a certificate');
    await refused(t, open(t, client, { host: 'localhost', port, tls: { root } }), 'without one');
    const foreign = { root, identity: stranger };
    await refused(t, open(t, client, { host: 'localhost', port, tls: foreign }), 'of a stranger');
  });

  await t.test(`Unix socket: ${names}`, async (t) => {
    const { path, remove } = temporarySocketPath();
    t.teardown(remove);
    const { port } = await start(t, server, { path });
    t.equal(port, 0);
    await converse(t, open(t, client, { path }), 'over the socket');
  });
}

for (const server of [GRPC_JS, HTTP2]) {
  await t.test(`our client against a ${server.name} server it must not trust`, async (t) => {
    const { port } = await start(t, server, { tls: identity });
    const wrongRoot = { root: stranger.certificateChain };
    const first = open(t, PUREWIRE, { host: 'localhost', port, tls: wrongRoot });
    t.match(await refused(t, first, 'unknown CA'), /not trusted|self-signed|self signed|unable to/);
    const wrongName = { root, serverName: 'elsewhere.test' };
    const second = open(t, PUREWIRE, { host: 'localhost', port, tls: wrongName });
    t.match(await refused(t, second, 'wrong name'), /elsewhere\.test|altnames|another name/);
    const third = open(t, PUREWIRE, { port });
    await refused(t, third, 'without TLS');
  });
}

await t.test('our client with TLS against a server without', async (t) => {
  const { port } = await start(t, GRPC_JS, {});
  const client = open(t, PUREWIRE, { host: 'localhost', port, tls: { root } });
  t.match(await refused(t, client, 'no TLS there'), /TLS|SSL|version|packet|handshake/i);
});

await t.test('a TLS server that does not know h2 is refused by name (RFC 9113 §3.2)', async (t) => {
  const server = createTlsServer(
    { key: identity.privateKey, cert: identity.certificateChain, ALPNProtocols: ['http/1.1'] },
    (socket) => socket.on('error', () => {}),
  );
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const client = open(t, PUREWIRE, { host: 'localhost', port, tls: { root } });
  t.match(await refused(t, client, 'http/1.1 only'), /ALPN|h2|protocol/i);
});

async function start(t: TestContext, peer: Peer, address: ServerAddress): Promise<PeerServer> {
  const server = await peer.startServer(address);
  t.teardown(() => server.kill());
  return server;
}

function open(t: TestContext, peer: Peer, target: ClientTarget): PeerClient {
  const client = peer.openClient(target);
  t.teardown(() => client.close());
  return client;
}

async function converse(t: TestContext, client: PeerClient, what: string): Promise<void> {
  const { code, details, messages } = await client.start(ECHO, sample(100_000)).outcome;
  t.equal(code, 0, `${what} ${details}`);
  // There is nobody to talk to.
  if (code !== 0) return;
  sameMessages(t, messages, [sample(100_000)], what);
  const call = client.start(CHAT, null);
  call.send(sample(10));
  await call.received(1);
  call.end();
  t.equal((await call.outcome).code, 0, what);
}

/** The call fails with UNAVAILABLE; returns its message. */
async function refused(t: TestContext, client: PeerClient, what: string): Promise<string> {
  const { code, details } = await client.start(ECHO, sample(1)).outcome;
  t.equal(code, UNAVAILABLE, `${what}: ${details}`);
  return details;
}
