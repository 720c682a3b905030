/**
 * The eight makers of method descriptions. All return one private class that implements both description interfaces; the parts that a
 * maker does not supply are absent, and using them is a TypeError.
 */

import { Cardinality } from '../method.ts';
import { type RangeDeserializer, rangeDeserializerOf } from '../range-deserializer.ts';
import type {
  RequestIterator,
  ResponseIterable,
  RpcContext,
  RpcMethodInvocationDescription,
  RpcMethodServiceDescription,
  StreamStreamBehavior,
  StreamUnaryBehavior,
  UnaryStreamBehavior,
  UnaryUnaryBehavior,
} from './interfaces.ts';

/** A callable that turns a value into octets. The octets belong to the library from then on. */
export type Serializer<Value> = (value: Value) => Uint8Array;
/** A callable that turns octets into a value. The octets are a view of what was received and must not be modified. */
export type Deserializer<Value> = (octets: Uint8Array) => Value;

/** The parts of a description; null where a maker supplies none. */
interface Parts<Request, Response> {
  readonly requestSerializer: Serializer<Request> | null;
  readonly requestDeserializer: Deserializer<Request> | null;
  readonly responseSerializer: Serializer<Response> | null;
  readonly responseDeserializer: Deserializer<Response> | null;
  readonly serviceUnaryUnary: UnaryUnaryBehavior<Request, Response> | null;
  readonly serviceUnaryStream: UnaryStreamBehavior<Request, Response> | null;
  readonly serviceStreamUnary: StreamUnaryBehavior<Request, Response> | null;
  readonly serviceStreamStream: StreamStreamBehavior<Request, Response> | null;
}

const NO_PARTS = {
  requestSerializer: null,
  requestDeserializer: null,
  responseSerializer: null,
  responseDeserializer: null,
  serviceUnaryUnary: null,
  serviceUnaryStream: null,
  serviceStreamUnary: null,
  serviceStreamStream: null,
};

/** The deserializers of a description made here, for `requestRangeDeserializer` and `responseRangeDeserializer`. */
const deserializersOf = new WeakMap<
  object,
  { readonly request: Deserializer<never> | null; readonly response: Deserializer<never> | null }
>();

/** What reads requests of `description` where they were received; null for a description or a deserializer that needs octets of its own. */
export function requestRangeDeserializer<Request>(
  description: object,
): RangeDeserializer<Request> | null {
  const deserialize = deserializersOf.get(description)?.request ?? null;
  return deserialize === null ? null : rangeDeserializerOf<Request>(deserialize);
}

/** The same for responses. */
export function responseRangeDeserializer<Response>(
  description: object,
): RangeDeserializer<Response> | null {
  const deserialize = deserializersOf.get(description)?.response ?? null;
  return deserialize === null ? null : rangeDeserializerOf<Response>(deserialize);
}

class MethodDescription<Request, Response, Kind extends Cardinality>
  implements
    RpcMethodInvocationDescription<Request, Response, Kind>,
    RpcMethodServiceDescription<Request, Response, Kind>
{
  readonly #cardinality: Kind;
  readonly #requestSerializer: Serializer<Request> | null;
  readonly #requestDeserializer: Deserializer<Request> | null;
  readonly #responseSerializer: Serializer<Response> | null;
  readonly #responseDeserializer: Deserializer<Response> | null;
  readonly #serviceUnaryUnary: UnaryUnaryBehavior<Request, Response> | null;
  readonly #serviceUnaryStream: UnaryStreamBehavior<Request, Response> | null;
  readonly #serviceStreamUnary: StreamUnaryBehavior<Request, Response> | null;
  readonly #serviceStreamStream: StreamStreamBehavior<Request, Response> | null;

  constructor(cardinality: Kind, parts: Parts<Request, Response>) {
    this.#cardinality = cardinality;
    this.#requestSerializer = parts.requestSerializer;
    this.#requestDeserializer = parts.requestDeserializer;
    this.#responseSerializer = parts.responseSerializer;
    this.#responseDeserializer = parts.responseDeserializer;
    this.#serviceUnaryUnary = parts.serviceUnaryUnary;
    this.#serviceUnaryStream = parts.serviceUnaryStream;
    this.#serviceStreamUnary = parts.serviceStreamUnary;
    this.#serviceStreamStream = parts.serviceStreamStream;
    deserializersOf.set(this, {
      request: parts.requestDeserializer as Deserializer<never> | null,
      response: parts.responseDeserializer as Deserializer<never> | null,
    });
  }

  cardinality(): Kind {
    return this.#cardinality;
  }

  serializeRequest(request: Request): Uint8Array {
    const serialize = this.#requestSerializer ?? this.#absent('request serializer');
    return serialize(request);
  }

  deserializeRequest(serializedRequest: Uint8Array): Request {
    const deserialize = this.#requestDeserializer ?? this.#absent('request deserializer');
    return deserialize(serializedRequest);
  }

  serializeResponse(response: Response): Uint8Array {
    const serialize = this.#responseSerializer ?? this.#absent('response serializer');
    return serialize(response);
  }

  deserializeResponse(serializedResponse: Uint8Array): Response {
    const deserialize = this.#responseDeserializer ?? this.#absent('response deserializer');
    return deserialize(serializedResponse);
  }

  serviceUnaryUnary(request: Request, context: RpcContext): Response | PromiseLike<Response> {
    const behavior = this.#serviceUnaryUnary ?? this.#absent('unary-unary behavior');
    return behavior(request, context);
  }

  serviceUnaryStream(
    request: Request,
    context: RpcContext,
  ): ResponseIterable<Response> | PromiseLike<ResponseIterable<Response>> {
    const behavior = this.#serviceUnaryStream ?? this.#absent('unary-stream behavior');
    return behavior(request, context);
  }

  serviceStreamUnary(
    requestIterator: RequestIterator<Request>,
    context: RpcContext,
  ): Response | PromiseLike<Response> {
    const behavior = this.#serviceStreamUnary ?? this.#absent('stream-unary behavior');
    return behavior(requestIterator, context);
  }

  serviceStreamStream(
    requestIterator: RequestIterator<Request>,
    context: RpcContext,
  ): ResponseIterable<Response> | PromiseLike<ResponseIterable<Response>> {
    const behavior = this.#serviceStreamStream ?? this.#absent('stream-stream behavior');
    return behavior(requestIterator, context);
  }

  #absent(part: string): never {
    throw new TypeError(`this ${this.#cardinality} description was made without a ${part}`);
  }
}

/** Creates the invocation-side description of a unary-request/unary-response RPC method. */
export function unaryUnaryInvocationDescription<Request, Response>(
  requestSerializer: Serializer<Request>,
  responseDeserializer: Deserializer<Response>,
): RpcMethodInvocationDescription<Request, Response, typeof Cardinality.UNARY_UNARY> {
  return new MethodDescription<Request, Response, typeof Cardinality.UNARY_UNARY>(
    Cardinality.UNARY_UNARY,
    { ...NO_PARTS, requestSerializer, responseDeserializer },
  );
}

/** Creates the invocation-side description of a unary-request/streaming-response RPC method. */
export function unaryStreamInvocationDescription<Request, Response>(
  requestSerializer: Serializer<Request>,
  responseDeserializer: Deserializer<Response>,
): RpcMethodInvocationDescription<Request, Response, typeof Cardinality.UNARY_STREAM> {
  return new MethodDescription<Request, Response, typeof Cardinality.UNARY_STREAM>(
    Cardinality.UNARY_STREAM,
    { ...NO_PARTS, requestSerializer, responseDeserializer },
  );
}

/** Creates the invocation-side description of a streaming-request/unary-response RPC method. */
export function streamUnaryInvocationDescription<Request, Response>(
  requestSerializer: Serializer<Request>,
  responseDeserializer: Deserializer<Response>,
): RpcMethodInvocationDescription<Request, Response, typeof Cardinality.STREAM_UNARY> {
  return new MethodDescription<Request, Response, typeof Cardinality.STREAM_UNARY>(
    Cardinality.STREAM_UNARY,
    { ...NO_PARTS, requestSerializer, responseDeserializer },
  );
}

/** Creates the invocation-side description of a streaming-request/streaming-response RPC method. */
export function streamStreamInvocationDescription<Request, Response>(
  requestSerializer: Serializer<Request>,
  responseDeserializer: Deserializer<Response>,
): RpcMethodInvocationDescription<Request, Response, typeof Cardinality.STREAM_STREAM> {
  return new MethodDescription<Request, Response, typeof Cardinality.STREAM_STREAM>(
    Cardinality.STREAM_STREAM,
    { ...NO_PARTS, requestSerializer, responseDeserializer },
  );
}

/** Creates the service-side description of a unary-request/unary-response RPC method that `behavior` implements. */
export function unaryUnaryServiceDescription<Request, Response>(
  behavior: UnaryUnaryBehavior<Request, Response>,
  requestDeserializer: Deserializer<Request>,
  responseSerializer: Serializer<Response>,
): RpcMethodServiceDescription<Request, Response, typeof Cardinality.UNARY_UNARY> {
  return new MethodDescription<Request, Response, typeof Cardinality.UNARY_UNARY>(
    Cardinality.UNARY_UNARY,
    { ...NO_PARTS, serviceUnaryUnary: behavior, requestDeserializer, responseSerializer },
  );
}

/** Creates the service-side description of a unary-request/streaming-response RPC method that `behavior` implements. */
export function unaryStreamServiceDescription<Request, Response>(
  behavior: UnaryStreamBehavior<Request, Response>,
  requestDeserializer: Deserializer<Request>,
  responseSerializer: Serializer<Response>,
): RpcMethodServiceDescription<Request, Response, typeof Cardinality.UNARY_STREAM> {
  return new MethodDescription<Request, Response, typeof Cardinality.UNARY_STREAM>(
    Cardinality.UNARY_STREAM,
    { ...NO_PARTS, serviceUnaryStream: behavior, requestDeserializer, responseSerializer },
  );
}

/** Creates the service-side description of a streaming-request/unary-response RPC method that `behavior` implements. */
export function streamUnaryServiceDescription<Request, Response>(
  behavior: StreamUnaryBehavior<Request, Response>,
  requestDeserializer: Deserializer<Request>,
  responseSerializer: Serializer<Response>,
): RpcMethodServiceDescription<Request, Response, typeof Cardinality.STREAM_UNARY> {
  return new MethodDescription<Request, Response, typeof Cardinality.STREAM_UNARY>(
    Cardinality.STREAM_UNARY,
    { ...NO_PARTS, serviceStreamUnary: behavior, requestDeserializer, responseSerializer },
  );
}

/** Creates the service-side description of a streaming-request/streaming-response RPC method that `behavior` implements. */
export function streamStreamServiceDescription<Request, Response>(
  behavior: StreamStreamBehavior<Request, Response>,
  requestDeserializer: Deserializer<Request>,
  responseSerializer: Serializer<Response>,
): RpcMethodServiceDescription<Request, Response, typeof Cardinality.STREAM_STREAM> {
  return new MethodDescription<Request, Response, typeof Cardinality.STREAM_STREAM>(
    Cardinality.STREAM_STREAM,
    { ...NO_PARTS, serviceStreamStream: behavior, requestDeserializer, responseSerializer },
  );
}
