/** Percent-encoding of `grpc-message` (gRPC PROTOCOL-HTTP2, Status-Message): octet by octet over UTF-8, never failing in either direction. */

// Made at their first use: most texts are plain.
let encoder: TextEncoder | null = null;
let decoder: TextDecoder | null = null;

const PERCENT = 0x25;
const HEX = '0123456789ABCDEF';

/** Texts that need no encoding: printable ASCII without the percent sign. */
const PLAIN = /^[ -$&-~]*$/;

function isPlain(octet: number): boolean {
  return octet >= 0x20 && octet <= 0x7e && octet !== PERCENT;
}

/** Whether `octet` begins a UTF-8 character. */
function isCharacterStart(octet: number): boolean {
  return (octet & 0xc0) !== 0x80;
}

/**
 * `text` as a field value of at most `maxOctets` characters (L24). Longer text is cut at a character border of its UTF-8 form; a lone surrogate
 * becomes U+FFFD. Blanks at the ends are encoded, because a field value may have none there (RFC 9113 §8.2.1).
 */
export function encodeGrpcMessage(text: string, maxOctets: number): string {
  if (
    text.length <= maxOctets &&
    PLAIN.test(text) &&
    !text.startsWith(' ') &&
    !text.endsWith(' ')
  ) {
    return text;
  }
  // Every UTF-16 unit takes an octet or more, so what is behind this many cannot be part of the result.
  encoder ??= new TextEncoder();
  const octets = encoder.encode(text.slice(0, maxOctets));
  let encoded = '';
  let complete = 0;
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i] as number;
    if (isCharacterStart(octet)) complete = encoded.length;
    const blankAtEnd = octet === 0x20 && (i === 0 || i === octets.length - 1);
    encoded +=
      isPlain(octet) && !blankAtEnd
        ? String.fromCharCode(octet)
        : `%${HEX.charAt(octet >> 4)}${HEX.charAt(octet & 15)}`;
    if (encoded.length > maxOctets) return encoded.slice(0, complete).trimEnd();
  }
  return encoded.trimEnd();
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}

/**
 * The text of a received `grpc-message`. Total: a percent sign without two hexadecimal digits stands for itself, octets that are not UTF-8
 * become U+FFFD, as the protocol asks ("must not error").
 */
export function decodeGrpcMessage(value: string): string {
  if (PLAIN.test(value)) return value;
  const octets = new Uint8Array(value.length);
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    const high = code === PERCENT ? hexDigit(value.charCodeAt(i + 1)) : -1;
    const low = high >= 0 ? hexDigit(value.charCodeAt(i + 2)) : -1;
    if (low >= 0) {
      octets[length++] = (high << 4) | low;
      i += 2;
    } else {
      octets[length++] = code;
    }
  }
  decoder ??= new TextDecoder('utf-8', { ignoreBOM: true });
  return decoder.decode(octets.subarray(0, length));
}
