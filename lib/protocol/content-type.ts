/** The content types of gRPC (PROTOCOL-HTTP2, Content-Type): which are accepted, and which one answers which. */

/** What calls are sent with: the messages' format is a matter of the two applications. */
export const GRPC_CONTENT_TYPE = 'application/grpc';

const SEMICOLON = 0x3b;
const PLUS = 0x2b;

/**
 * Whether `value` names gRPC: `application/grpc`, alone or followed by `+format` or `;parameters`. The format is not judged, because messages
 * are opaque octets here; C-core accepts any format too.
 */
export function isGrpcContentType(value: string): boolean {
  if (value === GRPC_CONTENT_TYPE) return true;
  // RFC 9110 §8.3.1: media types are case-insensitive.
  if (value.slice(0, GRPC_CONTENT_TYPE.length).toLowerCase() !== GRPC_CONTENT_TYPE) return false;
  if (value.length === GRPC_CONTENT_TYPE.length) return true;
  const next = value.charCodeAt(GRPC_CONTENT_TYPE.length);
  return next === SEMICOLON || next === PLUS;
}
