/** `npm run conformance -- badclient [programs…]`: the payloads of C-core's bad_client tests, made anew, against our server. */

import { ALL_PAYLOADS, replay } from '../interop/bad-client/suite.ts';
import type { SuiteResult } from './h2-suites.ts';

/** Replays the payloads of the programs named, or of all, each program against a server of its own. */
export async function runBadClient(
  names: readonly string[],
  report: (result: SuiteResult) => void,
): Promise<void> {
  const programs = [...new Set(ALL_PAYLOADS.map(({ program }) => program))];
  const unknown = names.find((name) => !programs.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(`there is no program "${unknown}"; there are ${programs.join(', ')}`);
  }
  for (const program of programs) {
    if (names.length > 0 && !names.includes(program)) continue;
    const payloads = ALL_PAYLOADS.filter((payload) => payload.program === program);
    const failures = await replay(payloads);
    const failed = Math.min(failures.length, payloads.length);
    report({
      name: `badclient ${program}`,
      passed: payloads.length - failed,
      failed,
      skipped: 0,
      output: failures.join('\n'),
    });
  }
}
