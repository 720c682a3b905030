/**
 * A ClientCall whose engine runs in the worker of a blocking stub. The listeners of alpha cannot tell it from one on their own thread,
 * except that a call ended from this side ends at once.
 */

import type { CallOptions, CallStatus, ClientCall, ClientCallListener } from '../call/call.ts';
import type { MethodDescriptor } from '../method.ts';
import { Status } from '../status.ts';
import {
  ACK_OCTETS,
  type Command,
  ownCopy,
  TRANSFER_OCTETS,
  WINDOW_OCTETS,
  type WorkerEvent,
  windowCost,
} from './blocking-protocol.ts';
import type { StubChannel } from './bound-method.ts';
import type { PeerInfo } from './interfaces.ts';
import { localStatus } from './rpc-fault.ts';
import { threadClock } from './thread-clock.ts';

/** The way to the worker over one port. */
export interface WorkerLink {
  /** Starts the worker if it does not run yet, and posts. */
  post(command: Command, transfer: ArrayBuffer[]): void;
}

/** The calls of one port. */
export class RemoteChannel implements StubChannel {
  readonly clock: { now(): number };
  readonly maxUndeliveredMessages: number;
  readonly #link: WorkerLink;
  readonly #calls: Map<number, RemoteCall>;
  readonly #onCallsChanged: (calls: number) => void;
  #lastId: number;

  /** `onCallsChanged` is told the number of calls in flight after each change. */
  constructor(
    maxUndeliveredMessages: number,
    link: WorkerLink,
    onCallsChanged: (calls: number) => void,
  ) {
    this.clock = threadClock;
    this.maxUndeliveredMessages = maxUndeliveredMessages;
    this.#link = link;
    this.#calls = new Map();
    this.#onCallsChanged = onCallsChanged;
    this.#lastId = 0;
  }

  createCall(method: MethodDescriptor, options: CallOptions): RemoteCall {
    this.#lastId++;
    return new RemoteCall(this.#lastId, method, options, this, this.#link);
  }

  /** The worker's channel is closed as a whole, not port by port. */
  async close(): Promise<void> {}

  /** Hands an event of the worker to its call; events of calls that have ended here are dropped. */
  dispatch(event: WorkerEvent): void {
    if (event.op !== 'closed') this.#calls.get(event.id)?.onEvent(event);
  }

  /** Ends every call: the worker is gone. */
  failAll(status: CallStatus): void {
    for (const call of this.#calls.values()) call.end(status);
  }

  /** @internal */
  add(id: number, call: RemoteCall): void {
    this.#calls.set(id, call);
    this.#onCallsChanged(this.#calls.size);
  }

  /** @internal */
  remove(id: number): void {
    if (this.#calls.delete(id)) this.#onCallsChanged(this.#calls.size);
  }
}

/** One call. */
export class RemoteCall implements ClientCall {
  readonly peer: PeerInfo | null;
  readonly options: CallOptions;
  readonly #id: number;
  readonly #method: MethodDescriptor;
  readonly #channel: RemoteChannel;
  readonly #link: WorkerLink;
  #listener: ClientCallListener | null;
  #ended: boolean;
  /** Octets sent and not yet taken. */
  #outstanding: number;
  #senderWaits: boolean;
  /** Octets received since the listener last asked for more, and octets and messages it has made room for since the last report. */
  #received: number;
  #used: number;
  #usedMessages: number;

  constructor(
    id: number,
    method: MethodDescriptor,
    options: CallOptions,
    channel: RemoteChannel,
    link: WorkerLink,
  ) {
    this.peer = null;
    this.options = options;
    this.#id = id;
    this.#method = method;
    this.#channel = channel;
    this.#link = link;
    this.#listener = null;
    this.#ended = false;
    this.#outstanding = 0;
    this.#senderWaits = false;
    this.#received = 0;
    this.#used = 0;
    this.#usedMessages = 0;
  }

  start(listener: ClientCallListener): void {
    this.#start(listener, null, true);
  }

  startUnary(listener: ClientCallListener, message: Uint8Array, compress = true): void {
    this.#start(listener, message, compress);
  }

  request(messages: number): void {
    this.#used += this.#received;
    this.#usedMessages += messages;
    this.#received = 0;
    const isFew = this.#usedMessages * 2 < this.#channel.maxUndeliveredMessages;
    if (this.#ended || (isFew && this.#used < ACK_OCTETS)) return;
    const [octets, count] = [this.#used, this.#usedMessages];
    this.#link.post({ op: 'used', id: this.#id, octets, messages: count }, []);
    this.#used = 0;
    this.#usedMessages = 0;
  }

  sendMessage(message: Uint8Array, compress = true): boolean {
    if (this.#ended) return true;
    const own = ownCopy(message);
    this.#link.post({ op: 'message', id: this.#id, message: own, compress }, transferOf(own));
    this.#outstanding += windowCost(message.length);
    this.#senderWaits = this.#outstanding >= WINDOW_OCTETS;
    return !this.#senderWaits;
  }

  halfClose(): void {
    if (!this.#ended) this.#link.post({ op: 'halfClose', id: this.#id }, []);
  }

  cancel(reason: string): void {
    this.fail(Status.CANCELLED, reason, undefined);
  }

  fail(code: number, message: string, cause: unknown): void {
    if (this.#ended) return;
    this.#link.post({ op: 'cancel', id: this.#id, reason: message }, []);
    this.end(localStatus(code, message, cause));
  }

  /** Ends the call here, whatever the worker says later. */
  end(status: CallStatus): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#channel.remove(this.#id);
    this.#listener?.onStatus(status);
  }

  onEvent(event: Exclude<WorkerEvent, { op: 'closed' }>): void {
    const listener = this.#listener;
    if (listener === null) return;
    switch (event.op) {
      case 'metadata':
        listener.onMetadata(event.headers);
        break;
      case 'message':
        this.#received += windowCost(event.message.length);
        listener.onMessage(event.message, 0, event.message.length);
        break;
      case 'taken':
        this.#outstanding -= event.octets;
        if (this.#senderWaits && this.#outstanding < WINDOW_OCTETS / 2) {
          this.#senderWaits = false;
          listener.onReady();
        }
        break;
      case 'status':
        this.end({
          code: event.code,
          message: event.message,
          trailers: event.trailers,
          cause: event.cause === null ? undefined : errorOf(event.cause),
          ...(event.end === null ? {} : { end: event.end }),
        });
        break;
    }
  }

  #start(listener: ClientCallListener, message: Uint8Array | null, compress: boolean): void {
    this.#listener = listener;
    this.#channel.add(this.#id, this);
    const { deadlineMs, timeoutMs, metadata, waitForReady, compression } = this.options;
    const own = message === null ? null : ownCopy(message);
    this.#link.post(
      {
        op: 'call',
        id: this.#id,
        method: this.#method,
        deadlineEpochMs: Date.now() + deadlineMs - threadClock.now(),
        timeoutMs,
        metadata,
        waitForReady,
        compression: compression ?? null,
        message: own,
        compress,
      },
      own === null ? [] : transferOf(own),
    );
  }
}

/** What to transfer with `own`, which nobody else refers to. */
function transferOf(own: Uint8Array): ArrayBuffer[] {
  return own.length < TRANSFER_OCTETS ? [] : [own.buffer as ArrayBuffer];
}

/** The error behind a status of the worker, remade in this thread. */
function errorOf([name, message, stack]: readonly [string, string, string]): Error {
  const error = new Error(message);
  error.name = name;
  error.stack = stack;
  return error;
}
