/** What the architecture test needs to know of a source file: its imports and its exported symbols, read line by line. */

import { posix } from 'node:path';
import type { ProjectFile } from './project.ts';

/** One import or re-export. */
export interface Import {
  /** Path of the imported project file, or the bare name (`node:net`, `protobufjs`). */
  readonly target: string;
  readonly isRelative: boolean;
  /** Erased by the compiler. */
  readonly typeOnly: boolean;
}

const STATIC_IMPORT =
  /^(?:import|export)\s+(type\s+)?(?:(\*(?:\s+as\s+\w+)?|[\w$]+|(?:[\w$]+\s*,\s*)?\{[^}]*\})\s+from\s+)?'([^']+)'/gm;
const DYNAMIC_IMPORT = /\b(?:import|require|getBuiltinModule)\(\s*'([^']+)'/g;

/** Every import of `file`, static and dynamic. Relies on the formatter: statements begin a line, quotes are single. */
export function importsOf(file: ProjectFile): Import[] {
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean): void => {
    const isRelative = specifier.startsWith('.');
    const target = isRelative ? posix.join(posix.dirname(file.path), specifier) : specifier;
    found.push({ target, isRelative, typeOnly });
  };
  for (const [, type, names, specifier] of file.text.matchAll(STATIC_IMPORT)) {
    add(specifier!, type !== undefined || namesOnlyTypes(names));
  }
  for (const [, specifier] of withoutComments(file.text).matchAll(DYNAMIC_IMPORT))
    add(specifier!, false);
  return found;
}

function namesOnlyTypes(names: string | undefined): boolean {
  if (names === undefined || !names.startsWith('{')) return false;
  const parts = names
    .slice(1, -1)
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return parts.length > 0 && parts.every((part) => part.startsWith('type '));
}

/** The text with block comments and whole-line comments blanked; line numbers stay. */
export function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/^\s*\/\/.*$/gm, '');
}

const EXPORT =
  /^export (?:declare )?(?:abstract )?(?:async )?(function\*?|class|const|let|interface|type) ([\w$]+)/;

/**
 * Exported declarations without a docstring right above them, as `line: name`. Of several declarations of one name (overloads, a const
 * with its type) the first needs it, and constants on adjacent lines may share one.
 */
export function undocumentedExports(file: ProjectFile): string[] {
  const lines = file.text.split('\n');
  const seen = new Set<string>();
  const missing: string[] = [];
  lines.forEach((line, index) => {
    const name = EXPORT.exec(line)?.[2];
    if (name === undefined || seen.has(name)) return;
    seen.add(name);
    let above = index - 1;
    while (/^\/\/ (biome-ignore|oxlint-)|^export const .*;$/.test(lines[above] ?? '')) above--;
    if (!(lines[above] ?? '').endsWith('*/')) missing.push(`${index + 1}: ${name}`);
  });
  return missing;
}
