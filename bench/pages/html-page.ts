/** `--report`: everything a run found on one page that needs nothing else: no script, no font, no file beside it. */

import type { BenchResult } from '../results.ts';
import { chartsOf } from './charts.ts';
import { escapeText } from './svg.ts';
import { conditions, goalTable, rowFigures, rowNotes, type TextTable } from './tables.ts';

const style = `
:root { color-scheme: light; }
body { margin: 0; background: #f5f7fa; color: #1f2933; font: 15px/1.55 system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 1020px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 28px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 44px 0 8px; } h3 { font-size: 16px; margin: 28px 0 6px; }
.lead { color: #52606d; margin: 0 0 20px; }
.card { background: #fff; border: 1px solid #e4e7eb; border-radius: 10px; padding: 14px 18px; margin: 12px 0; overflow-x: auto; }
.card svg { display: block; max-width: 100%; height: auto; }
.note { color: #52606d; font-size: 13.5px; margin: 6px 0; }
table { border-collapse: collapse; font-size: 13px; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: right; color: #52606d; font-weight: 600; border-bottom: 1px solid #cbd2d9; padding: 5px 8px; vertical-align: bottom; }
td { text-align: right; padding: 4px 8px; border-bottom: 1px solid #f0f2f5; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } .goals td:nth-child(2), .goals th:nth-child(2) { text-align: left; white-space: normal; }
tr.subject td { font-weight: 600; background: #eff8ff; } .yes { color: #1a7f4b; } .no { color: #b45309; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; font-size: 13.5px; } dt { color: #52606d; } dd { margin: 0; }
.warning { background: #fffbea; border-color: #f7d070; }
`;

/** The page of `results`: the first in full, of the others the goals. */
export function reportPage(results: readonly BenchResult[]): string {
  const result = results[0]!;
  const disturbed = result.rows.filter((row) => row.disturbed).map((row) => row.name);
  const reached = result.rows.flatMap((row) => row.goals).concat();
  const probeGoals = result.probes.flatMap((probe) => probe.goals);
  const all = reached.length + probeGoals.length;
  const yes = [...reached, ...probeGoals].filter((goal) => goal.reached).length;
  const parts = [
    `<h1>purewire, measured</h1>`,
    `<p class="lead">${yes} of ${all} marks and goals reached. Ratios are purewire's figure divided by the other's, taken side by side in one run, with 95 % intervals.</p>`,
    disturbed.length === 0
      ? ''
      : `<div class="card warning">Others used the machine while these rows were measured, so they say little: ${escapeText(disturbed.join(', '))}.</div>`,
    `<div class="card"><dl>${conditions(result)
      .map(([name, value]) => `<dt>${name}</dt><dd>${escapeText(value)}</dd>`)
      .join('')}</dl></div>`,
    ...chartsOf(result).map(
      (chart) =>
        `<h2>${chart.title}</h2><p class="note">${escapeText(chart.caption)}</p><div class="card">${chart.svg}</div>`,
    ),
    `<h2>Goals${results.length > 1 ? `, ${results.length} runs` : ''}</h2>`,
    `<div class="card goals">${htmlTable(goalTable(results))}</div>`,
    `<h2>Rows</h2>`,
    ...result.rows.map(
      (row) =>
        `<h3>${escapeText(row.name)}: ${escapeText(row.workload.title)}</h3><div class="card">${htmlTable(rowFigures(row))}` +
        `<p class="note">${escapeText(rowNotes(row).join(' '))}</p></div>`,
    ),
    ...result.probes.map(
      (probe) =>
        `<h3>${escapeText(probe.name)}: ${escapeText(probe.title)}</h3><div class="card">${htmlTable({ columns: probe.columns, rows: probe.lines })}</div>`,
    ),
    `<h2>How to repeat</h2><p class="note">npm run bench -- --build-peers, then npm run bench -- --json FILE --report FILE; npm run bench -- --help says more.</p>`,
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>purewire, measured</title><style>${style}</style></head>
<body><main>
${parts.join('\n')}
</main></body></html>
`;
}

function htmlTable({ columns, rows }: TextTable): string {
  const cells = (row: readonly string[]): string =>
    row.map((cell) => `<td${verdictClass(cell)}>${escapeText(cell)}</td>`).join('');
  return (
    `<table><thead><tr>${columns.map((column) => `<th>${escapeText(column)}</th>`).join('')}</tr></thead><tbody>` +
    rows
      .map((row) => `<tr${row[0] === 'purewire' ? ' class="subject"' : ''}>${cells(row)}</tr>`)
      .join('') +
    '</tbody></table>'
  );
}

function verdictClass(cell: string): string {
  if (cell.startsWith('✓')) return ' class="yes"';
  return cell.startsWith('✗') ? ' class="no"' : '';
}
