/** Which fields may enter the encoder's dynamic table, by name (RFC 7541 §6.2, §7.1). */

/** How the fields of one name are encoded while they are in no table. */
export const IndexingPolicy = {
  /** Literal with incremental indexing while the values of the name prove to repeat (RFC 7541 §6.2.1). */
  ADAPTIVE: 0,
  /** Literal without indexing: the value belongs to one call (RFC 7541 §6.2.2). */
  PER_CALL: 1,
  /** Never-indexed literal: the value is a secret (RFC 7541 §6.2.3, §7.1.3). */
  NEVER: 2,
} as const;
export type IndexingPolicy = (typeof IndexingPolicy)[keyof typeof IndexingPolicy];

const PER_CALL_NAMES = [
  'b3',
  'baggage',
  'endpoint-load-metrics-bin',
  'grpc-message',
  'grpc-previous-rpc-attempts',
  'grpc-retry-pushback-ms',
  'grpc-status-details-bin',
  'grpc-tags-bin',
  'grpc-timeout',
  'grpc-trace-bin',
  'idempotency-key',
  'traceparent',
  'tracestate',
  'uber-trace-id',
  'x-amzn-trace-id',
  'x-b3-parentspanid',
  'x-b3-spanid',
  'x-b3-traceid',
  'x-cloud-trace-context',
  'x-correlation-id',
  'x-request-id',
];

const NEVER_NAMES = [
  'authorization',
  'proxy-authorization',
  'x-access-token',
  'x-amz-security-token',
  'x-api-key',
  'x-auth-token',
  'x-csrf-token',
  'x-goog-api-key',
  'x-goog-iam-authorization-token',
];

const POLICIES: ReadonlyMap<string, IndexingPolicy> = new Map<string, IndexingPolicy>([
  ...PER_CALL_NAMES.map((name): [string, IndexingPolicy] => [name, IndexingPolicy.PER_CALL]),
  ...NEVER_NAMES.map((name): [string, IndexingPolicy] => [name, IndexingPolicy.NEVER]),
]);

// An attacker who sees sizes and can have fields sent guesses short secrets octet by octet; long ones have too much entropy for that.
const GUESSABLE_COOKIE_OCTETS = 20;

/** The policy of a field name in lower case. */
export function policyOf(name: string): IndexingPolicy {
  return POLICIES.get(name) ?? IndexingPolicy.ADAPTIVE;
}

/** Whether a field is a secret and goes out as a never-indexed literal, which holds for every hop (RFC 7541 §7.1.3). */
export function isNeverIndexed(name: string, policy: IndexingPolicy, value: string): boolean {
  return (
    policy === IndexingPolicy.NEVER ||
    (value.length < GUESSABLE_COOKIE_OCTETS && (name === 'cookie' || name === 'set-cookie'))
  );
}
