/**
 * Starts RPCs: checks the arguments, makes options and metadata, serializes, and connects a listener with a ClientCall. What goes wrong in
 * the caller's own callables ends that RPC only, through the same `onStatus` by which every RPC ends.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { ClientCall } from '../call/call.ts';
import { deadlineAfter, timeoutMsOfSeconds } from '../deadline.ts';
import { assertKnownOptions, type KnownOptions } from '../known-options.ts';
import { Metadata, type MetadataValue } from '../metadata.ts';
import type { BoundMethod, MetadataTransformer } from './bound-method.ts';
import type { RequestIterable, RpcOptions, Timeout } from './interfaces.ts';
import { isIterableSource, MessagePump } from './message-pump.ts';
import { RequestSender } from './request-sender.ts';
import { abortedBySignal, callableFailure, EXPIRED_AT_ONCE } from './rpc-fault.ts';
import { RpcExtras, type RpcListener } from './rpc-listener.ts';
import { serialized } from './serialization.ts';

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
  const { extras } = listener;
  if (extras === null) call.startUnary(listener, message);
  else call.startUnary(listener, message, extras.compresses(request));
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
  const sender = new RequestSender(method, call, listener.extras);
  const pump = new MessagePump(requests, sender);
  sender.pump = pump;
  listener.pump = pump;
  call.start(listener);
  queueMicrotask(() => pump.start());
}

/**
 * Checks the arguments and makes the call of an RPC; null when the RPC has already failed and `listener` knows. Throws for misuse, as
 * `startUnaryRequest` does.
 */
export function openCall<Request, Response>(
  method: BoundMethod<Request, Response>,
  timeout: Timeout,
  listener: RpcListener,
): ClientCall | null {
  const { activation, descriptor } = method;
  const options = rpcOptions(method, timeout);
  const timeoutMs = timeoutMsOfSeconds(options === null ? (timeout as number) : options.timeout);
  const own = options?.metadata === undefined ? null : Metadata.from(options.metadata);
  if (!readyToStart(timeoutMs, options, listener)) return null;
  let metadata: HeaderList | null;
  try {
    metadata = initialMetadata(activation.metadataTransformer, own)?.toHeaderList() ?? null;
  } catch (error) {
    listener.onStatus(callableFailure(descriptor, 'metadata transformer', error));
    return null;
  }
  const call = activation.channel.createCall(descriptor, {
    deadlineMs: deadlineAfter(activation.channel.clock.now(), timeoutMs),
    timeoutMs,
    metadata,
    waitForReady: options?.waitForReady === true,
    compression: options?.compression ?? null,
    propagate: options?.propagate !== false,
  });
  listener.call = call;
  if (options !== null) listener.extras = new RpcExtras(method, options, call);
  return call;
}

/** The options of an RPC, null for a bare timeout. Throws as `startUnaryRequest` does. */
export function rpcOptions(
  { activation, descriptor }: BoundMethod<never, unknown>,
  timeout: Timeout,
): RpcOptions | null {
  if (!activation.isOpen) {
    throw new Error(
      `${descriptor.path}: the stub has left the context this callable was taken in; take it again from the open stub`,
    );
  }
  return typeof timeout === 'object' && timeout !== null
    ? checkedOptions(timeout, descriptor.path)
    : null;
}

/** Whether an RPC may begin; if not, it has failed and `listener` knows. */
export function readyToStart(
  timeoutMs: number,
  options: RpcOptions | null,
  listener: RpcListener,
): boolean {
  if (timeoutMs === 0) {
    listener.onStatus(EXPIRED_AT_ONCE);
    return false;
  }
  if (options?.signal?.aborted === true) {
    listener.onStatus(abortedBySignal(options.signal));
    return false;
  }
  return true;
}

const RPC_OPTIONS: KnownOptions<RpcOptions> = {
  timeout: true,
  signal: true,
  metadata: true,
  waitForReady: true,
  compression: true,
  compressRequest: true,
  propagate: true,
  onInitialMetadata: true,
  onTrailingMetadata: true,
};

/** `options` itself, once the parts that are used later are known to be usable. `path` is that of the method. */
function checkedOptions(options: RpcOptions, path: string): RpcOptions {
  assertKnownOptions(options, RPC_OPTIONS, path);
  const { signal, onInitialMetadata, onTrailingMetadata, compression, compressRequest } = options;
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
    throw new TypeError('options.signal must be an AbortSignal');
  }
  if (onInitialMetadata !== undefined && typeof onInitialMetadata !== 'function') {
    throw new TypeError('options.onInitialMetadata must be a function');
  }
  if (onTrailingMetadata !== undefined && typeof onTrailingMetadata !== 'function') {
    throw new TypeError('options.onTrailingMetadata must be a function');
  }
  if (compression !== undefined && typeof compression !== 'string') {
    throw new TypeError("options.compression must be the name of an encoding, such as 'gzip'");
  }
  if (compressRequest !== undefined && typeof compressRequest !== 'function') {
    throw new TypeError('options.compressRequest must be a function');
  }
  return options;
}

/** What the transformer gives, then what the caller gave; null for nothing. Throws what the transformer throws, TypeError for no pairs. */
export function initialMetadata(
  transformer: MetadataTransformer | null,
  own: Metadata | null,
): Metadata | null {
  if (transformer === null) return own;
  const pairs: unknown = transformer([]);
  if (typeof (pairs as Iterable<unknown> | null)?.[Symbol.iterator] !== 'function') {
    throw new TypeError('it must return an iterable of [key, value] pairs');
  }
  const metadata = Metadata.from(pairs as Iterable<readonly [string, MetadataValue]>);
  if (own !== null) for (const [key, value] of own) metadata.append(key, value);
  return metadata;
}
