/**
 * What interceptors are, on both sides: functions around an RPC. Types only, but for the key of a context's value. An interceptor calls
 * `next` once it wants the RPC to go on, and returns how it ended: what `next` gave, as it is, or awaited.
 */

import type { Metadata } from '../metadata.ts';
import type { Cardinality } from '../method.ts';
import type { RpcContext } from './interfaces.ts';

/** How an RPC ended, as an interceptor sees it. Comes from `next` and `respond`; to end an RPC otherwise, throw an `RpcError`. */
export interface RpcOutcome {
  /** A `Status` code, or another number that the peer sent. */
  readonly code: number;
  /** The status message; may be empty. */
  readonly details: string;
  /** The trailing metadata; on the server that of the `RpcError`, without what is set in the context. Empty if there is none; a new copy each time. */
  readonly trailingMetadata: Metadata;
  /** The local error behind the status, such as what a behaviour raised, else undefined. */
  readonly cause: unknown;
}

/** An RPC that goes on: await it for the outcome, or return it as it is, which costs no promise. Never rejects. */
export type RpcProgress = PromiseLike<RpcOutcome>;

/** What an interceptor returns. */
export type InterceptedOutcome = RpcOutcome | PromiseLike<RpcOutcome>;

/**
 * What a function that sees a message may give: a message that takes its place, or nothing. No promise, which would come too late, and no
 * collection of JavaScript's, which `set` and `add` give by the way.
 */
export type ShownMessage =
  | undefined
  // biome-ignore lint/suspicious/noConfusingVoidType: what a function that only looks on returns.
  | void
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | (object & { readonly [Symbol.toStringTag]?: undefined });

/**
 * What an interceptor may see of an RPC that it lets go on. The messages are values, before they are serialized or after they were read;
 * what a function gives takes their place, and nothing (undefined) leaves them as they are. What it throws ends the RPC, with the status of
 * an `RpcError`, else with INTERNAL; so does a promise, which is not awaited.
 */
export interface RpcObserver {
  /** Called with each request. */
  readonly onRequest?: ((request: unknown) => ShownMessage) | undefined;
  /** Called with each response. */
  readonly onResponse?: ((response: unknown) => ShownMessage) | undefined;
  /** Called with the outcome, once and last. What it throws, or its promise is rejected with, is reported and changes nothing. */
  readonly onStatus?: ((outcome: RpcOutcome) => void) | undefined;
}

/** The same on the client. */
export interface ClientRpcObserver extends RpcObserver {
  /** Called with the server's initial metadata; not called when the server sends none. As `onStatus`, it changes nothing. */
  readonly onInitialMetadata?: ((metadata: Metadata) => void) | undefined;
}

interface AnyOutgoingRpc {
  /** The method's path, `/package.Service/Method`. */
  readonly method: string;
  /** The `:authority` of the RPC. */
  readonly authority: string;
  /** The initial metadata to send, which may be changed until `next` is called; later changes count when it is called again. */
  readonly metadata: Metadata;
  /**
   * Seconds left; Infinity: no limit. May be set to allow less, never more: a longer time is without effect. Throws TypeError when it is
   * set to what is no number.
   */
  timeout: number;
}
interface UnaryRequestPart {
  /** The request as the caller gave it. */
  readonly request: unknown;
}
interface UnaryResponsePart {
  /** An outcome OK with `response`, without asking the server: to be returned by the interceptor. */
  respond(response: unknown): RpcOutcome;
}

/** An RPC on the client, about to be made. `cardinality` tells whether there is one request to look at, and one response to give. */
export type OutgoingRpc =
  | (AnyOutgoingRpc & { readonly cardinality: typeof Cardinality.UNARY_UNARY } & UnaryRequestPart &
      UnaryResponsePart)
  | (AnyOutgoingRpc & { readonly cardinality: typeof Cardinality.UNARY_STREAM } & UnaryRequestPart)
  | (AnyOutgoingRpc & { readonly cardinality: typeof Cardinality.STREAM_UNARY } & UnaryResponsePart)
  | (AnyOutgoingRpc & { readonly cardinality: typeof Cardinality.STREAM_STREAM });

/**
 * Around each RPC of a stub. `next` makes the RPC, and may be called again to repeat one with a unary request whose outcome is known and of
 * which no response has reached the caller. Without `next` nothing is sent: throw an `RpcError`, or return `rpc.respond(…)`. An exception
 * that carries no status ends the RPC with INTERNAL. Deadline and cancellation end the RPC for its caller whatever interceptors wait for.
 */
export type ClientInterceptor = (
  rpc: OutgoingRpc,
  next: (observer?: ClientRpcObserver) => RpcProgress,
) => InterceptedOutcome;

/**
 * Around each RPC of a server, before its request is deserialized. `next` lets the behaviour run, once; `context` is the one that it is
 * given. Without `next` it never runs: throw an `RpcError`, or call `context.abort(…)`. An exception that carries no status ends the RPC with
 * UNKNOWN and is reported, as that of a behaviour. The status is sent when all interceptors have returned. The behaviour may begin after `next`
 * has returned, in the async context of that call.
 */
export type ServerInterceptor = (
  context: RpcContext,
  next: (observer?: RpcObserver) => RpcProgress,
) => InterceptedOutcome;

/** Names a value that an interceptor puts into the context of an RPC, and its type. Each key is its own, whatever its name. */
export class ContextKey<Value> {
  /** For messages. */
  readonly name: string;
  /** Makes keys of different types different types; never set. */
  declare readonly type?: (value: Value) => Value;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * `interceptors` as a list of its own, null for none. Throws TypeError for what is no list of functions.
 */
export function interceptorList<Interceptor>(
  interceptors: readonly Interceptor[] | null | undefined,
): readonly Interceptor[] | null {
  if (interceptors === undefined || interceptors === null) return null;
  if (
    !Array.isArray(interceptors) ||
    !interceptors.every((interceptor) => typeof interceptor === 'function')
  ) {
    throw new TypeError('options.interceptors must be an array of functions');
  }
  return interceptors.length === 0 ? null : [...interceptors];
}
