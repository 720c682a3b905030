/** `npm run conformance -- hostile [ids…]`: every attack of test/hostile, one line each with memory and time. */

import { describeAttack, runAttacks } from '../hostile/suite.ts';
import type { SuiteResult } from './h2-suites.ts';

/** Runs the attacks whose id begins with one of `selection`, or all, and reports the sum. */
export async function runHostile(
  selection: readonly string[],
  report: (result: SuiteResult) => void,
): Promise<void> {
  const failed: string[] = [];
  let [held, broken, skipped] = [0, 0, 0];
  await runAttacks(
    ({ id }) => selection.length === 0 || selection.some((wanted) => id.startsWith(wanted)),
    (result) => {
      console.log(describeAttack(result));
      if (result.notRun !== undefined) skipped += 1;
      else if (result.failures.length === 0) held += 1;
      else {
        broken += 1;
        failed.push(`${result.id} ${result.title}:`, ...result.failures.map((text) => `  ${text}`));
      }
    },
    true,
  );
  report({ name: 'hostile', passed: held, failed: broken, skipped, output: failed.join('\n') });
}
