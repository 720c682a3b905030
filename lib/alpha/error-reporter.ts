/** Where exceptions of user code go when no caller can be told of them. */

/** Receives such an exception; `where` says which RPC and which callable raised it, such as `/math.Math/Div: behavior`. */
export type ErrorReporter = (error: unknown, where: string) => void;

/** Writes one line to stderr: place, error, and the first line of its stack. */
export function reportToConsole(error: unknown, where: string): void {
  console.error(`purewire: ${where} raised ${describeError(error)}`);
}

/** Hands `error` to `report`; a reporter that raises itself is ignored. */
export function reportSafely(report: ErrorReporter, error: unknown, where: string): void {
  try {
    report(error, where);
  } catch {
    // Nobody is left to be told.
  }
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(messageOf(error));
  const frame = /\n\s*(at [^\n]*)/.exec(error.stack ?? '')?.[1];
  const text = oneLine(`${error.name}: ${error.message}`);
  return frame === undefined ? text : `${text} (${frame})`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' | ');
}

/** The message of anything that may be thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  try {
    return String(error);
  } catch {
    return 'a value that cannot be shown';
  }
}
