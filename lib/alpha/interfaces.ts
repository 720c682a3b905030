/**
 * The documented interfaces of grpc.framework.alpha in camelCase: enums, method descriptions, behaviours, what a stub's RPCs look like, the
 * context of a behaviour, Stub and Server. Types only, but for the enums.
 */

import type { ServerCall } from '../call/call.ts';
import type { ChannelStats } from '../channel/channel.ts';
import type { Metadata, MetadataInit } from '../metadata.ts';
import type { Cardinality } from '../method.ts';
import type { ServerStats } from '../server/server.ts';
import type { Future } from './future.ts';
import type { ContextKey } from './interceptors.ts';

export { Cardinality } from '../method.ts';

/** Categories of RPC abortion, as passed to abortion callbacks, with the original's string values. */
export const Abortion = {
  /** The client cancelled the RPC or went away. */
  CANCELLED: 'cancelled',
  /** The RPC's time ran out. */
  EXPIRED: 'expired',
  /** Transport, decoding or encoding trouble. */
  NETWORK_FAILURE: 'network failure',
  /** The caller's code failed. gRPC has no way to carry this to a server, so it never occurs there. */
  SERVICED_FAILURE: 'serviced failure',
  /** The behaviour failed: it raised, or it chose a status other than OK. */
  SERVICER_FAILURE: 'servicer failure',
} as const;
export type Abortion = (typeof Abortion)[keyof typeof Abortion];

/** Who is at the other end of an RPC: address, TLS cipher, certificate. */
export type PeerInfo = ServerCall['peer'];

// ---------------------------------------------------------------- method descriptions

/** The common aspects of RPC method descriptions. */
export interface RpcMethodDescription<Kind extends Cardinality = Cardinality> {
  /** Whether the method is request-unary or request-streaming, response-unary or response-streaming. */
  cardinality(): Kind;
}

/** Invocation-side description of an RPC method. */
export interface RpcMethodInvocationDescription<
  Request,
  Response,
  Kind extends Cardinality = Cardinality,
> extends RpcMethodDescription<Kind> {
  /** Serializes a request value. The octets belong to the library from then on. An exception fails the RPC with INTERNAL. */
  serializeRequest(request: Request): Uint8Array;
  /**
   * Deserializes a response value. The octets are a view, whose `.buffer` may hold other messages; they may be kept and must not be modified.
   * An exception fails the RPC with INTERNAL.
   */
  deserializeResponse(serializedResponse: Uint8Array): Response;
}

/** What a request-streaming behaviour reads: one request per step; raises `CancellationError` or `ExpirationError` on abortion. */
export interface RequestIterator<Request> extends AsyncIterable<Request> {
  [Symbol.asyncIterator](): RequestIterator<Request>;
  next(): Promise<IteratorResult<Request, undefined>>;
  /** Ends reading; the requests still to come are left to flow control. */
  return(): Promise<IteratorResult<Request, undefined>>;
}

/** What a response-streaming behaviour gives: anything that yields responses. */
export type ResponseIterable<Response> = Iterable<Response> | AsyncIterable<Response>;

/** Implements a unary-unary method. */
export type UnaryUnaryBehavior<Request, Response> = (
  request: Request,
  context: RpcContext,
) => Response | PromiseLike<Response>;
/** Implements a unary-stream method; generators and async generators fit. */
export type UnaryStreamBehavior<Request, Response> = (
  request: Request,
  context: RpcContext,
) => ResponseIterable<Response> | PromiseLike<ResponseIterable<Response>>;
/** Implements a stream-unary method. */
export type StreamUnaryBehavior<Request, Response> = (
  requestIterator: RequestIterator<Request>,
  context: RpcContext,
) => Response | PromiseLike<Response>;
/** Implements a stream-stream method; generators and async generators fit. */
export type StreamStreamBehavior<Request, Response> = (
  requestIterator: RequestIterator<Request>,
  context: RpcContext,
) => ResponseIterable<Response> | PromiseLike<ResponseIterable<Response>>;

/** Service-side description of an RPC method. Each `service…` method may be called only for its own cardinality. */
export interface RpcMethodServiceDescription<
  Request,
  Response,
  Kind extends Cardinality = Cardinality,
> extends RpcMethodDescription<Kind> {
  /**
   * Deserializes a request value. The octets are a view, whose `.buffer` may hold other messages; they may be kept and must not be modified.
   * An exception ends the RPC with INTERNAL.
   */
  deserializeRequest(serializedRequest: Uint8Array): Request;
  /** Serializes a response value. The octets belong to the library from then on. An exception ends the RPC with INTERNAL. */
  serializeResponse(response: Response): Uint8Array;
  /** Carries out this RPC if the cardinality is UNARY_UNARY. */
  serviceUnaryUnary(request: Request, context: RpcContext): Response | PromiseLike<Response>;
  /** Carries out this RPC if the cardinality is UNARY_STREAM. */
  serviceUnaryStream(
    request: Request,
    context: RpcContext,
  ): ResponseIterable<Response> | PromiseLike<ResponseIterable<Response>>;
  /** Carries out this RPC if the cardinality is STREAM_UNARY. */
  serviceStreamUnary(
    requestIterator: RequestIterator<Request>,
    context: RpcContext,
  ): Response | PromiseLike<Response>;
  /** Carries out this RPC if the cardinality is STREAM_STREAM. */
  serviceStreamStream(
    requestIterator: RequestIterator<Request>,
    context: RpcContext,
  ): ResponseIterable<Response> | PromiseLike<ResponseIterable<Response>>;
}

/** Invocation-side methods of a service by bare RPC name. */
export interface InvocationMethods {
  readonly [name: string]: RpcMethodInvocationDescription<unknown, unknown>;
}

/** Service-side methods of a service by bare RPC name. */
export interface ServiceMethods {
  readonly [name: string]: RpcMethodServiceDescription<unknown, unknown>;
}

// ---------------------------------------------------------------- invocation

/** Options of one RPC, accepted in place of the bare timeout. */
export interface RpcOptions {
  /** Seconds to allow for the RPC, fractions included; Infinity: no limit; zero or less: the RPC expires without touching the network. */
  readonly timeout: number;
  /** Cancels the RPC when it aborts; the RPC's `CancellationError` has the signal's reason as its cause. */
  readonly signal?: AbortSignal | undefined;
  /** Initial metadata to send, after that of the metadata transformer. */
  readonly metadata?: MetadataInit | undefined;
  /** Whether the RPC waits while the server is unreachable, instead of failing with UNAVAILABLE. False by default. */
  readonly waitForReady?: boolean | undefined;
  /** Encoding of the requests, such as `gzip`; `identity`: as they are. The stub's by default. */
  readonly compression?: string | undefined;
  /** Whether this request is compressed, if the RPC's requests are and it is not too short. True for all by default. Must not throw. */
  readonly compressRequest?: ((request: never) => boolean) | undefined;
  /**
   * False: an RPC invoked in a behaviour does not inherit what is left of that RPC's time, nor its cancellation. Without effect elsewhere.
   */
  readonly propagate?: boolean | undefined;
  /** Called with the server's initial metadata when it arrives; not called when the server sends none. Must not throw. */
  readonly onInitialMetadata?: ((metadata: Metadata) => void) | undefined;
  /** Called with the server's trailing metadata when the RPC has ended, in success or failure. Must not throw. */
  readonly onTrailingMetadata?: ((metadata: Metadata) => void) | undefined;
}

/** The required second argument of every RPC: seconds (see `RpcOptions.timeout`), or options that hold them. */
export type Timeout = number | RpcOptions;

/** Requests of a request-streaming RPC; pulled as flow control allows, never before the invoking call has returned. */
export type RequestIterable<Request> = Iterable<Request> | AsyncIterable<Request>;

/** What a running RPC tells beside its responses. Neither promise ever rejects. */
export interface ResponseMetadata {
  /** The server's initial metadata; empty if the RPC ended without any. */
  initialMetadata(): Promise<Metadata>;
  /** The server's trailing metadata, once the RPC has ended, in success or failure; empty if there was none. */
  trailingMetadata(): Promise<Metadata>;
}

/**
 * Yields the responses of an RPC and affords a `cancel` method. After abortion `next` rejects with the `RpcError`, before any response
 * not yet read; after the iterator's own `cancel()` with `CancelledError`.
 */
export interface CancellableIterator<Value>
  extends AsyncIterable<Value>,
    AsyncDisposable,
    ResponseMetadata {
  /** Returns the iterator itself. */
  [Symbol.asyncIterator](): CancellableIterator<Value>;
  /** The next value, or `{ done: true }` at the end and ever after. */
  next(): Promise<IteratorResult<Value, undefined>>;
  /** Cancels the RPC if it has not ended and ends the iteration, as leaving a `for await` loop does. */
  return(): Promise<IteratorResult<Value, undefined>>;
  /** As `return`, but rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<Value, undefined>>;
  /** Requests cancellation of the RPC. */
  cancel(): void;
}

/** The blocking form of `CancellableIterator`: an ordinary iterator whose `next` blocks the thread. */
export interface BlockingCancellableIterator<Value> extends Iterable<Value>, Disposable {
  /** Returns the iterator itself. */
  [Symbol.iterator](): BlockingCancellableIterator<Value>;
  /** Blocks for the next value, or gives `{ done: true }` at the end and ever after. Throws as the other form rejects. */
  next(): IteratorResult<Value, undefined>;
  /** Cancels the RPC if it has not ended and ends the iteration, as leaving a `for … of` loop does. */
  return(): IteratorResult<Value, undefined>;
  /** As `return`, but throws `error`. */
  throw(error?: unknown): IteratorResult<Value, undefined>;
  /** Requests cancellation of the RPC. */
  cancel(): void;
  /** The server's initial metadata; blocks until it is known. Empty if the RPC ended without any. */
  initialMetadata(): Metadata;
  /** The server's trailing metadata; null as long as the RPC has not ended. */
  trailingMetadata(): Metadata | null;
}

/** Affords invoking a unary-unary RPC. Directly callable, and presents an `async` method. */
export interface UnaryUnarySyncAsync<Request, Response> {
  /** Invokes the RPC; the promise is the response, or rejects with an `RpcError`. */
  (request: Request, timeout: Timeout): Promise<Response>;
  /** Invokes the RPC and returns a Future bound to it. */
  readonly async: (request: Request, timeout: Timeout) => Future<Response>;
}

/** Affords invoking a stream-unary RPC. Directly callable, and presents an `async` method. */
export interface StreamUnarySyncAsync<Request, Response> {
  /** Invokes the RPC; the promise is the response, or rejects with an `RpcError`. */
  (requestIterator: RequestIterable<Request>, timeout: Timeout): Promise<Response>;
  /** Invokes the RPC and returns a Future bound to it. */
  readonly async: (requestIterator: RequestIterable<Request>, timeout: Timeout) => Future<Response>;
}

/** Invokes a unary-stream RPC. */
export type UnaryStreamInvocation<Request, Response> = (
  request: Request,
  timeout: Timeout,
) => CancellableIterator<Response>;

/** Invokes a stream-stream RPC. */
export type StreamStreamInvocation<Request, Response> = (
  requestIterator: RequestIterable<Request>,
  timeout: Timeout,
) => CancellableIterator<Response>;

/** A unary-unary RPC of a blocking stub: the direct call blocks and returns the response or throws an `RpcError`. */
export interface BlockingUnaryUnarySyncAsync<Request, Response> {
  (request: Request, timeout: Timeout): Response;
  /** Invokes the RPC without blocking and returns a Future bound to it. */
  readonly async: (request: Request, timeout: Timeout) => Future<Response>;
}

/** A stream-unary RPC of a blocking stub: the direct call pulls the (synchronous) iterable and blocks for the response. */
export interface BlockingStreamUnarySyncAsync<Request, Response> {
  (requestIterator: Iterable<Request>, timeout: Timeout): Response;
  /** Invokes the RPC without blocking and returns a Future bound to it. */
  readonly async: (requestIterator: RequestIterable<Request>, timeout: Timeout) => Future<Response>;
}

/** What a stub gives for the name of the method described by `Description`. */
export type RpcOf<Description> =
  Description extends RpcMethodInvocationDescription<infer Request, infer Response, infer Kind>
    ? {
        [Cardinality.UNARY_UNARY]: UnaryUnarySyncAsync<Request, Response>;
        [Cardinality.UNARY_STREAM]: UnaryStreamInvocation<Request, Response>;
        [Cardinality.STREAM_UNARY]: StreamUnarySyncAsync<Request, Response>;
        [Cardinality.STREAM_STREAM]: StreamStreamInvocation<Request, Response>;
      }[Kind]
    : never;

/** What a blocking stub gives for the name of the method described by `Description`. */
export type BlockingRpcOf<Description> =
  Description extends RpcMethodInvocationDescription<infer Request, infer Response, infer Kind>
    ? {
        [Cardinality.UNARY_UNARY]: BlockingUnaryUnarySyncAsync<Request, Response>;
        [Cardinality.UNARY_STREAM]: (
          request: Request,
          timeout: Timeout,
        ) => BlockingCancellableIterator<Response>;
        [Cardinality.STREAM_UNARY]: BlockingStreamUnarySyncAsync<Request, Response>;
        [Cardinality.STREAM_STREAM]: (
          requestIterator: Iterable<Request>,
          timeout: Timeout,
        ) => BlockingCancellableIterator<Response>;
      }[Kind]
    : never;

/** Names that are never an RPC of a stub: its own members, and the one that would make it a thenable. */
export type StubMemberName = 'open' | 'close' | 'rpc' | 'stats' | 'then';

/** What every stub has beside its RPCs. `Self` is the stub, `Rpcs` its RPCs by name. */
export interface StubMembers<Self, Rpcs> extends AsyncDisposable {
  /** Enters the context: RPCs may be invoked from now on. Touches no network. Returns the stub. Throws Error when already open. */
  open(): Self;
  /**
   * Leaves the context: no new RPCs; those in flight go on, and the promise is fulfilled when they have ended. Rejects with Error when
   * not open. The stub may be opened again.
   */
  close(): Promise<void>;
  /** The RPC called `name`, for any name: also those that a member of the stub hides (`open`, `close`, `rpc`, `stats`, `then`). */
  rpc<Name extends keyof Rpcs & string>(name: Name): Rpcs[Name];
  /** As `close`, but does nothing when the stub is not open. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The RPCs of a stub by name. */
export type Rpcs<Methods extends InvocationMethods> = {
  readonly [Name in keyof Methods & string]: RpcOf<Methods[Name]>;
};

/** The RPCs of a blocking stub by name. */
export type BlockingRpcs<Methods extends InvocationMethods> = {
  readonly [Name in keyof Methods & string]: BlockingRpcOf<Methods[Name]>;
};

/**
 * A stub with callable RPC method names for properties. It affords RPC invocation only in context, that is between `open` and `close`;
 * each access gives a new callable, which ends with the context it was taken in.
 */
export type Stub<Methods extends InvocationMethods> = StubMembers<Stub<Methods>, Rpcs<Methods>> &
  StubObservation &
  Omit<Rpcs<Methods>, StubMemberName>;

/** What a stub tells about itself; a blocking stub, whose connection is in another thread, does not. */
export interface StubObservation {
  /** Connection, RPCs in flight, and which limits and checks the server has tripped, since the stub was opened; null when it is not open. */
  stats(): ChannelStats | null;
}

/** The stub whose direct calls block the thread until the response is there. Its server must live in another thread or process. */
export type BlockingStub<Methods extends InvocationMethods> = StubMembers<
  BlockingStub<Methods>,
  BlockingRpcs<Methods>
> &
  Omit<BlockingRpcs<Methods>, StubMemberName>;

// ---------------------------------------------------------------- service

/** Provides RPC-related information and action to a behaviour. */
export interface RpcContext {
  /** Whether the RPC is active or has terminated. */
  isActive(): boolean;
  /** Seconds, zero or more, that remain for the RPC; Infinity when the client set no limit. Counts on after the RPC has ended. */
  timeRemaining(): number;
  /**
   * Registers a callback to be called with an `Abortion` value if the RPC is aborted; never called after normal completion. If the RPC is
   * already aborted it is called soon. An exception it raises is reported, and the other callbacks still run.
   */
  addAbortionCallback(abortionCallback: (abortion: Abortion) => void): void;

  /** The request's metadata. */
  readonly metadata: Metadata;
  /** The client's address, and its certificate if it sent one. */
  readonly peer: PeerInfo;
  /** The method's path, `/package.Service/Method`. */
  readonly method: string;
  /** Whether the method is request-unary or request-streaming, response-unary or response-streaming. */
  readonly cardinality: Cardinality;
  /** The `:authority` that the client addressed. */
  readonly authority: string;
  /** The value that an interceptor has put in for `key`; undefined when there is none. */
  get<Value>(key: ContextKey<Value>): Value | undefined;
  /** Puts in a value for the interceptors further in and the behaviour. */
  set<Value>(key: ContextKey<Value>, value: Value): void;
  /** Aborts when the RPC is aborted, with the `RpcError` as its reason; never after normal completion. */
  readonly signal: AbortSignal;
  /**
   * What `promise` gives, or a rejection with the `RpcError` as soon as the RPC is aborted. For promises that know no AbortSignal: a behaviour
   * that waits for one of those after its RPC has ended keeps its handler slot (L2) until it settles.
   */
  untilAborted<Value>(promise: PromiseLike<Value>): Promise<Value>;
  /**
   * Compresses the responses sent from now on with `encoding`, such as `gzip`; `identity`: not. After initial metadata was sent the choice
   * is between its encoding and `identity`. False when they go as they are because the client does not read the encoding or it is too
   * late. Throws RangeError for an encoding that this runtime does not have.
   */
  setCompression(encoding: string): boolean;
  /** Sends initial metadata now instead of with the first response; without effect once it has been sent. Throws TypeError if invalid. */
  sendInitialMetadata(metadata: MetadataInit): void;
  /** Sets the metadata to send with the status, replacing what was set before. Throws TypeError if invalid. */
  setTrailingMetadata(metadata: MetadataInit): void;
  /**
   * Sets the status to end with when the behaviour returns: a code other than OK discards a unary response and counts as
   * SERVICER_FAILURE. Throws RangeError for a code outside 0 … 16.
   */
  setStatus(code: number, details?: string): void;
  /** Ends the RPC with `code` (1 … 16) by throwing the `RpcError` that the behaviour should let pass. Throws RangeError for another code. */
  abort(code: number, details?: string): never;
}

/** Something that is started and stopped. */
export interface Activated<Self> extends AsyncDisposable {
  /** Activates; the promise is the object itself. Rejects with Error when already active, or with the cause when it cannot start. */
  start(): Promise<Self>;
  /** Deactivates; fulfilled when stopped. Rejects with Error when not active. */
  stop(): Promise<void>;
  /** As `start`. */
  open(): Promise<Self>;
  /** As `stop` without argument. */
  close(): Promise<void>;
  /** As `stop`, but does nothing when not active. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A gRPC server. */
export interface Server extends Activated<Server> {
  /** What the server is doing, and which limits and checks its clients have tripped, since it was last started. */
  stats(): ServerStats;
  /**
   * Stops accepting at once and waits for the RPCs in flight; those still running after `graceSeconds` are cancelled. Without
   * `graceSeconds` it waits until they end by themselves.
   */
  stop(graceSeconds?: number): Promise<void>;
  /** The port on which the server is serving; 0 on a Unix socket. Throws Error when the server is not running. */
  port(): number;
}
