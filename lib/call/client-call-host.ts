/** What a client call needs of its channel. Implemented by lib/channel, and by the tests' scripted host. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { Clock } from '../../transport/clock.ts';
import type { Limits } from '../../transport/limits.ts';
import type { ClientTransport } from '../../transport/stream-listener.ts';
import type { ScopeStorage } from '../call-scope.ts';
import type { MethodDescriptor } from '../method.ts';
import type { CompressionSettings } from '../protocol/compression.ts';
import type { ResponseReader } from '../protocol/response-headers.ts';
import type { CallOptions, CallStatus } from './call.ts';
import type { ListedCall } from './call-list.ts';
import type { InflateSlots } from './inflate-slots.ts';
import type { ReadyQueue } from './ready-queue.ts';
import type { RetryBuffer } from './retry-buffer.ts';

/** A started call as the channel sees it. While it waits, the channel answers with exactly one of the two methods. */
export interface PendingCall extends ListedCall {
  readonly method: MethodDescriptor;
  readonly options: CallOptions;
  /** What it is to send is more than is kept for a transparent retry (L25): once sent, a refusal is its end. */
  readonly outgrowsRetry: boolean;
  /** A transport was found; the call opens its stream at once, inside this method. Runs no user code. */
  onTransport(transport: ClientTransport): void;
  /** No transport will be found; the call ends with `status`. Runs no user code, so `pick` may call it before returning null. */
  onPickFailed(status: CallStatus): void;
}

/** The channel behind a client call. No method may throw or run user code. */
export interface ClientCallHost {
  readonly clock: Clock;
  /** Runs the call's listener; `readyQueue.run` is the read-end hook of every transport that `pick` gives out. */
  readonly readyQueue: ReadyQueue;
  readonly limits: Limits;
  /** Reads response headers, with a small cache by identity; one per channel. */
  readonly responseReader: ResponseReader;
  /** The channel's budget for messages kept for a transparent retry (L25). */
  readonly retryBuffer: RetryBuffer;
  readonly compression: CompressionSettings;
  /** L19, for the channel as a whole: what its connections bring shares the runtime's few threads anyway. */
  readonly inflates: InflateSlots;
  /** Where the calls of this channel find what they inherit; null when there is nothing to inherit. */
  readonly scopes: ScopeStorage | null;
  /** The request header template of `method` with `grpc-encoding`, if any: the same array object each time (see `RequestTemplates`). */
  template(method: MethodDescriptor, encoding: string | null): HeaderList;
  /** Calls without a connection wait for a name to be looked up, or that is what failed. */
  readonly isResolving: boolean;
  /** What calls without a connection wait for, in words. */
  describeWait(): string;
  /**
   * A transport for one attempt, in state `connecting` or `ready`, never one that is draining or closed. Null: the call is kept, and
   * `onTransport` or `onPickFailed` follows unless `unqueue` comes first. Asked again for each transparent retry (gRFC A6).
   */
  pick(call: PendingCall): ClientTransport | null;
  /** The call ended while it was kept: forget it. */
  unqueue(call: PendingCall): void;
  /** The call's final status was delivered. Exactly once per started call. */
  callEnded(call: PendingCall): void;
}
