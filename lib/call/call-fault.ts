/** Texts and statuses of calls that end badly, shared by both sides. */

import { ErrorCode, errorCodeName } from '../../framing/constants.ts';
import type { HeaderList } from '../../framing/frame-handler.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
import { EndedBy } from '../call-end.ts';
import { NO_HEADERS } from '../protocol/response-headers.ts';
import { Status, statusOfHttp2Error } from '../status.ts';
import type { CallStatus } from './call.ts';
import type { EndCause } from './call-progress.ts';

/** The text for a message over the receive limit (L18), in the words of the other gRPC libraries. */
export function overLimitMessage(octets: number, maxOctets: number): string {
  return `Received message larger than max (${octets} vs. ${maxOctets})`;
}

/**
 * Why `list` is not sent, or null: no peer with the defaults of this library would take it, and would end the connection and every call on it
 * for one header block beyond L7. `maxOctets`: `maxHeaderBlockOctets`; 32 octets are added per field (RFC 9113 §10.5.1).
 */
export function metadataFault(list: HeaderList | null, maxOctets: number): string | null {
  if (list === null) return null;
  let octets = 16 * list.length;
  for (const text of list) octets += text.length;
  if (octets <= maxOctets) return null;
  return `metadata of ${octets} octets is not sent: limits.maxHeaderBlockOctets allows ${maxOctets}`;
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
 * The status of a client call whose stream closed without one (gRPC PROTOCOL-HTTP2, Errors). `foreign` is the status of a response that is not
 * gRPC, if its headers have arrived. Where the words of grpc-js say what happened they are used, because programs match on them.
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
    const message =
      initiator === Initiator.REMOTE ? remoteReset(errorCode) : localReset(errorCode, reason);
    return fault(statusOfHttp2Error(errorCode), message);
  }
  const message =
    initiator === Initiator.CONNECTION
      ? `Connection dropped${reason === '' ? '' : `: ${reason.replace(/^connection lost: /, '')}`}`
      : remoteReset(errorCode);
  return fault(Status.UNAVAILABLE, message);
}

/** What grpc-js says of these codes, before the number that it says of all others. */
const RESET_WORDS: ReadonlyMap<number, string> = new Map<number, string>([
  [ErrorCode.REFUSED_STREAM, 'Stream refused by server'],
  [ErrorCode.CANCEL, 'Call cancelled'],
  [ErrorCode.ENHANCE_YOUR_CALM, 'Bandwidth exhausted or memory limit exceeded'],
  [ErrorCode.INADEQUATE_SECURITY, 'Protocol not secure enough'],
]);

function remoteReset(errorCode: number): string {
  const words = RESET_WORDS.get(errorCode);
  const received = `Received RST_STREAM with code ${errorCode} (${errorCodeName(errorCode)})`;
  return words === undefined ? received : `${words}: ${received}`;
}

function localReset(errorCode: number, reason: string): string {
  const text = `stream closed with ${errorCodeName(errorCode)} for an error in the response`;
  return reason === '' ? text : `${text}: ${reason}`;
}

const ENDED_BY: Readonly<Record<Initiator, EndedBy>> = {
  [Initiator.USER]: EndedBy.USER,
  [Initiator.LIBRARY]: EndedBy.LIBRARY,
  [Initiator.REMOTE]: EndedBy.PEER,
  [Initiator.CONNECTION]: EndedBy.CONNECTION,
};

/** Who closed a stream, for the explanation of its call's end. */
export function closureCause(
  errorCode: number,
  initiator: Initiator,
  reason: string,
  streamId: number | null,
): EndCause {
  const isReset = initiator !== Initiator.CONNECTION;
  return {
    endedBy: ENDED_BY[initiator],
    streamId,
    http2Code: isReset ? errorCode : null,
    reason,
  };
}

function fault(code: number, message: string): CallStatus {
  return { code, message, trailers: NO_HEADERS, cause: undefined };
}

/** Why a served call was aborted, in words; `reason`: that of the transport. */
export function abortionText(errorCode: number, initiator: Initiator, reason: string): string {
  if (initiator === Initiator.REMOTE) {
    return `the client reset the stream with ${errorCodeName(errorCode)}`;
  }
  return initiator === Initiator.LIBRARY ? `error in the request: ${reason}` : reason;
}
