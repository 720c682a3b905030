/**
 * Runs compiled test files as processes of their own, a few at a time, and judges each by its TAP, its exit code and its time. The same
 * code serves `npm test` (this Node) and `npm run test:runtimes` (other Nodes, Bun, Deno).
 */

import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { outputFolder, projectFolder, slashed } from './project.ts';
import { readTap, type TapReport } from './tap-reader.ts';

/** A runtime and how to start a file with it. */
export interface Runtime {
  readonly name: string;
  /** Program and leading arguments; the file follows. */
  readonly command: readonly [string, ...string[]];
  /** Signal on which the file's TAP producer says what it was waiting for. */
  readonly timeoutSignal: NodeJS.Signals;
}

/** What became of one file. */
export interface FileResult {
  /** Source name without suffix, such as `test/framing/rfc9113-6.1-data`. */
  readonly name: string;
  readonly report: TapReport;
  /** Faults of the process as a whole: a time limit, an exit code, a missing plan. Each counts as one failed test. */
  readonly problems: readonly string[];
  /** Everything the process wrote to stderr. */
  readonly stderr: string;
  readonly durationMs: number;
}

/** Output beyond this is dropped, so that a runaway test cannot fill the memory of its runner. */
const MAX_OUTPUT_CHARACTERS = 64 * 1024 * 1024;
/** Time between the signal that asks for a last word and SIGKILL. */
const LAST_WORD_MS = 5000;
/** How often a file that takes long is mentioned. */
const HEARTBEAT_MS = 30_000;

/** The Node this process runs on. */
export const thisNode: Runtime = {
  name: `node ${process.versions.node}`,
  command: [process.execPath, '--enable-source-maps'],
  timeoutSignal: 'SIGALRM',
};

/**
 * Compiled test files whose source still exists, as source names, sorted. With filters only those whose name contains one of them; a
 * filter may be a folder, and may carry a `.ts`, `.test.ts` or `.js` suffix or a leading `dist/`. Throws Error naming a filter that
 * matches nothing.
 */
export function findTestFiles(filters: readonly string[]): string[] {
  const names = readdirSync(join(outputFolder, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.js'))
    .map((path) => `test/${slashed(path).slice(0, -'.test.js'.length)}`)
    .filter((name) => existsSync(join(projectFolder, `${name}.test.ts`)))
    .sort();
  if (filters.length === 0) return names;
  const wanted = filters.map((filter) => ({ filter, part: plainName(filter) }));
  for (const { filter, part } of wanted) {
    if (!names.some((name) => name.includes(part))) {
      throw new Error(
        `no test file matches "${filter}"; there are ${names.length}, such as ${names[0]}`,
      );
    }
  }
  return names.filter((name) => wanted.some(({ part }) => name.includes(part)));
}

function plainName(filter: string): string {
  const path = slashed(relative(projectFolder, join(projectFolder, filter)));
  return path.replace(/^dist\//, '').replace(/(\.test)?\.[cm]?[jt]s$/, '');
}

/** Runs one compiled test file to its end or to the time limit. Never rejects. */
export function runTestFile(
  runtime: Runtime,
  name: string,
  timeLimitMs: number,
): Promise<FileResult> {
  return runProcess(runtime, join(outputFolder, `${name}.test.js`), [], timeLimitMs).then((run) => {
    const report = readTap(run.stdout);
    return {
      name,
      report,
      problems: problemsOf(run, report, timeLimitMs),
      stderr: run.stderr,
      durationMs: run.durationMs,
    };
  });
}

/** A finished process. */
export interface ProcessRun {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  /** Why the program could not be started, or null. */
  readonly startError: string | null;
  readonly durationMs: number;
}

/** Starts `file` with `runtime` in the project's folder, without input, and collects what it writes. Never rejects. */
export function runProcess(
  runtime: Runtime,
  file: string,
  args: readonly string[],
  timeLimitMs: number,
): Promise<ProcessRun> {
  const [program, ...leading] = runtime.command;
  const startedAt = performance.now();
  const child = spawn(program, [...leading, file, ...args], {
    cwd: projectFolder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', TAP_TIMEOUT: String(timeLimitMs / 1000) },
  });
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8');
    child[name].on('data', (text: string) => {
      if (written[name].length < MAX_OUTPUT_CHARACTERS) written[name] += text;
    });
  }
  return new Promise((resolve) => {
    let timedOut = false;
    let startError: string | null = null;
    const limit = setTimeout(() => {
      timedOut = true;
      child.kill(runtime.timeoutSignal);
      setTimeout(() => child.kill('SIGKILL'), LAST_WORD_MS).unref();
    }, timeLimitMs);
    const finish = (exitCode: number | null, signal: NodeJS.Signals | null): void => {
      clearTimeout(limit);
      const durationMs = performance.now() - startedAt;
      resolve({ ...written, exitCode, signal, timedOut, startError, durationMs });
    };
    child.on('error', (error) => {
      startError = error.message;
      finish(null, null);
    });
    child.on('close', finish);
  });
}

function problemsOf(run: ProcessRun, report: TapReport, timeLimitMs: number): string[] {
  if (run.startError !== null) return [`could not be started: ${run.startError}`];
  const problems: string[] = [];
  if (run.timedOut) {
    problems.push(
      report.complete && report.failed === 0
        ? `all tests ended, but something kept the process alive for ${timeLimitMs / 1000} s`
        : `stopped after ${timeLimitMs / 1000} s`,
    );
  } else if (run.signal !== null) {
    problems.push(`ended by ${run.signal}`);
  } else if (run.exitCode !== 0 && report.failed === 0) {
    problems.push(`exit code ${run.exitCode}, though no test failed`);
  } else if (run.exitCode === 0 && !report.complete) {
    problems.push('ended before its last test');
  }
  // tap writes this to stderr only and exits with 0: the test in question has not run.
  if (/cannot create (subtest|a test) after|test after end\(\) was called/i.test(run.stderr)) {
    problems.push(
      'a test was made after the file had ended (a root teardown ends the file once no test is queued)',
    );
  }
  return problems;
}

/** Runs `files` on `runtime`, `jobs` at a time, and hands over each result as it comes. Results are returned in the order of `files`. */
export async function runTestFiles(
  runtime: Runtime,
  files: readonly string[],
  jobs: number,
  timeLimitMs: number,
  onResult: (result: FileResult) => void,
): Promise<FileResult[]> {
  const results: FileResult[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < files.length; index = next++) {
      const file = files[index]!;
      const startedAt = performance.now();
      const heartbeat = setInterval(() => {
        console.log(`  … ${file} runs for ${Math.round((performance.now() - startedAt) / 1000)} s`);
      }, HEARTBEAT_MS);
      const result = await runTestFile(runtime, file, timeLimitMs);
      clearInterval(heartbeat);
      results[index] = result;
      onResult(result);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return results;
}

/** Sums over files. */
export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Failed tests of one file, process problems included. */
export function failedCount(result: FileResult): number {
  return result.report.failed + result.problems.length;
}

/** Adds up the counts of all files. */
export function totalsOf(results: readonly FileResult[]): Totals {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const result of results) {
    passed += result.report.passed;
    failed += failedCount(result);
    skipped += result.report.skips.length;
  }
  return { passed, failed, skipped };
}
