/**
 * A server on several cores: `scale-server HOW COUNT WORK`. `cluster`: node:cluster accepts connections and hands them over in turn;
 * `threads`: each worker thread has a server on the same port (reusePort), and the system spreads connections. A COUNT of 1 serves by
 * itself. Steered like any worker; its usage is the sum of all. `Nothing` hashes WORK KiB before it answers.
 */

import cluster from 'node:cluster';
import { createHash } from 'node:crypto';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { LineSplitter, type Usage, type WorkerRequest } from '../protocol.ts';
import { serviceName } from './bench-arm.ts';
import { loadLibrary } from './library.ts';
import { codecs, type Message, patternedBody } from './messages.ts';
import { currentUsage } from './usage.ts';

const [how = 'cluster', count = '1', workKib = '0'] = process.argv.slice(2);
const work = Number(workKib);
const purewire = await loadLibrary(null);
const kib = 1024;

if (!isMainThread) {
  parentPort!.postMessage(await serve(workerData as number, true));
} else if (cluster.isWorker) {
  const port = await serve(0, false);
  process.send!({ port });
  process.on('message', () => process.send!({ usage: currentUsage() }));
} else {
  const splitter = new LineSplitter();
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (text: string) => {
    for (const line of splitter.push(text)) void answer(JSON.parse(line) as WorkerRequest);
  });
  process.stdin.on('end', () => process.exit(0));
  process.on('SIGINT', () => {});
}

async function serve(port: number, reusePort: boolean): Promise<number> {
  const body = patternedBody(work * kib);
  const nothing = (request: Message): Message => {
    if (work > 0) createHash('sha256').update(body).digest();
    return request;
  };
  const { empty } = codecs;
  const methods = {
    Nothing: purewire.unaryUnaryServiceDescription(nothing, empty.decode, empty.encode),
  };
  const server = purewire.server(serviceName, methods, port, { host: '127.0.0.1', reusePort });
  await server.start();
  return server.port();
}

async function answer({ id, method }: WorkerRequest): Promise<void> {
  let result: object;
  if (method === 'start') {
    result = { port: await startAll(), pid: process.pid, versions: {} };
  } else if (method === 'usage') {
    result = await sumOfUsage();
  } else if (method === 'stop') {
    setImmediate(() => process.exit(0));
    result = {};
  } else {
    process.stdout.write(`${JSON.stringify({ id, error: `no method ${method} here` })}\n`);
    return;
  }
  process.stdout.write(`${JSON.stringify({ id, result })}\n`);
}

async function startAll(): Promise<number> {
  if (count === '1') return serve(0, false);
  if (how === 'threads') {
    let port = 0;
    for (let i = 0; i < Number(count); i++) port = await threadOn(port);
    return port;
  }
  const ports = await Promise.all(
    Array.from({ length: Number(count) }, async () => {
      const { port } = await messageOf<{ port: number }>(cluster.fork());
      return port;
    }),
  );
  return ports[0]!;
}

function threadOn(port: number): Promise<number> {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: port,
    argv: process.argv.slice(2),
  });
  return new Promise((resolve, reject) => {
    worker.once('message', (bound: unknown) => resolve(bound as number));
    worker.once('error', reject);
  });
}

async function sumOfUsage(): Promise<Usage> {
  const all = [currentUsage()];
  for (const worker of Object.values(cluster.workers ?? {})) {
    if (worker === undefined) continue;
    const answered = messageOf<{ usage: Usage }>(worker);
    worker.send({});
    all.push((await answered).usage);
  }
  const [first, ...others] = all;
  const sum: Record<string, number> = { ...first! };
  for (const each of others) {
    for (const [name, value] of Object.entries(each)) sum[name] = (sum[name] ?? 0) + value;
  }
  return sum as unknown as Usage;
}

function messageOf<T>(worker: ReturnType<typeof cluster.fork>): Promise<T> {
  return new Promise((resolve, reject) => {
    worker.once('message', (message: unknown) => resolve(message as T));
    worker.once('exit', (code) => reject(new Error(`a server process ended with ${code}`)));
  });
}
