/** A certificate for localhost, made at start and trusted by nobody but this demo. */

import { generate } from 'selfsigned';

/** PEM of a key and of the certificate that belongs to it. */
export interface Certificates {
  readonly privateKey: string;
  readonly certificateChain: string;
}

/** Makes a key and a self-signed certificate. */
export async function makeCertificates(): Promise<Certificates> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
    ],
  });
  return { privateKey: made.private, certificateChain: made.cert };
}
