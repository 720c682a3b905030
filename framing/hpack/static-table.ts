/** The static table (RFC 7541 Appendix A) and its look-up by name and value. */

/** Entries of the static table; dynamic entries follow at index 62 (RFC 7541 §2.3.3). */
export const STATIC_TABLE_LENGTH = 61;

/** Name and value of each entry, in the order of Appendix A. */
// biome-ignore format: one entry a line
const ENTRIES: readonly string[] = [
  ':authority', '',
  ':method', 'GET',
  ':method', 'POST',
  ':path', '/',
  ':path', '/index.html',
  ':scheme', 'http',
  ':scheme', 'https',
  ':status', '200',
  ':status', '204',
  ':status', '206',
  ':status', '304',
  ':status', '400',
  ':status', '404',
  ':status', '500',
  'accept-charset', '',
  'accept-encoding', 'gzip, deflate',
  'accept-language', '',
  'accept-ranges', '',
  'accept', '',
  'access-control-allow-origin', '',
  'age', '',
  'allow', '',
  'authorization', '',
  'cache-control', '',
  'content-disposition', '',
  'content-encoding', '',
  'content-language', '',
  'content-length', '',
  'content-location', '',
  'content-range', '',
  'content-type', '',
  'cookie', '',
  'date', '',
  'etag', '',
  'expect', '',
  'expires', '',
  'from', '',
  'host', '',
  'if-match', '',
  'if-modified-since', '',
  'if-none-match', '',
  'if-range', '',
  'if-unmodified-since', '',
  'last-modified', '',
  'link', '',
  'location', '',
  'max-forwards', '',
  'proxy-authenticate', '',
  'proxy-authorization', '',
  'range', '',
  'referer', '',
  'refresh', '',
  'retry-after', '',
  'server', '',
  'set-cookie', '',
  'strict-transport-security', '',
  'transfer-encoding', '',
  'user-agent', '',
  'vary', '',
  'via', '',
  'www-authenticate', '',
];

/** Names by index, 1 … 61; index 0 is unused and empty. */
export const STATIC_NAMES: readonly string[] = everySecond(0);

/** Values by index, 1 … 61; index 0 is unused and empty. */
export const STATIC_VALUES: readonly string[] = everySecond(1);

function everySecond(from: 0 | 1): readonly string[] {
  const texts = [''];
  for (let i = from; i < ENTRIES.length; i += 2) texts.push(ENTRIES[i]!);
  return texts;
}

/** What the static table knows of one field name. */
export interface StaticName {
  /** The lowest index with this name. */
  readonly index: number;
  /** Indexes by value; the empty value, where the table has it, included. */
  readonly values: ReadonlyMap<string, number>;
}

function indexByName(): Map<string, StaticName> {
  const byName = new Map<string, { index: number; values: Map<string, number> }>();
  for (let index = 1; index <= STATIC_TABLE_LENGTH; index++) {
    const name = STATIC_NAMES[index]!;
    let known = byName.get(name);
    if (known === undefined) {
      known = { index, values: new Map() };
      byName.set(name, known);
    }
    known.values.set(STATIC_VALUES[index]!, index);
  }
  return byName;
}

let byName: Map<string, StaticName> | null = null;

/** What the static table knows of `name`; undefined when it is not there. */
export function staticNameOf(name: string): StaticName | undefined {
  // At the first encoding, not when the module is loaded.
  byName ??= indexByName();
  return byName.get(name);
}
