/** The comparisons of tap-lite follow tap's: the outcomes here are those of tap 21 for the same values. */

import { fitsPattern, isStrictlySame } from '../support/deep-compare.ts';
import { t } from '../support/tap.ts';

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}

const cycle: Record<string, unknown> = { a: 1 };
cycle['self'] = cycle;
const otherCycle: Record<string, unknown> = { a: 1 };
otherCycle['self'] = otherCycle;

/** Found, wanted, whether they are strictly the same. */
export const strictCases: readonly (readonly [string, unknown, unknown, boolean])[] = [
  ['equal numbers', 1, 1, true],
  ['a number and its text', 1, '1', false],
  ['NaN and NaN', Number.NaN, Number.NaN, true],
  ['0 and -0', 0, -0, true],
  ['null and undefined', null, undefined, false],
  ['big integers', 2n, 2n, true],
  ['arrays', [1, [2]], [1, [2]], true],
  ['arrays of different length', [1], [1, 2], false],
  ['arrays in another order', [1, 2], [2, 1], false],
  ['objects', { a: { b: 1 } }, { a: { b: 1 } }, true],
  ['keys in another order', { a: 1, b: 2 }, { b: 2, a: 1 }, true],
  ['a key holding undefined and no key', { a: undefined }, {}, false],
  ['no key and a key holding undefined', {}, { a: undefined }, false],
  ['an object without prototype and a plain one', Object.create(null), {}, false],
  ['instances of one class', new Point(1), new Point(1), true],
  ['an instance and a plain object', new Point(1), { x: 1 }, false],
  ['typed arrays', new Uint8Array([1, 2]), new Uint8Array([1, 2]), true],
  ['typed arrays with other elements', new Uint8Array([1, 2]), new Uint8Array([1, 3]), false],
  ['typed arrays of different kind', new Uint8Array([1]), new Uint16Array([1]), false],
  ['a Buffer and a Uint8Array', Buffer.from([1]), new Uint8Array([1]), false],
  ['maps', new Map([['a', [1]]]), new Map([['a', [1]]]), true],
  ['maps with other values', new Map([['a', 1]]), new Map([['a', 2]]), false],
  ['sets', new Set([1, 2]), new Set([2, 1]), true],
  ['sets of objects', new Set([{ a: 1 }]), new Set([{ a: 1 }]), true],
  ['sets with other members', new Set([1]), new Set([2]), false],
  ['dates', new Date(5), new Date(5), true],
  ['patterns', /a/g, /a/g, true],
  ['patterns with other flags', /a/g, /a/, false],
  ['errors', new Error('x'), new Error('x'), true],
  ['errors with other messages', new Error('x'), new Error('y'), false],
  ['errors of other classes', new Error('x'), new TypeError('x'), false],
  ['cycles', cycle, otherCycle, true],
];

/** Found, pattern, whether it fits. */
export const patternCases: readonly (readonly [string, unknown, unknown, boolean])[] = [
  ['a text holding the pattern', 'connection lost', 'lost', true],
  ['a text without it', 'connection lost', 'found', false],
  ['a regular expression', 'port 80', /\d+$/, true],
  ['a regular expression on a number', 42, /^4/, true],
  ['an instance of the class', new RangeError('x'), RangeError, true],
  ['an instance of a subclass', new RangeError('x'), Error, true],
  ['an instance of another class', new RangeError('x'), TypeError, false],
  ['an error with this message', new Error('no such host'), new Error('no such'), true],
  ['an error with another message', new Error('no such host'), new Error('timeout'), false],
  ['an error with another name', new RangeError('x'), new TypeError('x'), false],
  ['own keys only', { code: 5, message: 'gone', extra: 1 }, { code: 5, message: 'gone' }, true],
  ['a key with another value', { code: 5 }, { code: 6 }, false],
  ['a missing key', { code: 5 }, { detail: 'x' }, false],
  ['a missing key wanted as undefined', { code: 5 }, { detail: undefined }, true],
  ['nested patterns', { a: { b: 'long text' } }, { a: { b: /text/ } }, true],
  [
    'message and name of an error',
    new TypeError('bad'),
    { name: 'TypeError', message: 'bad' },
    true,
  ],
  ['a type by its constructor', { n: 1, s: '' }, { n: Number, s: String }, true],
  ['a longer array', [1, 2, 3], [1, 2], true],
  ['elements of an array', [{ a: 1, b: 2 }], [{ a: 1 }], true],
  ['an array that is too short', [1], [1, 2], false],
  ['nothing for something', undefined, { a: 1 }, false],
  ['null for undefined', null, undefined, true],
];

await t.test('strictSame', async (t) => {
  for (const [name, found, wanted, same] of strictCases) {
    t.equal(isStrictlySame(found, wanted), same, name);
  }
});

await t.test('match', async (t) => {
  for (const [name, found, pattern, fit] of patternCases) {
    t.equal(fitsPattern(found, pattern), fit, name);
  }
});
