/** Installs the peers of bench/package.json on first use, from exactly the versions its lock file names. */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchRoot, projectRoot } from './project.ts';

const markerPath = join(benchRoot, 'node_modules', '.installed-lock');

/** Makes sure bench/node_modules matches bench/package-lock.json; throws an Error that says what to do when it cannot. */
export async function installPeers(say: (text: string) => void): Promise<void> {
  const lock = createHash('sha256')
    .update(readFileSync(join(benchRoot, 'package-lock.json')))
    .digest('hex');
  if (readMarker() === lock) return;
  say('installing the peers of bench/package.json (first use): npm ci --prefix bench');
  const started = Date.now();
  const output = await run('npm', [
    'ci',
    '--prefix',
    benchRoot,
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
  ]);
  if (output !== null) {
    throw new Error(
      'the peers could not be installed with npm ci --prefix bench. Either make that command work (it needs the npm registry), ' +
        'or leave the peers out: --arms raw-echo,framed-echo,purewire,control,node-http2\n' +
        output,
    );
  }
  writeFileSync(markerPath, lock);
  say(`peers installed in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function readMarker(): string | null {
  try {
    return readFileSync(markerPath, 'utf8');
  } catch {
    return null;
  }
}

/** Null when the command succeeded, else what it printed. */
function run(program: string, args: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: projectRoot, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (text: Buffer): void => {
      output = (output + text.toString()).slice(-4_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => resolve(code === 0 ? null : output.trim()));
  });
}
