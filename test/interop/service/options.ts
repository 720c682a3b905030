/** Command line flags of the interoperability programs, in the spellings that all implementations take. */

/** The values of flags that were given, by name. */
export type Flags = ReadonlyMap<string, string>;

/**
 * Reads `--name=value`, `--name value`, `-name value` and bare `--name`, which is `true`. Throws RangeError, naming the flag and those that
 * there are, for a flag not in `known`.
 */
export function readFlags(args: readonly string[], known: readonly string[]): Flags {
  const flags = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const match = /^--?([a-z0-9_]+)(?:=(.*))?$/s.exec(args[i]!);
    if (match === null) throw new RangeError(`"${args[i]}" is no flag; flags begin with --`);
    const name = match[1]!;
    if (!known.includes(name)) {
      throw new RangeError(
        `there is no flag --${name}; there are ${known.map((k) => `--${k}`).join(' ')}`,
      );
    }
    const next = args[i + 1];
    if (match[2] !== undefined) flags.set(name, match[2]);
    else if (next !== undefined && !next.startsWith('-')) {
      flags.set(name, next);
      i += 1;
    } else flags.set(name, 'true');
  }
  return flags;
}

/** The value of a flag that is true or false. Throws RangeError for anything else. */
export function flagOf(flags: Flags, name: string): boolean {
  const value = flags.get(name) ?? 'false';
  if (['true', '1', 't'].includes(value.toLowerCase())) return true;
  if (['false', '0', 'f'].includes(value.toLowerCase())) return false;
  throw new RangeError(`--${name} must be true or false, got "${value}"`);
}

/** The value of a flag that is a whole number of 0 or more. Throws RangeError for anything else. */
export function numberOf(flags: Flags, name: string, fallback: number): number {
  const text = flags.get(name);
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) {
    throw new RangeError(`--${name} must be a whole number of 0 or more, got "${text}"`);
  }
  return value;
}
