/**
 * Response headers and trailers of gRPC (PROTOCOL-HTTP2, Responses): the templates a server sends, and what a client reads out of received
 * lists.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallStatus } from '../call/call.ts';
import { validateBinaryHeaders } from '../metadata.ts';
import { Status, statusOfHttpStatus } from '../status.ts';
import { type CompressionCodecs, IDENTITY } from './compression.ts';
import { GRPC_CONTENT_TYPE, isGrpcContentType } from './content-type.ts';
import { decodeGrpcMessage, encodeGrpcMessage } from './grpc-message.ts';

/** Largest status code that is passed on. */
const MAX_STATUS = 0x7fff_ffff;

/** No header fields. */
export const NO_HEADERS: HeaderList = Object.freeze([]);

/** Initial headers of Trailers-Only responses, and the beginning of those of all others; metadata or status follow. */
export const RESPONSE_TEMPLATE: HeaderList = Object.freeze([
  ':status',
  '200',
  'content-type',
  GRPC_CONTENT_TYPE,
]);

/** Trailers of a call that ended well; trailing metadata follows. */
export const OK_TRAILERS: HeaderList = Object.freeze(['grpc-status', '0']);

/** The initial headers that a server's responses begin with, the same arrays each time. */
export class ResponseTemplates {
  /** Those of messages that are not compressed. */
  readonly plain: HeaderList;
  readonly #encoded: Map<string, HeaderList>;

  /** compression.md: responses tell which encodings of requests `codecs` can read, so that clients may change theirs. */
  constructor(codecs: CompressionCodecs) {
    this.plain =
      codecs.accepted === IDENTITY
        ? RESPONSE_TEMPLATE
        : Object.freeze([...RESPONSE_TEMPLATE, ...codecs.acceptField]);
    this.#encoded = new Map();
  }

  /** With `grpc-encoding`. `encoding` must be the name of a codec: they are few. */
  encoded(encoding: string): HeaderList {
    let template = this.#encoded.get(encoding);
    if (template === undefined) {
      template = Object.freeze([...this.plain, 'grpc-encoding', encoding]);
      this.#encoded.set(encoding, template);
    }
    return template;
  }
}

const REFUSAL_TEMPLATES: ReadonlyMap<number, HeaderList> = new Map(
  [400, 405, 415].map((httpStatus) => {
    const template = [':status', String(httpStatus), 'content-type', GRPC_CONTENT_TYPE];
    // RFC 9110 §15.5.6: a 405 names the methods that are allowed.
    if (httpStatus === 405) template.push('allow', 'POST');
    return [httpStatus, Object.freeze(template) as HeaderList];
  }),
);

/** Headers of the Trailers-Only response that refuses a request with `httpStatus` 400, 405 or 415. */
export function refusalTemplate(httpStatus: number): HeaderList {
  return REFUSAL_TEMPLATES.get(httpStatus) ?? RESPONSE_TEMPLATE;
}

const STATUS_TEMPLATES: readonly HeaderList[] = Object.values(Status).map((code) =>
  code === Status.OK ? OK_TRAILERS : Object.freeze(['grpc-status', String(code)]),
);

/** The field `grpc-status` of `code`, the same array each time for codes of the table. A `code` that is no status code counts as UNKNOWN. */
export function statusTemplate(code: number): HeaderList {
  const template = STATUS_TEMPLATES[code];
  if (template !== undefined) return template;
  const valid = Number.isInteger(code) && code >= 0 && code <= MAX_STATUS;
  return ['grpc-status', String(valid ? code : Status.UNKNOWN)];
}

/**
 * The fields behind `grpc-status`: `grpc-message` when there is a message (cut at `maxMessageOctets`, L24), then `metadata`; null when
 * there are none.
 */
export function statusExtra(
  message: string,
  metadata: HeaderList | null,
  maxMessageOctets: number,
): HeaderList | null {
  if (message === '') return metadata;
  const field = ['grpc-message', encodeGrpcMessage(message, maxMessageOctets)];
  return metadata === null ? field : [...field, ...metadata];
}

/** What a client's call needs of a response's initial headers, of Trailers-Only headers or of trailers; shared, never modified. */
export interface ResponseFacts {
  /** `:status`; 0 in trailers. */
  readonly httpStatus: number;
  /** `content-type`; empty when absent. */
  readonly contentType: string;
  /** `grpc-encoding`; `identity` when absent. */
  readonly encoding: string;
  /** The status that the list carries (see `readStatus`); null without `grpc-status`. */
  readonly status: CallStatus | null;
  /** A `-bin` key whose value is not base64, or null; `grpc-status-details-bin` does not count. */
  readonly badBinaryKey: string | null;
}

const STATUS_CODE = /^(?:0|[1-9][0-9]{0,9})$/;

/**
 * The final status in `headers`: `grpc-status` as a number of 0 … 2^31-1 in its shortest form, with the decoded message. A number outside
 * the table is kept; what is no number, or came twice, is UNKNOWN (statuscodes.md). OK with unreadable binary metadata is INTERNAL.
 */
function readStatus(
  value: string,
  duplicate: boolean,
  message: string,
  badBinaryKey: string | null,
  headers: HeaderList,
): CallStatus {
  const code = STATUS_CODE.test(value) ? Number(value) : MAX_STATUS + 1;
  if (duplicate || code > MAX_STATUS) {
    const fault = duplicate
      ? 'server sent grpc-status twice'
      : 'server sent a malformed grpc-status';
    return {
      code: Status.UNKNOWN,
      message: message === '' ? fault : `${fault}: ${message}`,
      trailers: headers,
      cause: undefined,
    };
  }
  if (code === Status.OK && badBinaryKey !== null) {
    return {
      code: Status.INTERNAL,
      message: badBinaryMessage(badBinaryKey),
      trailers: headers,
      cause: undefined,
    };
  }
  // A code that this library has no name for needs some word.
  const text =
    message === '' && code > Status.UNAUTHENTICATED
      ? `server sent status code ${code}, which gRPC does not define`
      : message;
  return { code, message: text, trailers: headers, cause: undefined };
}

/** The message of the INTERNAL that answers a `-bin` value which is not base64. */
export function badBinaryMessage(key: string): string {
  return `the value of ${key} is not base64`;
}

/** Reads a response's `headers`, initial or trailing, in one scan. */
export function readResponseHeaders(headers: HeaderList): ResponseFacts {
  let httpStatus = 0;
  let contentType = '';
  let encoding = IDENTITY;
  let grpcStatus: string | null = null;
  let duplicate = false;
  let message = '';
  let hasBinary = false;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    switch (name) {
      case ':status':
        httpStatus = Number(value);
        break;
      case 'content-type':
        contentType = value;
        break;
      case 'grpc-encoding':
        encoding = value;
        break;
      case 'grpc-status':
        duplicate = grpcStatus !== null;
        grpcStatus = value;
        break;
      case 'grpc-message':
        if (message === '') message = decodeGrpcMessage(value);
        break;
      default:
        if (name.endsWith('-bin') && name !== DETAILS_KEY) hasBinary = true;
        break;
    }
  }
  const badBinaryKey = hasBinary ? firstBadBinaryKey(headers) : null;
  const status =
    grpcStatus === null ? null : readStatus(grpcStatus, duplicate, message, badBinaryKey, headers);
  return { httpStatus, contentType, encoding, status, badBinaryKey };
}

/** Details that cannot be read never cost the status itself. */
const DETAILS_KEY = 'grpc-status-details-bin';

function firstBadBinaryKey(headers: HeaderList): string | null {
  const key = validateBinaryHeaders(headers);
  if (key !== DETAILS_KEY) return key;
  const others: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (headers[i] !== DETAILS_KEY) others.push(headers[i] as string, headers[i + 1] as string);
  }
  return validateBinaryHeaders(others);
}

/**
 * The status for a response that ends without grpc-status (http-grpc-status-mapping.md), or null when its initial headers are those of
 * gRPC. `facts` are those of the initial headers.
 */
export function httpFault(facts: ResponseFacts, headers: HeaderList): CallStatus | null {
  const { httpStatus, contentType } = facts;
  const ok = httpStatus === 200;
  if (ok && isGrpcContentType(contentType)) return null;
  const shown = contentType === '' ? 'without content-type' : `with content-type ${contentType}`;
  return {
    code: ok ? Status.UNKNOWN : statusOfHttpStatus(httpStatus),
    message: ok
      ? `server answered ${shown}, not ${GRPC_CONTENT_TYPE}`
      : // The words of grpc-js, which programs match on.
        `Received HTTP status code ${httpStatus}`,
    trailers: headers,
    cause: undefined,
  };
}

const READER_SLOTS = 4;

/**
 * Reads response headers and trailers and remembers the last few lists by identity: a decoder returns the same array for the same block,
 * so the usual headers and the usual OK trailers are read once.
 */
export class ResponseReader {
  readonly #lists: (HeaderList | null)[];
  readonly #facts: (ResponseFacts | null)[];
  #next: number;

  constructor() {
    this.#lists = new Array<HeaderList | null>(READER_SLOTS).fill(null);
    this.#facts = new Array<ResponseFacts | null>(READER_SLOTS).fill(null);
    this.#next = 0;
  }

  /** The facts of `headers`, as `readResponseHeaders` finds them. */
  read(headers: HeaderList): ResponseFacts {
    for (let slot = 0; slot < READER_SLOTS; slot++) {
      if (this.#lists[slot] === headers) return this.#facts[slot] as ResponseFacts;
    }
    const facts = readResponseHeaders(headers);
    this.#lists[this.#next] = headers;
    this.#facts[this.#next] = facts;
    this.#next = (this.#next + 1) % READER_SLOTS;
    return facts;
  }
}
