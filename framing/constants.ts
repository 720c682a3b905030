/**
 * Numbers of RFC 9113 that every layer shares: frame types, flags, error codes, setting ids, sizes, the preface.
 * Nothing else in the project writes one of these numbers down.
 */

/** Frame types of RFC 9113 §6. Types outside this table are ignored (§4.1, §5.5). */
export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Frame flags of RFC 9113 §6; ACK and END_STREAM share a bit because no frame type defines both. */
export const FrameFlag = {
  END_STREAM: 0x1,
  ACK: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** Error codes of RFC 9113 §7. A code from the wire may be any 32-bit number. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

const ERROR_NAMES: readonly string[] = Object.keys(ErrorCode);

/** The RFC 9113 §7 name of an error code, such as `REFUSED_STREAM`; `0x2a` style for a number outside the table. */
export function errorCodeName(code: number): string {
  return ERROR_NAMES[code] ?? `0x${code.toString(16)}`;
}

/** Settings of RFC 9113 §6.5.2. */
export const SettingId = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
} as const;
export type SettingId = (typeof SettingId)[keyof typeof SettingId];

/** Octets of every frame header (RFC 9113 §4.1). */
export const FRAME_HEADER_OCTETS = 9;
/** Initial and smallest legal SETTINGS_MAX_FRAME_SIZE (RFC 9113 §6.5.2). */
export const DEFAULT_MAX_FRAME_OCTETS = 16_384;
/** Largest legal SETTINGS_MAX_FRAME_SIZE: 2^24-1 (RFC 9113 §6.5.2). */
export const LARGEST_MAX_FRAME_OCTETS = 16_777_215;
/** Initial flow-control window of streams and of the connection (RFC 9113 §6.9.2). */
export const DEFAULT_WINDOW_OCTETS = 65_535;
/** Largest legal flow-control window: 2^31-1 (RFC 9113 §6.9.1). */
export const MAX_WINDOW_OCTETS = 0x7fff_ffff;
/** Largest stream identifier: 2^31-1 (RFC 9113 §5.1.1). */
export const MAX_STREAM_ID = 0x7fff_ffff;
/** Initial SETTINGS_HEADER_TABLE_SIZE (RFC 9113 §6.5.2, RFC 7541 §4.2). */
export const DEFAULT_HEADER_TABLE_OCTETS = 4_096;
/** Octets that each field adds to a header list's or a dynamic table's size (RFC 7541 §4.1, RFC 9113 §6.5.2). */
export const HEADER_FIELD_OVERHEAD_OCTETS = 32;
/** The client connection preface as text (RFC 9113 §3.4), 24 octets. */
export const CLIENT_PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
