/** Statuses that are made on the caller's side, without the network. */

import type { CallStatus } from '../call/call.ts';
import { messageOf } from '../call/call-fault.ts';
import type { MethodDescriptor } from '../method.ts';
import { Status } from '../status.ts';

/** A status made on this side. */
export function localStatus(code: number, message: string, cause: unknown): CallStatus {
  return { code, message, trailers: [], cause };
}

/** The status of a unary response that did not come although the RPC was said to have succeeded. */
export const NO_RESPONSE: CallStatus = localStatus(
  Status.UNIMPLEMENTED,
  'the RPC ended with OK but without a response message',
  undefined,
);

/** The status of an RPC whose timeout is zero or less. */
export const EXPIRED_AT_ONCE: CallStatus = localStatus(
  Status.DEADLINE_EXCEEDED,
  'the timeout is zero or negative: the RPC expired before it began',
  undefined,
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
  return localStatus(Status.CANCELLED, 'cancelled by its AbortSignal', signal.reason);
}
