/**
 * Memory of connections and streams on which nothing happens: the slope over several counts, because the difference of two readings
 * of a process's memory is mostly noise.
 */

import { type Arm, armNamed } from '../arms.ts';
import { startArm } from '../measure.ts';
import type { BenchOptions } from '../options.ts';
import type { Load } from '../protocol.ts';
import { figure } from '../report.ts';
import type { WorkerProcess } from '../worker-process.ts';
import type { Probe, ProbeGoal, ProbeResult } from './probe.ts';
import { slope } from './slope.ts';

const counts = [0, 250, 500, 750, 1_000];
/** Held before the first reading: code that the first ones load and compile, about a MiB, is not what each of them holds. */
const warmUpCount = 250;
const quietMs = 1_000;
const kib = 1024;
/** Above the largest count: some limit open streams to 100 by default. */
const maxStreams = 2_000;

const load: Load = {
  kind: 'ping-pong',
  bodyOctets: 8,
  inFlight: 1,
  connections: 1,
  messagesPerStream: 0,
  metadataEntries: 0,
  interceptors: false,
  resumeTls: false,
  latency: false,
};

/** Octets per connection or stream. */
interface Slopes {
  readonly arm: string;
  readonly serverRss: number;
  /** JavaScript heap and what it holds outside. */
  readonly serverHeap: number;
  readonly clientHeap: number;
}

/** 1,000 connections that have made one call each. */
export const idleConnections: Probe = {
  name: 'idle-connections',
  title: '1,000 idle plaintext connections, memory per connection',
  plannedMs: 60_000,
  arms: ['raw-echo', 'purewire', 'grpc-js', 'node-http2'],
  run: async (arms, options, stage) => {
    const slopes = await measureSlopes('connections', arms, options, stage);
    const by = new Map(slopes.map((each) => [each.arm, each]));
    const goals: ProbeGoal[] = [];
    const ours = by.get('purewire');
    const bare = by.get('raw-echo');
    const peer = by.get('grpc-js');
    if (ours !== undefined && bare !== undefined) {
      const over = ours.serverRss - bare.serverRss;
      goals.push({
        text: `goal: at most 8 KiB over a bare socket; is ${figure(over / kib)} KiB`,
        reached: over <= 8 * kib,
      });
    }
    if (ours !== undefined && peer !== undefined) {
      const ratio = ours.serverRss / peer.serverRss;
      goals.push({
        text: `goal: at most 0.25x grpc-js; is ${figure(ratio)}x`,
        reached: ratio <= 0.25,
      });
    }
    return result(slopes, goals);
  },
};

/** 1,000 open ping-pong streams on one connection. */
export const idleStreams: Probe = {
  name: 'idle-streams',
  title: '1,000 idle streams on one connection, memory per stream',
  plannedMs: 60_000,
  arms: ['purewire', 'grpc-js', 'node-http2'],
  run: async (arms, options, stage) => {
    const slopes = await measureSlopes('streams', arms, options, stage);
    const goals = slopes
      .filter((each) => each.arm === 'purewire')
      .flatMap((each) => [
        {
          text: `goal: at most 1 KiB of heap on the server; is ${figure(each.serverHeap / kib)} KiB`,
          reached: each.serverHeap <= kib,
        },
        {
          text: `goal: at most 1 KiB of heap on the client; is ${figure(each.clientHeap / kib)} KiB`,
          reached: each.clientHeap <= kib,
        },
      ]);
    return result(slopes, goals);
  },
};

async function measureSlopes(
  what: 'connections' | 'streams',
  arms: readonly string[],
  options: BenchOptions,
  stage: (text: string) => void,
): Promise<Slopes[]> {
  const slopes: Slopes[] = [];
  for (const name of arms) slopes.push(await measureArm(what, armNamed(name), options, stage));
  return slopes;
}

async function measureArm(
  what: 'connections' | 'streams',
  arm: Arm,
  options: BenchOptions,
  stage: (text: string) => void,
): Promise<Slopes> {
  const processes = await startArm(arm, load, options, null, ['--expose-gc'], maxStreams);
  const serverRss: number[] = [];
  const serverHeap: number[] = [];
  const clientHeap: number[] = [];
  try {
    await processes.client.ask('hold', { what, count: warmUpCount }, quietMs);
    let held = 0;
    for (const count of counts) {
      stage(`${arm.name}, ${count} ${what}`);
      if (count > held) {
        await processes.client.ask('hold', { what, count: count - held }, quietMs);
        held = count;
      }
      const server = await settle(processes.server);
      const client = await settle(processes.client);
      serverRss.push(server.rssOctets);
      serverHeap.push(server.heapUsedOctets + server.externalOctets);
      clientHeap.push(client.heapUsedOctets + client.externalOctets);
    }
  } finally {
    await Promise.all([processes.client.end(), processes.server.end()]);
  }
  return {
    arm: arm.name,
    serverRss: slope(counts, serverRss),
    serverHeap: slope(counts, serverHeap),
    clientHeap: slope(counts, clientHeap),
  };
}

function settle(
  worker: WorkerProcess,
): Promise<{ rssOctets: number; heapUsedOctets: number; externalOctets: number }> {
  return worker.ask('settle', { quietMs }, quietMs);
}

function result(slopes: readonly Slopes[], goals: readonly ProbeGoal[]): ProbeResult {
  return {
    columns: ['', 'server RSS', 'server heap', 'client heap'],
    lines: slopes.map((each) => [
      each.arm,
      `${figure(each.serverRss / kib)} KiB`,
      `${figure(each.serverHeap / kib)} KiB`,
      `${figure(each.clientHeap / kib)} KiB`,
    ]),
    goals,
    data: slopes,
  };
}
