/**
 * The prefix of gRPC's Length-Prefixed-Message (gRPC PROTOCOL-HTTP2 "Data Frames"): one octet of flags, four of length.
 */

import { writeUint32 } from '../bytes.ts';

/** Octets of the prefix of every message. */
export const MESSAGE_PREFIX_OCTETS = 5;

/** Compressed-Flag values of gRPC PROTOCOL-HTTP2; all others are illegal. */
export const MessageFlag = { IDENTITY: 0, COMPRESSED: 1 } as const;

/** Writes the prefix of a message of `length` octets (0 … 2^32-1) at `at`, where there must be room for 5 octets. */
export function writeMessagePrefix(
  target: Uint8Array,
  at: number,
  flags: number,
  length: number,
): void {
  target[at] = flags;
  writeUint32(target, at + 1, length);
}
