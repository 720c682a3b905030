/**
 * Message encodings (gRPC PROTOCOL-HTTP2, Message-Encoding; compression.md). The one place that knows which encodings this side reads and
 * what a message's flag octet may say; codecs attach here and at the two callers of `messageFlagsFault`.
 */

/** The encoding of messages that are not compressed. */
export const IDENTITY = 'identity';

/** Value of `grpc-accept-encoding`, sent with the UNIMPLEMENTED that answers an unknown encoding. */
export const ACCEPTED_ENCODINGS: string = IDENTITY;

/** Whether messages in `encoding` can be read. */
export function isKnownEncoding(encoding: string): boolean {
  return encoding === IDENTITY;
}

/**
 * Why a message with flag octet `flags` (0 … 255) cannot be read in a stream whose `grpc-encoding` is `encoding`; null when it can. Each of
 * the faults ends the call with INTERNAL.
 */
export function messageFlagsFault(flags: number, encoding: string): string | null {
  if (flags === 0) return null;
  if (flags !== 1) return `message with undefined flags 0x${flags.toString(16)}`;
  return encoding === IDENTITY
    ? 'compressed message without grpc-encoding'
    : 'compressed message in an encoding that was not asked for';
}
