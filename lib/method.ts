/** What the engine knows of a method: its path and which sides stream. Serializers stay at the edge. */

/** The four cardinalities of RPC, with the string values of grpc.framework.alpha. */
export const Cardinality = {
  UNARY_UNARY: 'request-unary/response-unary',
  UNARY_STREAM: 'request-unary/response-streaming',
  STREAM_UNARY: 'request-streaming/response-unary',
  STREAM_STREAM: 'request-streaming/response-streaming',
} as const;
export type Cardinality = (typeof Cardinality)[keyof typeof Cardinality];

/** One method of one service, as the call engine and the server's method table use it. */
export interface MethodDescriptor {
  /** `/package.Service/Method`, the value of `:path`. */
  readonly path: string;
  readonly cardinality: Cardinality;
  readonly requestStreaming: boolean;
  readonly responseStreaming: boolean;
}

/**
 * Makes the descriptor of `serviceName`/`methodName`. Throws TypeError when a name is empty, or holds a slash, a blank or a character
 * outside visible ASCII, which `:path` cannot carry.
 */
export function methodDescriptor(
  serviceName: string,
  methodName: string,
  cardinality: Cardinality,
): MethodDescriptor {
  assertPathSegment('serviceName', serviceName);
  assertPathSegment('method name', methodName);
  return {
    path: `/${serviceName}/${methodName}`,
    cardinality,
    requestStreaming:
      cardinality === Cardinality.STREAM_UNARY || cardinality === Cardinality.STREAM_STREAM,
    responseStreaming:
      cardinality === Cardinality.UNARY_STREAM || cardinality === Cardinality.STREAM_STREAM,
  };
}

function assertPathSegment(what: string, segment: string): void {
  if (typeof segment !== 'string' || !/^[!-.0-~]+$/.test(segment)) {
    throw new TypeError(
      `${what} must be a non-empty string of visible ASCII without '/', got ${JSON.stringify(segment)}`,
    );
  }
}
