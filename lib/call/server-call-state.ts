/** Small constants and rules of server calls. */

import { Cardinality, type MethodDescriptor } from '../method.ts';

/** What `method` is until the path has been looked up; no user code sees it. */
export const UNROUTED: MethodDescriptor = {
  path: '',
  cardinality: Cardinality.STREAM_STREAM,
  requestStreaming: true,
  responseStreaming: true,
};

/** What a listener is told beside its messages. */
export const ListenerEvent = { HALF_CLOSE: 0, READY: 1, CANCEL: 2, COMPLETE: 3 } as const;
export type ListenerEvent = (typeof ListenerEvent)[keyof typeof ListenerEvent];

/** Where a call is with its handler slot (L2). */
export const Slot = { NONE: 0, WAITING: 1, HELD: 2, RELEASED: 3 } as const;
export type Slot = (typeof Slot)[keyof typeof Slot];
