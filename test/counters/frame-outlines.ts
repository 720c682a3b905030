/** The frames of what one end of a connection wrote, type and length only. */

/** RFC 9113 §4.1. */
const FRAME_HEADER_OCTETS = 9;

export interface FrameOutline {
  readonly type: number;
  readonly streamId: number;
  readonly payloadOctets: number;
}

/** Walks `chunks`, which must begin at a frame; an unfinished frame at their end is left out. */
export function frameOutlines(chunks: readonly Uint8Array[]): FrameOutline[] {
  const octets = Buffer.concat(chunks);
  const frames: FrameOutline[] = [];
  for (let at = 0; at + FRAME_HEADER_OCTETS <= octets.length; ) {
    const payloadOctets = octets.readUIntBE(at, 3);
    const type = octets.readUInt8(at + 3);
    frames.push({ type, streamId: octets.readUInt32BE(at + 5), payloadOctets });
    at += FRAME_HEADER_OCTETS + payloadOctets;
  }
  return frames;
}
