/** Requests of a ping-pong stream for libraries that pull them from an async iterable. */

/** An async iterator whose items are given one at a time: each `push` answers one `next`. */
export class RequestFeed<T> implements AsyncIterableIterator<T> {
  #waiting: ((result: IteratorResult<T>) => void) | null;
  #ready: T | null;
  #ended: boolean;

  constructor() {
    this.#waiting = null;
    this.#ready = null;
    this.#ended = false;
  }

  /** Gives the next item; the one before must have been taken. */
  push(value: T): void {
    const waiting = this.#waiting;
    if (waiting === null) {
      this.#ready = value;
    } else {
      this.#waiting = null;
      waiting({ value, done: false });
    }
  }

  end(): void {
    this.#ended = true;
    this.#waiting?.({ value: undefined, done: true });
    this.#waiting = null;
  }

  next(): Promise<IteratorResult<T>> {
    const ready = this.#ready;
    if (ready !== null) {
      this.#ready = null;
      return Promise.resolve({ value: ready, done: false });
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  return(): Promise<IteratorResult<T>> {
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  /** Some libraries take no iterable without it. */
  throw(error: unknown): Promise<IteratorResult<T>> {
    this.end();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
