/** Where exceptions go that no caller can be told of, and how many of them that peers can cause. */

import type { Clock } from '../transport/clock.ts';

/** Receives such an exception; `where` says in which part of the library or of the program. What it throws is lost. */
export type ErrorReporter = (error: unknown, where: string) => void;

/** Reports that a limited reporter hands on in one second of one place; the others are summed up in one more. */
export const MAX_REPORTS_PER_SECOND = 10;
const SECOND_MS = 1000;
/** Places that are told apart. Names of places are those of methods, not of peers; further ones share one budget. */
const MAX_PLACES = 1000;
const FURTHER_PLACES = 'further places';

/** What limiting needs of a clock. */
export type ReportClock = Pick<Clock, 'now' | 'setTimer'>;

/** Hands `error` to `report`; a reporter that raises itself is ignored: peers can cause reports, and must not be able to end the process. */
export function reportSafely(report: ErrorReporter, error: unknown, where: string): void {
  try {
    report(error, where);
  } catch {
    // Nobody is left to be told.
  }
}

/** Writes one line to stderr. */
function writeToConsole(error: unknown, where: string): void {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  // One line whatever the text holds: it may come from outside.
  console.error(`purewire: ${where}: ${text.replaceAll(/\s*[\r\n]\s*/g, ' | ')}`);
}

/** A clock for what is told late, if at all: its timers never hold the process open. */
const runtimeClock: ReportClock = {
  now: () => performance.now(),
  setTimer(delayMs, fire) {
    const handle: unknown = setTimeout(fire, delayMs);
    const { Deno } = globalThis as { Deno?: { unrefTimer?(handle: number): void } };
    if (typeof handle === 'number') Deno?.unrefTimer?.(handle);
    else (handle as { unref?(): void }).unref?.();
    return { cancel: () => clearTimeout(handle as ReturnType<typeof setTimeout>) };
  },
};

/** The reports of one place in one second. */
interface Second {
  readonly sinceMs: number;
  reports: number;
  leftOut: number;
}

/** A budget per place in front of a reporter. */
class ReportLimiter {
  readonly #report: ErrorReporter;
  readonly #clock: ReportClock;
  readonly #seconds: Map<string, Second>;
  #timerSet: boolean;

  constructor(report: ErrorReporter, clock: ReportClock) {
    this.#report = report;
    this.#clock = clock;
    this.#seconds = new Map();
    this.#timerSet = false;
  }

  report(error: unknown, where: string): void {
    const nowMs = this.#clock.now();
    const place = this.#placeOf(where, nowMs);
    let second = this.#seconds.get(place);
    if (second !== undefined && nowMs - second.sinceMs >= SECOND_MS) {
      this.#close(place, second);
      second = undefined;
    }
    if (second === undefined) {
      second = { sinceMs: nowMs, reports: 0, leftOut: 0 };
      this.#seconds.set(place, second);
    }
    if (second.reports < MAX_REPORTS_PER_SECOND) {
      second.reports += 1;
      this.#report(error, where);
      return;
    }
    second.leftOut += 1;
    this.#setTimer(second.sinceMs + SECOND_MS - nowMs);
  }

  #placeOf(where: string, nowMs: number): string {
    if (this.#seconds.size < MAX_PLACES || this.#seconds.has(where)) return where;
    this.#closeOver(nowMs);
    return this.#seconds.size < MAX_PLACES ? where : FURTHER_PLACES;
  }

  #setTimer(delayMs: number): void {
    if (this.#timerSet) return;
    this.#timerSet = true;
    this.#clock.setTimer(
      delayMs,
      () => {
        this.#timerSet = false;
        this.#closeOver(this.#clock.now());
        for (const { leftOut } of this.#seconds.values()) {
          if (leftOut > 0) this.#setTimer(SECOND_MS);
        }
      },
      false,
    );
  }

  /** Forgets the seconds that are over, and says what they left out. */
  #closeOver(nowMs: number): void {
    for (const [place, second] of this.#seconds) {
      if (nowMs - second.sinceMs >= SECOND_MS) this.#close(place, second);
    }
  }

  #close(place: string, { leftOut }: Second): void {
    this.#seconds.delete(place);
    if (leftOut === 0) return;
    reportSafely(this.#report, new Error(`${leftOut} more in the same second`), place);
  }
}

const LIMITED: WeakSet<ErrorReporter> = new WeakSet();

/**
 * `report` with a budget for what peers can cause any number of: `MAX_REPORTS_PER_SECOND` of one place are handed on, and one that counts the
 * others when the second is over, or soon after if the process is busy. A reporter that has a budget already is given back as it is.
 */
export function limitedReporter(
  report: ErrorReporter,
  clock: ReportClock = runtimeClock,
): ErrorReporter {
  if (LIMITED.has(report)) return report;
  const limiter = new ReportLimiter(report, clock);
  const limited: ErrorReporter = (error, where) => limiter.report(error, where);
  LIMITED.add(limited);
  return limited;
}

/** Writes one line to stderr, within one budget for the whole process: stderr may be a slow file that every line waits for. */
export const reportToConsole: ErrorReporter = limitedReporter(writeToConsole);
