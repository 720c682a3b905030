/** Statuses that are made on the caller's side, without the network. */

import type { CallStatus } from '../call/call.ts';
import { messageOf } from '../call/call-fault.ts';
import { CallPhase, EndedBy } from '../call-end.ts';
import type { MethodDescriptor } from '../method.ts';
import { Status } from '../status.ts';

/** A status made on this side, for a call that has not left it. */
export function localStatus(
  code: number,
  message: string,
  cause: unknown,
  endedBy: EndedBy = EndedBy.USER,
): CallStatus {
  const hasExpired = code === Status.DEADLINE_EXCEEDED;
  return {
    code,
    message,
    trailers: [],
    cause,
    end: {
      endedBy,
      phase: CallPhase.STARTING,
      peer: null,
      streamId: null,
      http2Code: null,
      goAway: null,
      messagesReceived: 0,
      elapsedMs: 0,
      remainingMs: hasExpired ? 0 : Number.POSITIVE_INFINITY,
    },
  };
}

/** The status of a unary response that did not come although the RPC was said to have succeeded. */
export const NO_RESPONSE: CallStatus = {
  code: Status.UNIMPLEMENTED,
  message: 'the RPC ended with OK but without a response message',
  trailers: [],
  cause: undefined,
};

/** The status of an RPC whose timeout is zero or less. */
export const EXPIRED_AT_ONCE: CallStatus = localStatus(
  Status.DEADLINE_EXCEEDED,
  'Deadline exceeded: the timeout is zero or negative, the RPC expired before it began',
  undefined,
  EndedBy.LIBRARY,
);

/** The status of an RPC that one of its caller's callables has broken. */
export function callableFailure(
  method: MethodDescriptor,
  callable: string,
  error: unknown,
): CallStatus {
  return localStatus(
    Status.INTERNAL,
    `${callable} of ${method.path} failed: ${messageOf(error)}`,
    error,
  );
}

/** The status of an RPC whose AbortSignal has aborted. */
export function abortedBySignal(signal: AbortSignal): CallStatus {
  return localStatus(Status.CANCELLED, 'Cancelled on client: by its AbortSignal', signal.reason);
}
