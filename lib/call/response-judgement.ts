/** What becomes of the status that a server sent, given what came before it. */

import { Initiator } from '../../transport/stream-listener.ts';
import type { MethodDescriptor } from '../method.ts';
import { type CompressionCodecs, messageFlagsFault } from '../protocol/compression.ts';
import { Status } from '../status.ts';
import type { CallStatus } from './call.ts';
import { overLimitMessage } from './call-fault.ts';
import type { MessageQueue } from './message-queue.ts';

/** `status` turned into a failure; its trailers stay readable. */
export function failure(code: number, message: string, status: CallStatus): CallStatus {
  return { code, message, trailers: status.trailers, cause: undefined };
}

/** OK for a unary response: it needs its one message, which must be readable. */
export function judgeUnaryOk(
  status: CallStatus,
  received: MessageQueue,
  encoding: string,
  codecs: CompressionCodecs,
): CallStatus {
  const { chunk, flags, octetsBehind } = received;
  if (chunk === null) {
    return octetsBehind > 0
      ? failure(Status.INTERNAL, 'the response message is incomplete', status)
      : failure(Status.UNIMPLEMENTED, 'server sent no response message to a unary call', status);
  }
  const fault = flags === 0 ? null : messageFlagsFault(flags, encoding, codecs);
  return fault === null ? status : failure(Status.INTERNAL, fault, status);
}

/** With every whole message delivered: octets left over are half a message. */
export function judgeRest(
  status: CallStatus,
  received: MessageQueue,
  maxMessageOctets: number,
): CallStatus {
  if (status.code !== Status.OK) return status;
  if (received.overLimit > 0) {
    const message = overLimitMessage(received.overLimit, maxMessageOctets);
    return failure(Status.RESOURCE_EXHAUSTED, message, status);
  }
  if (received.octetsBehind > 0) {
    return failure(Status.INTERNAL, 'the last response message is incomplete', status);
  }
  return status;
}

/** What is against the rules of `method` in what was just received, or null. */
export function receiptFault(
  method: MethodDescriptor,
  received: MessageQueue,
  maxMessageOctets: number,
): { readonly code: number; readonly message: string } | null {
  if (received.overLimit > 0) {
    const message = overLimitMessage(received.overLimit, maxMessageOctets);
    return { code: Status.RESOURCE_EXHAUSTED, message };
  }
  if (!method.responseStreaming && received.chunk !== null && received.octetsBehind > 0) {
    const message = 'server sent more than one response message to a unary call';
    return { code: Status.UNIMPLEMENTED, message };
  }
  return null;
}

/**
 * Whether a message that the application waits for is delivered though the stream was closed behind it: what came is as much the server's word
 * as its reset, and must not depend on whether both came in one read. A unary response is nothing without its OK.
 */
export function outlivesStream(
  method: MethodDescriptor,
  received: MessageQueue,
  initiator: Initiator,
): boolean {
  const fromPeer = initiator === Initiator.REMOTE || initiator === Initiator.CONNECTION;
  return fromPeer && method.responseStreaming && received.chunk !== null;
}
