/**
 * A small TAP producer for the runtimes that cannot load tap's library (Bun, Deno). It has the methods of `TestContext` and tap's rules
 * for them: sub-tests run one after another in the order they were made, teardowns run last first after each (sub)test, the exit code
 * is 1 when anything failed. A test that never settles is reported when the process runs out of work.
 */

import { inspect } from 'node:util';
import { fitsPattern, isStrictlySame } from './deep-compare.ts';
import type { TestContext } from './tap.ts';

type TestFunction = (t: TestContext) => unknown;

/** A test in progress: its output so far, which is printed by the root once the test has ended. */
class LiteTest implements TestContext {
  readonly name: string;
  readonly parent: LiteTest | null;
  /** Lines of text and sub-tests in the order of their appearance. */
  readonly output: (string | LiteTest)[] = [];
  ended = false;
  failed = false;
  /** Number of the closing test point in the parent. */
  number = 0;
  #points = 0;
  /** Sub-tests made and not yet ended; the next one starts when this settles. */
  #queue: Promise<void> = Promise.resolve();
  #pending = 0;
  #teardowns: (() => unknown)[] = [];
  #abort: (reason: unknown) => void = () => {};

  constructor(name: string, parent: LiteTest | null) {
    this.name = name;
    this.parent = parent;
  }

  test(name: string, fn: TestFunction): Promise<unknown> {
    if (this.ended) {
      this.#report(false, `test "${name}" was made after the end of "${this.name}"`, {});
      return Promise.resolve();
    }
    const child = new LiteTest(name, this);
    this.#pending++;
    this.#queue = this.#queue.then(async () => {
      child.number = ++this.#points;
      this.output.push(child);
      await child.#run(fn);
      this.#pending--;
      if (child.failed) this.failed = true;
      if (this.parent === null) flush();
    });
    return this.#queue;
  }

  async #run(fn: TestFunction): Promise<void> {
    const outer = enter(this);
    try {
      const aborted = new Promise<never>((_, reject) => {
        this.#abort = reject;
      });
      await Promise.race([(async () => fn(this))(), aborted]);
      await Promise.race([this.#idle(), aborted]);
    } catch (error) {
      this.#caught(error);
    }
    await this.#tearDown();
    enter(outer);
    this.#plan();
  }

  async #idle(): Promise<void> {
    while (this.#pending > 0) await this.#queue;
  }

  async #tearDown(): Promise<void> {
    for (let fn = this.#teardowns.pop(); fn !== undefined; fn = this.#teardowns.pop()) {
      try {
        await fn();
      } catch (error) {
        this.#caught(error);
      }
    }
  }

  #plan(): void {
    this.ended = true;
    this.output.push(`1..${this.#points}`);
  }

  #caught(error: unknown): void {
    const text = error instanceof Error ? error.message : inspect(error);
    this.#report(false, text || 'threw', { error: describeError(error) });
  }

  #point(ok: boolean, message: string, directive: string): void {
    if (!ok) this.failed = true;
    this.output.push(testPoint(ok, ++this.#points, message) + directive);
  }

  #report(ok: boolean, message: string, details: Readonly<Record<string, string>>): boolean {
    if (this.ended && this !== root) {
      // The test's own output is closed; a late assertion must still not pass unseen.
      if (!ok) root.#report(false, `after the end of "${this.name}": ${message}`, details);
      return ok;
    }
    this.#point(ok, message, '');
    if (ok) return true;
    const lines = ['  ---'];
    const stack = details['error'] === undefined ? callerStack() : '';
    for (const [key, value] of Object.entries(details)) lines.push(...block(key, value));
    if (stack !== '') lines.push(...block('stack', stack));
    lines.push('  ...');
    this.output.push(...lines);
    return false;
  }

  equal(found: unknown, wanted: unknown, message = 'should be equal'): boolean {
    return this.#report(found === wanted, message, comparison(found, wanted));
  }

  not(found: unknown, unwanted: unknown, message = 'should not be equal'): boolean {
    return this.#report(found !== unwanted, message, comparison(found, unwanted));
  }

  ok(value: unknown, message = 'expect truthy value'): boolean {
    return this.#report(Boolean(value), message, comparison(value, 'a truthy value'));
  }

  notOk(value: unknown, message = 'expect falsey value'): boolean {
    return this.#report(!value, message, comparison(value, 'a falsy value'));
  }

  strictSame(found: unknown, wanted: unknown, message = 'should be equivalent strictly'): boolean {
    const same = isStrictlySame(found, wanted);
    return this.#report(same, message, same ? {} : comparison(found, wanted));
  }

  match(found: string, pattern: RegExp | string, message = 'should match pattern'): boolean {
    return this.#report(fitsPattern(found, pattern), message, comparison(found, pattern));
  }

  throws(fn: () => unknown, wanted?: object, message = 'expected to throw'): unknown {
    try {
      fn();
    } catch (error) {
      return this.#judge(error, wanted, message);
    }
    return this.#report(false, message, { found: 'no exception' });
  }

  async rejects(
    promise: Promise<unknown> | (() => Promise<unknown>),
    wanted?: object,
    message = 'expected to reject',
  ): Promise<unknown> {
    try {
      await (typeof promise === 'function' ? promise() : promise);
    } catch (error) {
      return this.#judge(error, wanted, message);
    }
    return this.#report(false, message, { found: 'no rejection' });
  }

  #judge(error: unknown, wanted: object | undefined, message: string): unknown {
    const found = wanted instanceof RegExp && error instanceof Error ? error.message : error;
    const fit = wanted === undefined || fitsPattern(found, wanted);
    this.#report(fit, message, fit ? {} : comparison(error, wanted));
    return fit && error;
  }

  pass(message = '(unnamed test)'): boolean {
    return this.#report(true, message, {});
  }

  fail(message = '(unnamed test)'): boolean {
    return this.#report(false, message, {});
  }

  comment(text: string): void {
    for (const line of text.split('\n')) this.output.push(`# ${line}`);
  }

  teardown(fn: () => unknown): void {
    this.#teardowns.push(fn);
    if (this.parent === null) endRootWhenIdle();
  }

  skip(name: string, _fn?: TestFunction): unknown {
    this.#point(true, name, ' # SKIP');
    return true;
  }

  /** Ends the running function of this test with `error`, as if it had thrown it. */
  abort(error: unknown): void {
    if (this.parent === null || this.ended) root.#caught(error);
    else this.#abort(error);
  }

  /** Whether every sub-test made so far has ended. */
  get idle(): boolean {
    return this.#pending === 0;
  }

  /** Closes the root: teardowns, plan, exit code. */
  async end(): Promise<void> {
    if (this.ended) return;
    if (this.#pending > 0) {
      this.unfinished();
    } else {
      this.ended = true;
      await this.#tearDown();
      this.#plan();
    }
    flush();
  }

  /** Marks this test and its open sub-tests as failed, innermost first, because the process is about to exit. */
  unfinished(): void {
    const last = this.output.at(-1);
    if (last instanceof LiteTest && !last.ended) {
      last.unfinished();
      this.failed = true;
    } else if (this.parent !== null || this.#pending > 0) {
      this.#point(false, `"${this.name}" did not finish: nothing was left to wait for`, '');
    }
    this.#plan();
  }
}

function testPoint(ok: boolean, number: number, message: string): string {
  return `${ok ? 'ok' : 'not ok'} ${number} - ${escapeTap(message)}`;
}

function escapeTap(text: string): string {
  return text.replaceAll('#', '\\#').replaceAll('\n', ' ');
}

function comparison(found: unknown, wanted: unknown): Record<string, string> {
  return { found: show(found), wanted: show(wanted) };
}

function show(value: unknown): string {
  return inspect(value, { depth: 8, maxArrayLength: 400, maxStringLength: 4000, breakLength: 100 });
}

function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? String(error)) : inspect(error);
}

function callerStack(): string {
  const lines = (new Error('here').stack ?? '').split('\n');
  return lines.filter((line) => line.includes('.test.')).join('\n');
}

function block(key: string, text: string): string[] {
  return [`  ${key}: |`, ...text.split('\n').map((line) => `    ${line}`)];
}

/** Appends the lines of a test that has ended, indented by its depth, its sub-tests included. */
function render(test: LiteTest, indent: string, lines: string[]): void {
  for (const part of test.output.splice(0)) {
    if (typeof part === 'string') {
      lines.push(indent + part);
    } else {
      lines.push(`${indent}# Subtest: ${escapeTap(part.name)}`);
      render(part, `${indent}    `, lines);
      lines.push(indent + testPoint(!part.failed, part.number, part.name));
    }
  }
}

function flush(): void {
  const lines: string[] = [];
  render(root, '', lines);
  if (lines.length > 0) console.log(lines.join('\n'));
  if (root.failed) process.exitCode = 1;
}

// As in tap: a root teardown may be what releases the event loop, so with one the root ends itself when it has been idle for two timers.
function endRootWhenIdle(): void {
  setTimeout(() => {
    if (!root.idle) return endRootWhenIdle();
    setTimeout(() => {
      if (!root.idle) return endRootWhenIdle();
      void root.end();
    });
  });
}

console.log('TAP version 14');
const root = new LiteTest('TAP', null);
let running: LiteTest = root;

/** Makes `test` the one that stray exceptions belong to; returns the one before. */
function enter(test: LiteTest): LiteTest {
  const outer = running;
  running = test;
  return outer;
}

process.on('uncaughtException', (error) => running.abort(error));
process.on('unhandledRejection', (reason) => running.abort(reason));
process.once('beforeExit', () => void root.end());
// The test runner ends a file that takes too long with SIGTERM; the exit handler then says which test it was.
process.once('SIGTERM', () => process.exit(1));
process.on('exit', () => {
  if (!root.ended) root.unfinished();
  flush();
});

/** The root test of this process; import it through `tap.ts`. */
export const t: TestContext = root;
