/**
 * The TLS identity that the interoperability programs use when none is given: a CA and a server certificate for the names of the tests,
 * made once and kept in the git-ignored `.tools/interop/tls`, so that separate processes share them.
 */

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { projectFolder } from '../../support/project.ts';

/** Paths of PEM files. */
export interface IdentityFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** A name that the certificate is for; the standard one of the tests. */
export const TEST_SERVER_NAME = 'foo.test.google.fr';

const FOLDER = join(projectFolder, '.tools', 'interop', 'tls');
const DAY_MS = 86_400_000;
/** A certificate that is older is made anew. */
const RENEW_AFTER_DAYS = 20;

/** The files, made now if they are not there or too old. */
export async function testIdentity(): Promise<IdentityFiles> {
  const files = {
    caFile: join(FOLDER, 'ca.pem'),
    certFile: join(FOLDER, 'server.pem'),
    keyFile: join(FOLDER, 'server.key'),
  };
  const madeFile = join(FOLDER, 'made');
  const madeMs = existsSync(madeFile) ? Number(readFileSync(madeFile, 'utf8')) : 0;
  if (Date.now() - madeMs < RENEW_AFTER_DAYS * DAY_MS) return files;
  const { ca, cert, key } = await make();
  // Complete before it is seen: another process may look for it now.
  const draft = `${FOLDER}-${process.pid}`;
  mkdirSync(draft, { recursive: true });
  writeFileSync(join(draft, 'ca.pem'), ca);
  writeFileSync(join(draft, 'server.pem'), cert);
  writeFileSync(join(draft, 'server.key'), key, { mode: 0o600 });
  writeFileSync(join(draft, 'made'), String(Date.now()));
  rmSync(FOLDER, { recursive: true, force: true });
  renameSync(draft, FOLDER);
  return files;
}

async function make(): Promise<{ ca: string; cert: string; key: string }> {
  const ca = await generate([{ name: 'commonName', value: 'purewire interop CA' }], {
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const server = await generate([{ name: 'commonName', value: TEST_SERVER_NAME }], {
    keySize: 2048,
    algorithm: 'sha256',
    ca: { key: ca.private, cert: ca.cert },
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: '*.test.google.fr' },
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  return { ca: ca.cert, cert: server.cert, key: server.private };
}
