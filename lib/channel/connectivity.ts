/** Connectivity states of gRPC (grpc/grpc doc/connectivity-semantics-and-api.md). */

/** States of a channel and of one of its connections. */
export const ConnectivityState = {
  /** No connection and no need for one. */
  IDLE: 'IDLE',
  /** A connection is being made; calls wait. */
  CONNECTING: 'CONNECTING',
  /** A connection is there. */
  READY: 'READY',
  /** The last attempt failed and the next is not due yet; calls fail unless they wait for a connection. */
  TRANSIENT_FAILURE: 'TRANSIENT_FAILURE',
  /** Closed for good. */
  SHUTDOWN: 'SHUTDOWN',
} as const;
export type ConnectivityState = (typeof ConnectivityState)[keyof typeof ConnectivityState];
