/** The responses of a response-streaming RPC of a blocking stub as an ordinary iterator. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallStatus, ClientCall } from '../call/call.ts';
import { Metadata } from '../metadata.ts';
import { Status } from '../status.ts';
import type { BlockingBridge } from './blocking-bridge.ts';
import type { RemoteCall } from './blocking-call.ts';
import type { BoundMethod } from './bound-method.ts';
import { rpcErrorOfStatus } from './exceptions.ts';
import { CancelledError } from './future.ts';
import type { BlockingCancellableIterator } from './interfaces.ts';
import type { PumpControl } from './message-pump.ts';
import { ReceiveQueue } from './receive-queue.ts';
import { ReceivedMetadata } from './response-metadata.ts';
import { deserializeResponse, FAILED, type RpcExtras, type RpcListener } from './rpc-listener.ts';
import type { SyncFeed } from './sync-feed.ts';

/** Listens to one response-streaming RPC and iterates over its responses, blocking the thread where it has to wait. */
export class BlockingIterator<Response>
  implements BlockingCancellableIterator<Response>, RpcListener
{
  call: ClientCall | null;
  pump: PumpControl | null;
  extras: RpcExtras | null;
  fault: CallStatus | null;
  /** The requests of a request-streaming RPC; pulled only while the thread is inside this iterator. */
  feed: SyncFeed<never> | null;
  readonly #method: BoundMethod<never, Response>;
  readonly #bridge: BlockingBridge;
  readonly #queue: ReceiveQueue<Response>;
  readonly #metadata: ReceivedMetadata;
  #ended: boolean;
  /** Responses read that the worker has not been told of. */
  #read: number;

  constructor(method: BoundMethod<never, Response>, bridge: BlockingBridge) {
    this.call = null;
    this.pump = null;
    this.extras = null;
    this.fault = null;
    this.feed = null;
    this.#method = method;
    this.#bridge = bridge;
    this.#queue = new ReceiveQueue(method.activation.channel.maxUndeliveredMessages);
    this.#metadata = new ReceivedMetadata();
    this.#ended = false;
    this.#read = 0;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<Response, undefined> {
    let result = this.#take();
    if (result === null) {
      this.#waitUntil(() => {
        result = this.#take();
        return result !== null;
      });
    }
    return result ?? { value: undefined, done: true };
  }

  return(): IteratorResult<Response, undefined> {
    this.#queue.close();
    if (!this.#ended)
      this.call?.cancel('Cancelled on client: the iteration over its responses was ended');
    return { value: undefined, done: true };
  }

  throw(error?: unknown): IteratorResult<Response, undefined> {
    this.return();
    throw error;
  }

  [Symbol.dispose](): void {
    this.return();
  }

  cancel(): void {
    this.#queue.refuse(() => new CancelledError());
    if (!this.#ended) this.call?.cancel('Cancelled on client: by its CancellableIterator');
  }

  initialMetadata(): Metadata {
    if (this.#metadata.initial.now() === null) {
      this.#waitUntil(() => this.#metadata.initial.now() !== null);
    }
    return this.#metadata.initial.now() ?? new Metadata();
  }

  trailingMetadata(): Metadata | null {
    this.#bridge.poll();
    return this.#metadata.trailing.now();
  }

  onMetadata(headers: HeaderList): void {
    this.#metadata.begin(headers);
    this.extras?.onMetadata(headers);
  }

  onMessage(chunk: Uint8Array, start: number, end: number): void {
    const response = deserializeResponse(this.#method, this, chunk, start, end);
    if (response === FAILED) return;
    this.#queue.push(response, end - start);
  }

  onStatus(status: CallStatus): void {
    this.#ended = true;
    this.pump?.stop();
    const failure = this.fault ?? status;
    if (failure.code === Status.OK) this.#queue.end();
    else this.#queue.fail(() => rpcErrorOfStatus(failure));
    this.#metadata.end(status.trailers);
    this.extras?.onStatus(status);
  }

  onReady(): void {
    this.pump?.resume();
  }

  #take(): IteratorResult<Response, undefined> | null {
    const result = this.#queue.take();
    if (result === null || result.done === true) return result;
    this.#read += 1;
    if (this.#queue.wantsMore) {
      this.call?.request(this.#read);
      this.#read = 0;
    }
    return result;
  }

  #waitUntil(isDone: () => boolean): void {
    if (this.call === null) return;
    const feed = this.feed;
    this.#bridge.wait(this.call as RemoteCall, isDone, () => feed?.step() === true);
  }
}
