/**
 * Flow-control arithmetic of RFC 9113 §5.2 and §6.9. Windows are changed here and nowhere else.
 */

import { MAX_WINDOW_OCTETS } from '../framing/constants.ts';

/** Below this credit a peer may be unable to send its next frame: what can be announced is announced (one frame of the initial size). */
const LOW_CREDIT_OCTETS = 16_384;

/** The longest that released octets wait for more of them. */
const ANNOUNCE_AFTER_MS = 5000;

/** What we may still send: one signed number, which a SETTINGS change can make negative (§6.9.2). */
export class SendWindow {
  /** Octets that may be sent now; negative after the peer shrank INITIAL_WINDOW_SIZE. */
  available: number;

  constructor(octets: number) {
    this.available = octets;
  }

  /** Adds a WINDOW_UPDATE increment or a change of INITIAL_WINDOW_SIZE. False when the window would pass 2^31-1 (§6.9.1). */
  credit(octets: number): boolean {
    const next = this.available + octets;
    if (next > MAX_WINDOW_OCTETS) return false;
    this.available = next;
    return true;
  }

  /** Takes the flow-controlled octets of a DATA frame; the caller has checked that they are available. */
  debit(octets: number): void {
    this.available -= octets;
  }
}

/**
 * What the peer may still send, in four parts whose sum never changes but by `widen`:
 * `credit` (announced and unused) + `held` (received, in use here) + `pending` (used, not announced yet) = `target` + `surplus`.
 */
export class ReceiveWindow {
  /** Octets the peer may send now. */
  credit: number;
  /** Octets received and not yet released. */
  held: number;
  /** Octets released and not yet announced by WINDOW_UPDATE. */
  pending: number;
  /** The size of the window that we offer. */
  target: number;
  /** Credit beyond the target, lent so that one large message can arrive; paid back by later releases. */
  surplus: number;
  /**
   * Octets lent beyond those expected to a peer that pads its frames (§6.1): padding takes window as well, and one that pads every frame
   * could never send the last of a message.
   */
  paddingRoom: number;

  /** Whole, as a fraction would take an object of its own in every stream. */
  #announcedMs: number;

  constructor(octets: number, nowMs: number) {
    this.credit = octets;
    this.held = 0;
    this.pending = 0;
    this.target = octets;
    this.surplus = 0;
    this.paddingRoom = 0;
    this.#announcedMs = Math.floor(nowMs);
  }

  /** Accounts for the flow-controlled octets of a received DATA frame. False: the peer exceeded the window (§6.9.1). */
  receive(octets: number): boolean {
    // An empty frame needs no credit, which `lower` may have made negative.
    if (octets > this.credit) return octets === 0;
    this.credit -= octets;
    this.held += octets;
    return true;
  }

  /**
   * Gives `octets` of what is held back at `nowMs`. Returns the WINDOW_UPDATE increment that is due now, or 0: at half of the target, so
   * that small releases share an update; with less, when the peer has hardly any credit left (the rest of the target may be held for long),
   * or when the last one is some time ago (a slow reader must be seen to read).
   */
  release(octets: number, nowMs: number): number {
    this.held -= octets;
    let returned = octets;
    if (this.surplus > 0) {
      const repaid = Math.min(this.surplus, returned);
      this.surplus -= repaid;
      returned -= repaid;
    }
    this.pending += returned;
    if (this.pending === 0) return 0;
    return this.pending * 2 >= this.target ||
      this.credit < LOW_CREDIT_OCTETS ||
      nowMs - this.#announcedMs >= ANNOUNCE_AFTER_MS
      ? this.announce(nowMs)
      : 0;
  }

  /** Makes sure that `octets` may arrive, by lending credit beyond the target. Returns the increment to announce now, or 0. */
  expect(octets: number): number {
    const missing = octets + this.paddingRoom - this.credit;
    if (missing <= 0) return 0;
    const lent = missing - this.pending;
    if (lent > 0) {
      const allowed = Math.min(lent, MAX_WINDOW_OCTETS - this.credit - this.pending);
      this.surplus += allowed;
      this.pending += allowed;
    }
    return this.announce();
  }

  /** Raises the target to `octets`; a smaller value changes nothing. Returns the increment to announce now, or 0. */
  widen(octets: number): number {
    const growth = Math.min(octets, MAX_WINDOW_OCTETS) - this.target;
    if (growth <= 0) return 0;
    this.target += growth;
    this.pending += growth;
    return this.announce();
  }

  /** Raises the target by `octets` (below 0 lowers it) that a SETTINGS_INITIAL_WINDOW_SIZE of ours announces for every stream (§6.9.2). */
  raise(octets: number): void {
    this.target += octets;
    this.credit += octets;
  }

  /** Lowers it in the same way; the credit may become negative. Returns the increment that is due now, or 0. */
  lower(octets: number, nowMs: number): number {
    this.raise(-octets);
    return this.release(0, nowMs);
  }

  private announce(nowMs: number = this.#announcedMs): number {
    this.#announcedMs = Math.floor(nowMs);
    const increment = this.pending;
    this.pending = 0;
    this.credit += increment;
    return increment;
  }
}
