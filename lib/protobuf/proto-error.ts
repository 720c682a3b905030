/** What is wrong with a `.proto` source, and where. */

/** A `.proto` source that cannot be used: not found, not parseable, or naming what does not exist. */
export class ProtoError extends Error {
  override readonly name = 'ProtoError';
  /** The file the message is about, or null when the source has no file. */
  readonly file: string | null;
  /** Line in `file`, counted from 1; null when unknown. */
  readonly line: number | null;

  /** The message becomes `file:line: problem`, or `line N: problem` for a text without a file, as far as these are known. */
  constructor(problem: string, file: string | null, line: number | null, cause?: unknown) {
    const where = [file, file === null && line !== null ? `line ${line}` : line];
    const place = where.filter((part) => part !== null).join(':');
    super(
      place === '' ? problem : `${place}: ${problem}`,
      cause === undefined ? undefined : { cause },
    );
    this.file = file;
    this.line = line;
  }
}

/** The entry of `names` that `wanted` was probably meant to be: equal but for case, underscores and package; else null. */
export function nearestName(wanted: string, names: Iterable<string>): string | null {
  const key = comparable(wanted);
  for (const name of names) {
    if (comparable(name) === key) return name;
  }
  return null;
}

function comparable(name: string): string {
  return name
    .slice(name.lastIndexOf('.') + 1)
    .replaceAll('_', '')
    .toLowerCase();
}
