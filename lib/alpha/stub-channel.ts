/** The channel of a stub, described so that another thread can make it as well. */

import { CLIENT_LIMITS } from '../../transport/limits.ts';
import { BACKOFF_OPTIONS, type BackoffOptions } from '../channel/backoff.ts';
import { Channel } from '../channel/channel.ts';
import type { ChannelOptions } from '../channel/channel-options.ts';
import { parseTarget, type Target, targetOf } from '../channel/target.ts';
import {
  type ChannelCredentials,
  channelCredentials,
  TLS_CHANNEL_OPTIONS,
  type TlsChannelOptions,
} from '../credentials.ts';
import type { ErrorReporter } from '../error-reporter.ts';
import type { KnownOptions } from '../known-options.ts';

/** Limits of a channel by name: see `purewire`'s table of limits. */
export type ClientLimits = NonNullable<ChannelOptions['limits']>;

/** What describes the connection of a stub; none of it needs the network to be checked. */
export interface StubChannelOptions extends TlsChannelOptions {
  /** Whether to use TLS. False by default; TLS material without it is refused. */
  readonly secure?: boolean | undefined;
  /** `:authority` of all calls, instead of host and port. */
  readonly authority?: string | undefined;
  /** Put before the library's own user agent. */
  readonly userAgent?: string | undefined;
  /** Laid over the defaults of the table of limits. */
  readonly limits?: ClientLimits | undefined;
  /** Whether keepalive PINGs go out without calls too, which most servers hold for abuse. False by default. */
  readonly keepaliveWithoutCalls?: boolean | undefined;
  /** Seconds that an attempt to connect may take at least, up to the server's SETTINGS. 20 by default. */
  readonly connectTimeout?: number | undefined;
  /** Connections to the server at most, 1 to 100; another is opened when all are full of streams. 1 by default. */
  readonly maxConnections?: number | undefined;
  /** Waits between attempts to connect. */
  readonly backoff?: BackoffOptions | undefined;
  /** Encoding of the requests of all RPCs, such as `gzip`. As they are by default. */
  readonly compression?: string | undefined;
  /** Requests of fewer octets are not compressed. 1024 by default. */
  readonly compressionMinOctets?: number | undefined;
  /**
   * False: RPCs invoked in behaviours inherit neither time nor cancellation, and a process all of whose stubs say so does not pay for
   * tracking what runs in which behaviour.
   */
  readonly propagate?: boolean | undefined;
}

/** The names of `StubChannelOptions`. */
export const STUB_CHANNEL_OPTIONS: KnownOptions<StubChannelOptions> = {
  ...TLS_CHANNEL_OPTIONS,
  secure: true,
  authority: true,
  userAgent: true,
  limits: CLIENT_LIMITS,
  keepaliveWithoutCalls: true,
  connectTimeout: true,
  maxConnections: true,
  backoff: BACKOFF_OPTIONS,
  compression: true,
  compressionMinOctets: true,
  propagate: true,
};

/** A channel to be; plain data that can be sent to another thread. */
export interface StubChannelConfig {
  readonly target: Target;
  readonly credentials: ChannelCredentials;
  readonly settings: Pick<
    ChannelOptions,
    | 'authority'
    | 'userAgent'
    | 'limits'
    | 'keepaliveWithoutCalls'
    | 'connectTimeoutMs'
    | 'maxConnections'
    | 'backoff'
    | 'compression'
    | 'compressionMinOctets'
    | 'propagate'
  >;
}

/**
 * Reads `host`, `port` and options. `host` is a host name, an IP address, or `unix:` with a path and port 0. Throws TypeError or RangeError,
 * naming the argument, for values that cannot be used, half-given TLS and TLS material without `secure` included.
 */
export function stubChannelConfig(
  host: string,
  port: number | undefined,
  options: StubChannelOptions,
): StubChannelConfig {
  const config: StubChannelConfig = {
    target: stubTarget(host, port),
    credentials: channelCredentials(options.secure ?? false, options),
    settings: {
      ...(options.authority === undefined ? {} : { authority: options.authority }),
      ...(options.userAgent === undefined ? {} : { userAgent: options.userAgent }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      ...(options.keepaliveWithoutCalls === undefined
        ? {}
        : { keepaliveWithoutCalls: options.keepaliveWithoutCalls }),
      ...(options.connectTimeout === undefined
        ? {}
        : { connectTimeoutMs: options.connectTimeout * 1000 }),
      ...(options.maxConnections === undefined ? {} : { maxConnections: options.maxConnections }),
      ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
      ...(options.compression === undefined ? {} : { compression: options.compression }),
      ...(options.compressionMinOctets === undefined
        ? {}
        : { compressionMinOctets: options.compressionMinOctets }),
      ...(options.propagate === undefined ? {} : { propagate: options.propagate }),
    },
  };
  // Connects to nothing: finds out now, not at open(), whether a channel can be made of it.
  void openStubChannel(config).close();
  return config;
}

/** A new channel. Touches no network before its first call. */
export function openStubChannel(config: StubChannelConfig, reportError?: ErrorReporter): Channel {
  const { target, credentials, settings } = config;
  return new Channel(target, {
    ...settings,
    credentials,
    ...(reportError === undefined ? {} : { reportError }),
  });
}

function stubTarget(host: string, port: number | undefined): Target {
  if (typeof host !== 'string' || !host.startsWith('unix:')) return targetOf(host, port as number);
  if (port !== undefined && port !== null && port !== 0) {
    throw new TypeError(`port must be 0 or left out for ${JSON.stringify(host)}, got ${port}`);
  }
  return parseTarget(host);
}
