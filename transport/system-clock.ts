/**
 * The real clock: `performance.now` and a coarse timer wheel. A call with a deadline sets and cancels one timer, nearly always before it
 * fires; a runtime timer for each would cost more than the rest of the deadline's handling.
 *
 * The wheel has LEVELS rings of SLOTS lists. A timer lies in the ring of the highest base-SLOTS digit in which its due tick differs from
 * the current tick, in the slot of that digit. So every timer of a lower ring is due before every timer of a higher one, the earliest
 * slot is found by one bit scan, and setting and cancelling touch one doubly linked list. When a slot of a higher ring is reached, its
 * timers move down. Only the next non-empty slot is armed with the runtime, with one timer for the whole wheel.
 */

import { type Clock, runTimerAction, type Timer, type TimerAction } from './clock.ts';

/** Resolution in milliseconds: a timer fires up to this much later than asked, plus the runtime's own delay; never earlier. */
export const TICK_MS = 8;

const SLOTS = 32;
/** 32^10 ticks of 8 ms are 280,000 years: the wheel never runs out of rings. */
const LEVELS = 10;
/** Longest delay that runtimes accept; beyond it Node fires at once. */
const MAX_RUNTIME_DELAY_MS = 2_147_483_647;

/** What the clock needs of its runtime; tests give their own. `now` is in milliseconds. */
export interface TimerRuntime {
  now(): number;
  setTimeout(fire: () => void, delayMs: number): unknown;
  clearTimeout(handle: unknown): void;
}

const globalRuntime: TimerRuntime = {
  now: () => performance.now(),
  setTimeout: (fire, delayMs) => setTimeout(fire, delayMs),
  clearTimeout: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
};

/** A timer, or the head of a list of them. Linked to itself when in no list. */
class WheelTimer implements Timer {
  previous: WheelTimer;
  next: WheelTimer;
  readonly clock: SystemClock | null;
  /** First tick at which it may fire. */
  readonly dueTick: number;
  action: TimerAction | null;
  readonly keepsProcessAlive: boolean;

  constructor(
    clock: SystemClock | null,
    dueTick: number,
    action: TimerAction | null,
    keepsProcessAlive: boolean,
  ) {
    this.previous = this;
    this.next = this;
    this.clock = clock;
    this.dueTick = dueTick;
    this.action = action;
    this.keepsProcessAlive = keepsProcessAlive;
  }

  cancel(): void {
    if (this.action === null || this.clock === null) return;
    // Whoever keeps the timer must not keep what its action refers to.
    this.action = null;
    unlink(this);
    this.clock.removed(this);
  }
}

function unlink(timer: WheelTimer): void {
  timer.previous.next = timer.next;
  timer.next.previous = timer.previous;
  timer.previous = timer;
  timer.next = timer;
}

function append(list: WheelTimer, timer: WheelTimer): void {
  const last = list.previous;
  timer.previous = last;
  timer.next = list;
  last.next = timer;
  list.previous = timer;
}

/** A `Clock` over the runtime's time. One instance serves a whole process: see `systemClock`. */
export class SystemClock implements Clock {
  readonly #runtime: TimerRuntime;
  readonly #originMs: number;
  /** List heads, ring after ring; `#due` stands for those of slots that no timer has been in. */
  readonly #slots: WheelTimer[];
  /** One bit per slot of each ring; a set bit may stand for a list that cancelling has emptied since. */
  readonly #occupied: Int32Array;
  /** Timers whose tick has come and which have not fired yet. */
  readonly #due: WheelTimer;
  /** The last tick handled; every timer in the wheel is due after it. */
  #tick: number;
  #size: number;
  /** Timers that hold the process open. */
  #alive: number;
  #handle: unknown;
  /** Tick the runtime timer is armed for, Infinity when it is not armed. */
  #armedTick: number;
  #running: boolean;
  readonly #onRuntimeTimer: () => void;

  /** `originMs`: where the ticks begin, a reading of `runtime` that is not after now. */
  constructor(runtime: TimerRuntime = globalRuntime, originMs: number = runtime.now()) {
    this.#runtime = runtime;
    this.#originMs = originMs;
    this.#due = new WheelTimer(null, 0, null, false);
    this.#slots = Array.from({ length: LEVELS * SLOTS }, () => this.#due);
    this.#occupied = new Int32Array(LEVELS);
    this.#tick = 0;
    this.#size = 0;
    this.#alive = 0;
    this.#handle = null;
    this.#armedTick = Number.POSITIVE_INFINITY;
    this.#running = false;
    this.#onRuntimeTimer = () => this.#run();
  }

  /** Timers that neither fired nor were cancelled. Timers of Infinity are not counted: they are never in the wheel. */
  get pending(): number {
    return this.#size;
  }

  now(): number {
    return this.#runtime.now();
  }

  wallNow(): number {
    return Date.now();
  }

  /** As `Clock.setTimer`. Throws RangeError when `delayMs` is NaN; a negative delay counts as 0. */
  setTimer(delayMs: number, action: TimerAction, keepsProcessAlive: boolean): Timer {
    if (Number.isNaN(delayMs)) throw new RangeError('a timer delay must be a number, got NaN');
    if (delayMs === Number.POSITIVE_INFINITY) return new WheelTimer(null, 0, null, false);
    const sinceOriginMs = this.#runtime.now() - this.#originMs;
    // With an empty wheel time may jump: nothing lies between.
    if (this.#size === 0 && !this.#running) this.#tick = Math.floor(sinceOriginMs / TICK_MS);
    const dueTick = Math.max(
      Math.ceil((sinceOriginMs + delayMs) / TICK_MS),
      // Not before the next tick: the current one has been handled.
      this.#tick + 1,
    );
    const timer = new WheelTimer(this, dueTick, action, keepsProcessAlive);
    this.#size++;
    this.#insert(timer);
    if (keepsProcessAlive) this.#alive++;
    if (!this.#running) {
      if (dueTick < this.#armedTick) this.#arm();
      else if (keepsProcessAlive && this.#alive === 1) setReferenced(this.#handle, true);
    }
    return timer;
  }

  /** For WheelTimer: a timer was cancelled. */
  removed(timer: Timer): void {
    this.#forget(timer as WheelTimer);
    if (!this.#running && this.#alive === 0 && (timer as WheelTimer).keepsProcessAlive) {
      setReferenced(this.#handle, false);
    }
  }

  #forget(timer: WheelTimer): void {
    this.#size--;
    if (timer.keepsProcessAlive) this.#alive--;
  }

  #insert(timer: WheelTimer): void {
    let level = 0;
    let due = timer.dueTick;
    let now = this.#tick;
    // Division instead of shifts: ticks outgrow 32 bits after a year.
    for (; level < LEVELS - 1; level++) {
      const dueAbove = Math.floor(due / SLOTS);
      const nowAbove = Math.floor(now / SLOTS);
      if (dueAbove === nowAbove) break;
      due = dueAbove;
      now = nowAbove;
    }
    const slot = due % SLOTS;
    this.#occupied[level] = (this.#occupied[level] ?? 0) | (1 << slot);
    append(this.#slotList(level * SLOTS + slot), timer);
  }

  #slotList(index: number): WheelTimer {
    let list = this.#slots[index];
    if (list === undefined || list === this.#due) {
      list = new WheelTimer(null, 0, null, false);
      this.#slots[index] = list;
    }
    return list;
  }

  /** Start of the earliest occupied slot; Infinity when the wheel is empty. Clears the bits of lists found empty. */
  #nextTick(): number {
    if (this.#size === 0) {
      this.#occupied.fill(0);
      return Number.POSITIVE_INFINITY;
    }
    let span = 1;
    for (let level = 0; level < LEVELS; level++, span *= SLOTS) {
      let bits = this.#occupied[level] ?? 0;
      while (bits !== 0) {
        const slot = 31 - Math.clz32(bits & -bits);
        const list = this.#slotList(level * SLOTS + slot);
        if (list.next !== list) {
          this.#occupied[level] = bits;
          return (Math.floor(this.#tick / (span * SLOTS)) * SLOTS + slot) * span;
        }
        bits &= bits - 1;
      }
      this.#occupied[level] = 0;
    }
    return Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    const tick = this.#due.next !== this.#due ? this.#tick : this.#nextTick();
    if (tick === this.#armedTick) return;
    if (this.#handle !== null) this.#runtime.clearTimeout(this.#handle);
    this.#handle = null;
    this.#armedTick = tick;
    if (tick === Number.POSITIVE_INFINITY) return;
    const delayMs = tick * TICK_MS + this.#originMs - this.#runtime.now();
    this.#handle = this.#runtime.setTimeout(
      this.#onRuntimeTimer,
      Math.min(MAX_RUNTIME_DELAY_MS, Math.max(1, Math.ceil(delayMs))),
    );
    if (this.#alive === 0) setReferenced(this.#handle, false);
  }

  #run(): void {
    this.#handle = null;
    this.#armedTick = Number.POSITIVE_INFINITY;
    this.#running = true;
    try {
      const nowTick = Math.floor((this.#runtime.now() - this.#originMs) / TICK_MS);
      this.#fireDue();
      for (let tick = this.#nextTick(); tick <= nowTick; tick = this.#nextTick()) {
        this.#tick = tick;
        this.#takeSlots(tick);
        this.#fireDue();
      }
      // Every occupied slot starts after nowTick, so no timer changes its place. Not back: runtime timers may come early.
      if (nowTick > this.#tick) this.#tick = nowTick;
    } finally {
      this.#running = false;
      this.#arm();
    }
  }

  /** Empties the slots that start at `tick`: timers due now go to the due list, the others into lower rings. */
  #takeSlots(tick: number): void {
    let digits = tick;
    for (let level = 0; level < LEVELS; level++) {
      const slot = digits % SLOTS;
      const list = this.#slotList(level * SLOTS + slot);
      this.#occupied[level] = (this.#occupied[level] ?? 0) & ~(1 << slot);
      while (list.next !== list) {
        const timer = list.next;
        unlink(timer);
        if (timer.dueTick <= tick) append(this.#due, timer);
        else this.#insert(timer);
      }
      // A slot of the ring above starts here only where this ring starts anew.
      if (slot !== 0) break;
      digits = Math.floor(digits / SLOTS);
    }
  }

  #fireDue(): void {
    while (this.#due.next !== this.#due) {
      const timer = this.#due.next;
      unlink(timer);
      this.#forget(timer);
      const { action } = timer;
      timer.action = null;
      if (action !== null) runTimerAction(action);
    }
  }
}

/** Deno's own timers are numbers with functions beside them; other numbers cannot be told. */
interface NumericTimers {
  refTimer?(handle: number): void;
  unrefTimer?(handle: number): void;
}

/** Whether the runtime timer `handle` holds the process open; where a runtime cannot say, it goes on doing so. */
function setReferenced(handle: unknown, referenced: boolean): void {
  if (typeof handle === 'object' && handle !== null) {
    const timer = handle as { ref?(): void; unref?(): void };
    if (referenced) timer.ref?.();
    else timer.unref?.();
  } else if (typeof handle === 'number') {
    const timers = (globalThis as { Deno?: NumericTimers }).Deno;
    if (referenced) timers?.refTimer?.(handle);
    else timers?.unrefTimer?.(handle);
  }
}

/** The clock of every channel and server that was given no other. It reads no time yet: `performance` is loaded at its first use. */
export const systemClock: Clock = /* @__PURE__ */ new SystemClock(globalRuntime, 0);
