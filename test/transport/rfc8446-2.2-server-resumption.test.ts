/** TLS sessions that a server resumes: only where the same checks would be made, and no longer than the client's certificate lasts. */

import { randomBytes, X509Certificate } from 'node:crypto';
import {
  type TLSSocket,
  type ConnectionOptions as TlsConnectOptions,
  connect as tlsConnect,
} from 'node:tls';
import type { Clock } from '../../transport/clock.ts';
import { CLIENT_LIMITS } from '../../transport/limits.ts';
import { SocketConnector } from '../../transport/node/connect.ts';
import { type ClientCertificates, listen } from '../../transport/node/listen.ts';
import { secureContext } from '../../transport/node/tls-context.ts';
import { TlsSessions } from '../../transport/node/tls-sessions.ts';
import { systemClock } from '../../transport/system-clock.ts';
import { testCertificates } from '../support/certificates.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Accepted, connectPipe, PipeEvents } from '../support/pipe-events.ts';
import { onNode, type TestContext, t } from '../support/tap.ts';

const certificates = await testCertificates();
const identity = {
  key: certificates.client.privateKey,
  cert: certificates.client.certificateChain,
};

interface Opened {
  readonly port: number;
  readonly accepted: Accepted;
}

interface Demands {
  readonly clientCertificates: ClientCertificates;
  readonly ticketKeys?: Uint8Array;
  /** The test CA unless it is null: those of the runtime. */
  readonly rootCertificates?: null;
  readonly clock?: Clock;
}

async function open(t: TestContext, demands: Demands): Promise<Opened> {
  const { clientCertificates, ticketKeys = null, clock = systemClock } = demands;
  const rootCertificates = demands.rootCertificates === null ? null : certificates.root;
  const accepted = new Accepted();
  const listener = await listen(
    {
      address: { host: '127.0.0.1', port: 0 },
      tls: {
        material: { ...certificates.server, rootCertificates },
        clientCertificates,
        ticketKeys,
      },
      clock,
      tlsHandshakeTimeoutMs: 10_000,
      maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
    },
    accepted,
  );
  t.teardown(() => listener.close());
  return { port: listener.port, accepted };
}

interface Visit {
  readonly reused: boolean;
  /** The last session that the server gave. */
  readonly given: Buffer | undefined;
  /** Of the client, as the server knows it. */
  readonly certificate: Uint8Array | null;
}

/** A connection to `server` that offers the session `offered`. */
async function visit(
  { port, accepted }: Opened,
  offered?: Buffer,
  options: TlsConnectOptions = {},
): Promise<Visit> {
  let given: Buffer | undefined;
  const socket: TLSSocket = tlsConnect({
    host: '127.0.0.1',
    port,
    ca: certificates.root,
    servername: 'localhost',
    ALPNProtocols: ['h2'],
    ...options,
    ...(offered === undefined ? {} : { session: offered }),
  });
  socket.on('error', () => {});
  socket.on('session', (octets) => {
    given = octets;
  });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const done = Promise.race([closed, new Promise((resolve) => socket.once('data', resolve))]);
  const refusals = accepted.refused.length;
  await accepted.until(() => accepted.waiting > 0 || accepted.refused.length > refusals);
  const server = accepted.waiting > 0 ? await accepted.next() : null;
  server?.duplex.write([Uint8Array.of(1)]);
  await done;
  const reused = server !== null && socket.isSessionReused();
  socket.destroy();
  // Sessions of the last read are told of after its octets.
  await closed;
  return { reused, given, certificate: server?.duplex.peer.certificate ?? null };
}

await t.test('mutual TLS: a client that comes back is let in', async (t) => {
  const { port, accepted } = await open(t, { clientCertificates: 'require' });
  const context = secureContext({ ...certificates.client, rootCertificates: certificates.root });
  const sessions = new TlsSessions(CLIENT_LIMITS);
  const from = new SocketConnector(
    { host: '127.0.0.1', port },
    { context, serverName: 'localhost', sessions },
    systemClock,
  );
  for (let i = 0; i < 4; i++) {
    const client = new PipeEvents(await connectPipe(from));
    const server = await accepted.next();
    t.ok((server.duplex.peer.certificate?.length ?? 0) > 100, 'and known');
    server.duplex.write([Uint8Array.of(1)]);
    await client.until((heard) => heard.received.length > 0);
    client.duplex.destroy();
    await client.until((heard) => heard.closed);
  }
  t.strictSame(accepted.refused, []);
});

if (!onNode) {
  t.skip('this runtime cannot play such peers');
} else {
  await t.test(
    '§2.2 a server with a shared ticket key resumes, unless it checks otherwise',
    async (t) => {
      const ticketKeys = randomBytes(48);
      const open1 = await open(t, { clientCertificates: 'ignore', ticketKeys });
      const open2 = await open(t, { clientCertificates: 'ignore', ticketKeys });
      const open3 = await open(t, { clientCertificates: 'ignore' });
      const first = await visit(open1);
      t.equal(first.reused, false);
      t.equal((await visit(open1, first.given)).reused, true);
      t.equal((await visit(open2, first.given)).reused, true, 'a listener with the same keys');
      t.equal((await visit(open3, first.given)).reused, false, 'one with keys of its own');

      const mutual = await open(t, { clientCertificates: 'require', ticketKeys });
      const stranger = await visit(mutual, first.given);
      t.strictSame(stranger.reused, false, 'a session without a certificate opens nothing here');
      t.equal(mutual.accepted.refused.length, 1, mutual.accepted.refused.join());
      const known = await visit(mutual, undefined, identity);
      const again = await visit(mutual, known.given, identity);
      t.equal(again.reused, true);
      t.ok(again.certificate !== null && again.certificate.length > 100);
      t.strictSame(again.certificate, known.certificate, 'the server knows the client as before');
    },
  );

  await t.test('§4.6.1 CAs of the runtime are those of one listener', async (t) => {
    const ticketKeys = randomBytes(48);
    const wanting = { clientCertificates: 'request', ticketKeys } as const;
    for (const [demands, shares] of [
      [wanting, true],
      [{ ...wanting, rootCertificates: null }, false],
      [{ ticketKeys, clientCertificates: 'ignore', rootCertificates: null }, true],
    ] as const) {
      const one = await open(t, demands);
      const other = await open(t, demands);
      const { given } = await visit(one);
      t.equal((await visit(one, given)).reused, true);
      const text = `${demands.clientCertificates}, ${'rootCertificates' in demands}`;
      t.equal((await visit(other, given)).reused, shares, text);
    }
  });

  await t.test('§4.6.1 a client certificate that has ended opens nothing', async (t) => {
    const endMs = Date.parse(new X509Certificate(identity.cert).validTo);
    for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
      const clock = new FakeClock();
      const client = { ...identity, maxVersion };
      const mutual = await open(t, { clientCertificates: 'require', clock });
      const { given } = await visit(mutual, undefined, client);
      clock.sleep(endMs - 1 - clock.wallNow());
      t.equal((await visit(mutual, given, client)).reused, true, 'a millisecond before');
      clock.sleep(1);
      const late = await visit(mutual, given, client);
      t.equal(late.certificate, null, maxVersion);
      t.equal(mutual.accepted.refused.length, 1);
      t.match(
        mutual.accepted.refused[0] ?? '',
        /^TLS client .* refused: its certificate has expired since the TLS session began$/,
      );
      t.ok(
        (await visit(mutual, undefined, client)).certificate,
        'a full handshake: OpenSSL judges',
      );

      const asking = await open(t, { clientCertificates: 'request', clock });
      const unverified = await visit(asking, undefined, client);
      t.equal((await visit(asking, unverified.given, client)).reused, true, 'none is verified');
    }
  });
}
