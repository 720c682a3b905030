/** Where exceptions go that no caller can be told of. */

/** Receives such an exception; `where` says in which part of the library or of the program. Must not throw. */
export type ErrorReporter = (error: unknown, where: string) => void;

/** Writes one line to stderr. */
export function reportToConsole(error: unknown, where: string): void {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  // One line whatever the text holds: it may come from outside.
  console.error(`purewire: ${where}: ${text.replaceAll(/\s*[\r\n]\s*/g, ' | ')}`);
}
