/** Dials TCP, TLS over TCP, and Unix sockets. */

import type { OnReadOpts, Socket, TcpNetConnectOpts } from 'node:net';
import type { ConnectionOptions, SecureContext, TLSSocket } from 'node:tls';
import type { Clock, Timer } from '../clock.ts';
import type { ConnectAttempt, ConnectListener, Connector } from '../connector.ts';
import { nodeNet, nodeTls } from './builtins.ts';
import { SharedRead } from './shared-read.ts';
import { guardSocket, SocketDuplex } from './socket-duplex.ts';
import { alertText } from './tls-alerts.ts';
import {
  ALPN_HTTP2,
  errorCode,
  errorText,
  forbidRenegotiation,
  isProhibitedCipher,
} from './tls-context.ts';
import { TlsResumption, type TlsSessions } from './tls-sessions.ts';

/** Where to connect: a TCP host (name or IP address without brackets) and port, or the path of a Unix socket. */
export type SocketAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** TLS of a client. */
export interface ClientTls {
  readonly context: SecureContext;
  /** The name that the server's certificate must be for, sent as SNI too unless it is an IP address. */
  readonly serverName: string;
  /** Sessions to resume, of this context and name only; null, the default: every handshake is a full one. */
  readonly sessions?: TlsSessions | null;
}

/**
 * How long Node waits for one of a name's addresses before it tries the next. Its own 250 ms lose every address that is further away
 * than that, because the earlier attempt is then given up.
 */
const ADDRESS_ATTEMPT_TIMEOUT_MS = 1000;

/** A `Connector` over sockets. */
export class SocketConnector implements Connector {
  readonly address: string;
  readonly #target: SocketAddress;
  readonly #tls: ClientTls | null;
  readonly #clock: Clock;

  constructor(target: SocketAddress, tls: ClientTls | null, clock: Clock) {
    this.address = addressText(target);
    this.#target = target;
    this.#tls = tls;
    this.#clock = clock;
  }

  connect(timeoutMs: number, listener: ConnectListener): ConnectAttempt {
    return new SocketConnectAttempt(this.#target, this.#tls, this.#clock, timeoutMs, listener);
  }
}

/** `host:port`, `[::1]:port` or `unix:/path`. */
export function addressText(address: SocketAddress): string {
  if ('path' in address) return `unix:${address.path}`;
  return nodeNet().isIP(address.host) === 6
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}

type ConnectPhase = 'name lookup' | 'connection' | 'TLS handshake';

const PHASE_HINTS: Readonly<Record<ConnectPhase, string>> = {
  'name lookup': 'check the name service and the network',
  connection: 'check the address, firewalls, the network, and that the server is not overloaded',
  'TLS handshake': 'check that the server speaks TLS there and is not overloaded',
};

class SocketConnectAttempt implements ConnectAttempt {
  readonly #read: SharedRead | null = SharedRead.create();
  readonly #target: SocketAddress;
  readonly #listener: ConnectListener;
  readonly #resumption: TlsResumption | null;
  readonly #timer: Timer | null;
  #socket: Socket | null;
  /** What is being waited for. */
  #phase: ConnectPhase;
  #done: boolean;

  constructor(
    target: SocketAddress,
    tls: ClientTls | null,
    clock: Clock,
    timeoutMs: number,
    listener: ConnectListener,
  ) {
    this.#target = target;
    this.#listener = listener;
    const sessions = tls?.sessions ?? null;
    this.#resumption = sessions === null ? null : new TlsResumption(sessions, clock);
    this.#socket = null;
    this.#phase =
      'path' in target || nodeNet().isIP(target.host) !== 0 ? 'connection' : 'name lookup';
    this.#done = false;
    try {
      this.#socket = tls === null ? this.#openPlain() : this.#openTls(tls);
    } catch (error) {
      // Node throws at once for a port or host it cannot use; the listener hears of it like of any other failure.
      this.#timer = null;
      queueMicrotask(() => this.#fail(error));
      return;
    }
    this.#timer = clock.setTimer(timeoutMs, () => this.#onTimeout(timeoutMs), false);
  }

  get isResolving(): boolean {
    return this.#phase === 'name lookup';
  }

  cancel(): void {
    if (!this.#finish()) return;
    if (this.#phase !== 'TLS handshake') this.#resumption?.putBack();
    this.#socket?.destroy();
  }

  #openPlain(): Socket {
    const socket = nodeNet().connect({ ...connectOptions(this.#target, true), ...this.#onRead() });
    this.#guard(socket);
    socket.once('connect', () => this.#succeed(socket));
    return socket;
  }

  #openTls(tls: ClientTls): Socket {
    const session = this.#resumption?.octets ?? null;
    const options: ConnectionOptions = {
      // As on the listening side: a TLS connection that its peer has ended is over.
      ...connectOptions(this.#target, false),
      ...this.#onRead(),
      secureContext: tls.context,
      ALPNProtocols: [ALPN_HTTP2],
      // SNI carries names only (RFC 6066 §3).
      ...(nodeNet().isIP(tls.serverName) === 0 ? { servername: tls.serverName } : {}),
      ...(session === null ? {} : { session }),
      // A resumed session was checked when it began: see `tlsSessions`.
      checkServerIdentity: (_host, certificate) => {
        // CVE-2026-21637: an exception in a TLS callback must not escape.
        try {
          const fault = nodeTls().checkServerIdentity(tls.serverName, certificate);
          if (fault === undefined) this.#resumption?.onVerified(certificate);
          return fault;
        } catch (error) {
          return error instanceof Error ? error : new Error(String(error));
        }
      },
    };
    const socket = nodeTls().connect(options);
    this.#guard(socket);
    socket.once('connect', () => this.#resumption?.onConnected(socket));
    socket.once('secureConnect', () => this.#onSecure(socket));
    return socket;
  }

  #onRead(): { onread?: OnReadOpts } {
    return this.#read === null ? {} : { onread: this.#read.options() };
  }

  #guard(socket: Socket): void {
    guardSocket(socket);
    // The channel keeps the process alive while a call waits.
    socket.unref();
    // Also when nothing was found, with the reason.
    socket.once('lookup', (error: Error | null) => {
      if (!error) this.#phase = 'connection';
    });
    socket.once('connect', () => {
      this.#phase = 'TLS handshake';
    });
    socket.once('error', (error: Error) => {
      // TLS 1.3: a server that refuses the client's certificate says so after the client's handshake is done.
      if (this.#done && /^ERR_(SSL|TLS)_/.test(errorCode(error))) this.#resumption?.onFailed();
      this.#fail(error);
    });
    socket.once('close', () =>
      this.#fail(new Error('the connection was closed while it was made')),
    );
  }

  #onSecure(socket: TLSSocket): void {
    // Ended in the handshake already (L33): the error that says why is about to come.
    if (socket.destroyed) return;
    // RFC 9113 §3.2: over TLS, HTTP/2 is spoken only where ALPN has agreed on it.
    if (socket.alpnProtocol !== ALPN_HTTP2) {
      this.#fail(
        new Error('the server did not agree to HTTP/2 (ALPN "h2"): check that it is a gRPC server'),
      );
    } else if (isProhibitedCipher(socket)) {
      this.#fail(
        new Error(
          `the server agreed only to cipher ${socket.getCipher().name}, which HTTP/2 prohibits (RFC 9113 §9.2.2)`,
        ),
      );
    } else {
      forbidRenegotiation(socket);
      this.#resumption?.onAccepted(socket);
      this.#succeed(socket);
    }
  }

  #succeed(socket: Socket): void {
    if (!this.#finish()) return;
    const path = 'path' in this.#target ? this.#target.path : '';
    socket.ref();
    try {
      const certificate = this.#resumption?.certificate ?? null;
      this.#listener.onConnected(new SocketDuplex(socket, path, this.#read, certificate));
    } catch {
      socket.destroy();
    }
  }

  #onTimeout(timeoutMs: number): void {
    this.#fail(
      new Error(
        `not done within ${timeoutMs} ms, in the phase "${this.#phase}": ${PHASE_HINTS[this.#phase]}`,
      ),
    );
  }

  #fail(error: unknown): void {
    if (!this.#finish()) return;
    if (this.#phase === 'TLS handshake') this.#resumption?.onFailed();
    else this.#resumption?.putBack();
    this.#socket?.destroy();
    const where = addressText(this.#target);
    const reason = describeConnectError(error, this.#phase);
    try {
      this.#listener.onFailed(
        new Error(`connecting to ${where} failed: ${reason}`, { cause: error }),
      );
    } catch {
      // Nothing is left to clean up, and an exception here would end the process.
    }
  }

  /** True the first time: the caller reports the outcome. */
  #finish(): boolean {
    if (this.#done) return false;
    this.#done = true;
    this.#timer?.cancel();
    return true;
  }
}

/** `allowHalfOpen`: the peer's FIN does not cut off what we still have to send. */
function connectOptions(target: SocketAddress, allowHalfOpen: boolean): TcpNetConnectOpts {
  if ('path' in target) {
    return { path: target.path, allowHalfOpen } as unknown as TcpNetConnectOpts;
  }
  return {
    host: target.host,
    port: target.port,
    allowHalfOpen,
    noDelay: true,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_TIMEOUT_MS,
  };
}

const HINTS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'connection refused: check that a server listens there'],
  ['ENOTFOUND', 'the host name is unknown: check its spelling and the name service'],
  ['EAI_AGAIN', 'the name service did not answer: check the network and try again'],
  ['ETIMEDOUT', 'no answer: check the address, firewalls and the network'],
  ['EHOSTUNREACH', 'the host cannot be reached: check the address and the network'],
  ['ENETUNREACH', 'the network cannot be reached: check the address and the network'],
  ['ECONNRESET', 'the peer closed the connection while it was made'],
  ['ENOENT', 'there is no such socket file: check the path and that the server runs'],
  ['EACCES', 'permission denied: check the rights of the socket file'],
  ['EMFILE', 'this process has no file descriptor left: close connections or raise its limit'],
  ['ENFILE', 'the system has no file descriptor left'],
  ['EADDRNOTAVAIL', 'no local address or port is left for the connection'],
  ['ERR_SOCKET_BAD_PORT', 'the port must be 1 to 65535'],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    "the server's certificate is for another name: check the host, or set serverHostOverride",
  ],
  ['CERT_HAS_EXPIRED', "the server's certificate has expired"],
  ['CERT_NOT_YET_VALID', "the server's certificate is not valid yet: check both clocks"],
  [
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    "the server's certificate is self-signed: give it as rootCertificates to trust it",
  ],
  [
    'SELF_SIGNED_CERT_IN_CHAIN',
    "the server's certificate leads to a CA that is not trusted: give that CA as rootCertificates",
  ],
  [
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    "the server's certificate is of a CA that is not trusted: give that CA as rootCertificates",
  ],
  [
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    "the server's certificate is of a CA that is not trusted: give that CA as rootCertificates",
  ],
  [
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'the server does not speak TLS there: check the port, or connect without TLS',
  ],
  [
    'ERR_SSL_PACKET_LENGTH_TOO_LONG',
    'the server does not speak TLS there: check the port, or connect without TLS',
  ],
  [
    'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    'the server does not speak HTTP/2 there (ALPN "h2" refused): check that it is a gRPC server',
  ],
]);

/** Also how a Node server refuses a certificate with TLS 1.2: it sends no alert. */
const CLOSED_IN_HANDSHAKE =
  'the peer closed the connection during the TLS handshake: check that it speaks TLS there, and whether it wants a client certificate';

/** What failed and what to do, with the runtime's own words in brackets. */
function describeConnectError(error: unknown, phase: ConnectPhase): string {
  const code = errorCode(error);
  // With several addresses Node reports an AggregateError without a message of its own.
  const inner = (error as { errors?: readonly unknown[] } | null)?.errors?.[0];
  const text = errorText(error) || (inner === undefined ? '' : errorText(inner)) || code;
  const hint =
    code === 'ECONNRESET' && phase === 'TLS handshake'
      ? CLOSED_IN_HANDSHAKE
      : (HINTS.get(code) ?? alertText(code, text));
  return hint === null ? text || 'for no known reason' : `${hint} (${text})`;
}
