/**
 * Starts RPCs: checks the arguments, makes options and metadata, serializes, and connects a listener with a ClientCall. What goes wrong in
 * the caller's own callables ends that RPC only, through the same `onStatus` by which every RPC ends.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallFactory, CallStatus, ClientCall, ClientCallListener } from '../call/call.ts';
import { deadlineAfter, timeoutMsOfSeconds } from '../deadline.ts';
import { Metadata, type MetadataValue, metadataOfHeaders } from '../metadata.ts';
import type { MethodDescriptor } from '../method.ts';
import { Status } from '../status.ts';
import { type ErrorReporter, messageOf, reportSafely } from './error-reporter.ts';
import type {
  RequestIterable,
  RpcMethodInvocationDescription,
  RpcOptions,
  Timeout,
} from './interfaces.ts';
import {
  isIterableSource,
  MessagePump,
  type PumpControl,
  type PumpReceiver,
} from './message-pump.ts';

/** What a stub needs of a channel. `Channel` is one. */
export interface StubChannel extends CallFactory {
  /** The clock of the calls' deadlines. */
  readonly clock: { now(): number };
  /** Takes no new calls; fulfilled when those in flight have ended. */
  close(): Promise<void>;
}

/** Called once per RPC with an empty list; gives the pairs of key and value to send as initial metadata. */
export type MetadataTransformer = (
  metadata: readonly (readonly [string, MetadataValue])[],
) => Iterable<readonly [string, MetadataValue]>;

/** One stay of a stub in its context, from `open` to `close`. Callables taken in it end with it. */
export class Activation {
  isOpen: boolean;
  readonly serviceName: string;
  readonly channel: StubChannel;
  readonly metadataTransformer: MetadataTransformer | null;
  readonly report: ErrorReporter;

  constructor(
    serviceName: string,
    channel: StubChannel,
    metadataTransformer: MetadataTransformer | null,
    report: ErrorReporter,
  ) {
    this.isOpen = true;
    this.serviceName = serviceName;
    this.channel = channel;
    this.metadataTransformer = metadataTransformer;
    this.report = report;
  }
}

/** A method in one activation. */
export class BoundMethod<Request, Response> {
  readonly activation: Activation;
  readonly descriptor: MethodDescriptor;
  readonly description: RpcMethodInvocationDescription<Request, Response>;

  constructor(
    activation: Activation,
    descriptor: MethodDescriptor,
    description: RpcMethodInvocationDescription<Request, Response>,
  ) {
    this.activation = activation;
    this.descriptor = descriptor;
    this.description = description;
  }

  /** Hands on an exception that no caller can be told of. */
  report(error: unknown, what: string): void {
    reportSafely(this.activation.report, error, `${this.descriptor.path}: ${what}`);
  }
}

/** What receives the events of an RPC on behalf of its caller. */
export interface RpcListener extends ClientCallListener {
  /** Null when the RPC ended before it had a call. */
  call: ClientCall | null;
  /** Pulls the requests of a request-streaming RPC; null for a unary request. */
  pump: PumpControl | null;
  /** Null when the caller gave a bare timeout. */
  extras: RpcExtras | null;
}

/** A status made on this side. */
export function localStatus(code: number, message: string, cause: unknown): CallStatus {
  return { code, message, trailers: [], cause };
}

/** The status of a unary response that did not come although the RPC was said to have succeeded. */
export const NO_RESPONSE: CallStatus = localStatus(
  Status.UNIMPLEMENTED,
  'the RPC ended with OK but without a response message',
  undefined,
);

/** The status of an RPC whose timeout is zero or less. */
const EXPIRED_AT_ONCE: CallStatus = localStatus(
  Status.DEADLINE_EXCEEDED,
  'the timeout is zero or negative: the RPC expired before it began',
  undefined,
);

/**
 * Starts a request-unary RPC. Throws for misuse: TypeError for a timeout, options or metadata that are none, Error when the method's stub
 * has left its context.
 */
export function startUnaryRequest<Request, Response>(
  method: BoundMethod<Request, Response>,
  request: Request,
  timeout: Timeout,
  listener: RpcListener,
): void {
  const call = openCall(method, timeout, listener);
  if (call === null) return;
  let message: Uint8Array;
  try {
    message = serialized(method.description.serializeRequest(request));
  } catch (error) {
    // The call was never started, so that it is nothing that could be failed.
    listener.onStatus(callableFailure(method.descriptor, 'request serializer', error));
    return;
  }
  call.startUnary(listener, message);
}

/**
 * Starts a request-streaming RPC; the first request is pulled after this has returned. Throws for misuse, as `startUnaryRequest` does, and
 * TypeError when `requests` is not iterable.
 */
export function startStreamRequest<Request, Response>(
  method: BoundMethod<Request, Response>,
  requests: RequestIterable<Request>,
  timeout: Timeout,
  listener: RpcListener,
): void {
  if (!isIterableSource(requests)) {
    throw new TypeError(
      `${method.descriptor.path} takes an iterable of requests, such as an array or a generator, got ${requests === null ? 'null' : typeof requests}`,
    );
  }
  const call = openCall(method, timeout, listener);
  if (call === null) return;
  const sender = new RequestSender(method, call, requests);
  listener.pump = sender.pump;
  call.start(listener);
  queueMicrotask(() => sender.pump.start());
}

/** Makes the call of an RPC that is in order so far; null when the RPC has already failed and `listener` knows. */
function openCall<Request, Response>(
  method: BoundMethod<Request, Response>,
  timeout: Timeout,
  listener: RpcListener,
): ClientCall | null {
  const { activation, descriptor } = method;
  if (!activation.isOpen) {
    throw new Error(
      `${descriptor.path}: the stub has left the context this callable was taken in; take it again from the open stub`,
    );
  }
  const options = typeof timeout === 'object' && timeout !== null ? checkedOptions(timeout) : null;
  const timeoutMs = timeoutMsOfSeconds(options === null ? (timeout as number) : options.timeout);
  const ownMetadata = options?.metadata === undefined ? null : Metadata.from(options.metadata);
  if (timeoutMs === 0) {
    listener.onStatus(EXPIRED_AT_ONCE);
    return null;
  }
  if (options?.signal?.aborted === true) {
    listener.onStatus(abortedBySignal(options.signal));
    return null;
  }
  let metadata: HeaderList | null;
  try {
    metadata = initialMetadata(activation.metadataTransformer, ownMetadata);
  } catch (error) {
    listener.onStatus(callableFailure(descriptor, 'metadata transformer', error));
    return null;
  }
  const call = activation.channel.createCall(descriptor, {
    deadlineMs: deadlineAfter(activation.channel.clock.now(), timeoutMs),
    timeoutMs,
    metadata,
    waitForReady: options?.waitForReady === true,
  });
  listener.call = call;
  if (options !== null) listener.extras = new RpcExtras(method, options, call);
  return call;
}

/** `options` itself, once the parts that are used later are known to be usable. */
function checkedOptions(options: RpcOptions): RpcOptions {
  const { signal, onInitialMetadata, onTrailingMetadata } = options;
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
    throw new TypeError('options.signal must be an AbortSignal');
  }
  if (onInitialMetadata !== undefined && typeof onInitialMetadata !== 'function') {
    throw new TypeError('options.onInitialMetadata must be a function');
  }
  if (onTrailingMetadata !== undefined && typeof onTrailingMetadata !== 'function') {
    throw new TypeError('options.onTrailingMetadata must be a function');
  }
  return options;
}

/** What the transformer gives, then what the caller gave; null for nothing. Throws what the transformer throws, TypeError for no pairs. */
function initialMetadata(
  transformer: MetadataTransformer | null,
  own: Metadata | null,
): HeaderList | null {
  if (transformer === null) return own === null ? null : own.toHeaderList();
  const pairs: unknown = transformer([]);
  if (typeof (pairs as Iterable<unknown> | null)?.[Symbol.iterator] !== 'function') {
    throw new TypeError('it must return an iterable of [key, value] pairs');
  }
  const metadata = Metadata.from(pairs as Iterable<readonly [string, MetadataValue]>);
  if (own !== null) for (const [key, value] of own) metadata.append(key, value);
  return metadata.toHeaderList();
}

/** `message`, which must be octets. */
function serialized(message: unknown): Uint8Array {
  if (message instanceof Uint8Array) return message;
  throw new TypeError(
    `it must return a Uint8Array, got ${message === null ? 'null' : typeof message}`,
  );
}

/** The status of an RPC that one of its caller's callables has broken. */
function callableFailure(method: MethodDescriptor, callable: string, error: unknown): CallStatus {
  return localStatus(
    Status.INTERNAL,
    `${callable} of ${method.path} failed: ${messageOf(error)}`,
    error,
  );
}

function abortedBySignal(signal: AbortSignal): CallStatus {
  return localStatus(Status.CANCELLED, 'cancelled by its AbortSignal', signal.reason);
}

/** What `deserializeResponse` gives when the deserializer failed. */
export const FAILED: unique symbol = Symbol('failed');

/** The response in the range; `FAILED` when the deserializer raised, in which case the call has been failed with INTERNAL. */
export function deserializeResponse<Response>(
  method: BoundMethod<never, Response>,
  call: ClientCall | null,
  chunk: Uint8Array,
  start: number,
  end: number,
): Response | typeof FAILED {
  try {
    return method.description.deserializeResponse(rangeOf(chunk, start, end));
  } catch (error) {
    const status = callableFailure(method.descriptor, 'response deserializer', error);
    call?.fail(status.code, status.message, status.cause);
    return FAILED;
  }
}

/** The range as a Uint8Array, `chunk` itself when it is all of it. */
export function rangeOf(chunk: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
}

/** Serializes and sends the requests of one RPC. */
export class RequestSender<Request> implements PumpReceiver<Request> {
  readonly pump: MessagePump<Request>;
  readonly #method: BoundMethod<Request, unknown>;
  readonly #call: ClientCall;

  constructor(
    method: BoundMethod<Request, unknown>,
    call: ClientCall,
    requests: RequestIterable<Request>,
  ) {
    this.pump = new MessagePump(requests, this);
    this.#method = method;
    this.#call = call;
  }

  onValue(request: Request): boolean {
    let message: Uint8Array;
    try {
      message = serialized(this.#method.description.serializeRequest(request));
    } catch (error) {
      this.#fail(callableFailure(this.#method.descriptor, 'request serializer', error));
      return false;
    }
    return this.#call.sendMessage(message);
  }

  onEnd(): void {
    this.#call.halfClose();
  }

  onError(error: unknown): void {
    const message = `iterating the requests of ${this.#method.descriptor.path} failed: ${messageOf(error)}`;
    this.#fail(localStatus(Status.UNKNOWN, message, error));
  }

  onCloseError(error: unknown): void {
    this.#method.report(error, 'return() of the request iterator');
  }

  onSettled(): void {}

  #fail(status: CallStatus): void {
    this.pump.stop();
    this.#call.fail(status.code, status.message, status.cause);
  }
}

/** What the options of one RPC ask for while it runs: its AbortSignal and the metadata callbacks. */
export class RpcExtras {
  readonly #method: BoundMethod<never, unknown>;
  readonly #options: RpcOptions;
  readonly #onAbort: (() => void) | null;

  constructor(method: BoundMethod<never, unknown>, options: RpcOptions, call: ClientCall) {
    this.#method = method;
    this.#options = options;
    const { signal } = options;
    if (signal === undefined) {
      this.#onAbort = null;
    } else {
      this.#onAbort = () => {
        const status = abortedBySignal(signal);
        call.fail(status.code, status.message, status.cause);
      };
      signal.addEventListener('abort', this.#onAbort, { once: true });
    }
  }

  onMetadata(headers: HeaderList): void {
    this.#tell(this.#options.onInitialMetadata, headers, 'onInitialMetadata');
  }

  /** The RPC has ended. */
  onStatus(status: CallStatus): void {
    if (this.#onAbort !== null) this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#tell(this.#options.onTrailingMetadata, status.trailers, 'onTrailingMetadata');
  }

  #tell(
    callback: ((metadata: Metadata) => void) | undefined,
    headers: HeaderList,
    name: string,
  ): void {
    if (callback === undefined) return;
    try {
      callback(metadataOfHeaders(headers));
    } catch (error) {
      this.#method.report(error, name);
    }
  }
}
