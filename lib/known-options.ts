/**
 * The objects of options that users give. A name that is no option is refused: ignored, a misspelt `secure` would be a connection without TLS.
 */

/**
 * Every option of `Options` by name: true, or the table of an option that is such an object itself. The compiler refuses a table that lacks
 * an option of the interface, or has one that is none.
 */
export type KnownOptions<Options> = { readonly [Name in keyof Options]-?: true | object };

type Table = Readonly<Record<string, unknown>>;

/**
 * Throws TypeError when `options` is no object or has a name that `known` lacks, whatever its value; the error names the option, `place` and
 * the option that was probably meant. What Object.prototype has is none of the caller's. Allocates nothing when all is well.
 */
export function assertKnownOptions(options: object, known: object, place: string): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(
      `the options for ${place} must be an object, got ${options === null ? 'null' : typeof options}`,
    );
  }
  for (const name in options) {
    if ((known as Table)[name] !== true) judge(options, name, known, known, place, '');
  }
}

/** `name` of `options`, whose table is `known`, has none or has a table of its own. `path`: what leads to `options` in `all`, with a dot. */
function judge(
  options: object,
  name: string,
  known: object,
  all: object,
  place: string,
  path: string,
): void {
  if (!Object.hasOwn(known, name)) {
    if (!Object.hasOwn(options, name) && name in Object.prototype) return;
    throw new TypeError(`unknown option "${path}${name}" for ${place}${advice(name, all, path)}`);
  }
  const inner = (known as Table)[name];
  const value = (options as Table)[name];
  if (typeof inner !== 'object' || inner === null) return;
  if (typeof value !== 'object' || value === null) return;
  for (const innerName in value) {
    judge(value, innerName, inner, all, place, `${path}${name}.`);
  }
}

/** Names beyond so many are looked up in the documentation, not in an error. */
const LISTED_NAMES = 32;

function advice(name: string, all: object, path: string): string {
  const candidates = namesIn(all, '');
  const near = nearestOption(name, path, candidates);
  if (near !== null) return `: did you mean "${near}"?`;
  const besides = candidates.filter((candidate) => ownPart(candidate, path));
  if (besides.length > LISTED_NAMES) return '';
  return `; there is ${besides.join(', ')}`;
}

/** Whether `candidate` stands in the same object as what `path` leads to. */
function ownPart(candidate: string, path: string): boolean {
  return candidate.startsWith(path) && !candidate.slice(path.length).includes('.');
}

/** All options in a table, those of inner objects as `limits.maxHeaderFields`. */
function namesIn(known: object, path: string): string[] {
  return Object.entries(known).flatMap(([name, inner]) => [
    path + name,
    ...(typeof inner === 'object' && inner !== null ? namesIn(inner, `${path}${name}.`) : []),
  ]);
}

/** The candidate spelt most like `name`, of those the one in the same object; null when none is like it. */
function nearestOption(name: string, path: string, candidates: readonly string[]): string | null {
  let nearest: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const last = candidate.slice(candidate.lastIndexOf('.') + 1);
    const edits = editDistance(name.toLowerCase(), last.toLowerCase());
    const bound = Math.min(4, Math.floor(Math.max(name.length, last.length) / 3));
    const rank = edits + (ownPart(candidate, path) ? 0 : 0.5);
    if (edits <= bound && rank < least) {
      least = rank;
      nearest = candidate;
    }
  }
  return nearest;
}

/** Names longer than this are not compared: the time grows with the product of both lengths. */
const COMPARED_CHARACTERS = 64;

/** Letters to insert, leave out, replace or swap with their neighbour to make `b` of `a`. */
function editDistance(a: string, b: string): number {
  if (a.length > COMPARED_CHARACTERS) return Number.POSITIVE_INFINITY;
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] as number) + 1);
      }
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length] as number;
}
