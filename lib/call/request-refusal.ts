/**
 * Which requests a server answers by itself, and how (gRPC PROTOCOL-HTTP2). No interceptor and no behaviour sees them, so each kind has a
 * token under which it is counted.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CompressionCodecs } from '../protocol/compression.ts';
import type { RequestFacts } from '../protocol/request-headers.ts';
import {
  badBinaryMessage,
  RESPONSE_TEMPLATE,
  refusalTemplate,
} from '../protocol/response-headers.ts';
import { Status, statusOfHttpStatus } from '../status.ts';

/** A Trailers-Only answer. */
export interface Refusal {
  /** The initial headers, `:status` among them. */
  readonly template: HeaderList;
  readonly code: number;
  readonly message: string;
  /** Further fields, or null. */
  readonly fields: HeaderList | null;
  /** What it is counted as; null when the transport has counted it. */
  readonly token: string | null;
}

/** Characters of a path that are repeated in a status message. */
const MAX_PATH_SHOWN = 128;

/** By the HTTP status that the request is refused with. */
const HTTP_TOKENS: ReadonlyMap<number, string> = new Map([
  [400, 'request.timeout-malformed'],
  [405, 'request.method-not-post'],
  [415, 'request.content-type-not-grpc'],
]);

function refusal(
  code: number,
  message: string,
  token: string | null,
  fields: HeaderList | null = null,
): Refusal {
  return { template: RESPONSE_TEMPLATE, code, message, fields, token };
}

/** Why the request is refused, or null when its method may be looked up. `complete` is false when its header list was cut (L5, L6). */
export function refusalOf(
  facts: RequestFacts,
  complete: boolean,
  codecs: CompressionCodecs,
): Refusal | null {
  if (!complete) {
    return refusal(Status.RESOURCE_EXHAUSTED, 'request headers are over the limit', null);
  }
  if (facts.httpStatus !== 0) {
    return {
      template: refusalTemplate(facts.httpStatus),
      code: statusOfHttpStatus(facts.httpStatus),
      message: facts.refusal,
      fields: null,
      token: HTTP_TOKENS.get(facts.httpStatus) ?? null,
    };
  }
  if (facts.badBinaryKey !== null) {
    const message = badBinaryMessage(facts.badBinaryKey);
    return refusal(Status.INTERNAL, message, 'request.metadata-not-base64');
  }
  // Interceptors and the method table must see the one canonical form of a path (CVE-2026-33186).
  if (!facts.path.startsWith('/')) {
    const message = 'path does not begin with a slash';
    return refusal(Status.UNIMPLEMENTED, message, 'request.path-without-slash');
  }
  if (!codecs.has(facts.encoding)) {
    // compression.md: the answer lists what would have been accepted.
    return refusal(
      Status.UNIMPLEMENTED,
      `grpc-encoding of the request is not supported; supported are ${codecs.accepted}`,
      'request.unknown-encoding',
      codecs.acceptField,
    );
  }
  return null;
}

/** The answer to a path that nothing is served at. */
export function unknownMethod(path: string): Refusal {
  const shown = path.length > MAX_PATH_SHOWN ? `${path.slice(0, MAX_PATH_SHOWN)}…` : path;
  return refusal(Status.UNIMPLEMENTED, `nothing is served at ${shown}`, 'request.unknown-method');
}

/**
 * The answer to a request whose deadline passed before its handler could run. Counted apart: honest clients under load have those, and
 * nothing of theirs may look like an offence (security reference, I7): the token is the name in ServerStats, and none of `trips`.
 */
export const EXPIRED: Refusal & { readonly token: string } = {
  template: RESPONSE_TEMPLATE,
  code: Status.DEADLINE_EXCEEDED,
  message: 'deadline passed before the call could be served',
  fields: null,
  token: 'expiredRequests',
};
