/** How results of test files are put into words on the terminal. */

import type { Failure } from './tap-reader.ts';
import { type FileResult, failedCount, type Totals } from './test-process.ts';

const MAX_NOISE_LINES = 60;

/** One line for a file that passed, and its figures; for a file that failed its failures in full; skips with their reasons. */
export function describeResult(result: FileResult): string {
  const failed = failedCount(result);
  const seconds = (result.durationMs / 1000).toFixed(1);
  const { report } = result;
  const tests = report.passed + report.failed;
  const counts = `${tests} ${tests === 1 ? 'test' : 'tests'}, ${report.assertions} assertions, ${seconds} s`;
  const lines = [`${failed === 0 ? 'ok  ' : 'FAIL'} ${result.name}  (${counts})`];
  for (const [reason, count] of skipReasons(result)) {
    lines.push(`     skipped${count === 1 ? '' : ` ${count}`}: ${reason}`);
  }
  for (const figure of report.figures) lines.push(`     ${figure}`);
  if (failed === 0) return lines.join('\n');
  for (const failure of report.failures) lines.push(...describeFailure(failure));
  for (const problem of result.problems) lines.push(`  ✗ ${problem}`);
  const noise = [...report.noise, ...result.stderr.split('\n')].filter(
    (line) => line.trim() !== '',
  );
  if (noise.length > 0) {
    lines.push('  output:', ...noise.slice(-MAX_NOISE_LINES).map((line) => `    ${line}`));
  }
  return lines.join('\n');
}

/** The first failure of a file in one line, for tables. */
export function firstFailure(result: FileResult): string {
  const [failure] = result.report.failures;
  if (failure === undefined) return result.problems[0] ?? '';
  return [...failure.path, failure.message].join(' > ');
}

/** The closing line of a run: `N passed, N failed`, and `, N skipped` when some were. */
export function describeTotals(totals: Totals): string {
  const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : '';
  return `${totals.passed} passed, ${totals.failed} failed${skipped}`;
}

function describeFailure(failure: Failure): string[] {
  const title = [...failure.path, failure.message].join(' > ');
  const hasStack = failure.details.some((line) => line.startsWith('stack:'));
  const details = withoutKeys(failure.details, hasStack ? BESIDES_STACK : REDUNDANT);
  const comments = failure.comments.map((comment) => `# ${comment}`);
  return [`  ✗ ${title}`, ...[...comments, ...details].map((line) => `      ${line}`)];
}

/** What tap adds to every failure and nobody needs twice: the lines around the call site, and the site in parts when there is a stack. */
const REDUNDANT = /^(source|compare|tapCaught):/;
const BESIDES_STACK = /^(at|source|compare|tapCaught):/;

function withoutKeys(details: readonly string[], keys: RegExp): string[] {
  let dropping = false;
  return details.filter((line) => {
    if (/^\S/.test(line)) dropping = keys.test(line);
    return !dropping && line.trim() !== '';
  });
}

function skipReasons(result: FileResult): Map<string, number> {
  const reasons = new Map<string, number>();
  for (const { path, reason } of result.report.skips) {
    const text = [...path, reason].join(' > ');
    reasons.set(text, (reasons.get(text) ?? 0) + 1);
  }
  return reasons;
}
