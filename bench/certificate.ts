/** The certificate of the TLS rows, made anew for each run. */

import type { TlsMaterial } from './protocol.ts';

/** A self-signed certificate for localhost and 127.0.0.1. */
export async function makeCertificate(): Promise<TlsMaterial> {
  const { generate } = await import('selfsigned');
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  return { certificate: made.cert, privateKey: made.private };
}
