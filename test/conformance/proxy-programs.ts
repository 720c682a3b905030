/** Proxies that speak HTTP/2 on both sides, as they are packaged for Debian: how each is started on loopback in front of a server. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How to start one kind of proxy. */
export interface ProxyProgram {
  readonly name: string;
  /** Argument with which the program tells its version. */
  readonly versionArgument: string;
  /** Command line of a proxy that listens on `port` and passes all on to `backend`; files go to `folder`. */
  arguments(port: number, backend: number, folder: string): readonly string[];
}

/** Connections of clients end after this many calls, so that GOAWAY comes in the middle of the traffic (grpc/grpc-node#2176). */
export const CALLS_PER_CONNECTION = 50;

const NGINX: ProxyProgram = {
  name: 'nginx',
  versionArgument: '-v',
  arguments(port, backend, folder) {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${folder}/${name};`)
      .join(' ');
    const config = `
daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr crit;
events {}
http {
  access_log off; ${temporary}
  server {
    listen 127.0.0.1:${port} http2;
    keepalive_requests ${CALLS_PER_CONNECTION};
    client_max_body_size 0;
    location / { grpc_pass grpc://127.0.0.1:${backend}; grpc_read_timeout 1h; grpc_send_timeout 1h; }
  }
}`;
    writeFileSync(join(folder, 'nginx.conf'), config);
    return ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'];
  },
};

const HAPROXY: ProxyProgram = {
  name: 'haproxy',
  versionArgument: '-v',
  arguments(port, backend, folder) {
    const config = `
defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
frontend in
  bind 127.0.0.1:${port} proto h2
  default_backend out
backend out
  server purewire 127.0.0.1:${backend} proto h2
`;
    writeFileSync(join(folder, 'haproxy.cfg'), config);
    return ['-f', join(folder, 'haproxy.cfg'), '-db', '-q'];
  },
};

const NGHTTPX: ProxyProgram = {
  name: 'nghttpx',
  versionArgument: '--version',
  arguments(port, backend) {
    return [
      '--conf=/dev/null',
      `--frontend=127.0.0.1,${port};no-tls`,
      `--backend=127.0.0.1,${backend};;proto=h2`,
      '--workers=1',
      '--accesslog-file=/dev/null',
      '--log-level=FATAL',
    ];
  },
};

/** The proxies that a run tries. */
export const PROXIES: readonly ProxyProgram[] = [NGINX, HAPROXY, NGHTTPX];

/** What the program says of its version, on one line; null when it is not installed. */
export function versionOf({ name, versionArgument }: ProxyProgram): string | null {
  const run = spawnSync(name, [versionArgument], { encoding: 'utf8' });
  if (run.error !== undefined) return null;
  const text = `${run.stdout}${run.stderr}`.trim();
  return /\d+\.\d+[^\s]*/.exec(text)?.[0] ?? 'of unknown version';
}

/** A running proxy. */
export interface RunningProxy {
  readonly port: number;
  /** What it wrote to stderr. */
  output(): string;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 10_000;

/** Starts a proxy in front of the server on `backend`. Rejects with Error when it does not listen within ten seconds. */
export async function startProxy(program: ProxyProgram, backend: number): Promise<RunningProxy> {
  const folder = mkdtempSync(join(tmpdir(), 'purewire-proxy-'));
  // Workers of nginx may run as another user.
  chmodSync(folder, 0o777);
  const port = await freePort();
  const child = spawn(program.name, program.arguments(port, backend, folder), {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => {
    output += text;
  });
  child.on('error', (error) => {
    output += error.message;
  });
  const stop = async (): Promise<void> => {
    await ended(child);
    rmSync(folder, { recursive: true, force: true });
  };
  const endMs = Date.now() + START_TIMEOUT_MS;
  while (!(await listens(port))) {
    if (child.exitCode !== null || Date.now() > endMs) {
      await stop();
      throw new Error(`${program.name} does not listen: ${output.trim()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { port, output: () => output, stop };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
  await exited;
  clearTimeout(timer);
}

/** A port that nothing listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

/** Whether something listens on `port`. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(port, '127.0.0.1');
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
