/** The responses of a response-streaming RPC as a CancellableIterator. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallStatus } from '../call/call.ts';
import type { Metadata } from '../metadata.ts';
import { Status } from '../status.ts';
import type { BoundMethod } from './bound-method.ts';
import { CancellationError, rpcErrorOfStatus } from './exceptions.ts';
import { CancelledError } from './future.ts';
import type { CancellableIterator } from './interfaces.ts';
import type { PumpControl } from './message-pump.ts';
import { ReceiveQueue } from './receive-queue.ts';
import { ReceivedMetadata } from './response-metadata.ts';
import {
  type CallControl,
  deserializeResponse,
  FAILED,
  type RpcExtras,
  type ValueListener,
} from './rpc-listener.ts';

/** Listens to one response-streaming RPC and iterates over its responses. */
export class ResponseIterator<Response> implements CancellableIterator<Response>, ValueListener {
  call: CallControl | null;
  pump: PumpControl | null;
  extras: RpcExtras | null;
  fault: CallStatus | null;
  readonly #method: BoundMethod<never, Response>;
  readonly #queue: ReceiveQueue<Response>;
  readonly #metadata: ReceivedMetadata;
  /** One message has been asked for and has not come: never more, so that a flood of large ones is bounded. */
  #requested: boolean;
  #ended: boolean;
  #cancelled: boolean;

  constructor(method: BoundMethod<never, Response>) {
    this.call = null;
    this.pump = null;
    this.extras = null;
    this.fault = null;
    this.#method = method;
    this.#queue = new ReceiveQueue(method.activation.channel.maxUndeliveredMessages);
    this.#metadata = new ReceivedMetadata();
    this.#requested = false;
    this.#ended = false;
    this.#cancelled = false;
  }

  /** Asks for the next message if the queue has room. Called once by who starts the call, then from here. */
  replenish(): void {
    if (this.#requested || this.#ended || !this.#queue.wantsMore || this.call === null) return;
    this.#requested = true;
    this.call.request(1);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Response, undefined>> {
    const result = this.#queue.next();
    if (!this.#requested) this.replenish();
    return result;
  }

  return(): Promise<IteratorResult<Response, undefined>> {
    // After cancel() there is nothing left to close, and its CancelledError stays what next() says.
    if (!this.#cancelled) this.#queue.close();
    if (!this.#ended)
      this.call?.cancel('Cancelled on client: the iteration over its responses was ended');
    return Promise.resolve({ value: undefined, done: true });
  }

  throw(error?: unknown): Promise<IteratorResult<Response, undefined>> {
    return this.return().then(() => {
      throw error;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  cancel(): void {
    this.#cancelled = true;
    this.#queue.refuse(() => new CancelledError());
    if (!this.#ended) this.call?.cancel('Cancelled on client: by its CancellableIterator');
  }

  initialMetadata(): Promise<Metadata> {
    return this.#metadata.initial.ask();
  }

  trailingMetadata(): Promise<Metadata> {
    return this.#metadata.trailing.ask();
  }

  onMetadata(headers: HeaderList): void {
    this.#metadata.begin(headers);
    if (this.extras !== null) this.extras.onMetadata(headers);
  }

  onMessage(chunk: Uint8Array, start: number, end: number): void {
    this.#requested = false;
    const response = deserializeResponse(this.#method, this, chunk, start, end);
    if (response !== FAILED) this.onResponse(response, end - start);
  }

  onResponse(response: unknown, octets: number): void {
    this.#requested = false;
    this.#queue.push(response as Response, octets);
    this.replenish();
  }

  onStatus(status: CallStatus): void {
    this.#ended = true;
    if (this.pump !== null) this.pump.stop();
    if (this.#cancelled) {
      // Those who waited when cancel() was called learn of the RPC's end, those who come later of the cancellation.
      this.#queue.rejectReaders(() =>
        status.code === Status.OK ? new CancellationError() : rpcErrorOfStatus(status),
      );
    } else if (this.fault === null && status.code === Status.OK) {
      this.#queue.end();
    } else {
      const failure = this.fault ?? status;
      this.#queue.fail(() => rpcErrorOfStatus(failure));
    }
    this.#metadata.end(status.trailers);
    if (this.extras !== null) this.extras.onStatus(status);
  }

  onReady(): void {
    if (this.pump !== null) this.pump.resume();
  }
}
