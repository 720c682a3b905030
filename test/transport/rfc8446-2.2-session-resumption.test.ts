/** TLS sessions of clients: resumed where the same checks would be made, used once, bounded, and forgotten when TLS fails. */

import { randomBytes } from 'node:crypto';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import { socketConnector } from '../../lib/channel/channel-options.ts';
import { parseTarget } from '../../lib/channel/target.ts';
import { type TlsChannelOptions, tlsChannelCredentials } from '../../lib/credentials.ts';
import type { ByteDuplex } from '../../transport/byte-duplex.ts';
import { CLIENT_LIMITS } from '../../transport/limits.ts';
import { SocketConnector } from '../../transport/node/connect.ts';
import {
  secureContext,
  sharedSecureContext,
  type TlsMaterial,
} from '../../transport/node/tls-context.ts';
import {
  TlsResumption,
  type TlsSession,
  type TlsSessionLimits,
  TlsSessions,
  tlsSessions,
} from '../../transport/node/tls-sessions.ts';
import { systemClock } from '../../transport/system-clock.ts';
import { testCertificates } from '../support/certificates.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { connectPipe, PipeEvents } from '../support/pipe-events.ts';
import { onNode, type TestContext, t } from '../support/tap.ts';

const certificates = await testCertificates();
const MATERIAL = { rootCertificates: certificates.root, privateKey: null, certificateChain: null };
/** Deno hands out no sessions: every handshake of its clients is a full one. */
const resumes = !('Deno' in globalThis);
const HOUR_MS = 3_600_000;

/** A server of the runtime, which tells of each connection whether it resumed a session. */
interface RawServer {
  readonly server: Server;
  readonly port: number;
  /** Of each connection, in order. */
  readonly reused: boolean[];
}

async function rawServer(t: TestContext, options: TlsOptions = {}, port = 0): Promise<RawServer> {
  const reused: boolean[] = [];
  const { privateKey: key, certificateChain: cert } = certificates.server;
  const server = createServer({ key, cert, ALPNProtocols: ['h2'], ...options }, (socket) => {
    socket.on('error', () => {});
    socket.resume();
    reused.push(socket.isSessionReused());
    // The client has read its tickets when it has read this.
    socket.write('hello');
  });
  server.on('tlsClientError', (_error, socket: TLSSocket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return { server, port: (server.address() as { port: number }).port, reused };
}

function connector(port: number, sessions: TlsSessions, clock = systemClock): SocketConnector {
  const tls = { context: secureContext(MATERIAL), serverName: 'localhost', sessions };
  return new SocketConnector({ host: '127.0.0.1', port }, tls, clock);
}

/** Connects, waits for the server's first octets, and leaves. Gives the certificate that the client knows. */
async function visit(from: { connect: SocketConnector['connect'] }): Promise<Uint8Array | null> {
  const pipe = new PipeEvents(await connectPipe(from as SocketConnector));
  await pipe.until((heard) => heard.received.length > 0 || heard.closed);
  const { certificate } = pipe.duplex.peer;
  pipe.duplex.destroy();
  await pipe.until((heard) => heard.closed);
  return certificate;
}

function session(name: string, validUntilMs = 1000): TlsSession {
  return { octets: Buffer.from(name), certificate: null, validUntilMs };
}

/** As `tlsSessions`, now. */
function storeOf(
  material: TlsMaterial,
  serverName: string,
  address: string,
  limits: TlsSessionLimits,
): TlsSessions | null {
  return tlsSessions(material, serverName, address, limits, systemClock.wallNow());
}

function names(sessions: TlsSessions): string[] {
  const all: string[] = [];
  for (let next = sessions.take(0); next !== null; next = sessions.take(0)) {
    all.push(String(next.octets));
  }
  return all;
}

await t.test('§2.2 the next connection resumes, and knows the certificate', async (t) => {
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    const { port, reused } = await rawServer(t, { maxVersion });
    const from = connector(port, new TlsSessions(CLIENT_LIMITS));
    const first = await visit(from);
    const second = await visit(from);
    t.strictSame(reused, [false, resumes], maxVersion);
    t.ok(first !== null && first.length > 100);
    t.strictSame(second, first, 'what the full handshake showed');
  }
});

await t.test('§2.2 a name with several addresses', async (t) => {
  const { port, reused } = await rawServer(t);
  const tls = {
    context: secureContext(MATERIAL),
    serverName: 'localhost',
    sessions: new TlsSessions(CLIENT_LIMITS),
  };
  const from = new SocketConnector({ host: 'localhost', port }, tls, systemClock);
  await visit(from);
  await visit(from);
  t.strictSame(reused, [false, resumes]);
});

await t.test('§2.2 stubs with the same credentials share sessions', async (t) => {
  const { port, reused } = await rawServer(t);
  const target = parseTarget(`127.0.0.1:${port}`);
  for (let i = 0; i < 2; i++) {
    const credentials = tlsChannelCredentials({ rootCertificates: certificates.root });
    await visit(socketConnector(target, credentials, systemClock));
  }
  t.strictSame(reused, [false, resumes]);
  const credentials = tlsChannelCredentials({ rootCertificates: certificates.root });
  const none = { ...CLIENT_LIMITS, maxTlsSessions: 0 };
  await visit(socketConnector(target, credentials, systemClock, none));
  t.strictSame(reused, [false, resumes, false], 'L33 0: every handshake is a full one');
});

await t.test('§4.6.1 a session opens no channel that checks otherwise', async (t) => {
  const target = (port: number) => parseTarget(`127.0.0.1:${port}`);
  const channel = (port: number, options: TlsChannelOptions) =>
    socketConnector(target(port), tlsChannelCredentials(options), systemClock);
  const { port } = await rawServer(t);
  const trusting = { rootCertificates: certificates.root };
  await visit(channel(port, trusting));
  // Each of these would get through with the sessions that the server has given by now.
  await t.rejects(
    visit(channel(port, { rootCertificates: certificates.stranger.certificateChain })),
    { message: /not trusted|self-signed|self signed|unable to/ },
    'another CA',
  );
  await visit(channel(port, trusting));
  await t.rejects(
    visit(channel(port, { ...trusting, serverHostOverride: 'other.test' })),
    { message: /another name|altnames|hostname/i },
    'another name',
  );
  await visit(channel(port, trusting));
  await t.rejects(
    visit(channel(port, {})),
    { message: /CA that is not trusted|unable to/ },
    'no CA',
  );

  const mutual = await rawServer(t, {
    ca: certificates.root,
    requestCert: true,
    rejectUnauthorized: true,
  });
  await visit(channel(mutual.port, { ...trusting, ...certificates.client }));
  // TLS 1.3: the refusal may come after the client's handshake.
  const without = await visit(channel(mutual.port, trusting)).catch(() => null);
  void without;
  t.strictSame(mutual.reused, [false], 'a client without its own certificate is not let in');
});

await t.test('a session that was accepted without its checks is not kept', async (t) => {
  if (!onNode) return void t.pass('the switch is one of Node');
  const { privateKey: key, certificateChain: cert } = certificates.stranger;
  const { port, reused } = await rawServer(t, { key, cert });
  const sessions = new TlsSessions(CLIENT_LIMITS);
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  t.teardown(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
  await visit(connector(port, sessions));
  t.strictSame(reused, [false]);
  t.equal(sessions.size, 0);
});

await t.test('§4.6.1 L33 an hour after the full handshake another one is due', async (t) => {
  if (!resumes) return void t.pass('this runtime resumes nothing');
  const { port, reused } = await rawServer(t);
  const clock = new FakeClock();
  const sessions = new TlsSessions(CLIENT_LIMITS);
  await visit(connector(port, sessions, clock));
  clock.advance(HOUR_MS - 1);
  await visit(connector(port, sessions, clock));
  clock.advance(1);
  await visit(connector(port, sessions, clock));
  t.strictSame(reused, [false, true, false]);
});

await t.test('§4.6.1 L33 sessions got by resuming are no younger', async (t) => {
  const clock = new FakeClock();
  const sessions = new TlsSessions(CLIENT_LIMITS);
  const listeners: ((octets: Buffer) => void)[] = [];
  let reused = false;
  let authorized = true;
  const socket = {
    get authorized() {
      return authorized;
    },
    isSessionReused: () => reused,
    on: (_event: string, listener: (octets: Buffer) => void) => listeners.push(listener),
  } as unknown as TLSSocket;
  const handshake = (validTo: string | null): TlsResumption => {
    const resumption = new TlsResumption(sessions, clock);
    resumption.onConnected(socket);
    if (validTo !== null) resumption.onVerified({ valid_to: validTo } as never);
    resumption.onAccepted(socket);
    return resumption;
  };
  handshake('Jan 1 00:00:00 2099 GMT');
  listeners.pop()?.(Buffer.from('first'));
  clock.advance(HOUR_MS - 1);
  reused = true;
  t.equal(String(handshake(null).octets ?? ''), '', 'it is taken');
  listeners.pop()?.(Buffer.from('second'));
  t.equal(sessions.size, 1, 'the next one is kept');
  clock.advance(1);
  t.equal(new TlsResumption(sessions, clock).octets, null);

  reused = false;
  const end = new Date(clock.wallNow() + 60_000).toUTCString();
  handshake(end);
  listeners.pop()?.(Buffer.from('third'));
  clock.advance(60_000);
  t.equal(sessions.size, 1);
  t.equal(new TlsResumption(sessions, clock).octets, null, 'the certificate has ended');

  authorized = false;
  handshake('Jan 1 00:00:00 2099 GMT');
  listeners.pop()?.(Buffer.from('fourth'));
  t.equal(sessions.size, 0, 'a runtime that went on in spite of a fault');
  authorized = true;

  const unverified = new TlsResumption(sessions, clock);
  unverified.onConnected(socket);
  unverified.onAccepted(socket);
  listeners.pop()?.(Buffer.from('fifth'));
  t.equal(sessions.size, 0, 'a runtime that made no check');
});

await t.test('§C.4 a session is offered once, the newest first', async (t) => {
  const sessions = new TlsSessions(CLIENT_LIMITS);
  for (const name of ['a', 'b', 'c']) sessions.keep(session(name));
  t.strictSame(names(sessions), ['c', 'b', 'a']);
  t.equal(sessions.size, 0);
  sessions.keep(session('late', 500));
  t.equal(sessions.take(500), null);
  sessions.keep(session('early', 2 * HOUR_MS));
  t.equal(sessions.take(HOUR_MS - 1), null, 'the wall clock was set back');
  t.equal(sessions.size, 0);
});

await t.test('L33 the oldest session makes room for the ninth', async (t) => {
  const sessions = new TlsSessions(CLIENT_LIMITS);
  for (const name of 'abcdefghi'.split('')) sessions.keep(session(name));
  t.equal(sessions.size, 8);
  t.strictSame(names(sessions), 'ihgfedcb'.split(''));
});

await t.test('L33 a session that is too large is not kept', async (t) => {
  const sessions = new TlsSessions(CLIENT_LIMITS);
  sessions.keep(session('x'.repeat(32_768)));
  t.equal(sessions.size, 1);
  sessions.keep(session('x'.repeat(32_769)));
  t.equal(sessions.size, 1);
});

await t.test('L33 a store per credentials, name and address; 64 are kept', async (t) => {
  const identity = { ...MATERIAL, ...certificates.client };
  const store = (material = MATERIAL as typeof identity | typeof MATERIAL, name = 'a', port = 1) =>
    storeOf(material, name, `127.0.0.1:${port}`, CLIENT_LIMITS);
  const first = store();
  t.ok(first instanceof TlsSessions);
  t.equal(store({ ...MATERIAL }), first, 'equal texts');
  const others = [
    store(identity),
    store({ ...MATERIAL, rootCertificates: certificates.stranger.certificateChain }),
    store({ ...MATERIAL, rootCertificates: `${certificates.root}\n` }),
    store(MATERIAL, 'b'),
    store(MATERIAL, 'a', 2),
    storeOf(MATERIAL, 'a', '127.0.0.1:1', { ...CLIENT_LIMITS, maxTlsSessions: 1 }),
    storeOf(MATERIAL, 'a', '127.0.0.1:1', { ...CLIENT_LIMITS, maxTlsSessionAgeMs: 1 }),
    storeOf(MATERIAL, 'a', '127.0.0.1:1', { ...CLIENT_LIMITS, maxTlsSessionOctets: 1 }),
  ];
  t.equal(new Set([first, ...others]).size, 1 + others.length);
  const systemTrust = { ...MATERIAL, rootCertificates: null };
  t.not(
    storeOf(systemTrust, 'a', '127.0.0.1:1', CLIENT_LIMITS),
    storeOf(systemTrust, 'a', '127.0.0.1:1', CLIENT_LIMITS),
    'the CAs of the runtime may change between two channels',
  );
  const none = { ...CLIENT_LIMITS, maxTlsSessions: 0 };
  t.equal(storeOf(MATERIAL, 'a', '127.0.0.1:1', none), null);

  t.equal(store(), first);
  for (let port = 100; port < 163; port++) store(MATERIAL, 'a', port);
  t.equal(store(), first, 'used last, it stays beside 63 others');
  for (let port = 200; port < 264; port++) store(MATERIAL, 'a', port);
  t.not(store(), first, 'the 65th');
});

/** Whether the runtime lets a default be assigned: not every one has them all. */
function assigns(tls: Record<string, unknown>, name: string, value: string): boolean {
  try {
    tls[name] = value;
  } catch {
    return false;
  }
  return tls[name] === value;
}

await t.test('a context per credentials', async (t) => {
  const context = sharedSecureContext(MATERIAL);
  t.equal(sharedSecureContext({ ...MATERIAL }), context, 'equal texts');
  const stranger = certificates.stranger.certificateChain;
  t.not(sharedSecureContext({ ...MATERIAL, rootCertificates: stranger }), context, 'another CA');
  t.not(sharedSecureContext({ ...MATERIAL, ...certificates.client }), context, 'an identity');
  const systemTrust = { ...MATERIAL, rootCertificates: null };
  t.not(sharedSecureContext(systemTrust), sharedSecureContext(systemTrust));
  for (let i = 0; i < 64; i++) {
    sharedSecureContext({ ...MATERIAL, rootCertificates: certificates.root + '\n'.repeat(i + 1) });
  }
  t.not(sharedSecureContext(MATERIAL), context, 'the 65th');
});

await t.test('a context is shared among those that were made with the same defaults', async (t) => {
  // The defaults that programs assign are those of the module, not of an import of it, which may be a copy.
  const tls = process.getBuiltinModule('node:tls') as Record<string, unknown>;
  for (const [name, value] of [
    ['DEFAULT_MIN_VERSION', 'TLSv1.3'],
    ['DEFAULT_MAX_VERSION', 'TLSv1.2'],
    ['DEFAULT_CIPHERS', 'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256'],
    ['DEFAULT_ECDH_CURVE', 'P-256'],
  ] as const) {
    const before = tls[name];
    const context = sharedSecureContext(MATERIAL);
    if (!assigns(tls, name, value)) continue;
    try {
      t.not(sharedSecureContext(MATERIAL), context, name);
    } finally {
      tls[name] = before;
    }
    t.equal(sharedSecureContext(MATERIAL), context, `${name} as it was`);
  }
});

await t.test('a server that is not there uses no session up', async (t) => {
  const { server, port } = await rawServer(t);
  await new Promise((resolve) => server.close(resolve));
  const sessions = new TlsSessions(CLIENT_LIMITS);
  const validUntilMs = systemClock.wallNow() + HOUR_MS;
  sessions.keep(session('kept', validUntilMs));
  await t.rejects(connectPipe(connector(port, sessions)), { message: /refused/ });
  t.equal(sessions.size, 1);
  const attempt = connector(port, sessions).connect(1000, {
    onConnected: (duplex: ByteDuplex) => duplex.destroy(),
    onFailed: () => {},
  });
  t.equal(sessions.size, 0);
  attempt.cancel();
  t.equal(sessions.size, 1, 'given up before anyone saw it');
});

await t.test('a handshake that fails forgets all sessions', async (t) => {
  const { privateKey: key, certificateChain: cert } = certificates.stranger;
  const impostor = await rawServer(t, { key, cert });
  const sessions = new TlsSessions(CLIENT_LIMITS);
  const validUntilMs = systemClock.wallNow() + HOUR_MS;
  for (const name of ['a', 'b', 'c']) sessions.keep(session(name, validUntilMs));
  await t.rejects(connectPipe(connector(impostor.port, sessions)));
  t.equal(sessions.size, 0, 'a certificate that is not trusted');

  if (!onNode) return;
  const mutual = await rawServer(t, {
    ca: certificates.root,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  });
  for (const name of ['a', 'b', 'c']) sessions.keep(session(name, validUntilMs));
  const pipe = new PipeEvents(await connectPipe(connector(mutual.port, sessions)));
  await pipe.until((heard) => heard.closed);
  t.match(pipe.reason?.message ?? '', /certificate required/i);
  t.equal(sessions.size, 0, 'refused after the handshake of the client (TLS 1.3)');
});

await t.test('RFC 9113 §3.2 ALPN is judged when a session is resumed too', async (t) => {
  if (!onNode) return void t.pass('this runtime cannot play such a peer');
  const shared = { ticketKeys: randomBytes(48), sessionIdContext: 'both' };
  const honest = await rawServer(t, shared);
  // With a full handshake the client would find this certificate wrong, not ALPN.
  const { privateKey: key, certificateChain: cert } = certificates.stranger;
  const other = await rawServer(t, { ...shared, key, cert, ALPNProtocols: [] });
  const sessions = new TlsSessions(CLIENT_LIMITS);
  await visit(connector(honest.port, sessions));
  t.equal(sessions.size, 2);
  await t.rejects(connectPipe(connector(other.port, sessions)), { message: /ALPN "h2"/ });
  t.equal(sessions.size, 0);
});
