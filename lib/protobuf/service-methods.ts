/**
 * The methods of one service, wherever it is defined, with a codec for each message.
 */

import type protobuf from 'protobufjs';
import { Cardinality } from '../method.ts';
import type { ProtoFileSource, ProtoTextSource } from './load.ts';
import { checkDefinitions, definitionsIn, fullNameOf, isService, isType } from './proto-check.ts';
import { nearestName, ProtoError } from './proto-error.ts';
import {
  type ConversionOptions,
  type EncodableType,
  encodableOfType,
  type MessageCodec,
  messageCodec,
} from './protobufjs-codec.ts';
import {
  encodableOfClass,
  type FoundMethod,
  type StaticModuleSource,
  staticMethods,
} from './static-module.ts';

/** A protobufjs Root, made by protobufjs itself or by `loadRoot`. */
export interface ProtoRootSource {
  readonly root: protobuf.Root;
}

/** Where a service may come from. */
export type ProtoSource = ProtoFileSource | ProtoTextSource | ProtoRootSource | StaticModuleSource;

/** One RPC method of a service. */
export interface ProtoMethod {
  /** The name as in the `.proto`. */
  readonly name: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly cardinality: Cardinality;
  readonly requestStreaming: boolean;
  readonly responseStreaming: boolean;
  readonly request: MessageCodec;
  readonly response: MessageCodec;
}

/** A service's methods, and access to the messages defined beside it. */
export interface ProtoDefinition {
  readonly serviceName: string;
  readonly methods: readonly ProtoMethod[];
  /** The Root that defines it; null for a static module, which has none. */
  readonly root: protobuf.Root | null;
  /** The type of that full name. Throws ProtoError when there is none. */
  readonly typeOf: (typeName: string) => EncodableType;
}

/** The definition of `serviceName` in a protobufjs Root. `origin` says in errors where it came from. */
export function definitionInRoot(
  root: protobuf.Root,
  serviceName: string,
  origin: string,
  options: ConversionOptions,
): ProtoDefinition {
  if (typeof root?.resolveAll !== 'function') {
    throw new TypeError(
      'source.root must be a protobufjs Root; make one of a JSON descriptor with protobuf.Root.fromJSON',
    );
  }
  checkDefinitions(root, new Map());
  const service = serviceIn(root, serviceName, origin);
  const encodables = new Map<protobuf.Type, EncodableType>();
  const encodable = (type: protobuf.Type): EncodableType => {
    const known = encodables.get(type);
    if (known !== undefined) return known;
    const made = encodableOfType(type, options.toObject);
    encodables.set(type, made);
    return made;
  };
  const found = service.methodsArray.map((method): FoundMethod => {
    const { resolvedRequestType, resolvedResponseType } = method.resolve() as protobuf.Method;
    if (resolvedRequestType === null || resolvedResponseType === null) {
      throw new ProtoError(`the types of ${method.fullName} are not resolved`, null, null);
    }
    return {
      name: method.name,
      request: encodable(resolvedRequestType),
      response: encodable(resolvedResponseType),
      requestStreaming: method.requestStream === true,
      responseStreaming: method.responseStream === true,
    };
  });
  const typeOf = (typeName: string): EncodableType => encodable(typeIn(root, typeName, origin));
  return { serviceName, methods: protoMethods(serviceName, found, options), root, typeOf };
}

/** The definition of `serviceName` in a static module. */
export function definitionInModule(
  source: StaticModuleSource,
  serviceName: string,
  options: ConversionOptions,
): ProtoDefinition {
  const found = staticMethods(source, serviceName);
  return {
    serviceName,
    methods: protoMethods(serviceName, found, options),
    root: null,
    typeOf: (typeName) => encodableOfClass(source.module, typeName),
  };
}

function protoMethods(
  serviceName: string,
  found: readonly FoundMethod[],
  options: ConversionOptions,
): ProtoMethod[] {
  return found.map(({ name, request, response, requestStreaming, responseStreaming }) => {
    const path = `/${serviceName}/${name}`;
    return {
      name,
      path,
      cardinality: cardinalityOf(requestStreaming, responseStreaming),
      requestStreaming,
      responseStreaming,
      request: messageCodec(request, `request of ${path}`, options),
      response: messageCodec(response, `response of ${path}`, options),
    };
  });
}

function cardinalityOf(requestStreaming: boolean, responseStreaming: boolean): Cardinality {
  if (requestStreaming) {
    return responseStreaming ? Cardinality.STREAM_STREAM : Cardinality.STREAM_UNARY;
  }
  return responseStreaming ? Cardinality.UNARY_STREAM : Cardinality.UNARY_UNARY;
}

function serviceIn(root: protobuf.Root, serviceName: string, origin: string): protobuf.Service {
  const services = [...definitionsIn(root)].filter(isService);
  const service = services.find((candidate) => fullNameOf(candidate) === serviceName);
  if (service !== undefined) return service;
  const names = services.map(fullNameOf);
  const near = nearestName(serviceName, names);
  const known = names.length === 0 ? 'there is none' : `there is ${names.join(', ')}`;
  const hint = near === null ? known : `is it "${near}"?`;
  throw new ProtoError(`no service "${serviceName}" in ${origin}; ${hint}`, null, null);
}

function typeIn(root: protobuf.Root, typeName: string, origin: string): protobuf.Type {
  const types = [...definitionsIn(root)].filter(isType);
  const type = types.find((candidate) => fullNameOf(candidate) === typeName);
  if (type !== undefined) return type;
  const near = nearestName(typeName, types.map(fullNameOf));
  const hint = near === null ? 'import the file that defines it' : `is it "${near}"?`;
  throw new ProtoError(`no message type "${typeName}" in ${origin}; ${hint}`, null, null);
}
