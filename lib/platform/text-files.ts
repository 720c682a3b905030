/**
 * Text files and their paths, for what loads `.proto` files. The only place of the library that touches the file system.
 */

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The absolute path of `file`, a path relative to `directory` or a `file:` URL. Throws TypeError for a URL of another scheme. */
export function absolutePath(directory: string, file: string | URL): string {
  return resolve(directory, typeof file === 'string' ? file : fileURLToPath(file));
}

/** The folder that `path` lies in. */
export function directoryOf(path: string): string {
  return dirname(path);
}

/** The text of the file, or null when there is no file of that path. Throws the system's error when it cannot be read. */
export function readTextFileSync(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return nullIfMissing(error);
  }
}

/** As `readTextFileSync`, without blocking. */
export async function readTextFile(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    return nullIfMissing(error);
  }
}

function nullIfMissing(error: unknown): null {
  const code = (error as { code?: unknown }).code;
  if (code === 'ENOENT' || code === 'ENOTDIR') return null;
  throw error;
}
