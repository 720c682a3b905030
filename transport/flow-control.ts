/**
 * Flow-control arithmetic of RFC 9113 §5.2 and §6.9. Windows are changed here and nowhere else.
 */

import { MAX_WINDOW_OCTETS } from '../framing/constants.ts';

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

  constructor(octets: number) {
    this.credit = octets;
    this.held = 0;
    this.pending = 0;
    this.target = octets;
    this.surplus = 0;
  }

  /** Accounts for the flow-controlled octets of a received DATA frame. False: the peer exceeded the window (§6.9.1). */
  receive(octets: number): boolean {
    if (octets > this.credit) return false;
    this.credit -= octets;
    this.held += octets;
    return true;
  }

  /**
   * Gives `octets` of what is held back. Returns the WINDOW_UPDATE increment that is due now (at half of the target, so that small
   * releases share an update), or 0.
   */
  release(octets: number): number {
    this.held -= octets;
    let returned = octets;
    if (this.surplus > 0) {
      const repaid = Math.min(this.surplus, returned);
      this.surplus -= repaid;
      returned -= repaid;
    }
    this.pending += returned;
    return this.pending * 2 >= this.target ? this.announce() : 0;
  }

  /** Makes sure that `octets` may arrive, by lending credit beyond the target. Returns the increment to announce now, or 0. */
  expect(octets: number): number {
    const missing = octets - this.credit;
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

  private announce(): number {
    const increment = this.pending;
    this.pending = 0;
    this.credit += increment;
    return increment;
  }
}
