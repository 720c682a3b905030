/** The response side of an `InteropCall`, filled by an adapter. */

import type { Pairs } from '../peers/peer.ts';
import type { CallEnding } from './interop-client.ts';

/** Responses in their order, each taken once; then the ending. */
export class ResponseQueue<Response> {
  readonly ending: Promise<CallEnding>;
  readonly #responses: Response[] = [];
  readonly #takers: ((response: Response | null) => void)[] = [];
  readonly #headers: Promise<Pairs>;
  #onHeaders: (headers: Pairs) => void = () => {};
  #onEnding: (ending: CallEnding) => void = () => {};
  #ended = false;
  #initial: Pairs = [];

  constructor() {
    this.ending = new Promise((resolve) => {
      this.#onEnding = resolve;
    });
    this.#headers = new Promise((resolve) => {
      this.#onHeaders = resolve;
    });
  }

  setHeaders(initial: Pairs): void {
    this.#initial = initial;
    this.#onHeaders(initial);
  }

  push(response: Response): void {
    this.#onHeaders(this.#initial);
    const taker = this.#takers.shift();
    if (taker === undefined) this.#responses.push(response);
    else taker(response);
  }

  end(code: number, details: string, trailing: Pairs): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onHeaders(this.#initial);
    this.#onEnding({ code, details, initial: this.#initial, trailing });
    for (const taker of this.#takers.splice(0)) taker(null);
  }

  /** As `InteropCall.next`. */
  next(): Promise<Response | null> {
    const response = this.#responses.shift();
    if (response !== undefined) return Promise.resolve(response);
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** As `InteropCall.headers`. */
  headers(): Promise<Pairs> {
    return this.#headers;
  }
}
