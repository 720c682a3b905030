/** `--docs`: the results page in Markdown, with its charts as SVG files beside it. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchResult } from '../results.ts';
import { chartsOf } from './charts.ts';
import { conditions, goalTable, rowFigures, rowNotes, type TextTable } from './tables.ts';

const chartFolder = 'charts';

/** Writes `benchmark.md` and its charts into `folder`; returns the files. */
export function writeDocuments(results: readonly BenchResult[], folder: string): string[] {
  const result = results[0]!;
  mkdirSync(join(folder, chartFolder), { recursive: true });
  const charts = chartsOf(result);
  const files = charts.map((chart) => {
    const file = join(folder, chartFolder, `${chart.name}.svg`);
    writeFileSync(file, chart.svg);
    return file;
  });
  const page = join(folder, 'benchmark.md');
  const runs =
    results.length === 1
      ? 'One run.'
      : `${results.length} full runs; the charts and the rows below the goals are those of the first.`;
  writeFileSync(
    page,
    [
      '# Measured',
      'This page is made by `npm run bench -- --from FILES --docs docs` from what `npm run bench -- --json FILE` saved; do not edit it by hand. ' +
        'Ratios are the figure of purewire divided by that of the other, measured side by side in one run: short slices in turn, forward and ' +
        `backward, medians over such blocks with 95 % bootstrap intervals. ${runs}`,
      markdownTable({
        columns: ['', ''],
        rows: conditions(result).map(([name, value]) => [name, value]),
      }),
      '## Goals',
      markdownTable(goalTable(results)),
      ...charts.flatMap((chart) => [
        `## ${chart.title}`,
        chart.caption,
        `![${chart.title}](${chartFolder}/${chart.name}.svg)`,
      ]),
      '## Rows',
      ...result.rows.flatMap((row) => [
        `### ${row.name}`,
        `${row.workload.title}. ${rowNotes(row).join(' ')}`,
        markdownTable(rowFigures(row)),
      ]),
      ...result.probes.flatMap((probe) => [
        `### ${probe.name}`,
        `${probe.title}.`,
        markdownTable({ columns: probe.columns, rows: probe.lines }),
      ]),
      '',
    ].join('\n\n'),
  );
  return [page, ...files];
}

function markdownTable({ columns, rows }: TextTable): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    line(columns),
    `|${columns.map((_, i) => (i === 0 ? ' --- ' : ' ---: ')).join('|')}|`,
    ...rows.map(line),
  ].join('\n');
}
