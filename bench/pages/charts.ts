/** The charts of a run: which rows they show, and in which colours. */

import { controlName } from '../arms.ts';
import { figure, grouped, interval, wantedText } from '../report.ts';
import type { BenchResult, MeasuredProbe, RowResult } from '../results.ts';
import type { ArmSummary, GoalResult } from '../summary.ts';
import {
  type Bar,
  type BarPanel,
  barChart,
  type Curve,
  type CurvePanel,
  curveChart,
  type RatioMark,
  ratioChart,
  withTitle,
} from './svg.ts';

const kib = 1024;
const mib = 1024 * 1024;

/** One picture with what a reader must know to read it. */
export interface Chart {
  /** File name without suffix. */
  readonly name: string;
  readonly title: string;
  readonly caption: string;
  readonly svg: string;
}

const colors: Readonly<Record<string, string>> = {
  'raw-echo': '#9aa5b1',
  'framed-echo': '#b3bcc6',
  'framed-codec': '#cbd2d9',
  purewire: '#0b69a3',
  control: '#84c5f4',
  'grpc-js': '#e8833a',
  'node-http2': '#d9a066',
  'nice-grpc': '#f0b429',
  'connect-node': '#cb6e17',
  'grpc-go': '#2b9a8f',
  tonic: '#7b5ea7',
  'grpc-cpp': '#5b7f3a',
};

/** A darker and a lighter shade of CPU: client and server. */
const clientCpu = '#0b69a3';
const serverCpu = '#7cb9dd';

/** All charts that `result` has data for. */
export function chartsOf(result: BenchResult): Chart[] {
  const charts: Chart[] = [];
  const headline = result.rows.filter((row) => row.workload.headline);
  const shown = headline.length > 0 ? headline : result.rows;
  const marks = result.rows
    .flatMap((row) => row.goals.map((goal) => goalMark(row, goal)))
    // A ratio of nothing to nothing, of a row in which an arm got nothing done.
    .filter((mark) => [mark.low, mark.value, mark.high].every((x) => Number.isFinite(x) && x > 0));
  if (marks.length > 0) {
    charts.push({
      name: 'goals',
      title: 'Goals',
      caption:
        'Each measured ratio over its goal, with its 95 % interval. The line is the goal; green has reached it. ' +
        'Ratios are medians over blocks in which all arms took turns.',
      svg: ratioChart(marks),
    });
  }
  if (shown.length > 0) {
    charts.push(
      {
        name: 'throughput',
        title: 'Throughput',
        caption:
          'Client and server on a core each. Whiskers are 95 % intervals. raw-echo moves the same octets over a socket with no protocol; ' +
          'framed-echo adds frames, framed-codec also protobuf: what remains above purewire is the price of a complete runtime.',
        svg: barChart(shown.map(throughputPanel)),
      },
      {
        name: 'cpu',
        title: 'CPU per call or message',
        caption:
          'User and system time of the client (dark) and the server (light) together; whiskers are 95 % intervals of the sum.',
        svg: barChart(shown.map(cpuPanel)),
      },
    );
  }
  const latency = latencyPanels(result);
  if (latency.length > 0) {
    charts.push({
      name: 'latency',
      title: 'Latency under open load',
      caption:
        'Empty calls arrive at random (Poisson) at a fixed rate, the same for all, whether earlier ones are answered or not; latency counts from when a call was due. ' +
        'p99.9 needs 100,000 calls per arm to be firm, which only --thorough comes near.',
      svg: curveChart(latency),
    });
  }
  const sweep = sweepPanels(result);
  if (sweep.length > 0) {
    charts.push({
      name: 'sweep',
      title: 'Concurrency sweep',
      caption: 'Empty unary calls per second by how many are in flight over all connections.',
      svg: curveChart(sweep),
    });
  }
  const alone = result.rows.filter((row) => row.workload.compared !== 'both');
  if (alone.length > 0) {
    charts.push({
      name: 'sides',
      title: 'Clients and servers alone',
      caption:
        'CPU per call of one side, the other side being purewire for all: what a server costs under the same client, and a client against the same server.',
      svg: barChart(alone.map(sidePanel)),
    });
  }
  const memory = memoryPanels(result.probes);
  if (memory.length > 0) {
    charts.push({
      name: 'memory',
      title: 'Memory of what is idle',
      caption:
        'The slope over 1,000 idle connections, or idle streams on one connection, behind 250 that warm the code up, after garbage collection.',
      svg: barChart(memory),
    });
  }
  return charts.map((chart) => ({ ...chart, svg: withTitle(chart.svg, chart.title) }));
}

/** Ratio over goal; for a goal of "at most", goal over ratio, so that to the right is better everywhere. */
function goalMark(row: RowResult, { goal, ratio, counts, reached }: GoalResult): RatioMark {
  const over = (value: number): number =>
    goal.atLeast === undefined ? (goal.atMost ?? 1) / value : value / goal.atLeast;
  const ends = [over(ratio.low), over(ratio.high)];
  return {
    label: `${row.name}: ${goal.level === 'mark' ? 'mark, ' : ''}${wantedText(goal)}`,
    low: Math.min(...ends),
    value: over(ratio.median),
    high: Math.max(...ends),
    reached,
    text: `${counts ? (reached ? '✓' : '✗') : 'void'} ${interval(ratio)}`,
  };
}

function armsShown(row: RowResult): readonly ArmSummary[] {
  return row.arms.filter((arm) => arm.name !== controlName);
}

function throughputPanel(row: RowResult): BarPanel {
  const { bodyOctets } = row.workload.load;
  const bulk = bodyOctets >= 64 * kib;
  const scale = bulk ? bodyOctets / mib : 1;
  const unit = bulk ? 'MiB/s each way' : `${row.workload.unit}/s`;
  return {
    title: `${row.workload.title}: ${unit}`,
    bars: armsShown(row).map((arm) =>
      bar(
        arm.name,
        [{ value: arm.rate * scale, color: colorOf(arm.name) }],
        [arm.rateEstimate.low * scale, arm.rateEstimate.high * scale],
        bulk ? figure(arm.rate * scale) : grouped(Math.round(arm.rate)),
      ),
    ),
  };
}

function cpuPanel(row: RowResult): BarPanel {
  return {
    title: row.workload.title,
    bars: armsShown(row).map((arm) =>
      bar(
        arm.name,
        [
          { value: arm.clientMicros, color: clientCpu },
          { value: arm.serverMicros, color: serverCpu },
        ],
        [arm.cpuEstimate.low, arm.cpuEstimate.high],
        `${figure(arm.clientMicros + arm.serverMicros)} us`,
      ),
    ),
  };
}

function sidePanel(row: RowResult): BarPanel {
  const { compared } = row.workload;
  return {
    title: `${compared === 'client' ? 'Clients' : 'Servers'}: ${compared} CPU per empty call`,
    bars: armsShown(row).map((arm) => {
      const name = arm.name.split(':').find((part) => part !== 'purewire') ?? 'purewire';
      const value = compared === 'client' ? arm.clientMicros : arm.serverMicros;
      return bar(
        name,
        [{ value, color: colorOf(name) }],
        [arm.cpuEstimate.low, arm.cpuEstimate.high],
        `${figure(value)} us`,
      );
    }),
  };
}

function bar(label: string, parts: Bar['parts'], whisker: Bar['whisker'], text: string): Bar {
  return { label, parts, whisker, text, bold: label === 'purewire' };
}

function latencyPanels({ rows }: BenchResult): CurvePanel[] {
  return rows
    .filter((row) => row.workload.load.kind === 'open-loop')
    .map((row) => ({
      title: `${grouped(row.arrivalsPerSecond)} calls/s, ${Math.round((row.workload.openLoop?.share ?? 0) * 100)} % of grpc-js's capacity`,
      xLabels: ['p50', 'p90', 'p99', 'p99.9'],
      xTitle: 'percentile',
      yTitle: 'microseconds',
      curves: armsShown(row).map((arm) => curve(arm.name, [arm.p50, arm.p90, arm.p99, arm.p999])),
    }));
}

function sweepPanels({ rows }: BenchResult): CurvePanel[] {
  const sweep = rows.filter((row) => row.name.startsWith('sweep-'));
  const connections = [...new Set(sweep.map((row) => row.workload.load.connections))];
  return connections.map((count) => {
    const own = sweep.filter((row) => row.workload.load.connections === count);
    const names = [...new Set(own.flatMap((row) => armsShown(row).map((arm) => arm.name)))];
    return {
      title: `${count} ${count === 1 ? 'connection' : 'connections'}`,
      xLabels: own.map((row) => String(row.workload.load.inFlight)),
      xTitle: 'calls in flight',
      yTitle: 'calls/s',
      curves: names.map((name) =>
        curve(
          name,
          own.map((row) => row.arms.find((arm) => arm.name === name)?.rate ?? null),
        ),
      ),
    };
  });
}

function curve(name: string, values: readonly (number | null)[]): Curve {
  return {
    label: name,
    color: colorOf(name),
    width: name === 'purewire' ? 3 : 1.6,
    points: values.flatMap((y, x) => (y === null ? [] : [{ x, y }])),
  };
}

/** What the two memory probes save. */
interface Slopes {
  readonly arm: string;
  readonly serverRss: number;
  readonly serverHeap: number;
  readonly clientHeap: number;
}

function memoryPanels(probes: readonly MeasuredProbe[]): BarPanel[] {
  const panel = (probe: string, title: string, of: (each: Slopes) => number): BarPanel[] => {
    const found = probes.find((each) => each.name === probe);
    if (found === undefined) return [];
    return [
      {
        title,
        bars: (found.data as readonly Slopes[]).map((each) =>
          bar(
            each.arm,
            [{ value: of(each) / kib, color: colorOf(each.arm) }],
            null,
            `${figure(of(each) / kib)} KiB`,
          ),
        ),
      },
    ];
  };
  return [
    ...panel('idle-connections', 'Server RSS per idle connection', (each) => each.serverRss),
    ...panel('idle-streams', 'Server heap per idle stream', (each) => each.serverHeap),
  ];
}

function colorOf(arm: string): string {
  return colors[arm] ?? '#9aa5b1';
}
