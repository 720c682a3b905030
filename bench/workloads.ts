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

/** Whose CPU a row compares: in rows where all arms share one end, that of the other end alone. */
export type ComparedSide = 'both' | 'client' | 'server';

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
  /** Measured for longer, over several launches. */
  readonly headline: boolean;
  /** Part of `--against`. */
  readonly guarded: boolean;
  readonly compared: ComparedSide;
  /** Arms that run it unless `--arms` says otherwise. */
  readonly arms: readonly string[];
  /** Arms that `--thorough` adds. */
  readonly moreArms: readonly string[];
  readonly goals: readonly Goal[];
}

const kib = 1024;
const mib = 1024 * 1024;

const subject = ['purewire', 'control'];
const limits = ['raw-echo', 'framed-echo', 'framed-codec'];
const wrappers = ['nice-grpc', 'connect-node'];
const otherLanguages = ['grpc-go', 'tonic', 'grpc-cpp'];
const everyone: readonly string[] = [
  ...limits,
  ...subject,
  'grpc-js',
  'node-http2',
  ...wrappers,
  ...otherLanguages,
];
/** Enough to place purewire between the limit and its peers. */
const few: readonly string[] = ['raw-echo', ...subject, 'grpc-js', 'grpc-go'];
const rpcOnly: readonly string[] = [...subject, 'grpc-js', ...wrappers, ...otherLanguages];

const plainUnary: Load = {
  kind: 'unary',
  bodyOctets: 0,
  inFlight: 1,
  connections: 1,
  messagesPerStream: 0,
  metadataEntries: 0,
  interceptors: false,
  resumeTls: false,
  latency: false,
};

const atLeast = (versus: string, ratio: number): Goal => ({
  level: 'goal',
  metric: 'rate',
  versus,
  atLeast: ratio,
});

function row(
  name: string,
  title: string,
  load: Partial<Load>,
  options: Partial<Omit<Workload, 'name' | 'title' | 'load' | 'moreArms'>> = {},
): Workload {
  const arms = options.arms ?? everyone;
  return {
    name,
    title,
    unit: options.unit ?? 'calls',
    load: { ...plainUnary, ...load },
    tls: options.tls ?? false,
    openLoop: options.openLoop ?? null,
    quick: options.quick ?? false,
    headline: options.headline ?? false,
    guarded: options.guarded ?? false,
    compared: options.compared ?? 'both',
    arms,
    moreArms:
      options.compared === undefined && load.interceptors !== true
        ? everyone.filter((arm) => !arms.includes(arm))
        : [],
    goals: options.goals ?? [],
  };
}

function sweep(inFlight: number, connections: number): Workload {
  const plural = connections === 1 ? 'connection' : 'connections';
  return row(
    `sweep-${connections}x${inFlight}`,
    `empty unary, ${inFlight} in flight, ${connections} ${plural}`,
    { inFlight, connections, latency: true },
    { arms: few },
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
      arms: ['framed-echo', ...subject, 'grpc-js', 'node-http2'],
      goals,
    },
  );
}

type Handshake = 'none' | 'full' | 'resumed';

function connecting(
  name: string,
  title: string,
  inFlight: number,
  handshake: Handshake = 'none',
): Workload {
  const resumeTls = handshake === 'resumed';
  return row(
    name,
    title,
    { kind: 'connect', inFlight, latency: inFlight === 1, resumeTls },
    {
      unit: 'connections',
      arms: [...few, 'node-http2', 'connect-node'],
      tls: handshake !== 'none',
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
      headline: true,
      guarded: true,
      goals: [
        { level: 'mark', metric: 'rate', versus: 'grpc-js', atLeast: 2 },
        atLeast('grpc-js', 4),
        atLeast('raw-echo', 0.8),
      ],
    },
  ),
  row(
    'unary-empty-100',
    'empty unary, 100 in flight',
    { inFlight: 100 },
    {
      quick: true,
      headline: true,
      guarded: true,
      goals: [
        { level: 'mark', metric: 'rate', versus: 'grpc-js', atLeast: 10 },
        atLeast('grpc-js', 25),
        atLeast('grpc-go', 2),
      ],
    },
  ),
  row(
    'unary-1k-100',
    '1 KiB unary echo, 100 in flight',
    { inFlight: 100, bodyOctets: kib },
    {
      headline: true,
      guarded: true,
      arms: ['raw-echo', 'framed-codec', ...rpcOnly, 'node-http2'],
      goals: [atLeast('grpc-js', 20)],
    },
  ),
  row(
    'unary-64k-16',
    '64 KiB unary echo, 16 in flight',
    { inFlight: 16, bodyOctets: 64 * kib },
    {
      headline: true,
      guarded: true,
      arms: [...few, 'framed-codec'],
      goals: [atLeast('grpc-js', 4), atLeast('raw-echo', 0.6)],
    },
  ),
  row(
    'unary-1m-4',
    '1 MiB unary echo, 4 in flight',
    { inFlight: 4, bodyOctets: mib },
    {
      headline: true,
      guarded: true,
      arms: [...few, 'framed-codec', 'tonic', 'grpc-cpp'],
      goals: [atLeast('grpc-js', 3), atLeast('raw-echo', 0.6)],
    },
  ),
  row(
    'server-stream-1k',
    'server streaming, 1 KiB messages, 1 stream',
    { kind: 'server-stream', bodyOctets: kib, messagesPerStream: 100_000 },
    {
      unit: 'messages',
      quick: true,
      headline: true,
      guarded: true,
      arms: ['raw-echo', 'framed-codec', ...rpcOnly],
      goals: [atLeast('grpc-js', 8), atLeast('grpc-go', 1)],
    },
  ),
  row(
    'client-stream-1k',
    'client streaming, 1 KiB messages, 1 stream',
    { kind: 'client-stream', bodyOctets: kib, messagesPerStream: 100_000 },
    { unit: 'messages', guarded: true, arms: [...few, 'framed-codec'] },
  ),
  row(
    'ping-pong-1',
    'bidirectional ping-pong, 1 stream',
    { kind: 'ping-pong', bodyOctets: 8, latency: true },
    {
      unit: 'messages',
      quick: true,
      headline: true,
      guarded: true,
      arms: [...few, 'node-http2', 'tonic', 'grpc-cpp'],
      goals: [atLeast('grpc-js', 1.6), atLeast('raw-echo', 0.8)],
    },
  ),
  row(
    'ping-pong-100',
    'bidirectional ping-pong, 100 streams',
    { kind: 'ping-pong', bodyOctets: 8, inFlight: 100 },
    {
      unit: 'messages',
      guarded: true,
      arms: [...few, 'tonic', 'grpc-cpp'],
      goals: [atLeast('grpc-js', 5)],
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
    'empty unary over TLS 1.3 on a connection that is open already, 100 in flight',
    { inFlight: 100 },
    {
      tls: true,
      headline: true,
      guarded: true,
      arms: [...few, 'grpc-cpp'],
      goals: [atLeast('grpc-js', 12)],
    },
  ),
  row(
    'tls-unary-64k-16',
    '64 KiB unary echo over TLS 1.3 on a connection that is open already, 16 in flight',
    { inFlight: 16, bodyOctets: 64 * kib },
    { tls: true, arms: few },
  ),
  connecting('connect-1', 'connect, one empty unary, close; one at a time', 1),
  connecting('connect-32', 'connect, one empty unary, close; 32 at once', 32),
  connecting(
    'tls-connect-1',
    'TLS connect (full handshake), one empty unary, close; one at a time',
    1,
    'full',
  ),
  connecting(
    'tls-connect-32',
    'TLS connect (full handshake), one empty unary, close; 32 at once',
    32,
    'full',
  ),
  // RFC 8446 §C.4: a session is used once. Node's servers give two with a full handshake and none with a resumed one, so at most two
  // handshakes of three are resumed there. Go's give one each time, and Go's client keeps one: all are resumed, one at a time.
  connecting(
    'tls-resumed-1',
    'TLS connect (sessions resumed, each once), one empty unary, close; one at a time',
    1,
    'resumed',
  ),
  connecting(
    'tls-resumed-32',
    'TLS connect (sessions resumed, each once), one empty unary, close; 32 at once',
    32,
    'resumed',
  ),
  row(
    'unary-realistic-100',
    '1 KiB unary echo with deadline, 8 metadata entries and an interceptor on each side, 100 in flight',
    { inFlight: 100, bodyOctets: kib, metadataEntries: 8, interceptors: true },
    {
      headline: true,
      guarded: true,
      // The arms that have interceptors on both sides.
      arms: rpcOnly,
      goals: [atLeast('grpc-js', 15)],
    },
  ),
  row(
    'servers-empty-100',
    'servers alone: empty unary, 100 in flight, all called by the client of purewire',
    { inFlight: 100 },
    {
      compared: 'server',
      arms: pairs((name) => `purewire:${name}`),
    },
  ),
  row(
    'clients-empty-100',
    'clients alone: empty unary, 100 in flight, all calling the server of purewire',
    { inFlight: 100 },
    {
      compared: 'client',
      arms: pairs((name) => `${name}:purewire`),
    },
  ),
];

/** purewire, its control, and each peer with purewire at its other end. */
function pairs(pair: (peer: string) => string): readonly string[] {
  return [...subject, ...['grpc-js', 'node-http2', 'connect-node', ...otherLanguages].map(pair)];
}
