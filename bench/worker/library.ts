/** Which compiled purewire a worker measures. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Purewire from '../../lib/index.ts';
import { outputRoot } from '../project.ts';

/**
 * Null: the bundle that is published, which is what users run. A folder: the compiled modules in it, the form in which two revisions are
 * compared. The two are not alike: the text of modules stays in the heap, and where that makes it larger than 8 MiB, V8 begins to mark it
 * whenever buffers of some 30 MiB have come and gone.
 */
export function loadLibrary(folder: string | null): Promise<typeof Purewire> {
  const path =
    folder === null ? join(outputRoot, 'bundle', 'index.js') : join(folder, 'lib', 'index.js');
  return import(pathToFileURL(path).href) as Promise<typeof Purewire>;
}
