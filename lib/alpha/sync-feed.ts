/** Pulls a synchronous iterable of requests one by one, when a blocked thread has nothing better to do. The blocking form of MessagePump. */

import type { PumpControl, PumpReceiver } from './message-pump.ts';

/** One iterable on its way into one RPC. */
export class SyncFeed<Value> implements PumpControl {
  readonly #source: Iterable<Value>;
  readonly #receiver: PumpReceiver<Value>;
  #iterator: Iterator<Value> | null;
  /** The iterable's own code is on the stack, where a generator cannot be closed. */
  #inside: boolean;
  #paused: boolean;
  #over: boolean;

  constructor(source: Iterable<Value>, receiver: PumpReceiver<Value>) {
    this.#source = source;
    this.#receiver = receiver;
    this.#iterator = null;
    this.#inside = false;
    this.#paused = false;
    this.#over = false;
  }

  /** Pulls one value, unless the receiver is full or the iterable has ended; false then. */
  step(): boolean {
    // From inside the iterable: its own RPC is read while it computes a request.
    if (this.#paused || this.#over || this.#inside) return false;
    let result: IteratorResult<Value, unknown>;
    this.#inside = true;
    try {
      this.#iterator ??= this.#source[Symbol.iterator]();
      result = this.#iterator.next();
    } catch (error) {
      this.#inside = false;
      if (!this.#over) {
        this.#over = true;
        this.#receiver.onError(error);
      }
      return true;
    }
    this.#inside = false;
    if (this.#over) {
      if (result.done !== true) this.#close();
    } else if (result.done === true) {
      this.#over = true;
      this.#receiver.onEnd();
    } else if (!this.#receiver.onValue(result.value)) {
      this.#paused = true;
    }
    return true;
  }

  resume(): void {
    this.#paused = false;
  }

  stop(): void {
    if (this.#over) return;
    this.#over = true;
    if (!this.#inside) this.#close();
  }

  #close(): void {
    try {
      this.#iterator?.return?.();
    } catch (error) {
      this.#receiver.onCloseError(error);
    }
  }
}
