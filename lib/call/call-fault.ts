/** Texts and statuses of calls that end badly, shared by both sides. */

import { errorCodeName } from '../../framing/constants.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
import { NO_HEADERS } from '../protocol/response-headers.ts';
import { Status, statusOfHttp2Error } from '../status.ts';
import type { CallStatus } from './call.ts';

/** The text for a message over the receive limit (L18), in the words of the other gRPC libraries. */
export function overLimitMessage(octets: number, maxOctets: number): string {
  return `Received message larger than max (${octets} vs. ${maxOctets})`;
}

/** The text for a deadline that passed. */
export function expiredMessage(timeoutMs: number): string {
  return timeoutMs === Number.POSITIVE_INFINITY
    ? 'deadline exceeded'
    : `deadline of ${timeoutMs} ms exceeded`;
}

/** What can be said of anything thrown. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return 'an exception that cannot be shown';
  }
}

/**
 * The status of a client call whose stream closed without one (security.md 5.3, 5.5). `foreign` is the status of a response that is not
 * gRPC, if its headers have arrived.
 */
export function closureStatus(
  errorCode: number,
  initiator: Initiator,
  progress: StreamProgress,
  reason: string,
  foreign: CallStatus | null,
): CallStatus {
  if (initiator !== Initiator.CONNECTION && progress === StreamProgress.PROCESSED) {
    if (foreign !== null) return foreign;
    return fault(statusOfHttp2Error(errorCode), resetMessage(errorCode, initiator, reason));
  }
  let message: string;
  if (initiator === Initiator.CONNECTION) {
    message = reason === '' ? 'connection lost' : reason;
  } else {
    message = `server refused the stream with ${errorCodeName(errorCode)}`;
  }
  return fault(Status.UNAVAILABLE, message);
}

function resetMessage(errorCode: number, initiator: Initiator, reason: string): string {
  const name = errorCodeName(errorCode);
  const text =
    initiator === Initiator.REMOTE
      ? `server reset the stream with ${name}`
      : `stream closed with ${name} for an error in the response`;
  return reason === '' ? text : `${text}: ${reason}`;
}

function fault(code: number, message: string): CallStatus {
  return { code, message, trailers: NO_HEADERS, cause: undefined };
}
