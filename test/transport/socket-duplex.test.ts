/** Sockets as ByteDuplex: order, back-pressure, half-close, errors that go nowhere but to the listener. */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import type { ByteDuplex } from '../../transport/byte-duplex.ts';
import { SocketConnector } from '../../transport/node/connect.ts';
import { listen } from '../../transport/node/listen.ts';
import { ipAddress, SocketDuplex } from '../../transport/node/socket-duplex.ts';
import { systemClock } from '../../transport/system-clock.ts';
import { testCertificates } from '../support/certificates.ts';
import { Accepted, connectPipe, PipeEvents, temporarySocketPath } from '../support/pipe-events.ts';
import { onNode, type TestContext, t } from '../support/tap.ts';

interface Joined {
  readonly client: PipeEvents;
  readonly server: PipeEvents;
}

/** A TCP connection, both ends as duplexes. */
async function join(t: TestContext): Promise<Joined> {
  const accepted = new Accepted();
  const listener = await listen(
    {
      address: { host: '127.0.0.1', port: 0 },
      tls: null,
      clock: systemClock,
      tlsHandshakeTimeoutMs: 10_000,
      maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
    },
    accepted,
  );
  const connector = new SocketConnector(
    { host: '127.0.0.1', port: listener.port },
    null,
    systemClock,
  );
  const client = new PipeEvents(await connectPipe(connector));
  const server = await accepted.next();
  t.teardown(async () => {
    client.duplex.destroy();
    server.duplex.destroy();
    await listener.close();
  });
  return { client, server };
}

function octets(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

/** `length` octets whose order shows. */
function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}

const certificates = await testCertificates();
const serverTls = {
  material: { ...certificates.server, rootCertificates: null },
  clientCertificates: 'ignore',
} as const;
const WRITTEN_OCTETS = 64 * 1_048_576;

/** Writes from another thread, which goes on while this one reads: zeros in chunks of `chunkOctets`, then ends. */
const WRITER = `
  const { workerData: { tls, port, octets, chunkOctets } } = require('node:worker_threads');
  const chunk = Buffer.alloc(chunkOctets);
  let left = octets;
  function write() {
    while (left > 0) {
      left -= chunkOctets;
      if (!socket.write(chunk)) break;
    }
    if (left <= 0) socket.end();
  }
  const socket = tls
    ? require('node:tls').connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] }, write)
    : require('node:net').connect(port, '127.0.0.1', write);
  socket.on('drain', write);
`;

/** The most octets that one socket of two hands over in one turn while its peer sends as fast as it can. */
async function mostOctetsOfOneTurn(isTls: boolean, chunkOctets: number): Promise<number> {
  const accepted = new Accepted();
  const listener = await listen(
    {
      address: { host: '127.0.0.1', port: 0 },
      tls: isTls ? serverTls : null,
      clock: systemClock,
      tlsHandshakeTimeoutMs: 10_000,
      maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
    },
    accepted,
  );
  const { port } = listener;
  const writerOptions = {
    eval: true,
    workerData: { tls: isTls, port, octets: WRITTEN_OCTETS, chunkOctets },
  };
  // The other socket, which is there to be given way to.
  const idle = createServer().listen(0, '127.0.0.1');
  await once(idle, 'listening');
  const { port: idlePort } = idle.address() as AddressInfo;
  const other = new PipeEvents(
    await connectPipe(
      new SocketConnector({ host: '127.0.0.1', port: idlePort }, null, systemClock),
    ),
  );
  const writer = new Worker(WRITER, writerOptions);
  const server = await accepted.next();
  let [received, octetsThisTurn, mostOctets, isOver] = [0, 0, 0, false];
  const turn = (): void => {
    octetsThisTurn = 0;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await new Promise<void>((resolve) => {
    server.onOctets = (_chunk, end): void => {
      octetsThisTurn += end;
      mostOctets = Math.max(mostOctets, octetsThisTurn);
      received += end;
      if (received >= WRITTEN_OCTETS) resolve();
    };
  });
  isOver = true;
  for (const { duplex } of [other, server]) duplex.destroy();
  await listener.close();
  idle.close();
  await writer.terminate();
  return mostOctets;
}

/** 128 KiB, and the rest of the read that goes beyond. Deno hands out what it has read, paused or not. */
const MOST_OCTETS = onNode ? 131_072 + 65_536 : WRITTEN_OCTETS;

await t.test('L23 one socket is read twice before the others have their turn', async (t) => {
  const most = await mostOctetsOfOneTurn(false, 1_048_576);
  t.ok(most <= MOST_OCTETS, `${most} octets in one turn`);
});

await t.test('L23 so is one over TLS, whose chunks are records', async (t) => {
  for (const chunkOctets of [262_144, 1000]) {
    const most = await mostOctetsOfOneTurn(true, chunkOctets);
    t.ok(most <= MOST_OCTETS, `${most} octets in one turn, written by ${chunkOctets}`);
  }
});

await t.test('several chunks are one write and arrive in order', async (t) => {
  const { client, server } = await join(t);
  t.equal(client.duplex.write([octets(1, 2), octets(3), octets(), octets(4, 5)]), true);
  t.equal(client.duplex.write([octets(6)]), true);
  await server.until((heard) => heard.received.length === 6);
  t.ok(same(server.received, octets(1, 2, 3, 4, 5, 6)));
  t.equal(client.duplex.write([]), true, 'nothing to write is no error');
});

await t.test(
  'pendingOctets is 0 once a write is done, and buffers may be reused then',
  async (t) => {
    const { client, server } = await join(t);
    const buffer = pattern(1000);
    const wanted = pattern(1000);
    client.duplex.write([buffer]);
    // Node and Bun complete a small write at once, Deno later.
    while (client.duplex.pendingOctets > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    buffer.fill(0);
    await server.until((heard) => heard.received.length === 1000);
    t.ok(same(server.received, wanted));
  },
);

await t.test(
  'a peer that does not read makes the writer wait; reading ends the wait',
  async (t) => {
    const { client, server } = await join(t);
    server.duplex.pause();
    const chunk = pattern(262_144);
    let written = 0;
    let accepted = true;
    while (accepted && written < 256) {
      accepted = client.duplex.write([chunk]);
      written++;
    }
    t.equal(accepted, false, 'the buffers between the ends are bounded');
    t.ok(client.duplex.pendingOctets > 0);
    t.equal(client.writable, 0);
    server.duplex.resume();
    await client.until((heard) => heard.writable > 0);
    t.equal(client.duplex.pendingOctets, 0);
    await server.until((heard) => heard.received.length === written * chunk.length);
    t.equal(client.writable, 1, 'onWritable comes once per wait');
    t.ok(same(server.received.subarray(-chunk.length), chunk));
  },
);

await t.test('L20 octets that waited behind a write count as taken while they leave', async (t) => {
  if (!onNode) return void t.pass('the state of writes is known on Node alone');
  const { client, server } = await join(t);
  server.duplex.pause();
  const first = pattern(8 * 1_048_576);
  const second = pattern(24 * 1_048_576);
  client.duplex.write([first]);
  client.duplex.write([second]);
  t.ok(client.duplex.pendingOctets > second.length);
  server.duplex.resume();
  await server.until((heard) => heard.received.length > first.length + 1_048_576);
  server.duplex.pause();
  const left = client.duplex.pendingOctets;
  t.ok(left > 0 && left < second.length, `${left} octets are left`);
});

await t.test('pause holds octets back until resume', async (t) => {
  const { client, server } = await join(t);
  client.duplex.write([octets(1)]);
  await server.until((heard) => heard.received.length === 1);
  server.duplex.pause();
  client.duplex.write([octets(2)]);
  await new Promise((resolve) => setTimeout(resolve, 30));
  t.equal(server.received.length, 1);
  server.duplex.resume();
  await server.until((heard) => heard.received.length === 2);
});

await t.test(
  'end() is a half-close: the other direction goes on, both closed close the socket',
  async (t) => {
    const { client, server } = await join(t);
    client.duplex.write([pattern(100_000)]);
    client.duplex.end();
    t.equal(client.duplex.write([octets(1)]), false, 'a write after end is dropped');
    client.duplex.end();
    await server.until((heard) => heard.ended);
    t.equal(server.received.length, 100_000, 'what was written before has left');
    t.notOk(server.closed);
    t.equal(server.duplex.write([octets(9)]), true);
    await client.until((heard) => heard.received.length === 1);
    server.duplex.end();
    await client.until((heard) => heard.closed);
    await server.until((heard) => heard.closed);
    t.equal(client.reason, undefined);
    t.equal(server.reason, undefined);
  },
);

await t.test('destroy closes at once and reports its reason to the listener alone', async (t) => {
  const { client, server } = await join(t);
  client.duplex.destroy(new Error('for this test'));
  await client.until((heard) => heard.closed);
  t.equal(client.reason?.message, 'for this test');
  await server.until((heard) => heard.ended || heard.closed);
  t.equal(client.duplex.write([octets(1)]), false);
  t.equal(client.duplex.pendingOctets, 0);
  client.duplex.destroy();
  client.duplex.pause();
  client.duplex.resume();
  client.duplex.end();
});

await t.test(
  'a reset by the peer is an onClosed with the I/O error, never an uncaught one',
  async (t) => {
    const { client, server } = await join(t);
    server.duplex.write([pattern(10)]);
    await client.until((heard) => heard.received.length === 10);
    // Unread octets at the moment of the close make the kernel answer with a reset.
    server.duplex.pause();
    client.duplex.write([pattern(2_000_000)]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    server.duplex.destroy();
    await client.until((heard) => heard.closed);
    t.ok(client.reason instanceof Error, String(client.reason));
  },
);

await t.test('an exception of the listener ends this connection, not the process', async (t) => {
  const { client, server } = await join(t);
  server.onOctetsHook = () => {
    throw new Error('for this test');
  };
  client.duplex.write([octets(1)]);
  await server.until((heard) => heard.closed);
  t.equal(server.reason?.message, 'for this test');
});

await t.test('a socket that died before start still gives onClosed, later and once', async (t) => {
  const duplex = new SocketDuplex(new Socket());
  duplex.destroy(new Error('before anyone listened'));
  await new Promise((resolve) => setTimeout(resolve, 5));
  const events = new PipeEvents(duplex);
  t.notOk(events.closed, 'not within start');
  await events.until((heard) => heard.closed);
  t.equal(events.reason?.message, 'before anyone listened');
});

await t.test('peers are named as gRPC names them', async (t) => {
  const { client, server } = await join(t);
  t.match(client.duplex.peer.address, /^ipv4:127\.0\.0\.1:\d+$/);
  t.match(server.duplex.peer.address, /^ipv4:127\.0\.0\.1:\d+$/);
  t.strictSame(
    [client.duplex.peer.tlsCipher, client.duplex.peer.certificate],
    [null, null],
    'no TLS',
  );
  t.equal(ipAddress('::ffff:10.1.2.3', 5), 'ipv4:10.1.2.3:5');
  t.equal(ipAddress('::1', 50051), 'ipv6:[::1]:50051');
  t.equal(ipAddress('192.0.2.1', 80), 'ipv4:192.0.2.1:80');
});

await t.test('a Unix socket is named by its path', async (t) => {
  const { path, remove } = temporarySocketPath();
  t.teardown(remove);
  const accepted: ByteDuplex[] = [];
  const server: Server = createServer((socket) => accepted.push(new SocketDuplex(socket, path)));
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  const client = await connectPipe(new SocketConnector({ path }, null, systemClock));
  t.equal(client.peer.address, `unix:${path}`);
  client.destroy();
  await new Promise((resolve) => {
    server.close(resolve);
    for (const duplex of accepted) duplex.destroy();
  });
});
