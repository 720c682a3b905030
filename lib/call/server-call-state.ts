/** Small constants and rules of server calls. */

import { Cardinality, type MethodDescriptor } from '../method.ts';
import type { CallAbortion } from './call.ts';

/** What `method` is until the path has been looked up; no user code sees it. */
export const UNROUTED: MethodDescriptor = {
  path: '',
  cardinality: Cardinality.STREAM_STREAM,
  requestStreaming: true,
  responseStreaming: true,
};

/** Facts of a call, as bits of one number: a field for each would be a third of what an open call holds. */
export const Mark = {
  /** The initial list was not cut at the limits. */
  HEADERS_COMPLETE: 1,
  REQUEST_ENDED: 2,
  JUDGED: 4,
  START_DUE: 8,
  HEADERS_SENT: 16,
  MESSAGE_SENT: 32,
  /** The final status was handed to the stream, or the stream was reset. */
  ANSWERED: 64,
  STREAM_CLOSED: 128,
  /** The handler has settled, or has not been started. */
  SETTLED: 256,
  SENDER_WAITS: 512,
  READY_DUE: 1024,
  HALF_CLOSE_DELIVERED: 2048,
  CANCEL_DELIVERED: 4096,
  COMPLETE_DELIVERED: 8192,
} as const;

/** How a call was aborted. */
export interface AbortionRecord {
  readonly abortion: CallAbortion;
  /** What ended it, in words. */
  readonly reason: string;
  /** The status that the client was sent, with `reason` for its message; null when none was. */
  readonly code: number | null;
}

/** What a listener is told beside its messages. */
export const ListenerEvent = { HALF_CLOSE: 0, READY: 1, CANCEL: 2, COMPLETE: 3 } as const;
export type ListenerEvent = (typeof ListenerEvent)[keyof typeof ListenerEvent];

/** Where a call is with its handler slot (L2). */
export const Slot = { NONE: 0, WAITING: 1, HELD: 2, RELEASED: 3 } as const;
export type Slot = (typeof Slot)[keyof typeof Slot];
