/** Finds the files of definitions: by name, by what they define, by what they extend. Octets are made when first asked for, and kept. */

import type protobuf from 'protobufjs';
import { definitionsIn, fullNameOf, isService, isType } from '../protobuf/proto-check.ts';
import { extendeeOf, isEnum, isExtension } from './definitions.ts';
import { describedFiles } from './described-files.ts';
import { type DescribedFile, encodeFileDescriptor, protoNameOf } from './file-descriptor.ts';

/** One file of an index. */
export class IndexedFile {
  readonly file: DescribedFile;
  #octets: Uint8Array | null;

  constructor(file: DescribedFile) {
    this.file = file;
    this.#octets = null;
  }

  /** Its FileDescriptorProto; do not modify. */
  get octets(): Uint8Array {
    this.#octets ??= encodeFileDescriptor(this.file);
    return this.#octets;
  }
}

/** The files of some Roots. Never reads anything from outside; what it holds does not grow with requests. */
export class DescriptorIndex {
  readonly #files: Map<string, IndexedFile>;
  /** Full name → the definition and its file. */
  readonly #symbols: Map<string, { definition: protobuf.ReflectionObject; file: IndexedFile }>;
  /** Extended message → number of an extension → its file. */
  readonly #extensions: Map<string, Map<number, IndexedFile>>;

  /** Throws as `describedFiles`. */
  constructor(roots: readonly protobuf.Root[]) {
    this.#files = new Map();
    this.#symbols = new Map();
    this.#extensions = new Map();
    for (const described of describedFiles(roots)) {
      const file = new IndexedFile(described);
      this.#files.set(described.name, file);
      for (const definition of described.definitions) {
        this.#add(definition, file);
        if (!isType(definition)) continue;
        for (const nested of definitionsIn(definition)) this.#add(nested, file);
      }
    }
  }

  #add(definition: protobuf.ReflectionObject, file: IndexedFile): void {
    if (isExtension(definition)) {
      const extendee = fullNameOf(extendeeOf(definition));
      const numbers = this.#extensions.get(extendee) ?? new Map<number, IndexedFile>();
      numbers.set(definition.id, file);
      this.#extensions.set(extendee, numbers);
    }
    const symbol = symbolOf(definition);
    this.#symbols.set(symbol, { definition, file });
    if (!isEnum(definition)) return;
    // Enum values are named beside their enum, not in it (protocol buffers language guide).
    const scope = symbol.slice(0, symbol.lastIndexOf('.') + 1);
    for (const value of Object.keys(definition.values)) {
      this.#symbols.set(scope + value, { definition, file });
    }
  }

  /** The file of that import name. */
  byName(fileName: string): IndexedFile | undefined {
    return this.#files.get(fileName);
  }

  /** The file that defines a message, enum, service or extension, or the field, oneof, enum value or method of one. */
  bySymbol(symbol: string): IndexedFile | undefined {
    const found = this.#symbols.get(symbol);
    if (found !== undefined) return found.file;
    const dot = symbol.lastIndexOf('.');
    const holder = this.#symbols.get(symbol.slice(0, Math.max(0, dot)));
    const member = symbol.slice(dot + 1);
    return holder !== undefined && hasMember(holder.definition, member) ? holder.file : undefined;
  }

  /** The file with extension `number` of the message `extendee`. */
  byExtension(extendee: string, number: number): IndexedFile | undefined {
    return this.#extensions.get(extendee)?.get(number);
  }

  /** The numbers of all extensions of the message, in order; undefined when there is no such message. */
  extensionNumbers(extendee: string): number[] | undefined {
    if (!isType(this.#symbols.get(extendee)?.definition)) return undefined;
    return [...(this.#extensions.get(extendee)?.keys() ?? [])].sort((a, b) => a - b);
  }

  /** `file` and the files that it needs, nearest first, each once. */
  *withImports(file: IndexedFile): Generator<IndexedFile> {
    const found = new Set([file]);
    // A Set is iterated in the order of adding, what is added meanwhile included.
    for (const next of found) {
      yield next;
      for (const name of next.file.dependencies) {
        const imported = this.#files.get(name);
        if (imported !== undefined) found.add(imported);
      }
    }
  }
}

/** The full name as in the `.proto`, which protobufjs changes for extensions. */
function symbolOf(definition: protobuf.ReflectionObject): string {
  const name = fullNameOf(definition);
  if (!isExtension(definition)) return name;
  return `${name.slice(0, name.lastIndexOf('.') + 1)}${protoNameOf(definition)}`;
}

function hasMember(definition: protobuf.ReflectionObject, name: string): boolean {
  if (isType(definition)) {
    return (
      definition.fieldsArray.some(
        (field) => field.declaringField === null && protoNameOf(field) === name,
      ) || definition.oneofsArray.some((oneof) => oneof.name === name)
    );
  }
  return isService(definition) && definition.methodsArray.some((method) => method.name === name);
}
