/**
 * Checks a message before protobufjs encodes it, which itself writes a zero or nothing for a value of the wrong type and drops fields it
 * does not know. Values that mean the same in another form (bigint, decimal string, enum name) are replaced by what the encoder takes.
 */

import type protobuf from 'protobufjs';
import { fullNameOf } from './proto-check.ts';
import { nearestName } from './proto-error.ts';

const MAX_SHOWN_VALUE = 40;
const SECOND_OF_ONEOF = 'is the second one set of its oneof';

/** A value that cannot be encoded, and the path of the field that holds it. */
export class FieldProblem extends TypeError {
  readonly path: string;
  readonly problem: string;

  constructor(path: string, problem: string) {
    super(path === '' ? problem : `field "${path}" ${problem}`);
    this.path = path;
    this.problem = problem;
  }

  /** The same problem, seen from the message or list that holds `segment`. */
  within(segment: string): FieldProblem {
    const separator = this.path === '' || this.path.startsWith('[') ? '' : '.';
    return new FieldProblem(segment + separator + this.path, this.problem);
  }
}

/** Returns the value as the encoder takes it: almost always the value itself. `depth`: levels of messages left (L26). Throws FieldProblem. */
type ValueCheck = (value: unknown, depth: number) => unknown;

interface FieldRule {
  readonly check: ValueCheck;
  /** The bit of the oneof that the field belongs to; 0 for none. */
  readonly oneofBit: number;
}

interface MessageRules {
  readonly typeName: string;
  readonly fields: Map<string, FieldRule>;
  readonly required: string[];
  /** Names of oneofs: `toObject` with `oneofs` sets them, the encoder ignores them. */
  readonly oneofs: Set<string>;
}

/** The rules of the types met so far. One per codec family: `bytesAsText` differs. */
export class MessageChecker {
  readonly #rules: WeakMap<protobuf.Type, MessageRules>;
  readonly #bytesAsText: boolean;

  /** `bytesAsText`: bytes may be given as base64, as `toObject` with `bytes: String` yields them. */
  constructor(bytesAsText: boolean) {
    this.#rules = new WeakMap();
    this.#bytesAsText = bytesAsText;
  }

  /** The check for one message type: returns what to encode, throws FieldProblem. */
  forType(type: protobuf.Type): (value: unknown, maxDepth: number) => object {
    const rules = this.#rulesOf(type);
    return (value, maxDepth) => checkMessage(rules, value, maxDepth);
  }

  #rulesOf(type: protobuf.Type): MessageRules {
    const known = this.#rules.get(type);
    if (known !== undefined) return known;
    const rules: MessageRules = {
      typeName: fullNameOf(type),
      fields: new Map(),
      required: [],
      oneofs: new Set(type.oneofsArray.map((oneof) => oneof.name)),
    };
    this.#rules.set(type, rules); // before its fields: types may contain themselves
    for (const field of type.fieldsArray) {
      rules.fields.set(field.name, {
        check: this.#checkOf(field.resolve() as protobuf.Field),
        oneofBit: oneofBit(type, field),
      });
      if (field.required) rules.required.push(field.name);
    }
    return rules;
  }

  #checkOf(field: protobuf.Field): ValueCheck {
    const element = this.#elementCheck(field);
    if (field.map)
      return mapCheck((field as protobuf.Field & { readonly keyType: string }).keyType, element);
    return field.repeated ? listCheck(element) : element;
  }

  #elementCheck(field: protobuf.Field): ValueCheck {
    const { resolvedType } = field;
    if (resolvedType !== null && 'valuesById' in resolvedType) return enumCheck(resolvedType);
    if (resolvedType !== null) {
      const rules = this.#rulesOf(resolvedType);
      return (value, depth) => checkMessage(rules, value, depth - 1);
    }
    if (field.type === 'bytes' && this.#bytesAsText) return bytesOrTextCheck;
    const check = SCALAR_CHECKS.get(field.type);
    if (check === undefined) throw new TypeError(`unknown scalar type ${field.type}`);
    return check;
  }
}

/** Oneofs beyond the 31st of a type are not checked for two members being set. */
function oneofBit(type: protobuf.Type, field: protobuf.Field): number {
  if (field.partOf === null || field.partOf.isProto3Optional) return 0;
  const index = type.oneofsArray.indexOf(field.partOf);
  return index < 31 ? 1 << index : 0;
}

function checkMessage(rules: MessageRules, value: unknown, depth: number): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FieldProblem('', `must be a ${rules.typeName} message, got ${shown(value)}`);
  }
  if (depth < 0) throw new FieldProblem('', 'is nested deeper than maxMessageDepth');
  const message = value as Record<string, unknown>;
  const names = Object.keys(message);
  if (names.length === 0) refuseForeign(rules, value);
  let copy: Record<string, unknown> | null = null;
  let oneofsSet = 0;
  let name = '';
  try {
    for (name of names) {
      const given = message[name];
      if (given === undefined || given === null) continue;
      const rule = rules.fields.get(name);
      if (rule === undefined) {
        refuseUnknown(rules, name);
        continue;
      }
      if (rule.oneofBit !== 0) {
        if ((oneofsSet & rule.oneofBit) !== 0) throw new FieldProblem('', SECOND_OF_ONEOF);
        oneofsSet |= rule.oneofBit;
      }
      const checked = rule.check(given, depth);
      if (checked !== given) {
        copy ??= { ...message };
        copy[name] = checked;
      }
    }
  } catch (error) {
    throw within(error, name);
  }
  for (const required of rules.required) {
    if (message[required] === undefined || message[required] === null) {
      throw new FieldProblem(required, `is required in ${rules.typeName}`);
    }
  }
  return copy ?? message;
}

function within(error: unknown, segment: string): unknown {
  return error instanceof FieldProblem ? error.within(segment) : error;
}

/** Objects that look like an empty message and never are one: most often a forgotten `await`. */
function refuseForeign(rules: MessageRules, value: object): void {
  const foreign =
    value instanceof Promise ||
    value instanceof Date ||
    value instanceof Map ||
    value instanceof Set ||
    ArrayBuffer.isView(value);
  if (!foreign) return;
  throw new FieldProblem('', `must be a ${rules.typeName} message, got ${shown(value)}`);
}

function refuseUnknown(rules: MessageRules, name: string): void {
  if (rules.oneofs.has(name) || name === '$unknowns') return;
  const near = nearestName(name, rules.fields.keys());
  const hint = near === null ? '' : `; is it "${near}"?`;
  throw new FieldProblem('', `is not a field of ${rules.typeName}${hint}`);
}

function listCheck(element: ValueCheck): ValueCheck {
  return (value, depth) => {
    if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && 'length' in value)) {
      throw new FieldProblem('', `must be an array, got ${shown(value)}`);
    }
    const list = value as ArrayLike<unknown>;
    let copy: unknown[] | null = null;
    let index = 0;
    try {
      for (; index < list.length; index += 1) {
        const given = list[index];
        const checked = element(given, depth);
        if (checked !== given) {
          copy ??= Array.from(list);
          copy[index] = checked;
        }
      }
    } catch (error) {
      throw within(error, `[${index}]`);
    }
    return copy ?? value;
  };
}

/** Map keys are property names; what a numeric or bool key must look like as text. */
const KEY_PATTERNS: Readonly<Record<string, RegExp>> = {
  bool: /^(?:true|false|0|1)$/,
  int32: /^-?\d{1,10}$/,
  sint32: /^-?\d{1,10}$/,
  sfixed32: /^-?\d{1,10}$/,
  uint32: /^\d{1,10}$/,
  fixed32: /^\d{1,10}$/,
  // protobufjs keeps 64-bit keys as eight characters when it decodes without toObject.
  int64: /^(?:-?\d{1,20}|[\0-\xff]{8})$/,
  sint64: /^(?:-?\d{1,20}|[\0-\xff]{8})$/,
  sfixed64: /^(?:-?\d{1,20}|[\0-\xff]{8})$/,
  uint64: /^(?:\d{1,20}|[\0-\xff]{8})$/,
  fixed64: /^(?:\d{1,20}|[\0-\xff]{8})$/,
};

function mapCheck(keyType: string, element: ValueCheck): ValueCheck {
  const keyPattern = KEY_PATTERNS[keyType] ?? null;
  return (value, depth) => {
    if (typeof value !== 'object' || value === null || isIterable(value)) {
      const hint = value instanceof Map ? '; use Object.fromEntries(map)' : '';
      throw new FieldProblem('', `must be a plain object, got ${shown(value)}${hint}`);
    }
    const entries = value as Record<string, unknown>;
    let copy: Record<string, unknown> | null = null;
    let key = '';
    try {
      for (key of Object.keys(entries)) {
        if (keyPattern !== null && !keyPattern.test(key)) {
          throw new FieldProblem('', `has a key that is no ${keyType}`);
        }
        const given = entries[key];
        const checked = element(given, depth);
        if (checked !== given) {
          copy ??= Object.assign(Object.create(null) as Record<string, unknown>, entries);
          copy[key] = checked;
        }
      }
    } catch (error) {
      throw within(error, `[${JSON.stringify(key)}]`);
    }
    return copy ?? value;
  };
}

function isIterable(value: object): boolean {
  return Symbol.iterator in value;
}

function enumCheck(type: protobuf.Enum): ValueCheck {
  const values = new Map(Object.entries(type.values));
  const expected = [...values].map(([name, value]) => `${name}=${value}`).join(', ');
  return (value) => {
    if (typeof value === 'number' && (value | 0) === value) return value;
    const named = typeof value === 'string' ? values.get(value) : undefined;
    if (named !== undefined) return named;
    throw new FieldProblem(
      '',
      `must be a value of enum ${fullNameOf(type)} (${expected}), got ${shown(value)}`,
    );
  };
}

function bytesOrTextCheck(value: unknown): unknown {
  return typeof value === 'string' ? value : bytesCheck(value);
}

function bytesCheck(value: unknown): unknown {
  if (value instanceof Uint8Array) return value;
  throw new FieldProblem('', `(bytes) must be a Uint8Array, got ${shown(value)}`);
}

function integerCheck(type: string, least: number, most: number): ValueCheck {
  return (value) => {
    if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) {
      return value;
    }
    throw new FieldProblem(
      '',
      `(${type}) must be an integer from ${least} to ${most}, got ${shown(value)}`,
    );
  };
}

/** 64-bit integers: safe numbers and Longs as they are; bigints and decimal strings become the two halves that the encoder reads. */
function wideIntegerCheck(type: string, least: bigint, most: bigint): ValueCheck {
  return (value) => {
    if (Number.isSafeInteger(value) && (least < 0n || (value as number) >= 0)) return value;
    if (isLong(value)) return value;
    const exact =
      typeof value === 'bigint'
        ? value
        : typeof value === 'string' && /^-?\d{1,20}$/.test(value)
          ? BigInt(value)
          : null;
    if (exact === null || exact < least || exact > most) {
      throw new FieldProblem(
        '',
        `(${type}) must be a safe integer, bigint, decimal string or Long from ${least} to ${most}, got ${shown(value)}`,
      );
    }
    return {
      low: Number(BigInt.asIntN(32, exact)),
      high: Number(BigInt.asIntN(32, exact >> 32n)),
      unsigned: least === 0n,
    };
  };
}

function isLong(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { low, high } = value as { low?: unknown; high?: unknown };
  return Number.isInteger(low) && Number.isInteger(high);
}

function typeofCheck(type: string, wanted: 'string' | 'boolean' | 'number'): ValueCheck {
  return (value) => {
    if (typeof value === wanted) return value; // NaN too: copying for its sake does no harm
    throw new FieldProblem('', `(${type}) must be a ${wanted}, got ${shown(value)}`);
  };
}

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;
const UINT32_MAX = 2 ** 32 - 1;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

const SCALAR_CHECKS: ReadonlyMap<string, ValueCheck> = new Map([
  ['double', typeofCheck('double', 'number')],
  ['float', typeofCheck('float', 'number')],
  ['bool', typeofCheck('bool', 'boolean')],
  ['string', typeofCheck('string', 'string')],
  ['bytes', bytesCheck],
  ...['int32', 'sint32', 'sfixed32'].map(
    (type) => [type, integerCheck(type, INT32_MIN, INT32_MAX)] as const,
  ),
  ...['uint32', 'fixed32'].map((type) => [type, integerCheck(type, 0, UINT32_MAX)] as const),
  ...['int64', 'sint64', 'sfixed64'].map(
    (type) => [type, wideIntegerCheck(type, INT64_MIN, INT64_MAX)] as const,
  ),
  ...['uint64', 'fixed64'].map((type) => [type, wideIntegerCheck(type, 0n, UINT64_MAX)] as const),
]);

/** A short description of a value for an error message. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string') {
    const text = value.length > MAX_SHOWN_VALUE ? `${value.slice(0, MAX_SHOWN_VALUE)}…` : value;
    return `string ${JSON.stringify(text)}`;
  }
  if (typeof value === 'object') {
    if (Array.isArray(value)) return 'an array';
    const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
    return typeof name === 'string' && name !== '' && name !== 'Object' ? `a ${name}` : 'an object';
  }
  if (typeof value === 'function') return 'a function';
  return `${typeof value} ${String(value)}`;
}
