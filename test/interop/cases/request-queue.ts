/** The requests of a streaming call as a test sends them: an iterable that waits for the next one. */
export class RequestQueue<Request> implements AsyncIterable<Request> {
  readonly #requests: Request[] = [];
  #ended = false;
  #wake: () => void = () => {};

  push(request: Request): void {
    this.#requests.push(request);
    this.#wake();
  }

  /** No more requests. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Request, void> {
    for (;;) {
      const request = this.#requests.shift();
      if (request !== undefined) yield request;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
