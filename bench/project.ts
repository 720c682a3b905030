/** Where things are: the bench runs compiled from any output folder, but its peers and bench.proto stay beside the sources. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of purewire's package.json. */
export const projectRoot: string = findProjectRoot();

/** Folder of the compiled output that this bench is part of. */
export const outputRoot: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** Folder of the bench's sources, its package.json with the peers, and bench.proto. */
export const benchRoot: string = join(projectRoot, 'bench');

/** Loads a peer from bench/node_modules, so that none of them is ever purewire's own dependency. */
export const requirePeer: NodeJS.Require = createRequire(join(benchRoot, 'package.json'));

/** The installed versions of `names` in bench/node_modules. */
export function peerVersions(...names: readonly string[]): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const name of names) {
    const path = join(benchRoot, 'node_modules', name, 'package.json');
    versions[name] = (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
  }
  return versions;
}

function findProjectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      if (manifest.name === 'purewire') return folder;
    } catch {
      // No readable package.json here: look one folder up.
    }
    const parent = dirname(folder);
    if (parent === folder) throw new Error('bench: no package.json of purewire above this file');
    folder = parent;
  }
}
