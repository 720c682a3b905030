/** Where the test vectors beside the project are. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from './project.ts';

/** The folder `../shared/vectors` beside the project, or null where it was not laid out. */
export function vectorsFolder(): string | null {
  const folder = join(projectFolder, '..', 'shared', 'vectors');
  return existsSync(folder) ? folder : null;
}
