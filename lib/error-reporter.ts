/** Where exceptions go that no caller can be told of, and how many of them that peers can cause. */

import { type BudgetClock, LineBudget } from './line-budget.ts';

/** Receives such an exception; `where` says in which part of the library or of the program. What it throws is lost. */
export type ErrorReporter = (error: unknown, where: string) => void;

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
const runtimeClock: BudgetClock = {
  now: () => performance.now(),
  setTimer(delayMs, fire) {
    const handle: unknown = setTimeout(fire, delayMs);
    const { Deno } = globalThis as { Deno?: { unrefTimer?(handle: number): void } };
    if (typeof handle === 'number') Deno?.unrefTimer?.(handle);
    else (handle as { unref?(): void }).unref?.();
    return { cancel: () => clearTimeout(handle as ReturnType<typeof setTimeout>) };
  },
};

const LIMITED: WeakSet<ErrorReporter> = new WeakSet();

/**
 * `report` with a budget for what peers can cause any number of: `MAX_LINES_PER_SECOND` of one place are handed on, and one that counts the
 * others when the second is over, or soon after if the process is busy. A reporter that has a budget already is given back as it is.
 */
export function limitedReporter(
  report: ErrorReporter,
  clock: BudgetClock = runtimeClock,
): ErrorReporter {
  if (LIMITED.has(report)) return report;
  const budget = new LineBudget(clock, (place, leftOut) =>
    reportSafely(report, new Error(`${leftOut} more in the same second`), place),
  );
  const limited: ErrorReporter = (error, where) => {
    if (budget.take(where)) report(error, where);
  };
  LIMITED.add(limited);
  return limited;
}

/** Writes one line to stderr, within one budget for the whole process: stderr may be a slow file that every line waits for. */
export const reportToConsole: ErrorReporter = limitedReporter(writeToConsole);
