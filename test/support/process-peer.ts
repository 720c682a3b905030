/** A peer in a process of its own, so that it can be killed or frozen. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { outputFolder } from './project.ts';

/** A child process of this runtime that told its port. */
export interface ProcessPeer {
  readonly port: number;
  readonly pid: number;
  /** Sends a signal; resolves at once. */
  signal(name: NodeJS.Signals): void;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

/** What starts a program of this runtime, before the file's name. */
export function runtimeArguments(): string[] {
  const isDeno = (globalThis as { Deno?: unknown }).Deno !== undefined;
  return isDeno ? ['run', '--allow-all', '--no-prompt'] : [];
}

/**
 * Starts a compiled file, named by its source path such as `test/interop/peers/server-process.ts`, which writes `port N` as its first line
 * once it listens. Rejects with what it wrote to stderr when it ends before.
 */
export async function startProcessPeer(
  source: string,
  args: readonly string[],
): Promise<ProcessPeer> {
  const file = join(outputFolder, source.replace(/\.ts$/, '.js'));
  const child = spawn(process.execPath, [...runtimeArguments(), file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gone = once(child, 'close');
  const port = await portOf(child, source);
  return {
    port,
    pid: child.pid!,
    signal: (name) => void child.kill(name),
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

function portOf(child: ChildProcess, source: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let written = '';
    let errors = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      written += text;
      const match = /^port (\d+)$/m.exec(written);
      if (match !== null) resolve(Number(match[1]));
    });
    child.on('error', reject);
    child.on('close', (code) => {
      reject(new Error(`${source} ended with ${code} before it listened: ${errors}`));
    });
  });
}
