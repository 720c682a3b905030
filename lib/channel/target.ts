/** Names of servers: target strings of gRPC (grpc/grpc doc/naming.md), and host plus port. */

/** Where a target leads: a TCP host (name, or IP address without brackets) with its port, or the path of a Unix socket. */
export type Endpoint = { readonly host: string; readonly port: number } | { readonly path: string };

/** A target that was understood. */
export interface Target {
  /** The text it was made from, in its full form. */
  readonly text: string;
  readonly endpoint: Endpoint;
  /** The default `:authority`: host and port as given, or `localhost` for a Unix socket. */
  readonly authority: string;
  /** The name that a server's certificate is for by default. */
  readonly host: string;
}

/** The port of a target without one (grpc/grpc doc/naming.md). */
export const DEFAULT_PORT = 443;

/** What the authority of a Unix socket is (RFC 9113 §8.3.1 wants one, and there is no host). */
const LOCAL_AUTHORITY = 'localhost';

const FORMS =
  "use 'host:port', 'dns:///host:port', 'ipv4:1.2.3.4:port', 'ipv6:[::1]:port' or 'unix:/path'";

/**
 * Reads a target: `host`, `host:port`, `[::1]:port`, `dns:host:port`, `dns:///host:port`, `ipv4:address:port`, `ipv6:[address]:port`,
 * `unix:path`, `unix:///absolute/path`. Throws TypeError for anything else and RangeError for a port outside 1 … 65535.
 */
export function parseTarget(target: string): Target {
  if (typeof target !== 'string' || target === '') {
    throw new TypeError(`the target must be a non-empty string: ${FORMS}`);
  }
  const [, name = '', rest = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(target) ?? [];
  switch (name.toLowerCase()) {
    case '':
      return hostTarget(target, target);
    case 'dns':
      return hostTarget(target, withoutDnsServer(target, rest));
    case 'ipv4':
      return addressTarget(target, rest, isIpv4, 'IPv4');
    case 'ipv6':
      return addressTarget(target, rest, isIpv6, 'IPv6');
    case 'unix':
      return unixTarget(target, rest);
    case 'http':
    case 'https':
      throw new TypeError(
        `the target ${quote(target)} is a URL; give host and port alone, and TLS through credentials`,
      );
    default:
      // A host and an IPv6 address may begin like a scheme: `localhost:50051`, `fe80::1`.
      if (/^[^:/]*$/.test(rest) || isIpv6(target)) return hostTarget(target, target);
      throw new TypeError(`the target ${quote(target)} has an unknown scheme: ${FORMS}`);
  }
}

/**
 * The target of `host` (a name, or an IP address with or without brackets) and `port` (1 … 65535). Throws TypeError or RangeError for
 * values that are neither.
 */
export function targetOf(host: string, port: number): Target {
  if (typeof host !== 'string' || host === '') {
    throw new TypeError('host must be a non-empty string: a host name or an IP address');
  }
  const inner = /^\[(.*)\]$/s.exec(host)?.[1] ?? '';
  const bare = isIpv6(inner) ? inner : host;
  assertHost(host, bare);
  assertPort(host, port);
  const text = `${bracketed(bare)}:${port}`;
  return { text, endpoint: { host: bare, port }, authority: text, host: bare };
}

function hostTarget(target: string, hostPort: string): Target {
  const [host, port] = splitHostPort(target, hostPort);
  assertHost(target, host);
  // The port is left out of the authority where it was left out of the target.
  const authority = port === null ? bracketed(host) : `${bracketed(host)}:${port}`;
  return { text: target, endpoint: { host, port: port ?? DEFAULT_PORT }, authority, host };
}

function addressTarget(
  target: string,
  rest: string,
  isAddress: (text: string) => boolean,
  family: string,
): Target {
  const hostPort = rest.replace(/^\/{2,3}/, '');
  if (hostPort.includes(',')) {
    throw new TypeError(`the target ${quote(target)} lists several addresses; give one`);
  }
  const result = hostTarget(target, hostPort);
  if (!isAddress(result.host)) {
    throw new TypeError(`the target ${quote(target)} holds no ${family} address`);
  }
  return result;
}

function unixTarget(target: string, rest: string): Target {
  const path = rest.startsWith('//') ? rest.slice(2) : rest;
  if (path === '' || path.includes('\0')) {
    throw new TypeError(`the target ${quote(target)} holds no path of a socket file`);
  }
  if (rest.startsWith('//') && !path.startsWith('/')) {
    throw new TypeError(
      `the target ${quote(target)} must have an absolute path after 'unix://'; relative ones follow 'unix:'`,
    );
  }
  return { text: target, endpoint: { path }, authority: LOCAL_AUTHORITY, host: LOCAL_AUTHORITY };
}

/** `///host:port` and `host:port`; a name server of its own (`//8.8.8.8/host`) is not supported. */
function withoutDnsServer(target: string, rest: string): string {
  if (!rest.startsWith('/')) return rest;
  const parts = /^\/\/([^/]*)\/(.*)$/s.exec(rest);
  if (parts === null) throw new TypeError(`the target ${quote(target)} is incomplete: ${FORMS}`);
  if (parts[1] !== '') {
    throw new TypeError(
      `the target ${quote(target)} names a DNS server, which is not supported: use 'dns:///host:port'`,
    );
  }
  return parts[2] ?? '';
}

function splitHostPort(target: string, hostPort: string): [string, number | null] {
  const bracket = /^\[([^\]]*)\](?::(.*))?$/s.exec(hostPort);
  if (bracket !== null) {
    const host = bracket[1] ?? '';
    if (!isIpv6(host)) {
      throw new TypeError(`the target ${quote(target)} holds no IPv6 address in its brackets`);
    }
    return [host, bracket[2] === undefined ? null : parsePort(target, bracket[2])];
  }
  const colon = hostPort.indexOf(':');
  if (colon < 0) return [hostPort, null];
  // More than one colon without brackets: an IPv6 address, which leaves no room for a port.
  if (colon !== hostPort.lastIndexOf(':')) return [hostPort, null];
  return [hostPort.slice(0, colon), parsePort(target, hostPort.slice(colon + 1))];
}

function parsePort(target: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  assertPort(target, port, text);
  return port;
}

function assertPort(target: string, port: number, text: unknown = port): void {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new RangeError(
      `the port of ${quote(target)} must be an integer of 1 to 65535, got ${quote(String(text))}`,
    );
  }
}

function assertHost(target: string, host: string): void {
  if (isIpv6(host)) return;
  // What `:authority` and the name service can carry (RFC 3986 reg-name); `@` would be user information.
  if (!/^[A-Za-z0-9._~%!$&'()*+,;=-]+$/.test(host)) {
    throw new TypeError(`the host of ${quote(target)} is not a host name or IP address: ${FORMS}`);
  }
}

function isIpv4(text: string): boolean {
  return (
    /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split('.').every((part) => Number(part) < 256)
  );
}

/** An IPv6 address (RFC 4291 §2.2), with a zone or without. */
function isIpv6(text: string): boolean {
  const [address = '', zone] = text.split('%', 2);
  if (zone !== undefined && !/^[A-Za-z0-9._~-]+$/.test(zone)) return false;
  const halves = address.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  const last = groups.at(-1) ?? '';
  const endsInIpv4 = last.includes('.');
  if (endsInIpv4 && !isIpv4(last)) return false;
  const plain = endsInIpv4 ? groups.slice(0, -1) : groups;
  const count = groups.length + (endsInIpv4 ? 1 : 0);
  return (
    plain.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group)) &&
    (halves.length === 2 ? count <= 7 : count === 8)
  );
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
