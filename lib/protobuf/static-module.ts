/**
 * Services and messages of a protobufjs static module (`pbjs -t static-module`), which has classes in place of reflection.
 */

import type protobuf from 'protobufjs';
import { assertKnownOptions, type KnownOptions } from '../known-options.ts';
import { FieldProblem, shown } from './message-check.ts';
import { converterStart, problemText } from './message-depth.ts';
import { ProtoError } from './proto-error.ts';
import type { EncodableType } from './protobufjs-codec.ts';

/** What must be told about a method of a module that was made by an old pbjs, which wrote no metadata of methods. */
export interface StaticMethod {
  /** Full name of the request message, such as `demo.StatRequest`. */
  readonly request: string;
  /** Full name of the response message. */
  readonly response: string;
  readonly requestStream?: boolean;
  readonly responseStream?: boolean;
}

const STATIC_METHOD: KnownOptions<StaticMethod> = {
  request: true,
  response: true,
  requestStream: true,
  responseStream: true,
};

/** A protobufjs static module: the namespace of `import * as module`, or its `$root`. */
export interface StaticModuleSource {
  readonly module: object;
  /** The service's methods by RPC name, where the module itself does not tell. */
  readonly methods?: Readonly<Record<string, StaticMethod>>;
}

/** A message class of a static module. `verify`, `toObject` may be left out by pbjs options. */
interface MessageClass {
  readonly prototype: object;
  encode(message: object, writer: protobuf.Writer, depth: number): protobuf.Writer;
  /** Old versions of pbjs wrote neither `endTag` nor the depth, here and elsewhere. */
  decode(
    octets: Uint8Array | protobuf.Reader,
    length: undefined,
    endTag: undefined,
    depth: number,
  ): object;
  verify?(message: object, depth: number): string | null;
  toObject?(message: object, options: protobuf.IConversionOptions, depth: number): object;
}

/** A method as found in the module or in the table. */
export interface FoundMethod {
  readonly name: string;
  readonly request: EncodableType;
  readonly response: EncodableType;
  readonly requestStreaming: boolean;
  readonly responseStreaming: boolean;
}

/** The methods of the service `serviceName`. Throws ProtoError when they are not to be found in the module. */
export function staticMethods(source: StaticModuleSource, serviceName: string): FoundMethod[] {
  if (source.methods !== undefined) {
    return Object.entries(source.methods).map(([name, method]) => {
      assertKnownOptions(method, STATIC_METHOD, `methods.${name} of the static module`);
      return {
        name,
        request: encodableOfClass(source.module, method.request),
        response: encodableOfClass(source.module, method.response),
        requestStreaming: method.requestStream === true,
        responseStreaming: method.responseStream === true,
      };
    });
  }
  const service = lookup(source.module, serviceName);
  if (typeof service !== 'function') {
    throw new ProtoError(
      `the static module has no service "${serviceName}"; it is looked up by its full name, package first. If pbjs left services out (--no-service), give its methods in the option "methods"`,
      null,
      null,
    );
  }
  return Object.values(Object.getOwnPropertyDescriptors(service.prototype as object))
    .map((property) => property.value as unknown)
    .filter((value) => typeof value === 'function' && value !== service)
    .map((method) => describedMethod(source.module, method as DescribedMethod, serviceName));
}

/** A method of a static service class with the metadata that pbjs puts on it. */
interface DescribedMethod {
  readonly name: string;
  readonly path?: string;
  call(self: object, request: object): unknown;
  readonly requestStream?: boolean;
  readonly responseStream?: boolean;
  readonly requestType?: string;
  readonly responseType?: string;
}

function describedMethod(
  module: object,
  method: DescribedMethod,
  serviceName: string,
): FoundMethod {
  const { name, requestType, responseType } = method;
  if (method.path === undefined || requestType === undefined || responseType === undefined) {
    throw new ProtoError(
      `the static module does not say which types ${serviceName}.${name} has and which sides stream: it was made by an old pbjs. Make it anew with a current protobufjs-cli, or give the methods in the option "methods"`,
      null,
      null,
    );
  }
  return {
    name,
    request: encodableOfClass(module, requestType, serviceName),
    response: encodableOfClass(module, responseType, serviceName),
    requestStreaming: method.requestStream === true,
    responseStreaming: method.responseStream === true,
  };
}

/**
 * The message class `typeName`, looked up as the `.proto` does: from the scope of `scope` outwards. Throws ProtoError when there is none.
 */
export function encodableOfClass(module: object, typeName: string, scope = ''): EncodableType {
  const name = typeName.replace(/^\./, '');
  const scopes = typeName.startsWith('.') ? [] : scope.split('.').slice(0, -1);
  for (let depth = scopes.length; depth >= 0; depth -= 1) {
    const fullName = [...scopes.slice(0, depth), name].join('.');
    const found = lookup(module, fullName);
    if (isMessageClass(found)) return encodable(found, fullName);
  }
  throw new ProtoError(
    `the static module has no message class "${typeName}" with encode and decode; check the full name, and that pbjs ran without --no-encode and --no-decode`,
    null,
    null,
  );
}

/** Own properties only: a name such as `constructor` must not find what every object inherits. */
function lookup(module: object, fullName: string): unknown {
  let found: unknown = module;
  for (const part of fullName.split('.')) {
    const isHolder = (typeof found === 'object' && found !== null) || typeof found === 'function';
    if (!isHolder || !Object.hasOwn(found as object, part)) return undefined;
    found = (found as Record<string, unknown>)[part];
  }
  return found;
}

function isMessageClass(found: unknown): found is MessageClass {
  if (typeof found !== 'function') return false;
  const { encode, decode } = found as Partial<MessageClass>;
  return typeof encode === 'function' && typeof decode === 'function';
}

function encodable(messageClass: MessageClass, name: string): EncodableType {
  return {
    name,
    holdsBytes: true, // not known without reflection
    encode: (message, writer, depth) => messageClass.encode(message, writer, depth),
    decode: (octets, depth) => messageClass.decode(octets, undefined, undefined, depth),
    toObject: (message, options, depth) => {
      if (messageClass.toObject === undefined) {
        throw new TypeError(`${name} has no toObject: pbjs ran with --no-convert`);
      }
      return messageClass.toObject(message, options, depth);
    },
    check: (message, maxDepth) => checkAgainstClass(messageClass, name, message, maxDepth),
  };
}

/** The class's own `verify`, and its prototype, which has a default for every field and nothing else that is enumerable by name. */
function checkAgainstClass(
  messageClass: MessageClass,
  name: string,
  message: unknown,
  maxDepth: number,
): object {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) {
    throw new FieldProblem('', `must be a ${name} message, got ${shown(message)}`);
  }
  for (const field of Object.keys(message)) {
    if (!(field in messageClass.prototype) && field !== '$unknowns') {
      throw new FieldProblem(field, `is not a field of ${name}`);
    }
  }
  const problem = messageClass.verify?.(message, converterStart(maxDepth)) ?? null;
  if (problem !== null) throw new FieldProblem('', problemText(problem, maxDepth));
  return message;
}
