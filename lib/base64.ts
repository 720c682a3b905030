/**
 * Base64 of `-bin` metadata values (gRPC PROTOCOL-HTTP2; RFC 4648 §4), strict where the runtimes' own decoders drop what they do not
 * know. Works on latin1 text as header lists carry it.
 */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const INVALID = 0xff;
const PADDING = 0x3d;

const SEXTETS = sextetsByCharacter();

function sextetsByCharacter(): Uint8Array {
  const sextets = new Uint8Array(256).fill(INVALID);
  for (let i = 0; i < ALPHABET.length; i++) sextets[ALPHABET.charCodeAt(i)] = i;
  return sextets;
}

function sextet(text: string, index: number): number {
  return SEXTETS[text.charCodeAt(index)] ?? INVALID;
}

/** Base64 of `octets` without padding, as gRPC sends it. */
export function encodeBase64(octets: Uint8Array): string {
  const { length } = octets;
  let text = '';
  for (let i = 0; i < length; i += 3) {
    const bits = ((octets[i] as number) << 16) | ((octets[i + 1] ?? 0) << 8) | (octets[i + 2] ?? 0);
    text += ALPHABET.charAt(bits >> 18) + ALPHABET.charAt((bits >> 12) & 63);
    if (i + 1 < length) text += ALPHABET.charAt((bits >> 6) & 63);
    if (i + 2 < length) text += ALPHABET.charAt(bits & 63);
  }
  return text;
}

/** End of the sextets in `start` … `end` without complete padding, or -1 when padding or length are impossible. */
function endOfSextets(text: string, start: number, end: number): number {
  let stop = end;
  while (stop > start && end - stop < 3 && text.charCodeAt(stop - 1) === PADDING) stop--;
  const padding = end - stop;
  const remainder = (stop - start) & 3;
  if (remainder === 1) return -1;
  // RFC 4648 §4: padding, where there is any, fills the last quantum.
  if (padding !== 0 && remainder + padding !== 4) return -1;
  return stop;
}

/** Whether `start` … `end` of `text` is base64, padded or not. Trailing bits that are not zero are tolerated (RFC 4648 §3.5). */
export function isBase64(text: string, start: number, end: number): boolean {
  const stop = endOfSextets(text, start, end);
  if (stop < 0) return false;
  for (let i = start; i < stop; i++) {
    if (sextet(text, i) === INVALID) return false;
  }
  return true;
}

/** Decodes `start` … `end` of `text`, padded or not; null when it is not base64 (see `isBase64`). */
export function decodeBase64(text: string, start: number, end: number): Uint8Array | null {
  if (!isBase64(text, start, end)) return null;
  const stop = endOfSextets(text, start, end);
  const octets = new Uint8Array(((stop - start) * 6) >> 3);
  let bits = 0;
  let bitCount = 0;
  let at = 0;
  for (let i = start; i < stop; i++) {
    bits = ((bits << 6) | sextet(text, i)) & 0xffff;
    bitCount += 6;
    if (bitCount >= 8) {
      bitCount -= 8;
      octets[at++] = bits >> bitCount;
    }
  }
  return octets;
}
