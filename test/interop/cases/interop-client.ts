/** What the cases of the interoperability tests need of a gRPC client library. */

import type { Pairs } from '../peers/peer.ts';

/** The end of a call. */
export interface CallEnding {
  readonly code: number;
  readonly details: string;
  readonly initial: Pairs;
  readonly trailing: Pairs;
}

/** One call. */
export interface InteropCall<Response> {
  /** Sends a request of a request-streaming method. `compressed`: with the compressed flag, or without it; left out: as the library likes. */
  send(request: object, compressed?: boolean): void;
  /** No more requests. */
  halfClose(): void;
  cancel(): void;
  /** The next response, or null when the call has ended. */
  next(): Promise<Response | null>;
  /** Resolves when response headers are there, or the call has ended. */
  headers(): Promise<Pairs>;
  /** Never rejects. */
  readonly ending: Promise<CallEnding>;
}

/** Options of a call. */
export interface InteropCallOptions {
  readonly metadata?: Pairs;
  readonly timeoutMs?: number;
  /** The call announces compressed requests. Of a request-unary method, whether the request is compressed; of others, see `send`. */
  readonly compressed?: boolean;
}

/** Full names of methods, without the leading slash. */
export type MethodName =
  | `grpc.testing.TestService/${'EmptyCall' | 'UnaryCall' | 'StreamingOutputCall' | 'StreamingInputCall' | 'FullDuplexCall' | 'HalfDuplexCall' | 'UnimplementedCall'}`
  | 'grpc.testing.UnimplementedService/UnimplementedCall'
  | 'xds.service.orca.v3.OpenRcaService/StreamCoreMetrics';

/** A library's client on one channel. */
export interface InteropClient {
  /** Whether requests can be compressed one by one, and the flag of responses is known. */
  readonly knowsCompression: boolean;
  start<Response>(
    method: MethodName,
    request: object | null,
    options?: InteropCallOptions,
  ): InteropCall<Response>;
  /** Whether `response` came with the compressed flag. */
  wasCompressed(response: object): boolean;
  close(): Promise<void>;
}

/** Thrown by a case that this client cannot run; the message says why. */
export class Unsupported extends Error {}

/** Throws Error with `message` unless `condition`. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** Throws Error unless the values are the same. */
export function checkEqual(found: unknown, wanted: unknown, what: string): void {
  check(
    Object.is(found, wanted),
    `${what} is ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`,
  );
}
