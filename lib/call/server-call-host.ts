/** What a server call needs of its server: one host per connection, because handler slots are counted per connection (L2). */

import type { Clock } from '../../transport/clock.ts';
import type { Limits } from '../../transport/limits.ts';
import type { ScopeStorage } from '../call-scope.ts';
import type { MethodDescriptor } from '../method.ts';
import type { CompressionSettings } from '../protocol/compression.ts';
import type { RequestReader } from '../protocol/request-headers.ts';
import type { ResponseTemplates } from '../protocol/response-headers.ts';
import type { ServerMethod } from './call.ts';
import type { InflateSlots } from './inflate-slots.ts';
import type { ReadyQueue } from './ready-queue.ts';

/** A server call as the keeper of the handler slots sees it. */
export interface SlotCall {
  /** After `acquireSlot` returned false: the slot is there. The call queues itself; no user code runs inside. */
  onSlot(): void;
  /** After `acquireSlot` returned false, or inside it: too many wait already. The stream is reset with REFUSED_STREAM. */
  onSlotRefused(): void;
}

/** A server call whose handler lingers. */
export interface LingeringCall extends SlotCall {
  readonly method: MethodDescriptor;
  /** Why the call was aborted, in words; empty when it was not. */
  readonly abortReason: string;
}

/** The server connection behind a call. No method may throw or run user code. */
export interface ServerCallHost {
  readonly clock: Clock;
  /** Runs handlers; `readyQueue.run` is the read-end hook of the connection. */
  readonly readyQueue: ReadyQueue;
  readonly limits: Limits;
  /** Reads request headers, with a small cache by identity; one per connection. */
  readonly requestReader: RequestReader;
  readonly compression: CompressionSettings;
  /** The initial headers of responses, shared by the connections of a server. */
  readonly responseTemplates: ResponseTemplates;
  /** L19, for this connection. */
  readonly inflates: InflateSlots;
  /** Carries what calls made in handlers inherit; null while there are no such calls in this process. */
  readonly scopes: ScopeStorage | null;
  /**
   * The method served at `path`, exactly as received (it begins with `/`); null: UNIMPLEMENTED. A generic handler is a ServerMethod made
   * for the path. Must look up own entries only (a Map).
   */
  lookup(path: string): ServerMethod | null;
  /** Takes a handler slot (L2). False: the call waits for `onSlot` or `onSlotRefused`. */
  acquireSlot(call: SlotCall): boolean;
  /**
   * Gives the slot back: the handler has settled and the stream is closed, or the call ended while it waited for the slot. Exactly once
   * per call that asked for a slot, refused calls included (for them inside `onSlotRefused`). `resetByPeer`: the client reset the call,
   * and not because its deadline had passed.
   */
  releaseSlot(call: SlotCall, resetByPeer?: boolean): void;
  /** The call is over but its handler has not settled: it lingers, and keeps its slot until `releaseSlot`. At most once per call. */
  handlerLingers(call: LingeringCall): void;
  /** A limit or a check of the call engine has tripped, or a request has expired (`EXPIRED`); `token` is a constant. For counters. */
  onTrip?(token: string): void;
}
