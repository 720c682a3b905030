/** The asynchronous stub: RPCs run on the caller's own thread, over a channel that the stub opens and closes. */

import type { ErrorReporter } from '../error-reporter.ts';
import { Cardinality, type MethodDescriptor, methodDescriptor } from '../method.ts';
import {
  Activation,
  BoundMethod,
  type MetadataTransformer,
  type StubChannel,
} from './bound-method.ts';
import { ResponseIterator } from './cancellable-iterator.ts';
import { interceptStreamRequest, interceptUnaryRequest } from './client-interception.ts';
import { type Future, RpcFuture } from './future.ts';
import type { ClientInterceptor } from './interceptors.ts';
import type {
  CancellableIterator,
  InvocationMethods,
  RequestIterable,
  RpcMethodInvocationDescription,
  Stub,
  Timeout,
} from './interfaces.ts';
import { promiseOf } from './promise-holder.ts';
import { startStreamRequest, startUnaryRequest } from './rpc-invocation.ts';
import type { ValueListener } from './rpc-listener.ts';
import { type StubContext, StubObject } from './stub-object.ts';
import { UnaryResponse } from './unary-response.ts';

/** One method of a stub. */
export interface StubMethod {
  readonly name: string;
  readonly descriptor: MethodDescriptor;
  readonly description: RpcMethodInvocationDescription<unknown, unknown>;
}

/**
 * The methods of a map in its order. Throws TypeError, naming the method, for a name that a path cannot carry and for a value that is not an
 * invocation description.
 */
export function stubMethods(serviceName: string, methods: InvocationMethods): StubMethod[] {
  if (typeof methods !== 'object' || methods === null) {
    throw new TypeError('methods must be an object of RPC names and invocation descriptions');
  }
  return Object.entries(methods).map(([name, description]) => {
    if (
      typeof description?.cardinality !== 'function' ||
      typeof description.serializeRequest !== 'function' ||
      typeof description.deserializeResponse !== 'function'
    ) {
      throw new TypeError(`methods.${name} is not an RpcMethodInvocationDescription`);
    }
    const descriptor = methodDescriptor(serviceName, name, description.cardinality());
    return { name, descriptor, description };
  });
}

/** What `makeStub` needs beside the methods. */
export interface StubParts {
  /** Opens the channel of one activation; must touch no network before the first call. */
  readonly openChannel: () => StubChannel;
  readonly metadataTransformer: MetadataTransformer | null;
  readonly report: ErrorReporter;
  readonly interceptors?: readonly ClientInterceptor[] | null;
}

/** A stub over channels that `parts.openChannel` makes. Throws TypeError for a method that is none. */
export function makeStub<Methods extends InvocationMethods>(
  serviceName: string,
  methods: Methods,
  parts: StubParts,
): Stub<Methods> {
  const all = stubMethods(serviceName, methods);
  const names = all.map((method) => method.name);
  const stub = new StubObject(serviceName, names, () => enter(serviceName, all, parts));
  return stub as unknown as Stub<Methods>;
}

function enter(serviceName: string, methods: readonly StubMethod[], parts: StubParts): StubContext {
  const channel = parts.openChannel();
  const { metadataTransformer, report, interceptors } = parts;
  const activation = new Activation(
    serviceName,
    channel,
    metadataTransformer,
    report,
    interceptors ?? null,
  );
  return {
    makers: methods.map(({ descriptor, description }) =>
      callableMaker(new BoundMethod(activation, descriptor, description)),
    ),
    stats: () => channel.stats?.() ?? null,
    close: () => activation.close(),
  };
}

/** What makes the callables of one method in one activation. */
function callableMaker(method: BoundMethod<unknown, unknown>): () => unknown {
  switch (method.description.cardinality()) {
    case Cardinality.UNARY_UNARY:
      return () => {
        const callable = (request: unknown, timeout: Timeout): Promise<unknown> =>
          callUnaryUnary(method, request, timeout);
        callable.async = (request: unknown, timeout: Timeout): Future<unknown> =>
          futureUnaryUnary(method, request, timeout);
        return callable;
      };
    case Cardinality.STREAM_UNARY:
      return () => {
        const callable = (requests: RequestIterable<unknown>, timeout: Timeout): Promise<unknown> =>
          callStreamUnary(method, requests, timeout);
        callable.async = (requests: RequestIterable<unknown>, timeout: Timeout): Future<unknown> =>
          futureStreamUnary(method, requests, timeout);
        return callable;
      };
    case Cardinality.UNARY_STREAM:
      return () =>
        (request: unknown, timeout: Timeout): CancellableIterator<unknown> =>
          iterateUnaryStream(method, request, timeout);
    case Cardinality.STREAM_STREAM:
      return () =>
        (requests: RequestIterable<unknown>, timeout: Timeout): CancellableIterator<unknown> =>
          iterateStreamStream(method, requests, timeout);
  }
}

/** Starts an RPC, through the interceptors if there are any. */
function startUnary<Request, Response>(
  method: BoundMethod<Request, Response>,
  request: Request,
  timeout: Timeout,
  listener: ValueListener,
): void {
  if (method.activation.interceptors === null)
    startUnaryRequest(method, request, timeout, listener);
  else interceptUnaryRequest(method, request, timeout, listener);
}

function startStream<Request, Response>(
  method: BoundMethod<Request, Response>,
  requests: RequestIterable<Request>,
  timeout: Timeout,
  listener: ValueListener,
): void {
  if (method.activation.interceptors === null)
    startStreamRequest(method, requests, timeout, listener);
  else interceptStreamRequest(method, requests, timeout, listener);
}

function callUnaryUnary<Request, Response>(
  method: BoundMethod<Request, Response>,
  request: Request,
  timeout: Timeout,
): Promise<Response> {
  const response = new UnaryResponse(method);
  const promise = promiseOf(response);
  startUnary(method, request, timeout, response);
  return promise;
}

function callStreamUnary<Request, Response>(
  method: BoundMethod<Request, Response>,
  requests: RequestIterable<Request>,
  timeout: Timeout,
): Promise<Response> {
  const response = new UnaryResponse(method);
  const promise = promiseOf(response);
  startStream(method, requests, timeout, response);
  return promise;
}

/** The `async` form of a unary-unary RPC. Throws for misuse, as the direct form does. */
export function futureUnaryUnary<Request, Response>(
  method: BoundMethod<Request, Response>,
  request: Request,
  timeout: Timeout,
): Future<Response> {
  const future = new RpcFuture(method);
  startUnary(method, request, timeout, future);
  return future;
}

/** The `async` form of a stream-unary RPC. Throws for misuse, as the direct form does. */
export function futureStreamUnary<Request, Response>(
  method: BoundMethod<Request, Response>,
  requests: RequestIterable<Request>,
  timeout: Timeout,
): Future<Response> {
  const future = new RpcFuture(method);
  startStream(method, requests, timeout, future);
  return future;
}

function iterateUnaryStream<Request, Response>(
  method: BoundMethod<Request, Response>,
  request: Request,
  timeout: Timeout,
): CancellableIterator<Response> {
  const responses = new ResponseIterator(method);
  startUnary(method, request, timeout, responses);
  responses.replenish();
  return responses;
}

function iterateStreamStream<Request, Response>(
  method: BoundMethod<Request, Response>,
  requests: RequestIterable<Request>,
  timeout: Timeout,
): CancellableIterator<Response> {
  const responses = new ResponseIterator(method);
  startStream(method, requests, timeout, responses);
  responses.replenish();
  return responses;
}
