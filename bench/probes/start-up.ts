/** What loading a library costs, and how long a fresh process takes to its first completed call. */

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { BenchOptions } from '../options.ts';
import { benchRoot } from '../project.ts';
import { figure } from '../report.ts';
import { median } from '../statistics.ts';
import { canPinTo } from '../worker-process.ts';
import type { Probe } from './probe.ts';

const quickRounds = 10;
const fullRounds = 20;
const thoroughRounds = 40;
const compiledRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Packages to load, by arm. */
const packages: Readonly<Record<string, string>> = {
  'grpc-js': '@grpc/grpc-js',
  'nice-grpc': 'nice-grpc',
  'connect-node': '@connectrpc/connect-node',
};

/** Import alone, and import, listen, connect, one call. */
export const startUp: Probe = {
  name: 'start-up',
  title: 'milliseconds that loading, and a first call, take above a bare process',
  plannedMs: 30_000,
  arms: ['purewire', 'grpc-js', 'nice-grpc', 'connect-node', 'node-http2'],
  run: async (arms, options, stage) => {
    const programs = new Map<string, readonly string[]>([['bare', evaluate('')]]);
    for (const arm of arms) {
      programs.set(`import ${arm}`, evaluate(importOf(arm)));
      programs.set(`call ${arm}`, [join(compiledRoot, 'bench', 'worker', 'first-call.js'), arm]);
    }
    programs.set('call nothing', [join(compiledRoot, 'bench', 'worker', 'first-call.js')]);
    const took = new Map<string, number[]>([...programs.keys()].map((name) => [name, []]));
    const rounds =
      options.effort === 'thorough'
        ? thoroughRounds
        : options.effort === 'quick'
          ? quickRounds
          : fullRounds;
    // The first round fills the file cache and does not count.
    for (let round = 0; round <= rounds; round++) {
      stage(`round ${round}/${rounds}`);
      for (const [name, args] of programs) {
        const ms = await timeProcess(args, options);
        if (round > 0) took.get(name)!.push(ms);
      }
    }
    const above = (name: string, base: string): number =>
      median(took.get(name)!) - median(took.get(base)!);
    const ours = arms.includes('purewire') ? above('import purewire', 'bare') : Number.NaN;
    return {
      columns: ['', 'import', 'first call'],
      lines: [
        ['bare process', `${figure(median(took.get('bare')!))} ms`, ''],
        ...arms.map((arm) => [
          arm,
          `+${figure(above(`import ${arm}`, 'bare'))} ms`,
          `+${figure(above(`call ${arm}`, 'call nothing'))} ms`,
        ]),
      ],
      goals: Number.isNaN(ours)
        ? []
        : [{ text: `goal: import at most 10 ms; is ${figure(ours)} ms`, reached: ours <= 10 }],
      data: Object.fromEntries(took),
    };
  },
};

function importOf(arm: string): string {
  if (arm === 'purewire') {
    // As it is published.
    const entry = pathToFileURL(join(compiledRoot, 'bundle', 'index.js')).href;
    return `await import(${JSON.stringify(entry)});`;
  }
  if (arm === 'node-http2') return "await import('node:http2');";
  const name = packages[arm];
  if (name === undefined) throw new Error(`nothing to load for ${arm}`);
  const from = JSON.stringify(join(benchRoot, 'package.json'));
  return `(await import('node:module')).createRequire(${from})(${JSON.stringify(name)});`;
}

function evaluate(program: string): readonly string[] {
  // Exits at once, so that what a library keeps open is not counted.
  return ['--input-type=module', '--eval', `${program} process.exit(0);`];
}

function timeProcess(args: readonly string[], options: BenchOptions): Promise<number> {
  const command = [process.execPath, ...args];
  const core = options.clientCore;
  const [program, ...rest] = canPinTo(core) ? ['taskset', '-c', String(core), ...command] : command;
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const child = spawn(program!, rest, { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => {
      stderr += text.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(performance.now() - startedAt);
      else reject(new Error(`${command.join(' ')} exited with code ${code}\n${stderr}`));
    });
  });
}
