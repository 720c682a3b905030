/** A side of the allocation test as its parent sees it. */

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { outputFolder } from '../support/project.ts';
import type { SideRequest } from './measured-side.ts';

/** Room for a round's garbage, in MiB per semi-space; V8 grows to it only when it starts there. */
const YOUNG_MIB = 64;

/** One child process. */
export class MeasuredProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Starts a server, or a client of the server at `port`; resolves to it and its port. */
  static async start(
    role: 'server' | 'client',
    port = 0,
  ): Promise<{ process: MeasuredProcess; port: number }> {
    const file = join(outputFolder, 'test', 'counters', 'measured-side.js');
    const child = fork(file, [role, String(port)], {
      execArgv: [
        '--expose-gc',
        `--min-semi-space-size=${YOUNG_MIB}`,
        `--max-semi-space-size=${YOUNG_MIB}`,
      ],
    });
    const measured = new MeasuredProcess(child);
    return { process: measured, port: await measured.#next() };
  }

  /** Client: makes calls. */
  async calls(calls: number, inFlight: number): Promise<void> {
    await this.#ask({ ask: 'calls', calls, inFlight });
  }

  /** Octets the heap and its buffers take, after a collection if wanted. */
  octets(collect: boolean): Promise<number> {
    return this.#ask({ ask: 'octets', collect });
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }

  #ask(request: SideRequest): Promise<number> {
    const answer = this.#next();
    this.#child.send(request);
    return answer;
  }

  #next(): Promise<number> {
    return new Promise((resolve, reject) => {
      const onMessage = (answer: unknown): void => {
        this.#child.off('exit', onExit);
        resolve(answer as number);
      };
      const onExit = (code: number | null): void => {
        this.#child.off('message', onMessage);
        reject(new Error(`the measured process ended with ${String(code)}`));
      };
      this.#child.once('message', onMessage);
      this.#child.once('exit', onExit);
    });
  }
}
