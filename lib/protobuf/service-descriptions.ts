/**
 * A service as `stub` and `server` take it: `loadService` and the value it returns.
 */

import type protobuf from 'protobufjs';
import type {
  RpcMethodInvocationDescription,
  RpcMethodServiceDescription,
  StreamStreamBehavior,
  StreamUnaryBehavior,
  UnaryStreamBehavior,
  UnaryUnaryBehavior,
} from '../alpha/interfaces.ts';
import {
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../alpha/utilities.ts';
import { assertKnownOptions, type KnownOptions } from '../known-options.ts';
import { Cardinality } from '../method.ts';
import { LOAD_OPTIONS, type LoadOptions, rootOf, rootOfAsync } from './load.ts';
import { nearestName } from './proto-error.ts';
import {
  CONVERSION_OPTIONS,
  type ConversionOptions,
  type MessageCodec,
  messageCodec,
} from './protobufjs-codec.ts';
import {
  definitionInModule,
  definitionInRoot,
  type ProtoDefinition,
  type ProtoMethod,
  type ProtoSource,
} from './service-methods.ts';

/** The TypeScript types of one RPC method. Write it through `UnaryUnary` and its three siblings. */
export interface MethodTypes<Request, Response, Kind extends Cardinality = Cardinality> {
  readonly request: Request;
  readonly response: Response;
  readonly cardinality: Kind;
}

/** `rpc M(Request) returns (Response)`. */
export type UnaryUnary<Request, Response> = MethodTypes<
  Request,
  Response,
  typeof Cardinality.UNARY_UNARY
>;
/** `rpc M(Request) returns (stream Response)`. */
export type UnaryStream<Request, Response> = MethodTypes<
  Request,
  Response,
  typeof Cardinality.UNARY_STREAM
>;
/** `rpc M(stream Request) returns (Response)`. */
export type StreamUnary<Request, Response> = MethodTypes<
  Request,
  Response,
  typeof Cardinality.STREAM_UNARY
>;
/** `rpc M(stream Request) returns (stream Response)`. */
export type StreamStream<Request, Response> = MethodTypes<
  Request,
  Response,
  typeof Cardinality.STREAM_STREAM
>;

/** A message whose type TypeScript does not know: read its fields by name. */
export type ProtoMessage = Readonly<Record<string, unknown>>;

/** The methods of a service loaded without a type argument: every RPC of its stub may be called in every way, unchecked. */
export interface UntypedMethods {
  // biome-ignore lint/suspicious/noExplicitAny: the cardinality is known at run time only, and no narrower type lets an RPC be called.
  readonly [name: string]: MethodTypes<ProtoMessage, ProtoMessage, any>;
}

/** What a type argument of `loadService` must be: RPC names with their types. */
export type MethodMap<Methods> = {
  readonly [Name in keyof Methods]: MethodTypes<unknown, unknown>;
};

/** What `stub` takes for a service with these methods. */
export type InvocationDescriptions<Methods extends MethodMap<Methods>> = {
  readonly [Name in keyof Methods & string]: RpcMethodInvocationDescription<
    Methods[Name]['request'],
    Methods[Name]['response'],
    Methods[Name]['cardinality']
  >;
};

/** What `server` takes for a service with these methods. */
export type ServiceDescriptions<Methods extends MethodMap<Methods>> = {
  readonly [Name in keyof Methods & string]: RpcMethodServiceDescription<
    Methods[Name]['request'],
    Methods[Name]['response'],
    Methods[Name]['cardinality']
  >;
};

/** The behaviour of one method. */
export type BehaviorOf<Method> =
  Method extends MethodTypes<infer Request, infer Response, infer Kind>
    ? {
        [Cardinality.UNARY_UNARY]: UnaryUnaryBehavior<Request, Response>;
        [Cardinality.UNARY_STREAM]: UnaryStreamBehavior<Request, Response>;
        [Cardinality.STREAM_UNARY]: StreamUnaryBehavior<Request, Response>;
        [Cardinality.STREAM_STREAM]: StreamStreamBehavior<Request, Response>;
      }[Kind]
    : never;

/** An object or class instance that implements a service: one method per RPC, named as in the `.proto`. */
export type Behaviors<Methods extends MethodMap<Methods>> = {
  readonly [Name in keyof Methods & string]: BehaviorOf<Methods[Name]>;
};

/** How `loadService` reads a definition and converts messages. */
export interface ServiceOptions extends LoadOptions, ConversionOptions {}

const SERVICE_OPTIONS: KnownOptions<ServiceOptions> = {
  ...LOAD_OPTIONS,
  ...CONVERSION_OPTIONS,
};

/** A service of a `.proto`, ready to be called and to be served. */
export interface ProtoService<Methods extends MethodMap<Methods> = UntypedMethods> {
  /** The full name, package included: the first argument of `stub` and `server`. */
  readonly name: string;
  /** What is known of each method, in the order of the `.proto`. */
  readonly methods: readonly ProtoMethod[];
  /** The protobufjs Root that defines the service, from which reflection describes it; null for a static module, which has none. */
  readonly root: protobuf.Root | null;
  /** The descriptions to give to `stub` or `blockingStub`. */
  invocationDescriptions(): InvocationDescriptions<Methods>;
  /**
   * The descriptions to give to `server`: each RPC is the method of that name of `behaviors`, called on it, so `this` works. Throws
   * TypeError when a method is missing, or when a plain object has a function that is no RPC.
   */
  serviceDescriptions(behaviors: Behaviors<Methods>): ServiceDescriptions<Methods>;
  /** The codec of any message type of the same definition, such as one sent as error details. Throws ProtoError for an unknown name. */
  message<Message extends object = ProtoMessage>(typeName: string): MessageCodec<Message>;
}

/**
 * Loads the service `serviceName` (full name, package first) of a `.proto` file or text, a protobufjs Root or a static module. Blocks
 * while files are read. Throws ProtoError for a fault in the definition and TypeError for a wrong argument or an unknown option.
 */
export function loadService<Methods extends MethodMap<Methods> = UntypedMethods>(
  source: ProtoSource,
  serviceName: string,
  options: ServiceOptions = {},
): ProtoService<Methods> {
  assertArguments(source, serviceName);
  assertKnownOptions(options, SERVICE_OPTIONS, 'loadService()');
  if ('module' in source) {
    return serviceOf(definitionInModule(source, serviceName, options), options);
  }
  const root = 'root' in source ? source.root : rootOf(source, options);
  return serviceOf(definitionInRoot(root, serviceName, originOf(source), options), options);
}

/** As `loadService`, without blocking. */
export async function loadServiceAsync<Methods extends MethodMap<Methods> = UntypedMethods>(
  source: ProtoSource,
  serviceName: string,
  options: ServiceOptions = {},
): Promise<ProtoService<Methods>> {
  assertArguments(source, serviceName);
  assertKnownOptions(options, SERVICE_OPTIONS, 'loadServiceAsync()');
  if ('module' in source || 'root' in source) return loadService(source, serviceName, options);
  const root = await rootOfAsync(source, options);
  return serviceOf(definitionInRoot(root, serviceName, originOf(source), options), options);
}

function assertArguments(source: ProtoSource, serviceName: string): void {
  const kinds = ['file', 'text', 'root', 'module'];
  const given =
    typeof source === 'object' && source !== null ? kinds.filter((kind) => kind in source) : [];
  if (given.length !== 1) {
    throw new TypeError(
      'source must be an object with exactly one of file, text, root and module, such as { file: "shop.proto" }',
    );
  }
  if (typeof serviceName !== 'string' || serviceName === '') {
    throw new TypeError('serviceName must be the full name of a service, such as "demo.Files"');
  }
}

function originOf(source: ProtoSource): string {
  if ('file' in source) return String(source.file);
  if ('text' in source) return source.filename ?? 'the .proto text';
  return 'the protobufjs Root';
}

type InvocationDescription = RpcMethodInvocationDescription<object, object>;
type ServiceDescription = RpcMethodServiceDescription<object, object>;

function serviceOf<Methods extends MethodMap<Methods>>(
  definition: ProtoDefinition,
  options: ConversionOptions,
): ProtoService<Methods> {
  const { serviceName, methods, root, typeOf } = definition;

  function invocationDescriptions(): InvocationDescriptions<Methods> {
    const descriptions = emptyMap<InvocationDescription>();
    for (const method of methods) descriptions[method.name] = invocationDescription(method);
    return descriptions as InvocationDescriptions<Methods>;
  }

  function serviceDescriptions(behaviors: Behaviors<Methods>): ServiceDescriptions<Methods> {
    assertBehaviors(serviceName, methods, behaviors);
    const descriptions = emptyMap<ServiceDescription>();
    for (const method of methods) descriptions[method.name] = serviceDescription(method, behaviors);
    return descriptions as ServiceDescriptions<Methods>;
  }

  function message<Message extends object>(typeName: string): MessageCodec<Message> {
    return messageCodec<Message>(typeOf(typeName), typeName, options);
  }

  return { name: serviceName, methods, root, invocationDescriptions, serviceDescriptions, message };
}

/** Without a prototype, so that an RPC may have any name. */
function emptyMap<Value>(): Record<string, Value> {
  return Object.create(null) as Record<string, Value>;
}

function invocationDescription(method: ProtoMethod): InvocationDescription {
  const { encode } = method.request;
  const { decode } = method.response;
  switch (method.cardinality) {
    case Cardinality.UNARY_UNARY:
      return unaryUnaryInvocationDescription(encode, decode);
    case Cardinality.UNARY_STREAM:
      return unaryStreamInvocationDescription(encode, decode);
    case Cardinality.STREAM_UNARY:
      return streamUnaryInvocationDescription(encode, decode);
    case Cardinality.STREAM_STREAM:
      return streamStreamInvocationDescription(encode, decode);
  }
}

function serviceDescription(method: ProtoMethod, behaviors: object): ServiceDescription {
  const behavior: unknown = (behaviors as Record<string, unknown>)[method.name];
  const { decode } = method.request;
  const { encode } = method.response;
  switch (method.cardinality) {
    case Cardinality.UNARY_UNARY:
      return unaryUnaryServiceDescription(
        (behavior as UnaryUnaryBehavior<object, object>).bind(behaviors),
        decode,
        encode,
      );
    case Cardinality.UNARY_STREAM:
      return unaryStreamServiceDescription(
        (behavior as UnaryStreamBehavior<object, object>).bind(behaviors),
        decode,
        encode,
      );
    case Cardinality.STREAM_UNARY:
      return streamUnaryServiceDescription(
        (behavior as StreamUnaryBehavior<object, object>).bind(behaviors),
        decode,
        encode,
      );
    case Cardinality.STREAM_STREAM:
      return streamStreamServiceDescription(
        (behavior as StreamStreamBehavior<object, object>).bind(behaviors),
        decode,
        encode,
      );
  }
}

/** A class instance may have helper methods of its own; what a plain object has beside the RPCs is a misspelt name. */
function assertBehaviors(
  serviceName: string,
  methods: readonly ProtoMethod[],
  behaviors: unknown,
): void {
  if (typeof behaviors !== 'object' || behaviors === null) {
    throw new TypeError(`${serviceName}: behaviors must be an object with one method per RPC`);
  }
  const given = behaviors as Record<string, unknown>;
  const names = functionNames(behaviors);
  for (const { name } of methods) {
    const isInherited = given[name] === (Object.prototype as unknown as typeof given)[name];
    if (typeof given[name] === 'function' && !isInherited) continue;
    const near = nearestName(name, names);
    const advice = near === name ? 'must be a function' : 'must be spelt as in the .proto';
    const hint = near === null ? '' : `; "${near}" ${advice}`;
    throw new TypeError(`${serviceName}: behaviors has no method "${name}"${hint}`);
  }
  const prototype: unknown = Object.getPrototypeOf(behaviors);
  if (prototype !== Object.prototype && prototype !== null) return;
  const rpcs = new Set(methods.map((method) => method.name));
  for (const name of Object.keys(given)) {
    if (typeof given[name] !== 'function' || rpcs.has(name)) continue;
    throw new TypeError(
      `${serviceName}: behaviors has a method "${name}", which is no RPC of the service; it has ${[...rpcs].join(', ')}`,
    );
  }
}

/** Names of the functions of an object and of its classes. */
function functionNames(object: object): string[] {
  const names: string[] = [];
  let holder: object | null = object;
  while (holder !== null && holder !== Object.prototype) {
    names.push(...Object.getOwnPropertyNames(holder));
    holder = Object.getPrototypeOf(holder) as object | null;
  }
  return names;
}
