/**
 * Future: the handle of an RPC that runs while its caller goes on. Modelled on the original's `future.Future`; the members that wait there
 * give promises here, and a Future is thenable.
 */

/* oxlint-disable unicorn/no-thenable -- a Future is thenable. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallStatus } from '../call/call.ts';
import type { Metadata } from '../metadata.ts';
import type { RpcError } from '../rpc-error.ts';
import { Status } from '../status.ts';
import type { BoundMethod } from './bound-method.ts';
import { nameInstances, rpcErrorOfStatus } from './exceptions.ts';
import type { PumpControl } from './message-pump.ts';
import { ReceivedMetadata } from './response-metadata.ts';
import { NO_RESPONSE } from './rpc-fault.ts';
import {
  type CallControl,
  deserializeResponse,
  FAILED,
  type RpcExtras,
  type ValueListener,
} from './rpc-listener.ts';

/** Indicates that the computation underlying a Future was cancelled through that Future. Not an `RpcError`. */
export class CancelledError extends Error {
  constructor(message = 'cancelled by its own cancel()') {
    super(message);
  }
}

/** Indicates that a wait on a Future timed out. The RPC itself goes on. Not an `RpcError`. */
export class TimeoutError extends Error {
  constructor(message = 'the wait timed out') {
    super(message);
  }
}

nameInstances(CancelledError);
nameInstances(TimeoutError);

/** A computation in progress elsewhere. */
export interface Future<Value> extends PromiseLike<Value> {
  /**
   * Requests cancellation and returns at once. True only if the computation surely never began: for an RPC always false. No effect on a
   * finished RPC.
   */
  cancel(): boolean;
  /** Whether this Future's own `cancel` took effect; false when the other side cancelled or the RPC expired. */
  cancelled(): boolean;
  /** Whether the computation is in progress. */
  running(): boolean;
  /** Whether the computation has finished or was cancelled. */
  done(): boolean;
  /**
   * The value. Rejects with the computation's exception, with `CancelledError` after this Future's `cancel`, or with `TimeoutError` when
   * `timeout` seconds (0 or more; null: no limit) have passed; the RPC goes on then.
   */
  result(timeout?: number | null): Promise<Value>;
  /** The exception, a new object each time, or null on success. Rejects with `CancelledError` and `TimeoutError` as `result` does. */
  exception(timeout?: number | null): Promise<RpcError | null>;
  /** The stack of the exception, or null on success. Rejects as `exception` does. */
  traceback(timeout?: number | null): Promise<string | null>;
  /**
   * Calls `fn` with this Future once it is done, at once if it is already, in order of registration. What `fn` raises is reported and
   * does not keep later callbacks from running.
   */
  addDoneCallback(fn: (future: Future<Value>) => void): void;
  /** The server's initial metadata; empty if the RPC ended without any. Never rejects. */
  initialMetadata(): Promise<Metadata>;
  /** The server's trailing metadata, once the RPC has ended, in success or failure; empty if there was none. Never rejects. */
  trailingMetadata(): Promise<Metadata>;
}

/** Longest delay of one runtime timer; beyond it runtimes fire at once. */
const MAX_TIMER_MS = 0x7fff_ffff;

/** The Future of one response-unary RPC. */
export class RpcFuture<Response> implements Future<Response>, ValueListener {
  call: CallControl | null;
  pump: PumpControl | null;
  extras: RpcExtras | null;
  fault: CallStatus | null;
  readonly #method: BoundMethod<never, Response>;
  readonly #metadata: ReceivedMetadata;
  #response: Response | typeof FAILED;
  /** Null until the RPC has ended. */
  #status: CallStatus | null;
  #cancelled: boolean;
  /** Waits in progress; each looks at the outcome itself. */
  readonly #waits: Set<() => void>;
  #callbacks: ((future: Future<Response>) => void)[];

  constructor(method: BoundMethod<never, Response>) {
    this.call = null;
    this.pump = null;
    this.extras = null;
    this.fault = null;
    this.#method = method;
    this.#metadata = new ReceivedMetadata();
    this.#response = FAILED;
    this.#status = null;
    this.#cancelled = false;
    this.#waits = new Set();
    this.#callbacks = [];
  }

  cancel(): boolean {
    if (!this.done()) {
      this.#cancelled = true;
      this.call?.cancel('Cancelled on client: by its Future');
      this.#complete();
    }
    return false;
  }

  cancelled(): boolean {
    return this.#cancelled;
  }

  running(): boolean {
    return !this.done();
  }

  done(): boolean {
    return this.#cancelled || this.#status !== null;
  }

  result(timeout?: number | null): Promise<Response> {
    return this.#wait(timeout, () => this.#value());
  }

  exception(timeout?: number | null): Promise<RpcError | null> {
    return this.#wait(timeout, () => this.#error());
  }

  traceback(timeout?: number | null): Promise<string | null> {
    return this.#wait(timeout, () => {
      const error = this.#error();
      return error === null ? null : (error.stack ?? `${error.name}: ${error.message}`);
    });
  }

  addDoneCallback(fn: (future: Future<Response>) => void): void {
    if (typeof fn !== 'function') throw new TypeError('addDoneCallback takes a function');
    if (this.done()) this.#runCallback(fn);
    else this.#callbacks.push(fn);
  }

  initialMetadata(): Promise<Metadata> {
    return this.#metadata.initial.ask();
  }

  trailingMetadata(): Promise<Metadata> {
    return this.#metadata.trailing.ask();
  }

  // biome-ignore lint/suspicious/noThenProperty: a Future is thenable.
  then<Result1 = Response, Result2 = never>(
    onFulfilled?: ((value: Response) => Result1 | PromiseLike<Result1>) | null,
    onRejected?: ((reason: unknown) => Result2 | PromiseLike<Result2>) | null,
  ): Promise<Result1 | Result2> {
    return this.result().then(onFulfilled, onRejected);
  }

  onMetadata(headers: HeaderList): void {
    this.#metadata.begin(headers);
    this.extras?.onMetadata(headers);
  }

  onMessage(chunk: Uint8Array, start: number, end: number): void {
    this.#response = deserializeResponse(this.#method, this, chunk, start, end);
  }

  onResponse(response: unknown): void {
    this.#response = response as Response;
  }

  onStatus(status: CallStatus): void {
    this.pump?.stop();
    if (this.fault !== null) this.#status = this.fault;
    else if (status.code === Status.OK && this.#response === FAILED) this.#status = NO_RESPONSE;
    else this.#status = status;
    this.#metadata.end(status.trailers);
    this.extras?.onStatus(status);
    this.#complete();
  }

  onReady(): void {
    this.pump?.resume();
  }

  #value(): Response {
    const error = this.#error();
    if (error !== null) throw error;
    return this.#response as Response;
  }

  #error(): RpcError | null {
    if (this.#cancelled) throw new CancelledError();
    const status = this.#status;
    return status === null || status.code === Status.OK ? null : rpcErrorOfStatus(status);
  }

  /** Runs once when the Future becomes done, and finds nothing to do when the status follows a cancellation. */
  #complete(): void {
    for (const wait of this.#waits) wait();
    this.#waits.clear();
    const callbacks = this.#callbacks;
    this.#callbacks = [];
    for (const fn of callbacks) this.#runCallback(fn);
  }

  #runCallback(fn: (future: Future<Response>) => void): void {
    try {
      fn(this);
    } catch (error) {
      this.#method.report(error, 'done callback');
    }
  }

  /** `read()` as soon as this is done. The waiter is registered in the same step as the look at the outcome: no wake-up can be lost. */
  #wait<Value>(timeout: number | null | undefined, read: () => Value): Promise<Value> {
    const timeoutMs = waitMs(timeout);
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        try {
          resolve(read());
        } catch (error) {
          reject(error);
        }
      };
      if (this.done()) {
        settle();
        return;
      }
      const timer = startTimer(timeoutMs, () => {
        this.#waits.delete(wake);
        reject(new TimeoutError(`the RPC did not end within ${String(timeout)} s`));
      });
      const wake = (): void => {
        timer.cancel();
        settle();
      };
      this.#waits.add(wake);
    });
  }
}

function waitMs(timeout: number | null | undefined): number {
  if (timeout === null || timeout === undefined) return Number.POSITIVE_INFINITY;
  if (typeof timeout !== 'number' || Number.isNaN(timeout)) {
    throw new TypeError(
      `timeout must be a number of seconds, or null for none, got ${String(timeout)}`,
    );
  }
  return timeout * 1000;
}

/** Calls `fire` after `delayMs`, however long; at once (in a microtask) for zero and less, never for Infinity. */
function startTimer(delayMs: number, fire: () => void): { cancel(): void } {
  let handle: ReturnType<typeof setTimeout> | undefined;
  let cancelled = false;
  const arm = (leftMs: number): void => {
    if (leftMs > MAX_TIMER_MS) {
      handle = setTimeout(() => arm(leftMs - MAX_TIMER_MS), MAX_TIMER_MS);
    } else {
      handle = setTimeout(fire, leftMs);
    }
  };
  if (delayMs <= 0) {
    queueMicrotask(() => {
      if (!cancelled) fire();
    });
  } else if (delayMs !== Number.POSITIVE_INFINITY) {
    arm(delayMs);
  }
  return {
    cancel: () => {
      cancelled = true;
      clearTimeout(handle);
    },
  };
}
