/**
 * `.proto` files and texts, with everything they import, into one protobufjs Root whose every type name is known to resolve.
 * Errors name the file and the line.
 */

import protobuf from 'protobufjs';
import { assertKnownOptions, type KnownOptions } from '../known-options.ts';
import {
  absolutePath,
  directoryOf,
  readTextFile,
  readTextFileSync,
} from '../platform/text-files.ts';
import { checkDefinitions } from './proto-check.ts';
import { ProtoError } from './proto-error.ts';

/** A `.proto` file; a relative path starts at the working directory, then at each of `includeDirs`. */
export interface ProtoFileSource {
  readonly file: string | URL;
}

/** The text of a `.proto` file. `filename` is named in errors, and imports may be relative to its folder. */
export interface ProtoTextSource {
  readonly text: string;
  readonly filename?: string;
}

/** How `.proto` sources are read. */
export interface LoadOptions {
  /** Folders that import paths start from (protoc's `--proto_path`), tried in order before the importing file's own folder. */
  readonly includeDirs?: readonly string[];
  /**
   * True: field names stay as written in the `.proto`. False, the default: `snake_case` becomes `camelCase`. Either way the well-known types
   * have the names that protobufjs gives them: camelCase, but `type_url` of Any.
   */
  readonly keepCase?: boolean;
}

/** The names of `LoadOptions`. */
export const LOAD_OPTIONS: KnownOptions<LoadOptions> = {
  includeDirs: true,
  keepCase: true,
};

/** Asks its driver for the text of the file at the yielded path; the answer is null when there is no such file. */
type Loading = Generator<string, protobuf.Root, string | null>;

interface Imported {
  readonly name: string;
  readonly weak: boolean;
  /** Path or name of the importing file, and its text for the line number. */
  readonly importer: string | null;
  readonly importerText: string;
  /** Folder of the importing file; null when it has none. */
  readonly directory: string | null;
}

/**
 * Loads a `.proto` file or text with its imports; blocks while files are read. google/protobuf/*.proto need no files.
 * Throws ProtoError for whatever is wrong with them, TypeError for a source that is neither and for an unknown option.
 */
export function loadRoot(
  source: ProtoFileSource | ProtoTextSource,
  options: LoadOptions = {},
): protobuf.Root {
  assertKnownOptions(options, LOAD_OPTIONS, 'loadRoot()');
  return rootOf(source, options);
}

/** As `loadRoot`, of options that may have other names besides. */
export function rootOf(
  source: ProtoFileSource | ProtoTextSource,
  options: LoadOptions,
): protobuf.Root {
  const loading = loadSource(source, options);
  let step = loading.next();
  while (!step.done) {
    const path = step.value;
    step = loading.next(attempt(path, () => readTextFileSync(path)));
  }
  return step.value;
}

/** As `loadRoot`, without blocking. */
export async function loadRootAsync(
  source: ProtoFileSource | ProtoTextSource,
  options: LoadOptions = {},
): Promise<protobuf.Root> {
  assertKnownOptions(options, LOAD_OPTIONS, 'loadRootAsync()');
  return rootOfAsync(source, options);
}

/** As `rootOf`, without blocking. */
export async function rootOfAsync(
  source: ProtoFileSource | ProtoTextSource,
  options: LoadOptions,
): Promise<protobuf.Root> {
  const loading = loadSource(source, options);
  let step = loading.next();
  while (!step.done) {
    const path = step.value;
    step = loading.next(
      await readTextFile(path).catch((cause: unknown) => {
        throw unreadable(path, cause);
      }),
    );
  }
  return step.value;
}

function attempt(path: string, read: () => string | null): string | null {
  try {
    return read();
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): ProtoError {
  return new ProtoError(`cannot be read: ${(cause as Error).message}`, path, null, cause);
}

function* loadSource(source: ProtoFileSource | ProtoTextSource, options: LoadOptions): Loading {
  const { includeDirs } = options;
  const isList = Array.isArray(includeDirs) && includeDirs.every((dir) => typeof dir === 'string');
  if (includeDirs !== undefined && !isList) {
    throw new TypeError('includeDirs must be an array of paths of folders');
  }
  if ('text' in source) {
    const { text, filename } = source;
    if (typeof text !== 'string') {
      throw new TypeError(`source.text must be the text of a .proto file, got ${typeof text}`);
    }
    const path = filename === undefined ? null : absolutePath('', filename);
    return yield* loadGraph(path, filename ?? null, text, options);
  }
  const { file } = source;
  if (typeof file === 'string' ? file === '' : !(file instanceof URL)) {
    throw new TypeError('source.file must be the path or file: URL of a .proto file');
  }
  const candidates = ['', ...(options.includeDirs ?? [])].map((folder) =>
    absolutePath(folder, file),
  );
  for (const path of new Set(candidates)) {
    const text = yield path;
    if (text !== null) return yield* loadGraph(path, path, text, options);
  }
  throw new ProtoError(
    `no such .proto file; looked for ${[...new Set(candidates)].join(', ')}. Correct the path (a relative one starts at the working directory) or add its folder to includeDirs`,
    String(file),
    null,
  );
}

/** Parses the entry and, breadth first, all that it imports. `path` is its absolute path and `shown` the name for errors. */
function* loadGraph(
  path: string | null,
  shown: string | null,
  text: string,
  options: LoadOptions,
): Loading {
  const root = new protobuf.Root();
  const texts = new Map<string, string>();
  const done = new Set<string>();
  if (path !== null) done.add(path);
  const waiting: Imported[] = [];
  parseInto(root, shown, text, path === null ? null : directoryOf(path), options, waiting);
  texts.set(shown ?? '', text);
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    if (addBundled(root, next.name, done)) continue;
    const found = yield* findImport(next, options);
    if (found === null || done.has(found.path)) continue;
    done.add(found.path);
    texts.set(found.path, found.text);
    parseInto(root, found.path, found.text, directoryOf(found.path), options, waiting);
  }
  checkDefinitions(root, texts);
  return root;
}

/** Adds one of the well-known files that protobufjs carries as data. */
function addBundled(root: protobuf.Root, name: string, done: Set<string>): boolean {
  const definition = protobuf.common.get(name);
  if (definition === null || definition.nested === undefined) return false;
  if (!done.has(name)) {
    done.add(name);
    root.addJSON(definition.nested);
  }
  return true;
}

function* findImport(
  wanted: Imported,
  options: LoadOptions,
): Generator<string, { path: string; text: string } | null, string | null> {
  const folders = [...(options.includeDirs ?? [])];
  if (wanted.directory !== null) folders.push(wanted.directory);
  const candidates = new Set(folders.map((folder) => absolutePath(folder, wanted.name)));
  for (const path of candidates) {
    const text = yield path;
    if (text !== null) return { path, text };
  }
  // descriptor.proto, type.proto and the like are files of the protobufjs package.
  if (wanted.name.startsWith('google/')) {
    const path = absolutePath(directoryOf(protobufjsManifest()), wanted.name);
    const text = yield path;
    if (text !== null) return { path, text };
  }
  if (wanted.weak) return null;
  const looked = candidates.size === 0 ? 'there is no folder to look in' : 'looked for ';
  throw new ProtoError(
    `import "${wanted.name}" not found; ${looked}${[...candidates].join(', ')}. Add the folder that import paths start from to includeDirs`,
    wanted.importer,
    importLine(wanted.importerText, wanted.name),
  );
}

function protobufjsManifest(): string {
  return absolutePath('', new URL(import.meta.resolve('protobufjs/package.json')));
}

function importLine(text: string, name: string): number | null {
  const lines = text.split('\n');
  const index = lines.findIndex(
    (line) => line.includes('import') && (line.includes(`"${name}"`) || line.includes(`'${name}'`)),
  );
  return index < 0 ? null : index + 1;
}

function parseInto(
  root: protobuf.Root,
  shown: string | null,
  text: string,
  directory: string | null,
  options: LoadOptions,
  waiting: Imported[],
): void {
  const parse = protobuf.parse as typeof protobuf.parse & { filename: string | null };
  let parsed: protobuf.IParserResult;
  try {
    parse.filename = shown; // protobufjs notes it on every object, for checkDefinitions
    parsed = parse(text, root, { keepCase: options.keepCase === true });
  } catch (cause) {
    throw parseError(shown, text, cause);
  } finally {
    parse.filename = null;
  }
  for (const [names, weak] of [
    [parsed.imports, false],
    [parsed.weakImports, true],
  ] as const) {
    for (const name of names ?? []) {
      waiting.push({ name, weak, importer: shown, importerText: text, directory });
    }
  }
}

/** protobufjs gives `… (file, line 3)` for syntax errors, and no place for duplicates. */
function parseError(shown: string | null, text: string, cause: unknown): ProtoError {
  const message = (cause as Error).message;
  const match = /^(.*) \((?:.*, )?line (\d+)\)$/s.exec(message);
  if (match === null) return new ProtoError(message, shown, null, cause);
  const line = Number(match[2]);
  const problem = (match[1] ?? message).replace("illegal end of input 'null'", 'unexpected end');
  const excerpt = text.split('\n')[line - 1]?.trim() ?? '';
  const near = excerpt === '' ? '' : ` in "${excerpt.slice(0, 100)}"`;
  return new ProtoError(problem + near, shown, line, cause);
}
