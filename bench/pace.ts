/** How long a row is measured: few seconds for all rows in one sitting, more where a goal hangs on it. */

import type { BenchOptions, Effort } from './options.ts';
import type { Workload } from './workloads.ts';

/** Durations in milliseconds. */
export interface Pace {
  /** Fresh processes of every arm. */
  readonly launches: number;
  readonly blocksPerLaunch: number;
  readonly sliceMs: number;
  /** Time at the start of a slice that does not count for rate and latency. */
  readonly rampMs: number;
}

interface Effortful {
  readonly headline: PaceBase;
  readonly other: PaceBase;
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
  quick: { headline: quick, other: quick },
  full: {
    headline: { launches: 3, seconds: 4.2, sliceMs: 350, rampMs: 50 },
    other: { launches: 1, seconds: 2.1, sliceMs: 350, rampMs: 50 },
  },
  thorough: { headline: thorough, other: thorough },
};

/** The pace of `workload`: that of the effort, with what the command line says instead. */
export function paceOf(workload: Workload, options: BenchOptions): Pace {
  const kind = workload.headline ? 'headline' : 'other';
  const against = options.againstFolder !== null && options.effort !== 'thorough';
  const base = against ? versus : paces[options.effort][kind];
  const launches = options.launches ?? (against && options.effort === 'quick' ? 3 : base.launches);
  const sliceMs = options.sliceMs ?? base.sliceMs;
  const seconds = options.seconds ?? (base.seconds * launches) / base.launches;
  return {
    launches,
    // Each block gives each arm two slices, so that its first and last place in the order balance.
    blocksPerLaunch: Math.max(2, Math.round((seconds * 1000) / (launches * 2 * sliceMs))),
    sliceMs,
    rampMs: Math.min(base.rampMs, sliceMs),
  };
}
