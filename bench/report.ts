/** The terminal's view: progress while measuring, a table per row, the goals. */

import { subjectName } from './arms.ts';
import type { Progress } from './measure.ts';
import type { Probe, ProbeResult } from './probes/probe.ts';
import type { Estimate } from './statistics.ts';
import type { ArmSummary, GoalResult, RowSummary } from './summary.ts';
import type { Goal, Workload } from './workloads.ts';

const kib = 1024;
const mebibyte = 1024 * 1024;
const quietProgressMs = 10_000;

const verdictTexts = {
  holds: 'holds',
  fails: 'VOID: purewire differs from itself, so no ratio of this row counts',
  wide: 'too wide an interval to vouch for small differences; repeat with more --seconds',
};

/** Writes progress to stderr: one line that changes on a terminal, else a line every ten seconds. */
export class TerminalProgress implements Progress {
  readonly #totalMs: number;
  readonly #startedAt: number;
  #row: string;
  #stage: string;
  #passedMs: number;
  #printedAt: number;

  constructor(totalMs: number) {
    this.#totalMs = totalMs;
    this.#startedAt = Date.now();
    this.#row = '';
    this.#stage = '';
    this.#passedMs = 0;
    this.#printedAt = 0;
  }

  row(name: string): void {
    this.#row = name;
  }

  stage(text: string): void {
    this.#stage = text;
    this.#print();
  }

  passed(ms: number): void {
    this.#passedMs += ms;
    this.#print();
  }

  /** Clears the line, before something else is printed. */
  clear(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }

  #print(): void {
    const now = Date.now();
    if (!process.stderr.isTTY && now - this.#printedAt < quietProgressMs) return;
    this.#printedAt = now;
    const share = Math.min(1, this.#passedMs / this.#totalMs);
    // The plan is a guess; what has passed so far corrects it.
    const pace = share < 0.05 ? 1 : (now - this.#startedAt) / this.#passedMs;
    const left = duration((this.#totalMs - this.#passedMs) * pace);
    const line = `${Math.round(share * 100)} %  ${this.#row}: ${this.#stage}  (about ${left} left)`;
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
    else process.stderr.write(`${line}\n`);
  }
}

/** The table of one row. */
export function rowTable(workload: Workload, summary: RowSummary): string {
  const columns = columnsOf(workload, summary);
  const lines = summary.arms.map((arm) => [arm.name, ...columns.map((column) => column.cell(arm))]);
  return [
    `${workload.name}: ${workload.title}`,
    ...table([['', ...columns.map((column) => column.title)], ...lines]).map((line) => `  ${line}`),
    ...notes(summary).map((line) => `  ${line}`),
    ...summary.goals.map((goal) => `  ${goalLine(goal)}`),
    '',
  ].join('\n');
}

/** The table of a row that is not a load. */
export function probeTable(probe: Pick<Probe, 'name' | 'title'>, result: ProbeResult): string {
  return [
    `${probe.name}: ${probe.title}`,
    ...table([result.columns, ...result.lines]).map((line) => `  ${line}`),
    ...result.goals.map((goal) => `  ${goal.reached ? 'PASS' : 'MISS'}  ${goal.text}`),
    '',
  ].join('\n');
}

interface Column {
  readonly title: string;
  readonly cell: (arm: ArmSummary) => string;
}

function columnsOf(workload: Workload, summary: RowSummary): Column[] {
  const { bodyOctets, kind, latency } = workload.load;
  const bulk = bodyOctets >= 64 * kib;
  // An open-loop client turns its event loop all the time, and every arm is offered the same rate.
  const openLoop = kind === 'open-loop';
  const compared = summary.arms.some((arm) => arm.rateRatio !== null);
  const columns: Column[] = [
    bulk
      ? {
          title: 'MiB/s each way',
          cell: (arm) => figure((arm.rate * bodyOctets) / mebibyte),
        }
      : { title: `${workload.unit}/s`, cell: (arm) => grouped(Math.round(arm.rate)) },
  ];
  if (!openLoop) columns.push({ title: 'client CPU', cell: (arm) => micros(arm.clientMicros) });
  columns.push({ title: 'server CPU', cell: (arm) => micros(arm.serverMicros) });
  if (latency) {
    columns.push({ title: 'p50', cell: (arm) => micros(arm.p50 ?? Number.NaN) });
    columns.push({ title: 'p99', cell: (arm) => micros(arm.p99 ?? Number.NaN) });
    if (openLoop) {
      columns.push({ title: 'p99.9', cell: (arm) => micros(arm.p999 ?? Number.NaN) });
    }
  }
  if (compared && openLoop) {
    columns.push({ title: `p99 of ${subjectName}`, cell: (arm) => interval(arm.p99Ratio) });
  } else if (compared) {
    columns.push({ title: `rate of ${subjectName}`, cell: (arm) => interval(arm.rateRatio) });
    columns.push({
      title: workload.compared === 'both' ? 'its CPU' : `its ${workload.compared} CPU`,
      cell: (arm) => (arm.cpuRatio === null ? '' : `${figure(arm.cpuRatio.median)}x`),
    });
  }
  return columns;
}

/** The marks and goals of all rows again, in one place. */
export function goalsTable(summaries: readonly RowSummary[]): string {
  const lines = summaries.flatMap((row) => row.goals.map((goal) => [row.name, goalLine(goal)]));
  if (lines.length === 0) return '';
  return ['Marks and goals', ...table(lines, 2).map((line) => `  ${line}`), ''].join('\n');
}

/** Aligns columns: the first `texts` to the left, the numbers after them to the right. */
export function table(rows: readonly (readonly string[])[], texts = 1): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, i) => (i < texts ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** `3 min 20 s`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Three significant figures, no exponent. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (Math.abs(value) >= 100) return grouped(Math.round(value));
  return value.toPrecision(3);
}

/** `2.1x [1.9, 2.3]`; empty for null. */
export function interval(ratio: Estimate | null): string {
  if (ratio === null) return '';
  if (!Number.isFinite(ratio.median)) return 'not comparable';
  return `${figure(ratio.median)}x [${figure(ratio.low)}, ${figure(ratio.high)}]`;
}

function notes(summary: RowSummary): string[] {
  const lines: string[] = [];
  const { control } = summary;
  if (control !== null) {
    lines.push(`A/A control ${interval(control.ratio)}: ${verdictTexts[control.verdict]}`);
  }
  const busy = `steal ${percent(summary.stealShare)}, others ${percent(summary.othersShare)}`;
  const left = summary.discarded === 0 ? '' : `, ${summary.discarded} left out`;
  lines.push(`${summary.blocks} blocks${left}; ${busy}`);
  if (summary.disturbed) {
    lines.push(
      'DISTURBED: the machine was busy with other work in most blocks; repeat when it is quiet',
    );
  }
  return lines;
}

function goalLine({ goal, ratio, counts, reached }: GoalResult): string {
  const mark = !counts ? 'VOID' : reached ? 'PASS' : 'MISS';
  return `${mark}  ${goal.level}: ${wantedText(goal)}; is ${interval(ratio)}`;
}

/** `rate at least 25x grpc-js`. */
export function wantedText(goal: Goal): string {
  const wanted =
    goal.atLeast === undefined ? `at most ${goal.atMost}x` : `at least ${goal.atLeast}x`;
  return `${goal.metric} ${wanted} ${goal.versus}`;
}

/** `12.3 us`. */
export function micros(value: number): string {
  return Number.isFinite(value) ? `${figure(value)} us` : '-';
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** Thousands separated. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}
