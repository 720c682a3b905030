/** Lines about connections that were refused or ended by an error, for whoever runs the server: many of one kind hide none of another. */

import { type BudgetClock, LineBudget } from '../line-budget.ts';

/** The notices of one server. */
export class Notices {
  readonly #say: (line: string) => void;
  /** By token. */
  readonly #budget: LineBudget;

  /** `say` must not throw. */
  constructor(clock: BudgetClock, say: (line: string) => void) {
    this.#say = say;
    this.#budget = new LineBudget(clock, (token, leftOut) =>
      say(`${leftOut} more connections were refused or ended: ${token}`),
    );
  }

  /** Says `line`, or counts it when there were enough of `token`, a constant of our code. */
  tell(token: string, line: string): void {
    if (this.#budget.take(token)) this.#say(line);
  }

  /** Says at once what was left out so far. */
  flush(): void {
    this.#budget.flush();
  }
}
