/**
 * The call engine's face to the APIs: octets in, octets out. Every API (alpha first) is an adapter over these interfaces and never
 * touches wire headers, timers, windows or status codes of HTTP/2.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { PeerInfo } from '../../transport/byte-duplex.ts';
import type { CallEnd } from '../call-end.ts';
import type { ScopeAbortion } from '../call-scope.ts';
import type { MethodDescriptor } from '../method.ts';

/** The final status of a call, given out exactly once. */
export interface CallStatus {
  /** A `Status` code; a number outside the table when the peer sent one. */
  readonly code: number;
  /** The status message, percent-decoded; empty for OK. */
  readonly message: string;
  /** The trailing header list as received (grpc-status and grpc-message included), or an empty list. See `metadataOfHeaders`. */
  readonly trailers: HeaderList;
  /** The local error behind the status, if there was one (a TLS failure, a serializer that threw), else undefined. */
  readonly cause: unknown;
  /** How the call ended, unless it ended with OK or before it had a call engine. */
  readonly end?: CallEnd;
}

/** Options of one call. */
export interface CallOptions {
  /** Absolute deadline on the channel's clock in milliseconds; Infinity: none. */
  readonly deadlineMs: number;
  /** The timeout in milliseconds that led to `deadlineMs`, for the fast path of `grpc-timeout`; Infinity: none. */
  readonly timeoutMs: number;
  /** Initial metadata as a validated header list (see `Metadata.toHeaderList`), or null. */
  readonly metadata: HeaderList | null;
  /** Whether the call waits through TRANSIENT_FAILURE (gRPC wait-for-ready). */
  readonly waitForReady: boolean;
  /** Encoding of the request messages, such as `gzip`; `identity`: as they are. Left out or null: that of the channel. */
  readonly compression?: string | null;
  /** False: deadline and cancellation of the served call that this one is made in are not inherited. True if left out. */
  readonly propagate?: boolean;
}

/**
 * Receives the events of a client call, in order. Called from the connection's read-end hook, where user code may run. An exception
 * thrown by `onMessage` (a deserializer that fails) cancels this call with INTERNAL and that error as its cause; others are logged.
 */
export interface ClientCallListener {
  /** Initial response metadata; not called for a Trailers-Only response. */
  onMetadata(headers: HeaderList): void;
  /** One message, requested through `request`. The range is valid during the call; `keptRange` makes octets of it that stay. */
  onMessage(chunk: Uint8Array, start: number, end: number): void;
  /** The final status, exactly once and last. */
  onStatus(status: CallStatus): void;
  /** After `sendMessage` returned false: more may be sent. */
  onReady(): void;
}

/** A call on the client. Methods never throw for a call that has ended: they do nothing. */
export interface ClientCall {
  readonly peer: PeerInfo | null;
  /** Starts the call. Called once, before anything else. */
  start(listener: ClientCallListener): void;
  /** Wants `messages` more messages. */
  request(messages: number): void;
  /**
   * Sends one message; `message` belongs to the call from now on. False: wait for `onReady` before sending more. `compress` false: as it is,
   * whatever the call's encoding; true if left out.
   */
  sendMessage(message: Uint8Array, compress?: boolean): boolean;
  /** Ends the request side. */
  halfClose(): void;
  /** `start` + the one message + half-close in one step, for request-unary calls. */
  startUnary(listener: ClientCallListener, message: Uint8Array, compress?: boolean): void;
  /** Ends the call with CANCELLED and `reason`, RST_STREAM CANCEL on the wire. The first final status wins. */
  cancel(reason: string): void;
  /** Ends the call with another status, for a fault of the caller's side (such as a serializer that threw). */
  fail(code: number, message: string, cause: unknown): void;
}

/** Makes calls: a Channel, or interceptors around one. */
export interface CallFactory {
  createCall(method: MethodDescriptor, options: CallOptions): ClientCall;
}

/** Why a server call ended before its handler's answer was complete. */
export type CallAbortion = ScopeAbortion;

/** Receives the events of a server call, in order, where user code may run. */
export interface ServerCallListener {
  /**
   * One request message, its range valid during the call (see `ClientCallListener`). For a request-unary method this is called once, after the request is complete and known to be exactly one
   * message. An exception (a deserializer that fails) closes the call with INTERNAL.
   */
  onMessage(chunk: Uint8Array, start: number, end: number): void;
  /** The client will send no more; not called for request-unary methods. */
  onHalfClose(): void;
  /** The call was aborted: the client cancelled or went away, or the deadline passed. At most once; no other event follows but onComplete. */
  onCancel(abortion: CallAbortion): void;
  /** After `sendMessage` returned false: more may be sent. */
  onReady(): void;
  /** The stream is closed and everything sent was handed to the transport, exactly once and last. */
  onComplete(): void;
}

/** A call on the server. Sends after the call ended are ignored, not errors. */
export interface ServerCall {
  readonly method: MethodDescriptor;
  readonly peer: PeerInfo;
  /** The request's header list; see `metadataOfHeaders`. */
  readonly headers: HeaderList;
  /** The value of `:authority`, or of `host`. */
  readonly authority: string;
  /** Absolute deadline on the server's clock in milliseconds; Infinity when the client sent none. */
  readonly deadlineMs: number;
  /** True from cancellation, expiry or loss of the connection on. */
  readonly cancelled: boolean;
  /** What ended the call when it was aborted, in words; empty before. */
  readonly abortReason: string;
  /** The status code that the client was sent when the engine aborted the call for a fault, `abortReason` with it; else null. */
  readonly abortCode: number | null;
  /** Requests that the API may keep deserialized ahead of their reader (L18): it asks for no more meanwhile. */
  readonly maxUndeliveredMessages: number;
  /** The request of a request-unary method with `readsOnDemand` is compressed: `request(1)` has it decompressed and delivered. */
  readonly holdsRequest: boolean;
  /** Wants `messages` more request messages; request-unary methods need not call it unless `holdsRequest`. */
  request(messages: number): void;
  /** Sends initial metadata now; null for none. Otherwise it leaves with the first message. Ignored when already sent. */
  sendMetadata(metadata: HeaderList | null): void;
  /**
   * Compresses the messages sent from now on with `encoding`, such as `gzip`; `identity`: not. Once initial metadata is sent the choice is
   * between its encoding and `identity`. False when the client does not read it or it is too late: messages go as they are then. Throws
   * RangeError for an encoding that this runtime does not have.
   */
  setCompression(encoding: string): boolean;
  /** Sends one response message; `message` belongs to the call from now on. False: wait for `onReady`. */
  sendMessage(message: Uint8Array): boolean;
  /** The only response message and status OK in one step; `trailers` is trailing metadata or null. */
  sendUnaryAndClose(message: Uint8Array, trailers: HeaderList | null): void;
  /** Ends the call with a status; `trailers` is trailing metadata or null. */
  close(code: number, message: string, trailers: HeaderList | null): void;
  /** Counts in the server's trips what the client did, or a request that expired before its behaviour ran (`EXPIRED`); `token` is a constant. */
  countTrip(token: string): void;
  /** The behaviour has settled; with the stream's end this frees its handler slot (L2). Called exactly once by the API. */
  settled(): void;
}

/** Connects a call to an API's handler; called where user code may run. `metadata` is made only when asked for. */
export type ServerCallHandler = (call: ServerCall) => ServerCallListener;

/** A method as a server serves it. */
export interface ServerMethod {
  readonly method: MethodDescriptor;
  readonly handler: ServerCallHandler;
  /** True: the handler begins before the compressed request of a request-unary method is decompressed. */
  readonly readsOnDemand?: boolean;
}
