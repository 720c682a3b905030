/**
 * How long a row is measured: few seconds for all rows in one sitting, more where a goal hangs on it. A full run spends its launches on the
 * arms that a goal compares; the others show where those stand, for which the blocks of one launch are enough.
 */

import { againstName, controlName, subjectName } from './arms.ts';
import type { BenchOptions, Effort } from './options.ts';
import type { Workload } from './workloads.ts';

/** Durations in milliseconds. */
export interface Pace {
  /** Fresh processes of every arm. */
  readonly launches: number;
  /** Blocks of each launch. */
  readonly blocks: readonly number[];
  readonly sliceMs: number;
  /** Time at the start of a slice that does not count for rate and latency. */
  readonly rampMs: number;
}

interface Effortful {
  readonly headline: PaceBase;
  readonly other: PaceBase;
  /** Rows without goals. */
  readonly reported: PaceBase;
}
interface PaceBase {
  readonly launches: number;
  /** Measured seconds per arm. */
  readonly seconds: number;
  readonly sliceMs: number;
  readonly rampMs: number;
}

const quick: PaceBase = { launches: 1, seconds: 3.5, sliceMs: 350, rampMs: 50 };
const thorough: PaceBase = { launches: 5, seconds: 20, sliceMs: 1_000, rampMs: 250 };
const versus: PaceBase = { launches: 4, seconds: 11.2, sliceMs: 350, rampMs: 50 };

/** The paces of each effort. */
export const paces: Readonly<Record<Effort, Effortful>> = {
  quick: { headline: quick, other: quick, reported: quick },
  full: {
    headline: { launches: 3, seconds: 4.9, sliceMs: 350, rampMs: 50 },
    other: { launches: 1, seconds: 2.1, sliceMs: 350, rampMs: 50 },
    reported: { launches: 1, seconds: 1.2, sliceMs: 200, rampMs: 50 },
  },
  thorough: { headline: thorough, other: thorough, reported: thorough },
};

/** The pace of `workload`: that of the effort, with what the command line says instead. */
export function paceOf(workload: Workload, options: BenchOptions): Pace {
  const kind = workload.headline ? 'headline' : workload.goals.length > 0 ? 'other' : 'reported';
  const against = options.againstFolder !== null && options.effort !== 'thorough';
  const base = against ? versus : paces[options.effort][kind];
  const launches = options.launches ?? (against && options.effort === 'quick' ? 3 : base.launches);
  const sliceMs = options.sliceMs ?? base.sliceMs;
  const seconds = options.seconds ?? (base.seconds * launches) / base.launches;
  return {
    launches,
    // Each block gives each arm two slices, so that its first and last place in the order balance.
    blocks: spread(Math.round((seconds * 1000) / (2 * sliceMs)), launches),
    sliceMs,
    rampMs: Math.min(base.rampMs, sliceMs),
  };
}

/** `blocks` over `launches`, at least two in each, the first ones taking what is left. */
function spread(blocks: number, launches: number): number[] {
  return Array.from({ length: launches }, (_, launch) =>
    Math.max(2, Math.floor(blocks / launches) + (launch < blocks % launches ? 1 : 0)),
  );
}

/** Which of `arms` take part in `launch`: in a full run, the first has all, the others those that a goal of the row compares. */
export function armsOfLaunch<Named extends { readonly name: string }>(
  workload: Workload,
  arms: readonly Named[],
  launch: number,
  options: BenchOptions,
): readonly Named[] {
  if (launch === 0 || options.effort !== 'full' || options.arms.length > 0) return arms;
  const compared = new Set([subjectName, controlName, againstName]);
  for (const goal of workload.goals) compared.add(goal.versus);
  return arms.filter((arm) => compared.has(arm.name));
}
