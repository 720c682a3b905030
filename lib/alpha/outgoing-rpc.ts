/** What the interceptors of a client see of an RPC before it is made: its request, metadata and time. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallStatus } from '../call/call.ts';
import { deadlineAfter, timeLeftMs, timeoutMsOfSeconds } from '../deadline.ts';
import { Metadata } from '../metadata.ts';
import type { Cardinality } from '../method.ts';
import { Status } from '../status.ts';
import type { BoundMethod } from './bound-method.ts';
import { Outcome } from './interceptor-chain.ts';
import type { RpcOutcome } from './interceptors.ts';
import type { RequestIterable, RpcOptions } from './interfaces.ts';

/** What the caller gave. */
export interface Invocation {
  readonly request: unknown;
  /** Null for a unary request. */
  readonly requests: RequestIterable<unknown> | null;
  readonly timeoutMs: number;
  readonly options: RpcOptions | null;
  readonly metadata: Metadata | null;
}

const OK: CallStatus = { code: Status.OK, message: '', trailers: [], cause: undefined };

/** What interceptors see of the RPC; its types are those of `OutgoingRpc`. */
export class Outgoing {
  readonly #method: BoundMethod<unknown, unknown>;
  readonly #request: unknown;
  /** Null for none, as long as nobody asks. */
  #metadata: Metadata | null;
  #deadlineMs: number;
  #timeoutMs: number;
  readonly #onLowered: () => void;

  /** `onLowered`: the deadline has come nearer. */
  constructor(
    method: BoundMethod<unknown, unknown>,
    invocation: Invocation,
    onLowered: () => void,
  ) {
    this.#onLowered = onLowered;
    this.#method = method;
    this.#request = invocation.request;
    this.#metadata = invocation.metadata;
    this.#timeoutMs = invocation.timeoutMs;
    this.#deadlineMs = deadlineAfter(this.#now(), this.#timeoutMs);
  }

  get method(): string {
    return this.#method.descriptor.path;
  }

  get cardinality(): Cardinality {
    return this.#method.descriptor.cardinality;
  }

  get authority(): string {
    return this.#method.activation.channel.authority ?? '';
  }

  get metadata(): Metadata {
    this.#metadata ??= new Metadata();
    return this.#metadata;
  }

  get timeout(): number {
    return timeLeftMs(this.#deadlineMs, this.#now()) / 1000;
  }

  set timeout(seconds: number) {
    const timeoutMs = timeoutMsOfSeconds(seconds);
    const deadlineMs = deadlineAfter(this.#now(), timeoutMs);
    if (deadlineMs >= this.#deadlineMs) return;
    this.#deadlineMs = deadlineMs;
    this.#timeoutMs = timeoutMs;
    this.#onLowered();
  }

  get request(): unknown {
    if (this.#method.descriptor.requestStreaming) {
      throw new TypeError(`${this.method} has no single request: see onRequest`);
    }
    return this.#request;
  }

  respond(response: unknown): RpcOutcome {
    if (this.#method.descriptor.responseStreaming) {
      throw new TypeError(`${this.method} has no single response`);
    }
    if (response === undefined || response === null) {
      throw new TypeError(`respond takes a response, got ${String(response)}`);
    }
    return new Outcome(OK, response, true);
  }

  static headers(rpc: Outgoing): HeaderList | null {
    const metadata = rpc.#metadata;
    return metadata === null || metadata.size === 0 ? null : metadata.toHeaderList();
  }

  static deadlineMs(rpc: Outgoing): number {
    return rpc.#deadlineMs;
  }

  /** The timeout that led to the deadline. */
  static timeoutMs(rpc: Outgoing): number {
    return rpc.#timeoutMs;
  }

  #now(): number {
    return this.#method.activation.channel.clock.now();
  }
}
