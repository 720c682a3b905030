/** The RpcContext that a behaviour is given, and the life of an RPC as it sees it: active, then completed or aborted, once. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { ServerCall } from '../call/call.ts';
import { timeLeftMs } from '../deadline.ts';
import { Metadata, type MetadataInit, metadataOfHeaders } from '../metadata.ts';
import type { Cardinality } from '../method.ts';
import type { RpcError } from '../rpc-error.ts';
import { Status } from '../status.ts';
import { rpcErrorOfAbortion, rpcErrorOfStatus } from './exceptions.ts';
import type { ContextKey } from './interceptors.ts';
import type { Abortion, PeerInfo, RpcContext } from './interfaces.ts';

/** What a context needs of the server that serves its RPC. */
export interface ContextHost {
  /** The clock of the call's deadline. */
  readonly clock: { now(): number };
  /** Takes what callbacks of the behaviour raise; must not throw. */
  report(error: unknown, what: string): void;
}

type AbortionCallback = (abortion: Abortion) => void;

/** The context of one RPC. What only the server may do is static, so that a behaviour does not find it on its context. */
export class ServiceContext implements RpcContext {
  readonly #call: ServerCall;
  readonly #host: ContextHost;
  #active: boolean;
  #abortion: Abortion | null;
  #cause: unknown;
  #callbacks: AbortionCallback[] | null;
  #controller: AbortController | null;
  /** Who waits in `untilAborted`. */
  #waits: Map<(error: RpcError) => void, Promise<unknown>> | null;
  #metadata: Metadata | null;
  #code: number;
  #details: string;
  #trailers: HeaderList | null;
  #values: Map<object, unknown> | null;

  constructor(call: ServerCall, host: ContextHost) {
    this.#call = call;
    this.#host = host;
    this.#active = true;
    this.#abortion = null;
    this.#cause = undefined;
    this.#callbacks = null;
    this.#controller = null;
    this.#waits = null;
    this.#metadata = null;
    this.#code = Status.OK;
    this.#details = '';
    this.#trailers = null;
    this.#values = null;
  }

  isActive(): boolean {
    return this.#active && !this.#call.cancelled;
  }

  timeRemaining(): number {
    return timeLeftMs(this.#call.deadlineMs, this.#host.clock.now()) / 1000;
  }

  addAbortionCallback(abortionCallback: AbortionCallback): void {
    if (typeof abortionCallback !== 'function') {
      throw new TypeError('addAbortionCallback takes a function');
    }
    const abortion = this.#abortion;
    if (abortion !== null) {
      queueMicrotask(() => this.#runCallback(abortionCallback, abortion));
    } else if (this.#active) {
      this.#callbacks ??= [];
      this.#callbacks.push(abortionCallback);
    }
  }

  get metadata(): Metadata {
    this.#metadata ??= metadataOfHeaders(this.#call.headers);
    return this.#metadata;
  }

  get peer(): PeerInfo {
    return this.#call.peer;
  }

  get method(): string {
    return this.#call.method.path;
  }

  get cardinality(): Cardinality {
    return this.#call.method.cardinality;
  }

  get authority(): string {
    return this.#call.authority;
  }

  get<Value>(key: ContextKey<Value>): Value | undefined {
    return this.#values?.get(key) as Value | undefined;
  }

  set<Value>(key: ContextKey<Value>, value: Value): void {
    this.#values ??= new Map();
    this.#values.set(key, value);
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#abortion !== null) this.#controller.abort(this.#error(this.#abortion));
    }
    return this.#controller.signal;
  }

  untilAborted<Value>(promise: PromiseLike<Value>): Promise<Value> {
    let reject: (error: RpcError) => void = () => {};
    const outcome = new Promise<Value>((resolve, fail) => {
      reject = fail;
      promise.then(
        (value) => {
          this.#waits?.delete(fail);
          resolve(value);
        },
        (error: unknown) => {
          this.#waits?.delete(fail);
          fail(error);
        },
      );
    });
    if (this.#abortion !== null) {
      abandon(outcome, reject, this.#error(this.#abortion));
    } else {
      // Kept by wait, not by a race with one promise of the abortion: that would hold a reaction per wait until the RPC ends.
      this.#waits ??= new Map();
      this.#waits.set(reject, outcome);
    }
    return outcome;
  }

  setCompression(encoding: string): boolean {
    return this.#call.setCompression(encoding);
  }

  sendInitialMetadata(metadata: MetadataInit): void {
    this.#call.sendMetadata(Metadata.from(metadata).toHeaderList());
  }

  setTrailingMetadata(metadata: MetadataInit): void {
    this.#trailers = Metadata.from(metadata).toHeaderList();
  }

  setStatus(code: number, details = ''): void {
    this.#code = checkedCode(code, Status.OK);
    this.#details = details;
  }

  abort(code: number, details = ''): never {
    const message = details;
    throw rpcErrorOfStatus({
      code: checkedCode(code, Status.CANCELLED),
      message,
      trailers: [],
      cause: undefined,
    });
  }

  /** The status set by the behaviour, OK if none was. */
  static code(context: ServiceContext): number {
    return context.#code;
  }

  /** The status message set by the behaviour. */
  static details(context: ServiceContext): string {
    return context.#details;
  }

  /** The trailing metadata set by the behaviour, or null. */
  static trailers(context: ServiceContext): HeaderList | null {
    return context.#trailers;
  }

  /** The RPC has ended normally: abortion callbacks are forgotten. */
  static complete(context: ServiceContext): void {
    context.#active = false;
    context.#callbacks = null;
  }

  /** The RPC is aborted: callbacks run, the signal aborts. Does nothing once the RPC has ended. */
  static abort(context: ServiceContext, abortion: Abortion, cause: unknown): void {
    if (!context.#active) return;
    context.#active = false;
    context.#abortion = abortion;
    context.#cause = cause;
    context.#controller?.abort(context.#error(abortion));
    const waits = context.#waits;
    context.#waits = null;
    for (const [reject, outcome] of waits ?? []) abandon(outcome, reject, context.#error(abortion));
    const callbacks = context.#callbacks;
    context.#callbacks = null;
    if (callbacks === null) return;
    for (const callback of callbacks) context.#runCallback(callback, abortion);
  }

  #error(abortion: Abortion): RpcError {
    return rpcErrorOfAbortion(abortion, this.#cause, this.#call.abortReason);
  }

  #runCallback(callback: AbortionCallback, abortion: Abortion): void {
    try {
      callback(abortion);
    } catch (error) {
      this.#host.report(error, 'abortion callback');
    }
  }
}

/** Rejects a wait of `untilAborted`. A behaviour that does not await it yet must not end the process for what a client did. */
function abandon(
  outcome: Promise<unknown>,
  reject: (error: RpcError) => void,
  error: RpcError,
): void {
  outcome.catch(() => {});
  reject(error);
}

function checkedCode(code: number, least: number): number {
  if (Number.isInteger(code) && code >= least && code <= Status.UNAUTHENTICATED) return code;
  throw new RangeError(`the status code must be an integer of ${least} … 16, got ${String(code)}`);
}
