/** Options of a channel, and what is made of them. */

import type { Clock } from '../../transport/clock.ts';
import type { Connector } from '../../transport/connector.ts';
import { CLIENT_LIMITS, type Limits, resolveLimits } from '../../transport/limits.ts';
import { addressText, SocketConnector } from '../../transport/node/connect.ts';
import { sharedSecureContext } from '../../transport/node/tls-context.ts';
import { tlsSessions } from '../../transport/node/tls-sessions.ts';
import type { TransportObserver } from '../../transport/observer.ts';
import type { ChannelCredentials } from '../credentials.ts';
import type { ErrorReporter } from '../error-reporter.ts';
import { runtimeName } from '../platform/runtime.ts';
import { VERSION } from '../version.ts';
import { type BackoffOptions, MIN_CONNECT_TIMEOUT_MS } from './backoff.ts';
import type { Target } from './target.ts';

/** Options of a channel; all have defaults. */
export interface ChannelOptions {
  /** Default: insecure. */
  readonly credentials?: ChannelCredentials;
  /** `:authority` of all calls. Default: the `serverHostOverride` of TLS credentials, else host and port of the target. */
  readonly authority?: string;
  /** Put before the library's own user agent. */
  readonly userAgent?: string;
  /** Laid over `CLIENT_LIMITS`. A finite `keepaliveTimeMs` below `keepaliveFloorMs` is raised to it (L22). */
  readonly limits?: Partial<Limits>;
  /** gRFC A8: keepalive PINGs go out without calls too, which most servers hold for abuse; false by default. */
  readonly keepaliveWithoutCalls?: boolean;
  readonly backoff?: BackoffOptions;
  /** Encoding of request messages, such as `gzip`. Default: they are sent as they are. A call may choose otherwise. */
  readonly compression?: string;
  /** Messages of fewer octets are not compressed; default 1024. */
  readonly compressionMinOctets?: number;
  /** False: calls inherit no deadline and no cancellation from the served calls they are made in. Default: they do. */
  readonly propagate?: boolean;
  /**
   * Least time in milliseconds for an attempt to connect, from the name lookup to the server's SETTINGS; default 20,000 (grpc/grpc
   * doc/connection-backoff.md).
   */
  readonly connectTimeoutMs?: number;
  /**
   * Connections to the server at most, 1 to 100; 1 by default. One more is opened when all have as many streams as the server allows
   * (gRFC A105).
   */
  readonly maxConnections?: number;
  readonly clock?: Clock;
  readonly observer?: TransportObserver;
  /** Takes the place of sockets; of the credentials only `:scheme` is left then. */
  readonly connector?: Connector;
  /** The first stream id of each connection, odd; 1 unless a test starts near the last one. */
  readonly firstStreamId?: number;
  /**
   * Receives exceptions of user code that no caller can be told of, and what a server says about this channel's behaviour
   * (`too_many_pings`). Default: one line on stderr.
   */
  readonly reportError?: ErrorReporter;
}

/** The limits of a channel's connections. Throws as `resolveLimits`. */
export function clientLimits(overrides: Partial<Limits> | undefined): Limits {
  const limits = resolveLimits(CLIENT_LIMITS, overrides);
  // gRFC A8: clients must not ping more often than this, whatever they are asked for.
  const keepaliveTimeMs = Math.max(limits.keepaliveTimeMs, limits.keepaliveFloorMs);
  return keepaliveTimeMs === limits.keepaliveTimeMs ? limits : { ...limits, keepaliveTimeMs };
}

/** The connection timeout. Throws RangeError when it is not a number above 0. */
export function connectTimeout(timeoutMs: number | undefined): number {
  if (timeoutMs === undefined) return MIN_CONNECT_TIMEOUT_MS;
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0)) {
    throw new RangeError(`connectTimeoutMs must be a number above 0, got ${String(timeoutMs)}`);
  }
  return timeoutMs;
}

const MOST_CONNECTIONS = 100;

/** `maxConnections`. Throws RangeError when it is not an integer of 1 to 100. */
export function connectionLimit(connections: number | undefined): number {
  if (connections === undefined) return 1;
  if (!Number.isInteger(connections) || connections < 1 || connections > MOST_CONNECTIONS) {
    throw new RangeError(
      `maxConnections must be an integer of 1 to ${MOST_CONNECTIONS}, got ${String(connections)}`,
    );
  }
  return connections;
}

/** `:authority`. Throws TypeError when `override` cannot be one. */
export function authorityOf(
  target: Target,
  credentials: ChannelCredentials,
  override: string | undefined,
): string {
  if (override === undefined) {
    const byCredentials = credentials.type === 'tls' ? credentials.serverHostOverride : null;
    return byCredentials ?? target.authority;
  }
  // RFC 9113 §8.3.1: no user information; and nothing that a field value cannot carry.
  if (typeof override !== 'string' || !/^[!-?A-~]+$/.test(override)) {
    throw new TypeError(
      `authority must be a host name or 'host:port', got ${JSON.stringify(override)}`,
    );
  }
  return override;
}

/** The `user-agent` of all calls (gRPC PROTOCOL-HTTP2, User Agents). Throws TypeError when `prefix` cannot be part of a header. */
export function userAgent(prefix: string | undefined): string {
  const own = `grpc-purewire/${VERSION} (${runtimeName()})`;
  if (prefix === undefined || prefix === '') return own;
  if (typeof prefix !== 'string' || !/^[!-~](?:[ -~]*[!-~])?$/.test(prefix)) {
    throw new TypeError(
      `userAgent must be visible ASCII without blanks around it, got ${JSON.stringify(prefix)}`,
    );
  }
  return `${prefix} ${own}`;
}

/** The sockets that lead to `target`. Throws TypeError when the TLS material cannot be used. */
export function socketConnector(
  target: Target,
  credentials: ChannelCredentials,
  clock: Clock,
  limits: Limits = CLIENT_LIMITS,
): Connector {
  if (credentials.type === 'insecure') return new SocketConnector(target.endpoint, null, clock);
  const context = sharedSecureContext(credentials);
  const serverName = credentials.serverHostOverride ?? target.host;
  const address = addressText(target.endpoint);
  const sessions = tlsSessions(credentials, serverName, address, limits, clock.wallNow());
  const tls = { context, serverName, sessions };
  return new SocketConnector(target.endpoint, tls, clock);
}
