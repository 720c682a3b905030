/** From samples to figures: medians per arm, ratios per block with intervals, the goals, and which blocks do not count. */

import { againstName, controlName, subjectName } from './arms.ts';
import { isCalm } from './machine.ts';
import type { BlockSample, RowSamples, SliceSample } from './measure.ts';
import { bootstrapMedian, type Estimate, median } from './statistics.ts';
import type { ComparedSide, Goal, Workload } from './workloads.ts';

const controlTolerance = 0.03;
/** An interval wider than this says nothing about a few percent. */
const controlWidth = 0.2;

const comparedMetric: Readonly<Record<ComparedSide, keyof ArmBlock>> = {
  both: 'cpuMicros',
  client: 'clientMicros',
  server: 'serverMicros',
};

/** One arm in one block. */
interface ArmBlock {
  readonly rate: number;
  readonly clientMicros: number;
  readonly serverMicros: number;
  readonly cpuMicros: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
}

/** Medians of one arm, and what purewire makes of it. */
export interface ArmSummary {
  readonly name: string;
  /** Completions per second. */
  readonly rate: number;
  readonly rateEstimate: Estimate;
  /** Client and server together, or the one side that the row compares. */
  readonly cpuEstimate: Estimate;
  /** CPU per completion in microseconds, user and system. */
  readonly clientMicros: number;
  readonly serverMicros: number;
  /** Latency in microseconds; null where the row records none. */
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly p999: number | null;
  /** purewire's rate ÷ this arm's; null for purewire itself, or where it does not take part. */
  readonly rateRatio: Estimate | null;
  /** purewire's p99 ÷ this arm's, where the row records latencies. */
  readonly p99Ratio: Estimate | null;
  /** purewire's CPU per completion ÷ this arm's: both sides together, or the one that the row compares. */
  readonly cpuRatio: Estimate | null;
}

/** purewire against itself at another revision. */
export interface AgainstSummary {
  /** This revision ÷ the other one. */
  readonly rate: Estimate;
  readonly cpu: Estimate;
}

export interface GoalResult {
  readonly goal: Goal;
  readonly ratio: Estimate;
  /** False for a row whose ratios do not count: it was disturbed, or purewire differs from itself. */
  readonly counts: boolean;
  readonly reached: boolean;
}

/** `wide`: the control's interval is too wide to tell. */
export type ControlVerdict = 'holds' | 'fails' | 'wide';

export interface RowSummary {
  readonly name: string;
  readonly arms: readonly ArmSummary[];
  readonly goals: readonly GoalResult[];
  /** purewire ÷ purewire; null when the control did not run. */
  readonly control: { readonly ratio: Estimate; readonly verdict: ControlVerdict } | null;
  /** Null unless another revision took part. */
  readonly against: AgainstSummary | null;
  readonly blocks: number;
  readonly discarded: number;
  /** True when fewer than half as many blocks as planned kept the rule: then all are kept, and none of it is worth much. */
  readonly disturbed: boolean;
  readonly stealShare: number;
  readonly othersShare: number;
}

/** Summarizes one row. */
export function summarize(workload: Workload, samples: RowSamples): RowSummary {
  const all = samples.launches.flatMap((launch) => launch.blocks);
  const calm = all.filter(isCalm);
  const planned = samples.launches.reduce((sum, launch) => sum + launch.planned, 0);
  const disturbed = calm.length * 2 < planned;
  const launches = samples.launches.map((launch) =>
    (disturbed ? launch.blocks : launch.blocks.filter(isCalm)).map(armBlocks),
  );
  const blocks = launches.flat();
  const names = samples.arms.map((arm) => arm.name);
  const ratio = (metric: keyof ArmBlock, above: string, below: string): Estimate | null => {
    if (!names.includes(above) || !names.includes(below)) return null;
    return bootstrapMedian(
      launches.map((each) =>
        each.flatMap((block) => {
          const [upper, lower] = [block.get(above), block.get(below)];
          return upper === undefined || lower === undefined ? [] : [upper[metric] / lower[metric]];
        }),
      ),
    );
  };
  const controlRatio = ratio('rate', subjectName, controlName);
  const againstRate = ratio('rate', subjectName, againstName);
  const againstCpu = ratio('cpuMicros', subjectName, againstName);
  const control =
    controlRatio === null ? null : { ratio: controlRatio, verdict: controlVerdict(controlRatio) };
  const counts = !disturbed && control?.verdict !== 'fails';
  const comparedCpu = comparedMetric[workload.compared];
  const { latency } = workload.load;
  return {
    name: samples.name,
    arms: names.map((name) => {
      const own = launches.map((each) => each.flatMap((block) => block.get(name) ?? []));
      const middle = (metric: keyof ArmBlock): number =>
        median(own.flat().map((block) => block[metric]));
      const estimate = (metric: keyof ArmBlock): Estimate =>
        bootstrapMedian(own.map((each) => each.map((block) => block[metric])));
      const isSubject = name === subjectName;
      return {
        name,
        rate: middle('rate'),
        rateEstimate: estimate('rate'),
        cpuEstimate: estimate(comparedCpu),
        clientMicros: middle('clientMicros'),
        serverMicros: middle('serverMicros'),
        p50: latency ? middle('p50') : null,
        p90: latency ? middle('p90') : null,
        p99: latency ? middle('p99') : null,
        p999: latency ? middle('p999') : null,
        rateRatio: isSubject ? null : ratio('rate', subjectName, name),
        p99Ratio: isSubject || !latency ? null : ratio('p99', subjectName, name),
        cpuRatio: isSubject ? null : ratio(comparedCpu, subjectName, name),
      };
    }),
    goals: workload.goals.flatMap((goal) => {
      const found = ratio(goal.metric, subjectName, goal.versus);
      if (found === null) return [];
      const reached =
        counts &&
        Number.isFinite(found.median) &&
        (goal.atLeast === undefined || found.median >= goal.atLeast) &&
        (goal.atMost === undefined || found.median <= goal.atMost);
      return [{ goal, ratio: found, counts, reached }];
    }),
    control,
    against:
      againstRate === null || againstCpu === null ? null : { rate: againstRate, cpu: againstCpu },
    blocks: blocks.length,
    discarded: disturbed ? 0 : all.length - calm.length,
    disturbed,
    stealShare: median(all.map((block) => block.stealShare)),
    othersShare: median(all.map((block) => block.othersShare)),
  };
}

function controlVerdict({ low, high }: Estimate): ControlVerdict {
  if (!(low <= 1 + controlTolerance && high >= 1 - controlTolerance)) return 'fails';
  return high - low > controlWidth ? 'wide' : 'holds';
}

function armBlocks(block: BlockSample): Map<string, ArmBlock> {
  const names = new Set(block.slices.map((slice) => slice.arm));
  return new Map(
    [...names].map((name) => [name, armBlock(block.slices.filter((slice) => slice.arm === name))]),
  );
}

function armBlock(slices: readonly SliceSample[]): ArmBlock {
  const sum = (of: (slice: SliceSample) => number): number =>
    slices.reduce((total, slice) => total + of(slice), 0);
  const completions = sum((slice) => slice.client.totalCompletions);
  const clientMicros =
    sum(({ client }) => client.usage.userMicros + client.usage.systemMicros) / completions;
  const serverMicros = sum(({ server }) => server.userMicros + server.systemMicros) / completions;
  return {
    rate: (sum((slice) => slice.client.completions) * 1000) / sum((slice) => slice.client.windowMs),
    clientMicros,
    serverMicros,
    cpuMicros: clientMicros + serverMicros,
    p50: sum((slice) => slice.client.latency?.p50 ?? 0) / slices.length,
    p90: sum((slice) => slice.client.latency?.p90 ?? 0) / slices.length,
    p99: sum((slice) => slice.client.latency?.p99 ?? 0) / slices.length,
    p999: sum((slice) => slice.client.latency?.p999 ?? 0) / slices.length,
  };
}
