/** How long a client keeps TLS sessions, and how many it takes: what is used, ended or forgotten is gone, and a flood ends the connection. */

import { type ConnectionOptions, createServer, type TLSSocket } from 'node:tls';
import { generate } from 'selfsigned';
import { Channel } from '../../lib/channel/channel.ts';
import { tlsChannelCredentials } from '../../lib/credentials.ts';
import { Status } from '../../lib/status.ts';
import { ExplainedError } from '../../transport/byte-duplex.ts';
import { CLIENT_LIMITS } from '../../transport/limits.ts';
import { SocketConnector } from '../../transport/node/connect.ts';
import { secureContext } from '../../transport/node/tls-context.ts';
import {
  TlsResumption,
  type TlsSession,
  TlsSessions,
  tlsSessions,
} from '../../transport/node/tls-sessions.ts';
import { systemClock } from '../../transport/system-clock.ts';
import { type TestIdentity, testCertificates } from '../support/certificates.ts';
import { startUnary } from '../support/client-calls.ts';
import { ECHO } from '../support/echo-service.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { connectPipe, PipeEvents } from '../support/pipe-events.ts';
import { onNode, type TestContext, t } from '../support/tap.ts';

const certificates = await testCertificates();
const MATERIAL = { rootCertificates: certificates.root, privateKey: null, certificateChain: null };
const HOUR_MS = 3_600_000;
const LATE = 'Jan 1 00:00:00 2099 GMT';

/** What `TlsResumption` sees of a socket. */
class FakeSocket {
  authorized = true;
  destroyed = false;
  reused = false;
  readonly reasons: unknown[] = [];
  #listener: (octets: Buffer) => void = () => {};

  isSessionReused(): boolean {
    return this.reused;
  }

  on(_event: 'session', listener: (octets: Buffer) => void): void {
    this.#listener = listener;
  }

  destroy(reason: unknown): void {
    this.destroyed = true;
    this.reasons.push(reason);
  }

  give(count: number, name = 'x'): void {
    for (let i = 0; i < count; i++) this.#listener(Buffer.from(name));
  }
}

/** A connection whose handshake began as `certificate` shows, or resumed a session. */
function handshake(
  sessions: TlsSessions,
  clock: FakeClock,
  certificate: object | null = { valid_to: LATE },
): { readonly resumption: TlsResumption; readonly socket: FakeSocket } {
  const socket = new FakeSocket();
  const resumption = new TlsResumption(sessions, clock);
  resumption.onConnected(socket as unknown as TLSSocket);
  if (certificate === null) socket.reused = true;
  else resumption.onVerified(certificate as never);
  resumption.onAccepted(socket as unknown as TLSSocket);
  return { resumption, socket };
}

function session(name: string, clock: FakeClock, leftMs = HOUR_MS): TlsSession {
  return {
    octets: Buffer.from(name),
    certificate: Uint8Array.of(1),
    validUntilMs: clock.wallNow() + leftMs,
  };
}

await t.test('L33 a connection brings 24 sessions and one a minute; more end it', async (t) => {
  const clock = new FakeClock();
  const sessions = new TlsSessions(CLIENT_LIMITS);
  const { socket } = handshake(sessions, clock);
  socket.give(24);
  t.equal(sessions.size, 8);
  clock.advance(60_001);
  socket.give(1);
  t.equal(socket.destroyed, false);
  socket.give(1);
  const reason = socket.reasons[0];
  t.ok(reason instanceof ExplainedError);
  t.equal((reason as ExplainedError).token, 'tls.too-many-sessions');
  t.match((reason as ExplainedError).message, /^the server sent more than 24 TLS sessions at once/);
  t.equal(sessions.size, 0, 'they are forgotten');
  clock.advance(HOUR_MS);
  socket.give(100);
  t.equal(sessions.size, 0);
  t.equal(socket.reasons.length, 1);

  const few = handshake(new TlsSessions({ ...CLIENT_LIMITS, maxTlsSessions: 1 }), clock).socket;
  few.give(10);
  t.equal(few.destroyed, false);
  few.give(1);
  t.equal(few.destroyed, true, 'twice what is kept, and eight');
});

/** A server of the runtime that says `greeting`, and nothing else. */
async function rawServer(
  t: TestContext,
  identity: TestIdentity,
  greeting: string | null,
): Promise<number> {
  const { privateKey: key, certificateChain: cert } = identity;
  const server = createServer({ key, cert, ALPNProtocols: ['h2'] }, (socket) => {
    socket.on('error', () => {});
    socket.resume();
    if (greeting !== null) socket.write(greeting);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as { port: number }).port;
}

await t.test('L33 a call says why the connection was ended, and it is counted', async (t) => {
  if (!onNode) return void t.pass('the sockets of this runtime cannot be reached');
  const port = await rawServer(t, certificates.server, null);
  const tls = process.getBuiltinModule('node:tls') as {
    connect: (options: ConnectionOptions) => TLSSocket;
  };
  const { connect } = tls;
  t.teardown(() => {
    tls.connect = connect;
  });
  /** Runs `flood` for each socket once its handshake is done. */
  const flooded = async (when: RegExp, flood: (run: () => void) => void): Promise<Channel> => {
    tls.connect = (options) => {
      const socket = connect(options);
      socket.once('secureConnect', () =>
        flood(() => {
          for (let i = 0; i < 25; i++) socket.emit('session', Buffer.from('x'));
        }),
      );
      return socket;
    };
    const channel = new Channel(`127.0.0.1:${port}`, {
      credentials: tlsChannelCredentials({ rootCertificates: certificates.root }),
      reportError: () => {},
    });
    const { status } = await startUnary(channel, ECHO, Uint8Array.of(1)).outcome;
    t.equal(status.code, Status.UNAVAILABLE);
    t.match(status.message, /the server sent more than 24 TLS sessions .*tls\.too-many-sessions/);
    t.notOk(status.message.includes('before it sent SETTINGS'), 'no other reason is guessed');
    t.match(status.message, when);
    return channel;
  };
  const afterwards = await flooded(/^Connection dropped/, (run) => void setImmediate(run));
  t.equal(afterwards.stats().trips.get('tls.too-many-sessions'), 1);
  await afterwards.closeNow();
  const meanwhile = await flooded(/Last error: connecting to/, (run) => run());
  await meanwhile.closeNow();
});

await t.test('what is in flight when all sessions are forgotten is forgotten too', async (t) => {
  const clock = new FakeClock();
  const sessions = new TlsSessions(CLIENT_LIMITS);
  const before = handshake(sessions, clock).socket;
  before.give(1);
  const attempt = new TlsResumption(sessions, clock);
  t.equal(String(attempt.octets), 'x');
  new TlsResumption(sessions, clock).onFailed();
  attempt.putBack();
  t.equal(sessions.size, 0, 'one that an attempt had taken');
  before.give(1);
  t.equal(sessions.size, 0, 'one of a connection from before');
  handshake(sessions, clock).socket.give(1);
  t.equal(sessions.size, 1, 'one of a connection made since');
});

await t.test('§C.4 a session that is used leaves nothing behind', async (t) => {
  const clock = new FakeClock();
  const sessions = new TlsSessions(CLIENT_LIMITS);
  const used = session('secret', clock);
  sessions.keep(used);
  const { resumption, socket } = handshake(sessions, clock, null);
  t.strictSame([...used.octets], [0, 0, 0, 0, 0, 0]);
  t.equal(resumption.octets, null);
  t.strictSame(resumption.certificate, Uint8Array.of(1), 'what it stood for is known');
  socket.give(1, 'next');
  const next = sessions.take(clock.wallNow());
  t.equal(String(next?.octets), 'next');
  t.equal(next?.validUntilMs, used.validUntilMs);
});

await t.test('L33 sessions that have ended are gone, whoever comes next', async (t) => {
  const clock = new FakeClock();
  const store = (name: string): TlsSessions =>
    tlsSessions(MATERIAL, name, '192.0.2.1:1', CLIENT_LIMITS, clock.wallNow()) as TlsSessions;
  const idle = store('idle');
  idle.keep(session('first', clock, 1000));
  idle.keep(session('second', clock, 2000));
  idle.keep(session('third', clock, 3000));
  clock.advance(1000);
  store('another');
  t.equal(idle.size, 2, 'when a stub is made');
  const busy = handshake(store('busy'), clock).socket;
  clock.advance(1000);
  busy.give(1);
  t.equal(idle.size, 1, 'when a session is kept');

  // Not shared: no other connection looks at it.
  const own = new TlsSessions(CLIENT_LIMITS);
  const { socket } = handshake(own, clock);
  own.keep(session('old', clock, 1000));
  clock.advance(1000);
  socket.give(1);
  t.equal(own.size, 1);
});

await t.test('§4.6.1 a session ends with the first certificate of the chain', async (t) => {
  const clock = new FakeClock();
  const untilMs = (certificate: object): number => {
    const sessions = new TlsSessions(CLIENT_LIMITS);
    handshake(sessions, clock, certificate).socket.give(1);
    return (sessions.take(clock.wallNow())?.validUntilMs ?? 0) - clock.wallNow();
  };
  const soon = new Date(clock.wallNow() + 60_000).toUTCString();
  const root: Record<string, unknown> = { valid_to: LATE };
  root['issuerCertificate'] = root;
  const above = (valid_to: string | undefined, issuerCertificate?: object): object => ({
    valid_to,
    issuerCertificate,
  });
  t.equal(untilMs(above(LATE, above(LATE, root))), HOUR_MS);
  t.equal(untilMs(above(LATE, above(soon, root))), 60_000, 'an intermediate one');
  t.equal(untilMs(above(LATE, above(undefined, above(soon)))), 60_000, 'the last that is known');
  root['valid_to'] = soon;
  t.equal(untilMs(above(LATE, above(LATE, root))), 60_000, 'the root');
  const loop: Record<string, unknown> = { valid_to: LATE };
  loop['issuerCertificate'] = above(LATE, loop);
  t.equal(untilMs(loop), HOUR_MS, 'two that vouch for each other');
});

await t.test('§4.6.1 a session ends with the CA of a real server', async (t) => {
  if (!onNode) return void t.pass('this runtime shows no chain');
  const endMs = Math.floor(Date.now() / 1000) * 1000 + 600_000;
  const ca = await generate([{ name: 'commonName', value: 'short' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notAfterDate: new Date(endMs),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  });
  const leaf = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ca: { key: ca.private, cert: ca.cert },
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  });
  const identity = { privateKey: leaf.private, certificateChain: leaf.cert };
  const port = await rawServer(t, identity, 'hello');
  const context = secureContext({ ...MATERIAL, rootCertificates: ca.cert });
  const sessions = new TlsSessions(CLIENT_LIMITS);
  const tls = { context, serverName: 'localhost', sessions };
  const connector = new SocketConnector({ host: '127.0.0.1', port }, tls, systemClock);
  const pipe = new PipeEvents(await connectPipe(connector));
  await pipe.until((heard) => heard.received.length > 0);
  pipe.duplex.destroy();
  await pipe.until((heard) => heard.closed);
  t.equal(sessions.take(systemClock.wallNow())?.validUntilMs, endMs);
});
