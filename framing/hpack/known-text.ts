/**
 * The strings that every gRPC peer puts into its dynamic table (RFC 7541 §2.3.2), once for the whole process: a server with thousands of
 * connections would else hold them thousands of times. A fixed list, so that no text of a peer's outlives its connection.
 */

const TEXTS = [
  'application/grpc',
  'application/grpc+proto',
  'grpc-accept-encoding',
  'grpc-encoding',
  'grpc-message',
  'grpc-status',
  'grpc-timeout',
  'gzip',
  'identity',
  'identity,deflate,gzip',
  'identity,gzip',
  'identity,gzip,deflate,br',
  'te',
  'trailers',
];

const KNOWN: ReadonlyMap<string, string> = new Map(TEXTS.map((text) => [text, text]));

/** The string that equals `text`, of this module where it has one. */
export function sharedText(text: string): string {
  return KNOWN.get(text) ?? text;
}
