/**
 * The conformance programs of others: found in the git-ignored `.tools/`, or built there when the machine has Go. Their source code is
 * fetched by the Go command and never becomes part of this project.
 */

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { projectFolder } from '../support/project.ts';

/** A program that can be run. */
export interface OutsideTool {
  readonly path: string;
  /** The version it was built from. */
  readonly version: string;
}

/** Programs of one Go module, with the versions of it that will do, best first. */
export interface GoModule {
  readonly name: string;
  readonly programs: readonly string[];
  /** Where in the module the programs are; `cmd` unless given. */
  readonly path?: string;
  /** Folder below `.tools/` for the programs, where their names say too little; `bin` unless given. */
  readonly folder?: string;
  readonly versions: readonly GoVersion[];
}

interface GoVersion {
  readonly version: string;
  /** Versions of what it needs, for those that name none themselves. */
  readonly requires: readonly string[];
}

/**
 * h2spec's newest code has no release: the module's tags from v2.3.0 on are not valid Go versions. v2.2.1 is the newest that is; it has
 * one server case less, and no list of what it needs.
 */
export const H2SPEC: GoModule = {
  name: 'github.com/summerwind/h2spec',
  programs: ['h2spec', 'h2specd'],
  versions: [
    { version: 'v1.5.1-0.20220625142712-af83a65f0b62', requires: [] },
    {
      version: 'v2.2.1+incompatible',
      requires: [
        'github.com/fatih/color@v1.19.0',
        'github.com/spf13/cobra@v1.10.2',
        'golang.org/x/net@v0.62.0',
      ],
    },
  ],
};

/** A command line client that learns a server's services from its reflection. */
export const GRPCURL: GoModule = {
  name: 'github.com/fullstorydev/grpcurl',
  programs: ['grpcurl'],
  versions: [{ version: 'v1.9.4', requires: [] }],
};

/** The interoperability programs of grpc-go: client, server, and the client for servers that misbehave on HTTP/2. */
export const GRPC_GO: GoModule = {
  name: 'google.golang.org/grpc',
  programs: ['client', 'server', 'http2'],
  path: 'interop',
  folder: 'interop/grpc-go',
  versions: [
    { version: 'v1.85.0', requires: [] },
    { version: 'v1.83.1', requires: [] },
  ],
};

/** For one step of a build, downloads included. */
const STEP_TIMEOUT_MS = 180_000;

const toolsFolder = join(projectFolder, '.tools');

function folderOf({ folder = 'bin' }: GoModule): string {
  return join(toolsFolder, folder);
}

function buildFolderOf({ name }: GoModule): string {
  return join(toolsFolder, 'go', name.replaceAll('/', '-'));
}

/** Finds or builds the programs of `module`. Returns why there are none as a string. */
export function findOrBuild(
  module: GoModule,
  say: (text: string) => void,
): Map<string, OutsideTool> | string {
  const found = findBuilt(module);
  if (found !== null) return found;
  if (spawnSync('go', ['version']).status !== 0) {
    return `Go is not on this machine: install it, or put ${module.programs.join(' and ')} into .tools/${module.folder ?? 'bin'}`;
  }
  let refusal = '';
  for (const { version, requires } of module.versions) {
    say(`building ${module.name} ${version} with Go`);
    refusal = build(module, version, requires);
    const built = findBuilt(module);
    if (refusal === '' && built !== null) return built;
    say(`  not to be had: ${refusal}`);
  }
  return refusal;
}

/**
 * Builds a program of our own against `module`, next to the programs of that. `source` is the path of its one file from the project's folder.
 * Returns why it cannot be had as a string.
 */
export function buildAgainst(
  module: GoModule,
  source: string,
  say: (text: string) => void,
): OutsideTool | string {
  const tools = findOrBuild(module, say);
  if (typeof tools === 'string') return tools;
  const folder = buildFolderOf(module);
  if (!existsSync(join(folder, 'go.mod'))) return `${module.name} was not built here`;
  const name = basename(source, '.go');
  mkdirSync(join(folder, name), { recursive: true });
  copyFileSync(join(projectFolder, source), join(folder, name, 'main.go'));
  const path = join(folderOf(module), name);
  const run = spawnSync('go', ['build', '-o', path, `./${name}`], {
    cwd: folder,
    encoding: 'utf8',
    timeout: STEP_TIMEOUT_MS,
  });
  if (run.status !== 0) return lastLine(run.stderr || String(run.error));
  return { path, version: [...tools.values()][0]!.version };
}

/** The programs of `module` if they have been built before. */
export function findBuilt(module: GoModule): Map<string, OutsideTool> | null {
  const binFolder = folderOf(module);
  const versionFile = join(binFolder, `${module.programs[0]}.version`);
  const version = existsSync(versionFile)
    ? readFileSync(versionFile, 'utf8').trim()
    : 'of unknown version';
  const tools = new Map<string, OutsideTool>();
  for (const program of module.programs) {
    const path = join(binFolder, program);
    if (!existsSync(path)) return null;
    tools.set(program, { path, version });
  }
  return tools;
}

/** Builds in a module of its own, so that the versions of everything are those named here. Returns an empty string, or what went wrong. */
function build(module: GoModule, version: string, requires: readonly string[]): string {
  const binFolder = folderOf(module);
  const folder = buildFolderOf(module);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  mkdirSync(binFolder, { recursive: true });
  const packages = module.programs.map(
    (program) => `${module.name}/${module.path ?? 'cmd'}/${program}`,
  );
  const steps = [
    ['mod', 'init', 'tools'],
    ['get', `${module.name}@${version}`, ...requires],
    ['get', ...packages],
    ['build', '-o', `${binFolder}/`, ...packages],
  ];
  for (const step of steps) {
    const run = spawnSync('go', step, { cwd: folder, encoding: 'utf8', timeout: STEP_TIMEOUT_MS });
    if (run.status !== 0) return lastLine(run.stderr || String(run.error));
  }
  writeFileSync(join(binFolder, `${module.programs[0]}.version`), `${version}\n`);
  return '';
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? '';
}
