/** `--counters`: what a call costs in system calls, octets, loop turns and allocation, which no busy machine changes. */

import type { Arm } from './arms.ts';
import { loadOf, run, runSlice, startArm, warmUp } from './measure.ts';
import type { BenchOptions } from './options.ts';
import type { TlsMaterial, Usage } from './protocol.ts';
import { figure, table } from './report.ts';
import type { Workload } from './workloads.ts';

const countedCompletions = 20_000;
const longestMs = 20_000;

interface Counted {
  readonly arm: string;
  readonly side: 'client' | 'server';
  readonly completions: number;
  readonly usage: Usage;
  readonly allocatedOctets: number;
}

/** Counts each row of `plan` and prints a table; resolves to the exit code. */
export async function countRows(
  plan: readonly { readonly workload: Workload; readonly arms: readonly Arm[] }[],
  options: BenchOptions,
  tls: TlsMaterial | null,
  say: (text: string) => void,
): Promise<number> {
  let failed = false;
  for (const { workload, arms } of plan) {
    const counted: Counted[] = [];
    for (const arm of arms) {
      say(`${workload.name}: counting ${arm.name}`);
      try {
        counted.push(...(await countArm(workload, arm, options, workload.tls ? tls : null)));
      } catch (error) {
        failed = true;
        say(`FAILED ${workload.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    process.stdout.write(`${counterTable(workload, counted)}\n`);
  }
  return failed ? 1 : 0;
}

async function countArm(
  workload: Workload,
  arm: Arm,
  options: BenchOptions,
  tls: TlsMaterial | null,
): Promise<Counted[]> {
  const load = loadOf(workload, true);
  const processes = await startArm(arm, load, options, tls, []);
  const params = {
    rampMs: 0,
    durationMs: longestMs,
    maxCompletions: countedCompletions,
    inFlight: 0,
    arrivalsPerSecond: 0,
    seed: 1,
  };
  try {
    await warmUp(processes, load);
    const slice = await runSlice(processes, params);
    const completions = slice.client.totalCompletions;
    // Allocation is counted in a slice of its own: the sampling writes nothing, but it takes time.
    const allocated = { client: Number.NaN, server: Number.NaN };
    if (arm.client.program === null && arm.server.program === null) {
      await processes.client.ask('profile-start', { kind: 'allocations' });
      await processes.server.ask('profile-start', { kind: 'allocations' });
      const sampled = await run(processes, params);
      const client = await processes.client.ask('profile-stop', { file: null });
      const server = await processes.server.ask('profile-stop', { file: null });
      allocated.client = client.allocatedOctets / sampled.totalCompletions;
      allocated.server = server.allocatedOctets / sampled.totalCompletions;
    }
    return [
      {
        arm: arm.name,
        side: 'client',
        completions,
        usage: slice.client.usage,
        allocatedOctets: allocated.client,
      },
      {
        arm: arm.name,
        side: 'server',
        completions,
        usage: slice.server,
        allocatedOctets: allocated.server,
      },
    ];
  } finally {
    await Promise.all([processes.client.end(), processes.server.end()]);
  }
}

function counterTable(workload: Workload, counted: readonly Counted[]): string {
  const per = workload.unit === 'messages' ? 'message' : 'call';
  const lines = counted.map(({ arm, side, completions, usage, allocatedOctets }) => [
    `${arm} ${side}`,
    (usage.writeCalls / completions).toFixed(3),
    (usage.readCalls / completions).toFixed(3),
    (usage.writtenOctets / completions).toFixed(1),
    (usage.readOctets / completions).toFixed(1),
    (usage.loopTurns / completions).toFixed(3),
    figure(allocatedOctets),
  ]);
  const columns = ['', 'writes', 'reads', 'octets out', 'octets in', 'loop turns', 'allocated'];
  return [
    `${workload.name}: ${workload.title}; per ${per}, over about ${countedCompletions}`,
    ...table([columns, ...lines]).map((line) => `  ${line}`),
    '',
  ].join('\n');
}
