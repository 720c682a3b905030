/** What every caller of the demo does, and how it says what came of it. */

import type { Progress } from './progress.ts';
import { type Repository, sha256Of } from './repository.ts';
import type {
  FileInfo,
  MissingFile,
  SearchResult,
  UploadSummary,
} from './source-files-definition.ts';

/** What is shown, in this order. */
export const SCENARIO_NAMES = [
  'unary',
  'server streaming',
  'client streaming',
  'bidirectional',
  'metadata both ways',
  'error with details',
  'deadline expires',
  'client cancels',
  'server cancels',
] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

/** Runs one scenario and says in a few words what it did. Rejects when anything is not as it should be. */
export type Scenario = (progress: Progress) => Promise<string>;

/** The scenarios of one caller. */
export type Scenarios = Readonly<Record<ScenarioName, Scenario>>;

/** Seconds for an RPC that should succeed. */
export const AMPLE_SECONDS = 60;
/** Seconds for an RPC that should expire. */
export const SHORT_SECONDS = 0.2;
/** What is searched for. */
export const SEARCHED_TEXT = 'stream';
/** The octets that travel in metadata: every value a base64 digit can have, and a zero. */
export const TRACE: Uint8Array = new Uint8Array([0, 16, 131, 16, 81, 135, 32, 146, 139, 255]);
/** Uploads that the server cancels stop at this many octets. */
export const OCTET_LIMIT = 100_000;
/** Requests to have in flight at once where many are sent. */
export const IN_FLIGHT = 50;

/** Throws Error with `message` unless `condition`. */
export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** Throws Error unless both are the same octets. */
export function expectSameOctets(found: Uint8Array, wanted: Uint8Array, what: string): void {
  const same = found.length === wanted.length && found.every((octet, at) => octet === wanted[at]);
  expect(same, `${what} differs`);
}

/** Checks the answer to a Stat of `path`. */
export function checkStat(info: FileInfo, path: string, repository: Repository): void {
  const file = repository.find(path);
  expect(file !== undefined && info.octets === file.content.length, `size of ${path} differs`);
  expectSameOctets(info.sha256, file.sha256, `digest of ${path}`);
}

/** Checks the answer to an upload of every file. */
export function checkUpload(summary: UploadSummary, repository: Repository): string {
  expect(summary.octets === repository.octets, 'not every octet arrived');
  const wanted = sha256Of(repository.files.map((file) => file.content));
  expectSameOctets(summary.sha256, wanted, 'digest of the upload');
  return `${summary.chunks} chunks up, digest equal`;
}

/** Checks the answers to a search through every file, in the order of the queries. */
export function checkSearch(results: readonly SearchResult[], repository: Repository): string {
  expect(results.length === repository.files.length, `${results.length} answers`);
  let found = 0;
  results.forEach((result, at) => {
    const file = repository.files[at];
    expect(file !== undefined && result.path === file.path, 'answers are out of order');
    const wanted = file.lines.filter((line) => line.includes(SEARCHED_TEXT)).length;
    expect(result.matches.length === wanted, `matches in ${file.path} differ`);
    found += wanted;
  });
  return `${results.length} queries, ${found} lines with "${SEARCHED_TEXT}"`;
}

/** Checks the details of a NOT_FOUND for `somewhere/index.ts`. */
export function checkMissingFile(missing: MissingFile): string {
  expect(missing.path === MISSING_PATH, 'the details name another path');
  expect(missing.similarPaths.includes('lib/protobuf/index.ts'), 'the details lack similar paths');
  return `NOT_FOUND, ${missing.similarPaths.length} similar paths`;
}

/** A path that is no file, though there are files of that name. */
export const MISSING_PATH = 'somewhere/index.ts';

/** Waits until `condition`, at most five seconds; then throws Error with `message`. */
export async function eventually(condition: () => boolean, message: string): Promise<void> {
  const endMs = performance.now() + 5000;
  while (!condition()) {
    expect(performance.now() < endMs, message);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
