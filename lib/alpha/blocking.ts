/**
 * The blocking stub: direct calls block the thread until the response is there. A JavaScript thread cannot block and serve its sockets at
 * the same time, so a worker hosts the channel; serializers, deserializers and the metadata transformer stay on the caller's thread.
 */

import type { ErrorReporter } from '../error-reporter.ts';
import { Cardinality } from '../method.ts';
import { BlockingBridge } from './blocking-bridge.ts';
import type { RemoteCall } from './blocking-call.ts';
import { BlockingIterator } from './blocking-iterator.ts';
import { Activation, BoundMethod, type MetadataTransformer } from './bound-method.ts';
import type { BlockingStub, InvocationMethods, RequestIterable, Timeout } from './interfaces.ts';
import { RequestSender } from './request-sender.ts';
import { openCall, startUnaryRequest } from './rpc-invocation.ts';
import type { RpcListener } from './rpc-listener.ts';
import { futureStreamUnary, futureUnaryUnary, type StubMethod, stubMethods } from './stub.ts';
import type { StubChannelConfig } from './stub-channel.ts';
import { type StubContext, StubObject } from './stub-object.ts';
import { SyncFeed } from './sync-feed.ts';
import { UnaryResponse } from './unary-response.ts';

/** What `makeBlockingStub` needs beside the methods. */
export interface BlockingStubParts {
  /** From it the worker opens its channel; everything in it can be sent to another thread. */
  readonly channelConfig: StubChannelConfig;
  readonly metadataTransformer: MetadataTransformer | null;
  readonly report: ErrorReporter;
}

/** A blocking stub; its worker starts at the first call and ends with `close`. Throws TypeError for a method that is none. */
export function makeBlockingStub<Methods extends InvocationMethods>(
  serviceName: string,
  methods: Methods,
  parts: BlockingStubParts,
): BlockingStub<Methods> {
  const all = stubMethods(serviceName, methods);
  const names = all.map((method) => method.name);
  const stub = new StubObject(serviceName, names, () => enter(serviceName, all, parts));
  return stub as unknown as BlockingStub<Methods>;
}

/** A method that is called blocking, and its twin whose calls are Futures. */
interface BlockingMethod {
  readonly bridge: BlockingBridge;
  readonly blocking: BoundMethod<unknown, unknown>;
  readonly future: BoundMethod<unknown, unknown>;
}

function enter(
  serviceName: string,
  methods: readonly StubMethod[],
  parts: BlockingStubParts,
): StubContext {
  const { metadataTransformer, report } = parts;
  const bridge = new BlockingBridge(parts.channelConfig);
  const blocking = new Activation(serviceName, bridge.blocking, metadataTransformer, report);
  const futures = new Activation(serviceName, bridge.futures, metadataTransformer, report);
  return {
    makers: methods.map(({ descriptor, description }) =>
      callableMaker({
        bridge,
        blocking: new BoundMethod(blocking, descriptor, description),
        future: new BoundMethod(futures, descriptor, description),
      }),
    ),
    close: () => {
      blocking.isOpen = false;
      futures.isOpen = false;
      return bridge.close();
    },
  };
}

/** What makes the callables of one method in one activation. */
function callableMaker(method: BlockingMethod): () => unknown {
  switch (method.blocking.description.cardinality()) {
    case Cardinality.UNARY_UNARY:
      return () =>
        Object.assign(
          (request: unknown, timeout: Timeout) => callUnaryUnary(method, request, timeout),
          {
            async: (request: unknown, timeout: Timeout) =>
              futureUnaryUnary(method.future, request, timeout),
          },
        );
    case Cardinality.STREAM_UNARY:
      return () =>
        Object.assign(
          (requests: Iterable<unknown>, timeout: Timeout) =>
            callStreamUnary(method, requests, timeout),
          {
            async: (requests: RequestIterable<unknown>, timeout: Timeout) =>
              futureStreamUnary(method.future, requests, timeout),
          },
        );
    case Cardinality.UNARY_STREAM:
      return () => (request: unknown, timeout: Timeout) =>
        iterateUnaryStream(method, request, timeout);
    case Cardinality.STREAM_STREAM:
      return () => (requests: Iterable<unknown>, timeout: Timeout) =>
        iterateStreamStream(method, requests, timeout);
  }
}

function callUnaryUnary(method: BlockingMethod, request: unknown, timeout: Timeout): unknown {
  const response = new BlockingResponse(method.blocking);
  startUnaryRequest(method.blocking, request, timeout, response.listener);
  return response.wait(method.bridge, () => false);
}

function callStreamUnary(
  method: BlockingMethod,
  requests: Iterable<unknown>,
  timeout: Timeout,
): unknown {
  const response = new BlockingResponse(method.blocking);
  const feed = startFeed(method, requests, timeout, response.listener);
  return response.wait(method.bridge, () => feed?.step() === true);
}

function iterateUnaryStream(
  method: BlockingMethod,
  request: unknown,
  timeout: Timeout,
): BlockingIterator<unknown> {
  const responses = new BlockingIterator(method.blocking, method.bridge);
  startUnaryRequest(method.blocking, request, timeout, responses);
  return responses;
}

function iterateStreamStream(
  method: BlockingMethod,
  requests: Iterable<unknown>,
  timeout: Timeout,
): BlockingIterator<unknown> {
  const responses = new BlockingIterator(method.blocking, method.bridge);
  responses.feed = startFeed(method, requests, timeout, responses) as SyncFeed<never> | null;
  return responses;
}

/** Starts a request-streaming RPC without pulling a request yet; null when the RPC has failed already. Throws for misuse. */
function startFeed(
  method: BlockingMethod,
  requests: Iterable<unknown>,
  timeout: Timeout,
  listener: RpcListener,
): SyncFeed<unknown> | null {
  const iterator = (requests as Partial<Iterable<unknown>> | null | undefined)?.[Symbol.iterator];
  if (typeof iterator !== 'function') {
    throw new TypeError(
      `${method.blocking.descriptor.path} of a blocking stub takes a synchronous iterable of requests: a blocked thread can await nothing`,
    );
  }
  const call = openCall(method.blocking, timeout, listener);
  if (call === null) return null;
  const sender = new RequestSender(method.blocking, call, listener.extras);
  const feed = new SyncFeed(requests, sender);
  sender.pump = feed;
  listener.pump = feed;
  call.start(listener);
  return feed;
}

/** The outcome of a response-unary RPC for a thread that waits for it. */
class BlockingResponse {
  readonly listener: UnaryResponse<unknown>;
  #isDone: boolean;
  #isFailure: boolean;
  #outcome: unknown;

  constructor(method: BoundMethod<unknown, unknown>) {
    this.#isDone = false;
    this.#isFailure = false;
    this.#outcome = undefined;
    this.listener = new UnaryResponse(method);
    this.listener.resolve = (response) => this.#settle(false, response);
    this.listener.reject = (error) => this.#settle(true, error);
  }

  /** Blocks; `work` is called, as long as it gives true, before blocking. */
  wait(bridge: BlockingBridge, work: () => boolean): unknown {
    const call = this.listener.call as RemoteCall | null;
    if (call !== null && !this.#isDone) bridge.wait(call, () => this.#isDone, work);
    if (this.#isFailure) throw this.#outcome;
    return this.#outcome;
  }

  #settle(isFailure: boolean, outcome: unknown): void {
    this.#isDone = true;
    this.#isFailure = isFailure;
    this.#outcome = outcome;
  }
}
