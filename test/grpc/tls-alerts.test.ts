/** TLS alerts (RFC 8446 §6): the status of a call names the one that ended its connection, also after the handshake, and what to check. */

import { createServer as createTcpServer, connect as netConnect } from 'node:net';
import { createServer, connect as tlsConnect } from 'node:tls';
import { Channel } from '../../lib/channel/channel.ts';
import { tlsChannelCredentials } from '../../lib/credentials.ts';
import { Status } from '../../lib/status.ts';
import { ExplainedError } from '../../transport/byte-duplex.ts';
import { listen } from '../../transport/node/listen.ts';
import { alertText } from '../../transport/node/tls-alerts.ts';
import { systemClock } from '../../transport/system-clock.ts';
import { testCertificates } from '../support/certificates.ts';
import { startUnary } from '../support/client-calls.ts';
import { ECHO } from '../support/echo-service.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Accepted, PipeEvents } from '../support/pipe-events.ts';
import { ScriptedConnector } from '../support/scripted-connector.ts';
import { type TestContext, t } from '../support/tap.ts';

const certificates = await testCertificates();

/** A server that asks for a client certificate, in one version of TLS. */
async function demandingServer(t: TestContext, version: 'TLSv1.2' | 'TLSv1.3'): Promise<number> {
  const server = createServer({
    key: certificates.server.privateKey,
    cert: certificates.server.certificateChain,
    ca: certificates.root,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: version,
    maxVersion: version,
    ALPNProtocols: ['h2'],
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => server.close());
  return (server.address() as { port: number }).port;
}

/** The message of the status UNAVAILABLE that a call without a client certificate ends with. */
async function refusalOf(t: TestContext, port: number): Promise<string> {
  const channel = new Channel(`127.0.0.1:${port}`, {
    credentials: tlsChannelCredentials({ rootCertificates: certificates.root }),
    reportError: () => {},
  });
  const { status } = await startUnary(channel, ECHO, Uint8Array.of(1)).outcome;
  await channel.closeNow();
  t.equal(status.code, Status.UNAVAILABLE);
  return status.message;
}

await t.test('TLS 1.3: a client without certificate is told of the alert', async (t) => {
  t.match(
    await refusalOf(t, await demandingServer(t, 'TLSv1.3')),
    /the peer sent the TLS alert "certificate required": it wants a client certificate: set privateKey and certificateChain/,
  );
});

await t.test('TLS 1.2: a client without certificate is told of the alert', async (t) => {
  t.match(
    await refusalOf(t, await demandingServer(t, 'TLSv1.2')),
    /^No connection established\. Last error: connecting to .* failed: the peer sent the TLS alert "handshake failure": it wants a client certificate and got none/,
  );
});

await t.test('an alert of our own server too', async (t) => {
  const listener = await listen(
    {
      address: { host: '127.0.0.1', port: 0 },
      tls: {
        material: { ...certificates.server, rootCertificates: certificates.root },
        clientCertificates: 'require',
      },
      clock: systemClock,
      tlsHandshakeTimeoutMs: 10_000,
      maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
    },
    new Accepted(),
  );
  t.teardown(() => listener.close());
  t.match(await refusalOf(t, listener.port), /the peer sent the TLS alert "certificate required"/);
});

await t.test('an alert about the name, which OpenSSL gives no such word', async (t) => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    // RFC 8446 §6: fatal, unrecognized_name, in answer to the ClientHello.
    socket.once('data', () => socket.end(Uint8Array.of(21, 3, 3, 0, 2, 2, 112)));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => server.close());
  t.match(
    await refusalOf(t, (server.address() as { port: number }).port),
    /the peer sent the TLS alert "unrecognized name": it has no certificate for that name: check the host, or serverHostOverride/,
  );
});

await t.test('a record that is none ends the connection at once, with the reason', async (t) => {
  const accepted = new Accepted();
  const listener = await listen(
    {
      address: { host: '127.0.0.1', port: 0 },
      tls: {
        material: { ...certificates.server, rootCertificates: null },
        clientCertificates: 'ignore',
      },
      clock: systemClock,
      tlsHandshakeTimeoutMs: 10_000,
      maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
    },
    accepted,
  );
  t.teardown(() => listener.close());
  const below = netConnect(listener.port, '127.0.0.1').on('error', () => {});
  const above = tlsConnect({
    socket: below,
    ca: certificates.root,
    servername: 'localhost',
    ALPNProtocols: ['h2'],
  }).on('error', () => {});
  t.teardown(() => below.destroy());
  await new Promise((resolve) => {
    above.once('secureConnect', resolve);
  });
  const server = new PipeEvents((await accepted.next()).duplex);
  // application_data of 32 octets that no key has made (RFC 8446 §5.2).
  below.write(Uint8Array.from([23, 3, 3, 0, 32, ...new Uint8Array(32)]));
  await server.until((heard) => heard.closed);
  t.notOk(server.ended, 'an error is no end');
  t.match(server.reason?.message ?? '', /mac|decrypt/i);
  t.notOk(/[\r\n]|routines/.test(server.reason?.message ?? ''), 'one line, without addresses');
});

await t.test('the words of OpenSSL, BoringSSL and rustls', async (t) => {
  for (const [code, text, name] of [
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', '', 'certificate required'],
    ['ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE', '', 'bad certificate'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'tlsv1 alert unknown ca', 'unknown ca'],
    ['', 'tlsv1 alert access denied', 'access denied'],
    ['', 'received fatal alert: CertificateRequired', 'certificate required'],
    ['', 'received fatal alert: UnknownCA', 'unknown ca'],
    ['ERR_SSL_TLSV1_UNRECOGNIZED_NAME', 'tlsv1 unrecognized name', 'unrecognized name'],
    ['', 'tlsv1 unrecognized name', 'unrecognized name'],
    ['', 'routines:tlsv1 unrecognized name:SSL alert number 112', 'unrecognized name'],
    // Deno gives this code to every alert that it has no code for.
    [
      'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
      'received fatal alert: UnrecognisedName',
      'unrecognized name',
    ],
    ['ERR_SSL_TLSV1_ALERT_UNRECOGNIZED_NAME', '', 'unrecognized name'],
  ] as const) {
    t.match(alertText(code, text) ?? '', new RegExp(`^the peer sent the TLS alert "${name}": .+`));
  }
  t.equal(
    alertText('ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR', 'tlsv1 alert internal error'),
    'the peer sent the TLS alert "internal error"',
  );
  for (const name of [
    'unsupported extension',
    'certificate unobtainable',
    'bad certificate status response',
    'bad certificate hash value',
  ]) {
    const code = `ERR_SSL_TLSV1_${name.toUpperCase().replaceAll(' ', '_')}`;
    for (const [givenCode, text] of [
      [code, ''],
      ['', `tlsv1 ${name}`],
    ] as const) {
      t.equal(alertText(givenCode, text), `the peer sent the TLS alert "${name}"`);
    }
  }
  for (const [code, text] of [
    ['ECONNRESET', 'read ECONNRESET'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'wrong version number'],
    ['', 'SSL alert number 116'],
  ] as const) {
    t.equal(alertText(code, text), null, `${code} ${text}`);
  }
});

await t.test('what an alert explains is not guessed at once more', async (t) => {
  const connector = new ScriptedConnector();
  const channel = new Channel('localhost:1', { connector, clock: new FakeClock() });
  channel.connect();
  connector.last.accept().destroy(new ExplainedError('for this test'));
  const { status } = await startUnary(channel, ECHO, Uint8Array.of(1)).outcome;
  t.match(
    status.message,
    /while waiting for the server's SETTINGS: connection lost: for this test$/,
  );
  await channel.closeNow();
});
