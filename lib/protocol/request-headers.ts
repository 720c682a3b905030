/** Request headers of gRPC (PROTOCOL-HTTP2, Requests): the template a client sends, and what a server reads out of a received list. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import { validateBinaryHeaders } from '../metadata.ts';
import type { MethodDescriptor } from '../method.ts';
import { IDENTITY } from './compression.ts';
import { GRPC_CONTENT_TYPE, isGrpcContentType } from './content-type.ts';
import { decodeGrpcTimeout, encodeGrpcTimeout, MALFORMED_TIMEOUT } from './grpc-timeout.ts';

/** The request templates of one channel: per method the same array object each time, so that the encoder can reuse its block. */
export class RequestTemplates {
  readonly #authority: string;
  readonly #scheme: string;
  readonly #userAgent: string;
  readonly #acceptEncoding: string;
  readonly #byPath: Map<string, HeaderList>;
  /** Those with `grpc-encoding`, by encoding, then by path. */
  readonly #byEncoding: Map<string, Map<string, HeaderList>>;

  /** All but `scheme` must be valid field values; that is `http` or `https`. `acceptEncoding`: of `CompressionCodecs`. */
  constructor(authority: string, scheme: string, userAgent: string, acceptEncoding: string) {
    this.#authority = authority;
    this.#scheme = scheme;
    this.#userAgent = userAgent;
    this.#acceptEncoding = acceptEncoding;
    this.#byPath = new Map<string, HeaderList>();
    this.#byEncoding = new Map();
  }

  /** The template of `method`; what varies per call (timeout, metadata) follows it. */
  of(method: MethodDescriptor): HeaderList {
    let template = this.#byPath.get(method.path);
    if (template === undefined) {
      template = Object.freeze([
        ':method',
        'POST',
        ':scheme',
        this.#scheme,
        ':path',
        method.path,
        ':authority',
        this.#authority,
        'te',
        'trailers',
        'content-type',
        GRPC_CONTENT_TYPE,
        'user-agent',
        this.#userAgent,
        'grpc-accept-encoding',
        this.#acceptEncoding,
      ]);
      this.#byPath.set(method.path, template);
    }
    return template;
  }

  /** As `of`, with `grpc-encoding`; it must be an encoding that this side has. */
  ofEncoded(method: MethodDescriptor, encoding: string): HeaderList {
    let byPath = this.#byEncoding.get(encoding);
    if (byPath === undefined) {
      byPath = new Map();
      this.#byEncoding.set(encoding, byPath);
    }
    let template = byPath.get(method.path);
    if (template === undefined) {
      template = Object.freeze([...this.of(method), 'grpc-encoding', encoding]);
      byPath.set(method.path, template);
    }
    return template;
  }
}

/** Timeout fields remembered; calls of one program use few different timeouts. */
const MAX_TIMEOUT_FIELDS = 64;

const timeoutFields = new Map<number, HeaderList>();

/** The `grpc-timeout` field of `timeoutMs` as a list; for whole milliseconds the same array each time. Finite timeouts only. */
function timeoutField(timeoutMs: number): HeaderList {
  const known = timeoutFields.get(timeoutMs);
  if (known !== undefined) return known;
  const field: HeaderList = Object.freeze(['grpc-timeout', encodeGrpcTimeout(timeoutMs) as string]);
  if (Number.isInteger(timeoutMs)) {
    if (timeoutFields.size >= MAX_TIMEOUT_FIELDS) timeoutFields.clear();
    timeoutFields.set(timeoutMs, field);
  }
  return field;
}

/** Within this, time left counts as the whole timeout. */
const SAME_TURN_MS = 1;

/** Whether `leftMs` is all of `timeoutMs`, but for the time between two lines of one turn. */
export function isWhole(leftMs: number, timeoutMs: number): boolean {
  return timeoutMs - leftMs < SAME_TURN_MS;
}

/**
 * The fields behind the template: `grpc-timeout`, then `metadata`. With `leftMs` (finite) within a millisecond of `timeoutMs`, which is the
 * case when HEADERS are written in the turn of the call's start, the text is that of `timeoutMs`, so that equal calls have equal blocks.
 */
export function requestFields(
  leftMs: number,
  timeoutMs: number,
  metadata: HeaderList | null,
): HeaderList {
  const field = isWhole(leftMs, timeoutMs)
    ? timeoutField(timeoutMs)
    : ['grpc-timeout', encodeGrpcTimeout(leftMs) as string];
  return metadata === null || metadata.length === 0 ? field : [...field, ...metadata];
}

/** What a server's call needs of a request's headers; shared by requests with the same list, and never modified. */
export interface RequestFacts {
  /** `:path` as received; empty when there was none (CONNECT, or a list cut at the limits). */
  readonly path: string;
  readonly authority: string;
  /** `grpc-timeout` in milliseconds; Infinity when absent, `MALFORMED_TIMEOUT` when it is none. */
  readonly timeoutMs: number;
  /** `grpc-encoding`; `identity` when absent. */
  readonly encoding: string;
  /** `grpc-accept-encoding`; empty when absent. */
  readonly acceptEncoding: string;
  /** The HTTP status to refuse the request with, or 0 when it is a gRPC request. */
  readonly httpStatus: number;
  /** Why the request is refused with `httpStatus`; empty when it is not. */
  readonly refusal: string;
  /** A `-bin` key whose value is not base64, or null. */
  readonly badBinaryKey: string | null;
}

/** Reads `headers`, which are well-formed HTTP/2 or cut at the limits, in one scan. */
export function readRequestHeaders(headers: HeaderList): RequestFacts {
  let path = '';
  let method = '';
  let authority = '';
  let host = '';
  let contentType: string | null = null;
  let timeoutMs = Number.POSITIVE_INFINITY;
  let encoding = IDENTITY;
  let acceptEncoding = '';
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const value = headers[i + 1] as string;
    switch (headers[i]) {
      case ':path':
        path = value;
        break;
      case ':method':
        method = value;
        break;
      case ':authority':
        authority = value;
        break;
      case 'host':
        host = value;
        break;
      case 'content-type':
        contentType = value;
        break;
      case 'grpc-encoding':
        encoding = value;
        break;
      case 'grpc-accept-encoding':
        // RFC 9110 §5.3: a list in several fields is one list.
        acceptEncoding = acceptEncoding === '' ? value : `${acceptEncoding},${value}`;
        break;
      case 'grpc-timeout': {
        // Of several timeouts, which proxies may leave behind, the shortest holds; a malformed one counts as shortest.
        timeoutMs = Math.min(timeoutMs, decodeGrpcTimeout(value));
        break;
      }
      default:
        break;
    }
  }
  let httpStatus = 0;
  let refusal = '';
  if (method !== 'POST') {
    httpStatus = 405;
    refusal = 'gRPC requests use the method POST';
  } else if (contentType === null || !isGrpcContentType(contentType)) {
    httpStatus = 415;
    refusal = `content-type is not ${GRPC_CONTENT_TYPE}`;
  } else if (timeoutMs === MALFORMED_TIMEOUT) {
    httpStatus = 400;
    refusal = 'malformed grpc-timeout';
  }
  return {
    path,
    authority: authority === '' ? host : authority,
    timeoutMs,
    encoding,
    acceptEncoding,
    httpStatus,
    refusal,
    badBinaryKey: validateBinaryHeaders(headers),
  };
}

const READER_SLOTS = 4;

/** A list that was read, and what was found. */
interface ReadList {
  readonly headers: HeaderList;
  readonly facts: RequestFacts;
  /** The one read before. */
  older: ReadList | null;
}

/** Reads request headers and remembers the last few lists by identity: a decoder returns the same array for the same block. */
export class RequestReader {
  #latest: ReadList | null;
  /** The first list was read. */
  #begun: boolean;

  constructor() {
    this.#latest = null;
    this.#begun = false;
  }

  /** The facts of `headers`, as `readRequestHeaders` finds them. */
  read(headers: HeaderList): RequestFacts {
    let oldest: ReadList | null = null;
    let kept = 0;
    for (let known = this.#latest; known !== null; known = known.older) {
      if (known.headers === headers) return known.facts;
      kept += 1;
      if (kept === READER_SLOTS - 1) oldest = known;
    }
    const facts = readRequestHeaders(headers);
    if (!this.#begun) {
      // The first block of a connection fills the dynamic table, so that its list does not come again: idle connections need not hold it.
      this.#begun = true;
      return facts;
    }
    if (oldest !== null) oldest.older = null;
    this.#latest = { headers, facts, older: this.#latest };
    return facts;
  }
}
