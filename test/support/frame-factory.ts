/**
 * Frames as octets, legal and illegal, written out by hand from RFC 9113 §4.1 and §6. Shares no code and no constants with the
 * production reader and writer, so that a mistake there cannot hide here.
 */

/** Octets given as numbers, as latin1 text, or ready made. */
export type Octets = readonly number[] | string | Uint8Array;

/** Joins octets. */
export function octets(...parts: readonly Octets[]): Uint8Array {
  const list: number[] = [];
  for (const part of parts) {
    if (typeof part === 'string') {
      for (let i = 0; i < part.length; i++) list.push(part.charCodeAt(i) & 0xff);
    } else {
      for (const octet of part) list.push(octet);
    }
  }
  return Uint8Array.from(list);
}

/** `value` as 32 bits, most significant octet first. */
export function uint32(value: number): number[] {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256);
}

/** `value` as 16 bits. */
export function uint16(value: number): number[] {
  return uint32(value).slice(2);
}

/** Octets from hexadecimal text. */
export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Octets as hexadecimal text. */
export function toHex(octets: Uint8Array): string {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join('');
}

/** A frame header alone, of any content. `streamId` may have its reserved bit set. */
export function head(length: number, type: number, flags: number, streamId: number): Uint8Array {
  return octets(uint32(length).slice(1), [type, flags], uint32(streamId));
}

/** A frame with a truthful length. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  ...payload: readonly Octets[]
): Uint8Array {
  const content = octets(...payload);
  return octets(head(content.length, type, flags, streamId), content);
}

/** The client connection preface (§3.4). */
export const PREFACE: Uint8Array = octets('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const PRIORITY_FLAG = 0x20;

/** DATA (§6.1). */
export function data(streamId: number, content: Octets, flags = 0): Uint8Array {
  return frame(0, flags, streamId, content);
}

/** DATA with PADDED; `padLength` is what the frame says, `padding` what it has. */
export function paddedData(
  streamId: number,
  content: Octets,
  padLength: number,
  padding: number = padLength,
  flags = 0,
): Uint8Array {
  return frame(0, flags | PADDED, streamId, [padLength], content, new Uint8Array(padding));
}

/** HEADERS (§6.2) with a ready block fragment. */
export function headers(
  streamId: number,
  fragment: Octets,
  flags: number = END_HEADERS,
): Uint8Array {
  return frame(1, flags, streamId, fragment);
}

/** The five octets of stream dependency and weight (§6.3); `weight` as on the wire, 0 … 255. */
export function priorityFields(dependency: number, weight = 15, exclusive = false): number[] {
  return [...uint32(dependency + (exclusive ? 2 ** 31 : 0)), weight];
}

/** PRIORITY (§6.3). */
export function priority(streamId: number, dependency: number, weight = 15): Uint8Array {
  return frame(2, 0, streamId, priorityFields(dependency, weight));
}

/** RST_STREAM (§6.4). */
export function rstStream(streamId: number, errorCode: number): Uint8Array {
  return frame(3, 0, streamId, uint32(errorCode));
}

/** SETTINGS (§6.5) from [id, value] pairs. */
export function settings(...pairs: readonly (readonly [id: number, value: number])[]): Uint8Array {
  return frame(4, 0, 0, ...pairs.flatMap(([id, value]) => [uint16(id), uint32(value)]));
}

/** SETTINGS with ACK. */
export function settingsAck(): Uint8Array {
  return frame(4, ACK, 0);
}

/** PUSH_PROMISE (§6.6). */
export function pushPromise(streamId: number, promisedId: number, fragment: Octets): Uint8Array {
  return frame(5, END_HEADERS, streamId, uint32(promisedId), fragment);
}

/** PING (§6.7). */
export function ping(payload: Octets, flags = 0): Uint8Array {
  return frame(6, flags, 0, payload);
}

/** GOAWAY (§6.8). */
export function goAway(
  lastStreamId: number,
  errorCode: number,
  debugData: Octets = '',
): Uint8Array {
  return frame(7, 0, 0, uint32(lastStreamId), uint32(errorCode), debugData);
}

/** WINDOW_UPDATE (§6.9). */
export function windowUpdate(streamId: number, increment: number): Uint8Array {
  return frame(8, 0, streamId, uint32(increment));
}

/** CONTINUATION (§6.10). */
export function continuation(
  streamId: number,
  fragment: Octets,
  flags: number = END_HEADERS,
): Uint8Array {
  return frame(9, flags, streamId, fragment);
}
