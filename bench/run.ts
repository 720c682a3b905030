/** `npm run bench`: reads the command line, measures the rows, prints and saves what came out. */

import { writeFileSync } from 'node:fs';
import { againstTable, anySlower, buildRevision } from './against.ts';
import { type Arm, againstName, armNamed, controlName, subjectName, whyNot } from './arms.ts';
import { makeCertificate } from './certificate.ts';
import { machineInfo, revisionInfo } from './machine.ts';
import { measureRow, plannedMs, RepeatBudget } from './measure.ts';
import { type BenchOptions, helpText, parseOptions, UsageError } from './options.ts';
import { installPeers } from './peers.ts';
import type { Probe } from './probes/probe.ts';
import { probes } from './probes/probes.ts';
import type { TlsMaterial } from './protocol.ts';
import { duration, goalsTable, probeTable, rowTable, TerminalProgress } from './report.ts';
import {
  type BenchResult,
  type MeasuredProbe,
  type RowResult,
  readResult,
  resultFormat,
} from './results.ts';
import { summarize } from './summary.ts';
import { canPinTo, killAllWorkers } from './worker-process.ts';
import { type Workload, workloads } from './workloads.ts';

/** A row and the arms that can run it here. */
interface PlannedRow {
  readonly workload: Workload;
  readonly arms: readonly Arm[];
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.mode === 'help' || options.mode === 'list') {
    process.stdout.write(helpText());
    return 0;
  }
  if (options.mode === 'render') return render(options);
  if (options.mode === 'build-peers') {
    const { buildPeers } = await import('./build-peers.ts');
    return buildPeers(say);
  }
  const measuring = options.mode === 'measure';
  const plannedProbes = measuring && options.against === null ? planProbes(options) : [];
  const plan = planRows(options, plannedProbes.length > 0);
  if (
    plannedProbes.length > 0 ||
    plan.some((row) => row.arms.some((arm) => arm.client.needsPeers || arm.server.needsPeers))
  ) {
    await installPeers(say);
  }
  const tls = plan.some((row) => row.workload.tls) ? await makeCertificate() : null;
  if (options.mode === 'counters') {
    const { countRows } = await import('./counters.ts');
    return countRows(plan, options, tls, say);
  }
  if (options.mode === 'profile') {
    const { profileRows } = await import('./profiles.ts');
    return profileRows(plan, options, tls, say);
  }
  if (options.against === null) return measure(plan, plannedProbes, options, tls, null);
  const { commit, folder } = buildRevision(options.against, say);
  return measure(plan, [], { ...options, againstFolder: folder }, tls, commit);
}

async function measure(
  plan: readonly PlannedRow[],
  plannedProbes: readonly Probe[],
  options: BenchOptions,
  tls: TlsMaterial | null,
  against: string | null,
): Promise<number> {
  const startedAt = new Date();
  const machine = machineInfo();
  const revision = revisionInfo();
  const { serverCore, clientCore, effort } = options;
  const pinned = canPinTo(serverCore) && canPinTo(clientCore);
  const totalMs =
    plan.reduce((sum, row) => sum + plannedMs(row.workload, row.arms, options), 0) +
    plannedProbes.reduce((sum, probe) => sum + probe.plannedMs, 0);
  say(
    `${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${machine.node}; ` +
      (pinned
        ? `servers on core ${serverCore}, clients on core ${clientCore}`
        : 'NOT PINNED: taskset is missing or those cores are not ours, so clients and servers may share a core'),
  );
  say(`${plan.length + plannedProbes.length} rows; about ${duration(totalMs)}\n`);
  const progress = new TerminalProgress(totalMs);
  const repeats = new RepeatBudget(totalMs);
  const rows: RowResult[] = [];
  const failures: { row: string; error: string }[] = [];
  const fail = (row: string, error: unknown): void => {
    progress.clear();
    const text = error instanceof Error ? error.message : String(error);
    failures.push({ row, error: text });
    say(`FAILED ${row}: ${text}\n`);
  };
  for (const { workload, arms } of plan) {
    progress.row(workload.name);
    try {
      const material = workload.tls ? tls : null;
      const samples = await measureRow(workload, arms, options, material, progress, repeats);
      const summary = summarize(workload, samples);
      const { arms: versions, launches, arrivalsPerSecond } = samples;
      rows.push({ ...summary, workload, versions, arrivalsPerSecond, samples: launches });
      progress.clear();
      process.stdout.write(`${rowTable(workload, summary)}\n`);
    } catch (error) {
      fail(workload.name, error);
    }
  }
  const found: MeasuredProbe[] = [];
  for (const probe of plannedProbes) {
    progress.row(probe.name);
    try {
      const arms = options.arms.length > 0 ? options.arms : probe.arms;
      const result = await probe.run(
        arms.filter((arm) => probe.arms.includes(arm)),
        options,
        (text) => progress.stage(text),
      );
      found.push({ name: probe.name, title: probe.title, ...result });
      progress.clear();
      process.stdout.write(`${probeTable(probe, result)}\n`);
    } catch (error) {
      fail(probe.name, error);
    }
    progress.passed(probe.plannedMs);
  }
  process.stdout.write(goalsTable(rows));
  if (against !== null) process.stdout.write(againstTable(rows, against));
  const result: BenchResult = {
    format: resultFormat,
    startedAt: startedAt.toISOString(),
    tookMs: Date.now() - startedAt.getTime(),
    machine,
    revision,
    against,
    settings: { effort, pinned, serverCore, clientCore },
    rows,
    probes: found,
    failures,
  };
  await save(result, [], options);
  say(`took ${duration(result.tookMs)}`);
  const missed = rows.some((row) =>
    row.goals.some(({ goal, reached }) => goal.level === 'mark' && !reached),
  );
  const worse = against === null ? missed : anySlower(rows);
  return failures.length > 0 || (options.check && worse) ? 1 : 0;
}

/** `--from`: the tables, the page and the documents of earlier runs. */
async function render(options: BenchOptions): Promise<number> {
  const [first, ...others] = options.from.map(readResult);
  if (first === undefined) throw new UsageError('--from takes the names of result files');
  for (const row of first.rows) process.stdout.write(`${rowTable(row.workload, row)}\n`);
  for (const probe of first.probes) process.stdout.write(`${probeTable(probe, probe)}\n`);
  process.stdout.write(goalsTable(first.rows));
  if (first.against !== null) process.stdout.write(againstTable(first.rows, first.against));
  await save(first, others, options);
  return 0;
}

/** Writes the files that the options ask for. */
async function save(
  result: BenchResult,
  others: readonly BenchResult[],
  { jsonFile, reportFile, docsFolder }: BenchOptions,
): Promise<void> {
  if (jsonFile !== null) {
    writeFileSync(jsonFile, `${JSON.stringify(result)}\n`);
    say(`results in ${jsonFile}`);
  }
  if (reportFile !== null) {
    const { reportPage } = await import('./pages/html-page.ts');
    writeFileSync(reportFile, reportPage([result, ...others]));
    say(`report in ${reportFile}`);
  }
  if (docsFolder !== null) {
    const { writeDocuments } = await import('./pages/results-document.ts');
    for (const file of writeDocuments([result, ...others], docsFolder)) say(`wrote ${file}`);
  }
}

/** The rows asked for, each with the arms that can run it; says which cannot. Throws UsageError. */
function planRows(options: BenchOptions, withProbes: boolean): PlannedRow[] {
  const wanted =
    options.only.length === 0
      ? workloads.filter((row) => isWanted(row, options))
      : options.only.flatMap((name) => {
          const found = workloads.filter((row) => row.name === name);
          const begun = workloads.filter((row) => row.name.startsWith(name));
          if (begun.length === 0 && !probes.some((probe) => probe.name.startsWith(name))) {
            throw new UsageError(`no row named '${name}'; see --list`);
          }
          return found.length > 0 ? found : begun;
        });
  const reasons = new Set<string>();
  const plan = wanted.map((workload) => {
    const names = options.arms.length > 0 ? options.arms : armsOf(workload, options);
    const arms = names.map(namedArm).filter((arm) => {
      const reason = whyNot(arm, workload);
      if (reason !== null) reasons.add(`without ${arm.name}: ${reason}`);
      return reason === null;
    });
    return { workload, arms };
  });
  for (const reason of reasons) say(reason);
  const runnable = plan.filter((row) => row.arms.length > 0);
  if (runnable.length === 0 && !withProbes)
    throw new UsageError('none of these arms can run these rows');
  return runnable;
}

/** Whether a run without `--only` has `row`. */
function isWanted(row: Workload, { effort, against }: BenchOptions): boolean {
  if (effort === 'quick') return row.quick;
  return against === null || row.guarded;
}

/** The rows asked for that are not a load; none of them is quick. */
function planProbes({ only, effort }: BenchOptions): Probe[] {
  if (only.length === 0) return effort === 'quick' ? [] : [...probes];
  return probes.filter((probe) => only.some((name) => probe.name.startsWith(name)));
}

/** The quick run has only the peers its marks name, and those that show where they stand. */
function armsOf(workload: Workload, { effort, against }: BenchOptions): readonly string[] {
  if (against !== null) return [subjectName, controlName, againstName];
  if (effort === 'thorough') return [...workload.arms, ...workload.moreArms];
  if (effort === 'full') return workload.arms;
  const taken = ['raw-echo', 'framed-echo', subjectName, controlName, 'grpc-js', 'node-http2'];
  return workload.arms.filter((name) => taken.includes(name));
}

function namedArm(name: string): Arm {
  try {
    return armNamed(name);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

process.on('SIGINT', () => {
  killAllWorkers();
  say('\ninterrupted');
  process.exit(130);
});
process.on('SIGTERM', () => {
  killAllWorkers();
  process.exit(143);
});
process.on('exit', killAllWorkers);

try {
  process.exitCode = await main();
} catch (error) {
  killAllWorkers();
  const usage = error instanceof UsageError;
  say(
    `bench: ${error instanceof Error ? error.message : String(error)}${usage ? '\n  npm run bench -- --help' : ''}`,
  );
  process.exitCode = 2;
}
