/** The timer wheel, over a runtime that the test turns by hand, and over the real one. */

import {
  SystemClock,
  systemClock,
  TICK_MS,
  type TimerRuntime,
} from '../../transport/system-clock.ts';
import { t } from '../support/tap.ts';

/** A runtime with one settable time; timers fire only through `runTo`. Its clock starts at an odd fraction, as real ones do. */
class ManualRuntime implements TimerRuntime {
  nowMs = 1234.567;
  /** The armed timers. */
  readonly handles: Set<ManualHandle> = new Set();
  /** How often a timer was armed. */
  armed = 0;

  now(): number {
    return this.nowMs;
  }

  setTimeout(fire: () => void, delayMs: number): ManualHandle {
    this.armed++;
    const handle = new ManualHandle(this.nowMs + delayMs, fire);
    this.handles.add(handle);
    return handle;
  }

  clearTimeout(handle: unknown): void {
    this.handles.delete(handle as ManualHandle);
  }

  /** Moves time to `nowMs`, firing runtime timers on the way at their time plus `lateMs` (negative: early). */
  runTo(nowMs: number, lateMs = 0): void {
    for (;;) {
      let next: ManualHandle | null = null;
      for (const handle of this.handles) {
        if (handle.dueMs + lateMs <= nowMs && (next === null || handle.dueMs < next.dueMs)) {
          next = handle;
        }
      }
      if (next === null) break;
      this.handles.delete(next);
      this.nowMs = Math.max(this.nowMs, next.dueMs + lateMs);
      next.fire();
    }
    this.nowMs = nowMs;
  }

  get referenced(): boolean {
    return [...this.handles].some((handle) => handle.referenced);
  }
}

class ManualHandle {
  referenced = true;
  readonly dueMs: number;
  readonly fire: () => void;

  constructor(dueMs: number, fire: () => void) {
    this.dueMs = dueMs;
    this.fire = fire;
  }

  ref(): void {
    this.referenced = true;
  }

  unref(): void {
    this.referenced = false;
  }
}

/** mulberry32. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

const DAY_MS = 86_400_000;

await t.test('an object that is given instead of a function does the work itself', async (t) => {
  const runtime = new ManualRuntime();
  const clock = new SystemClock(runtime);
  const target = {
    fired: 0,
    onTimer(): void {
      this.fired++;
    },
  };
  clock.setTimer(100, target, true);
  clock.setTimer(100, target, true).cancel();
  runtime.runTo(runtime.nowMs + 99);
  t.equal(target.fired, 0, 'not too early');
  runtime.runTo(runtime.nowMs + 1 + 20 * TICK_MS);
  t.equal(target.fired, 1, 'once, as itself; a cancelled timer not');
});

await t.test('a timer fires once, not early, and at most a tick late', async (t) => {
  for (const delayMs of [0, 0.1, 1, 7.9, 8, 9, 255, 256, 257, 1000, 8191, 8192, 60_000, DAY_MS]) {
    const runtime = new ManualRuntime();
    const clock = new SystemClock(runtime);
    const startMs = runtime.nowMs;
    const fired: number[] = [];
    clock.setTimer(delayMs, () => fired.push(runtime.nowMs), true);
    runtime.runTo(startMs + delayMs + 20 * TICK_MS);
    t.equal(fired.length, 1, `${delayMs} ms fires once`);
    const lateMs = (fired[0] ?? Number.NaN) - startMs - delayMs;
    t.ok(lateMs >= 0, `${delayMs} ms is not early: ${lateMs}`);
    // One tick, and the millisecond to which runtimes round.
    t.ok(lateMs <= TICK_MS + 1, `${delayMs} ms is at most a tick late: ${lateMs}`);
    t.equal(clock.pending, 0);
    t.equal(runtime.handles.size, 0, 'nothing stays armed');
  }
});

await t.test('a delay above 2^31-1 ms is exact', async (t) => {
  const runtime = new ManualRuntime();
  const clock = new SystemClock(runtime);
  const startMs = runtime.nowMs;
  const fired: number[] = [];
  const delayMs = 400 * DAY_MS;
  clock.setTimer(delayMs, () => fired.push(runtime.nowMs), true);
  for (const handle of runtime.handles) {
    t.ok(handle.dueMs - startMs <= 2_147_483_647, 'the runtime gets a delay it can count to');
  }
  runtime.runTo(startMs + delayMs - 1);
  t.strictSame(fired, []);
  runtime.runTo(startMs + delayMs + 2 * TICK_MS);
  t.equal(fired.length, 1);
});

await t.test('a delay of Infinity never fires and arms nothing', async (t) => {
  const runtime = new ManualRuntime();
  const clock = new SystemClock(runtime);
  const timer = clock.setTimer(Number.POSITIVE_INFINITY, () => t.fail('fired'), true);
  t.equal(runtime.handles.size, 0);
  timer.cancel();
  t.throws(() => clock.setTimer(Number.NaN, () => {}, true), RangeError);
});

await t.test('a cancelled timer does not fire; cancelling again does nothing', async (t) => {
  const runtime = new ManualRuntime();
  const clock = new SystemClock(runtime);
  const timer = clock.setTimer(100, () => t.fail('fired'), true);
  let fired = 0;
  const other = clock.setTimer(100, () => fired++, true);
  timer.cancel();
  timer.cancel();
  t.equal(clock.pending, 1);
  runtime.runTo(runtime.nowMs + 200);
  t.equal(fired, 1);
  other.cancel();
  t.equal(clock.pending, 0);
});

await t.test('a timer that is cancelled by one due at the same time does not fire', async (t) => {
  const runtime = new ManualRuntime();
  const clock = new SystemClock(runtime);
  const timers = [0, 1].map((i) =>
    clock.setTimer(
      50,
      () => {
        fired.push(i);
        timers[1 - i]?.cancel();
      },
      true,
    ),
  );
  const fired: number[] = [];
  runtime.runTo(runtime.nowMs + 100);
  t.equal(fired.length, 1);
});

await t.test('only the next slot is armed, and one runtime timer serves all', async (t) => {
  const runtime = new ManualRuntime();
  const clock = new SystemClock(runtime);
  for (let i = 0; i < 1000; i++) clock.setTimer(30_000 + i, () => {}, true).cancel();
  t.equal(runtime.armed, 1, 'setting and cancelling does not arm again');
  t.equal(runtime.handles.size, 1);
  clock.setTimer(20, () => {}, true);
  t.equal(runtime.handles.size, 1);
  t.equal(runtime.armed, 2, 'an earlier timer does');
});

await t.test('the process is held open only by timers that ask for it', async (t) => {
  const runtime = new ManualRuntime();
  const clock = new SystemClock(runtime);
  clock.setTimer(1000, () => {}, false);
  t.notOk(runtime.referenced);
  const held = clock.setTimer(2000, () => {}, true);
  t.ok(runtime.referenced);
  const heldToo = clock.setTimer(10, () => {}, true);
  t.ok(runtime.referenced, 'also after arming anew');
  held.cancel();
  t.ok(runtime.referenced);
  heldToo.cancel();
  t.notOk(runtime.referenced);
  clock.setTimer(30, () => {}, true);
  t.ok(runtime.referenced);
  runtime.runTo(runtime.nowMs + 100);
  t.notOk(runtime.referenced, 'not by what has fired');
  t.equal(clock.pending, 1);
});

await t.test('a function that throws costs no other timer', async (t) => {
  const runtime = new ManualRuntime();
  const clock = new SystemClock(runtime);
  const fired: string[] = [];
  clock.setTimer(
    10,
    () => {
      throw new Error('for this test');
    },
    true,
  );
  clock.setTimer(10, () => fired.push('same tick'), true);
  clock.setTimer(500, () => fired.push('later'), true);
  t.throws(() => runtime.runTo(runtime.nowMs + 1000), { message: 'for this test' });
  runtime.runTo(runtime.nowMs + 1000);
  t.strictSame(fired, ['same tick', 'later']);
});

await t.test('random timers all fire in time, whatever the runtime does', async (t) => {
  const seed = Date.now() & 0xffff;
  t.comment(`seed ${seed}`);
  for (const lateMs of [0, -0.9, 3, 700]) {
    const random = randomNumbers(seed);
    const runtime = new ManualRuntime();
    const clock = new SystemClock(runtime);
    let live = 0;
    let wrong = 0;
    let nested = 0;
    const set = (): void => {
      const delayMs = 10 ** (random() * 8) - 1;
      const setMs = runtime.nowMs;
      let cancelled = false;
      live++;
      const timer = clock.setTimer(
        delayMs,
        () => {
          live--;
          const takenMs = runtime.nowMs - setMs;
          if (cancelled || takenMs < delayMs) wrong++;
          // Late timers come in the next run of the runtime timer, which is late again.
          if (takenMs > delayMs + TICK_MS + 1 + Math.max(0, lateMs) * 12) wrong++;
          if (nested < 2000 && random() < 0.5) {
            nested++;
            set();
          }
        },
        random() < 0.5,
      );
      if (random() < 0.3) {
        cancelled = true;
        live--;
        timer.cancel();
      }
    };
    for (let i = 0; i < 3000; i++) {
      set();
      if (random() < 0.2) runtime.runTo(runtime.nowMs + random() * 10 ** (random() * 5), lateMs);
    }
    runtime.runTo(runtime.nowMs + 3e8, lateMs);
    t.equal(wrong, 0, `late by ${lateMs}: none early, late or after its end`);
    t.equal(live, 0, `late by ${lateMs}: all fired`);
    t.equal(clock.pending, 0);
    t.equal(runtime.handles.size, 0);
    t.notOk(runtime.referenced);
  }
});

await t.test('ticks beyond 32 bits work', async (t) => {
  const runtime = new ManualRuntime();
  const clock = new SystemClock(runtime);
  runtime.nowMs += 2000 * DAY_MS;
  const fired: number[] = [];
  for (const delayMs of [5, 300, 70_000]) clock.setTimer(delayMs, () => fired.push(delayMs), true);
  runtime.runTo(runtime.nowMs + 100_000);
  t.strictSame(fired, [5, 300, 70_000]);
});

await t.test('the real clock counts upward and fires after the delay', async (t) => {
  const startMs = systemClock.now();
  await new Promise<void>((resolve) => {
    systemClock.setTimer(20, resolve, true);
  });
  t.ok(systemClock.now() - startMs >= 20);
});
