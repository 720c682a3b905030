/** The tables that page and document share, as rows of text. */

import { figure, grouped, interval, micros, wantedText } from '../report.ts';
import type { BenchResult, RowResult } from '../results.ts';

const kib = 1024;
const mib = 1024 * 1024;

/** Column titles and rows; the first column is a name. */
export interface TextTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Every goal with what was measured, one column per run. */
export function goalTable(results: readonly BenchResult[]): TextTable {
  const [first] = results;
  if (first === undefined) return { columns: [], rows: [] };
  const runs = results.length === 1 ? ['measured'] : results.map((_, i) => `run ${i + 1}`);
  const loads = first.rows.flatMap((row) =>
    row.goals.map((wanted, index) => [
      row.name,
      `${wanted.goal.level === 'mark' ? 'mark: ' : ''}${wantedText(wanted.goal)}`,
      ...results.map((result) => {
        const found = result.rows.find((each) => each.name === row.name)?.goals[index];
        if (found === undefined) return 'not measured';
        const mark = !found.counts ? 'void' : found.reached ? '✓' : '✗';
        return `${mark} ${interval(found.ratio)}`;
      }),
    ]),
  );
  const probes = first.probes.flatMap((probe) =>
    probe.goals.map((goal, index) => {
      const [wanted, found] = splitGoal(goal.text);
      return [
        probe.name,
        wanted,
        ...results.map((result, run) => {
          const own = result.probes.find((each) => each.name === probe.name)?.goals[index];
          if (own === undefined) return 'not measured';
          return `${own.reached ? '✓' : '✗'} ${run === 0 ? found : splitGoal(own.text)[1]}`;
        }),
      ];
    }),
  );
  return { columns: ['row', 'goal: purewire ÷ the other', ...runs], rows: [...loads, ...probes] };
}

/** `goal: at most 8 KiB; is 9 KiB` in its two halves. */
function splitGoal(text: string): [wanted: string, found: string] {
  const [wanted = '', found = ''] = text.split('; is ');
  return [wanted.replace(/^goal: /, ''), found];
}

/** The figures of one row. */
export function rowFigures(row: RowResult): TextTable {
  const { bodyOctets, kind, latency } = row.workload.load;
  const bulk = bodyOctets >= 64 * kib;
  const openLoop = kind === 'open-loop';
  const columns = [
    '',
    bulk ? 'MiB/s each way' : `${row.workload.unit}/s`,
    'client CPU',
    'server CPU',
  ];
  if (latency) columns.push('p50', 'p99', 'p99.9');
  columns.push(openLoop ? 'p99, purewire ÷ this' : 'rate, purewire ÷ this', 'CPU, purewire ÷ this');
  const rows = row.arms.map((arm) => [
    arm.name,
    bulk ? figure((arm.rate * bodyOctets) / mib) : grouped(Math.round(arm.rate)),
    // An open-loop client turns its event loop all the time, so its CPU says nothing.
    openLoop ? '-' : micros(arm.clientMicros),
    micros(arm.serverMicros),
    ...(latency ? [arm.p50, arm.p99, arm.p999].map((value) => micros(value ?? Number.NaN)) : []),
    interval(openLoop ? arm.p99Ratio : arm.rateRatio),
    openLoop ? '-' : interval(arm.cpuRatio),
  ]);
  return { columns, rows };
}

/** What must be said of a row: its control, what was left out, how quiet the machine was. */
export function rowNotes(row: RowResult): string[] {
  const notes: string[] = [];
  if (row.control !== null) {
    const words = {
      holds: 'holds',
      fails: 'fails: purewire differs from itself, so no ratio of this row counts',
      wide: 'is wide: differences of a few percent mean nothing here',
    };
    notes.push(`The A/A control ${interval(row.control.ratio)} ${words[row.control.verdict]}.`);
  }
  const left =
    row.discarded === 0 ? '' : `, ${row.discarded} more left out because others used the machine`;
  notes.push(`${row.blocks} blocks${left}.`);
  if (row.disturbed) notes.push('Disturbed: others used the machine in most blocks.');
  return notes;
}

/** Machine, versions and settings, as name and value. */
export function conditions(result: BenchResult): readonly (readonly [string, string])[] {
  const { machine, revision, settings } = result;
  const versions = new Map<string, string>();
  for (const row of result.rows) {
    for (const { client, server } of row.versions) {
      for (const [name, version] of [...Object.entries(client), ...Object.entries(server)]) {
        if (name !== 'node') versions.set(name, version);
      }
    }
  }
  const commit = revision.commit === null ? 'unknown' : revision.commit.slice(0, 12);
  const failed = result.failures.map(({ row }) => row).join(', ');
  return [
    [
      'Machine',
      `${machine.cpu}, ${machine.cores} cores, ${figure(machine.memoryOctets / 2 ** 30)} GiB`,
    ],
    ['System', `${machine.kernel}, ${machine.architecture}`],
    ['Node', `${machine.node} (V8 ${machine.v8}), no flags`],
    ['purewire', `${commit}${revision.modified ? ' with changes' : ''}`],
    ['Peers', [...versions].map(([name, version]) => `${name} ${version}`).join(', ')],
    [
      'Placement',
      settings.pinned
        ? `servers on core ${settings.serverCore}, clients on core ${settings.clientCore}`
        : 'not pinned',
    ],
    [
      'Run',
      `${settings.effort}, started ${result.startedAt}, ${Math.round(result.tookMs / 60_000)} minutes`,
    ],
    ...(failed === '' ? [] : [['Failed rows', failed] as const]),
  ];
}
