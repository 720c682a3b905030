/** The demo as a newcomer runs it, each time a process of its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { stub } from '../../lib/index.ts';
import { t } from '../support/tap.ts';
import { sourceFiles } from './source-files-definition.ts';

const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const mainFile = fileURLToPath(new URL(`./main${extension}`, import.meta.url));

interface RunningDemo {
  readonly child: ChildProcess;
  /** What it has written so far. */
  output(): string;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
}

function startDemo(args: readonly string[]): RunningDemo {
  const onDeno = 'Deno' in globalThis;
  const leading = onDeno ? ['run', '-A', mainFile] : [mainFile];
  const child = spawn(process.execPath, [...leading, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      output += text;
    });
  }
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, output: () => output, ended };
}

async function outputMatching(demo: RunningDemo, pattern: RegExp): Promise<RegExpExecArray> {
  for (;;) {
    const match = pattern.exec(demo.output());
    if (match !== null) return match;
    if (demo.child.exitCode !== null) throw new Error(`the demo ended: ${demo.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

await t.test('npm start: every scenario of every pair passes, exit code 0', async (t) => {
  const demo = startDemo([]);
  const code = await demo.ended;
  const output = demo.output();
  if (code !== 0) t.comment(output);
  t.equal(code, 0);
  t.match(output, /Everything went well\.\n$/);
  t.notOk(output.includes('✗'), 'no scenario failed');
  t.equal(output.match(/^ {2}✓ /gm)?.length, 6 * 9 + 6, 'six pairs of nine, and the blocking one');
});

await t.test('--serve 0: serves until SIGINT, then ends with exit code 0', async (t) => {
  const demo = startDemo(['--serve', '0']);
  const [, port] = await outputMatching(demo, /on port (\d+): \d+ files[\s\S]*Ctrl-C stops it/);
  const methods = sourceFiles.invocationDescriptions();
  const files = stub(sourceFiles.name, methods, 'localhost', Number(port)).open();
  const info = await files.Stat({ path: 'test/demo/demo.test.ts' }, 30);
  t.ok(info.octets > 0);
  await files.close();
  // Not child.kill: after that Deno reports every exit as one by signal.
  if (demo.child.pid !== undefined) process.kill(demo.child.pid, 'SIGINT');
  const code = await demo.ended;
  if (code !== 0) t.comment(demo.output());
  t.equal(code, 0);
});

await t.test(
  '--serve with a port that is none, or taken: a clear message, exit code 1',
  async (t) => {
    const wrong = startDemo(['--serve', '70000']);
    t.equal(await wrong.ended, 1);
    t.equal(
      wrong.output(),
      'The demo could not run: --serve takes a port from 0 to 65535, got "70000"\n',
    );
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, resolve));
    t.teardown(() => holder.close());
    const { port } = holder.address() as { port: number };
    const taken = startDemo(['--serve', String(port)]);
    t.equal(await taken.ended, 1);
    t.match(taken.output(), new RegExp(`^The demo could not run: .*${port}`));
  },
);
