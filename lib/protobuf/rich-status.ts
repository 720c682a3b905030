/**
 * The rich error model of gRPC: a status with details, as `google.rpc.Status` in the trailing metadata `grpc-status-details-bin`. Readable
 * and writable by every gRPC implementation.
 */

import { Metadata } from '../metadata.ts';
import { RpcError } from '../rpc-error.ts';
import { encodableOfType, type MessageCodec, messageCodec } from './protobufjs-codec.ts';
import { statusType } from './status-definitions.ts';

/** Why it failed, for programs: a constant `reason` in capitals within a `domain`, such as `STOCKOUT` of `shop.example.com`. */
export interface ErrorInfo {
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** When to try again. */
export interface RetryInfo {
  /** Milliseconds to wait at least. */
  readonly retryDelayMs: number;
}

/** For the developers of the server. Never for strangers. */
export interface DebugInfo {
  readonly stackEntries: readonly string[];
  readonly detail: string;
}

/** Which quotas were exceeded. */
export interface QuotaFailure {
  readonly violations: readonly { readonly subject: string; readonly description: string }[];
}

/** Which preconditions do not hold. */
export interface PreconditionFailure {
  readonly violations: readonly {
    readonly type: string;
    readonly subject: string;
    readonly description: string;
  }[];
}

/** Which fields of the request are wrong; `field` is a path such as `addresses[1].city`. */
export interface BadRequest {
  readonly fieldViolations: readonly {
    readonly field: string;
    readonly description: string;
    readonly reason?: string;
    readonly localizedMessage?: LocalizedMessage | null;
  }[];
}

/** What to quote when reporting the failure. */
export interface RequestInfo {
  readonly requestId: string;
  readonly servingData: string;
}

/** The resource that the failure is about. */
export interface ResourceInfo {
  readonly resourceType: string;
  readonly resourceName: string;
  readonly owner: string;
  readonly description: string;
}

/** Where to read on. */
export interface Help {
  readonly links: readonly { readonly description: string; readonly url: string }[];
}

/** A message for the user, in a language of RFC 5646 such as `de-CH`. */
export interface LocalizedMessage {
  readonly locale: string;
  readonly message: string;
}

/** The standard details by the full names of their message types. */
export interface StandardDetails {
  readonly 'google.rpc.ErrorInfo': ErrorInfo;
  readonly 'google.rpc.RetryInfo': RetryInfo;
  readonly 'google.rpc.DebugInfo': DebugInfo;
  readonly 'google.rpc.QuotaFailure': QuotaFailure;
  readonly 'google.rpc.PreconditionFailure': PreconditionFailure;
  readonly 'google.rpc.BadRequest': BadRequest;
  readonly 'google.rpc.RequestInfo': RequestInfo;
  readonly 'google.rpc.ResourceInfo': ResourceInfo;
  readonly 'google.rpc.Help': Help;
  readonly 'google.rpc.LocalizedMessage': LocalizedMessage;
}

/** A detail of a standard type. */
export type StandardDetail = {
  readonly [Name in keyof StandardDetails]: {
    readonly type: Name;
    readonly value: StandardDetails[Name];
  };
}[keyof StandardDetails];

/** A detail of any other message type, serialized; also a standard one that could not be read. */
export interface OpaqueDetail {
  /** Full name of the message type. */
  readonly type: string;
  readonly octets: Uint8Array;
}

/** One detail: with `value` if its type is a standard one, else with `octets`. */
export type StatusDetail = StandardDetail | OpaqueDetail;

/** A status with details. */
export interface RichStatus {
  readonly code: number;
  readonly message: string;
  readonly details: readonly StatusDetail[];
}

const KEY = 'grpc-status-details-bin';
const TYPE_URL = 'type.googleapis.com/';
/** Details larger than this make header lists that peers refuse as a whole, status included (security.md C19). */
const MAX_OCTETS = 6144;

/** What protobufjs makes of the messages: every field present, maps without prototype below. */
const CONVERSION = { longs: Number, defaults: true, arrays: true, objects: true };

interface WireStatus {
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly typeUrl: string; readonly value: Uint8Array }[];
}

const codecs = new Map<string, MessageCodec<object>>();

function codecOf(name: string): MessageCodec<object> {
  let codec = codecs.get(name);
  if (codec === undefined) {
    const type = encodableOfType(statusType(name), CONVERSION);
    codec = messageCodec<object>(type, `status detail ${name}`, { toObject: CONVERSION });
    codecs.set(name, codec);
  }
  return codec;
}

const STANDARD: ReadonlySet<string> = new Set<keyof StandardDetails>([
  'google.rpc.ErrorInfo',
  'google.rpc.RetryInfo',
  'google.rpc.DebugInfo',
  'google.rpc.QuotaFailure',
  'google.rpc.PreconditionFailure',
  'google.rpc.BadRequest',
  'google.rpc.RequestInfo',
  'google.rpc.ResourceInfo',
  'google.rpc.Help',
  'google.rpc.LocalizedMessage',
]);

/**
 * The rich status behind an error; null when it carries none, one that cannot be read, or one whose code is not the code of the error: the
 * status itself is what counts then. Never throws.
 */
export function richStatusOf(error: RpcError): RichStatus | null {
  const octets = error.metadata.get(KEY);
  if (!(octets instanceof Uint8Array)) return null;
  let status: WireStatus;
  try {
    status = codecOf('google.rpc.Status').decode(octets) as unknown as WireStatus;
  } catch {
    return null;
  }
  if (status.code !== error.code) return null;
  const details = status.details.map(({ typeUrl, value }) => readDetail(typeUrl, value));
  return { code: status.code, message: status.message, details };
}

/** The first detail of the standard type `type` behind an error, or null. Never throws. */
export function findDetail<Name extends keyof StandardDetails>(
  error: RpcError,
  type: Name,
): StandardDetails[Name] | null {
  for (const detail of richStatusOf(error)?.details ?? []) {
    if (detail.type === type && 'value' in detail) return detail.value as StandardDetails[Name];
  }
  return null;
}

/**
 * The error that a behaviour throws to end its call with `status`; `trailers` is further trailing metadata. Throws TypeError naming the
 * field for a detail that does not fit its type, RangeError when all together are too large to be sent.
 */
export function richError(status: RichStatus, trailers: Metadata | null = null): RpcError {
  const { code, message, details } = status;
  const octets = codecOf('google.rpc.Status').encode({
    code,
    message,
    details: details.map(wireDetail),
  });
  if (octets.length > MAX_OCTETS) {
    throw new RangeError(
      `the status details take ${octets.length} octets, more than the ${MAX_OCTETS} that fit into trailers; leave out what is not needed, such as stack entries`,
    );
  }
  const metadata = trailers === null ? new Metadata() : trailers.clone();
  metadata.set(KEY, octets);
  return new RpcError(code, message, metadata);
}

function wireDetail(detail: StatusDetail): { typeUrl: string; value: Uint8Array } {
  const typeUrl = TYPE_URL + detail.type;
  if ('octets' in detail) return { typeUrl, value: detail.octets };
  if (!STANDARD.has(detail.type)) {
    throw new TypeError(`${detail.type} is not a standard detail: give it as octets`);
  }
  const value = 'retryDelayMs' in detail.value ? wireDelay(detail.value) : detail.value;
  return { typeUrl, value: codecOf(detail.type).encode(value) };
}

function readDetail(typeUrl: string, octets: Uint8Array): StatusDetail {
  // Any: what is in front of the last slash says where the type is described, and does not matter.
  const type = typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
  if (STANDARD.has(type)) {
    try {
      return { type, value: readValue(type, codecOf(type).decode(octets)) } as StandardDetail;
    } catch {
      // Shown as it came.
    }
  }
  return { type, octets: new Uint8Array(octets) };
}

function readValue(type: string, message: object): object {
  if (type === 'google.rpc.RetryInfo') return readDelay(message as WireRetryInfo);
  if (type !== 'google.rpc.ErrorInfo') return message;
  const info = message as ErrorInfo;
  return { ...info, metadata: Object.assign(Object.create(null), info.metadata) as object };
}

interface WireRetryInfo {
  readonly retryDelay: { readonly seconds: number; readonly nanos: number } | null;
}

function readDelay({ retryDelay }: WireRetryInfo): RetryInfo {
  if (retryDelay === null) return { retryDelayMs: 0 };
  return { retryDelayMs: retryDelay.seconds * 1000 + retryDelay.nanos / 1e6 };
}

function wireDelay({ retryDelayMs }: RetryInfo): WireRetryInfo {
  if (typeof retryDelayMs !== 'number' || !(retryDelayMs >= 0 && retryDelayMs < 3e14)) {
    throw new TypeError(
      `google.rpc.RetryInfo: retryDelayMs must be a number of 0 or more, got ${String(retryDelayMs)}`,
    );
  }
  const seconds = Math.floor(retryDelayMs / 1000);
  return { retryDelay: { seconds, nanos: Math.round((retryDelayMs - seconds * 1000) * 1e6) } };
}
