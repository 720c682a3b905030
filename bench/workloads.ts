/**
 * The rows of the benchmark as data: what is sent, how much of it at once, which arms run it, and the goals. A new row is a new entry;
 * the loops themselves live in worker/.
 */

import type { Load } from './protocol.ts';

/** What a row is judged by. `rate` and `p50`/`p99` compare medians of the ratio per block. */
export interface Goal {
  /** `mark`: the first thing to reach. `goal`: where the project wants to be. */
  readonly level: 'mark' | 'goal';
  readonly metric: 'rate' | 'p50' | 'p99';
  /** The arm purewire is compared with. */
  readonly versus: string;
  /** purewire ÷ versus must be at least, or at most, this. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** One row of the table. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  /** What one completion is, for the rate column. */
  readonly unit: 'calls' | 'messages' | 'connections';
  readonly load: Load;
  readonly tls: boolean;
  /** Open loop: the arrival rate as a share of what `capacityOf` completes in a closed loop. */
  readonly openLoop: { readonly share: number; readonly capacityOf: string } | null;
  /** Part of `--quick`. */
  readonly quick: boolean;
  /** Arms that run it unless `--arms` says otherwise. */
  readonly arms: readonly string[];
  readonly goals: readonly Goal[];
}

const kib = 1024;
const mib = 1024 * 1024;

const limits = ['raw-echo', 'framed-echo', 'framed-codec'];
const subject = ['purewire', 'control'];
const peers = ['grpc-js', 'node-http2', 'nice-grpc', 'connect-node', 'grpc-go'];
const everyone: readonly string[] = [...limits, ...subject, ...peers];
const rpcOnly: readonly string[] = [...subject, ...peers];

const plainUnary: Load = {
  kind: 'unary',
  bodyOctets: 0,
  inFlight: 1,
  connections: 1,
  messagesPerStream: 0,
  metadataEntries: 0,
  latency: false,
};

function row(
  name: string,
  title: string,
  load: Partial<Load>,
  options: Partial<Omit<Workload, 'name' | 'title' | 'load'>> = {},
): Workload {
  return {
    name,
    title,
    unit: options.unit ?? 'calls',
    load: { ...plainUnary, ...load },
    tls: options.tls ?? false,
    openLoop: options.openLoop ?? null,
    quick: options.quick ?? false,
    arms: options.arms ?? everyone,
    goals: options.goals ?? [],
  };
}

function sweep(inFlight: number, connections: number): Workload {
  const plural = connections === 1 ? 'connection' : 'connections';
  return row(
    `sweep-${connections}x${inFlight}`,
    `empty unary, ${inFlight} in flight, ${connections} ${plural}`,
    { inFlight, connections, latency: true },
    { arms: ['raw-echo', ...subject, 'grpc-js', 'grpc-go'] },
  );
}

function openLoop(share: number, goals: readonly Goal[]): Workload {
  const percent = Math.round(share * 100);
  return row(
    `open-loop-${percent}`,
    `empty unary, Poisson arrivals at ${percent} % of grpc-js's capacity`,
    { kind: 'open-loop', inFlight: 100, latency: true },
    {
      openLoop: { share, capacityOf: 'grpc-js' },
      arms: [...subject, 'grpc-js', 'node-http2'],
      goals,
    },
  );
}

/** Every row, in the order of the table. */
export const workloads: readonly Workload[] = [
  row(
    'unary-empty-1',
    'empty unary, 1 in flight',
    { latency: true },
    {
      quick: true,
      goals: [
        { level: 'mark', metric: 'rate', versus: 'grpc-js', atLeast: 2 },
        { level: 'goal', metric: 'rate', versus: 'grpc-js', atLeast: 4 },
        { level: 'goal', metric: 'rate', versus: 'raw-echo', atLeast: 0.8 },
      ],
    },
  ),
  row(
    'unary-empty-100',
    'empty unary, 100 in flight',
    { inFlight: 100 },
    {
      quick: true,
      goals: [
        { level: 'mark', metric: 'rate', versus: 'grpc-js', atLeast: 10 },
        { level: 'goal', metric: 'rate', versus: 'grpc-js', atLeast: 25 },
        { level: 'goal', metric: 'rate', versus: 'grpc-go', atLeast: 2 },
      ],
    },
  ),
  row(
    'unary-1k-100',
    '1 KiB unary echo, 100 in flight',
    { inFlight: 100, bodyOctets: kib },
    { goals: [{ level: 'goal', metric: 'rate', versus: 'grpc-js', atLeast: 20 }] },
  ),
  row(
    'unary-64k-16',
    '64 KiB unary echo, 16 in flight',
    { inFlight: 16, bodyOctets: 64 * kib },
    {
      goals: [
        { level: 'goal', metric: 'rate', versus: 'grpc-js', atLeast: 4 },
        { level: 'goal', metric: 'rate', versus: 'raw-echo', atLeast: 0.6 },
      ],
    },
  ),
  row(
    'unary-1m-4',
    '1 MiB unary echo, 4 in flight',
    { inFlight: 4, bodyOctets: mib },
    {
      goals: [
        { level: 'goal', metric: 'rate', versus: 'grpc-js', atLeast: 3 },
        { level: 'goal', metric: 'rate', versus: 'raw-echo', atLeast: 0.6 },
      ],
    },
  ),
  row(
    'server-stream-1k',
    'server streaming, 1 KiB messages, 1 stream',
    { kind: 'server-stream', bodyOctets: kib, messagesPerStream: 100_000 },
    {
      unit: 'messages',
      quick: true,
      goals: [
        { level: 'goal', metric: 'rate', versus: 'grpc-js', atLeast: 8 },
        { level: 'goal', metric: 'rate', versus: 'grpc-go', atLeast: 1 },
      ],
    },
  ),
  row(
    'client-stream-1k',
    'client streaming, 1 KiB messages, 1 stream',
    { kind: 'client-stream', bodyOctets: kib, messagesPerStream: 100_000 },
    { unit: 'messages' },
  ),
  row(
    'ping-pong-1',
    'bidirectional ping-pong, 1 stream',
    { kind: 'ping-pong', bodyOctets: 8, latency: true },
    {
      unit: 'messages',
      quick: true,
      goals: [
        { level: 'goal', metric: 'rate', versus: 'grpc-js', atLeast: 1.6 },
        { level: 'goal', metric: 'rate', versus: 'raw-echo', atLeast: 0.8 },
      ],
    },
  ),
  row(
    'ping-pong-100',
    'bidirectional ping-pong, 100 streams',
    { kind: 'ping-pong', bodyOctets: 8, inFlight: 100 },
    {
      unit: 'messages',
      goals: [{ level: 'goal', metric: 'rate', versus: 'grpc-js', atLeast: 5 }],
    },
  ),
  sweep(1, 1),
  sweep(8, 1),
  sweep(64, 1),
  sweep(256, 1),
  sweep(1000, 1),
  sweep(8, 8),
  sweep(64, 8),
  sweep(256, 8),
  sweep(1000, 8),
  openLoop(0.5, []),
  openLoop(0.8, [{ level: 'goal', metric: 'p99', versus: 'grpc-js', atMost: 0.15 }]),
  row(
    'tls-unary-empty-100',
    'empty unary over TLS 1.3, 100 in flight',
    { inFlight: 100 },
    {
      tls: true,
      goals: [{ level: 'goal', metric: 'rate', versus: 'grpc-js', atLeast: 12 }],
    },
  ),
  row(
    'tls-unary-64k-16',
    '64 KiB unary echo over TLS 1.3, 16 in flight',
    { inFlight: 16, bodyOctets: 64 * kib },
    { tls: true },
  ),
  row(
    'connect-1',
    'connect, one empty unary, close; one at a time',
    { kind: 'connect', latency: true },
    { unit: 'connections', arms: rpcOnly },
  ),
  row(
    'connect-32',
    'connect, one empty unary, close; 32 at once',
    { kind: 'connect', inFlight: 32 },
    { unit: 'connections', arms: rpcOnly },
  ),
  row(
    'tls-connect-1',
    'TLS connect, one empty unary, close; one at a time',
    { kind: 'connect', latency: true },
    { unit: 'connections', arms: rpcOnly, tls: true },
  ),
  row(
    'unary-realistic-100',
    '1 KiB unary echo with 8 metadata entries, 100 in flight',
    { inFlight: 100, bodyOctets: kib, metadataEntries: 8 },
    {
      arms: rpcOnly,
      goals: [{ level: 'goal', metric: 'rate', versus: 'grpc-js', atLeast: 15 }],
    },
  ),
];
