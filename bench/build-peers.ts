/** `--build-peers`: builds the peers in other languages, where their toolchains are, into .tools/bench. */

import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { benchRoot, projectRoot } from './project.ts';

const tools = join(projectRoot, '.tools', 'bench');

/** One peer: what it needs and how it is built. */
interface PeerBuild {
  readonly name: string;
  /** Succeeds where the toolchain is. */
  readonly probe: readonly string[];
  readonly needs: string;
  /** Where the steps run; made before. */
  readonly folder: string;
  /** Sources to copy there, for toolchains that generate code beside them. */
  readonly copies: string | null;
  readonly environment: Readonly<Record<string, string>>;
  readonly steps: readonly (readonly string[])[];
  /** The program, when the steps leave it elsewhere than at .tools/bench/NAME. */
  readonly built: string | null;
}

const rustTarget = join(tools, 'rust-target');

const builds: readonly PeerBuild[] = [
  {
    name: 'grpc-go',
    probe: ['go', 'version'],
    needs: 'a Go toolchain and the Go module proxy',
    folder: join(tools, 'go-source'),
    copies: join(benchRoot, 'peers', 'go'),
    environment: { CGO_ENABLED: '0' },
    steps: [
      ['go', 'run', './generate', benchRoot, 'benchpb'],
      ['go', 'build', '-trimpath', '-o', join(tools, 'grpc-go'), '.'],
    ],
    built: null,
  },
  {
    name: 'tonic',
    probe: ['cargo', '--version'],
    needs: 'a Rust toolchain (1.85 or newer) and the crates registry',
    folder: join(benchRoot, 'peers', 'rust'),
    copies: null,
    environment: { BENCH_ROOT: benchRoot },
    steps: [['cargo', 'build', '--release', '--locked', '--target-dir', rustTarget]],
    built: join(rustTarget, 'release', 'purewire-bench-tonic'),
  },
  {
    name: 'grpc-cpp',
    probe: ['g++', '--version'],
    needs: "g++, and either gRPC's development packages or apt-get to unpack them below .tools/",
    folder: join(tools, 'cpp-build'),
    copies: null,
    environment: { BENCH_ROOT: benchRoot, OUTPUT: join(tools, 'grpc-cpp') },
    steps: [['bash', join(benchRoot, 'peers', 'cpp', 'build.sh')]],
    built: null,
  },
];

/** Resolves to the exit code: 0 when every peer whose toolchain is here was built. */
export async function buildPeers(say: (text: string) => void): Promise<number> {
  let failed = false;
  for (const build of builds) {
    const [probe, ...args] = build.probe;
    if (spawnSync(probe!, args, { stdio: 'ignore' }).status !== 0) {
      say(`${build.name}: left out, ${probe} is not here; it needs ${build.needs}`);
      continue;
    }
    const failure = await buildOne(build, say);
    if (failure === null) {
      say(`${build.name}: built; rows that have it as an arm will run it`);
    } else {
      failed = true;
      say(`${build.name}: could not be built: ${failure}; it needs ${build.needs}`);
    }
  }
  return failed ? 1 : 0;
}

/** Null when it was built. */
async function buildOne(build: PeerBuild, say: (text: string) => void): Promise<string | null> {
  mkdirSync(build.folder, { recursive: true });
  if (build.copies !== null) cpSync(build.copies, build.folder, { recursive: true });
  for (const step of build.steps) {
    say(`${build.name}: ${step.join(' ')}`);
    const failure = await run(step, build.folder, build.environment);
    if (failure !== null) return failure;
  }
  if (build.built !== null) cpSync(build.built, join(tools, build.name));
  return null;
}

/** Null when the command succeeded. */
function run(
  command: readonly string[],
  folder: string,
  environment: Readonly<Record<string, string>>,
): Promise<string | null> {
  return new Promise((resolve) => {
    const [program, ...args] = command;
    const child = spawn(program!, args, {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...environment },
    });
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => resolve(code === 0 ? null : `exit code ${code}`));
  });
}
