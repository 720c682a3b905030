/**
 * A TCP, TLS or Unix socket as a ByteDuplex. It runs no timers and holds no buffer of its own: the write stall (L20) is watched by the
 * connection through `pendingOctets`, and the file descriptor is released by `destroy`, or by the end of both directions. A duplex that
 * is neither ended nor destroyed keeps its descriptor for as long as its peer likes.
 */

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  type ByteDuplex,
  type ByteDuplexListener,
  ExplainedError,
  type PeerInfo,
} from '../byte-duplex.ts';
import { nodeNet } from './builtins.ts';
import { type OctetSink, READ_OCTETS, type SharedRead } from './shared-read.ts';
import { alertText } from './tls-alerts.ts';
import { errorCode, errorText } from './tls-context.ts';

/** The address of a socket's other end in the form of gRPC peers; `unix:` plus `unixPath` for a socket without IP addresses. */
export function peerAddress(socket: Socket, unixPath: string): string {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined) return `unix:${unixPath}`;
  return ipAddress(remoteAddress, remotePort ?? 0);
}

/** `ipv4:1.2.3.4:5` or `ipv6:[::1]:5`; an IPv4 address mapped into IPv6, as dual-stack listeners show it, counts as IPv4. */
export function ipAddress(address: string, port: number): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  // Joined: V8 would keep the parts of a template, three times the memory for as long as the connection lives.
  if (mapped !== null) return ['ipv4:', mapped[1], ':', port].join('');
  return (
    nodeNet().isIPv6(address) ? ['ipv6:[', address, ']:', port] : ['ipv4:', address, ':', port]
  ).join('');
}

/** PeerInfo of a socket. The certificate is asked for only when wanted, and is gone with the socket when nobody asked before. */
class SocketPeer implements PeerInfo {
  readonly address: string;
  readonly tlsCipher: string | null;
  #tlsSocket: TLSSocket | null;
  #certificate: Uint8Array | null;

  constructor(socket: Socket, unixPath: string, certificate: Uint8Array | null) {
    this.address = peerAddress(socket, unixPath);
    this.#tlsSocket = asTlsSocket(socket);
    this.#certificate = certificate;
    this.tlsCipher = this.#tlsSocket === null ? null : cipherName(this.#tlsSocket);
  }

  get certificate(): Uint8Array | null {
    if (this.#tlsSocket !== null) {
      try {
        // Node answers null or an empty object when there is none, whatever its types say.
        const found = this.#tlsSocket.getPeerCertificate() as { raw?: Uint8Array } | null;
        this.#certificate = found?.raw ?? this.#certificate;
      } catch {
        // Gone with the socket.
      }
      this.#tlsSocket = null;
    }
    return this.#certificate;
  }
}

function asTlsSocket(socket: Socket): TLSSocket | null {
  return (socket as Partial<TLSSocket>).encrypted === true ? (socket as TLSSocket) : null;
}

function cipherName(socket: TLSSocket): string | null {
  try {
    const cipher = socket.getCipher() as { standardName?: string; name?: string } | undefined;
    return cipher?.standardName ?? cipher?.name ?? null;
  } catch {
    return null;
  }
}

/**
 * Gives `socket` an 'error' listener that stays to its end. Every socket gets one before anything else happens to it: an 'error' without
 * a listener ends the process (CVE-2025-59465, CVE-2026-48068), and 'close' follows anyway.
 */
export function guardSocket(socket: Socket): void {
  if ((socket as OwnedSocket)[OWNER] !== undefined) return;
  (socket as OwnedSocket)[OWNER] = null;
  socket.on('error', onError);
}

/** `error` itself unless it is one of TLS, whose message is OpenSSL's: with TLS 1.3 that is how a server refuses the client's certificate. */
function explained(error: Error): Error {
  const text = errorText(error);
  const alert = alertText(errorCode(error), text);
  if (alert !== null) return new ExplainedError(`${alert} (${text})`, { cause: error });
  return text === error.message ? error : new Error(text, { cause: error });
}

/** The duplex of a socket; null before it has one. */
const OWNER: unique symbol = Symbol('purewire.owner');

interface OwnedSocket extends Socket {
  [OWNER]?: SocketDuplex | null;
}

// The same functions for all sockets: closures of each would be a third of what an idle connection's pipe holds.

function onError(this: OwnedSocket, error: Error): void {
  this[OWNER]?.onSocketError(error);
}

function onClose(this: OwnedSocket): void {
  this[OWNER]?.onSocketClose();
}

function onData(this: OwnedSocket, chunk: Buffer): void {
  this[OWNER]?.onOctets(chunk, chunk.length);
}

function onEnd(this: OwnedSocket): void {
  this[OWNER]?.onSocketEnd();
}

function onDrain(this: OwnedSocket): void {
  this[OWNER]?.onSocketDrain();
}

/** Octets of one socket in one turn before the others come first (L23): two full reads. */
const OCTETS_PER_TURN = 2 * READ_OCTETS;
/** From so many on the end of the turn is waited for where reads do not show it: over TLS, whose chunks are records of up to this. */
const WATCHED_TLS_OCTETS = 16_384;

/** Sockets that are read from, in this process. */
let openSockets = 0;

function onTurnEnd(duplex: SocketDuplex): void {
  duplex.onTurnEnd();
}

/** A socket that is open (its TLS handshake done) as a ByteDuplex. The socket belongs to the duplex from now on. */
export class SocketDuplex implements ByteDuplex, OctetSink {
  readonly peer: PeerInfo;
  readonly #socket: Socket;
  readonly #read: SharedRead | null;
  #listener: ByteDuplexListener | null;
  #error: Error | undefined;
  #ended: boolean;
  /** `write` returned false and `onWritable` has not been called since. */
  #blocked: boolean;
  /** Octets of the write that the system has begun, when nothing waits behind it; else 0. */
  #writeUnderWay: number;
  #closed: boolean;
  /** Octets read since the last turn whose end was seen. */
  #octetsThisTurn: number;
  readonly #watchedOctets: number;
  #turnBooked: boolean;
  /** Paused until the end of this turn. */
  #givesWay: boolean;
  /** The owner wants no octets. */
  #paused: boolean;
  /** Counted among the open ones. */
  #isOpen: boolean;

  /**
   * `unixPath`: the path of the other end when it is a Unix socket, where known. `read`: the shared read that `socket` was made with, or
   * null when it has none. `certificate`: what the peer has shown, for when the socket does not know (a resumed TLS session).
   */
  constructor(
    socket: Socket,
    unixPath = '',
    read: SharedRead | null = null,
    certificate: Uint8Array | null = null,
  ) {
    this.#socket = socket;
    this.#read = read;
    this.#listener = null;
    this.#error = undefined;
    this.#ended = false;
    this.#blocked = false;
    this.#writeUnderWay = 0;
    this.#closed = false;
    this.#octetsThisTurn = 0;
    this.#turnBooked = false;
    this.#givesWay = false;
    this.#paused = false;
    this.#isOpen = false;
    guardSocket(socket);
    (socket as OwnedSocket)[OWNER] = this;
    socket.on('close', onClose);
    this.peer = new SocketPeer(socket, unixPath, certificate);
    this.#watchedOctets = asTlsSocket(socket) === null ? OCTETS_PER_TURN : WATCHED_TLS_OCTETS;
    if (socket.remoteAddress !== undefined) socket.setNoDelay(true);
  }

  get pendingOctets(): number {
    if (this.#closed) return 0;
    // Node takes a synchronously completed write off this count before `write` returns, but one under way counts in full to its end.
    const octets = this.#socket.writableLength;
    if (octets === 0) return 0;
    const begun = this.#begunOctets();
    if (begun === 0) return octets;
    // What the system has taken of it is known to the handle alone; a slow reader must not look like a stalled one.
    const left = (this.#socket as { _handle?: { writeQueueSize?: unknown } | null })._handle
      ?.writeQueueSize;
    return typeof left === 'number' && left > 0 && left < begun ? octets - (begun - left) : octets;
  }

  /** Octets of the write that the system has begun, or 0 where that is not known. */
  #begunOctets(): number {
    // Node's stream keeps the count, also of octets that waited behind another write and left together.
    const state = (this.#socket as { _writableState?: { writelen?: unknown } })._writableState;
    const octets = state?.writelen;
    return typeof octets === 'number' && octets > 0 ? octets : this.#writeUnderWay;
  }

  start(listener: ByteDuplexListener): void {
    this.#listener = listener;
    const socket = this.#socket;
    if (this.#closed || socket.destroyed) {
      // Closed before anyone listened: 'close' may be over already.
      queueMicrotask(() => this.onSocketClose());
      return;
    }
    if (this.#read === null) socket.on('data', onData);
    else this.#read.setSink(this);
    this.#isOpen = true;
    openSockets += 1;
    socket.resume();
    socket.on('end', onEnd);
    socket.on('drain', onDrain);
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    if (this.#ended || socket.destroyed || !socket.writable) return false;
    const first = chunks[0];
    if (first === undefined) return !this.#blocked;
    const idle = socket.writableLength === 0;
    if (chunks.length === 1) {
      socket.write(first);
    } else {
      // One writev system call.
      socket.cork();
      for (const chunk of chunks) socket.write(chunk);
      socket.uncork();
    }
    // Octets behind a write under way form the next one, whose size only Node's stream knows: without that whole writes count.
    this.#writeUnderWay = idle ? socket.writableLength : 0;
    this.#blocked = socket.writableNeedDrain && socket.writableLength > 0;
    return !this.#blocked;
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (!this.#givesWay) this.#socket.resume();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.end();
  }

  destroy(reason?: Error): void {
    this.#ended = true;
    this.#error ??= reason;
    // Without the error: it is for our listener, not for an 'error' event.
    this.#socket.destroy();
  }

  setKeepsProcessAlive(alive: boolean): void {
    if (alive) this.#socket.ref();
    else this.#socket.unref();
  }

  // ---- the socket's events -----------------------------------------------------------------------------------------

  /** For the socket alone, as the next four. */
  onOctets(chunk: Uint8Array, end: number): void {
    // libuv leaves a socket whose read does not fill the buffer.
    const isLast = end < READ_OCTETS && this.#watchedOctets === OCTETS_PER_TURN;
    this.#octetsThisTurn = isLast ? 0 : this.#octetsThisTurn + end;
    if (this.#octetsThisTurn >= this.#watchedOctets) this.#watchTurn();
    try {
      this.#listener?.onOctets(chunk, end);
    } catch (error) {
      this.#onListenerError(error);
    }
  }

  /** @internal For `watchTurn`. */
  onTurnEnd(): void {
    this.#turnBooked = false;
    this.#octetsThisTurn = 0;
    if (!this.#givesWay) return;
    this.#givesWay = false;
    if (!this.#paused) this.#socket.resume();
  }

  /**
   * L23: libuv reads one socket up to 32 times before it looks at the next, so that one which always has octets would be served 2 MiB at a
   * time, in one chunk per TLS record or in full reads. After `OCTETS_PER_TURN` the others come first.
   */
  #watchTurn(): void {
    if (this.#givesWay || openSockets <= 1) return;
    if (!this.#turnBooked) {
      this.#turnBooked = true;
      setImmediate(onTurnEnd, this);
    }
    if (this.#octetsThisTurn < OCTETS_PER_TURN) return;
    this.#givesWay = true;
    this.#socket.pause();
  }

  onSocketEnd(): void {
    // Bun tells of an end behind the error that destroyed the socket; 'close' has the reason.
    if (this.#error !== undefined) return;
    try {
      this.#listener?.onEnd();
    } catch (error) {
      this.#onListenerError(error);
    }
  }

  onSocketDrain(): void {
    // A write that completed at once may have been over the socket's mark too; nobody waits then.
    if (!this.#blocked) return;
    this.#blocked = false;
    try {
      this.#listener?.onWritable();
    } catch (error) {
      this.#onListenerError(error);
    }
  }

  onSocketError(error: Error): void {
    this.#error ??= explained(error);
    // RFC 8446 §6.2: a TLS error ends the connection, but Node goes on with the socket, up to an end that would hide the reason.
    this.destroy();
  }

  /** No exception may leave an event of the socket: it would end the process. It ends this connection instead. */
  #onListenerError(error: unknown): void {
    this.destroy(error instanceof Error ? error : new Error(String(error)));
  }

  onSocketClose(): void {
    const listener = this.#listener;
    this.#closed = true;
    if (this.#isOpen) openSockets -= 1;
    this.#isOpen = false;
    if (listener === null) return;
    this.#listener = null;
    try {
      listener.onClosed(this.#error);
    } catch {
      // The connection is gone; there is nothing left that the error could end.
    }
  }
}
