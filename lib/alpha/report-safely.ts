/** Exceptions of user code that no caller can be told of, on their way to the stub's or server's `onError`. */

import type { ErrorReporter } from '../error-reporter.ts';

/** Hands `error` to `report`; a reporter that raises itself is ignored. */
export function reportSafely(report: ErrorReporter, error: unknown, where: string): void {
  try {
    report(error, where);
  } catch {
    // Nobody is left to be told.
  }
}
