/** How many messages are decompressed at once (L19): the runtime's thread pool is small, and each holds up to one message of memory. */

/** Something that waits for a slot. */
export interface SlotWaiter {
  /** The slot is there. Called once, and never inside `acquire`. */
  onInflateSlot(): void;
}

/** The slots of one server connection, or of one channel. */
export class InflateSlots {
  readonly #slots: number;
  #used: number;
  /** Null until there is one. */
  #waiting: Set<SlotWaiter> | null;

  /** `slots`: L19 `maxConcurrentInflates`; with fewer than one nothing could ever be read, so there is at least one. */
  constructor(slots: number) {
    this.#slots = Math.max(1, slots);
    this.#used = 0;
    this.#waiting = null;
  }

  /** Slots in use. */
  get used(): number {
    return this.#used;
  }

  /** Takes a slot; false: `waiter` is told when there is one. */
  acquire(waiter: SlotWaiter): boolean {
    if (this.#used < this.#slots) {
      this.#used += 1;
      return true;
    }
    this.#waiting ??= new Set();
    this.#waiting.add(waiter);
    return false;
  }

  /** `waiter` waits no longer. */
  abandon(waiter: SlotWaiter): void {
    this.#waiting?.delete(waiter);
  }

  /** Gives a slot back; it goes to the one that has waited longest. */
  release(): void {
    for (const waiter of this.#waiting ?? []) {
      this.#waiting?.delete(waiter);
      waiter.onInflateSlot();
      return;
    }
    this.#used -= 1;
  }
}
