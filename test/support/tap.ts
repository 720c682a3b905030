/**
 * The `t` of every test. On Node it is tap itself; Bun and Deno cannot load tap's library, so there it is the small TAP producer of
 * `tap-lite.ts` with the same few methods.
 */

/** The part of tap's interface that the suite uses. Sub-tests are async functions or return promises; they run one after another. */
export interface TestContext {
  test(name: string, fn: (t: TestContext) => unknown): Promise<unknown>;
  equal(found: unknown, wanted: unknown, message?: string): boolean;
  not(found: unknown, unwanted: unknown, message?: string): boolean;
  ok(value: unknown, message?: string): boolean;
  notOk(value: unknown, message?: string): boolean;
  /** Deep, strict equality. */
  strictSame(found: unknown, wanted: unknown, message?: string): boolean;
  match(found: string, pattern: RegExp | string, message?: string): boolean;
  throws(fn: () => unknown, wanted?: object, message?: string): unknown;
  rejects(
    promise: Promise<unknown> | (() => Promise<unknown>),
    wanted?: object,
    message?: string,
  ): Promise<unknown>;
  pass(message?: string): boolean;
  fail(message?: string): boolean;
  comment(text: string): void;
  teardown(fn: () => unknown): void;
  /** Ends the file's tests with a skip reason. */
  skip(name: string, fn?: (t: TestContext) => unknown): unknown;
}

/** Whether this is Node, not another runtime with its interfaces. */
export const onNode: boolean =
  typeof process !== 'undefined' &&
  process.versions?.['bun'] === undefined &&
  (globalThis as { Deno?: unknown }).Deno === undefined;

const loaded = onNode ? await import('tap') : await import('./tap-lite.ts');

/** Import this in every test file. */
export const t: TestContext = loaded.t as unknown as TestContext;
