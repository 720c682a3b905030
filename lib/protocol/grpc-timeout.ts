/** `grpc-timeout` (gRPC PROTOCOL-HTTP2, Timeout): text of a timeout and back, total in both directions. */

const MAX_DIGITS = 8;
const MAX_VALUE = 99_999_999;
const NANOSECONDS_PER_MILLISECOND = 1e6;

/** Units from fine to coarse, each with the number of the unit before it that it holds. */
const UNITS = [
  { letter: 'n', ofPrevious: 1 },
  { letter: 'u', ofPrevious: 1000 },
  { letter: 'm', ofPrevious: 1000 },
  { letter: 'S', ofPrevious: 1000 },
  { letter: 'M', ofPrevious: 60 },
  { letter: 'H', ofPrevious: 60 },
] as const;

/** Milliseconds per unit letter. */
const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['n', 1e-6],
  ['u', 1e-3],
  ['m', 1],
  ['S', 1000],
  ['M', 60_000],
  ['H', 3_600_000],
]);

/** What `decodeGrpcTimeout` returns for text that is no timeout. */
export const MALFORMED_TIMEOUT = -1;

/**
 * The text of `timeoutMs`, in the finest unit that eight digits can hold, rounded up so that the server does not expire before the client;
 * round values take the coarsest exact unit (`5S`, not `5000000u`). At least `1n`; null for Infinity, which has no text.
 */
export function encodeGrpcTimeout(timeoutMs: number): string | null {
  if (timeoutMs === Number.POSITIVE_INFINITY) return null;
  let value = Math.max(1, Math.ceil(timeoutMs * NANOSECONDS_PER_MILLISECOND));
  let letter = 'n';
  for (const unit of UNITS) {
    if (value <= MAX_VALUE && value % unit.ofPrevious !== 0) break;
    value = Math.ceil(value / unit.ofPrevious);
    letter = unit.letter;
  }
  return `${Math.min(value, MAX_VALUE)}${letter}`;
}

/**
 * Milliseconds of a received `grpc-timeout`, 0 … 3.6e14; `MALFORMED_TIMEOUT` unless the text is one to eight digits and a unit. Zero is
 * accepted, as by the other servers, and has passed on arrival.
 */
export function decodeGrpcTimeout(text: string): number {
  const digits = text.length - 1;
  if (digits < 1 || digits > MAX_DIGITS) return MALFORMED_TIMEOUT;
  const unitMs = UNIT_MS.get(text.charAt(digits));
  if (unitMs === undefined) return MALFORMED_TIMEOUT;
  let value = 0;
  for (let i = 0; i < digits; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return MALFORMED_TIMEOUT;
    value = value * 10 + digit;
  }
  return value * unitMs;
}
