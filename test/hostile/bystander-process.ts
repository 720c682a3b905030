/** The bystander in a process of its own, so that the attacker's own work does not look like the victim's slowness. */

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { outputFolder } from '../support/project.ts';
import { Bystander, type BystanderReport } from './bystander.ts';

type Command = { readonly port: number } | 'stop';

/** One process, for one bystander after the other. */
export class BystanderProcess {
  #process: ChildProcess | null = null;

  /** Starts calling the server on `port`. Resolves when it has begun. */
  start(port: number): Promise<void> {
    const child = this.#child();
    return new Promise((resolve, reject) => {
      child.once('exit', () => reject(new Error('the bystander is dead')));
      child.once('message', () => resolve());
      child.send({ port } satisfies Command);
    });
  }

  /** Ends its calls and says how they went. */
  async stop(): Promise<BystanderReport> {
    const child = this.#child();
    const report = await new Promise<BystanderReport>((resolve) => {
      child.once('message', (message) => resolve(message as BystanderReport));
      child.send('stop' satisfies Command);
    });
    child.removeAllListeners('exit');
    return report;
  }

  /** Ends the process. */
  kill(): void {
    this.#process?.removeAllListeners('exit');
    this.#process?.kill('SIGKILL');
    this.#process = null;
  }

  #child(): ChildProcess {
    this.#process ??= fork(join(outputFolder, 'test', 'hostile', 'bystander-process.js'), [], {
      env: { ...process.env, PUREWIRE_BYSTANDER: '1' },
    });
    return this.#process;
  }
}

if (process.env['PUREWIRE_BYSTANDER'] === '1' && process.send !== undefined) {
  let bystander: Bystander | null = null;
  process.on('message', (command: Command) => {
    if (command !== 'stop') {
      bystander = new Bystander(command.port);
      process.send?.('started');
      return;
    }
    void bystander?.stop().then((report) => process.send?.(report));
  });
  process.on('disconnect', () => process.exit(0));
}
