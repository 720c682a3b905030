/**
 * Definitions of a protobufjs Root as the octets of google.protobuf.FileDescriptorProto, the form in which reflection hands them out.
 * Field numbers are those of google/protobuf/descriptor.proto. Not carried over, because protobufjs keeps them in no usable form: comments,
 * source positions, and options other than the standard ones that change the meaning of octets or JSON.
 */

import protobuf from 'protobufjs';
import { fullNameOf, isService, isType } from '../protobuf/proto-check.ts';
import { extendeeOf, isEnum, isExtension } from './definitions.ts';

/** What a file is made of. */
export interface DescribedFile {
  /** The name that other files import it by, such as `demo/files.proto`. */
  readonly name: string;
  /** Empty for definitions outside any package. */
  readonly packageName: string;
  /** Names of the files that it imports. */
  readonly dependencies: readonly string[];
  /** Types, enums, services and extensions that are in no other definition. */
  readonly definitions: readonly protobuf.ReflectionObject[];
}

type Fill = (writer: protobuf.Writer) => void;

/** One embedded message: `fill` writes its fields. */
function embedded(writer: protobuf.Writer, field: number, fill: Fill): void {
  writer.uint32((field << 3) | 2).fork();
  fill(writer);
  writer.ldelim();
}

function text(writer: protobuf.Writer, field: number, value: string): void {
  writer.uint32((field << 3) | 2).string(value);
}

function number(writer: protobuf.Writer, field: number, value: number): void {
  writer.uint32(field << 3).int32(value);
}

/** Booleans are written only when true: false is the default of all of them. */
function flag(writer: protobuf.Writer, field: number, value: boolean): void {
  if (value) writer.uint32(field << 3).bool(true);
}

/** A message of options, left out when nothing is written into it. */
function options(writer: protobuf.Writer, field: number, fill: Fill): void {
  const inner = protobuf.Writer.create();
  fill(inner);
  if (inner.len > 0) writer.uint32((field << 3) | 2).bytes(inner.finish());
}

/** The `syntax` or edition of a definition. protobufjs knows it of what it parsed; of JSON without it, by what its fields do. */
function editionOf(definition: protobuf.ReflectionObject): string {
  const { _edition, _features } = definition as unknown as {
    readonly _edition?: string | null;
    readonly _features?: Features;
  };
  if (typeof _edition === 'string') return _edition;
  return _features?.field_presence === 'EXPLICIT' ? 'proto2' : 'proto3';
}

/** The octets of the file's FileDescriptorProto. */
export function encodeFileDescriptor(file: DescribedFile): Uint8Array {
  const writer = protobuf.Writer.create();
  const [first] = file.definitions;
  const edition = first === undefined ? 'proto3' : editionOf(first);
  text(writer, 1, file.name);
  if (file.packageName !== '') text(writer, 2, file.packageName);
  for (const dependency of file.dependencies) text(writer, 3, dependency);
  const encoder = new DefinitionEncoder(edition);
  for (const definition of file.definitions) {
    if (isType(definition)) embedded(writer, 4, (inner) => encoder.type(inner, definition));
    else if (isEnum(definition)) embedded(writer, 5, (inner) => encoder.enum(inner, definition));
    else if (isService(definition))
      embedded(writer, 6, (inner) => encoder.service(inner, definition));
    else if (isExtension(definition))
      embedded(writer, 7, (inner) => encoder.field(inner, definition, null));
  }
  if (edition === 'proto3') text(writer, 12, 'proto3');
  else if (edition !== 'proto2') {
    text(writer, 12, 'editions');
    number(writer, 14, EDITIONS.get(edition) ?? FIRST_EDITION);
  }
  return writer.finish();
}

const FIRST_EDITION = 1000;
const EDITIONS: ReadonlyMap<string, number> = new Map([
  ['2023', FIRST_EDITION],
  ['2024', 1001],
]);

interface Features {
  readonly field_presence?: string;
  readonly enum_type?: string;
  readonly repeated_field_encoding?: string;
}

/** Values of google.protobuf.FeatureSet that differ from what editions begin with: [field of FeatureSet, value]. */
function presenceFeature(features: Features | undefined): readonly [number, number] | null {
  if (features?.field_presence === 'IMPLICIT') return [1, 2];
  return features?.field_presence === 'LEGACY_REQUIRED' ? [1, 3] : null;
}

const FIELD_TYPES: ReadonlyMap<string, number> = new Map([
  ['double', 1],
  ['float', 2],
  ['int64', 3],
  ['uint64', 4],
  ['int32', 5],
  ['fixed64', 6],
  ['fixed32', 7],
  ['bool', 8],
  ['string', 9],
  ['bytes', 12],
  ['uint32', 13],
  ['sfixed32', 15],
  ['sfixed64', 16],
  ['sint32', 17],
  ['sint64', 18],
]);
const TYPE_GROUP = 10;
const TYPE_MESSAGE = 11;
const TYPE_ENUM = 14;

const LABEL_OPTIONAL = 1;
const LABEL_REQUIRED = 2;
const LABEL_REPEATED = 3;

/** What of a map field reflection has to know. */
interface MapLike extends protobuf.Field {
  readonly keyType: string;
}

/** Names as in the `.proto`, which protobufjs notes where it has changed them. */
interface Named {
  readonly protoName?: string | null;
  readonly jsonName?: string | null;
}

/** The field's name as in the `.proto`. */
export function protoNameOf(field: protobuf.Field): string {
  return (field as Named).protoName || field.name.split('.').at(-1) || field.name;
}

class DefinitionEncoder {
  readonly #edition: string;
  readonly #isEdition: boolean;

  constructor(edition: string) {
    this.#edition = edition;
    this.#isEdition = edition !== 'proto2' && edition !== 'proto3';
  }

  /** DescriptorProto. */
  type(writer: protobuf.Writer, type: protobuf.Type): void {
    text(writer, 1, type.name);
    // Fields of others' extensions, which protobufjs adds to the type, are not of its definition.
    const fields = type.fieldsArray.filter((field) => field.declaringField === null);
    const oneofs = this.#oneofsOf(type);
    for (const field of fields) {
      embedded(writer, 2, (inner) => this.field(inner, field, oneofs));
    }
    for (const field of fields) {
      if (field.map) embedded(writer, 3, (inner) => this.#mapEntry(inner, field as MapLike));
    }
    for (const nested of type.nestedArray) {
      if (isType(nested)) embedded(writer, 3, (inner) => this.type(inner, nested));
      else if (isEnum(nested)) embedded(writer, 4, (inner) => this.enum(inner, nested));
      else if (isExtension(nested)) embedded(writer, 6, (inner) => this.field(inner, nested, null));
    }
    for (const [start = 0, end = start] of type.extensions ?? []) range(writer, 5, start, end + 1);
    options(writer, 7, (inner) => {
      flag(inner, 1, type.options?.['message_set_wire_format'] === true);
      flag(inner, 3, type.options?.['deprecated'] === true);
    });
    for (const name of oneofs) embedded(writer, 8, (inner) => text(inner, 1, name));
    for (const reserved of type.reserved ?? []) {
      if (typeof reserved === 'string') text(writer, 10, reserved);
      else {
        const [start = 0, end = start] = reserved;
        range(writer, 9, start, end + 1);
      }
    }
  }

  /** Names of the oneofs, in the order of their indexes. Those that stand for `optional` come last, as descriptor.proto wants it. */
  #oneofsOf(type: protobuf.Type): readonly string[] {
    const real = type.oneofsArray.filter((oneof) => !isSynthetic(oneof));
    const synthetic = type.oneofsArray.filter(isSynthetic);
    return [...real, ...synthetic].map(oneofName);
  }

  /** FieldDescriptorProto; `oneofs` are those of its message, null for an extension. */
  field(writer: protobuf.Writer, field: protobuf.Field, oneofs: readonly string[] | null): void {
    field.resolve();
    const name = protoNameOf(field);
    text(writer, 1, name);
    if (oneofs === null) text(writer, 2, `.${fullNameOf(extendeeOf(field))}`);
    number(writer, 3, field.id);
    number(writer, 4, this.#labelOf(field));
    if (field.map) {
      number(writer, 5, TYPE_MESSAGE);
      const scope = field.parent === null ? '' : `${fullNameOf(field.parent)}.`;
      text(writer, 6, `.${scope}${mapEntryName(name)}`);
    } else this.#typeOf(writer, field);
    const fallback = field.options?.['default'] as unknown;
    if (fallback !== undefined && fallback !== null) text(writer, 7, defaultText(field, fallback));
    options(writer, 8, (inner) => this.#fieldOptions(inner, field));
    const { partOf } = field;
    if (partOf !== null && oneofs !== null) number(writer, 9, oneofs.indexOf(oneofName(partOf)));
    text(writer, 10, (field as Named).jsonName || protobuf.util.camelCase(name));
    flag(writer, 17, field.options?.['proto3_optional'] === true);
  }

  #labelOf(field: protobuf.Field): number {
    if (field.repeated || field.map) return LABEL_REPEATED;
    return field.required && this.#edition === 'proto2' ? LABEL_REQUIRED : LABEL_OPTIONAL;
  }

  #typeOf(
    writer: protobuf.Writer,
    field: { type: string; resolvedType: unknown; delimited?: boolean },
  ): void {
    const { resolvedType } = field;
    if (isType(resolvedType) || isEnum(resolvedType)) {
      const isGroup = field.delimited === true && this.#edition === 'proto2';
      const message = isGroup ? TYPE_GROUP : TYPE_MESSAGE;
      number(writer, 5, isType(resolvedType) ? message : TYPE_ENUM);
      text(writer, 6, `.${fullNameOf(resolvedType)}`);
    } else number(writer, 5, FIELD_TYPES.get(field.type) ?? TYPE_MESSAGE);
  }

  #fieldOptions(writer: protobuf.Writer, field: protobuf.Field): void {
    const packable =
      field.repeated && FIELD_TYPES.has(field.type) && !/^(string|bytes)$/.test(field.type);
    const canPack = packable || (field.repeated && isEnum(field.resolvedType));
    // proto3 packs unless told otherwise, proto2 the other way round; editions say it by a feature.
    if (canPack && !this.#isEdition && field.packed !== (this.#edition === 'proto3')) {
      writer.uint32(2 << 3).bool(field.packed);
    }
    flag(writer, 3, field.options?.['deprecated'] === true);
    if (!this.#isEdition) return;
    const { _features } = field as unknown as { readonly _features?: Features };
    const singular = !field.repeated && !field.map && field.partOf === null;
    const presence = singular ? presenceFeature(_features) : null;
    options(writer, 21, (features) => {
      const keepsMessages = presence?.[1] === 2 && isType(field.resolvedType);
      if (presence !== null && !keepsMessages) number(features, presence[0], presence[1]);
      if (canPack && !field.packed) number(features, 3, 2);
      if (field.delimited && isType(field.resolvedType)) number(features, 5, 2);
    });
  }

  /** The message that a map field stands for (protocol buffers language guide, Maps). */
  #mapEntry(writer: protobuf.Writer, field: MapLike): void {
    const { type, resolvedType, delimited } = field;
    text(writer, 1, mapEntryName(protoNameOf(field)));
    for (const [name, id, part] of [
      ['key', 1, { type: field.keyType, resolvedType: null }],
      ['value', 2, { type, resolvedType, delimited }],
    ] as const) {
      embedded(writer, 2, (inner) => {
        text(inner, 1, name);
        number(inner, 3, id);
        number(inner, 4, LABEL_OPTIONAL);
        this.#typeOf(inner, part);
        text(inner, 10, name);
      });
    }
    embedded(writer, 7, (inner) => flag(inner, 7, true));
  }

  /** EnumDescriptorProto. */
  enum(writer: protobuf.Writer, definition: protobuf.Enum): void {
    text(writer, 1, definition.name);
    const values = Object.entries(definition.values);
    for (const [name, value] of values) {
      embedded(writer, 2, (inner) => {
        text(inner, 1, name);
        number(inner, 2, value);
        const valueOptions = definition.valuesOptions?.[name] as
          | { deprecated?: unknown }
          | undefined;
        options(inner, 3, (innermost) => flag(innermost, 1, valueOptions?.deprecated === true));
      });
    }
    options(writer, 3, (inner) => {
      flag(inner, 2, new Set(values.map(([, value]) => value)).size < values.length);
      flag(inner, 3, definition.options?.['deprecated'] === true);
      const { _features } = definition as unknown as { readonly _features?: Features };
      if (this.#isEdition && _features?.enum_type === 'CLOSED') {
        embedded(inner, 7, (features) => number(features, 2, 2));
      }
    });
    for (const reserved of (definition.reserved ?? []) as (readonly number[] | string)[]) {
      if (typeof reserved === 'string') text(writer, 5, reserved);
      else {
        // Unlike that of messages, the end of these ranges is included.
        const [start = 0, end = start] = reserved;
        range(writer, 4, start, end);
      }
    }
  }

  /** ServiceDescriptorProto. */
  service(writer: protobuf.Writer, service: protobuf.Service): void {
    text(writer, 1, service.name);
    for (const method of service.methodsArray) {
      method.resolve();
      embedded(writer, 2, (inner) => {
        text(inner, 1, method.name);
        const { resolvedRequestType, resolvedResponseType } = method;
        if (resolvedRequestType !== null) text(inner, 2, `.${fullNameOf(resolvedRequestType)}`);
        if (resolvedResponseType !== null) text(inner, 3, `.${fullNameOf(resolvedResponseType)}`);
        options(inner, 4, (innermost) =>
          flag(innermost, 33, method.options?.['deprecated'] === true),
        );
        flag(inner, 5, method.requestStream === true);
        flag(inner, 6, method.responseStream === true);
      });
    }
    options(writer, 3, (inner) => flag(inner, 33, service.options?.['deprecated'] === true));
  }
}

function range(writer: protobuf.Writer, field: number, start: number, end: number): void {
  embedded(writer, field, (inner) => {
    number(inner, 1, start);
    number(inner, 2, end);
  });
}

function isSynthetic(oneof: protobuf.OneOf): boolean {
  const [only, ...others] = oneof.fieldsArray;
  return others.length === 0 && only?.options?.['proto3_optional'] === true;
}

/** protobufjs has made `pickOne` of `pick_one`, and keeps no trace; of the oneof of `optional` fields it makes `_` and the field's name. */
function oneofName(oneof: protobuf.OneOf): string {
  const [first] = oneof.fieldsArray;
  if (first !== undefined && isSynthetic(oneof)) return `_${protoNameOf(first)}`;
  return oneof.name.replace(
    /[a-z0-9][A-Z]/g,
    ([before = '', upper = '']) => `${before}_${upper.toLowerCase()}`,
  );
}

/** `by_name` → `ByNameEntry`, the only name that compilers accept for it. */
function mapEntryName(fieldName: string): string {
  const words = fieldName.split('_').filter((word) => word !== '');
  return `${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')}Entry`;
}

/** `default_value` as descriptor.proto writes it. */
function defaultText(field: protobuf.Field, value: unknown): string {
  if (field.type === 'bytes') return escapeBytes(value);
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  }
  return String(value);
}

/** C escapes, octal, for what is not visible ASCII. */
function escapeBytes(value: unknown): string {
  const octets =
    typeof value === 'string'
      ? Array.from(value, (character) => character.charCodeAt(0))
      : Array.from(value as Uint8Array);
  return octets
    .map((octet) => {
      const character = String.fromCharCode(octet);
      if (/[\\"']/.test(character)) return `\\${character}`;
      return octet < 0x20 || octet > 0x7e ? `\\${octet.toString(8).padStart(3, '0')}` : character;
    })
    .join('');
}
