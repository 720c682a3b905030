/** Listens on TCP, TLS over TCP, and Unix sockets. */

import type { Server as NetServer, Socket } from 'node:net';
import type { PeerCertificate, TLSSocket, TlsOptions } from 'node:tls';
import type { Clock, Timer } from '../clock.ts';
import type { AcceptListener, Listener } from '../listener.ts';
import { nodeCrypto, nodeNet, nodeTls } from './builtins.ts';
import { addressText, type SocketAddress } from './connect.ts';
import { type SharedRead, shareAccepted, sharesReads } from './shared-read.ts';
import { guardSocket, peerAddress, SocketDuplex } from './socket-duplex.ts';
import {
  ALPN_HTTP2,
  digest,
  errorCode,
  errorText,
  forbidRenegotiation,
  isProhibitedCipher,
  minTlsVersion,
  secureContext,
  type TlsMaterial,
} from './tls-context.ts';

/** What a server does about certificates of its clients. `require` refuses clients without one that `rootCertificates` vouch for. */
export type ClientCertificates = 'ignore' | 'request' | 'require';

/** TLS of a server. */
export interface ServerTls {
  readonly material: TlsMaterial;
  readonly clientCertificates: ClientCertificates;
  /** 48 octets that seal and open session tickets; null, the default: the runtime makes its own for each listener. */
  readonly ticketKeys?: Uint8Array | null;
}

/**
 * Where to listen. Without `host`: all interfaces, IPv6 and IPv4 together where there is IPv6. Port 0: the system chooses one. `reusePort`:
 * others that set it too may listen on the same port, and the system spreads connections over them.
 */
export type ListenAddress =
  | { readonly host?: string; readonly port: number; readonly reusePort?: boolean }
  | { readonly path: string };

/** Options of `listen`. */
export interface ListenOptions {
  readonly address: ListenAddress;
  readonly tls: ServerTls | null;
  readonly clock: Clock;
  /** L20: time for the TLS handshake, counted from accepting. */
  readonly tlsHandshakeTimeoutMs: number;
  /** L28: open connections per peer address; Infinity: no cap. Unix sockets have no peer address and no cap. */
  readonly maxConnectionsPerAddress: number;
}

/** Connections that wait to be accepted; the system may cap it further. */
const BACKLOG = 1024;
const ACCEPT_ERROR_INTERVAL_MS = 1000;
/** OpenSSL's SSL_MAX_SID_CTX_LENGTH. */
const MAX_SESSION_ID_CONTEXT_OCTETS = 32;

/**
 * Starts listening. Rejects with an Error that says what, where and what to do when the address cannot be used; with TypeError or
 * RangeError for an address that makes no sense or TLS material that cannot be used.
 */
export async function listen(options: ListenOptions, listener: AcceptListener): Promise<Listener> {
  const { address } = options;
  assertAddress(address);
  // Before the port is bound: a fault of the material is the caller's, and Node would report it in other places otherwise.
  if (options.tls !== null) secureContext(options.tls.material);
  if ('path' in address) return SocketListener.open(options, address, listener);
  if (address.host !== undefined) {
    return SocketListener.open(options, { host: address.host, port: address.port }, listener);
  }
  try {
    return await SocketListener.open(options, { host: '::', port: address.port }, listener);
  } catch (error) {
    // No IPv6 on this machine: the IPv4 wildcard is all there is.
    const code = errorCode((error as Error).cause);
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL' && code !== 'EINVAL') throw error;
    return SocketListener.open(options, { host: '0.0.0.0', port: address.port }, listener);
  }
}

function assertAddress(address: ListenAddress): void {
  if ('path' in address) {
    if (typeof address.path !== 'string' || address.path === '') {
      throw new TypeError('path must be the non-empty path of a socket file');
    }
    return;
  }
  const { port } = address;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new RangeError(`port must be an integer of 0 to 65535, got ${String(port)}`);
  }
  if (address.reusePort === true && !canReusePort()) {
    throw new Error(
      `a port shared through reusePort takes Node 22.12 or newer, this is ${process.version}; node:cluster shares ports on any`,
    );
  }
}

/** Older ones ignore the option, and the second listener fails with a port that is taken. */
function canReusePort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}

class SocketListener implements Listener {
  readonly #options: ListenOptions;
  readonly #accepts: AcceptListener;
  readonly #bound: SocketAddress;
  readonly #server: NetServer;
  /** Raw sockets in the TLS handshake with their L20 timers, by peer address and port, the one thing both socket objects share. */
  readonly #handshakes: Map<string, { readonly socket: Socket; readonly timer: Timer }>;
  readonly #connectionsPerAddress: Map<string, number>;
  #port: number;
  #lastAcceptErrorMs: number;
  #closed: boolean;

  static async open(
    options: ListenOptions,
    address: SocketAddress,
    accepts: AcceptListener,
  ): Promise<SocketListener> {
    const listener = new SocketListener(options, address, accepts);
    try {
      await listener.#listen();
    } catch (error) {
      throw await describeListenError(error, address);
    }
    return listener;
  }

  private constructor(options: ListenOptions, bound: SocketAddress, accepts: AcceptListener) {
    this.#options = options;
    this.#accepts = accepts;
    this.#bound = bound;
    this.#handshakes = new Map();
    this.#connectionsPerAddress = new Map();
    this.#port = 0;
    this.#lastAcceptErrorMs = Number.NEGATIVE_INFINITY;
    this.#closed = false;
    if (options.tls === null) {
      // allowHalfOpen: a client that sent its FIN still gets its answers. pauseOnConnect: see `shareAccepted`; on Deno a
      // socket that is destroyed while it is paused keeps the process alive.
      this.#server = nodeNet().createServer(
        { allowHalfOpen: true, noDelay: true, pauseOnConnect: sharesReads },
        (socket) => this.#onPlain(socket),
      );
    } else {
      // Not allowHalfOpen: a socket whose peer leaves in the handshake would linger until the handshake's time is up.
      this.#server = nodeTls().createServer(tlsOptions(options.tls, options), (socket) =>
        this.#onSecure(socket),
      );
      // Before the TLS layer's own listener, so that it never sees a socket without an 'error' listener.
      this.#server.prependListener('connection', (socket: Socket) => this.#onRaw(socket));
      this.#server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
        guardSocket(socket);
        socket.destroy();
        // A peer that left says nothing about itself and nothing is known of it; our own timeout has been reported.
        if (errorCode(error) === 'ECONNRESET') return;
        const from = remoteText(socket);
        this.#accepts.onRefused(
          `TLS handshake with ${from} failed: ${errorText(error)}`,
          'tls.handshake-failed',
        );
      });
    }
  }

  get port(): number {
    return this.#port;
  }

  get address(): string {
    return 'path' in this.#bound
      ? addressText(this.#bound)
      : addressText({ host: this.#bound.host, port: this.#port });
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    for (const { socket, timer } of this.#handshakes.values()) {
      timer.cancel();
      socket.destroy();
    }
    this.#handshakes.clear();
    return new Promise((resolve) => {
      // The callback waits for open connections too; the address is free as soon as the listening handle is closed, a turn later.
      this.#server.close();
      setImmediate(resolve);
    });
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      const server = this.#server;
      server.once('error', reject);
      const { address } = this.#options;
      const reusePort = 'port' in address && address.reusePort === true;
      const manners = { backlog: BACKLOG, exclusive: false, ipv6Only: false, reusePort };
      server.listen({ ...this.#bound, ...manners }, () => {
        server.off('error', reject);
        server.on('error', (error: Error) => this.#onServerError(error));
        const address = server.address();
        this.#port = typeof address === 'object' && address !== null ? address.port : 0;
        resolve();
      });
    });
  }

  /** Accepting failed (EMFILE and the like): the runtime goes on by itself, so all there is to do is to say so, now and then. */
  #onServerError(error: Error): void {
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#lastAcceptErrorMs < ACCEPT_ERROR_INTERVAL_MS) return;
    this.#lastAcceptErrorMs = nowMs;
    this.#accepts.onAcceptError(
      new Error(`accepting connections on ${this.address} failed: ${error.message}`, {
        cause: error,
      }),
    );
  }

  #onPlain(accepted: Socket): void {
    const shared = shareAccepted(accepted);
    const socket = shared === null ? accepted : shared.socket;
    guardSocket(socket);
    if (this.#refuseOverCap(socket)) return;
    this.#hand(socket, shared === null ? null : shared.read);
  }

  /** A TCP connection to a TLS listener, before the handshake. */
  #onRaw(socket: Socket): void {
    guardSocket(socket);
    if (this.#refuseOverCap(socket)) return;
    const key = handshakeKey(socket);
    if (key === null) return;
    const from = remoteText(socket);
    const timer = this.#options.clock.setTimer(
      this.#options.tlsHandshakeTimeoutMs,
      () => {
        this.#handshakes.delete(key);
        socket.destroy();
        this.#accepts.onRefused(
          `TLS handshake with ${from} failed: not done in time`,
          'tls.handshake-timeout',
        );
      },
      false,
    );
    this.#handshakes.set(key, { socket, timer });
    socket.once('close', () => this.#endHandshake(key));
  }

  #endHandshake(key: string | null): void {
    if (key === null) return;
    this.#handshakes.get(key)?.timer.cancel();
    this.#handshakes.delete(key);
  }

  #onSecure(socket: TLSSocket): void {
    guardSocket(socket);
    // RFC 9113 §9.2.1: no renegotiation under HTTP/2. The runtime only tells of an attempt; the connection must end. Not every one has it.
    (socket as Partial<TLSSocket>).disableRenegotiation?.();
    socket.on('error', () => socket.destroy());
    this.#endHandshake(handshakeKey(socket));
    const why = this.#tlsFault(socket);
    if (why !== null) {
      const from = remoteText(socket);
      this.#accepts.onRefused(`TLS client ${from} refused: ${why}`, 'tls.refused');
      socket.destroy();
      return;
    }
    forbidRenegotiation(socket);
    this.#hand(socket, null);
  }

  /** Why a client whose handshake is done is not let in; null when it is. */
  #tlsFault(socket: TLSSocket): string | null {
    // RFC 9113 §3.2 and §9.2.2.
    if (socket.alpnProtocol !== ALPN_HTTP2) return 'it did not agree to HTTP/2 (ALPN "h2")';
    if (isProhibitedCipher(socket)) {
      return `cipher ${socket.getCipher().name} is prohibited for HTTP/2`;
    }
    const { tls, clock } = this.#options;
    // With 'request' certificates are not verified in the first place.
    return tls?.clientCertificates === 'require' ? resumptionFault(socket, clock.wallNow()) : null;
  }

  #hand(socket: Socket, read: SharedRead | null): void {
    // 'connection' events may still arrive in the turn in which the handle is closed.
    if (this.#closed || socket.destroyed) {
      socket.destroy();
      return;
    }
    const path = 'path' in this.#bound ? this.#bound.path : '';
    try {
      this.#accepts.onConnection(new SocketDuplex(socket, path, read));
    } catch (error) {
      socket.destroy();
      this.#onServerError(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** L28: counts the connection until it closes, or destroys it when its address has too many. */
  #refuseOverCap(socket: Socket): boolean {
    const max = this.#options.maxConnectionsPerAddress;
    const address = addressKey(socket.remoteAddress);
    if (max === Number.POSITIVE_INFINITY || address === null) return false;
    const counts = this.#connectionsPerAddress;
    const open = counts.get(address) ?? 0;
    if (open >= max) {
      this.#accepts.onRefused(
        `connection from ${remoteText(socket)} refused: ${max} are open already`,
        'connection.too-many-per-address',
      );
      socket.destroy();
      return true;
    }
    counts.set(address, open + 1);
    socket.once('close', () => {
      const left = (counts.get(address) ?? 1) - 1;
      if (left === 0) counts.delete(address);
      else counts.set(address, left);
    });
    return false;
  }
}

/**
 * What is wrong with the client certificate of the session that `socket` resumed, at which the runtime has not looked again (RFC 8446
 * §4.6.1); null when nothing is, or none was resumed.
 */
function resumptionFault(socket: TLSSocket, wallMs: number): string | null {
  let endMs = Number.NaN;
  try {
    if ((socket as Partial<TLSSocket>).isSessionReused?.() !== true) return null;
    // Null or an empty object when there is none, whatever the types say.
    const certificate = socket.getPeerCertificate() as Partial<PeerCertificate> | null;
    endMs = Date.parse(certificate?.valid_to ?? '');
  } catch {
    // CVE-2026-21637: an exception in a TLS callback must not escape.
  }
  if (wallMs < endMs) return null;
  return wallMs >= endMs
    ? 'its certificate has expired since the TLS session began'
    : 'the TLS session that it resumed shows no certificate';
}

/** Where a socket comes from, for people. */
function remoteText(socket: Socket): string {
  return socket.remoteAddress === undefined ? 'a local or closed socket' : peerAddress(socket, '');
}

/** What L28 counts by: an IPv4 address, or the first half of an IPv6 address, which is what one client is given. */
function addressKey(remoteAddress: string | undefined): string | null {
  if (remoteAddress === undefined) return null;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remoteAddress);
  if (mapped !== null) return mapped[1] ?? null;
  if (!remoteAddress.includes(':')) return remoteAddress;
  const [head = '', tail] = remoteAddress.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [
    ...first,
    ...Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0'),
    ...last,
  ];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

function handshakeKey(socket: Socket): string | null {
  const { remoteAddress, remotePort } = socket;
  return remoteAddress === undefined ? null : `${remoteAddress} port ${remotePort}`;
}

function tlsOptions(tls: ServerTls, options: ListenOptions): TlsOptions {
  const { material, clientCertificates, ticketKeys } = tls;
  const { rootCertificates, certificateChain } = material;
  // CAs of the runtime's own are those of this process at this time: what they are elsewhere is not known.
  const ownTrust =
    rootCertificates === null && clientCertificates !== 'ignore'
      ? nodeCrypto().randomBytes(16).toString('hex')
      : rootCertificates;
  const policy = [certificateChain, ownTrust, clientCertificates];
  return {
    // A resumed session stands for the check of the client's certificate when it began, so it opens no listener that checks otherwise, were
    // their ticket keys the same. The runtime's default is the same for all listeners of a program.
    sessionIdContext: digest(policy).slice(0, MAX_SESSION_ID_CONTEXT_OCTETS),
    ...(ticketKeys === undefined || ticketKeys === null
      ? {}
      : { ticketKeys: Buffer.from(ticketKeys) }),
    noDelay: true,
    minVersion: minTlsVersion(),
    ALPNProtocols: [ALPN_HTTP2],
    ...(material.privateKey === null ? {} : { key: material.privateKey }),
    ...(material.certificateChain === null ? {} : { cert: material.certificateChain }),
    ...(material.rootCertificates === null ? {} : { ca: material.rootCertificates }),
    requestCert: clientCertificates !== 'ignore',
    rejectUnauthorized: clientCertificates === 'require',
    // The runtime's own limit, which traffic puts off, for sockets that ours cannot tell apart (Unix); ours comes first elsewhere.
    handshakeTimeout: Math.min(options.tlsHandshakeTimeoutMs * 2, 2_147_483_647),
  };
}

async function describeListenError(error: unknown, address: SocketAddress): Promise<Error> {
  const where = addressText(address);
  const message = error instanceof Error ? error.message : String(error);
  let reason = message;
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      reason =
        'path' in address
          ? await describeExistingFile(address.path)
          : 'the port is taken: stop the process that uses it, or choose another port (0 for any)';
      break;
    case 'EACCES':
      reason =
        'path' in address
          ? 'permission denied: check that the folder of the socket file exists and may be written to'
          : 'permission denied: ports below 1024 need special rights';
      break;
    case 'EADDRNOTAVAIL':
      reason = 'no interface of this machine has that address';
      break;
    case 'ENOTFOUND':
      reason = 'the host name is unknown';
      break;
    case 'ENOENT':
      reason = 'the folder of the socket file does not exist';
      break;
  }
  const suffix = reason === message ? '' : ` (${message})`;
  return new Error(`cannot listen on ${where}: ${reason}${suffix}`, { cause: error });
}

/** Tells a socket file left behind by a dead process from one in use. The file is never removed here: it is not ours. */
function describeExistingFile(path: string): Promise<string> {
  return new Promise((resolve) => {
    const probe = nodeNet().connect({ path });
    probe.on('error', (error) => {
      resolve(
        errorCode(error) === 'ECONNREFUSED'
          ? 'the file exists, but no server listens on it: a process that ended abruptly left it behind; remove it'
          : 'the file exists and is no socket that can be connected to: choose another path, or remove it',
      );
    });
    probe.on('connect', () => {
      probe.destroy();
      resolve('another server listens there');
    });
  });
}
