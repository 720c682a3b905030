/** The TLS rules of RFC 9113 §3 and §9.2, seen from a raw TLS peer. */

import tls, {
  createServer,
  type TLSSocket,
  type ConnectionOptions as TlsConnectOptions,
  connect as tlsConnect,
} from 'node:tls';
import { generate } from 'selfsigned';
import { SocketConnector } from '../../transport/node/connect.ts';
import { secureContext } from '../../transport/node/tls-context.ts';
import { systemClock } from '../../transport/system-clock.ts';
import { startPlainTarget } from '../conformance/plain-target.ts';
import { testCertificates } from '../support/certificates.ts';
import { octets, PREFACE, settings } from '../support/frame-factory.ts';
import { connectPipe } from '../support/pipe-events.ts';
import { onNode, t } from '../support/tap.ts';

const certificates = await testCertificates();
const rsa = await generate([{ name: 'commonName', value: 'localhost' }], {
  keyType: 'rsa',
  keySize: 2048,
  algorithm: 'sha256',
});

const target = await startPlainTarget({
  material: { rootCertificates: null, privateKey: rsa.private, certificateChain: rsa.cert },
  clientCertificates: 'ignore',
});
t.teardown(() => target.close());

/** What a handshake with the plain target came to. */
interface Handshake {
  readonly secure: boolean;
  readonly protocol: string | null;
  readonly cipher: string;
  /** The first octets of the server. */
  readonly first: Uint8Array;
}

function shakeHands(options: TlsConnectOptions): Promise<Handshake> {
  return new Promise((resolve) => {
    let secure = false;
    let protocol: string | null = null;
    let cipher = '';
    let first: Uint8Array = octets();
    const socket = tlsConnect({
      host: '127.0.0.1',
      port: target.port,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      ...options,
    });
    socket.once('secureConnect', () => {
      secure = true;
      protocol = socket.getProtocol();
      cipher = socket.getCipher().name;
      socket.write(octets(PREFACE, settings()));
    });
    socket.once('data', (chunk: Uint8Array) => {
      first = new Uint8Array(chunk);
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.once('close', () => resolve({ secure, protocol, cipher, first }));
  });
}

await t.test(
  '§3.2 §3.4 once TLS is done a server sends SETTINGS, a client the preface',
  async (t) => {
    const { first } = await shakeHands({});
    t.equal(first[3], 4, 'SETTINGS is the first frame');
  },
);

await t.test(
  '§3.2 §3.3 §9.2 a client offers TLS 1.2 or higher, ALPN h2 and nothing else, and the name',
  async (t) => {
    const seen: unknown[] = [];
    const versions: (string | null)[] = [];
    const server = createServer(
      {
        key: certificates.server.privateKey,
        cert: certificates.server.certificateChain,
        ALPNCallback: ({ servername, protocols }) => {
          seen.push([servername || null, [...protocols]]);
          return 'h2';
        },
      },
      (socket: TLSSocket) => {
        versions.push(socket.getProtocol());
        socket.on('error', () => {});
        socket.end();
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    const { port } = server.address() as { port: number };
    const context = secureContext({
      rootCertificates: certificates.root,
      privateKey: null,
      certificateChain: null,
    });
    for (const serverName of ['localhost', '127.0.0.1']) {
      const tls = { context, serverName };
      const pipe = await connectPipe(
        new SocketConnector({ host: '127.0.0.1', port }, tls, systemClock),
      );
      pipe.destroy();
    }
    t.strictSame(
      seen,
      [
        ['localhost', ['h2']],
        [null, ['h2']],
      ],
      'never h2c; a name is sent, an address is none (RFC 6066 §3)',
    );
    t.ok(versions.every((version) => version === 'TLSv1.3' || version === 'TLSv1.2'));
  },
);

await t.test(
  '§3.2 §3.3 a server refuses a client that does not offer h2, or offers h2c',
  async (t) => {
    for (const options of [
      { ALPNProtocols: ['h2c'] },
      { ALPNProtocols: ['http/1.1'] },
      { ALPNProtocols: [] },
    ]) {
      const { first } = await shakeHands(options);
      t.equal(first.length, 0, JSON.stringify(options));
    }
  },
);

await t.test('§9.2 a server refuses TLS below 1.2', async (t) => {
  // Bun's and Deno's TLS libraries have no old versions, and Deno's takes no choice of cipher suites.
  if (!onNode) return void t.pass('this runtime cannot play such a peer');
  const { secure } = await shakeHands({
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  t.equal(secure, false);
});

await t.test('§9.2 a program that allows TLS 1.3 alone is given nothing older', async (t) => {
  if (!onNode) return void t.pass('the setting is one of Node');
  const before = tls.DEFAULT_MIN_VERSION;
  tls.DEFAULT_MIN_VERSION = 'TLSv1.3';
  t.teardown(() => {
    tls.DEFAULT_MIN_VERSION = before;
  });
  const strict = await startPlainTarget({
    material: { rootCertificates: null, privateKey: rsa.private, certificateChain: rsa.cert },
    clientCertificates: 'ignore',
  });
  t.teardown(() => strict.close());
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { protocol } = await shakeHands({
      port: strict.port,
      minVersion: version,
      maxVersion: version,
    });
    t.equal(protocol, version === 'TLSv1.3' ? version : null, `the server, ${version}`);
  }

  const old = createServer({
    key: certificates.server.privateKey,
    cert: certificates.server.certificateChain,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    ALPNProtocols: ['h2'],
  });
  old.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
  t.teardown(() => old.close());
  const { port } = old.address() as { port: number };
  const context = secureContext({
    rootCertificates: certificates.root,
    privateKey: null,
    certificateChain: null,
  });
  await t.rejects(
    connectPipe(
      new SocketConnector(
        { host: '127.0.0.1', port },
        { context, serverName: 'localhost' },
        systemClock,
      ),
    ),
    /protocol version/,
    'the client',
  );
});

await t.test('§9.2.2 TLS 1.2 with ECDHE-RSA-AES128-GCM-SHA256 and P-256 is spoken', async (t) => {
  if (!onNode) return void t.pass('this runtime cannot play such a peer');
  const { cipher, protocol, first } = await shakeHands({
    maxVersion: 'TLSv1.2',
    ciphers: 'ECDHE-RSA-AES128-GCM-SHA256',
    ecdhCurve: 'P-256',
  });
  t.equal(protocol, 'TLSv1.2');
  t.match(cipher, /ECDHE.RSA.*AES.?128.GCM/);
  t.equal(first[3], 4, 'not refused: SETTINGS');
});

await t.test('§9.2.2 a cipher suite that HTTP/2 prohibits is refused', async (t) => {
  if (!onNode) return void t.pass('this runtime cannot play such a peer');
  const { first } = await shakeHands({
    maxVersion: 'TLSv1.2',
    ciphers: 'ECDHE-RSA-AES128-SHA256',
  });
  t.equal(first.length, 0);
});

await t.test('§9.2 §9.2.3 TLS 1.3 is spoken', async (t) => {
  const { protocol, first } = await shakeHands({ minVersion: 'TLSv1.3' });
  t.equal(protocol, 'TLSv1.3');
  t.equal(first[3], 4);
});

await t.test('§9.2.1 TLS 1.2 renegotiation ends the connection', async (t) => {
  await new Promise<void>((resolve) => {
    const socket = tlsConnect({
      host: '127.0.0.1',
      port: target.port,
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
      ALPNProtocols: ['h2'],
    });
    socket.on('error', () => {});
    socket.once('close', () => {
      t.pass('the server ended it');
      resolve();
    });
    socket.once('data', () => {
      // The whole suite of runtimes: some cannot renegotiate at all.
      if (typeof socket.renegotiate !== 'function') socket.destroy();
      else socket.renegotiate({ rejectUnauthorized: false }, () => {});
    });
    socket.resume();
  });
});
