/** Statuses that are made on this side, without the network, and those that raised errors carry. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallStatus } from '../call/call.ts';
import { messageOf } from '../call/call-fault.ts';
import { CallPhase, EndedBy } from '../call-end.ts';
import type { ScopeAbortion } from '../call-scope.ts';
import { Metadata } from '../metadata.ts';
import type { MethodDescriptor } from '../method.ts';
import type { RpcError } from '../rpc-error.ts';
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
export const EXPIRED_AT_ONCE: CallStatus = expiredStatus(
  'the timeout is zero or negative, the RPC expired before it began',
);

/** The status of an RPC whose time ran out without a call that could have said so. */
export function expiredStatus(how: string): CallStatus {
  const message = `Deadline exceeded: ${how}`;
  return localStatus(Status.DEADLINE_EXCEEDED, message, undefined, EndedBy.LIBRARY);
}

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

/** The status of an RPC that ends with the served call it was made in, before a call of it could say so. */
export function abortedByScope(abortion: ScopeAbortion): CallStatus {
  if (abortion === 'expired') return expiredStatus('the call that it was made in has expired');
  const message = `Cancelled by parent call: the call that it was made in was aborted (${abortion})`;
  return localStatus(Status.CANCELLED, message, undefined, EndedBy.LIBRARY);
}

/** The status that a raised error chooses: an `RpcError`, or an object with an integer `code` of 1 … 16 and a string `details`. */
export function statusCarriedBy(error: unknown): {
  readonly code: number;
  readonly details: string;
  readonly trailers: HeaderList | null;
} | null {
  if (typeof error !== 'object' || error === null) return null;
  const { code, details, metadata } = error as Partial<RpcError>;
  if (typeof code !== 'number' || !Number.isInteger(code) || code < 1 || code > 16) return null;
  if (typeof details !== 'string') return null;
  return {
    code,
    details,
    trailers: metadata instanceof Metadata && metadata.size > 0 ? metadata.toHeaderList() : null,
  };
}
