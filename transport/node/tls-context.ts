/** TLS material as Node's secure contexts, and the few TLS rules of HTTP/2 (RFC 9113 §9.2). */

import type { SecureContext, TLSSocket } from 'node:tls';
import { nodeCrypto, nodeTls } from './builtins.ts';

/** PEM texts for one end of a connection; null where there are none. */
export interface TlsMaterial {
  /** Certificates of the CAs to trust; null: those of the runtime. */
  readonly rootCertificates: string | null;
  /** Private key of this end, unencrypted; null exactly when `certificateChain` is. */
  readonly privateKey: string | null;
  /** Certificate of this end, followed by the intermediate ones. */
  readonly certificateChain: string | null;
}

/** The protocol name of HTTP/2 over TLS in ALPN (RFC 9113 §3.2). */
export const ALPN_HTTP2 = 'h2';

/** RFC 9113 §9.2: TLS 1.2 or higher; 1.3 where the program asks that of all its sockets (`tls.DEFAULT_MIN_VERSION`, `--tls-min-v1.3`). */
export function minTlsVersion(): 'TLSv1.2' | 'TLSv1.3' {
  return nodeTls().DEFAULT_MIN_VERSION === 'TLSv1.3' ? 'TLSv1.3' : 'TLSv1.2';
}

/** Builds the context. Throws TypeError when the material cannot be read, or key and certificate do not belong together. */
export function secureContext(material: TlsMaterial): SecureContext {
  try {
    assertKeyOfCertificate(material);
    return nodeTls().createSecureContext({
      minVersion: minTlsVersion(),
      ...(material.rootCertificates === null ? {} : { ca: material.rootCertificates }),
      ...(material.privateKey === null ? {} : { key: material.privateKey }),
      ...(material.certificateChain === null ? {} : { cert: material.certificateChain }),
    });
  } catch (error) {
    throw new TypeError(describeMaterialError(errorText(error)), { cause: error });
  }
}

/** Contexts that can be found again; beyond these the oldest is made anew for whoever asks. */
const MAX_SHARED_CONTEXTS = 64;
/** Those of clients, as long as they live, by a digest of their material and of `contextDefaults`. */
const shared = new Map<string, WeakRef<SecureContext>>();

/**
 * As `secureContext`, but one context for all who have the same material, as long as somebody has it: making one takes about as long as a
 * handshake. With CAs of the runtime's own, which a program may change at any time, it is not shared.
 */
export function sharedSecureContext(material: TlsMaterial): SecureContext {
  const { rootCertificates, privateKey, certificateChain } = material;
  if (rootCertificates === null) return secureContext(material);
  const key = digest([rootCertificates, privateKey, certificateChain, ...contextDefaults()]);
  const known = shared.get(key)?.deref();
  if (known !== undefined) return known;
  const made = secureContext(material);
  shared.delete(key);
  shared.set(key, new WeakRef(made));
  for (const oldest of shared.keys()) {
    if (shared.size <= MAX_SHARED_CONTEXTS) break;
    shared.delete(oldest);
  }
  return made;
}

/** What the runtime makes contexts with where no option says otherwise. A program may assign these at any time. */
function contextDefaults(): readonly string[] {
  const tls = nodeTls();
  return [
    tls.DEFAULT_MIN_VERSION,
    tls.DEFAULT_MAX_VERSION,
    tls.DEFAULT_CIPHERS,
    tls.DEFAULT_ECDH_CURVE,
  ];
}

/** SHA-256 of `parts`, whose borders count too. */
export function digest(parts: readonly (string | number | null)[]): string {
  return nodeCrypto().createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** OpenSSL looks at this when the context is made; Deno not before the first handshake, which then fails without a reason. */
function assertKeyOfCertificate({ privateKey, certificateChain }: TlsMaterial): void {
  if (privateKey === null || certificateChain === null) return;
  const { createPrivateKey, X509Certificate } = nodeCrypto();
  const certificate = new X509Certificate(certificateChain);
  if (!certificate.checkPrivateKey(createPrivateKey(privateKey))) {
    throw new Error('key values mismatch');
  }
}

function describeMaterialError(message: string): string {
  if (/values? mismatch|type mismatch|key_values_mismatch/i.test(message)) {
    return `privateKey does not belong to the first certificate of certificateChain (${message})`;
  }
  if (/interrupted|bad password|bad decrypt|passphrase/i.test(message)) {
    return `privateKey is encrypted; give it unencrypted (${message})`;
  }
  return `the TLS material cannot be used: give unencrypted PEM texts (${message})`;
}

/**
 * Whether the cipher suite is on the list of RFC 9113 §9.2.2 and Appendix A: everything of TLS 1.2 that is not an ephemeral key exchange
 * with an AEAD cipher. Peers agree on such a suite only when one of them offers nothing better.
 */
export function isProhibitedCipher(socket: TLSSocket): boolean {
  if (socket.getProtocol?.() !== 'TLSv1.2') return false;
  const name = socket.getCipher?.()?.name ?? '';
  return !/^(TLS_)?(ECDHE|DHE)[-_]/.test(name) || !/GCM|CHACHA20|CCM/.test(name);
}

/** Refuses TLS renegotiation, which HTTP/2 forbids (RFC 9113 §9.2.1); an attempt ends the connection. TLS 1.3 has none. */
export function forbidRenegotiation(socket: TLSSocket): void {
  // Not every runtime has it.
  (socket as Partial<TLSSocket>).disableRenegotiation?.();
}

/** The code of a Node error (`ECONNREFUSED`, `ERR_TLS_…`), or an empty string. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

/** What an error says, on one line. OpenSSL's messages hold addresses of memory and line breaks; its reason is what matters. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { reason } = error as { reason?: unknown };
  const text = typeof reason === 'string' ? reason : error.message;
  return text.trim().replaceAll(/\s*[\r\n]\s*/g, ' | ');
}
