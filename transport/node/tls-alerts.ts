/**
 * TLS alerts that a peer sent (RFC 8446 §6, RFC 5246 §7.2): what they are called, and what to check. Every runtime has its own words for the
 * error that one becomes.
 */

/** What whoever got the alert can do about it, by its name. */
const ADVICE: ReadonlyMap<string, string> = new Map([
  ['certificate required', 'it wants a client certificate: set privateKey and certificateChain'],
  [
    'handshake failure',
    'it wants a client certificate and got none, or no cipher suite is common to both: set privateKey and certificateChain',
  ],
  ['bad certificate', 'it refuses the certificate of this end: check certificateChain'],
  ['unsupported certificate', 'it cannot use the certificate of this end: check kind and purpose'],
  ['certificate revoked', 'the certificate of this end is revoked'],
  ['certificate expired', 'the certificate of this end has expired, or a clock is wrong'],
  ['certificate unknown', 'it refuses the certificate of this end: check certificateChain'],
  [
    'unknown ca',
    'it does not trust the CA of the certificate of this end: check certificateChain, and which CAs it trusts',
  ],
  ['access denied', 'the certificate of this end is valid, but not admitted there'],
  ['decrypt error', 'check that privateKey and certificateChain belong together'],
  ['protocol version', 'it speaks no version of TLS that is allowed here: 1.2 and 1.3'],
  ['insufficient security', 'it wants stronger cipher suites'],
  [
    'unrecognized name',
    'it has no certificate for that name: check the host, or serverHostOverride',
  ],
  ['no application protocol', 'it does not speak HTTP/2 there (ALPN "h2")'],
]);

/** OpenSSL in codes and texts (`SSLV3_ALERT_BAD_CERTIFICATE`, `tlsv13 alert certificate required`), and rustls (`alert: CertificateRequired`). */
const IN_CODE = /ALERT_([A-Z_]+)$/;
const IN_TEXT = /\balert:? ([A-Za-z][A-Za-z ]*)/;
/**
 * Five about extensions (RFC 6066 §9), for which OpenSSL leaves the word out (`ERR_SSL_TLSV1_UNRECOGNIZED_NAME`, `tlsv1 unrecognized name`), and
 * Deno gives the code of a handshake failure beside the words of rustls (`alert: UnrecognisedName`).
 */
const OF_EXTENSION =
  /(?:tlsv1[ _]|alert: )(unsupported[ _]?extension|certificate[ _]?unobtainable|unrecogni[sz]ed[ _]?name|bad[ _]?certificate[ _]?(?:status[ _]?response|hash[ _]?value))/i;

/** The name of the alert that `error` stands for, in small letters; null when it stands for none. */
export function alertName(code: string, text: string): string | null {
  const found =
    OF_EXTENSION.exec(code) ?? OF_EXTENSION.exec(text) ?? IN_CODE.exec(code) ?? IN_TEXT.exec(text);
  const name = found?.[1]
    ?.replaceAll('_', ' ')
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replace('unrecognised', 'unrecognized') // the spelling of rustls
    .trim();
  return name === undefined || /^number\b/.test(name) ? null : name;
}

/** What to say of the alert, with what to check; null when `code` and `text` of an error are those of none. */
export function alertText(code: string, text: string): string | null {
  const name = alertName(code, text);
  if (name === null) return null;
  const advice = ADVICE.get(name);
  const sent = `the peer sent the TLS alert "${name}"`;
  return advice === undefined ? sent : `${sent}: ${advice}`;
}
