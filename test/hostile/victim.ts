/** A victim as its attacker's process sees it: starts it, tells it what to do, asks how it is. */

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Limits } from '../../transport/limits.ts';
import { outputFolder } from '../support/project.ts';
import type { ProcessReport } from './victim-watch.ts';

/** How a victim is set up. */
export interface VictimSetup {
  readonly limits?: Partial<Limits>;
  /** Of a client: the hostile server's port, what vouches for its certificate (TLS when it is given), and the time for connecting. */
  readonly port?: number;
  readonly rootCertificates?: string;
  readonly connectTimeoutMs?: number;
  /** Of a server. */
  readonly tls?: { readonly privateKey: string; readonly certificateChain: string };
  /** Environment of the process, over this one's. */
  readonly environment?: Readonly<Record<string, string>>;
  /** File descriptors that the process may have. */
  readonly maxFiles?: number;
}

/** One kind of call that a victim client makes. */
export interface CallRequest {
  readonly timeoutMs?: number;
  readonly octets?: number;
  readonly streaming?: boolean;
  readonly cancelAfterMs?: number;
  /** Name, value, … */
  readonly metadata?: readonly string[];
}

/** What a call came to. */
export interface CallResult {
  readonly code: number;
  readonly message: string;
  readonly messages: number;
  readonly octets: number;
}

/** What a victim can be told. */
export type VictimCommand =
  | { readonly type: 'reset' }
  | { readonly type: 'report'; readonly collect: boolean }
  | { readonly type: 'settleNever' }
  | { readonly type: 'shutdown'; readonly graceMs: number }
  | { readonly type: 'call'; readonly count: number; readonly request: CallRequest }
  | { readonly type: 'abandon'; readonly count: number }
  | { readonly type: 'target'; readonly setup: VictimSetup }
  | { readonly type: 'close' };

interface TransportReport extends ProcessReport {
  readonly connections: number;
  readonly activeCalls: number;
  readonly trips: Readonly<Record<string, number>>;
  /** Connections that are not collected; counted after garbage collection only. */
  readonly liveConnections: number;
  /** Lines that the library had for the log since the last reset. */
  readonly logLines: number;
}

/** How a server is. */
export interface ServerReport extends TransportReport {
  readonly runningHandlers: number;
  readonly waitingCalls: number;
  /** Handlers of hostile.Work: started since the last reset, running now, most at once, told of an abort. */
  readonly starts: number;
  readonly running: number;
  readonly mostRunning: number;
  readonly aborted: number;
  /** Times that an interceptor ran. */
  readonly intercepted: number;
  /** Faults of accepting that were reported, ever. */
  readonly acceptFaults: number;
}

/** How a client is. */
export interface ClientReport extends TransportReport {
  readonly waitingCalls: number;
}

type Answer = { readonly id: number; readonly result?: unknown; readonly error?: string };

/** A victim process. `Report` is what its kind reports. */
export class Victim<Report extends TransportReport> {
  /** Of a server. */
  port = 0;
  exited = false;
  stderr = '';
  readonly #process: ChildProcess;
  readonly #pending: Map<number, (answer: Answer) => void> = new Map();
  #nextId = 1;

  private constructor(file: string, setup: VictimSetup) {
    const flags = ['--expose-gc', '--max-semi-space-size=4'];
    const limited = setup.maxFiles === undefined ? null : `ulimit -n ${setup.maxFiles}; exec "$@"`;
    this.#process = fork(
      join(outputFolder, 'test', 'hostile', `${file}.js`),
      [JSON.stringify(setup)],
      {
        silent: true,
        env: { ...process.env, ...setup.environment },
        ...(limited === null
          ? { execArgv: flags }
          : { execPath: '/bin/sh', execArgv: ['-c', limited, 'sh', process.execPath, ...flags] }),
      },
    );
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (this.stderr.length < 10_000) this.stderr += text;
    });
    this.#process.stdout?.resume();
    this.#process.on('exit', () => {
      this.exited = true;
      for (const [id, settle] of this.#pending) settle({ id, error: 'the victim is dead' });
    });
  }

  static startServer(setup: VictimSetup = {}): Promise<Victim<ServerReport>> {
    return Victim.#start<ServerReport>('victim-server', setup);
  }

  static startClient(setup: VictimSetup): Promise<Victim<ClientReport>> {
    return Victim.#start<ClientReport>('victim-client', setup);
  }

  static #start<Report extends TransportReport>(
    file: string,
    setup: VictimSetup,
  ): Promise<Victim<Report>> {
    const victim = new Victim<Report>(file, setup);
    return new Promise((resolve, reject) => {
      victim.#process.on('message', (message: Answer | { port: number }) => {
        if ('port' in message) {
          victim.port = message.port;
          resolve(victim);
          return;
        }
        victim.#pending.get(message.id)?.(message);
        victim.#pending.delete(message.id);
      });
      victim.#process.once('exit', (code) => {
        reject(new Error(`the victim ended with ${code}: ${victim.stderr}`));
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Tells the victim to do something and waits until it has. */
  tell(command: VictimCommand): Promise<unknown> {
    if (this.exited) return Promise.reject(new Error(`the victim is dead: ${this.stderr}`));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result);
        else reject(new Error(`${error} ${this.stderr}`));
      });
      this.#process.send({ id, command });
    });
  }

  /** How it is; `collect`: after garbage collection. */
  async report(collect = false): Promise<Report> {
    return (await this.tell({ type: 'report', collect })) as Report;
  }

  /** Reports until `condition` holds. Throws Error naming `what` when it does not in time. */
  async until(
    condition: (report: Report) => boolean,
    what: string,
    waitMs = 15_000,
  ): Promise<Report> {
    const endMs = Date.now() + waitMs;
    for (;;) {
      const report = await this.report();
      if (condition(report)) return report;
      if (Date.now() > endMs) {
        throw new Error(`waited ${waitMs} ms for ${what}; ${JSON.stringify(report)}`);
      }
      await sleep(20);
    }
  }

  /** Makes calls on a victim client and waits for all of them. */
  async call(count: number, request: CallRequest = {}): Promise<readonly CallResult[]> {
    return (await this.tell({ type: 'call', count, request })) as readonly CallResult[];
  }

  /** SIGSTOP and SIGCONT. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.kill(signal);
  }

  async stop(): Promise<void> {
    if (this.exited) return;
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await gone;
  }
}

/** Resolves after `ms`. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
