/** Promises settled from outside, without an executor closure for each: an RPC's listener object holds its promise's two functions. */

/** An object that settles a promise. */
export interface PromiseHolder<Value> {
  resolve: (value: Value) => void;
  reject: (error: unknown) => void;
}

let lastResolve: (value: never) => void;
let lastReject: (error: unknown) => void;

function capture(resolve: (value: never) => void, reject: (error: unknown) => void): void {
  lastResolve = resolve;
  lastReject = reject;
}

/** What a holder's fields are before `promiseOf`. */
export function unsettled(): void {}

/** A new promise that `holder` settles from now on. */
export function promiseOf<Value>(holder: PromiseHolder<Value>): Promise<Value> {
  const promise = new Promise<Value>(capture as never);
  holder.resolve = lastResolve as (value: Value) => void;
  holder.reject = lastReject;
  return promise;
}

/** A promise together with its two functions. */
export class Deferred<Value> implements PromiseHolder<Value> {
  readonly promise: Promise<Value>;
  resolve: (value: Value) => void;
  reject: (error: unknown) => void;

  constructor() {
    this.resolve = unsettled;
    this.reject = unsettled;
    this.promise = promiseOf(this);
  }
}
