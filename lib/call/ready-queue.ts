/**
 * Where user code runs: calls with something to deliver are queued while a read is being parsed and run after its last frame, before the
 * flush. One queue serves a channel or a server connection; its `run` is the `ReadEndHook` of every connection that feeds it.
 *
 * L23: what peers have sent ahead of a slow reader can be taken in microtasks alone, a whole window per stream, so the queue delivers
 * so much in one turn of the event loop and the rest in later ones. Octets just read pay for what they bring: traffic that is read as it
 * comes never waits.
 */

import { inLaterTurn } from '../later-turn.ts';

/** Something that delivers queued events to user code. A call is in the queue at most once. */
export interface ReadyEntry {
  /** True while the entry waits in a queue; written by `ReadyQueue` only, false to begin with. */
  inReadyQueue: boolean;
  /** Delivers what is due. May queue the entry again. */
  runReady(): void;
}

/** Entries that run between two flushes of a connection. */
export const READY_RUNS_PER_FLUSH = 128;

/** Messages given to one call's listener before the calls queued behind it get their turn. */
const MESSAGES_PER_RUN = 32;

/** Work of one turn, about a millisecond or two: a message is one unit, and one more for each KiB of it and each KiB decompressed for it. */
export const WORK_PER_TURN = 1024;
const OCTETS_PER_UNIT_SHIFT = 10;
/** A unary call costs one unit and brings 30 octets or more. Low, as one turn may have many reads: each TLS record is one. */
const OCTETS_READ_PER_UNIT_SHIFT = 4;

/** Of every connection that has had a call, so small. */
const INITIAL_CAPACITY = 1;

/** Of every queue before its first entry. */
const NO_ENTRIES: (ReadyEntry | null)[] = [];
/** A ring that a burst made larger than this is let go when the queue is empty. */
const MAX_IDLE_CAPACITY = 256;

/** A FIFO of calls over a growing ring: queueing and running allocate nothing once the ring is large enough. */
export class ReadyQueue {
  #ring: (ReadyEntry | null)[];
  #mask: number;
  #head: number;
  #length: number;
  #running: boolean;
  #microtaskScheduled: boolean;
  #turnBooked: boolean;
  /** What is left of `WORK_PER_TURN`; below 0 after a large message. */
  #workLeft: number;
  readonly #onUncaught: (error: unknown) => void;
  /** Both made when first used, which for most connections of a server is never. */
  #drainInMicrotask: (() => void) | null;
  #drainInTurn: (() => void) | null;

  /** `onUncaught` receives what user code threw where nobody can be told; it must not throw. */
  constructor(onUncaught: (error: unknown) => void) {
    this.#ring = NO_ENTRIES;
    this.#mask = -1;
    this.#head = 0;
    this.#length = 0;
    this.#running = false;
    this.#microtaskScheduled = false;
    this.#turnBooked = false;
    this.#workLeft = WORK_PER_TURN;
    this.#onUncaught = onUncaught;
    this.#drainInMicrotask = null;
    this.#drainInTurn = null;
  }

  /** Entries waiting. */
  get length(): number {
    return this.#length;
  }

  /** Queues `entry` for the read-end hook. Only for causes inside a transport event, after which the hook is sure to run. */
  push(entry: ReadyEntry): void {
    if (entry.inReadyQueue) return;
    entry.inReadyQueue = true;
    if (this.#length > this.#mask) this.#setCapacity(2 * this.#ring.length || INITIAL_CAPACITY);
    this.#ring[(this.#head + this.#length) & this.#mask] = entry;
    this.#length++;
  }

  /**
   * Queues `entry` for a cause outside transport events (a caller, a timer): it runs in a microtask if no hook runs before, and in a later
   * turn once this one has done its work.
   */
  pushSoon(entry: ReadyEntry): void {
    this.push(entry);
    if (this.#running || this.#microtaskScheduled) return;
    if (this.#workLeft <= 0) {
      this.#bookTurn();
      return;
    }
    this.#microtaskScheduled = true;
    this.#drainInMicrotask ??= () => {
      this.#microtaskScheduled = false;
      if (this.run()) this.#bookTurn();
    };
    queueMicrotask(this.#drainInMicrotask);
  }

  /** Whether the running entry may deliver one more message after `messages`; if not, it queues itself again. */
  mayDeliver(messages: number): boolean {
    return messages < MESSAGES_PER_RUN && this.#workLeft > 0;
  }

  /** A message of `octets` is being delivered. */
  chargeMessage(octets: number): void {
    this.#workLeft -= 1 + (octets >> OCTETS_PER_UNIT_SHIFT);
  }

  /** `octets` were decompressed in this thread. */
  chargeInflated(octets: number): void {
    this.#workLeft -= octets >> OCTETS_PER_UNIT_SHIFT;
  }

  /**
   * Runs up to `READY_RUNS_PER_FLUSH` entries; true when more wait that may run in this turn: the connection then flushes and calls again.
   * A call from inside a run does nothing: the outer one goes on. Never throws: an entry's exception goes to `onUncaught`. `octetsRead`: by the connection since it last called.
   */
  run(octetsRead = 0): boolean {
    if (octetsRead > 0) this.#refill(octetsRead >> OCTETS_READ_PER_UNIT_SHIFT);
    if (this.#running) return false;
    this.#running = true;
    for (
      let runs = 0;
      this.#length > 0 && runs < READY_RUNS_PER_FLUSH && this.#workLeft > 0;
      runs++
    ) {
      const entry = this.#ring[this.#head] as ReadyEntry;
      this.#ring[this.#head] = null;
      this.#head = (this.#head + 1) & this.#mask;
      this.#length--;
      entry.inReadyQueue = false;
      try {
        entry.runReady();
      } catch (error) {
        this.report(error);
      }
    }
    this.#running = false;
    if (this.#length === 0) {
      if (this.#mask >= MAX_IDLE_CAPACITY) this.#setCapacity(INITIAL_CAPACITY);
      return false;
    }
    if (this.#workLeft > 0) return true;
    this.#bookTurn();
    return false;
  }

  /** Never above what a turn has, or a large read brings by itself. */
  #refill(units: number): void {
    this.#workLeft = Math.min(this.#workLeft + units, Math.max(WORK_PER_TURN, units));
  }

  #bookTurn(): void {
    if (this.#turnBooked) return;
    this.#turnBooked = true;
    this.#drainInTurn ??= () => {
      this.#turnBooked = false;
      this.#workLeft = WORK_PER_TURN;
      if (this.run()) this.#bookTurn();
    };
    inLaterTurn(this.#drainInTurn);
  }

  /** Hands an exception of user code to `onUncaught`. Never throws. */
  report(error: unknown): void {
    try {
      this.#onUncaught(error);
    } catch {
      // A logger that throws must not stop the calls behind it.
    }
  }

  #setCapacity(capacity: number): void {
    const ring = new Array<ReadyEntry | null>(capacity).fill(null);
    for (let i = 0; i < this.#length; i++) {
      ring[i] = this.#ring[(this.#head + i) & this.#mask] as ReadyEntry;
    }
    this.#ring = ring;
    this.#mask = ring.length - 1;
    this.#head = 0;
  }
}
