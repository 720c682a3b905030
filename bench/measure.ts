/**
 * Measures one row: starts the processes of every arm, warms them up, then gives them short slices in turn, forward and backward, so
 * that whatever the machine does meanwhile meets all arms alike.
 */

import { type Arm, againstName, type Implementation, moduleName, workerCommand } from './arms.ts';
import { type Disturbance, disturbanceBetween, isCalm, processorTimes } from './machine.ts';
import type { BenchOptions } from './options.ts';
import { armsOfLaunch, type Pace, paceOf } from './pace.ts';
import { outputRoot } from './project.ts';
import type { Load, RunParams, RunResult, TlsMaterial, Usage } from './protocol.ts';
import { usageBetween } from './worker/usage.ts';
import { canPinTo, WorkerProcess } from './worker-process.ts';
import type { Workload } from './workloads.ts';

const warmUpSliceMs = 400;
const warmUpMs = 1_500;
const warmUpInFlight = 16;
const warmUpCompletions = 20_000;
/** What starting an arm, its warm-up and changing arms are expected to take. */
const startMs = 250;
const expectedWarmUpMs = 1_200;
const sliceOverheadMs = 15;
const quickMessagesPerStream = 10_000;
/** Blocks measured again, for each planned one. */
const maxRepeats = 1;
/** What a run may spend on blocks measured again: a share of its plan, and at least this long. */
const repeatShare = 0.15;
const leastRepeatMs = 60_000;

/** A closed loop as the load says, until the time is over. */
const unlimited = { maxCompletions: 0, inFlight: 0, arrivalsPerSecond: 0, seed: 1 };

/** One arm's turn. */
export interface SliceSample {
  readonly arm: string;
  readonly client: RunResult;
  readonly server: Usage;
}

/** Two turns of every arm, and what else the machine did meanwhile. */
export interface BlockSample extends Disturbance {
  readonly slices: readonly SliceSample[];
}

export interface LaunchSample {
  /** All that were measured, those that the rule of `isCalm` leaves out included. */
  readonly blocks: readonly BlockSample[];
  /** As many as were to be measured. */
  readonly planned: number;
}

/** Everything measured for one row. */
export interface RowSamples {
  readonly name: string;
  readonly arms: readonly {
    readonly name: string;
    readonly client: Readonly<Record<string, string>>;
    readonly server: Readonly<Record<string, string>>;
  }[];
  /** Open loop: the arrival rate all arms got. */
  readonly arrivalsPerSecond: number;
  readonly launches: readonly LaunchSample[];
}

/** Told what is going on: a row's stage, and that `ms` of planned time have passed. */
export interface Progress {
  stage(text: string): void;
  passed(ms: number): void;
}

/** The running processes of one arm. */
export interface ArmProcesses {
  readonly arm: Arm;
  readonly server: WorkerProcess;
  readonly client: WorkerProcess;
  readonly versions: {
    readonly client: Readonly<Record<string, string>>;
    readonly server: Readonly<Record<string, string>>;
  };
}

/** The load of a row as the options want it. */
export function loadOf(workload: Workload, quick: boolean): Load {
  const { load } = workload;
  if (!quick || load.messagesPerStream === 0) return load;
  return { ...load, messagesPerStream: Math.min(load.messagesPerStream, quickMessagesPerStream) };
}

/** Planned milliseconds of a row with `arms`, for the time left. */
export function plannedMs(workload: Workload, arms: readonly Arm[], options: BenchOptions): number {
  const pace = paceOf(workload, options);
  const blockMs = 2 * (pace.sliceMs + pace.rampMs + sliceOverheadMs);
  return pace.blocks.reduce((sum, blocks, launch) => {
    const taking = armsOfLaunch(workload, arms, launch, options).length;
    return sum + taking * (startMs + expectedWarmUpMs + blocks * blockMs);
  }, 0);
}

/** How long a run may yet measure blocks again; shared by its rows. */
export class RepeatBudget {
  #leftMs: number;

  constructor(plannedRunMs: number) {
    this.#leftMs = Math.max(plannedRunMs * repeatShare, leastRepeatMs);
  }

  get isSpent(): boolean {
    return this.#leftMs <= 0;
  }

  spend(ms: number): void {
    this.#leftMs -= ms;
  }
}

/** Measures `workload` on `arms`. Rejects with a WorkerError when a process fails; no process outlives the call. */
export async function measureRow(
  workload: Workload,
  arms: readonly Arm[],
  options: BenchOptions,
  tls: TlsMaterial | null,
  progress: Progress,
  repeats: RepeatBudget,
): Promise<RowSamples> {
  const load = loadOf(workload, options.effort === 'quick');
  const pace = paceOf(workload, options);
  const launches: LaunchSample[] = [];
  let described: RowSamples['arms'] = [];
  let arrivalsPerSecond = 0;
  for (let launch = 0; launch < pace.launches; launch++) {
    const label = pace.launches === 1 ? '' : `launch ${launch + 1}/${pace.launches}, `;
    const running: ArmProcesses[] = [];
    const taking = armsOfLaunch(workload, arms, launch, options);
    try {
      progress.stage(`${label}starting ${taking.length} arms`);
      running.push(...(await startArms(taking, load, options, tls)));
      progress.passed(startMs * taking.length);
      for (const each of running) {
        progress.stage(`${label}warming up ${each.arm.name}`);
        await warmUp(each, load);
        progress.passed(expectedWarmUpMs);
      }
      if (workload.openLoop !== null && arrivalsPerSecond === 0) {
        arrivalsPerSecond = await arrivalRate(workload, running);
      }
      const planned = pace.blocks[launch] as number;
      launches.push({
        planned,
        blocks: await measureBlocks(running, planned, pace, arrivalsPerSecond, {
          label,
          progress,
          repeats,
        }),
      });
      if (launch === 0) {
        described = running.map((each) => ({ name: each.arm.name, ...each.versions }));
      }
    } finally {
      await Promise.all(running.flatMap((each) => [each.client.end(), each.server.end()]));
    }
  }
  return { name: workload.name, arms: described, arrivalsPerSecond, launches };
}

/** Starts the arms at once; on failure none stays. */
async function startArms(
  arms: readonly Arm[],
  load: Load,
  options: BenchOptions,
  tls: TlsMaterial | null,
): Promise<ArmProcesses[]> {
  const started = await Promise.allSettled(
    arms.map((arm) => startArm(arm, load, options, tls, [])),
  );
  const running = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const failed = started.find((each) => each.status === 'rejected');
  if (failed === undefined) return running;
  await Promise.all(running.flatMap((each) => [each.client.end(), each.server.end()]));
  throw failed.reason;
}

/** Starts server and client of `arm`; on failure neither stays. */
export async function startArm(
  arm: Arm,
  load: Load,
  options: BenchOptions,
  tls: TlsMaterial | null,
  nodeFlags: readonly string[],
  maxStreams: number | null = null,
): Promise<ArmProcesses> {
  const pin = canPinTo(options.serverCore) && canPinTo(options.clientCore);
  const server = new WorkerProcess(
    `${arm.name} server`,
    workerCommand(arm.server, nodeFlags),
    pin ? options.serverCore : null,
  );
  const client = new WorkerProcess(
    `${arm.name} client`,
    workerCommand(arm.client, nodeFlags),
    pin ? options.clientCore : null,
  );
  try {
    const common = { tls, maxStreams, interceptors: load.interceptors };
    // Two revisions are compared in the same form, as compiled modules.
    const { againstFolder } = options;
    const library = ({ name }: Implementation): string | null =>
      againstFolder === null || name === againstName ? againstFolder : outputRoot;
    const served = await server.ask('start', {
      ...common,
      library: library(arm.server),
      role: 'server',
      implementation: moduleName(arm.server),
      port: 0,
      load: null,
    });
    const called = await client.ask('start', {
      ...common,
      library: library(arm.client),
      role: 'client',
      implementation: moduleName(arm.client),
      port: served.port,
      load,
    });
    return { arm, server, client, versions: { client: called.versions, server: served.versions } };
  } catch (error) {
    await Promise.all([client.end(), server.end()]);
    throw error;
  }
}

/**
 * Runs an arm until its code is compiled: 20,000 completions or 1.5 s, whichever comes first, and then a little as it will be measured.
 * Rows with few calls in flight warm up with more, or a busy machine would have them measured before they are compiled.
 */
export async function warmUp({ client }: ArmProcesses, load: Load): Promise<void> {
  const params = { ...unlimited, rampMs: 0, durationMs: warmUpSliceMs };
  const widened = load.kind === 'unary' || load.kind === 'ping-pong';
  const inFlight = widened ? Math.max(load.inFlight, warmUpInFlight) : 0;
  const until = Date.now() + warmUpMs;
  for (let completions = 0; completions < warmUpCompletions && Date.now() < until; ) {
    const { totalCompletions } = await client.ask('run', { ...params, inFlight }, warmUpSliceMs);
    completions += totalCompletions;
  }
  await client.ask('run', params, warmUpSliceMs);
}

/** Lets the client run for one slice. */
export function run(processes: ArmProcesses, params: RunParams): Promise<RunResult> {
  return processes.client.ask('run', params, params.rampMs + params.durationMs);
}

/** One slice of `processes`: the client runs, the server's counters are read while it is idle before and after. */
export async function runSlice(processes: ArmProcesses, params: RunParams): Promise<SliceSample> {
  const before = await processes.server.ask('usage', {});
  const client = await run(processes, params);
  const after = await processes.server.ask('usage', {});
  return { arm: processes.arm.name, client, server: usageBetween(before, after) };
}

/**
 * Measures `planned` blocks, and one more for each that the machine disturbed, up to as many again and as long as the run's budget lasts. Which those are is decided by what
 * others did to the machine, never by what was measured.
 */
async function measureBlocks(
  running: readonly ArmProcesses[],
  planned: number,
  pace: Pace,
  arrivalsPerSecond: number,
  {
    label,
    progress,
    repeats,
  }: { readonly label: string; readonly progress: Progress; readonly repeats: RepeatBudget },
): Promise<BlockSample[]> {
  const blocks: BlockSample[] = [];
  let calm = 0;
  for (let block = 0; calm < planned && block < planned * (1 + maxRepeats); block++) {
    if (block >= planned && repeats.isSpent) break;
    const startedAt = Date.now();
    progress.stage(
      block < planned
        ? `${label}block ${block + 1}/${planned}`
        : `${label}block ${block + 1}, as ${block - calm} were disturbed`,
    );
    // The order turns by one arm per block, then runs forward and backward.
    const turn = block % running.length;
    const forward = [...running.slice(turn), ...running.slice(0, turn)];
    const slices: SliceSample[] = [];
    const before = processorTimes();
    for (const each of [...forward, ...forward.toReversed()]) {
      slices.push(
        await runSlice(each, {
          ...unlimited,
          rampMs: pace.rampMs,
          durationMs: pace.sliceMs,
          arrivalsPerSecond,
          seed: block + 1,
        }),
      );
      if (block < planned) progress.passed(pace.rampMs + pace.sliceMs + sliceOverheadMs);
    }
    const own = slices.reduce((sum, slice) => sum + cpuMicros(slice), 0);
    const sample = { slices, ...disturbanceBetween(before, processorTimes(), own) };
    if (isCalm(sample)) calm++;
    blocks.push(sample);
    if (block >= planned) repeats.spend(Date.now() - startedAt);
  }
  return blocks;
}

async function arrivalRate(workload: Workload, running: readonly ArmProcesses[]): Promise<number> {
  const { share, capacityOf } = workload.openLoop!;
  const reference = running.find((each) => each.arm.name === capacityOf);
  if (reference === undefined) {
    throw new Error(`the arrival rate comes from ${capacityOf}, which is not among the arms`);
  }
  const { client } = await runSlice(reference, {
    ...unlimited,
    rampMs: 200,
    durationMs: 1_500,
  });
  return Math.max(1, Math.round((client.completions / client.windowMs) * 1000 * share));
}

function cpuMicros({ client, server }: SliceSample): number {
  const { usage } = client;
  return usage.userMicros + usage.systemMicros + server.userMicros + server.systemMicros;
}
