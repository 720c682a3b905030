/** What `--json` saves and `--from` reads back: enough to draw every table and chart without this version's rows. */

import { readFileSync } from 'node:fs';
import type { MachineInfo, RevisionInfo } from './machine.ts';
import type { RowSamples } from './measure.ts';
import type { ProbeResult } from './probes/probe.ts';
import type { RowSummary } from './summary.ts';
import type { Workload } from './workloads.ts';

const format = 2;

/** A measured row with what it measured. */
export interface RowResult extends RowSummary {
  readonly workload: Workload;
  readonly versions: RowSamples['arms'];
  /** Open loop: what all arms got. */
  readonly arrivalsPerSecond: number;
  readonly samples: RowSamples['launches'];
}

export interface MeasuredProbe extends ProbeResult {
  readonly name: string;
  readonly title: string;
}

/** One run of the bench. */
export interface BenchResult {
  readonly format: typeof format;
  readonly startedAt: string;
  readonly tookMs: number;
  readonly machine: MachineInfo;
  readonly revision: RevisionInfo;
  /** The other revision, where one took part. */
  readonly against: string | null;
  readonly settings: {
    readonly effort: string;
    readonly pinned: boolean;
    readonly serverCore: number;
    readonly clientCore: number;
  };
  readonly rows: readonly RowResult[];
  readonly probes: readonly MeasuredProbe[];
  readonly failures: readonly { readonly row: string; readonly error: string }[];
}

/** The number that marks this form of results. */
export const resultFormat: BenchResult['format'] = format;

/** Reads a file that `--json` wrote; throws an Error that names it when it is something else. */
export function readResult(file: string): BenchResult {
  const result = JSON.parse(readFileSync(file, 'utf8')) as { readonly format?: unknown };
  if (result.format !== format) {
    throw new Error(`${file} has format ${String(result.format)}; this bench reads ${format}`);
  }
  return result as BenchResult;
}
