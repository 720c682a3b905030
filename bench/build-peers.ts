/** `--build-peers`: builds the peers in other languages, where their toolchains are, into .tools/bench. */

import { spawn } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { benchRoot, projectRoot } from './project.ts';

/** Resolves to the exit code: 0 when every peer was built. */
export async function buildPeers(say: (text: string) => void): Promise<number> {
  const tools = join(projectRoot, '.tools', 'bench');
  const source = join(tools, 'go-source');
  mkdirSync(source, { recursive: true });
  // A copy, because the generated message code goes beside the sources.
  cpSync(join(benchRoot, 'peers', 'go'), source, { recursive: true });
  const steps: readonly (readonly string[])[] = [
    ['go', 'run', './generate', benchRoot, 'benchpb'],
    ['go', 'build', '-trimpath', '-o', join(tools, 'grpc-go'), '.'],
  ];
  for (const step of steps) {
    say(`grpc-go: ${step.join(' ')}`);
    const failure = await run(step, source);
    if (failure !== null) {
      say(
        `grpc-go could not be built: ${failure}\nIt needs a Go toolchain and the Go module proxy.`,
      );
      return 1;
    }
  }
  say('grpc-go is built; rows that have it as an arm will run it');
  return 0;
}

/** Null when the command succeeded. */
function run(command: readonly string[], folder: string): Promise<string | null> {
  return new Promise((resolve) => {
    const [program, ...args] = command;
    const child = spawn(program!, args, {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, CGO_ENABLED: '0' },
    });
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => resolve(code === 0 ? null : `exit code ${code}`));
  });
}
