/** One call of an RPC that has interceptors: the listener of the call, and what sends its requests. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallStatus, ClientCall } from '../call/call.ts';
import type { BoundMethod } from './bound-method.ts';
import { NONE } from './interceptor-chain.ts';
import type { PumpControl } from './message-pump.ts';
import { RequestSender } from './request-sender.ts';
import { callableFailure } from './rpc-fault.ts';
import type { RpcExtras, RpcListener } from './rpc-listener.ts';

/** The RPC that a call is an attempt of. */
export interface AttemptHost {
  /** Whether `attempt` is what the RPC waits for: nothing of one that was given up counts. */
  isCurrent(attempt: Attempt): boolean;
  startCall(attempt: Attempt): void;
  /** `request` as observers want it sent. Throws what they throw. */
  outbound(request: unknown): unknown;
  /** The outcome of what a hook raised. */
  failureOf(error: unknown): CallStatus;
  onMetadata(headers: HeaderList): void;
  /** A response in `octets` octets. Throws what observers throw. */
  onResponse(attempt: Attempt, received: unknown, octets: number): void;
  onAttemptEnded(attempt: Attempt, status: CallStatus): void;
}

/** One call of an intercepted RPC, as its listener. */
export class Attempt implements RpcListener {
  call: ClientCall | null;
  pump: PumpControl | null;
  extras: RpcExtras | null;
  fault: CallStatus | null;
  hasEnded: boolean;
  response: unknown;
  readonly #rpc: AttemptHost;
  readonly #method: BoundMethod<unknown, unknown>;

  constructor(rpc: AttemptHost, method: BoundMethod<unknown, unknown>) {
    this.call = null;
    this.pump = null;
    this.extras = null;
    this.fault = null;
    this.hasEnded = false;
    this.response = NONE;
    this.#rpc = rpc;
    this.#method = method;
  }

  start(): void {
    this.#rpc.startCall(this);
  }

  request(messages: number): void {
    if (!this.hasEnded) this.call?.request(messages);
  }

  fail(code: number, message: string, cause: unknown): void {
    this.call?.fail(code, message, cause);
  }

  onMetadata(headers: HeaderList): void {
    if (this.#rpc.isCurrent(this)) this.#rpc.onMetadata(headers);
  }

  onMessage(chunk: Uint8Array, start: number, end: number): void {
    if (!this.#rpc.isCurrent(this)) return;
    let response: unknown;
    try {
      response = this.#method.responseOf(chunk, start, end);
    } catch (error) {
      this.#break(callableFailure(this.#method.descriptor, 'response deserializer', error));
      return;
    }
    try {
      this.#rpc.onResponse(this, response, end - start);
    } catch (error) {
      this.#break(this.#rpc.failureOf(error));
    }
  }

  onStatus(status: CallStatus): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.pump?.stop();
    this.#rpc.onAttemptEnded(this, this.fault ?? status);
  }

  onReady(): void {
    this.pump?.resume();
  }

  /** The end of the call may be certain already: the fault overrides it. */
  #break(fault: CallStatus): void {
    this.fault ??= fault;
    this.call?.fail(fault.code, fault.message, fault.cause);
  }
}

/** Shows requests to the observers before they are serialized. */
export class ObservedSender extends RequestSender<unknown> {
  readonly #rpc: AttemptHost;

  constructor(
    rpc: AttemptHost,
    method: BoundMethod<unknown, unknown>,
    call: ClientCall,
    extras: RpcExtras | null,
  ) {
    super(method, call, extras);
    this.#rpc = rpc;
  }

  override onValue(request: unknown): boolean {
    let value: unknown;
    try {
      value = this.#rpc.outbound(request);
    } catch (error) {
      this.fail(this.#rpc.failureOf(error));
      return false;
    }
    return super.onValue(value);
  }
}
