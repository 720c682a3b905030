/** Runs a fast-check property as one assertion; a failure shows seed and path, with which the run can be repeated. */

import fc from 'fast-check';
import type { TestContext } from '../support/tap.ts';

/** Checks `property` over 500 runs with a fresh seed, which is printed. */
export function checkProperty<T>(t: TestContext, property: fc.IProperty<T>): void {
  const seed = Math.floor(Math.random() * 0x7fff_ffff);
  t.comment(`seed ${seed}`);
  const details = fc.check(property, { seed, numRuns: 500 });
  t.equal(
    details.failed,
    false,
    details.failed ? (fc.defaultReportMessage(details) ?? 'property failed') : 'property holds',
  );
}
