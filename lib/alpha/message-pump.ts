/**
 * Pulls the values of a caller's iterable into an RPC: requests on the client, responses on the server. Pulls only as the receiver accepts,
 * gives the event loop a turn now and then, and closes the iterator when the RPC ends first.
 *
 *   idle -> run -> (paused | awaiting next | in a break) -> run … -> finished
 *   stop: from every state; the iterator is closed with return() and `onSettled` follows
 */

import { inLaterTurn } from '../later-turn.ts';

/** What a pump feeds. Calls come one at a time. */
export interface PumpReceiver<Value> {
  /** Takes one value. False: no more until `resume`. May call `stop`; must not throw. */
  onValue(value: Value): boolean;
  /** The iterable ended by itself. */
  onEnd(): void;
  /** The iterable raised, or was not iterable; it gives no more values. */
  onError(error: unknown): void;
  /** Closing the iterator early raised. */
  onCloseError(error: unknown): void;
  /** No code of the iterable is running or will run any more: exactly once and last. */
  onSettled(): void;
}

/** What the listener of an RPC does with the pump that feeds it. */
export interface PumpControl {
  /** The receiver accepts values again. */
  resume(): void;
  /** No further pull. */
  stop(): void;
}

/** Values pulled without a break for the event loop; as many as ready calls run between two flushes. */
export const VALUES_PER_TURN = 128;

type AnyIterator<Value> = {
  next(): IteratorResult<Value, unknown> | PromiseLike<IteratorResult<Value, unknown>>;
  return?(): unknown;
};

/** Whether `source` can be iterated, synchronously or asynchronously. */
export function isIterableSource(source: unknown): boolean {
  if (source === null || source === undefined) return false;
  const object = source as Partial<AsyncIterable<unknown> & Iterable<unknown>>;
  return (
    typeof object[Symbol.asyncIterator] === 'function' ||
    typeof object[Symbol.iterator] === 'function'
  );
}

/** Whether `value` is a promise or another thenable. */
export function isThenable<Value>(value: Value | PromiseLike<Value>): value is PromiseLike<Value> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<PromiseLike<Value>>).then === 'function'
  );
}

/** The iterator of `source`, the asynchronous one if it has both. Throws what the source throws, TypeError when it is not iterable. */
function iteratorOf<Value>(source: Iterable<Value> | AsyncIterable<Value>): AnyIterator<Value> {
  const object = source as Partial<AsyncIterable<Value> & Iterable<Value>>;
  const iterator = object[Symbol.asyncIterator]?.() ?? object[Symbol.iterator]?.();
  if (typeof iterator?.next !== 'function') throw new TypeError('the object is not iterable');
  return iterator;
}

/** Facts of a pump, as bits of one number: an open stream may wait in one for hours. */
const Mark = {
  /** The iterable's own code is on the stack, where a generator cannot be closed. */
  INSIDE: 1,
  /** A promise of `next()` is pending. */
  AWAITING: 2,
  /** A promise of `return()` is pending. */
  CLOSING: 4,
  IN_BREAK: 8,
  PAUSED: 16,
  /** The iterator ended or raised: there is nothing to close. */
  FINISHED: 32,
  STOPPED: 64,
  SETTLED: 128,
} as const;

/** One iterable on its way into one RPC. */
export class MessagePump<Value> implements PumpControl {
  readonly #source: Iterable<Value> | AsyncIterable<Value>;
  readonly #receiver: PumpReceiver<Value>;
  #iterator: AnyIterator<Value> | null;
  /** Those of `Mark`. */
  #marks: number;
  #budget: number;
  /** Made when the iterator first gives a promise. */
  #onResult: ((result: IteratorResult<Value, unknown>) => void) | null;
  #onRejected: ((error: unknown) => void) | null;

  constructor(source: Iterable<Value> | AsyncIterable<Value>, receiver: PumpReceiver<Value>) {
    this.#source = source;
    this.#receiver = receiver;
    this.#iterator = null;
    this.#marks = 0;
    this.#budget = VALUES_PER_TURN;
    this.#onResult = null;
    this.#onRejected = null;
  }

  #is(mark: number): boolean {
    return (this.#marks & mark) !== 0;
  }

  /** Begins to pull, now. Called at most once; does nothing after `stop`. */
  start(): void {
    if (this.#is(Mark.STOPPED)) return;
    this.#marks |= Mark.INSIDE;
    try {
      this.#iterator = iteratorOf(this.#source);
    } catch (error) {
      this.#marks &= ~Mark.INSIDE;
      this.#raised(error);
      return;
    }
    this.#marks &= ~Mark.INSIDE;
    if (this.#is(Mark.STOPPED)) this.#close();
    else this.#run();
  }

  /** The receiver accepts values again. */
  resume(): void {
    if (!this.#is(Mark.PAUSED)) return;
    this.#marks &= ~Mark.PAUSED;
    this.#run();
  }

  /** No further pull; the iterator is closed if it was begun and has not ended. May be called at any time, also repeatedly. */
  stop(): void {
    if (this.#is(Mark.STOPPED)) return;
    this.#marks |= Mark.STOPPED;
    if (!this.#is(Mark.INSIDE) && !this.#is(Mark.FINISHED)) this.#close();
  }

  #run(): void {
    const iterator = this.#iterator;
    if (iterator === null || this.#is(Mark.INSIDE | Mark.AWAITING | Mark.IN_BREAK)) return;
    while (!this.#is(Mark.STOPPED | Mark.FINISHED | Mark.PAUSED)) {
      if (this.#budget === 0) {
        this.#marks |= Mark.IN_BREAK;
        inLaterTurn(() => {
          this.#marks &= ~Mark.IN_BREAK;
          this.#budget = VALUES_PER_TURN;
          this.#run();
        });
        return;
      }
      this.#budget--;
      this.#marks |= Mark.INSIDE;
      let result: IteratorResult<Value, unknown> | PromiseLike<IteratorResult<Value, unknown>>;
      try {
        result = iterator.next();
      } catch (error) {
        this.#marks &= ~Mark.INSIDE;
        this.#raised(error);
        return;
      }
      this.#marks &= ~Mark.INSIDE;
      if (isThenable(result)) {
        this.#marks |= Mark.AWAITING;
        this.#onResult ??= (taken) => {
          this.#marks &= ~Mark.AWAITING;
          this.#take(taken);
          this.#run();
        };
        this.#onRejected ??= (error) => {
          this.#marks &= ~Mark.AWAITING;
          this.#raised(error);
        };
        result.then(this.#onResult, this.#onRejected);
        if (this.#is(Mark.STOPPED)) this.#close();
        return;
      }
      if (this.#is(Mark.STOPPED)) this.#finishStopped(result);
      else this.#take(result);
    }
  }

  /** `stop` came from inside the iterator's own `next()`. */
  #finishStopped(result: IteratorResult<Value, unknown>): void {
    if (result?.done === true) this.#settleWhenIdle();
    else this.#close();
  }

  #take(result: IteratorResult<Value, unknown>): void {
    if (this.#is(Mark.STOPPED)) {
      this.#settleWhenIdle();
    } else if (typeof result !== 'object' || result === null) {
      this.#raised(new TypeError(`next() of the iterator gave ${String(result)}, not an object`));
    } else if (result.done === true) {
      this.#marks |= Mark.FINISHED;
      this.#receiver.onEnd();
      this.#settleWhenIdle();
    } else if (!this.#receiver.onValue(result.value)) {
      this.#marks |= Mark.PAUSED;
    }
  }

  /** An exception of an iterable that was stopped before concerns nobody: most often it is the abortion itself, passed on. */
  #raised(error: unknown): void {
    this.#marks |= Mark.FINISHED;
    if (!this.#is(Mark.STOPPED)) this.#receiver.onError(error);
    this.#settleWhenIdle();
  }

  #close(): void {
    const iterator = this.#iterator;
    try {
      const closed = iterator?.return?.();
      if (isThenable(closed)) {
        this.#marks |= Mark.CLOSING;
        closed.then(
          () => this.#closed(),
          (error: unknown) => {
            this.#receiver.onCloseError(error);
            this.#closed();
          },
        );
      }
    } catch (error) {
      this.#receiver.onCloseError(error);
    }
    this.#settleWhenIdle();
  }

  #closed(): void {
    this.#marks &= ~Mark.CLOSING;
    this.#settleWhenIdle();
  }

  #settleWhenIdle(): void {
    if (this.#is(Mark.SETTLED | Mark.AWAITING | Mark.CLOSING)) return;
    this.#marks |= Mark.SETTLED;
    this.#receiver.onSettled();
  }
}
