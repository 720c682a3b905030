/** `npm run bench`: reads the command line, measures the rows, prints and saves what came out. */

import { writeFileSync } from 'node:fs';
import { type Arm, armNamed, whyNot } from './arms.ts';
import { makeCertificate } from './certificate.ts';
import { machineInfo, revisionInfo } from './machine.ts';
import { measureRow, plannedMs, type RowSamples } from './measure.ts';
import { type BenchOptions, helpText, parseOptions, UsageError } from './options.ts';
import { installPeers } from './peers.ts';
import type { Probe, ProbeResult } from './probes/probe.ts';
import { probes } from './probes/probes.ts';
import type { TlsMaterial } from './protocol.ts';
import { duration, goalsTable, probeTable, rowTable, TerminalProgress } from './report.ts';
import { type RowSummary, summarize } from './summary.ts';
import { canPinTo, killAllWorkers } from './worker-process.ts';
import { type Workload, workloads } from './workloads.ts';

interface MeasuredProbe extends ProbeResult {
  readonly name: string;
}

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
  if (options.mode === 'build-peers') {
    const { buildPeers } = await import('./build-peers.ts');
    return buildPeers(say);
  }
  const plannedProbes = options.mode === 'measure' ? planProbes(options) : [];
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
  return measure(plan, plannedProbes, options, tls);
}

async function measure(
  plan: readonly PlannedRow[],
  plannedProbes: readonly Probe[],
  options: BenchOptions,
  tls: TlsMaterial | null,
): Promise<number> {
  const startedAt = new Date();
  const machine = machineInfo();
  const revision = revisionInfo();
  const pinned = canPinTo(options.serverCore) && canPinTo(options.clientCore);
  const totalMs =
    plan.reduce((sum, row) => sum + plannedMs(row.arms.length, options), 0) +
    plannedProbes.reduce((sum, probe) => sum + probe.plannedMs, 0);
  say(
    `${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${machine.node}; ` +
      (pinned
        ? `servers on core ${options.serverCore}, clients on core ${options.clientCore}`
        : 'NOT PINNED: taskset is missing or those cores are not ours, so clients and servers may share a core'),
  );
  say(
    `${plan.length + plannedProbes.length} rows, ${options.launches} launches of ${options.blocksPerLaunch} blocks, ` +
      `slices of ${options.sliceMs} ms; about ${duration(totalMs)}\n`,
  );
  const progress = new TerminalProgress(totalMs);
  const measured: { samples: RowSamples; summary: RowSummary }[] = [];
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
      const samples = await measureRow(
        workload,
        arms,
        options,
        workload.tls ? tls : null,
        progress,
      );
      const summary = summarize(workload, samples);
      measured.push({ samples, summary });
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
      found.push({ name: probe.name, ...result });
      progress.clear();
      process.stdout.write(`${probeTable(probe, result)}\n`);
    } catch (error) {
      fail(probe.name, error);
    }
    progress.passed(probe.plannedMs);
  }
  const summaries = measured.map((row) => row.summary);
  process.stdout.write(goalsTable(summaries));
  if (options.jsonFile !== null) {
    const { jsonFile, ...settings } = options;
    const result = {
      format: 1,
      startedAt: startedAt.toISOString(),
      tookMs: Date.now() - startedAt.getTime(),
      machine,
      revision,
      settings: { ...settings, pinned },
      rows: measured.map((row) => ({ ...row.summary, samples: row.samples })),
      probes: found,
      failures,
    };
    writeFileSync(jsonFile, `${JSON.stringify(result)}\n`);
    say(`results in ${jsonFile}`);
  }
  say(`took ${duration(Date.now() - startedAt.getTime())}`);
  const missed = summaries.some((row) =>
    row.goals.some(({ goal, reached }) => goal.level === 'mark' && !reached),
  );
  return failures.length > 0 || (options.check && missed) ? 1 : 0;
}

/** The rows asked for, each with the arms that can run it; says which cannot. Throws UsageError. */
function planRows(options: BenchOptions, withProbes: boolean): PlannedRow[] {
  const wanted =
    options.only.length === 0
      ? workloads.filter((row) => row.quick || !options.quick)
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
    const names = options.arms.length > 0 ? options.arms : armsOf(workload, options.quick);
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

/** The rows asked for that are not a load; none of them is quick. */
function planProbes(options: BenchOptions): Probe[] {
  if (options.only.length === 0) return options.quick ? [] : [...probes];
  return probes.filter((probe) => options.only.some((name) => probe.name.startsWith(name)));
}

/** The quick run leaves out the peers that only wrap others. */
function armsOf(workload: Workload, quick: boolean): readonly string[] {
  if (!quick) return workload.arms;
  const left = ['framed-codec', 'nice-grpc', 'connect-node', 'grpc-go'];
  return workload.arms.filter((name) => !left.includes(name));
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
