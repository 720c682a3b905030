/** Where the project and its compiled output are, and its source files as text. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the project: where package.json is. */
export const projectFolder: string = findProjectFolder();

/** Folder of the compiled output that this module is part of. */
export const outputFolder: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

function findProjectFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('no package.json above the compiled tests');
    folder = parent;
  }
  return folder;
}

/** A file of the project. */
export interface ProjectFile {
  /** Path from the project's folder, with `/`. */
  readonly path: string;
  readonly text: string;
}

const GENERATED = /^(node_modules|dist|coverage|\.git|\.tap|\.tools|\.build-.*|.*\.tgz|.*\.log)$/;

/** All text files below `folder` (from the project's folder; `.` for all) whose path fits `pattern`, generated folders left out. */
export function projectFiles(folder: string, pattern: RegExp): ProjectFile[] {
  const found: ProjectFile[] = [];
  const visit = (path: string): void => {
    for (const entry of readdirSync(join(projectFolder, path), { withFileTypes: true })) {
      if (GENERATED.test(entry.name)) continue;
      const inner = path === '.' ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) visit(inner);
      else if (pattern.test(inner)) found.push({ path: inner, text: readProjectFile(inner) });
    }
  };
  if (existsSync(join(projectFolder, folder))) visit(folder);
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The text of one file, by its path from the project's folder. */
export function readProjectFile(path: string): string {
  return readFileSync(join(projectFolder, ...path.split('/')), 'utf8').replaceAll('\r\n', '\n');
}

/** A path with `/` whatever the platform. */
export function slashed(path: string): string {
  return path.split(sep).join('/');
}
