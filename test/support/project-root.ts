/** Where the project and the test vectors beside it are, whatever folder the compiled tests run from. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the package.json named "purewire", found by walking up from this file. Throws Error when there is none. */
export function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest)) {
      const { name } = JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string };
      if (name === 'purewire') return folder;
    }
    const parent = dirname(folder);
    if (parent === folder) {
      throw new Error(`no package.json named "purewire" above ${fileURLToPath(import.meta.url)}`);
    }
    folder = parent;
  }
}

/** The folder `../shared/vectors` beside the project, or null where it was not laid out. */
export function vectorsFolder(): string | null {
  const folder = join(projectRoot(), '..', 'shared', 'vectors');
  return existsSync(folder) ? folder : null;
}
