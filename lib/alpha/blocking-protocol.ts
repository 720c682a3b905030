/**
 * What the thread of a blocking stub and its worker say to each other. Messages travel over two MessagePorts, one for blocking calls (read
 * by polling, never by events) and one for Futures (read by events). Both directions are paced: neither side queues without bound.
 */

import type { MessagePort } from 'node:worker_threads';
import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallEnd } from '../call-end.ts';
import type { MethodDescriptor } from '../method.ts';
import type { StubChannelConfig } from './stub-channel.ts';

/** Int32 slots of the memory that both threads share. */
export const SignalSlot = {
  /** Counts the events posted to the blocking port; what the blocked thread waits on. */
  EVENTS: 0,
  /** 0 until the worker runs its code; then counts up once per `HEARTBEAT_MS` as long as its event loop turns. */
  HEARTBEAT: 1,
  /** 1 once the worker has ended. */
  ENDED: 2,
} as const;
/** Slots in all. */
export const SIGNAL_SLOTS = 3;

/** Time between two heartbeats of the worker. */
export const HEARTBEAT_MS = 1000;
/** A blocked thread takes the worker for dead after this many heartbeats without one. */
export const MISSED_HEARTBEATS = 30;
/** How long after an RPC's deadline the blocked thread goes on waiting for the worker to report its end. */
export const DEADLINE_SLACK_MS = 1000;

/** What one message counts for beside its octets, so that empty messages are bounded as well. */
export const MESSAGE_OVERHEAD_OCTETS = 256;
/** Unacknowledged octets per call and direction, overhead included: beyond, the sender waits. */
export const WINDOW_OCTETS = 131_072;
/** Acknowledgements are collected up to this. Less than half of the window, so that a waiting sender always gets one. */
export const ACK_OCTETS = 32_768;
/** Octets from which on a message's memory is moved to the other thread instead of copied. */
export const TRANSFER_OCTETS = 16_384;

/** What the worker is started with. */
export interface WorkerParts {
  readonly isPurewireBlockingWorker: true;
  /** `SIGNAL_SLOTS` Int32 slots. */
  readonly signal: SharedArrayBuffer;
  readonly blockingPort: MessagePort;
  readonly futurePort: MessagePort;
  readonly config: StubChannelConfig;
}

/** Stub to worker. `id` names the call. */
export type Command =
  | {
      readonly op: 'call';
      readonly id: number;
      readonly method: MethodDescriptor;
      /** Comparable between threads: milliseconds since the epoch; Infinity for none. */
      readonly deadlineEpochMs: number;
      readonly timeoutMs: number;
      readonly metadata: HeaderList | null;
      readonly waitForReady: boolean;
      /** As in CallOptions; null: the channel's. */
      readonly compression: string | null;
      /** The request of a request-unary call, else null. */
      readonly message: Uint8Array | null;
      /** Whether `message` may be compressed. */
      readonly compress: boolean;
    }
  | {
      readonly op: 'message';
      readonly id: number;
      readonly message: Uint8Array;
      readonly compress: boolean;
    }
  | { readonly op: 'halfClose'; readonly id: number }
  /** `messages` responses have been read, and there is room for what `octets` stood for. */
  | { readonly op: 'used'; readonly id: number; readonly octets: number; readonly messages: number }
  | { readonly op: 'cancel'; readonly id: number; readonly reason: string }
  | { readonly op: 'close' };

/** Worker to stub. */
export type WorkerEvent =
  | { readonly op: 'metadata'; readonly id: number; readonly headers: HeaderList }
  | { readonly op: 'message'; readonly id: number; readonly message: Uint8Array }
  /** Requests that stood for `octets` have been taken by the call engine. */
  | { readonly op: 'taken'; readonly id: number; readonly octets: number }
  | {
      readonly op: 'status';
      readonly id: number;
      readonly code: number;
      readonly message: string;
      readonly trailers: HeaderList;
      /** Name, message and stack of the error behind the status, or null. */
      readonly cause: readonly [string, string, string] | null;
      /** How the call ended, unless it ended with OK. */
      readonly end: CallEnd | null;
    }
  /** Answer to `close`: every call has ended and the channel is closed. */
  | { readonly op: 'closed' };

/** What a message of `octets` counts for. */
export function windowCost(octets: number): number {
  return octets + MESSAGE_OVERHEAD_OCTETS;
}

/** A copy of the range that owns its memory, as a message to another thread must: views would drag their whole buffer along. */
export function ownCopy(octets: Uint8Array): Uint8Array {
  return new Uint8Array(octets);
}
