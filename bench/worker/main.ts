/** A worker process: the server or the client of one arm, steered by JSON lines on stdin until that ends. */

import nodeTls from 'node:tls';
import {
  LineSplitter,
  type Load,
  type StartParams,
  type StartResult,
  type WorkerMethod,
  type WorkerMethods,
  type WorkerRequest,
  type WorkerResponse,
} from '../protocol.ts';
import { loadArm } from './arm-modules.ts';
import type { BenchClient } from './bench-arm.ts';
import { Meter } from './meter.ts';
import { startProfile, stopProfile } from './profile.ts';
import { currentUsage, usageBetween } from './usage.ts';

const maxErrorLines = 6;
const tlsCipher = 'TLS_AES_128_GCM_SHA256';

let client: BenchClient | null = null;
let running: Load | null = null;

type Handlers = {
  [M in WorkerMethod]: (params: WorkerMethods[M]['params']) => Promise<WorkerMethods[M]['result']>;
};

const handlers: Handlers = {
  start,
  usage: async () => currentUsage(),
  run: async (params) => {
    if (client === null || running === null) {
      throw new Error('run before start, or on a server');
    }
    const before = currentUsage();
    const meter = new Meter(params, running);
    await client.run(meter);
    return { ...meter.result(), usage: usageBetween(before, currentUsage()) };
  },
  hold: async ({ what, count }) => {
    if (client === null) throw new Error('hold before start, or on a server');
    await client.hold(what, count);
    return { held: count };
  },
  settle: async ({ quietMs }) => {
    await new Promise((resolve) => setTimeout(resolve, quietMs));
    const collect = (globalThis as { gc?: () => void }).gc;
    for (let i = 0; i < 3; i++) collect?.();
    return { ...currentUsage(), externalOctets: process.memoryUsage().external };
  },
  'profile-start': async ({ kind }) => {
    await startProfile(kind);
    return {};
  },
  'profile-stop': async ({ file }) => stopProfile(file),
  stop: async () => {
    setImmediate(() => process.exit(0));
    return {};
  },
};

async function start(params: StartParams): Promise<StartResult> {
  const arm = await loadArm(params.implementation);
  const { tls, library, port, load, maxStreams, interceptors } = params;
  const versions = { node: process.version };
  // The same cipher for every arm; a list of Node's own would differ between its releases.
  if (tls !== null) nodeTls.DEFAULT_CIPHERS = tlsCipher;
  if (params.role === 'server') {
    const server = await arm.startServer({ tls, library, maxStreams, interceptors });
    return { port: server.port, pid: process.pid, versions: { ...versions, ...server.versions } };
  }
  if (load === null) throw new Error('a client needs a load');
  running = load;
  client = await arm.startClient({ port, tls, load, library });
  return { port: 0, pid: process.pid, versions: { ...versions, ...client.versions } };
}

async function answer(request: WorkerRequest): Promise<void> {
  let response: WorkerResponse;
  try {
    const handler = handlers[request.method] as (params: unknown) => Promise<unknown>;
    response = { id: request.id, result: await handler(request.params) };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const lines = text.split('\n').slice(0, maxErrorLines).join('\n');
    response = { id: request.id, error: lines };
  }
  process.stdout.write(`${JSON.stringify(response)}\n`);
}

const splitter = new LineSplitter();
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text: string) => {
  for (const line of splitter.push(text)) void answer(JSON.parse(line) as WorkerRequest);
});
// The coordinator is gone, however it ended: nobody would stop this process otherwise.
process.stdin.on('end', () => process.exit(0));
// Ctrl-C reaches the whole process group; the coordinator decides when workers end.
process.on('SIGINT', () => {});
