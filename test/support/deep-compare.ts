/**
 * The two comparisons of tap that the suite uses, for runtimes where tap itself does not load: deep strict equality (`strictSame`) and
 * the pattern match behind `throws` and `rejects`. Plain functions of two values; they never throw for any input.
 */

type Pairs = Map<object, object>;

/**
 * Deep strict equality as tap's `strictSame` has it: `===` on primitives (NaN equals NaN, 0 equals -0), the same constructor and the
 * same own enumerable string keys on objects (a key holding undefined differs from no key), elements of arrays and typed arrays in
 * order, entries of maps and sets, name and message of errors.
 */
export function isStrictlySame(found: unknown, wanted: unknown): boolean {
  return strictlySame(found, wanted, new Map());
}

function strictlySame(a: unknown, b: unknown, seen: Pairs): boolean {
  if (a === b) return true;
  if (typeof a === 'number' && typeof b === 'number') return Number.isNaN(a) && Number.isNaN(b);
  if (typeof a === 'symbol' && typeof b === 'symbol') return a.toString() === b.toString();
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a.constructor !== b.constructor) return false;
  // A pair under comparison counts as equal: a cycle is then decided by what surrounds it.
  if (seen.get(a) === b) return true;
  seen.set(a, b);

  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
  if (a instanceof RegExp && b instanceof RegExp) return String(a) === String(b);
  if (a instanceof ArrayBuffer && b instanceof ArrayBuffer) {
    return sameElements(new Uint8Array(a), new Uint8Array(b), seen);
  }
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) {
    if (a instanceof DataView || b instanceof DataView) return sameOctets(a, b, seen);
    return sameElements(
      a as unknown as ArrayLike<unknown>,
      b as unknown as ArrayLike<unknown>,
      seen,
    );
  }
  if (Array.isArray(a) && Array.isArray(b)) return sameElements(a, b, seen);
  if (a instanceof Map && b instanceof Map) return sameMap(a, b, seen);
  if (a instanceof Set && b instanceof Set) return sameSet(a, b, seen);
  if (a instanceof Error && b instanceof Error && (a.name !== b.name || a.message !== b.message)) {
    return false;
  }
  return sameKeys(a as Record<string, unknown>, b as Record<string, unknown>, seen);
}

function sameOctets(a: ArrayBufferView, b: ArrayBufferView, seen: Pairs): boolean {
  return sameElements(
    new Uint8Array(a.buffer, a.byteOffset, a.byteLength),
    new Uint8Array(b.buffer, b.byteOffset, b.byteLength),
    seen,
  );
}

function sameElements(a: ArrayLike<unknown>, b: ArrayLike<unknown>, seen: Pairs): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (!strictlySame(a[i], b[i], seen)) return false;
  }
  return true;
}

function sameMap(a: Map<unknown, unknown>, b: Map<unknown, unknown>, seen: Pairs): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) {
    if (!b.has(key) || !strictlySame(value, b.get(key), seen)) return false;
  }
  return true;
}

function sameSet(a: Set<unknown>, b: Set<unknown>, seen: Pairs): boolean {
  if (a.size !== b.size) return false;
  const left = [...b];
  for (const value of a) {
    const at = left.findIndex((candidate) => strictlySame(value, candidate, seen));
    if (at === -1) return false;
    left.splice(at, 1);
  }
  return true;
}

function sameKeys(a: Record<string, unknown>, b: Record<string, unknown>, seen: Pairs): boolean {
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && strictlySame(a[key], b[key], seen));
}

/**
 * Whether `found` fits `pattern` as tap's `match` has it: a RegExp tests the value's text, a string is a substring, a class asks for an
 * instance (String, Number, … for the type), an Error fits by message and name, an object asks for its own keys only, recursively.
 */
export function fitsPattern(found: unknown, pattern: unknown): boolean {
  return fits(found, pattern, new Map());
}

function fits(found: unknown, pattern: unknown, seen: Pairs): boolean {
  if (found === pattern) return true;
  // tap compares loosely where both are primitives (null fits undefined, 1 fits '1').
  // biome-ignore lint/suspicious/noDoubleEquals: tap's rule
  if (pattern === null || pattern === undefined) return found == pattern;
  if (pattern instanceof RegExp) {
    return found instanceof RegExp
      ? String(found) === String(pattern)
      : pattern.test(String(found));
  }
  if (typeof pattern === 'function') return fitsConstructor(found, pattern);
  if (found === null || found === undefined) return false;
  if (typeof pattern === 'string' && typeof found === 'string') {
    return pattern === '' ? found === '' : found.includes(pattern);
  }
  if (typeof pattern !== 'object' || typeof found !== 'object') {
    return (
      typeof pattern !== 'object' && typeof found !== 'object' && String(found) === String(pattern)
    );
  }
  if (seen.get(found) === pattern) return true;
  seen.set(found, pattern);

  if (pattern instanceof Error) {
    if (!(found instanceof Error)) return false;
    if (pattern.message !== '' && !fits(found.message, pattern.message, seen)) return false;
    if (pattern.name !== '' && !fits(found.name, pattern.name, seen)) return false;
  }
  if (pattern instanceof Date) return found instanceof Date && +found === +pattern;
  if (Array.isArray(pattern)) {
    return (
      Array.isArray(found) &&
      found.length >= pattern.length &&
      pattern.every((item, i) => fits(found[i], item, seen))
    );
  }
  if (ArrayBuffer.isView(pattern) || pattern instanceof Map || pattern instanceof Set) {
    return isStrictlySame(found, pattern);
  }
  return Object.keys(pattern).every((key) =>
    fits((found as Record<string, unknown>)[key], (pattern as Record<string, unknown>)[key], seen),
  );
}

function fitsConstructor(found: unknown, pattern: unknown): boolean {
  switch (pattern) {
    case String:
      return typeof found === 'string';
    case Number:
      return typeof found === 'number' && Number.isFinite(found);
    case Boolean:
      return typeof found === 'boolean';
    case BigInt:
      return typeof found === 'bigint';
    case Symbol:
      return typeof found === 'symbol';
    case Function:
      return typeof found === 'function';
    case Array:
      return Array.isArray(found);
    case Object:
      return typeof found === 'object' && found !== null;
    default:
      return typeof found === 'object' && found instanceof (pattern as new () => object);
  }
}
