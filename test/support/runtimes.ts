/** Where the runtimes of `npm run test:runtimes` come from: npm platform packages in the git-ignored folder `.tools/runtimes`. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from './project.ts';
import type { Runtime } from './test-process.ts';

/** A runtime that the suite should pass on. */
export interface RuntimeSource {
  /** Short name: `node20`, `bun`, `deno`. */
  readonly name: string;
  readonly isNode: boolean;
  /** npm package with version range, or null when there is none for this machine. */
  readonly packageSpec: string | null;
  /** Path of the program inside the package. */
  readonly program: string;
  /** Arguments before the file. */
  readonly args: readonly string[];
}

/** A runtime ready to use, or the reason why it is not. */
export type InstalledRuntime =
  | { readonly runtime: Runtime; readonly version: string }
  | { readonly reason: string };

const NODE_MAJORS = [20, 22, 24, 26] as const;
const INSTALL_TIMEOUT_MS = 300_000;
const VERSION_TIMEOUT_MS = 30_000;
const suffix = process.platform === 'win32' ? '.exe' : '';

/** All runtimes, in the order of the table. */
export const runtimeSources: readonly RuntimeSource[] = [
  ...NODE_MAJORS.map((major) => ({
    name: `node${major}`,
    isNode: true,
    packageSpec: `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}@${major}`,
    program: `bin/node${suffix}`,
    args: ['--enable-source-maps'],
  })),
  {
    name: 'bun',
    isNode: false,
    packageSpec: bunPackage(),
    program: `bin/bun${suffix}`,
    args: [],
  },
  {
    name: 'deno',
    isNode: false,
    packageSpec: denoPackage(),
    program: `deno${suffix}`,
    args: ['run', '--allow-all', '--no-prompt'],
  },
];

function bunPackage(): string | null {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const arch = { x64: 'x64', arm64: 'aarch64' }[process.arch as string];
  return arch === undefined ? null : `@oven/bun-${platform}-${arch}`;
}

function denoPackage(): string | null {
  if (process.arch !== 'x64' && process.arch !== 'arm64') return null;
  const libc = process.platform === 'linux' ? '-glibc' : '';
  return `@deno/${process.platform}-${process.arch}${libc}`;
}

/**
 * Installs `source` if it is not there yet (`update`: in any case, which brings the newest version of its range) and asks it for its
 * version. Never throws: what cannot be had, or does not start on this machine, is a reason.
 */
export function installRuntime(source: RuntimeSource, update: boolean): InstalledRuntime {
  const { name, packageSpec } = source;
  if (packageSpec === null) return { reason: `no package for ${process.platform} ${process.arch}` };
  const folder = join(projectFolder, '.tools', 'runtimes', name);
  const packageName = packageSpec.replace(/(?<=.)@\d+$/, '');
  const program = join(
    folder,
    'node_modules',
    ...packageName.split('/'),
    ...source.program.split('/'),
  );
  if (update || !existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    const failure = npmInstall(folder, packageSpec);
    if (failure !== null) return { reason: failure };
  }
  const asked = spawnSync(program, ['--version'], {
    encoding: 'utf8',
    timeout: VERSION_TIMEOUT_MS,
  });
  if (asked.status !== 0) {
    return {
      reason: `does not start: ${asked.error?.message ?? (asked.stderr.trim() || asked.signal)}`,
    };
  }
  const version = /\d+\.\d+\.\d+/.exec(asked.stdout)?.[0] ?? asked.stdout.trim();
  return {
    version,
    runtime: {
      name: `${name} ${version}`,
      command: [program, ...source.args],
      // tap answers SIGALRM, tap-lite SIGTERM.
      timeoutSignal: source.isNode ? 'SIGALRM' : 'SIGTERM',
    },
  };
}

/** Returns the reason when the package could not be installed, else null. */
function npmInstall(folder: string, packageSpec: string): string | null {
  const flags = [
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--package-lock=false',
  ];
  const [program, ...leading] = npmCommand();
  const done = spawnSync(
    program,
    [...leading, 'install', '--prefix', folder, ...flags, packageSpec],
    { cwd: folder, encoding: 'utf8', timeout: INSTALL_TIMEOUT_MS },
  );
  if (done.status === 0) return null;
  const errors = (done.stderr ?? '')
    .split('\n')
    .filter((line) => /^npm (error|ERR!) (?!A complete log)/.test(line));
  return `npm install ${packageSpec} failed: ${errors[0] ?? done.error?.message ?? done.signal ?? `exit code ${done.status}`}`;
}

/** The npm that runs this script, or the one on the PATH. */
export function npmCommand(): [string, ...string[]] {
  const script = process.env['npm_execpath'];
  return script?.endsWith('.js') ? [process.execPath, script] : ['npm'];
}
