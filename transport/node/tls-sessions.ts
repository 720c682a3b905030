/**
 * TLS sessions that clients keep, so that the next connection to the same server resumes one and needs no full handshake (RFC 8446 §2.2).
 *
 * The runtime checks no certificate when a session is resumed: it stands for the check that was made when the session began. So a session
 * goes only where the same check would be made: `tlsSessions` gives one store to whoever has the same trust, identity, server name and
 * address, and another to everyone else.
 */

import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from 'node:tls';
import { TokenBucket } from '../abuse-guard.ts';
import { ExplainedError } from '../byte-duplex.ts';
import type { Clock } from '../clock.ts';
import type { Limits } from '../limits.ts';
import { digest, type TlsMaterial } from './tls-context.ts';

/** A session, and what the full handshake that it began with has shown. */
export interface TlsSession {
  /** As the runtime gives and takes it. Holds secrets. */
  readonly octets: Buffer;
  /** DER of the server's certificate, which a resumed handshake does not bring again; null when it was not seen. */
  readonly certificate: Uint8Array | null;
  /** Wall clock (ms since 1970) from which a full handshake is due: sessions got by resuming this one inherit it. */
  readonly validUntilMs: number;
}

/** L33. */
export type TlsSessionLimits = Pick<
  Limits,
  'maxTlsSessions' | 'maxTlsSessionOctets' | 'maxTlsSessionAgeMs'
>;

/**
 * What a connection may bring at once beyond twice what is kept, and how many more in a second: a server may go on giving sessions to a
 * connection that lives long (RFC 8446 §4.6.1), but each costs us more than it costs the server.
 */
const SPARE_SESSIONS = 8;
const SESSIONS_PER_SECOND = 1 / 60;
/** OpenSSL verifies no longer chain, unless it is told to. */
const MAX_CHAIN_CERTIFICATES = 100;

/** The sessions for one server, as one set of credentials sees it. */
export class TlsSessions {
  readonly #limits: TlsSessionLimits;
  /** The oldest first. */
  #sessions: TlsSession[];
  #generation: number;

  constructor(limits: TlsSessionLimits) {
    this.#limits = limits;
    this.#sessions = [];
    this.#generation = 0;
  }

  get size(): number {
    return this.#sessions.length;
  }

  /** Milliseconds from a full handshake to the next, at most. */
  get maxAgeMs(): number {
    return this.#limits.maxTlsSessionAgeMs;
  }

  /** Sessions that one connection may bring at once. */
  get maxPerConnection(): number {
    return 2 * this.#limits.maxTlsSessions + SPARE_SESSIONS;
  }

  /** How often all have been forgotten. What began under another number is not to be kept. */
  get generation(): number {
    return this.#generation;
  }

  /** The newest session that is still good, and removes it: RFC 8446 §C.4, one that is used twice tells an onlooker who comes back. */
  take(wallMs: number): TlsSession | null {
    this.purge(wallMs);
    return this.#sessions.pop() ?? null;
  }

  /** Forgets those that are good no longer: they hold secrets. */
  purge(wallMs: number): void {
    const { maxTlsSessionAgeMs } = this.#limits;
    this.#sessions = this.#sessions.filter(
      // The second: the wall clock was set back, and how old it is cannot be told.
      ({ validUntilMs }) => wallMs < validUntilMs && wallMs >= validUntilMs - maxTlsSessionAgeMs,
    );
  }

  /** Keeps `session` for a connection to come; the oldest makes room. One that is too large is not kept. */
  keep(session: TlsSession): void {
    const { maxTlsSessions, maxTlsSessionOctets } = this.#limits;
    if (session.octets.length > maxTlsSessionOctets) return;
    this.#sessions.push(session);
    while (this.#sessions.length > maxTlsSessions) this.#sessions.shift();
  }

  /** Forgets all: a handshake failed, so whatever they stand for may no longer hold, nor what connections begun before still bring. */
  clear(): void {
    this.#sessions = [];
    this.#generation += 1;
  }
}

/** Stores that are shared in this process, those used last at the end; of servers beyond these the sessions are forgotten (L33). */
const MAX_SHARED_STORES = 64;
const shared = new Map<string, TlsSessions>();

/**
 * The store for connections to `address` whose server is checked against `material` and `serverName`; null when the limits want none. With
 * CAs of the runtime's own, which a program may change at any time, it is not shared. `wallMs`: the wall clock.
 */
export function tlsSessions(
  material: TlsMaterial,
  serverName: string,
  address: string,
  limits: TlsSessionLimits,
  wallMs: number,
): TlsSessions | null {
  purgeShared(wallMs);
  const { maxTlsSessions, maxTlsSessionOctets, maxTlsSessionAgeMs } = limits;
  if (maxTlsSessions === 0) return null;
  const { rootCertificates, privateKey, certificateChain } = material;
  if (rootCertificates === null) return new TlsSessions(limits);
  const key = digest([
    rootCertificates,
    privateKey,
    certificateChain,
    serverName,
    address,
    maxTlsSessions,
    maxTlsSessionOctets,
    maxTlsSessionAgeMs,
  ]);
  const store = shared.get(key) ?? new TlsSessions(limits);
  shared.delete(key);
  shared.set(key, store);
  for (const oldest of shared.keys()) {
    if (shared.size <= MAX_SHARED_STORES) break;
    shared.delete(oldest);
  }
  return store;
}

/** Servers that are not connected to again do not hold their sessions for ever. */
function purgeShared(wallMs: number): void {
  for (const store of shared.values()) store.purge(wallMs);
}

/**
 * Wall clock (ms since 1970) at which the first of `certificate` and those that vouch for it ends, as far as the runtime has them; Infinity
 * where it does not say.
 */
function chainEndMs(certificate: PeerCertificate): number {
  let endMs = Number.POSITIVE_INFINITY;
  let next: Partial<DetailedPeerCertificate> | null = certificate;
  for (let count = 0; next !== null && count < MAX_CHAIN_CERTIFICATES; count++) {
    // Not a number where the runtime does not say.
    endMs = Math.min(endMs, Date.parse(next.valid_to ?? '') || Number.POSITIVE_INFINITY);
    const issuer: Partial<DetailedPeerCertificate> | null = next.issuerCertificate ?? null;
    // A root names itself.
    next = issuer === next ? null : issuer;
  }
  return endMs;
}

/** What one attempt to connect does with the sessions: it offers one, and keeps those that the server gives it. */
export class TlsResumption {
  readonly #sessions: TlsSessions;
  /** That of the sessions when the attempt began. */
  readonly #generation: number;
  readonly #clock: Clock;
  /** What the connection may still bring; null until it brings something. */
  #budget: TokenBucket | null;
  /** Taken for this attempt. */
  #offered: TlsSession | null;
  /** What sessions of this connection stand for; null until the server has proved who it is. */
  #proof: Omit<TlsSession, 'octets'> | null;
  /** The connection has passed all checks: its sessions may be kept. */
  #accepted: boolean;

  constructor(sessions: TlsSessions, clock: Clock) {
    this.#sessions = sessions;
    this.#generation = sessions.generation;
    this.#clock = clock;
    this.#budget = null;
    this.#offered = sessions.take(clock.wallNow());
    this.#proof = null;
    this.#accepted = false;
  }

  /** The session to offer. */
  get octets(): Buffer | null {
    return this.#offered?.octets ?? null;
  }

  /** DER of the certificate behind the connection, where it is known. */
  get certificate(): Uint8Array | null {
    return this.#proof?.certificate ?? null;
  }

  /** `socket` is connected; its handshake begins. */
  onConnected(socket: TLSSocket): void {
    // Earlier listeners would be lost where the runtime tries several addresses of a name.
    socket.on('session', (octets: Buffer) => this.#onSession(socket, octets));
  }

  #onSession(socket: TLSSocket, octets: Buffer): void {
    const nowMs = this.#clock.now();
    const most = this.#sessions.maxPerConnection;
    this.#budget ??= new TokenBucket(most, SESSIONS_PER_SECOND, nowMs);
    if (this.#budget.take(nowMs)) {
      if (this.#accepted && this.#proof !== null) this.#keep({ ...this.#proof, octets });
      return;
    }
    // Those that were read with the last one still come.
    if (socket.destroyed) return;
    this.onFailed();
    const token = 'tls.too-many-sessions';
    const message = `the server sent more than ${most} TLS sessions at once (${token}); with the limit maxTlsSessions at 0 none is looked at`;
    socket.destroy(new ExplainedError(message, undefined, token));
  }

  /** Not if all were forgotten since the attempt began. */
  #keep(session: TlsSession): void {
    const wallMs = this.#clock.wallNow();
    if (this.#generation === this.#sessions.generation) this.#sessions.keep(session);
    this.#sessions.purge(wallMs);
    purgeShared(wallMs);
  }

  /** The certificate is the server's, and has been checked. */
  onVerified(certificate: PeerCertificate): void {
    const { raw } = certificate as Partial<PeerCertificate>;
    const untilMs = this.#clock.wallNow() + this.#sessions.maxAgeMs;
    this.#proof = {
      certificate: raw ?? null,
      validUntilMs: Math.min(chainEndMs(certificate), untilMs),
    };
  }

  /** The handshake of `socket` has passed all checks. */
  onAccepted(socket: TLSSocket): void {
    const offered = this.#offered;
    if ((socket as Partial<TLSSocket>).isSessionReused?.() === true) {
      this.#proof =
        offered === null
          ? null
          : { certificate: offered.certificate, validUntilMs: offered.validUntilMs };
    }
    // Used, and secret still; the socket would hold them among its options for as long as it lives.
    offered?.octets.fill(0);
    // NODE_TLS_REJECT_UNAUTHORIZED=0 lets connections pass that failed the checks; their sessions would later pass without it.
    this.#accepted = socket.authorized;
    this.#offered = null;
  }

  /** The attempt ended before the session was shown to anyone: it is as good as new. */
  putBack(): void {
    if (this.#offered !== null) this.#keep(this.#offered);
    this.#offered = null;
  }

  /** The handshake failed, or TLS afterwards. */
  onFailed(): void {
    this.#accepted = false;
    this.#offered = null;
    this.#sessions.clear();
  }
}
