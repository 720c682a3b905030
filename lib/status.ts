/** gRPC status codes and the tables that lead to them. The one home of every code mapping of the call engine. */

/** Status codes of gRPC (grpc/grpc doc/statuscodes.md). */
export const Status = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

const STATUS_NAMES: readonly string[] = Object.keys(Status);

/** The name of a code, such as `NOT_FOUND`; `STATUS_42` for a number outside the table. */
export function statusName(code: number): string {
  return STATUS_NAMES[code] ?? `STATUS_${code}`;
}

const STATUS_OF_HTTP2: readonly Status[] = [
  Status.INTERNAL, // NO_ERROR
  Status.INTERNAL, // PROTOCOL_ERROR
  Status.INTERNAL, // INTERNAL_ERROR
  Status.INTERNAL, // FLOW_CONTROL_ERROR
  Status.INTERNAL, // SETTINGS_TIMEOUT
  Status.INTERNAL, // STREAM_CLOSED
  Status.INTERNAL, // FRAME_SIZE_ERROR
  Status.UNAVAILABLE, // REFUSED_STREAM
  Status.CANCELLED, // CANCEL
  Status.INTERNAL, // COMPRESSION_ERROR
  Status.INTERNAL, // CONNECT_ERROR
  Status.RESOURCE_EXHAUSTED, // ENHANCE_YOUR_CALM
  Status.PERMISSION_DENIED, // INADEQUATE_SECURITY
  Status.INTERNAL, // HTTP_1_1_REQUIRED
];

/**
 * Status for a call whose stream the peer reset without complete trailers (gRPC PROTOCOL-HTTP2, table of error codes).
 * Unknown codes count as INTERNAL_ERROR.
 */
export function statusOfHttp2Error(errorCode: number): Status {
  return STATUS_OF_HTTP2[errorCode] ?? Status.INTERNAL;
}

const STATUS_OF_HTTP: ReadonlyMap<number, Status> = new Map<number, Status>([
  [400, Status.INTERNAL],
  [401, Status.UNAUTHENTICATED],
  [403, Status.PERMISSION_DENIED],
  [404, Status.UNIMPLEMENTED],
  [429, Status.UNAVAILABLE],
  [502, Status.UNAVAILABLE],
  [503, Status.UNAVAILABLE],
  [504, Status.UNAVAILABLE],
]);

/**
 * Status for a response without grpc-status (grpc/grpc doc/http-grpc-status-mapping.md). 431 is left at UNKNOWN, as the connect
 * conformance suite, grpc-go and C-core have it; the newest text of the document says INTERNAL.
 */
export function statusOfHttpStatus(httpStatus: number): Status {
  return STATUS_OF_HTTP.get(httpStatus) ?? Status.UNKNOWN;
}
