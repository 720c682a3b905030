/** What the compiler must accept and must refuse of interceptors. Compiled with the suite, never run; see stub-types.ts. */

import {
  blockingStub,
  Cardinality,
  type ClientInterceptor,
  ContextKey,
  Metadata,
  type RpcContext,
  RpcError,
  type ServerInterceptor,
  Status,
  server,
  stub,
} from '../../lib/index.ts';

/** True if both are the same type. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

function same<_Check extends true>(): void {}

export const accepted: readonly ClientInterceptor[] = [
  (_rpc, next) => next(),
  async (_rpc, next) => next(),
  async (_rpc, next) => {
    const { code, details, trailingMetadata } = await next({ onStatus: (outcome) => outcome.code });
    if (code !== Status.OK) throw new RpcError(code, details, trailingMetadata);
    return next();
  },
  () => {
    throw new RpcError(Status.UNAVAILABLE);
  },
  (rpc, next) => {
    if (rpc.cardinality !== Cardinality.UNARY_UNARY) return next();
    return rpc.respond(rpc.request);
  },
  (rpc, next) => {
    if (rpc.cardinality === Cardinality.UNARY_STREAM) void rpc.request;
    return rpc.cardinality === Cardinality.STREAM_UNARY ? rpc.respond(1) : next();
  },
];

export const refused: readonly ClientInterceptor[] = [
  // @ts-expect-error: the outcome must be returned.
  (_rpc, next) => void next(),
  // @ts-expect-error: the same after a wait.
  async (_rpc, next) => {
    await next();
  },
  // @ts-expect-error: an outcome is made by next and respond.
  () => 'done',
  (rpc, next) => {
    // @ts-expect-error: not every RPC has one request.
    void rpc.request;
    // @ts-expect-error: nor one response.
    void rpc.respond;
    if (rpc.cardinality === Cardinality.STREAM_STREAM) {
      // @ts-expect-error: a stream of responses cannot be given at once.
      void rpc.respond;
    }
    if (rpc.cardinality === Cardinality.STREAM_UNARY) {
      // @ts-expect-error: requests of a stream are seen by onRequest.
      void rpc.request;
    }
    // @ts-expect-error: metadata is changed, not replaced.
    rpc.metadata = new Metadata();
    // @ts-expect-error: seconds, not text.
    rpc.timeout = '5';
    // @ts-expect-error: there is no such observer.
    return next({ onEnd: () => {} });
  },
];

const USER = new ContextKey<{ readonly name: string }>('user');

export const onServer: readonly ServerInterceptor[] = [
  (context, next) => {
    context.set(USER, { name: 'ann' });
    // @ts-expect-error: another type than the key's.
    context.set(USER, 'ann');
    // @ts-expect-error: a Map, which set gave by the way, is no message.
    next({ onRequest: (request) => new Map().set(context.method, request) });
    // @ts-expect-error: nobody awaits it.
    next({ onResponse: async () => {} });
    next({ onRequest: () => {}, onResponse: () => undefined });
    next({ onRequest: () => 'other', onResponse: () => new Uint8Array(1) });
    return next({ onRequest: (request) => ({ ...(request as { readonly name: string }) }) });
  },
  (context) => context.abort(Status.PERMISSION_DENIED),
  // @ts-expect-error: a server sends initial metadata, it does not see any come.
  (_context, next) => next({ onInitialMetadata: () => {} }),
];

export function behavior(context: RpcContext): void {
  const user = context.get(USER);
  same<Same<typeof user, { readonly name: string } | undefined>>();
}

stub('s', {}, 'h', 1, { interceptors: accepted });
server('s', {}, 0, { interceptors: onServer });
// @ts-expect-error: interceptors of the other side.
server('s', {}, 0, { interceptors: accepted });
// @ts-expect-error: a blocking stub has none.
blockingStub('s', {}, 'h', 1, { interceptors: accepted });
