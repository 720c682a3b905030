/** Runs h2spec against our servers and h2specd against our client, and reads their verdicts. */

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestIdentity, testCertificates } from '../support/certificates.ts';
import { outputFolder } from '../support/project.ts';
import { type RunningTarget, startGrpcTarget } from './grpc-target.ts';
import type { OutsideTool } from './outside-tools.ts';
import { startPlainTarget } from './plain-target.ts';

/** What one suite said of one target. */
export interface SuiteResult {
  /** Suite and target: `h2spec h2c grpc`. */
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Everything the suite printed, for whoever has to find out what failed. */
  readonly output: string;
}

/** Cases that a full run has at least, so that a suite which ended early cannot pass. v2.2.1 has 146 server cases, newer code 147. */
const SERVER_CASES = 146;
const CLIENT_CASES = 57;

/** A run takes half a minute; one that takes so long is stopped and counts as failed. */
const RUN_TIMEOUT_MS = 150_000;
/** Seconds that a case waits for a frame. */
const SERVER_CASE_SECONDS = '2';
const CLIENT_CASE_SECONDS = '1';

interface Target {
  readonly name: string;
  readonly tls: boolean;
  start(): Promise<RunningTarget>;
}

const TARGETS: readonly Target[] = [
  { name: 'h2c plain', tls: false, start: () => startPlain(null) },
  { name: 'tls plain', tls: true, start: async () => startPlain(await serverIdentity()) },
  { name: 'h2c grpc', tls: false, start: () => startGrpcTarget(null) },
  { name: 'tls grpc', tls: true, start: async () => startGrpcTarget(await serverIdentity()) },
];

/** Runs h2spec, strict cases included, against the plain target and a gRPC server, each without and with TLS. */
export async function runH2spec(
  tool: OutsideTool,
  selection: readonly string[],
  report: (result: SuiteResult) => void,
): Promise<void> {
  for (const target of TARGETS) {
    const running = await target.start();
    try {
      const tls = target.tls ? ['-t', '-k'] : [];
      const address = ['-h', '127.0.0.1', '-p', String(running.port), '-o', SERVER_CASE_SECONDS];
      const output = await run(tool.path, [...selection, '-S', ...address, ...tls]);
      report(verdict(`h2spec ${target.name}`, output, selection.length > 0 ? 1 : SERVER_CASES));
    } finally {
      await running.stop();
    }
  }
}

/** Runs h2specd, which plays a server, against our client, without and with TLS. */
export async function runH2specd(
  tool: OutsideTool,
  selection: readonly string[],
  report: (result: SuiteResult) => void,
): Promise<void> {
  const client = join(outputFolder, 'test', 'conformance', 'h2get.js');
  const folder = mkdtempSync(join(tmpdir(), 'purewire-h2specd-'));
  try {
    for (const tls of [false, true]) {
      const args = [...selection, '-S', '-o', CLIENT_CASE_SECONDS];
      args.push('-f', String(await freePortRange(CLIENT_CASES)));
      if (tls) {
        const { server } = await testCertificates();
        args.push('-t', '-c', join(folder, 'server.crt'), '-k', join(folder, 'server.key'));
        writeFileSync(join(folder, 'server.crt'), server.certificateChain);
        writeFileSync(join(folder, 'server.key'), server.privateKey);
      }
      args.push('-e', `${process.execPath} ${client}${tls ? ' --insecure' : ''}`);
      let output = await run(tool.path, args);
      // h2specd gives up altogether when one start of the client took too long, as it may on a busy machine.
      for (let again = 0; again < 2 && output.includes('Error: Timeout'); again++) {
        output = await run(tool.path, args);
      }
      const name = `h2specd ${tls ? 'tls' : 'h2c'} client`;
      report(verdict(name, output, selection.length > 0 ? 1 : CLIENT_CASES));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The sums that both programs print last; a run without them, or with too few cases, has failed. */
function verdict(name: string, output: string, leastCases: number): SuiteResult {
  const sums = /(\d+) tests?, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(output);
  const [, cases, passed, skipped, failed] = (sums ?? [0, 0, 0, 0, 0]).map(Number);
  const missing = Math.max(0, leastCases - cases!);
  return { name, passed: passed!, failed: failed! + missing, skipped: skipped!, output };
}

async function serverIdentity(): Promise<TestIdentity> {
  return (await testCertificates()).server;
}

async function startPlain(identity: TestIdentity | null): Promise<RunningTarget> {
  const listener = await startPlainTarget(
    identity === null
      ? null
      : { material: { rootCertificates: null, ...identity }, clientCertificates: 'ignore' },
  );
  return { port: listener.port, stop: () => listener.close() };
}

function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (text: string): void => {
      output += text;
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    const timer = setTimeout(() => child.kill('SIGKILL'), RUN_TIMEOUT_MS);
    child.on('error', (error) => keep(error.message));
    child.on('close', () => {
      clearTimeout(timer);
      // h2specd complains about its own closed ports while it ends.
      resolve(output.replaceAll(/^.*use of closed network connection\n/gm, ''));
    });
  });
}

/** The first of `count` consecutive ports that are free now, below those the system gives out by itself. */
async function freePortRange(count: number): Promise<number> {
  for (let first = 20_000; first + count < 32_000; first += count) {
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
  throw new Error(`no ${count} consecutive ports between 20000 and 32000 are free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
