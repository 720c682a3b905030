/** Dialling and listening on TCP, TLS and Unix sockets: what works, and what the errors say. */

import { writeFileSync } from 'node:fs';
import { createServer, connect as netConnect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { Listener } from '../../transport/listener.ts';
import { addressText, SocketConnector } from '../../transport/node/connect.ts';
import { type ListenOptions, listen, type ServerTls } from '../../transport/node/listen.ts';
import { secureContext, type TlsMaterial } from '../../transport/node/tls-context.ts';
import { systemClock } from '../../transport/system-clock.ts';
import { testCertificates } from '../support/certificates.ts';
import { Accepted, connectPipe, PipeEvents, temporarySocketPath } from '../support/pipe-events.ts';
import { type TestContext, t } from '../support/tap.ts';

const certificates = await testCertificates();

const SERVER_TLS: ServerTls = {
  material: { ...certificates.server, rootCertificates: certificates.root },
  clientCertificates: 'ignore',
};

function listenOptions(options: Partial<ListenOptions>): ListenOptions {
  return {
    address: { host: '127.0.0.1', port: 0 },
    tls: null,
    clock: systemClock,
    tlsHandshakeTimeoutMs: 10_000,
    maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
    ...options,
  };
}

/** Resolves when `socket` is closed, by an end or an error. */
function closeOf(socket: Socket): Promise<unknown> {
  socket.on('error', () => {});
  socket.resume();
  return new Promise((resolve) => {
    socket.on('close', resolve);
  });
}

async function open(
  t: TestContext,
  options: Partial<ListenOptions>,
): Promise<{ listener: Listener; accepted: Accepted }> {
  const accepted = new Accepted();
  const listener = await listen(listenOptions(options), accepted);
  t.teardown(() => listener.close());
  return { listener, accepted };
}

function tlsConnector(
  port: number,
  serverName: string,
  trust = certificates.root,
): SocketConnector {
  const context = secureContext({
    rootCertificates: trust,
    privateKey: null,
    certificateChain: null,
  });
  return new SocketConnector({ host: '127.0.0.1', port }, { context, serverName }, systemClock);
}

/** Sends an octet each way and ends both. */
async function exchange(client: PipeEvents, server: PipeEvents): Promise<void> {
  client.duplex.write([Uint8Array.of(1)]);
  server.duplex.write([Uint8Array.of(2)]);
  await Promise.all([
    client.until((heard) => heard.received.length === 1),
    server.until((heard) => heard.received.length === 1),
  ]);
  client.duplex.end();
  server.duplex.end();
  await Promise.all([client.until((heard) => heard.closed), server.until((heard) => heard.closed)]);
}

await t.test('TCP: port 0 becomes a real port, and a name is dialled', async (t) => {
  const { listener, accepted } = await open(t, { address: { host: '127.0.0.1', port: 0 } });
  t.ok(listener.port > 0);
  t.equal(listener.address, `127.0.0.1:${listener.port}`);
  const connector = new SocketConnector(
    { host: 'localhost', port: listener.port },
    null,
    systemClock,
  );
  t.equal(connector.address, `localhost:${listener.port}`);
  const client = new PipeEvents(await connectPipe(connector));
  await exchange(client, await accepted.next());
});

await t.test('TCP: without a host all interfaces are listened on', async (t) => {
  const { listener, accepted } = await open(t, { address: { port: 0 } });
  const client = new PipeEvents(
    await connectPipe(
      new SocketConnector({ host: '127.0.0.1', port: listener.port }, null, systemClock),
    ),
  );
  const server = await accepted.next();
  t.match(server.duplex.peer.address, /^ipv4:127\.0\.0\.1:\d+$/, 'not as a mapped address');
  await exchange(client, server);
});

await t.test('Unix socket', async (t) => {
  const { path, remove } = temporarySocketPath();
  t.teardown(remove);
  const { listener, accepted } = await open(t, { address: { path } });
  t.equal(listener.port, 0);
  t.equal(listener.address, `unix:${path}`);
  const connector = new SocketConnector({ path }, null, systemClock);
  await exchange(new PipeEvents(await connectPipe(connector)), await accepted.next());
});

await t.test('TLS: ALPN h2, the name checked against the certificate', async (t) => {
  const { listener, accepted } = await open(t, { tls: SERVER_TLS });
  for (const serverName of ['localhost', 'purewire.test', '127.0.0.1']) {
    const client = new PipeEvents(await connectPipe(tlsConnector(listener.port, serverName)));
    const server = await accepted.next();
    t.match(client.duplex.peer.tlsCipher ?? 'none', /AES|CHACHA/i, serverName);
    t.ok(client.duplex.peer.certificate instanceof Uint8Array, "the server's certificate");
    t.equal(server.duplex.peer.certificate, null, 'the client gave none');
    await exchange(client, server);
  }
  await t.rejects(connectPipe(tlsConnector(listener.port, 'other.test')), {
    message: /^connecting to 127\.0\.0\.1:\d+ failed: .*(another name|altnames|hostname)/i,
  });
  await t.rejects(
    connectPipe(tlsConnector(listener.port, 'localhost', certificates.stranger.certificateChain)),
    { message: /not trusted|self-signed|self signed|unable to/ },
  );
});

await t.test('TLS: a client certificate, required', async (t) => {
  const { listener, accepted } = await open(t, {
    tls: { ...SERVER_TLS, clientCertificates: 'require' },
  });
  const context = secureContext({ ...certificates.client, rootCertificates: certificates.root });
  const target = { host: '127.0.0.1', port: listener.port };
  const connector = new SocketConnector(target, { context, serverName: 'localhost' }, systemClock);
  const client = new PipeEvents(await connectPipe(connector));
  const server = await accepted.next();
  t.ok(server.duplex.peer.certificate instanceof Uint8Array);
  await exchange(client, server);

  // TLS 1.3: the client is done before the server has judged its certificate, so refusal may come as an end.
  const without = await connectPipe(tlsConnector(listener.port, 'localhost')).then(
    (duplex) => new PipeEvents(duplex),
    () => null,
  );
  if (without !== null) await without.until((heard) => heard.closed || heard.ended);
  without?.duplex.destroy();
  t.equal(accepted.waiting, 0, 'no connection for a client without certificate');
});

await t.test(
  'S103 a TLS client that does not offer h2 is refused, and the next one served',
  async (t) => {
    const { listener, accepted } = await open(t, { tls: SERVER_TLS });
    for (const protocols of [undefined, ['http/1.1']]) {
      const socket = tlsConnect({
        host: '127.0.0.1',
        port: listener.port,
        ca: certificates.root,
        servername: 'localhost',
        ...(protocols === undefined ? {} : { ALPNProtocols: protocols }),
      });
      socket.on('error', () => {});
      await new Promise((resolve) => {
        socket.on('close', resolve);
      });
    }
    t.equal(accepted.waiting, 0);
    t.ok(accepted.refused.length >= 1, accepted.refused.join());
    const client = new PipeEvents(await connectPipe(tlsConnector(listener.port, 'localhost')));
    await exchange(client, await accepted.next());
  },
);

await t.test('S100 a TCP connection that never begins TLS is closed in time (L20)', async (t) => {
  const { listener, accepted } = await open(t, { tls: SERVER_TLS, tlsHandshakeTimeoutMs: 50 });
  const silent = netConnect(listener.port, '127.0.0.1');
  await closeOf(silent);
  t.equal(accepted.waiting, 0);
  const cleartext = netConnect(listener.port, '127.0.0.1');
  cleartext.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  await closeOf(cleartext);
  t.equal(accepted.waiting, 0);
});

await t.test('L28 the newest connection above the cap of an address is closed', async (t) => {
  const { listener, accepted } = await open(t, { maxConnectionsPerAddress: 2 });
  const connector = new SocketConnector(
    { host: '127.0.0.1', port: listener.port },
    null,
    systemClock,
  );
  const clients: PipeEvents[] = [];
  const servers: PipeEvents[] = [];
  for (let i = 0; i < 2; i++) {
    clients.push(new PipeEvents(await connectPipe(connector)));
    servers.push(await accepted.next());
  }
  const third = new PipeEvents(await connectPipe(connector));
  await accepted.until(() => accepted.refused.length === 1);
  t.match(accepted.refused[0] ?? '', /refused: 2 are open already$/);
  await third.until((heard) => heard.closed || heard.ended);
  third.duplex.destroy();
  t.notOk(clients[0]?.closed, 'the others stay');
  clients[0]?.duplex.destroy();
  servers[0]?.duplex.destroy();
  await servers[0]?.until((heard) => heard.closed);
  const fourth = new PipeEvents(await connectPipe(connector));
  const served = await accepted.next();
  await exchange(fourth, served);
  clients[1]?.duplex.destroy();
  servers[1]?.duplex.destroy();
});

await t.test('connect errors say what, where, and what to do', async (t) => {
  const { listener } = await open(t, {});
  const target = { host: '127.0.0.1', port: listener.port };
  await listener.close();
  await t.rejects(connectPipe(new SocketConnector(target, null, systemClock)), {
    message: new RegExp(
      `^connecting to 127\\.0\\.0\\.1:${target.port} failed: connection refused: check that a server listens there`,
    ),
  });
  const { path } = temporarySocketPath();
  await t.rejects(connectPipe(new SocketConnector({ path }, null, systemClock)), {
    message: /^connecting to unix:.* failed: .*socket file/,
  });
  await t.rejects(
    connectPipe(new SocketConnector({ host: '127.0.0.1', port: 99_999 }, null, systemClock)),
    {
      message: /^connecting to 127\.0\.0\.1:99999 failed: /,
    },
  );
});

await t.test('an attempt knows whether the name or the connection failed', async (t) => {
  const { listener } = await open(t, {});
  const { port } = listener;
  await listener.close();
  // No label has more than 63 octets (RFC 1035 §2.3.4): no name service is asked.
  const noName = `${'x'.repeat(64)}.test`;
  for (const [host, resolving] of [
    [noName, true],
    ['localhost', false],
    ['127.0.0.1', false],
  ] as const) {
    const connector = new SocketConnector({ host, port }, null, systemClock);
    const failed = await new Promise<boolean>((resolve, reject) => {
      const attempt = connector.connect(10_000, {
        onConnected: () => reject(new Error(`${host} answers`)),
        onFailed: () => resolve(attempt.isResolving === true),
      });
    });
    t.equal(failed, resolving, host);
  }
});

await t.test(
  'C32 a server that accepts and never finishes TLS: the attempt ends at its time',
  async (t) => {
    const server = createServer((socket) => socket.on('error', () => {}));
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    t.teardown(() => server.close());
    const { port } = server.address() as { port: number };
    await t.rejects(connectPipe(tlsConnector(port, 'localhost'), 1500), {
      message:
        /^connecting to .* failed: not done within 1500 ms, in the phase "TLS handshake": check /,
    });
  },
);

await t.test('C32 a TLS server without h2 is refused by the client', async (t) => {
  const { createServer: createTlsServer } = await import('node:tls');
  const server = createTlsServer({
    key: certificates.server.privateKey,
    cert: certificates.server.certificateChain,
  });
  server.on('secureConnection', (socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number };
  await t.rejects(connectPipe(tlsConnector(port, 'localhost')), { message: /ALPN "h2"/ });
});

await t.test('a cancelled attempt is silent', async (t) => {
  const { listener, accepted } = await open(t, {});
  const connector = new SocketConnector(
    { host: '127.0.0.1', port: listener.port },
    null,
    systemClock,
  );
  const heard: string[] = [];
  const attempt = connector.connect(5000, {
    onConnected: () => heard.push('connected'),
    onFailed: () => heard.push('failed'),
  });
  attempt.cancel();
  attempt.cancel();
  const other = await connectPipe(connector);
  await accepted.until(() => accepted.waiting > 0);
  t.strictSame(heard, []);
  other.destroy();
});

await t.test('listen errors say what, where, and what to do', async (t) => {
  const { listener } = await open(t, {});
  const accepted = new Accepted();
  await t.rejects(
    listen(listenOptions({ address: { host: '127.0.0.1', port: listener.port } }), accepted),
    {
      message: new RegExp(
        `^cannot listen on 127\\.0\\.0\\.1:${listener.port}: the port is taken: .*choose another port`,
      ),
    },
  );
  for (const port of [-1, 65_536, 1.5, Number.NaN, '80' as unknown as number]) {
    await t.rejects(listen(listenOptions({ address: { port } }), accepted), {
      name: 'RangeError',
      message: /^port must be an integer of 0 to 65535/,
    });
  }
  await t.rejects(listen(listenOptions({ address: { path: '' } }), accepted), TypeError);
});

await t.test(
  'a socket file in use and one left behind are told apart, and neither is removed',
  async (t) => {
    const { path, remove } = temporarySocketPath();
    t.teardown(remove);
    const { listener } = await open(t, { address: { path } });
    await t.rejects(listen(listenOptions({ address: { path } }), new Accepted()), {
      message: /another server listens there/,
    });
    await listener.close();
    writeFileSync(path, '');
    await t.rejects(listen(listenOptions({ address: { path } }), new Accepted()), {
      message: /^cannot listen on unix:.*the file exists/,
    });
  },
);

await t.test('TLS material that cannot be used is refused before the port is bound', async (t) => {
  const unreadable = {
    rootCertificates: null,
    privateKey: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
    certificateChain: certificates.server.certificateChain,
  };
  const mismatched = {
    ...certificates.server,
    rootCertificates: null,
    privateKey: certificates.client.privateKey,
  };
  const attempt = async (material: TlsMaterial): Promise<Listener> => {
    const tls: ServerTls = { material, clientCertificates: 'ignore' };
    return listen(listenOptions({ tls }), new Accepted());
  };
  await t.rejects(attempt(unreadable), { name: 'TypeError', message: /^the TLS material/ });
  await t.rejects(attempt(mismatched), {
    name: 'TypeError',
    message: /^privateKey does not belong to the first certificate of certificateChain/,
  });
});

await t.test(
  'close stops accepting, drops handshakes, and leaves open connections alone',
  async (t) => {
    const { listener, accepted } = await open(t, { tls: SERVER_TLS });
    const client = new PipeEvents(await connectPipe(tlsConnector(listener.port, 'localhost')));
    const server = await accepted.next();
    const half = netConnect(listener.port, '127.0.0.1');
    await new Promise((resolve) => {
      half.on('connect', resolve);
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const closed = closeOf(half);
    await listener.close();
    await listener.close();
    await closed;
    await t.rejects(connectPipe(tlsConnector(listener.port, 'localhost')), { message: /refused/ });
    await exchange(client, server);
  },
);

await t.test('addresses are written as they are given', async (t) => {
  t.equal(addressText({ host: 'example.org', port: 1 }), 'example.org:1');
  t.equal(addressText({ host: '::1', port: 50051 }), '[::1]:50051');
  t.equal(addressText({ path: '/run/x.sock' }), 'unix:/run/x.sock');
});
