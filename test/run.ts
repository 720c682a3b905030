/**
 * `npm test`: runs the compiled test files, two at a time, and prints one line per file, failures in full, and the sums last.
 *
 *   npm test                                     everything
 *   npm test -- test/framing transport/settings  files whose name contains one of these
 *   npm test -- --jobs 1 --timeout 300           one at a time, 300 seconds per file
 */

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { findTestFiles, runTestFiles, thisNode, totalsOf } from './support/test-process.ts';
import { describeResult, describeTotals } from './support/test-report.ts';

const DEFAULT_TIMEOUT_SECONDS = '180';

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
      timeout: { type: 'string', default: DEFAULT_TIMEOUT_SECONDS },
    },
  });
  const jobs = positiveInteger('--jobs', values.jobs);
  const timeLimitMs = positiveInteger('--timeout', values.timeout) * 1000;
  const files = findTestFiles(positionals);
  console.log(`${files.length} test files on ${thisNode.name}, ${jobs} at a time\n`);
  const results = await runTestFiles(thisNode, files, jobs, timeLimitMs, (result) => {
    console.log(describeResult(result));
  });
  const totals = totalsOf(results);
  const failedFiles = results.filter(({ report, problems }) => report.failed + problems.length > 0);
  if (failedFiles.length > 0) {
    console.log(`\nfailed files:\n${failedFiles.map(({ name }) => `  ${name}`).join('\n')}`);
  }
  console.log(`\n${describeTotals(totals)}`);
  return totals.failed === 0 && totals.passed > 0 ? 0 : 1;
}

function positiveInteger(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`${option} must be a whole number of 1 or more, got "${text}"`);
  }
  return value;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
