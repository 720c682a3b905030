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

/** What most behaviours have no use for. */
class ContextExtras {
  abortion: Abortion | null = null;
  cause: unknown = undefined;
  callbacks: AbortionCallback[] | null = null;
  controller: AbortController | null = null;
  /** Who waits in `untilAborted`. */
  waits: Map<(error: RpcError) => void, Promise<unknown>> | null = null;
  code: number = Status.OK;
  details = '';
  trailers: HeaderList | null = null;
  values: Map<object, unknown> | null = null;
}

/** The context of one RPC. What only the server may do is static, so that a behaviour does not find it on its context. */
export class ServiceContext implements RpcContext {
  readonly #call: ServerCall;
  readonly #host: ContextHost;
  #active: boolean;
  #metadata: Metadata | null;
  #extras: ContextExtras | null;

  constructor(call: ServerCall, host: ContextHost) {
    this.#call = call;
    this.#host = host;
    this.#active = true;
    this.#metadata = null;
    this.#extras = null;
  }

  /** Those of this RPC, made now if it has none. */
  get #own(): ContextExtras {
    this.#extras ??= new ContextExtras();
    return this.#extras;
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
    const extras = this.#own;
    const { abortion } = extras;
    if (abortion !== null) {
      queueMicrotask(() => this.#runCallback(abortionCallback, abortion));
    } else if (this.#active) {
      extras.callbacks ??= [];
      extras.callbacks.push(abortionCallback);
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
    return this.#extras?.values?.get(key) as Value | undefined;
  }

  set<Value>(key: ContextKey<Value>, value: Value): void {
    const extras = this.#own;
    extras.values ??= new Map();
    extras.values.set(key, value);
  }

  get signal(): AbortSignal {
    const extras = this.#own;
    if (extras.controller === null) {
      extras.controller = new AbortController();
      if (extras.abortion !== null) extras.controller.abort(this.#error(extras.abortion));
    }
    return extras.controller.signal;
  }

  untilAborted<Value>(promise: PromiseLike<Value>): Promise<Value> {
    const extras = this.#own;
    let reject: (error: RpcError) => void = () => {};
    const outcome = new Promise<Value>((resolve, fail) => {
      reject = fail;
      promise.then(
        (value) => {
          extras.waits?.delete(fail);
          resolve(value);
        },
        (error: unknown) => {
          extras.waits?.delete(fail);
          fail(error);
        },
      );
    });
    if (extras.abortion !== null) {
      abandon(outcome, reject, this.#error(extras.abortion));
    } else {
      // Kept by wait, not by a race with one promise of the abortion: that would hold a reaction per wait until the RPC ends.
      extras.waits ??= new Map();
      extras.waits.set(reject, outcome);
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
    this.#own.trailers = Metadata.from(metadata).toHeaderList();
  }

  setStatus(code: number, details = ''): void {
    const extras = this.#own;
    extras.code = checkedCode(code, Status.OK);
    extras.details = details;
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
    return context.#extras === null ? Status.OK : context.#extras.code;
  }

  /** The status message set by the behaviour. */
  static details(context: ServiceContext): string {
    return context.#extras === null ? '' : context.#extras.details;
  }

  /** The trailing metadata set by the behaviour, or null. */
  static trailers(context: ServiceContext): HeaderList | null {
    return context.#extras === null ? null : context.#extras.trailers;
  }

  /** The RPC has ended normally: abortion callbacks are forgotten. */
  static complete(context: ServiceContext): void {
    context.#active = false;
    if (context.#extras !== null) context.#extras.callbacks = null;
  }

  /** The RPC is aborted: callbacks run, the signal aborts. Does nothing once the RPC has ended. */
  static abort(context: ServiceContext, abortion: Abortion, cause: unknown): void {
    if (!context.#active) return;
    context.#active = false;
    const extras = context.#own;
    const { controller, waits, callbacks } = extras;
    extras.abortion = abortion;
    extras.cause = cause;
    controller?.abort(context.#error(abortion));
    extras.waits = null;
    for (const [reject, outcome] of waits ?? []) abandon(outcome, reject, context.#error(abortion));
    extras.callbacks = null;
    if (callbacks === null) return;
    for (const callback of callbacks) context.#runCallback(callback, abortion);
  }

  #error(abortion: Abortion): RpcError {
    return rpcErrorOfAbortion(abortion, this.#extras?.cause, this.#call.abortReason);
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
