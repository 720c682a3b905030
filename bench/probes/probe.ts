/** What the rows that are not a load have in common: memory, start-up and size are measured each in its own way. */

import type { BenchOptions } from '../options.ts';

/** A line that says whether a goal was reached. */
export interface ProbeGoal {
  readonly text: string;
  readonly reached: boolean;
}

/** What a probe found. */
export interface ProbeResult {
  /** Column titles; the first, of the names, is empty. */
  readonly columns: readonly string[];
  readonly lines: readonly (readonly string[])[];
  readonly goals: readonly ProbeGoal[];
  /** The figures behind the lines, for the JSON file. */
  readonly data: unknown;
}

/** One such row. */
export interface Probe {
  readonly name: string;
  readonly title: string;
  /** Planned milliseconds, for the time left. */
  readonly plannedMs: number;
  /** Arms it runs unless `--arms` says otherwise. */
  readonly arms: readonly string[];
  run(
    arms: readonly string[],
    options: BenchOptions,
    stage: (text: string) => void,
  ): Promise<ProbeResult>;
}
