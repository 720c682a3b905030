/** Sends the requests of a request-streaming RPC as a pump pulls them. */

import type { CallStatus, ClientCall } from '../call/call.ts';
import { messageOf } from '../call/call-fault.ts';
import { Status } from '../status.ts';
import type { BoundMethod } from './bound-method.ts';
import type { PumpControl, PumpReceiver } from './message-pump.ts';
import { callableFailure, localStatus } from './rpc-fault.ts';
import type { RpcExtras } from './rpc-listener.ts';
import { serialized } from './serialization.ts';

/** Serializes and sends the requests of one RPC. */
export class RequestSender<Request> implements PumpReceiver<Request> {
  /** What pulls the requests; set by who made it. */
  pump: PumpControl | null;
  readonly #method: BoundMethod<Request, unknown>;
  readonly #call: ClientCall;
  readonly #extras: RpcExtras | null;

  /** `extras`: those of the RPC's listener. */
  constructor(method: BoundMethod<Request, unknown>, call: ClientCall, extras: RpcExtras | null) {
    this.pump = null;
    this.#method = method;
    this.#call = call;
    this.#extras = extras;
  }

  onValue(request: Request): boolean {
    let message: Uint8Array;
    try {
      message = serialized(this.#method.description.serializeRequest(request));
    } catch (error) {
      this.fail(callableFailure(this.#method.descriptor, 'request serializer', error));
      return false;
    }
    return this.#extras === null
      ? this.#call.sendMessage(message)
      : this.#call.sendMessage(message, this.#extras.compresses(request));
  }

  onEnd(): void {
    this.#call.halfClose();
  }

  onError(error: unknown): void {
    const message = `iterating the requests of ${this.#method.descriptor.path} failed: ${messageOf(error)}`;
    this.fail(localStatus(Status.UNKNOWN, message, error));
  }

  onCloseError(error: unknown): void {
    this.#method.report(error, 'return() of the request iterator');
  }

  onSettled(): void {}

  /** Ends the RPC; no further request is pulled. */
  protected fail(status: CallStatus): void {
    this.pump?.stop();
    this.#call.fail(status.code, status.message, status.cause);
  }
}
