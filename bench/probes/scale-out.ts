/**
 * One server process against two that share a port, on two cores which the client needs too. What it can show there: that a call costs the
 * same however many processes serve, and how far a busy server gets.
 */

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { armNamed, workerCommand } from '../arms.ts';
import type { Load, RunParams } from '../protocol.ts';
import { figure, grouped, interval } from '../report.ts';
import { bootstrapMedian, type Estimate, median } from '../statistics.ts';
import { usageBetween } from '../worker/usage.ts';
import { WorkerProcess } from '../worker-process.ts';
import type { Probe } from './probe.ts';

const program = join(dirname(dirname(fileURLToPath(import.meta.url))), 'worker', 'scale-server.js');
const blocks = 6;
const slice: RunParams = {
  rampMs: 50,
  durationMs: 500,
  maxCompletions: 0,
  inFlight: 0,
  arrivalsPerSecond: 0,
  seed: 1,
};
const load: Load = {
  kind: 'unary',
  bodyOctets: 0,
  inFlight: 64,
  connections: 8,
  messagesPerStream: 0,
  metadataEntries: 0,
  interceptors: false,
  resumeTls: false,
  latency: false,
};
/** What a handler does: nothing, and hashing as much as takes it some 100 microseconds and more. */
const works = [
  { name: 'empty handlers', kib: 0 },
  { name: 'busy handlers (SHA-256 of 128 KiB)', kib: 128 },
];
const spreads = [
  { name: 'one process', how: 'cluster', count: 1 },
  { name: 'two processes, connections handed over (node:cluster)', how: 'cluster', count: 2 },
  {
    name: 'two worker threads, connections spread by the system (reusePort)',
    how: 'threads',
    count: 2,
  },
];

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const canShare = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);

interface Point {
  readonly rate: number;
  readonly serverMicros: number;
}

/** Row 19 as far as two cores go. */
export const scaleOut: Probe = {
  name: 'scale-out',
  title:
    'a server on one core and on two, which it shares with the client; 8 connections, 64 calls in flight',
  plannedMs: 30_000,
  arms: ['purewire'],
  run: async (_arms, _options, stage) => {
    const lines: string[][] = [];
    const data: {
      work: string;
      spread: string;
      points: readonly Point[];
      ratio: Estimate | null;
    }[] = [];
    for (const work of works) {
      stage(work.name);
      const measured = await compare(work.kib);
      for (const [i, spread] of spreads.entries()) {
        const points = measured[i]!;
        if (points.length === 0) {
          lines.push([`${work.name}, ${spread.name}`, 'needs Node 22.12', '-', '-']);
          continue;
        }
        const ratio =
          i === 0 ? null : bootstrapMedian([points.map((p, n) => p.rate / measured[0]![n]!.rate)]);
        lines.push([
          `${work.name}, ${spread.name}`,
          grouped(Math.round(median(points.map((p) => p.rate)))),
          `${figure(median(points.map((p) => p.serverMicros)))} us`,
          interval(ratio),
        ]);
        data.push({ work: work.name, spread: spread.name, points, ratio });
      }
    }
    return {
      columns: ['', 'calls/s', 'server CPU per call', 'rate ÷ one process'],
      lines,
      goals: [],
      data,
    };
  },
};

async function compare(kib: number): Promise<Point[][]> {
  const running: { server: WorkerProcess; client: WorkerProcess; points: Point[] }[] = [];
  const measured: Point[][] = spreads.map(() => []);
  try {
    for (const [i, { name, how, count }] of spreads.entries()) {
      if (how === 'threads' && !canShare) continue;
      const command = [process.execPath, program, how, String(count), String(kib)];
      const server = new WorkerProcess(name, command, null);
      const client = new WorkerProcess(
        'client',
        workerCommand(armNamed('purewire').client, []),
        null,
      );
      running.push({ server, client, points: measured[i]! });
      const common = {
        implementation: 'purewire',
        tls: null,
        library: null,
        maxStreams: null,
        interceptors: false,
      };
      const served = await server.ask('start', { ...common, role: 'server', port: 0, load: null });
      await client.ask('start', { ...common, role: 'client', port: served.port, load });
    }
    for (const { client } of running)
      await client.ask('run', { ...slice, durationMs: 1_500 }, 1_500);
    for (let block = 0; block < blocks; block++) {
      const order = block % 2 === 0 ? running : running.toReversed();
      for (const { server, client, points } of order) {
        const before = await server.ask('usage', {});
        const result = await client.ask('run', slice, slice.durationMs);
        const used = usageBetween(before, await server.ask('usage', {}));
        points.push({
          rate: (result.completions * 1000) / result.windowMs,
          serverMicros: (used.userMicros + used.systemMicros) / result.totalCompletions,
        });
      }
    }
  } finally {
    await Promise.all(running.flatMap((each) => [each.client.end(), each.server.end()]));
  }
  return measured;
}
