/** The real data of the demo: this project's own source files, read once. */

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { projectFolder, slashed } from '../support/project.ts';

const SOURCE_FOLDERS = ['framing', 'transport', 'lib', 'test', 'bench'];
const LEFT_OUT = new Set(['node_modules', 'dist']);
const SOURCE_FILE = /\.(?:ts|proto|json|md)$/;

/** One source file. */
export interface SourceFile {
  /** Path from the project's top folder, with slashes. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly lines: readonly string[];
  readonly sha256: Uint8Array;
}

/** A line of a file that contains what was searched for. Lines count from 1. */
export interface LineMatch {
  readonly line: number;
  readonly text: string;
}

/** The project's source files by path. */
export class Repository {
  readonly files: readonly SourceFile[];
  readonly octets: number;
  readonly #byPath: ReadonlyMap<string, SourceFile>;

  constructor(files: readonly SourceFile[]) {
    this.files = files;
    this.octets = files.reduce((sum, file) => sum + file.content.length, 0);
    this.#byPath = new Map(files.map((file) => [file.path, file]));
  }

  /** The file of that path; undefined when there is none: nothing outside the list can be reached. */
  find(path: string): SourceFile | undefined {
    return this.#byPath.get(path);
  }

  /** The paths of files that have the same name in another folder. */
  similarPaths(path: string): string[] {
    const name = basename(path);
    return this.files.map((file) => file.path).filter((known) => basename(known) === name);
  }

  /** A file of at least that many octets. Throws Error when there is none. */
  fileOfAtLeast(octets: number): SourceFile {
    const file = this.files.find((candidate) => candidate.content.length >= octets);
    if (file === undefined) throw new Error(`no source file has ${octets} octets`);
    return file;
  }
}

/** Reads every source file of the project. */
export async function openRepository(): Promise<Repository> {
  const paths: string[] = [];
  for (const folder of SOURCE_FOLDERS) await listInto(paths, join(projectFolder, folder));
  const files = await Promise.all(
    paths
      .sort()
      .map(async (path) => sourceFile(relative(projectFolder, path), await readFile(path))),
  );
  return new Repository(files);
}

/** The lines of `file` that contain `text`. */
export function matchesIn(file: SourceFile, text: string): LineMatch[] {
  const matches: LineMatch[] = [];
  file.lines.forEach((line, index) => {
    if (line.includes(text)) matches.push({ line: index + 1, text: line });
  });
  return matches;
}

/** The SHA-256 over the octets of all parts, one behind the other. */
export function sha256Of(parts: Iterable<Uint8Array>): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** All parts, one behind the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The path of a file in test/demo, whether this code runs from there or compiled from another folder. */
export function demoFile(name: string): string {
  return join(projectFolder, 'test', 'demo', name);
}

async function listInto(paths: string[], folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (LEFT_OUT.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await listInto(paths, path);
    else if (SOURCE_FILE.test(entry.name)) paths.push(path);
  }
}

function sourceFile(path: string, content: Uint8Array): SourceFile {
  return {
    path: slashed(path),
    content,
    lines: new TextDecoder().decode(content).split('\n'),
    sha256: sha256Of([content]),
  };
}
