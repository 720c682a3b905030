/** The requests of a request-streaming RPC, as its behaviour reads them. */

import type { ServerCall } from '../call/call.ts';
import type { RequestIterator } from './interfaces.ts';
import { ReceiveQueue } from './receive-queue.ts';

/** An iterator over a ServerCall's messages, with a bounded queue before it. */
export class RequestReader<Request> implements RequestIterator<Request> {
  readonly #call: ServerCall;
  readonly #queue: ReceiveQueue<Request>;
  /** One message has been asked for and has not come: never more, so that a flood of large ones is bounded. */
  #requested: boolean;

  constructor(call: ServerCall) {
    this.#call = call;
    this.#queue = new ReceiveQueue(call.maxUndeliveredMessages);
    this.#requested = false;
    this.#replenish();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Request, undefined>> {
    const result = this.#queue.next();
    this.#replenish();
    return result;
  }

  return(): Promise<IteratorResult<Request, undefined>> {
    this.#queue.close();
    return Promise.resolve({ value: undefined, done: true });
  }

  /** Adds a request that came in `octets` octets. */
  push(request: Request, octets: number): void {
    this.#requested = false;
    this.#queue.push(request, octets);
    this.#replenish();
  }

  /** The client sends no more. */
  end(): void {
    this.#queue.end();
  }

  /** The RPC was aborted: reading raises, before any request not yet read. */
  fail(makeError: () => unknown): void {
    this.#queue.fail(makeError);
  }

  /** The RPC has ended: reading is over. */
  close(): void {
    this.#queue.close();
  }

  #replenish(): void {
    if (this.#requested || !this.#queue.wantsMore) return;
    this.#requested = true;
    this.#call.request(1);
  }
}
