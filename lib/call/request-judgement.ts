/** What becomes of the messages of a request, given its method. */

import { type CompressionCodecs, messageFlagsFault } from '../protocol/compression.ts';
import { Status } from '../status.ts';
import type { MessageQueue } from './message-queue.ts';

/** The text for a request that ends inside a message. */
export const INCOMPLETE_TEXT = 'the last request message is incomplete';

/** What is wrong with a request. */
export interface RequestFault {
  readonly code: number;
  readonly message: string;
}

/** Of a unary request: it is complete and one message; its rest is still to come. */
export const COMPLETE = 'complete';
export const UNFINISHED = 'unfinished';

const TOO_MANY: RequestFault = {
  code: Status.UNIMPLEMENTED,
  message: 'client sent more than one request message to a unary method',
};
const NONE: RequestFault = {
  code: Status.UNIMPLEMENTED,
  message: 'client sent no request message to a unary method',
};
const INCOMPLETE: RequestFault = { code: Status.INTERNAL, message: INCOMPLETE_TEXT };

/** Judges what has come of a unary request; `ended`: nothing more comes. The limit of a message is not judged here. */
export function judgeUnaryRequest(
  received: MessageQueue,
  ended: boolean,
  encoding: string,
  codecs: CompressionCodecs,
): typeof COMPLETE | typeof UNFINISHED | RequestFault {
  if (received.chunk !== null && received.octetsBehind > 0) return TOO_MANY;
  if (!ended) return UNFINISHED;
  if (received.chunk === null) return received.octetsBehind > 0 ? INCOMPLETE : NONE;
  const fault = received.flags === 0 ? null : messageFlagsFault(received.flags, encoding, codecs);
  return fault === null ? COMPLETE : { code: Status.INTERNAL, message: fault };
}
