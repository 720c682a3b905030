/**
 * Server reflection (grpc/grpc doc/server-reflection.md): tells clients which services a server has and how they are defined, from the
 * definitions in memory. Opt-in: it tells the whole definition to whoever may call the server.
 */

import type protobuf from 'protobufjs';
import type { RequestIterator, ServiceMethods } from '../alpha/interfaces.ts';
import { RpcError } from '../rpc-error.ts';
import { Status } from '../status.ts';
import { DescriptorIndex, type IndexedFile } from './descriptor-index.ts';
import {
  type ReflectionRequest,
  type ReflectionResponse,
  reflectionDefinition,
} from './reflection-definition.ts';

/** A service that reflection tells of: what `loadService` gives, or a name with the Root that defines it; without a Root it is only listed. */
export interface ReflectedService {
  readonly name: string;
  readonly root: protobuf.Root | null;
}

/** Octets of imported files that come unasked with one answer; clients ask for the rest by name. */
const MAX_IMPORTED_OCTETS = 1_048_576;

/** Longest name that can be asked for: no definition has a longer one, and answers repeat it. */
const MAX_NAME_CHARACTERS = 1024;

/**
 * What `server` takes beside the services themselves: grpc.reflection.v1 and v1alpha by service name, telling of `services` and of themselves.
 * Throws TypeError for a value that is no service, and for a service that its Root does not define.
 */
export function reflectionServices(
  services: Iterable<ReflectedService>,
): Readonly<Record<string, ServiceMethods>> {
  const versions = (['v1', 'v1alpha'] as const).map(reflectionDefinition);
  const reflector = new Reflector([...services, ...versions]);
  return Object.fromEntries(
    versions.map((definition) => [
      definition.name,
      definition.serviceDescriptions({
        ServerReflectionInfo: (requests) => reflector.answers(requests),
      }) as unknown as ServiceMethods,
    ]),
  );
}

class Reflector {
  readonly #names: readonly string[];
  readonly #index: DescriptorIndex;

  constructor(services: readonly ReflectedService[]) {
    for (const service of services) assertReflected(service);
    this.#names = [...new Set(services.map(({ name }) => name))].sort();
    const roots = new Set(services.flatMap(({ root }) => (root === null ? [] : [root])));
    this.#index = new DescriptorIndex([...roots]);
    for (const { name, root } of services) {
      if (root !== null && this.#index.bySymbol(name) === undefined) {
        throw new TypeError(`service "${name}" is not defined in its root`);
      }
    }
  }

  /** The answers to one stream of requests. */
  async *answers(requests: RequestIterator<ReflectionRequest>): AsyncGenerator<ReflectionResponse> {
    /** Files that this client has: an import is told once. */
    const told = new Set<IndexedFile>();
    for await (const request of requests) yield this.#answer(request, told);
  }

  #answer(request: ReflectionRequest, told: Set<IndexedFile>): ReflectionResponse {
    const { host = '' } = request;
    return { validHost: host, originalRequest: request, ...this.#content(request, told) };
  }

  #content(request: ReflectionRequest, told: Set<IndexedFile>): Partial<ReflectionResponse> {
    const index = this.#index;
    const { fileByFilename, fileContainingSymbol, fileContainingExtension } = request;
    if (fileByFilename !== undefined) {
      const file = index.byName(named(fileByFilename));
      return this.#files(file, `file "${fileByFilename}"`, told);
    }
    if (fileContainingSymbol !== undefined) {
      const file = index.bySymbol(named(fileContainingSymbol));
      return this.#files(file, `symbol "${fileContainingSymbol}"`, told);
    }
    if (fileContainingExtension !== undefined && fileContainingExtension !== null) {
      const { containingType = '', extensionNumber = 0 } = fileContainingExtension;
      const file = index.byExtension(named(containingType), extensionNumber);
      return this.#files(file, `extension ${extensionNumber} of "${containingType}"`, told);
    }
    if (request.allExtensionNumbersOfType !== undefined) {
      const baseTypeName = named(request.allExtensionNumbersOfType);
      const extensionNumber = index.extensionNumbers(baseTypeName);
      return extensionNumber === undefined
        ? notFound(`message "${baseTypeName}"`)
        : { allExtensionNumbersResponse: { baseTypeName, extensionNumber } };
    }
    if (request.listServices !== undefined) {
      named(request.listServices);
      return { listServicesResponse: { service: this.#names.map((name) => ({ name })) } };
    }
    const errorMessage = 'the request asks nothing that this server knows of';
    return { errorResponse: { errorCode: Status.INVALID_ARGUMENT, errorMessage } };
  }

  /** The file, and of what it imports as much as the answer may hold and the client has not been told. */
  #files(
    file: IndexedFile | undefined,
    what: string,
    told: Set<IndexedFile>,
  ): Partial<ReflectionResponse> {
    if (file === undefined) return notFound(what);
    const fileDescriptorProto = [file.octets];
    told.add(file);
    let left = MAX_IMPORTED_OCTETS;
    for (const imported of this.#index.withImports(file)) {
      if (told.has(imported)) continue;
      left -= imported.octets.length;
      if (left < 0) break;
      told.add(imported);
      fileDescriptorProto.push(imported.octets);
    }
    return { fileDescriptorResponse: { fileDescriptorProto } };
  }
}

function notFound(what: string): Partial<ReflectionResponse> {
  return { errorResponse: { errorCode: Status.NOT_FOUND, errorMessage: `${what} not found` } };
}

/** Clients may write a symbol with a leading dot, as descriptors do. Throws RpcError for a name that cannot be one. */
function named(name: string): string {
  if (name.length > MAX_NAME_CHARACTERS) {
    throw new RpcError(
      Status.INVALID_ARGUMENT,
      `names have at most ${MAX_NAME_CHARACTERS} characters, got ${name.length}`,
    );
  }
  return name.startsWith('.') ? name.slice(1) : name;
}

function assertReflected(service: ReflectedService): void {
  const isOne =
    typeof service === 'object' &&
    service !== null &&
    typeof service.name === 'string' &&
    (service.root === null || typeof service.root?.resolveAll === 'function');
  if (isOne) return;
  throw new TypeError(
    'reflection takes services of loadService, or objects with the name of a service and the protobufjs Root that defines it',
  );
}
