/** The end of a response (gRPC PROTOCOL-HTTP2, Responses): how the final status of a served call is written to its stream. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { Limits } from '../../transport/limits.ts';
import type { TransportStream } from '../../transport/stream-listener.ts';
import {
  OK_TRAILERS,
  RESPONSE_TEMPLATE,
  statusExtra,
  statusTemplate,
} from '../protocol/response-headers.ts';
import { Status } from '../status.ts';
import { metadataFault } from './call-fault.ts';
import type { Refusal } from './request-refusal.ts';

/** What statuses are measured by. */
type StatusLimits = Pick<Limits, 'maxHeaderBlockOctets' | 'maxStatusMessageOctets'>;

/**
 * Ends the response with a status, as Trailers-Only unless `headersSent`; `metadata` is trailing metadata or null. Metadata that no peer would
 * take makes the status RESOURCE_EXHAUSTED.
 */
export function sendStatus(
  stream: TransportStream,
  limits: StatusLimits,
  headersSent: boolean,
  code: number,
  message: string,
  metadata: HeaderList | null,
): void {
  const fault = metadataFault(metadata, limits.maxHeaderBlockOctets);
  const template = statusTemplate(fault === null ? code : Status.RESOURCE_EXHAUSTED);
  const sent = fault === null ? metadata : null;
  const extra = statusExtra(fault ?? message, sent, limits.maxStatusMessageOctets);
  if (headersSent) {
    stream.sendTrailers(template, extra);
  } else if (template === OK_TRAILERS && extra === null) {
    stream.sendHeaders(RESPONSE_TEMPLATE, OK_TRAILERS, true);
  } else {
    const fields = extra === null ? template : [...template, ...extra];
    stream.sendHeaders(RESPONSE_TEMPLATE, fields, true);
  }
}

/** Answers a request that no handler has seen. */
export function sendRefusal(stream: TransportStream, limits: StatusLimits, refusal: Refusal): void {
  const extra = statusExtra(refusal.message, refusal.fields, limits.maxStatusMessageOctets);
  const fields = [...statusTemplate(refusal.code), ...(extra ?? [])];
  stream.sendHeaders(refusal.template, fields, true);
}
