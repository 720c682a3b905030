/** Programs of the matrix as child processes: servers that tell their port or take one, and clients that tell how each case went. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { freePort, listens } from '../../conformance/proxy-programs.ts';
import { TEST_SERVER_NAME, testIdentity } from '../service/test-identity.ts';
import type { CaseOutcome, MatrixTarget, RunningServer, ServerSetup } from './peer.ts';

/** How a program is called, before its flags. */
export interface Command {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const START_TIMEOUT_MS = 30_000;
/** Longest time between two words of a client. */
const CASE_TIMEOUT_MS = 120_000;

/** As `MatrixTarget`; without `tls` for a program that has no such flag. */
type ClientTarget = Omit<MatrixTarget, 'tls'> & Partial<MatrixTarget>;

/** The standard flags of a server. */
export async function serverFlags({ tls, maxStreams }: ServerSetup): Promise<string[]> {
  const flags = maxStreams === 0 ? [] : [`--max_concurrent_streams_limit=${maxStreams}`];
  if (!tls) return [...flags, '--use_tls=false'];
  const { certFile, keyFile } = await testIdentity();
  return [...flags, '--use_tls=true', `--tls_cert_file=${certFile}`, `--tls_key_file=${keyFile}`];
}

/** The standard flags of a client, but for the case. */
export async function clientFlags({ port, tls }: ClientTarget): Promise<string[]> {
  const flags = ['--server_host=127.0.0.1', `--server_port=${port}`];
  if (tls === undefined) return flags;
  if (!tls) return [...flags, '--use_tls=false'];
  const { caFile } = await testIdentity();
  return [
    ...flags,
    '--use_tls=true',
    '--use_test_ca=true',
    `--ca_file=${caFile}`,
    `--server_host_override=${TEST_SERVER_NAME}`,
  ];
}

function start({ program, arguments: leading, environment }: Command, flags: readonly string[]) {
  return spawn(program, [...leading, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
}

/** Starts a server on a free port and waits until it listens. Rejects with what it wrote when it does not. */
export async function startServer(command: Command, setup: ServerSetup): Promise<RunningServer> {
  const port = await freePort();
  const child = start(command, [`--port=${port}`, ...(await serverFlags(setup))]);
  let written = '';
  const keep = (text: Buffer): void => {
    if (written.length < 4000) written += text.toString();
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.on('error', (error) => keep(Buffer.from(error.message)));
  const endMs = Date.now() + START_TIMEOUT_MS;
  while (!(await listens(port))) {
    if (isGone(child) || Date.now() > endMs) {
      await stop(child);
      throw new Error(`${command.program} does not listen: ${written.trim()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return { port, stop: () => stop(child) };
}

function isGone({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid === undefined || exitCode !== null || signalCode !== null;
}

async function stop(child: ChildProcess): Promise<void> {
  if (isGone(child)) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** The lines that our client programs write for a case. */
const OUTCOME = /^([a-z0-9_]+): (passed|failed|not supported)(?:, (.*))?$/;
const RESULTS = { passed: 'passed', failed: 'failed', 'not supported': 'unable' } as const;

/**
 * Runs a client that takes many cases (`--test_case=a,b`) and writes a line for each, as test/interop/client.ts does. Cases that it did not
 * come to count as failed.
 */
export async function runClientOfMany(
  command: Command,
  cases: readonly string[],
  target: MatrixTarget,
  told: (outcome: CaseOutcome) => void,
): Promise<void> {
  const left = new Set(cases);
  const child = start(command, [`--test_case=${cases.join(',')}`, ...(await clientFlags(target))]);
  let said = '';
  const timer = setTimeout(() => child.kill('SIGKILL'), CASE_TIMEOUT_MS);
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      timer.refresh();
      const match = OUTCOME.exec(line);
      if (match === null) said = `${said}${line}\n`.slice(-2000);
      else if (left.delete(match[1]!)) {
        const result = RESULTS[match[2] as keyof typeof RESULTS];
        told({ name: match[1]!, result, text: match[3] ?? '' });
      }
    });
  }
  await closed(child);
  clearTimeout(timer);
  for (const name of left) {
    told({ name, result: 'failed', text: `the client ended before it: ${said.trim()}` });
  }
}

/** Runs a client that takes one case and tells by its exit code. */
export async function runClientOfOne(
  command: Command,
  name: string,
  target: ClientTarget,
): Promise<CaseOutcome> {
  const child = start(command, [`--test_case=${name}`, ...(await clientFlags(target))]);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => {
      said = `${said}${text.toString()}`.slice(-2000);
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), CASE_TIMEOUT_MS);
  const code = await closed(child);
  clearTimeout(timer);
  if (code === 0) return { name, result: 'passed', text: '' };
  return { name, result: 'failed', text: `exit code ${code}: ${said.trim()}` };
}

function closed(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    child.once('close', resolve);
    child.once('error', () => resolve(null));
  });
}
