/** Asks a server what it serves and how that is defined (server reflection, v1 or v1alpha). */

import type protobuf from 'protobufjs';
import type { CancellableIterator } from '../alpha/interfaces.ts';
import { assertKnownOptions, type KnownOptions } from '../known-options.ts';
import { RpcError } from '../rpc-error.ts';
import { Status } from '../status.ts';
import {
  callOptions,
  DEFAULT_TIMEOUT_SECONDS,
  SERVICE_CALL_OPTIONS,
  type ServiceCallOptions,
  withStub,
} from './call-service.ts';
import {
  type ReflectionRequest,
  type ReflectionResponse,
  reflectionDefinition,
} from './reflection-definition.ts';

/** How `describe` makes its Root. */
export interface DescribeOptions extends ServiceCallOptions {
  /** True: field names stay as in the `.proto`; false, the default: `camelCase`. */
  readonly keepCase?: boolean | undefined;
}

const DESCRIBE_OPTIONS: KnownOptions<DescribeOptions> = {
  ...SERVICE_CALL_OPTIONS,
  keepCase: true,
};

/** What a server may make us hold: files and octets of one description. Beyond: RESOURCE_EXHAUSTED. */
const MAX_FILES = 2000;
const MAX_OCTETS = 16_777_216;
/** Members of one definition: protobufjs takes time by their square. Beyond: RESOURCE_EXHAUSTED. */
const MAX_MEMBERS = 5000;

/** The full names of the services of the server at `host` and `port`, as in `stub`, sorted. Rejects with RpcError, UNIMPLEMENTED when it has no reflection. */
export async function listServices(
  host: string,
  port: number | undefined,
  options: ServiceCallOptions = {},
): Promise<string[]> {
  assertKnownOptions(options, SERVICE_CALL_OPTIONS, 'listServices()');
  return withReflection(host, port, options, async (conversation) => {
    const { listServicesResponse } = await conversation.ask({ listServices: '' });
    return (listServicesResponse?.service ?? []).map(({ name }) => name).sort();
  });
}

/**
 * The definition of `symbol` (a service, method, message, …) with all that it needs, as a protobufjs Root: `loadService({ root }, name)` makes a
 * service of it that can be called. Rejects with RpcError: NOT_FOUND when the server does not know it, UNIMPLEMENTED without reflection.
 */
export async function describe(
  host: string,
  port: number | undefined,
  symbol: string,
  options: DescribeOptions = {},
): Promise<protobuf.Root> {
  assertKnownOptions(options, DESCRIBE_OPTIONS, 'describe()');
  return withReflection(host, port, options, async (conversation) => {
    const files = new DescriptorFiles(await descriptorExtension());
    files.add(await conversation.ask({ fileContainingSymbol: symbol }));
    for (let name = files.missing(); name !== undefined; name = files.missing()) {
      files.add(await conversation.ask({ fileByFilename: name }));
      files.assertHas(name);
    }
    return files.toRoot(options.keepCase === true);
  });
}

/** One stream of questions and answers. */
class Conversation {
  readonly #answers: CancellableIterator<ReflectionResponse>;
  #question: ReflectionRequest | null;
  #wake: () => void;
  #over: boolean;

  constructor(
    begin: (questions: AsyncIterable<ReflectionRequest>) => CancellableIterator<ReflectionResponse>,
  ) {
    this.#question = null;
    this.#wake = (): void => {};
    this.#over = false;
    this.#answers = begin(this.#questions());
  }

  async *#questions(): AsyncGenerator<ReflectionRequest> {
    while (!this.#over) {
      if (this.#question === null) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const question = this.#question;
      this.#question = null;
      yield question;
    }
  }

  /** Asks, and waits for the answer. Rejects with RpcError for an answer that is an error too. */
  async ask(question: ReflectionRequest): Promise<ReflectionResponse> {
    this.#question = question;
    this.#wake();
    const { done, value } = await this.#answers.next();
    if (done === true) {
      throw new RpcError(Status.INTERNAL, 'the server ended the stream instead of answering');
    }
    const { errorResponse } = value;
    if (errorResponse === undefined || errorResponse === null) return value;
    const { errorCode = Status.UNKNOWN, errorMessage = '' } = errorResponse;
    throw new RpcError(errorCode, errorMessage);
  }

  /** No more questions. */
  async end(): Promise<void> {
    this.#over = true;
    this.#wake();
    await this.#answers.return?.();
  }
}

/** Runs `use` over v1 or, where the server does not have it, v1alpha. */
async function withReflection<Result>(
  host: string,
  port: number | undefined,
  options: ServiceCallOptions,
  use: (conversation: Conversation) => Promise<Result>,
): Promise<Result> {
  const asked = callOptions(options, DEFAULT_TIMEOUT_SECONDS);
  const converse = (version: 'v1' | 'v1alpha'): Promise<Result> => {
    const definition = reflectionDefinition(version);
    return withStub(
      definition.name,
      definition.invocationDescriptions(),
      host,
      port,
      options,
      async (reflection) => {
        const conversation = new Conversation((questions) =>
          reflection.ServerReflectionInfo(questions, asked),
        );
        try {
          return await use(conversation);
        } finally {
          await conversation.end();
        }
      },
    );
  };
  try {
    return await converse('v1');
  } catch (error) {
    if (error instanceof RpcError && error.code === Status.UNIMPLEMENTED)
      return converse('v1alpha');
    throw error;
  }
}

/** The part of protobufjs's descriptor extension that is used here. */
interface DescriptorExtension {
  readonly FileDescriptorProto: { decode(octets: Uint8Array): DecodedFile };
  readonly Root: {
    fromDescriptor(
      set: { readonly file: readonly DecodedFile[] },
      options: { readonly keepCase: boolean },
    ): protobuf.Root;
  };
}

/** The parts of a descriptor that can be many. */
interface DecodedDefinition {
  readonly messageType?: readonly DecodedDefinition[];
  readonly nestedType?: readonly DecodedDefinition[];
  readonly enumType?: readonly { readonly value: readonly unknown[] }[];
  readonly service?: readonly { readonly method: readonly unknown[] }[];
  readonly field?: readonly unknown[];
  readonly extension?: readonly unknown[];
}

interface DecodedFile extends DecodedDefinition {
  readonly name: string;
  readonly dependency: readonly string[];
}

/** The most members that a definition has, it and those in it. */
function mostMembers(definition: DecodedDefinition): number {
  const { messageType = [], nestedType = [], enumType = [], service = [] } = definition;
  const types = [...messageType, ...nestedType];
  const { field = [], extension = [] } = definition;
  let most = types.length + enumType.length + service.length + field.length + extension.length;
  for (const { value } of enumType) most = Math.max(most, value.length);
  for (const { method } of service) most = Math.max(most, method.length);
  for (const type of types) most = Math.max(most, mostMembers(type));
  return most;
}

/** Loaded when first needed: it parses descriptor.proto's definition. */
async function descriptorExtension(): Promise<DescriptorExtension> {
  const [{ default: protobuf }, descriptor] = await Promise.all([
    import('protobufjs'),
    import('protobufjs/ext/descriptor.js'),
  ]);
  const { FileDescriptorProto } = descriptor.default as unknown as DescriptorExtension;
  return { FileDescriptorProto, Root: protobuf.Root as unknown as DescriptorExtension['Root'] };
}

/** The files of one description as they arrive. */
class DescriptorFiles {
  readonly #extension: DescriptorExtension;
  readonly #files: Map<string, DecodedFile>;
  readonly #wanted: Set<string>;
  #octets: number;

  constructor(extension: DescriptorExtension) {
    this.#extension = extension;
    this.#files = new Map();
    this.#wanted = new Set();
    this.#octets = 0;
  }

  /** Takes the files of an answer. Throws RpcError when they are none, or too many. */
  add({ fileDescriptorResponse }: ReflectionResponse): void {
    for (const octets of fileDescriptorResponse?.fileDescriptorProto ?? []) {
      this.#octets += octets.length;
      const file = this.#decode(octets);
      if (mostMembers(file) > MAX_MEMBERS) {
        throw new RpcError(
          Status.RESOURCE_EXHAUSTED,
          `a definition in "${file.name}" has more than ${MAX_MEMBERS} members`,
        );
      }
      if (this.#files.has(file.name)) continue;
      this.#files.set(file.name, file);
      for (const name of file.dependency) this.#wanted.add(name);
      if (this.#octets > MAX_OCTETS || this.#wanted.size + this.#files.size > MAX_FILES) {
        throw new RpcError(
          Status.RESOURCE_EXHAUSTED,
          `the description has more than ${MAX_FILES} files or ${MAX_OCTETS} octets`,
        );
      }
    }
    for (const name of this.#files.keys()) this.#wanted.delete(name);
  }

  #decode(octets: Uint8Array): DecodedFile {
    try {
      return this.#extension.FileDescriptorProto.decode(octets);
    } catch (cause) {
      throw new RpcError(Status.INTERNAL, 'the server sent no FileDescriptorProto', null, cause);
    }
  }

  /** A file that is imported and not here yet. */
  missing(): string | undefined {
    return this.#wanted.values().next().value;
  }

  /** Throws RpcError when the file is not among those received: a server that gives others could be asked for ever. */
  assertHas(name: string): void {
    if (this.#files.has(name)) return;
    throw new RpcError(Status.INTERNAL, `the server answered without the file "${name}"`);
  }

  toRoot(keepCase: boolean): protobuf.Root {
    try {
      return this.#extension.Root.fromDescriptor({ file: [...this.#files.values()] }, { keepCase });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new RpcError(Status.INTERNAL, `the description cannot be used: ${why}`, null, cause);
    }
  }
}
