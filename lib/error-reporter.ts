/** Where exceptions go that no caller can be told of. */

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
export function reportToConsole(error: unknown, where: string): void {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  // One line whatever the text holds: it may come from outside.
  console.error(`purewire: ${where}: ${text.replaceAll(/\s*[\r\n]\s*/g, ' | ')}`);
}
