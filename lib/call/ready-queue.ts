/**
 * Where user code runs: calls with something to deliver are queued while a read is being parsed and run after its last frame, before the
 * flush. One queue serves a channel or a server connection; its `run` is the `ReadEndHook` of every connection that feeds it.
 */

/** Something that delivers queued events to user code. A call is in the queue at most once. */
export interface ReadyEntry {
  /** True while the entry waits in a queue; written by `ReadyQueue` only, false to begin with. */
  inReadyQueue: boolean;
  /** Delivers what is due. May queue the entry again. */
  runReady(): void;
}

/** Entries that run between two flushes of a connection. */
export const READY_RUNS_PER_FLUSH = 128;

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
  #timerScheduled: boolean;
  readonly #onUncaught: (error: unknown) => void;
  /** Both made when first used, which for most connections of a server is never. */
  #drainInMicrotask: (() => void) | null;
  #drainInTimer: (() => void) | null;

  /** `onUncaught` receives what user code threw where nobody can be told; it must not throw. */
  constructor(onUncaught: (error: unknown) => void) {
    this.#ring = NO_ENTRIES;
    this.#mask = -1;
    this.#head = 0;
    this.#length = 0;
    this.#running = false;
    this.#microtaskScheduled = false;
    this.#timerScheduled = false;
    this.#onUncaught = onUncaught;
    this.#drainInMicrotask = null;
    this.#drainInTimer = null;
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

  /** Queues `entry` for a cause outside transport events (a caller, a timer): it runs in a microtask if no hook runs before. */
  pushSoon(entry: ReadyEntry): void {
    this.push(entry);
    if (this.#running || this.#microtaskScheduled) return;
    this.#microtaskScheduled = true;
    this.#drainInMicrotask ??= () => {
      this.#microtaskScheduled = false;
      this.run();
    };
    queueMicrotask(this.#drainInMicrotask);
  }

  /**
   * Runs up to `READY_RUNS_PER_FLUSH` entries; true when more wait. A call from inside a run does nothing: the outer one goes on.
   * Never throws: an entry's exception goes to `onUncaught`.
   */
  run(): boolean {
    if (this.#running) return false;
    this.#running = true;
    for (let runs = 0; this.#length > 0 && runs < READY_RUNS_PER_FLUSH; runs++) {
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
    // The connection flushes and calls again; after a microtask, or when the connection dies before that, this timer does.
    if (!this.#timerScheduled) {
      this.#timerScheduled = true;
      this.#drainInTimer ??= () => {
        this.#timerScheduled = false;
        this.run();
      };
      setTimeout(this.#drainInTimer, 0);
    }
    return true;
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
