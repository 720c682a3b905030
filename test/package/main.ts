/**
 * `npm run test:package`: packs the project, installs the tarball in an empty folder, and uses it from there as others will: an ESM program,
 * a require() program and a TypeScript program. Needs npm, and protobufjs from npm's cache or registry.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectFolder } from '../support/project.ts';
import { npmCommand } from '../support/runtimes.ts';
import { consumerFiles, expectedOutput, tsconfigWithNode } from './programs.ts';

const STEP_TIMEOUT_MS = 180_000;
/** What protobufjs itself depends on. */
const ALLOWED_PACKAGES = ['purewire', 'protobufjs', 'long'];
const MUST_HAVE = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'SECURITY.md',
  'dist/bundle/index.js',
  'dist/bundle/index.js.map',
  'dist/bundle/protobuf.js',
  'dist/bundle/services.js',
  'dist/bundle/testing.js',
  'dist/bundle/blocking-worker.js',
  'dist/lib/index.d.ts',
  'dist/lib/alpha/index.d.ts',
  'dist/lib/protobuf/index.d.ts',
  'dist/lib/services/index.d.ts',
  'dist/lib/testing/index.d.ts',
  'lib/index.ts',
  'framing/frame-reader.ts',
  'transport/connection.ts',
];
// Of the compiler's output only the types: the code is in the bundle, once.
const MUST_NOT_HAVE =
  /^(test|bench|dist\/test|dist\/bench|\.|node_modules)|^dist\/(lib|framing|transport)\/.*\.js/;

/** Files of the bundle that `purewire` loads: its own and what it shares with other entries. Each costs an import part of a millisecond. */
const MAX_FILES = 3;

let passed = 0;

function check(name: string, faults: readonly string[]): void {
  if (faults.length > 0) throw new Error(`${name}:\n  ${faults.join('\n  ')}`);
  passed++;
  console.log(`ok   ${name}`);
}

/** Runs a program to its end and returns its output. Throws Error with everything it wrote when it fails. */
function run(command: readonly [string, ...string[]], cwd: string): string {
  const [program, ...args] = command;
  const done = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    timeout: STEP_TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (done.status === 0) return done.stdout;
  const outcome = done.error?.message ?? `exit code ${done.status ?? done.signal}`;
  throw new Error(`${command.join(' ')}: ${outcome}\n${done.stdout}${done.stderr}`);
}

interface PackedFile {
  readonly path: string;
  readonly size: number;
}

function pack(folder: string): { tarball: string; files: readonly PackedFile[] } {
  const output = run(
    [...npmCommand(), 'pack', '--json', '--pack-destination', folder],
    projectFolder,
  );
  const [packed] = JSON.parse(output.slice(output.indexOf('['))) as {
    filename: string;
    files: PackedFile[];
  }[];
  return { tarball: join(folder, packed!.filename), files: packed!.files };
}

function installedPackages(folder: string): string[] {
  const modules = join(folder, 'node_modules');
  return readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@')
        ? readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`)
        : name,
    );
}

/** The entry and every file that it imports, directly or not. */
function filesLoadedBy(folder: string, entry: string, seen: Set<string> = new Set()): Set<string> {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  const text = readFileSync(join(folder, entry), 'utf8');
  for (const [, file] of text.matchAll(/\b(?:from|import)\s*"\.\/([^"]+)"/g)) {
    filesLoadedBy(folder, file!, seen);
  }
  return seen;
}

async function startServer(folder: string): Promise<{ child: ChildProcess; port: string }> {
  const child = spawn(process.execPath, ['serve.mjs'], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout!.setEncoding('utf8');
    child.stdout!.once('data', (text: string) => resolve(text.trim()));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`serve.mjs ended early with exit code ${code}`)));
  });
  return { child, port };
}

async function main(folder: string): Promise<void> {
  const { tarball, files } = pack(folder);
  const paths = files.map(({ path }) => path);
  const octets = files.reduce((sum, { size }) => sum + size, 0);
  check(`packed: ${files.length} files, ${(octets / 1024).toFixed(0)} KiB unpacked`, [
    ...MUST_HAVE.filter((path) => !paths.includes(path)).map((path) => `lacks ${path}`),
    ...paths.filter((path) => MUST_NOT_HAVE.test(path)).map((path) => `holds ${path}`),
  ]);

  const empty = join(folder, 'empty');
  mkdirSync(empty);
  for (const [name, text] of Object.entries(consumerFiles)) writeFileSync(join(empty, name), text);
  writeFileSync(join(empty, 'package.json'), '{ "name": "consumer", "private": true }\n');
  run([...npmCommand(), 'install', '--no-audit', '--no-fund', '--prefer-offline', tarball], empty);
  check(
    'installed with protobufjs and nothing else',
    installedPackages(empty)
      .filter((name) => !ALLOWED_PACKAGES.includes(name))
      .map((name) => `${name} was installed too`),
  );

  const loaded = filesLoadedBy(
    join(empty, 'node_modules', 'purewire', 'dist', 'bundle'),
    'index.js',
  );
  check(
    `import 'purewire' loads ${loaded.size} files`,
    loaded.size <= MAX_FILES ? [] : [`at most ${MAX_FILES}, not ${[...loaded].join(' ')}`],
  );

  const { child, port } = await startServer(empty);
  try {
    for (const program of ['call.mjs', 'call.cjs']) {
      const output = run([process.execPath, program, port], empty).trim();
      check(
        `${program} calls the server`,
        output === expectedOutput ? [] : [`printed ${output}, not ${expectedOutput}`],
      );
    }
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.stdin!.end();
    const code = await exited;
    check('the server stops by itself', code === 0 ? [] : [`exit code ${String(code)}`]);
  } finally {
    child.kill();
  }

  const compiler = join(projectFolder, 'node_modules', 'typescript', 'bin', 'tsc');
  run([process.execPath, compiler, '-p', 'tsconfig.json'], empty);
  check('a TypeScript program compiles against the types (strict)', []);
  const typeRoots = join(projectFolder, 'node_modules', '@types');
  writeFileSync(join(empty, 'tsconfig.node.json'), tsconfigWithNode(typeRoots));
  run([process.execPath, compiler, '-p', 'tsconfig.node.json'], empty);
  check('the types themselves are free of errors (skipLibCheck off)', []);
}

const folder = mkdtempSync(join(tmpdir(), 'purewire-package-'));
try {
  await main(folder);
} catch (error) {
  console.error(`FAIL ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
  console.log(`${passed} passed, ${process.exitCode === 1 ? 1 : 0} failed`);
}
