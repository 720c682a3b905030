/**
 * Text files and their paths, for what loads `.proto` files. The only place of the library that touches the file system.
 */

import type * as fsModule from 'node:fs';
import type * as pathModule from 'node:path';

// Loaded at their first use, as everything of the runtime is: importing the library stays cheap.
function fs(): typeof fsModule {
  return process.getBuiltinModule('node:fs');
}

function path(): typeof pathModule {
  return process.getBuiltinModule('node:path');
}

/** The absolute path of `file`, a path relative to `directory` or a `file:` URL. Throws TypeError for a URL of another scheme. */
export function absolutePath(directory: string, file: string | URL): string {
  const given =
    typeof file === 'string' ? file : process.getBuiltinModule('node:url').fileURLToPath(file);
  return path().resolve(directory, given);
}

/** The folder that `file` lies in. */
export function directoryOf(file: string): string {
  return path().dirname(file);
}

/** The text of the file, or null when there is no file of that path. Throws the system's error when it cannot be read. */
export function readTextFileSync(file: string): string | null {
  try {
    return fs().readFileSync(file, 'utf8');
  } catch (error) {
    return nullIfMissing(error);
  }
}

/** As `readTextFileSync`, without blocking. */
export async function readTextFile(file: string): Promise<string | null> {
  try {
    return await fs().promises.readFile(file, 'utf8');
  } catch (error) {
    return nullIfMissing(error);
  }
}

function nullIfMissing(error: unknown): null {
  const code = (error as { code?: unknown }).code;
  if (code === 'ENOENT' || code === 'ENOTDIR') return null;
  throw error;
}
