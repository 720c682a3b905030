/** Certificates for tests: a CA, a server and a client signed by it, and a stranger. EC keys, made once per process. */

import { generate } from 'selfsigned';

/** PEM texts of one key pair. */
export interface TestIdentity {
  readonly privateKey: string;
  readonly certificateChain: string;
}

/** All identities of a test run. */
export interface TestCertificates {
  /** Certificate of the CA that signed `server` and `client`. */
  readonly root: string;
  /** For `localhost`, `127.0.0.1`, `::1` and `purewire.test`. */
  readonly server: TestIdentity;
  /** Common name `test client`. */
  readonly client: TestIdentity;
  /** Self-signed for `localhost`: nobody trusts it. */
  readonly stranger: TestIdentity;
}

let cached: Promise<TestCertificates> | null = null;

/** The certificates, made at the first call of the process. */
export function testCertificates(): Promise<TestCertificates> {
  cached ??= make();
  return cached;
}

async function make(): Promise<TestCertificates> {
  const ca = await generate([{ name: 'commonName', value: 'purewire test CA' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const signer = { key: ca.private, cert: ca.cert };
  const server = await leaf('localhost', signer, 'server');
  const client = await leaf('test client', signer, 'client');
  const stranger = await leaf('localhost', undefined, 'server');
  return { root: ca.cert, server, client, stranger };
}

async function leaf(
  commonName: string,
  ca: { key: string; cert: string } | undefined,
  role: 'server' | 'client',
): Promise<TestIdentity> {
  const pair = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ...(ca === undefined ? {} : { ca }),
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true },
      role === 'server'
        ? { name: 'extKeyUsage', serverAuth: true }
        : { name: 'extKeyUsage', clientAuth: true },
      {
        name: 'subjectAltName',
        altNames:
          role === 'server'
            ? [
                { type: 2, value: 'localhost' },
                { type: 2, value: 'purewire.test' },
                { type: 7, ip: '127.0.0.1' },
                { type: 7, ip: '::1' },
              ]
            : [{ type: 2, value: 'client.purewire.test' }],
      },
    ],
  });
  return { privateKey: pair.private, certificateChain: pair.cert };
}
