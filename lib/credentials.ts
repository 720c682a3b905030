/**
 * TLS material of channels and servers. Whatever is half given is refused here, when the value is made: nothing ever falls back to an
 * insecure connection silently. That key and certificate belong together is checked by whoever builds the TLS context from them.
 */

import type { KnownOptions } from './known-options.ts';

/** PEM text, or its octets. */
export type Pem = string | Uint8Array;

/** Credentials of a channel: made by `insecureChannelCredentials`, `tlsChannelCredentials` or `channelCredentials`. */
export type ChannelCredentials =
  | { readonly type: 'insecure' }
  | {
      readonly type: 'tls';
      /** Certificates of the CAs to trust; null: those of the runtime. */
      readonly rootCertificates: string | null;
      /** Identity of the client; both or neither. */
      readonly privateKey: string | null;
      readonly certificateChain: string | null;
      /** The name that the server's certificate must be for, instead of the target's host; null: that host. */
      readonly serverHostOverride: string | null;
    };

/** What a server asks of its clients: no certificate, one if there is one, or one that `rootCertificates` vouch for. */
export type ClientCertificatePolicy = 'ignore' | 'request' | 'require';

/** Credentials of a server address: made by `insecureServerCredentials`, `tlsServerCredentials` or `serverCredentials`. */
export type ServerCredentials =
  | { readonly type: 'insecure' }
  | {
      readonly type: 'tls';
      readonly privateKey: string;
      readonly certificateChain: string;
      /** Certificates of the CAs that vouch for clients; null: those of the runtime. */
      readonly rootCertificates: string | null;
      readonly clientCertificates: ClientCertificatePolicy;
      /** Seal and open session tickets; null: keys of its own for each address that is listened on. */
      readonly ticketKeys: Uint8Array | null;
    };

/** TLS options of a channel. */
export interface TlsChannelOptions {
  readonly rootCertificates?: Pem | null | undefined;
  readonly privateKey?: Pem | null | undefined;
  readonly certificateChain?: Pem | null | undefined;
  readonly serverHostOverride?: string | null | undefined;
}

/** The names of `TlsChannelOptions`. */
export const TLS_CHANNEL_OPTIONS: KnownOptions<TlsChannelOptions> = {
  rootCertificates: true,
  privateKey: true,
  certificateChain: true,
  serverHostOverride: true,
};

/** TLS options of a server address. */
export interface TlsServerOptions {
  readonly privateKey?: Pem | null | undefined;
  readonly certificateChain?: Pem | null | undefined;
  readonly rootCertificates?: Pem | null | undefined;
  /** Default `ignore`. With `request` a handler has to judge `peer.certificate` itself: it is not verified. */
  readonly clientCertificates?: ClientCertificatePolicy | undefined;
  /**
   * 48 secret random octets: servers that share them resume each other's TLS sessions, with `clientCertificates` only if they have the
   * same `rootCertificates` too. Default: keys of its own.
   */
  readonly ticketKeys?: Uint8Array | null | undefined;
}

/** The names of `TlsServerOptions`. */
export const TLS_SERVER_OPTIONS: KnownOptions<TlsServerOptions> = {
  privateKey: true,
  certificateChain: true,
  rootCertificates: true,
  clientCertificates: true,
  ticketKeys: true,
};

const INSECURE: { readonly type: 'insecure' } = Object.freeze({ type: 'insecure' });

/** No TLS: everything is readable and changeable on the way. */
export function insecureChannelCredentials(): ChannelCredentials {
  return INSECURE;
}

/** TLS. Throws TypeError when a text is not PEM of its kind, or of key and chain only one is given. */
export function tlsChannelCredentials(options: TlsChannelOptions = {}): ChannelCredentials {
  const privateKey = pemText('privateKey', options.privateKey, PRIVATE_KEY);
  const certificateChain = pemText('certificateChain', options.certificateChain, CERTIFICATE);
  assertPair(privateKey, certificateChain);
  return Object.freeze({
    type: 'tls',
    rootCertificates: pemText('rootCertificates', options.rootCertificates, CERTIFICATE),
    privateKey,
    certificateChain,
    serverHostOverride: hostName(options.serverHostOverride),
  });
}

/**
 * TLS if `secure`, else none. Throws TypeError as `tlsChannelCredentials`, and when TLS options are given although `secure` is false:
 * whoever gives certificates does not mean an insecure connection.
 */
export function channelCredentials(
  secure: boolean,
  options: TlsChannelOptions = {},
): ChannelCredentials {
  if (typeof secure !== 'boolean') {
    throw new TypeError(`secure must be true or false, got ${typeof secure}`);
  }
  if (secure) return tlsChannelCredentials(options);
  const given = (
    ['rootCertificates', 'privateKey', 'certificateChain', 'serverHostOverride'] as const
  ).find((name) => options[name] !== undefined && options[name] !== null);
  if (given !== undefined) {
    throw new TypeError(`${given} is given, but secure is false: set secure to true to use TLS`);
  }
  return INSECURE;
}

/** No TLS. */
export function insecureServerCredentials(): ServerCredentials {
  return INSECURE;
}

/** TLS. Throws TypeError when key or chain is missing, a text is not PEM of its kind, the client policy is none, or ticket keys are not 48 octets. */
export function tlsServerCredentials(options: TlsServerOptions): ServerCredentials {
  const privateKey = pemText('privateKey', options.privateKey, PRIVATE_KEY);
  const certificateChain = pemText('certificateChain', options.certificateChain, CERTIFICATE);
  assertPair(privateKey, certificateChain);
  if (privateKey === null || certificateChain === null) {
    throw new TypeError('a TLS server needs both privateKey and certificateChain');
  }
  const rootCertificates = pemText('rootCertificates', options.rootCertificates, CERTIFICATE);
  const clientCertificates = options.clientCertificates ?? 'ignore';
  if (!['ignore', 'request', 'require'].includes(clientCertificates)) {
    throw new TypeError("clientCertificates must be 'ignore', 'request' or 'require'");
  }
  return Object.freeze({
    type: 'tls',
    privateKey,
    certificateChain,
    rootCertificates,
    clientCertificates,
    ticketKeys: sessionTicketKeys(options.ticketKeys),
  });
}

/** TLS if both key and chain are given, none if neither is. Throws TypeError when only one is, or as `tlsServerCredentials`. */
export function serverCredentials(
  privateKey?: Pem | null,
  certificateChain?: Pem | null,
): ServerCredentials {
  const absent =
    (privateKey === undefined || privateKey === null) &&
    (certificateChain === undefined || certificateChain === null);
  return absent ? INSECURE : tlsServerCredentials({ privateKey, certificateChain });
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/;
const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/;

function pemText(name: string, pem: Pem | null | undefined, kind: RegExp): string | null {
  if (pem === undefined || pem === null) return null;
  if (typeof pem !== 'string' && !(pem instanceof Uint8Array)) {
    throw new TypeError(`${name} must be PEM text as a string or Uint8Array, got ${typeof pem}`);
  }
  const text = typeof pem === 'string' ? pem : new TextDecoder('latin1').decode(pem);
  // The material itself must not get into a message.
  if (!kind.test(text)) {
    const what = kind === CERTIFICATE ? 'certificate' : 'private key';
    throw new TypeError(`${name} holds no ${what} in PEM form ("-----BEGIN …")`);
  }
  return text;
}

function assertPair(privateKey: string | null, certificateChain: string | null): void {
  if ((privateKey === null) === (certificateChain === null)) return;
  const [given, missing] =
    privateKey === null ? ['certificateChain', 'privateKey'] : ['privateKey', 'certificateChain'];
  throw new TypeError(`${given} is given without ${missing}: TLS needs both`);
}

/** What `node:tls` takes: a name, a key for HMAC and one for AES-128, of 16 octets each. */
const TICKET_KEYS_OCTETS = 48;

function sessionTicketKeys(keys: Uint8Array | null | undefined): Uint8Array | null {
  if (keys === undefined || keys === null) return null;
  if (!(keys instanceof Uint8Array) || keys.length !== TICKET_KEYS_OCTETS) {
    throw new TypeError(`ticketKeys must be a Uint8Array of ${TICKET_KEYS_OCTETS} random octets`);
  }
  return Uint8Array.from(keys);
}

function hostName(name: string | null | undefined): string | null {
  if (name === undefined || name === null) return null;
  if (typeof name !== 'string' || !/^[A-Za-z0-9._:-]+$/.test(name)) {
    throw new TypeError('serverHostOverride must be a host name without port');
  }
  return name;
}
