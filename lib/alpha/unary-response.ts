/** The direct form of a response-unary RPC: one object that listens to the call and settles the caller's promise. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallStatus } from '../call/call.ts';
import { Status } from '../status.ts';
import type { BoundMethod } from './bound-method.ts';
import { rpcErrorOfStatus } from './exceptions.ts';
import type { PumpControl } from './message-pump.ts';
import { type PromiseHolder, unsettled } from './promise-holder.ts';
import { NO_RESPONSE } from './rpc-fault.ts';
import {
  type CallControl,
  deserializeResponse,
  FAILED,
  type RpcExtras,
  type ValueListener,
} from './rpc-listener.ts';

/** Listens to one response-unary RPC; see `promiseOf`. */
export class UnaryResponse<Response> implements ValueListener, PromiseHolder<Response> {
  call: CallControl | null;
  pump: PumpControl | null;
  extras: RpcExtras | null;
  fault: CallStatus | null;
  resolve: (response: Response) => void;
  reject: (error: unknown) => void;
  readonly #method: BoundMethod<never, Response>;
  #response: Response | typeof FAILED;

  constructor(method: BoundMethod<never, Response>) {
    this.call = null;
    this.pump = null;
    this.extras = null;
    this.fault = null;
    this.resolve = unsettled;
    this.reject = unsettled;
    this.#method = method;
    this.#response = FAILED;
  }

  onMetadata(headers: HeaderList): void {
    if (this.extras !== null) this.extras.onMetadata(headers);
  }

  onMessage(chunk: Uint8Array, start: number, end: number): void {
    this.#response = deserializeResponse(this.#method, this, chunk, start, end);
  }

  onResponse(response: unknown): void {
    this.#response = response as Response;
  }

  onStatus(status: CallStatus): void {
    if (this.pump !== null) this.pump.stop();
    // The status decides: a message that came before another status than OK is dropped.
    if (this.fault !== null) this.reject(rpcErrorOfStatus(this.fault));
    else if (status.code !== Status.OK) this.reject(rpcErrorOfStatus(status));
    else if (this.#response === FAILED) this.reject(rpcErrorOfStatus(NO_RESPONSE));
    else this.resolve(this.#response);
    if (this.extras !== null) this.extras.onStatus(status);
  }

  onReady(): void {
    if (this.pump !== null) this.pump.resume();
  }
}
