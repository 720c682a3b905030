/** The metadata of the realistic rows: what tracing, authorization and routing add to a call. */

const fixed: readonly (readonly [string, string])[] = [
  ['x-tenant', 'acme-industries'],
  ['x-region', 'eu-central-1'],
  ['x-client-version', '4.18.2-release'],
  ['x-feature-set', 'alpha,beta,long-running'],
  ['accept-language', 'en-GB'],
  ['authorization', 'Bearer 6f1c2d9a7b3e4f508d7c6b5a49382716a5b4c3d2e1f00918'],
];

let serial = 0;

/** `count` entries (0 … 8) of one call: six fixed ones, then a trace context and a request id that differ in each call. */
export function metadataEntries(count: number): (readonly [string, string])[] {
  serial = (serial + 1) >>> 0;
  const id = serial.toString(16).padStart(16, '0');
  const all: (readonly [string, string])[] = [
    ...fixed,
    ['traceparent', `00-4bf92f3577b34da6a3ce929d0e0e4736-${id}-01`],
    ['x-request-id', `req-${id}`],
  ];
  return count === 0 ? [] : all.slice(-count);
}
