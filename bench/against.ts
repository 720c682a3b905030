/** `--against REV`: another revision of purewire, checked out and built below .tools/, and what the comparison says. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './project.ts';
import { interval, table } from './report.ts';
import type { Estimate } from './statistics.ts';
import type { RowSummary } from './summary.ts';

const archiveOctets = 256 * 1024 * 1024;

/** What an interval says of a change. */
export type Verdict = 'faster' | 'slower' | 'no difference' | 'cannot tell';

/** A built revision. */
export interface BuiltRevision {
  readonly commit: string;
  /** Folder of its compiled code. */
  readonly folder: string;
}

/** Checks `revision` out and compiles it, unless that was done before. Throws an Error that says what went wrong. */
export function buildRevision(revision: string, say: (text: string) => void): BuiltRevision {
  const commit = run('git', ['rev-parse', '--verify', `${revision}^{commit}`])
    .toString()
    .trim();
  const source = join(projectRoot, '.tools', 'against', commit.slice(0, 12));
  const folder = join(source, 'dist');
  const complete = join(source, '.built');
  if (!existsSync(complete)) {
    say(`building ${revision} (${commit.slice(0, 12)}) below .tools/against`);
    rmSync(source, { recursive: true, force: true });
    mkdirSync(source, { recursive: true });
    const archive = run('git', ['archive', '--format=tar', commit]);
    run('tar', ['-x', '-C', source], archive);
    symlinkSync(join(projectRoot, 'node_modules'), join(source, 'node_modules'), 'dir');
    const config = join(source, 'tsconfig.library.json');
    writeFileSync(
      config,
      JSON.stringify({
        extends: './tsconfig.json',
        compilerOptions: { incremental: false, tsBuildInfoFile: null, outDir: 'dist' },
        include: ['lib', 'framing', 'transport'],
      }),
    );
    const compiler = join(projectRoot, 'node_modules', 'typescript', 'bin', 'tsc');
    run(process.execPath, [compiler, '-p', config]);
    writeFileSync(complete, '');
  }
  return { commit, folder };
}

/** `faster` or `slower` only when the interval excludes 1 and purewire does not differ from itself. */
export function verdictOf(ratio: Estimate, better: 'higher' | 'lower', row: RowSummary): Verdict {
  if (row.disturbed || row.control?.verdict === 'fails' || !Number.isFinite(ratio.median)) {
    return 'cannot tell';
  }
  if (ratio.low > 1) return better === 'higher' ? 'faster' : 'slower';
  if (ratio.high < 1) return better === 'higher' ? 'slower' : 'faster';
  // Where purewire against itself spreads as wide as this, a difference would not have shown.
  return row.control?.verdict === 'wide' ? 'cannot tell' : 'no difference';
}

/** The comparison of all rows. */
export function againstTable(rows: readonly RowSummary[], commit: string): string {
  const lines = rows.flatMap((row) => {
    const { against } = row;
    if (against === null) return [];
    return [
      [
        row.name,
        interval(against.rate),
        verdictOf(against.rate, 'higher', row),
        interval(against.cpu),
        verdictOf(against.cpu, 'lower', row),
        interval(row.control?.ratio ?? null),
      ],
    ];
  });
  if (lines.length === 0) return '';
  const columns = ['', 'rate', '', 'CPU per call', '', 'A/A control'];
  return [
    `This revision against ${commit.slice(0, 12)}, medians with 95 % intervals`,
    ...table([columns, ...lines], columns.length).map((line) => `  ${line}`),
    '',
  ].join('\n');
}

/** Whether a row of the comparison is slower, in rate or CPU. */
export function anySlower(rows: readonly RowSummary[]): boolean {
  return rows.some(
    (row) =>
      row.against !== null &&
      (verdictOf(row.against.rate, 'higher', row) === 'slower' ||
        verdictOf(row.against.cpu, 'lower', row) === 'slower'),
  );
}

function run(program: string, args: readonly string[], input?: Buffer): Buffer {
  const done = spawnSync(program, args, {
    cwd: projectRoot,
    maxBuffer: archiveOctets,
    ...(input === undefined ? {} : { input }),
  });
  if (done.status === 0) return done.stdout;
  const said = done.error?.message ?? `${done.stdout.toString()}${done.stderr.toString()}`.trim();
  throw new Error(`${program} ${args.join(' ')} failed: ${said}`);
}
