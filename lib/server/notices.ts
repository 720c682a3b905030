/**
 * Lines about connections that were refused or ended by an error, for whoever runs the server. Peers can cause any number: of each kind a few
 * are said in one second and the rest is summed up when it is over, so that many of one kind hide none of another.
 */

import type { Clock, Timer } from '../../transport/clock.ts';

/** Lines of one token in one second at most; further ones are counted. */
const MAX_LINES_PER_SECOND = 10;
const SECOND_MS = 1000;

/** What was said of one token in the second that began with the first line. */
interface Second {
  readonly startMs: number;
  lines: number;
  leftOut: number;
  /** Says what was left out; null while nothing is. */
  timer: Timer | null;
}

/** The notices of one server. */
export class Notices {
  readonly #clock: Clock;
  readonly #say: (line: string) => void;
  /** By token. These are of our own code, so there are few. */
  readonly #seconds: Map<string, Second>;

  /** `say` must not throw. */
  constructor(clock: Clock, say: (line: string) => void) {
    this.#clock = clock;
    this.#say = say;
    this.#seconds = new Map();
  }

  /** Says `line`, or counts it when there were enough of `token`, a constant of our code. */
  tell(token: string, line: string): void {
    const nowMs = this.#clock.now();
    let second = this.#seconds.get(token);
    if (second === undefined || nowMs - second.startMs >= SECOND_MS) {
      if (second !== undefined) this.#end(token, second);
      second = { startMs: nowMs, lines: 0, leftOut: 0, timer: null };
      this.#seconds.set(token, second);
    }
    if (second.lines < MAX_LINES_PER_SECOND) {
      second.lines += 1;
      this.#say(line);
      return;
    }
    second.leftOut += 1;
    if (second.timer !== null) return;
    const over = second;
    const leftMs = second.startMs + SECOND_MS - nowMs;
    second.timer = this.#clock.setTimer(leftMs, () => this.#end(token, over), false);
  }

  /** Says at once what was left out so far: nobody may be there to hear it later. */
  flush(): void {
    for (const [token, second] of this.#seconds) this.#end(token, second);
  }

  #end(token: string, second: Second): void {
    this.#seconds.delete(token);
    if (second.timer === null) return;
    second.timer.cancel();
    this.#say(`${second.leftOut} more connections were refused or ended: ${token}`);
  }
}
