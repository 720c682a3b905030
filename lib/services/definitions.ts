/** More about protobufjs reflection objects, recognised by shape, so that a Root of another protobufjs copy works too. */

import type protobuf from 'protobufjs';
import { isService, isType } from '../protobuf/proto-check.ts';

/** Whether `definition` is an enum. */
export function isEnum(definition: unknown): definition is protobuf.Enum {
  return typeof definition === 'object' && definition !== null && 'valuesById' in definition;
}

/** Whether `definition` is an extension: a field that stands outside the message it belongs to. */
export function isExtension(definition: unknown): definition is protobuf.Field {
  if (typeof definition !== 'object' || definition === null || !('id' in definition)) return false;
  return typeof (definition as { readonly extend?: unknown }).extend === 'string';
}

/** The message that an extension extends. Throws TypeError when nothing has that name. */
export function extendeeOf(field: protobuf.Field): protobuf.Type {
  const extended = field.extensionField?.parent ?? field.parent?.lookup(field.extend ?? '');
  if (isType(extended)) return extended;
  throw new TypeError(`extension ${field.fullName} extends ${field.extend}, which is not known`);
}

/** The definitions that `definition` mentions: types of its fields, of its methods, of what is in it, and the extended message. */
export function* mentionedBy(definition: unknown): Generator<protobuf.ReflectionObject> {
  if (isType(definition)) {
    for (const field of definition.fieldsArray) {
      if (field.declaringField === null) yield* mentionedByField(field);
    }
    for (const nested of definition.nestedArray) yield* mentionedBy(nested);
  } else if (isService(definition)) {
    for (const method of definition.methodsArray) {
      method.resolve();
      if (method.resolvedRequestType !== null) yield method.resolvedRequestType;
      if (method.resolvedResponseType !== null) yield method.resolvedResponseType;
    }
  } else if (isExtension(definition)) {
    yield extendeeOf(definition);
    yield* mentionedByField(definition);
  }
}

function* mentionedByField(field: protobuf.Field): Generator<protobuf.ReflectionObject> {
  const { resolvedType } = field.resolve() as protobuf.Field;
  if (resolvedType !== null) yield resolvedType;
}
