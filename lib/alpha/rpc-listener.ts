/** What the three forms of an RPC on the client have in common as listeners of their call. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallStatus, ClientCall, ClientCallListener } from '../call/call.ts';
import { type Metadata, metadataOfHeaders } from '../metadata.ts';
import type { BoundMethod } from './bound-method.ts';
import type { RpcOptions } from './interfaces.ts';
import type { PumpControl } from './message-pump.ts';
import { abortedBySignal, callableFailure } from './rpc-fault.ts';

/** What the listener of an RPC does with its call. */
export type CallControl = Pick<ClientCall, 'request' | 'cancel' | 'fail'>;

/** What receives the events of an RPC on behalf of its caller. */
export interface RpcListener extends ClientCallListener {
  /** Null when the RPC ended before it had a call. */
  call: CallControl | null;
  /** Pulls the requests of a request-streaming RPC; null for a unary request. */
  pump: PumpControl | null;
  /** Null when the caller gave a bare timeout. */
  extras: RpcExtras | null;
  /** Why a response could not be read; overrides the status by which the RPC ends. */
  fault: CallStatus | null;
}

/** A listener that takes responses as values too: of RPCs whose interceptors have seen them. */
export interface ValueListener extends RpcListener {
  /** One response that was received in `octets` octets. */
  onResponse(response: unknown, octets: number): void;
}

/** What `deserializeResponse` gives when the deserializer failed. */
export const FAILED: unique symbol = Symbol('failed');

/**
 * The response in the range. `FAILED` when the deserializer raised: the call is failed with INTERNAL, and `listener.fault` set, because the
 * end of the call may be certain already.
 */
export function deserializeResponse<Response>(
  method: BoundMethod<never, Response>,
  listener: RpcListener,
  chunk: Uint8Array,
  start: number,
  end: number,
): Response | typeof FAILED {
  try {
    return method.responseOf(chunk, start, end);
  } catch (error) {
    const fault = callableFailure(method.descriptor, 'response deserializer', error);
    listener.fault = fault;
    listener.call?.fail(fault.code, fault.message, fault.cause);
    return FAILED;
  }
}

/** What the options of one RPC ask for while it runs: its AbortSignal and the metadata callbacks. */
export class RpcExtras {
  readonly #method: BoundMethod<never, unknown>;
  readonly #options: RpcOptions;
  readonly #onAbort: (() => void) | null;

  constructor(
    method: BoundMethod<never, unknown>,
    options: RpcOptions,
    call: Pick<ClientCall, 'fail'>,
  ) {
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

  /** Whether `request` is to be compressed, if requests are. */
  compresses(request: unknown): boolean {
    const { compressRequest } = this.#options;
    if (compressRequest === undefined) return true;
    try {
      return compressRequest(request as never);
    } catch (error) {
      this.#method.report(error, 'compressRequest');
      return true;
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
