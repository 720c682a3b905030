/**
 * L2: how many handlers of one connection run at once. Slots are counted by handlers, not by streams: a stream that the client resets is
 * gone at once, its handler is not (rapid reset, CVE-2023-44487).
 */

import type { SlotCall } from '../call/server-call-host.ts';

/** Calls that may be reset while they wait for a slot, as a multiple of the slots, before one slot has become free (L2). */
const EARLY_RESETS_PER_SLOT = 4;

/** Whose slots they are. */
export interface SlotsOwner {
  /**
   * The client resets calls that wait, time and again, while no handler ends; ends the connection with `too_many_early_resets`.
   */
  onFlooded(): void;
}

/** The slots of one connection. */
export class HandlerSlots {
  readonly #limit: number;
  readonly #owner: SlotsOwner | null;
  #running: number;
  /** Calls that their client reset while they waited, since a slot last became free. */
  #earlyResets: number;
  /** In order of arrival; as many as there are slots. Null until there is one, as in most connections there never is. */
  #waiting: Set<SlotCall> | null;
  /** Calls that were refused and have not been released yet. */
  #refused: Set<SlotCall> | null;

  /** `limit`: L2 `maxRunningHandlers`, 0 … Infinity. */
  constructor(limit: number, owner: SlotsOwner | null = null) {
    this.#limit = limit;
    this.#owner = owner;
    this.#running = 0;
    this.#earlyResets = 0;
    this.#waiting = null;
    this.#refused = null;
  }

  /** Handlers that hold a slot. */
  get running(): number {
    return this.#running;
  }

  /** Calls that wait for a slot. */
  get waiting(): number {
    return this.#waiting?.size ?? 0;
  }

  /** As `ServerCallHost.acquireSlot`. */
  acquire(call: SlotCall): boolean {
    if (this.#running < this.#limit) {
      this.#running++;
      return true;
    }
    if (this.waiting < this.#limit) {
      this.#waiting ??= new Set();
      this.#waiting.add(call);
    } else {
      this.#refused ??= new Set();
      this.#refused.add(call);
      call.onSlotRefused();
    }
    return false;
  }

  /** As `ServerCallHost.releaseSlot`. */
  release(call: SlotCall, resetByPeer = false): void {
    if (this.#waiting?.delete(call) === true) {
      if (resetByPeer && ++this.#earlyResets > EARLY_RESETS_PER_SLOT * this.#limit) {
        this.#earlyResets = 0;
        this.#owner?.onFlooded();
      }
      return;
    }
    if (this.#refused?.delete(call) === true) return;
    this.#running--;
    this.#earlyResets = 0;
    if (this.#waiting === null) return;
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      this.#running++;
      next.onSlot();
      return;
    }
  }
}
