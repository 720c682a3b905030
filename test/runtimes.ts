/**
 * `npm run test:runtimes`: the compiled suite and the demo under Node 20, 22, 24, 26, Bun and Deno, and a table of the outcome.
 *
 *   npm run test:runtimes                           all
 *   npm run test:runtimes -- node24 bun             these
 *   npm run test:runtimes -- deno test/framing      only test files whose name contains this; no demo
 *   npm run test:runtimes -- --update               the newest version of each first
 *
 * The exit code is not 0 when a Node fails anything, or Bun or Deno fail a test that known-runtime-failures.json does not list.
 */

import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { outputFolder, projectFolder } from './support/project.ts';
import { installRuntime, type RuntimeSource, runtimeSources } from './support/runtimes.ts';
import {
  type FileResult,
  failedCount,
  findTestFiles,
  type Runtime,
  runProcess,
  runTestFiles,
  totalsOf,
} from './support/test-process.ts';
import { describeResult } from './support/test-report.ts';

const DEFAULT_TIMEOUT_SECONDS = '180';
const DEMO_TIME_LIMIT_MS = 180_000;

/** An entry of known-runtime-failures.json: what a runtime fails through a fault of its own. */
interface KnownFailure {
  readonly runtime: string;
  /** Name of the test file without suffix; `demo` for the demo. */
  readonly file: string;
  /** Beginnings of the failing tests, `outer > inner`; `process` for a time limit or an exit code. */
  readonly tests: readonly string[];
  readonly reason: string;
  /** The smallest program that shows the fault, or a sentence that says how to see it. */
  readonly minimalCase: string;
}

interface Row {
  readonly name: string;
  readonly version: string;
  readonly files: string;
  readonly passed: string;
  readonly failed: string;
  readonly skipped: string;
  readonly demo: string;
  readonly seconds: string;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      update: { type: 'boolean', default: false },
      jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
      timeout: { type: 'string', default: DEFAULT_TIMEOUT_SECONDS },
    },
  });
  const isRuntime = (word: string): boolean => runtimeSources.some(({ name }) => name === word);
  const chosen = positionals.filter(isRuntime);
  const filters = positionals.filter((word) => !isRuntime(word));
  const files = findTestFiles(filters);
  const known = readKnownFailures();

  const rows: Row[] = [];
  const notRun: string[] = [];
  let unexpected = 0;
  for (const source of runtimeSources) {
    if (chosen.length > 0 && !chosen.includes(source.name)) continue;
    const installed = installRuntime(source, values.update);
    if ('reason' in installed) {
      notRun.push(`${source.name}: ${installed.reason}`);
      console.log(`\n${source.name} not run: ${installed.reason}`);
      continue;
    }
    const { runtime, version } = installed;
    console.log(`\n${runtime.name}: ${files.length} test files`);
    const startedAt = performance.now();
    const results = await runTestFiles(
      runtime,
      files,
      Number(values.jobs),
      Number(values.timeout) * 1000,
      (result) => {
        if (failedCount(result) > 0) console.log(describeResult(result));
      },
    );
    const demo = filters.length > 0 ? 'not run' : await runDemo(runtime);
    unexpected += judge(source, results, demo, known);
    const { passed, failed, skipped } = totalsOf(results);
    rows.push({
      name: source.name,
      version,
      files: `${results.filter((result) => failedCount(result) === 0).length}/${files.length}`,
      passed: String(passed),
      failed: String(failed),
      skipped: String(skipped),
      demo,
      seconds: ((performance.now() - startedAt) / 1000).toFixed(0),
    });
  }

  console.log(`\n${table(rows)}`);
  for (const line of notRun) console.log(`not run: ${line}`);
  printKnown(known, rows);
  const verdict = unexpected === 0 ? 'no unexpected failure' : `${unexpected} unexpected failures`;
  console.log(`\n${rows.length} runtimes, ${verdict}`);
  return unexpected === 0 && rows.length > 0 ? 0 : 1;
}

/** Runs the demo; the result is `ok`, `absent`, or what went wrong. */
async function runDemo(runtime: Runtime): Promise<string> {
  const demo = join(outputFolder, 'test', 'demo', 'main.js');
  if (!existsSync(demo)) return 'absent';
  const run = await runProcess(runtime, demo, [], DEMO_TIME_LIMIT_MS);
  if (run.exitCode === 0) return 'ok';
  const outcome = run.timedOut
    ? `stopped after ${DEMO_TIME_LIMIT_MS / 1000} s`
    : `exit ${run.exitCode ?? run.signal}`;
  const tail = `${run.stdout}\n${run.stderr}`.trim().split('\n').slice(-15);
  console.log(`FAIL demo (${outcome})\n${tail.map((line) => `    ${line}`).join('\n')}`);
  return outcome;
}

/** Prints every failure of one runtime with its verdict and returns the number that nobody had listed. */
function judge(
  source: RuntimeSource,
  results: readonly FileResult[],
  demo: string,
  known: readonly KnownFailure[],
): number {
  const failures = results.flatMap((result) => [
    ...result.report.failures.map(({ path, message }) => ({
      file: result.name,
      test: [...path, message].join(' > '),
    })),
    ...result.problems.map((problem) => ({ file: result.name, test: `process: ${problem}` })),
  ]);
  if (!['ok', 'absent', 'not run'].includes(demo)) {
    failures.push({ file: 'demo', test: `process: ${demo}` });
  }
  let unexpected = 0;
  for (const { file, test } of failures) {
    const entry = known.find(
      (candidate) =>
        candidate.runtime === source.name &&
        candidate.file === file &&
        candidate.tests.some((name) => test.startsWith(name)),
    );
    if (entry === undefined) unexpected++;
    console.log(`  ${entry === undefined ? 'UNEXPECTED' : 'known'} ${file}: ${test}`);
  }
  for (const entry of known) {
    if (entry.runtime !== source.name || !results.some(({ name }) => name === entry.file)) continue;
    const stale = entry.tests.filter(
      (name) => !failures.some(({ file, test }) => file === entry.file && test.startsWith(name)),
    );
    for (const name of stale) console.log(`  listed but not failing: ${entry.file}: ${name}`);
  }
  return unexpected;
}

function readKnownFailures(): readonly KnownFailure[] {
  const file = join(projectFolder, 'test', 'known-runtime-failures.json');
  const known = JSON.parse(readFileSync(file, 'utf8')) as KnownFailure[];
  for (const entry of known) {
    const source = runtimeSources.find(({ name }) => name === entry.runtime);
    if (source === undefined || source.isNode || !entry.reason || !entry.minimalCase) {
      throw new Error(
        `${file}: the entry for ${entry.file} must name bun or deno, a reason and a minimal case`,
      );
    }
  }
  return known;
}

function printKnown(known: readonly KnownFailure[], rows: readonly Row[]): void {
  const relevant = known.filter(({ runtime }) => rows.some(({ name }) => name === runtime));
  if (relevant.length === 0) return;
  console.log('\nknown faults of the runtimes (test/known-runtime-failures.json):');
  for (const { runtime, file, tests, reason } of relevant) {
    console.log(`  ${runtime} ${file} (${tests.length}): ${reason}`);
  }
}

function table(rows: readonly Row[]): string {
  const head: Row = {
    name: 'runtime',
    version: 'version',
    files: 'files ok',
    passed: 'passed',
    failed: 'failed',
    skipped: 'skipped',
    demo: 'demo',
    seconds: 'seconds',
  };
  const columns = Object.keys(head) as (keyof Row)[];
  const widths = columns.map((column) =>
    Math.max(...[head, ...rows].map((row) => row[column].length)),
  );
  return [head, ...rows]
    .map((row) =>
      columns
        .map((column, i) => row[column].padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
