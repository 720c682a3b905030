/** Honest clients that call as fast as they are answered, in a process of their own: how many calls they get through (issue 5, fairness). */

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { Channel } from '../../lib/channel/channel.ts';
import { Status } from '../../lib/status.ts';
import { startUnary, withTimeout } from '../support/client-calls.ts';
import { ECHO } from '../support/echo-service.ts';
import { outputFolder } from '../support/project.ts';

/** What to do: `connections`, each with `inFlight` calls at a time. */
interface LoadSetup {
  readonly port: number;
  readonly connections: number;
  readonly inFlight: number;
}

/** Calls answered per connection in one period, and what went wrong. */
export interface LoadReport {
  readonly calls: readonly number[];
  readonly failures: readonly string[];
}

const CALL_TIMEOUT_MS = 20_000;

/** The process. */
export class LoadProcess {
  readonly #process: ChildProcess;

  constructor() {
    this.#process = fork(join(outputFolder, 'test', 'hostile', 'load-process.js'), [], {
      env: { ...process.env, PUREWIRE_LOAD: '1' },
    });
  }

  /** Connects and begins. */
  start(setup: LoadSetup): Promise<void> {
    return this.#ask(setup) as Promise<void>;
  }

  /** Counts from now on for `ms`. */
  measure(ms: number): Promise<LoadReport> {
    return this.#ask(ms) as Promise<LoadReport>;
  }

  kill(): void {
    this.#process.removeAllListeners('exit');
    this.#process.kill('SIGKILL');
  }

  #ask(command: LoadSetup | number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error('the load process is dead'));
      this.#process.once('exit', onExit);
      this.#process.once('message', (answer) => {
        this.#process.off('exit', onExit);
        resolve(answer);
      });
      this.#process.send(command);
    });
  }
}

if (process.env['PUREWIRE_LOAD'] === '1' && process.send !== undefined) {
  const calls: number[] = [];
  const failures: string[] = [];
  const payload = new Uint8Array(32);
  const begin = ({ port, connections, inFlight }: LoadSetup): void => {
    for (let n = 0; n < connections; n++) {
      calls.push(0);
      const channel = new Channel(`127.0.0.1:${port}`);
      const next = async (): Promise<void> => {
        for (;;) {
          const { outcome } = startUnary(channel, ECHO, payload, withTimeout(CALL_TIMEOUT_MS));
          const { status } = await outcome;
          if (status.code === Status.OK) calls[n]! += 1;
          else if (failures.push(`${status.code} ${status.message}`) > 20) return;
        }
      };
      for (let i = 0; i < inFlight; i++) void next();
    }
  };
  process.on('message', (command: LoadSetup | number) => {
    if (typeof command !== 'number') {
      begin(command);
      process.send?.('started');
      return;
    }
    const before = [...calls];
    setTimeout(() => {
      process.send?.({ calls: calls.map((count, n) => count - before[n]!), failures });
    }, command);
  });
  process.on('disconnect', () => process.exit(0));
}
