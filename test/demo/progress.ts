/** Progress of long work: one line that changes on a terminal, otherwise a line every two seconds. */

const INTERVAL_MS = { terminal: 100, other: 2000 };

/** Shows how far one piece of work has come. */
export class Progress {
  readonly #what: string;
  readonly #isTerminal: boolean;
  #shownMs: number;
  #hasLine: boolean;

  /** `what` is shown before the numbers. Nothing is shown for work that is done within one interval. */
  constructor(what: string) {
    this.#what = what;
    this.#isTerminal = process.stdout.isTTY === true;
    this.#shownMs = performance.now();
    this.#hasLine = false;
  }

  /** `done` of `total` files are through. */
  show(done: number, total: number): void {
    const nowMs = performance.now();
    const intervalMs = this.#isTerminal ? INTERVAL_MS.terminal : INTERVAL_MS.other;
    if (nowMs - this.#shownMs < intervalMs) return;
    this.#shownMs = nowMs;
    const text = `  … ${this.#what}: ${done} of ${total} files`;
    if (this.#isTerminal) process.stdout.write(`\r${text}\u001b[K`);
    else console.log(text);
    this.#hasLine = this.#isTerminal;
  }

  /** Removes the line, if there is one. */
  end(): void {
    if (this.#hasLine) process.stdout.write('\r\u001b[K');
    this.#hasLine = false;
  }
}
