/** A worker as the coordinator sees it: a child process pinned to a core, asked by JSON lines, always ended by its pid. */

import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import {
  LineSplitter,
  type WorkerMethod,
  type WorkerMethods,
  type WorkerRequest,
  type WorkerResponse,
} from './protocol.ts';

const keptStderrCharacters = 8_000;
const stopGraceMs = 2_000;
/** Beyond what a request takes by itself: a worker that has not answered by then hangs. */
const answerGraceMs = 30_000;

/** A worker failed: which one, and what it said. */
export class WorkerError extends Error {
  override readonly name: string = 'WorkerError';
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

const alive = new Set<WorkerProcess>();

/** One child process. */
export class WorkerProcess {
  /** For instance `grpc-js server`. */
  readonly title: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #waiting: Map<number, Waiting>;
  #nextId: number;
  #stderr: string;
  #ended: boolean;

  /** Starts `command` on `core`; null leaves it wherever the scheduler puts it. */
  constructor(title: string, command: readonly string[], core: number | null) {
    this.title = title;
    this.#waiting = new Map();
    this.#nextId = 1;
    this.#stderr = '';
    this.#ended = false;
    const [program, ...args] =
      core === null ? command : ['taskset', '-c', String(core), ...command];
    this.#child = spawn(program!, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, NODE_ENV: 'production' },
    });
    alive.add(this);
    const splitter = new LineSplitter();
    this.#child.stdout.setEncoding('utf8');
    this.#child.stdout.on('data', (text: string) => {
      for (const line of splitter.push(text)) this.#onLine(line);
    });
    this.#child.stderr.setEncoding('utf8');
    this.#child.stderr.on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-keptStderrCharacters);
    });
    // A write to a worker that has just died fails; its exit says why.
    this.#child.stdin.on('error', () => {});
    this.#child.on('error', (error) => this.#onEnd(`could not be started: ${error.message}`));
    this.#child.on('close', (code, signal) => {
      this.#onEnd(signal === null ? `exited with code ${code}` : `was ended by ${signal}`);
    });
  }

  /**
   * Asks the worker; rejects with a WorkerError when it answers with an error, dies, or takes half a minute longer than the
   * `takesMs` that the request takes by itself.
   */
  async ask<M extends WorkerMethod>(
    method: M,
    params: WorkerMethods[M]['params'],
    takesMs = 0,
  ): Promise<WorkerMethods[M]['result']> {
    if (this.#ended) throw this.#error(`has ended, cannot ${method}`);
    const id = this.#nextId++;
    const request: WorkerRequest<M> = { id, method, params };
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const timeoutMs = takesMs + answerGraceMs;
    const timer = setTimeout(() => {
      this.#waiting.get(id)?.reject(this.#error(`did not answer '${method}' in ${timeoutMs} ms`));
      this.#waiting.delete(id);
    }, timeoutMs);
    try {
      return (await answer) as WorkerMethods[M]['result'];
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks the worker to stop, and kills it when it does not. */
  async end(): Promise<void> {
    if (this.#ended) return;
    const closed = new Promise<void>((resolve) => this.#child.once('close', () => resolve()));
    this.ask('stop', {}).catch(() => {});
    this.#child.stdin.end();
    const timer = setTimeout(() => this.kill(), stopGraceMs);
    await closed;
    clearTimeout(timer);
  }

  /** Kills at once. */
  kill(): void {
    if (!this.#ended) this.#child.kill('SIGKILL');
  }

  #onLine(line: string): void {
    let response: WorkerResponse;
    try {
      response = JSON.parse(line) as WorkerResponse;
    } catch {
      this.#stderr = `${this.#stderr}${line}\n`.slice(-keptStderrCharacters);
      return;
    }
    const waiting = this.#waiting.get(response.id);
    if (waiting === undefined) return;
    this.#waiting.delete(response.id);
    if (response.error === undefined) waiting.resolve(response.result);
    else waiting.reject(this.#error(`reports: ${response.error}`));
  }

  #onEnd(how: string): void {
    if (this.#ended) return;
    this.#ended = true;
    alive.delete(this);
    const error = this.#error(how);
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }

  #error(what: string): WorkerError {
    const said = this.#stderr.trim();
    const stderr = said === '' ? '' : `\n  its stderr:\n    ${said.split('\n').join('\n    ')}`;
    return new WorkerError(`${this.title} (pid ${this.#child.pid ?? '?'}) ${what}${stderr}`);
  }
}

/** Kills every worker that is still alive; for Ctrl-C and for failures. */
export function killAllWorkers(): void {
  for (const worker of alive) worker.kill();
}

let pinningWorks: boolean | null = null;

/** Whether processes can be pinned to `core` here (taskset exists and the core may be used). */
export function canPinTo(core: number): boolean {
  if (pinningWorks === false) return false;
  const tried = spawnSync('taskset', ['-c', String(core), 'true'], { stdio: 'ignore' });
  pinningWorks = tried.status === 0;
  return pinningWorks;
}
