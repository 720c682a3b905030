/**
 * Finds what protobufjs accepts but cannot work: names that resolve to nothing and impossible field numbers, with file and line.
 */

import type protobuf from 'protobufjs';
import { nearestName, ProtoError } from './proto-error.ts';

/** Field numbers are 1 to 2^29 - 1, without the range that protocol buffers reserve for themselves (proto3 language guide). */
const MAX_FIELD_NUMBER = 536_870_911;
const FIRST_RESERVED_NUMBER = 19_000;
const LAST_RESERVED_NUMBER = 19_999;

/** Everything below `namespace`, depth first. Recognised by shape, so that a Root of another protobufjs copy works too. */
export function* definitionsIn(
  namespace: protobuf.NamespaceBase,
): Generator<protobuf.ReflectionObject> {
  for (const child of namespace.nestedArray) {
    yield child;
    if ('nestedArray' in child) yield* definitionsIn(child as protobuf.NamespaceBase);
  }
}

/** Whether `definition` is a message type. */
export function isType(definition: unknown): definition is protobuf.Type {
  return typeof definition === 'object' && definition !== null && 'fieldsArray' in definition;
}

/** Whether `definition` is a service. */
export function isService(definition: unknown): definition is protobuf.Service {
  return typeof definition === 'object' && definition !== null && 'methodsArray' in definition;
}

/** The full name as protobuf writes it: without protobufjs's leading dot. */
export function fullNameOf(definition: protobuf.ReflectionObject): string {
  return definition.fullName.replace(/^\./, '');
}

/**
 * Resolves every name in `root`. `texts` holds the source of each file by the name it was parsed under, to find lines.
 * Throws ProtoError for the first name that means nothing, or field number that cannot be.
 */
export function checkDefinitions(root: protobuf.Root, texts: ReadonlyMap<string, string>): void {
  let failure: unknown = null;
  try {
    root.resolveAll();
  } catch (error) {
    failure = error;
  }
  for (const definition of definitionsIn(root)) {
    if (isType(definition)) {
      for (const field of definition.fieldsArray) checkField(definition, field, root, texts);
    } else if (isService(definition)) {
      for (const method of definition.methodsArray) checkMethod(definition, method, root, texts);
    }
  }
  if (failure !== null) {
    throw new ProtoError((failure as Error).message, firstName(texts), null, failure);
  }
}

function checkField(
  type: protobuf.Type,
  field: protobuf.Field,
  root: protobuf.Root,
  texts: ReadonlyMap<string, string>,
): void {
  const reserved = field.id >= FIRST_RESERVED_NUMBER && field.id <= LAST_RESERVED_NUMBER;
  const inRange = field.id >= 1 && field.id <= MAX_FIELD_NUMBER;
  const unresolved = !resolves(field);
  if (inRange && !reserved && !unresolved) return;
  const file = type.filename ?? field.filename;
  const line = lineOf(texts, file, type.name, new RegExp(`=\\s*${field.id}\\b`), field.type);
  const where = `field "${field.name}" of message ${fullNameOf(type)}`;
  if (unresolved) throw unknownType(field.type, where, root, file, line);
  throw new ProtoError(
    `${where} has number ${field.id}; numbers are 1 to ${MAX_FIELD_NUMBER}, without ${FIRST_RESERVED_NUMBER} to ${LAST_RESERVED_NUMBER}`,
    file,
    line,
  );
}

function checkMethod(
  service: protobuf.Service,
  method: protobuf.Method,
  root: protobuf.Root,
  texts: ReadonlyMap<string, string>,
): void {
  if (resolves(method)) return;
  const file = service.filename ?? method.filename;
  const line = lineOf(texts, file, service.name, new RegExp(`\\brpc\\s+${method.name}\\b`), '');
  for (const name of [method.requestType, method.responseType]) {
    if (isType(service.lookup(name))) continue;
    throw unknownType(name, `rpc ${method.name} of ${fullNameOf(service)}`, root, file, line);
  }
}

function resolves(definition: protobuf.ReflectionObject): boolean {
  try {
    definition.resolve();
    return true;
  } catch {
    return false;
  }
}

function unknownType(
  name: string,
  where: string,
  root: protobuf.Root,
  file: string | null,
  line: number | null,
): ProtoError {
  const names: string[] = [];
  for (const definition of definitionsIn(root)) {
    if (isType(definition) || 'valuesById' in definition) names.push(fullNameOf(definition));
  }
  const near = nearestName(name, names);
  const hint = near === null ? 'define it, or import the file that does' : `is it ${near}?`;
  return new ProtoError(`unknown type "${name}" in ${where}; ${hint}`, file, line);
}

/** The first line at or below the declaration of `owner` that matches `pattern` and, where there is one, mentions `also`. */
function lineOf(
  texts: ReadonlyMap<string, string>,
  file: string | null,
  owner: string,
  pattern: RegExp,
  also: string,
): number | null {
  const text = texts.get(file ?? '');
  if (text === undefined) return null;
  const lines = withoutComments(text).split('\n');
  const start = lines.findIndex((line) =>
    new RegExp(`\\b(?:message|service|group|extend)\\s+${owner}\\b`).test(line),
  );
  const index = lines.findIndex(
    (line, at) => at >= start && pattern.test(line) && line.includes(also),
  );
  return index < 0 ? null : index + 1;
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, (comment) => comment.replace(/[^\n]/g, ' '));
}

function firstName(texts: ReadonlyMap<string, string>): string | null {
  for (const name of texts.keys()) return name === '' ? null : name;
  return null;
}
