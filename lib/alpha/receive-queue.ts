/**
 * Received messages on their way to an async iterator: responses on the client, requests on the server. A ring of values with the number
 * of octets each stands for, and the promises of readers that came before their value.
 *
 *   open -> ended (values are read to the end, then done)
 *        -> failed (values not yet read are dropped: abortion takes precedence over them)
 *        -> closed (values are dropped, then done)
 */

import { type PromiseHolder, promiseOf, unsettled } from './promise-holder.ts';

/** Octets that may lie in a queue unread before no more is asked for; one message more may always come. */
export const MAX_QUEUED_OCTETS = 65_536;

const INITIAL_CAPACITY = 4;

type Result<Value> = IteratorResult<Value, undefined>;

class Reader<Value> implements PromiseHolder<Result<Value>> {
  resolve: (result: Result<Value>) => void;
  reject: (error: unknown) => void;
  readonly promise: Promise<Result<Value>>;
  /** The reader that came after this one. */
  next: Reader<Value> | null = null;

  constructor() {
    this.resolve = unsettled;
    this.reject = unsettled;
    this.promise = promiseOf(this);
  }
}

/**
 * `promise`, whose rejection is nobody's unhandled one: who asks for a message ahead and awaits it later must not end the process when the
 * peer gives the RPC up in between.
 */
function handled<Rejected extends Promise<unknown>>(promise: Rejected): Rejected {
  promise.catch(() => {});
  return promise;
}

const DONE: Result<never> = Object.freeze({ value: undefined, done: true });

/** A ring of values with the octets that each stood for. */
class StoredValues<Value> {
  length = 0;
  /** Those that all of them stood for. */
  octets = 0;
  #values: (Value | undefined)[] = new Array<Value | undefined>(INITIAL_CAPACITY).fill(undefined);
  #octetsOf: number[] = new Array<number>(INITIAL_CAPACITY).fill(0);
  #head = 0;

  push(value: Value, octets: number): void {
    if (this.length === this.#values.length) this.#grow();
    const at = (this.#head + this.length) & (this.#values.length - 1);
    this.#values[at] = value;
    this.#octetsOf[at] = octets;
    this.length++;
    this.octets += octets;
  }

  /** Takes the first of at least one. */
  shift(): Value {
    const at = this.#head;
    const value = this.#values[at] as Value;
    this.#values[at] = undefined;
    this.#head = (at + 1) & (this.#values.length - 1);
    this.length--;
    this.octets -= this.#octetsOf[at] as number;
    return value;
  }

  #grow(): void {
    const mask = this.#values.length - 1;
    const capacity = 2 * this.#values.length;
    const values = new Array<Value | undefined>(capacity).fill(undefined);
    const octetsOf = new Array<number>(capacity).fill(0);
    for (let i = 0; i < this.length; i++) {
      const at = (this.#head + i) & mask;
      values[i] = this.#values[at];
      octetsOf[i] = this.#octetsOf[at] as number;
    }
    this.#values = values;
    this.#octetsOf = octetsOf;
    this.#head = 0;
  }
}

/** The queue behind one iterator. */
export class ReceiveQueue<Value> {
  readonly #maxMessages: number;
  /** Null where there are none: a stream that is read as it comes never has one. */
  #stored: StoredValues<Value> | null;
  /** Readers waiting, the first and the last. */
  #firstReader: Reader<Value> | null;
  #lastReader: Reader<Value> | null;
  #over: boolean;
  #makeError: (() => unknown) | null;

  /** `maxMessages`: how many may lie here unread before no more are asked for (L18). */
  constructor(maxMessages: number) {
    this.#maxMessages = maxMessages;
    this.#stored = null;
    this.#firstReader = null;
    this.#lastReader = null;
    this.#over = false;
    this.#makeError = null;
  }

  /** Whether another message should be asked for. */
  get wantsMore(): boolean {
    const stored = this.#stored;
    if (this.#over) return false;
    if (stored === null) return this.#maxMessages > 0;
    return stored.octets < MAX_QUEUED_OCTETS && stored.length < this.#maxMessages;
  }

  /** Adds a value that stood for `octets` serialized octets, or gives it to the first waiting reader. Dropped once the queue is over. */
  push(value: Value, octets: number): void {
    if (this.#over) return;
    const reader = this.#firstReader;
    if (reader !== null) {
      this.#firstReader = reader.next;
      if (reader.next === null) this.#lastReader = null;
      reader.resolve({ value, done: false });
      return;
    }
    this.#stored ??= new StoredValues();
    this.#stored.push(value, octets);
  }

  /** No value will follow. The first of `end`, `fail` and `close` counts, but `close` drops the values of an ended queue too. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#release((reader) => reader.resolve(DONE));
  }

  /** Aborted: the values are dropped, and every read raises a new error made by `makeError`. */
  fail(makeError: () => unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#makeError = makeError;
    this.#stored = null;
    this.#release((reader) => {
      reader.reject(makeError());
      void handled(reader.promise);
    });
  }

  /** The reader wants no more: the values are dropped. */
  close(): void {
    this.#stored = null;
    this.end();
  }

  /** From now on every read raises a new error made by `makeError`, whatever came before; readers waiting go on waiting. */
  refuse(makeError: () => unknown): void {
    this.#stored = null;
    this.#over = true;
    this.#makeError = makeError;
  }

  /** Rejects the readers waiting, after `refuse`. */
  rejectReaders(makeError: () => unknown): void {
    this.#release((reader) => {
      reader.reject(makeError());
      void handled(reader.promise);
    });
  }

  /** The next value, in a promise that is fulfilled already if the value is there. */
  next(): Promise<Result<Value>> {
    const stored = this.#stored;
    if (stored !== null && stored.length > 0) {
      return Promise.resolve({ value: stored.shift(), done: false });
    }
    if (this.#makeError !== null) return handled(Promise.reject(this.#makeError()));
    if (this.#over) return Promise.resolve(DONE);
    const reader = new Reader<Value>();
    if (this.#lastReader === null) this.#firstReader = reader;
    else this.#lastReader.next = reader;
    this.#lastReader = reader;
    return reader.promise;
  }

  /** As `next`, for a reader that cannot wait: null when there is nothing to say yet. Throws the error of `fail` and `refuse`. */
  take(): Result<Value> | null {
    const stored = this.#stored;
    if (stored !== null && stored.length > 0) return { value: stored.shift(), done: false };
    if (this.#makeError !== null) throw this.#makeError();
    return this.#over ? DONE : null;
  }

  #release(settle: (reader: Reader<Value>) => void): void {
    let reader = this.#firstReader;
    this.#firstReader = null;
    this.#lastReader = null;
    for (; reader !== null; reader = reader.next) settle(reader);
  }
}
