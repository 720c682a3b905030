/**
 * The stream states of RFC 9113 §5.1 without the reserved ones, since push is disabled. One function per input; each returns the next
 * state, or a negative number: minus the error code of the violation.
 *
 *                        send H / recv H
 *                 idle ─────────────────────▶ open
 *                                              │ │
 *                          recv ES ┌───────────┘ └───────────┐ send ES
 *                                  ▼                         ▼
 *                        half-closed (remote)       half-closed (local)
 *                                  │ send ES                 │ recv ES
 *                                  └──────────▶ closed ◀─────┘
 *                      send R / recv R from any state but idle ▲
 */

import { ErrorCode } from '../framing/constants.ts';

/** States of one stream (RFC 9113 §5.1). */
export const StreamState = {
  IDLE: 0,
  OPEN: 1,
  HALF_CLOSED_LOCAL: 2,
  HALF_CLOSED_REMOTE: 3,
  CLOSED: 4,
} as const;
export type StreamState = (typeof StreamState)[keyof typeof StreamState];

/** How a stream came to be closed; it decides what may still arrive on it (RFC 9113 §5.1, "closed"). */
export const CloseCause = {
  NONE: 0,
  END_STREAM: 1,
  LOCAL_RESET: 2,
  REMOTE_RESET: 3,
  CONNECTION: 4,
} as const;
export type CloseCause = (typeof CloseCause)[keyof typeof CloseCause];

const { IDLE, OPEN, HALF_CLOSED_LOCAL, HALF_CLOSED_REMOTE, CLOSED } = StreamState;

/** HEADERS received, with or without END_STREAM. Whether HEADERS may come now (first, trailers) is judged by the connection. */
export function onReceiveHeaders(state: StreamState, endStream: boolean): number {
  switch (state) {
    case IDLE:
      return endStream ? HALF_CLOSED_REMOTE : OPEN;
    case OPEN:
      return endStream ? HALF_CLOSED_REMOTE : OPEN;
    case HALF_CLOSED_LOCAL:
      return endStream ? CLOSED : HALF_CLOSED_LOCAL;
    default:
      return -ErrorCode.STREAM_CLOSED;
  }
}

/** DATA received. */
export function onReceiveData(state: StreamState, endStream: boolean): number {
  switch (state) {
    case OPEN:
      return endStream ? HALF_CLOSED_REMOTE : OPEN;
    case HALF_CLOSED_LOCAL:
      return endStream ? CLOSED : HALF_CLOSED_LOCAL;
    case IDLE:
      return -ErrorCode.PROTOCOL_ERROR;
    default:
      return -ErrorCode.STREAM_CLOSED;
  }
}

/** RST_STREAM received. */
export function onReceiveReset(state: StreamState): number {
  return state === IDLE ? -ErrorCode.PROTOCOL_ERROR : CLOSED;
}

/** HEADERS to be sent. */
export function onSendHeaders(state: StreamState, endStream: boolean): number {
  switch (state) {
    case IDLE:
      return endStream ? HALF_CLOSED_LOCAL : OPEN;
    case OPEN:
      return endStream ? HALF_CLOSED_LOCAL : OPEN;
    case HALF_CLOSED_REMOTE:
      return endStream ? CLOSED : HALF_CLOSED_REMOTE;
    default:
      return -ErrorCode.STREAM_CLOSED;
  }
}

/** DATA to be sent. */
export function onSendData(state: StreamState, endStream: boolean): number {
  switch (state) {
    case OPEN:
      return endStream ? HALF_CLOSED_LOCAL : OPEN;
    case HALF_CLOSED_REMOTE:
      return endStream ? CLOSED : HALF_CLOSED_REMOTE;
    case IDLE:
      return -ErrorCode.PROTOCOL_ERROR;
    default:
      return -ErrorCode.STREAM_CLOSED;
  }
}

/** RST_STREAM to be sent: never for an idle stream (RFC 9113 §6.4). */
export function onSendReset(state: StreamState): number {
  return state === IDLE ? -ErrorCode.PROTOCOL_ERROR : CLOSED;
}

/** Whether our side may still send on a stream in this state. */
export function canSend(state: StreamState): boolean {
  return state === OPEN || state === HALF_CLOSED_REMOTE;
}

/** Whether the peer may still send on a stream in this state. */
export function canReceive(state: StreamState): boolean {
  return state === OPEN || state === HALF_CLOSED_LOCAL;
}
