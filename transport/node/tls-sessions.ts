/**
 * TLS sessions that clients keep, so that the next connection to the same server resumes one and needs no full handshake (RFC 8446 §2.2).
 *
 * The runtime checks no certificate when a session is resumed: it stands for the check that was made when the session began. So a session
 * goes only where the same check would be made: `tlsSessions` gives one store to whoever has the same trust, identity, server name and
 * address, and another to everyone else.
 */

import type { PeerCertificate, TLSSocket } from 'node:tls';
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

/** The sessions for one server, as one set of credentials sees it. */
export class TlsSessions {
  readonly #limits: TlsSessionLimits;
  /** The oldest first. */
  readonly #sessions: TlsSession[];

  constructor(limits: TlsSessionLimits) {
    this.#limits = limits;
    this.#sessions = [];
  }

  get size(): number {
    return this.#sessions.length;
  }

  /** Milliseconds from a full handshake to the next, at most. */
  get maxAgeMs(): number {
    return this.#limits.maxTlsSessionAgeMs;
  }

  /** The newest session that is still good, and removes it: RFC 8446 §C.4, one that is used twice tells an onlooker who comes back. */
  take(wallMs: number): TlsSession | null {
    const { maxTlsSessionAgeMs } = this.#limits;
    for (;;) {
      const session = this.#sessions.pop();
      if (session === undefined) return null;
      // The second: the wall clock was set back, and how old it is cannot be told.
      if (wallMs < session.validUntilMs && wallMs >= session.validUntilMs - maxTlsSessionAgeMs) {
        return session;
      }
    }
  }

  /** Keeps `session` for a connection to come; the oldest makes room. One that is too large is not kept. */
  keep(session: TlsSession): void {
    const { maxTlsSessions, maxTlsSessionOctets } = this.#limits;
    if (session.octets.length > maxTlsSessionOctets) return;
    this.#sessions.push(session);
    while (this.#sessions.length > maxTlsSessions) this.#sessions.shift();
  }

  /** Forgets all: a handshake failed, so whatever they stand for may no longer hold. */
  clear(): void {
    this.#sessions.length = 0;
  }
}

/** Stores that are shared in this process, those used last at the end; of servers beyond these the sessions are forgotten (L33). */
const MAX_SHARED_STORES = 64;
const shared = new Map<string, TlsSessions>();

/**
 * The store for connections to `address` whose server is checked against `material` and `serverName`; null when the limits want none. With
 * CAs of the runtime's own, which a program may change at any time, it is not shared.
 */
export function tlsSessions(
  material: TlsMaterial,
  serverName: string,
  address: string,
  limits: TlsSessionLimits,
): TlsSessions | null {
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

/** What one attempt to connect does with the sessions: it offers one, and keeps those that the server gives it. */
export class TlsResumption {
  readonly #sessions: TlsSessions;
  readonly #clock: Clock;
  /** Taken for this attempt. */
  #offered: TlsSession | null;
  /** What sessions of this connection stand for; null until the server has proved who it is. */
  #proof: Omit<TlsSession, 'octets'> | null;
  /** The connection has passed all checks: its sessions may be kept. */
  #accepted: boolean;

  constructor(sessions: TlsSessions, clock: Clock) {
    this.#sessions = sessions;
    this.#clock = clock;
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
    socket.on('session', (octets: Buffer) => {
      if (this.#accepted && this.#proof !== null) this.#sessions.keep({ ...this.#proof, octets });
    });
  }

  /** The certificate is the server's, and has been checked. */
  onVerified(certificate: PeerCertificate): void {
    const { raw, valid_to } = certificate as Partial<PeerCertificate>;
    const nowMs = this.#clock.wallNow();
    const untilMs = nowMs + this.#sessions.maxAgeMs;
    // Not a number where the runtime does not say.
    const endMs = Date.parse(valid_to ?? '') || untilMs;
    this.#proof = { certificate: raw ?? null, validUntilMs: Math.min(endMs, untilMs) };
  }

  /** The handshake of `socket` has passed all checks. */
  onAccepted(socket: TLSSocket): void {
    if ((socket as Partial<TLSSocket>).isSessionReused?.() === true) this.#proof = this.#offered;
    // NODE_TLS_REJECT_UNAUTHORIZED=0 lets connections pass that failed the checks; their sessions would later pass without it.
    this.#accepted = socket.authorized;
    this.#offered = null;
  }

  /** The attempt ended before the session was shown to anyone: it is as good as new. */
  putBack(): void {
    if (this.#offered !== null) this.#sessions.keep(this.#offered);
    this.#offered = null;
  }

  /** The handshake failed, or TLS afterwards. */
  onFailed(): void {
    this.#accepted = false;
    this.#sessions.clear();
  }
}
