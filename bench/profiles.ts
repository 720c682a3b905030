/** `--profile` and `--allocations`: where an arm's client and server spend their time or make their garbage. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Arm } from './arms.ts';
import { loadOf, run, startArm, warmUp } from './measure.ts';
import type { BenchOptions } from './options.ts';
import type { ProfileEntry, TlsMaterial } from './protocol.ts';
import { figure } from './report.ts';
import type { Workload } from './workloads.ts';

const profiledMs = 4_000;
const shownEntries = 30;

/** Profiles each arm of each row; resolves to the exit code. */
export async function profileRows(
  plan: readonly { readonly workload: Workload; readonly arms: readonly Arm[] }[],
  options: BenchOptions,
  tls: TlsMaterial | null,
  say: (text: string) => void,
): Promise<number> {
  const folder = options.profileFolder!;
  mkdirSync(folder, { recursive: true });
  for (const { workload, arms } of plan) {
    for (const arm of arms) {
      if (arm.client.program !== null || arm.server.program !== null) {
        say(`${arm.name} is not a Node program; not profiled`);
        continue;
      }
      say(`${workload.name}: profiling ${arm.name}`);
      await profileArm(workload, arm, options, workload.tls ? tls : null, folder);
    }
  }
  say(`profiles in ${folder}`);
  return 0;
}

async function profileArm(
  workload: Workload,
  arm: Arm,
  options: BenchOptions,
  tls: TlsMaterial | null,
  folder: string,
): Promise<void> {
  const kind = options.profileKind;
  const load = loadOf(workload, options.effort === 'quick');
  const processes = await startArm(arm, load, options, tls, []);
  try {
    await warmUp(processes, load);
    for (const side of ['client', 'server'] as const) {
      const worker = processes[side];
      await worker.ask('profile-start', { kind });
      const result = await run(processes, {
        rampMs: 0,
        durationMs: profiledMs,
        maxCompletions: 0,
        inFlight: 0,
        arrivalsPerSecond: 0,
        seed: 1,
      });
      const extension = kind === 'cpu' ? 'cpuprofile' : 'heapprofile';
      const name = `${workload.name}-${arm.name.replace(':', '-')}-${side}.${extension}`;
      const stopped = await worker.ask('profile-stop', { file: join(folder, name) });
      const perCall =
        kind === 'cpu'
          ? ''
          : `, ${figure(stopped.allocatedOctets / result.totalCompletions)} octets per completion`;
      process.stdout.write(
        `${workload.name} ${arm.name} ${side}: ${result.totalCompletions} completions in ${Math.round(result.totalMs)} ms${perCall}\n` +
          `${entryLines(stopped.entries)}\n\n`,
      );
    }
  } finally {
    await Promise.all([processes.client.end(), processes.server.end()]);
  }
}

function entryLines(entries: readonly ProfileEntry[]): string {
  return entries
    .slice(0, shownEntries)
    .map(({ where, selfShare }) => `  ${(selfShare * 100).toFixed(1).padStart(5)} %  ${where}`)
    .join('\n');
}
