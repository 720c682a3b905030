/** Entry points into grpc.framework.alpha: `stub`, `blockingStub` and `server`. */

import { SERVER_LIMITS } from '../../transport/limits.ts';
import {
  type ClientCertificatePolicy,
  insecureServerCredentials,
  type Pem,
  type ServerCredentials,
  TLS_SERVER_OPTIONS,
  tlsServerCredentials,
} from '../credentials.ts';
import { type ErrorReporter, reportToConsole } from '../error-reporter.ts';
import { assertKnownOptions, type KnownOptions } from '../known-options.ts';
import type { GrpcServerOptions } from '../server/server.ts';
import { makeBlockingStub } from './blocking.ts';
import type { MetadataTransformer } from './bound-method.ts';
import { type ClientInterceptor, interceptorList, type ServerInterceptor } from './interceptors.ts';
import type {
  BlockingStub,
  InvocationMethods,
  Server,
  ServiceMethods,
  Stub,
} from './interfaces.ts';
import { AlphaServer, type ServerAddress } from './server.ts';
import { makeStub } from './stub.ts';
import {
  openStubChannel,
  STUB_CHANNEL_OPTIONS,
  type StubChannelOptions,
  stubChannelConfig,
} from './stub-channel.ts';

/** Options of a stub. */
export interface StubOptions extends BlockingStubOptions {
  /** Functions around each RPC, the first outermost. See `ClientInterceptor`. */
  readonly interceptors?: readonly ClientInterceptor[] | undefined;
}

/** Options of a blocking stub. It has no interceptors: they may wait, which the thread that blocks cannot. */
export interface BlockingStubOptions extends StubChannelOptions {
  /** Called once per RPC with an empty list; the pairs of key and value that it gives are sent as initial metadata. */
  readonly metadataTransformer?: MetadataTransformer | undefined;
  /** Receives what callbacks raise and no caller can be told of. By default one line is written to stderr. */
  readonly onError?: ErrorReporter | undefined;
}

/** The names of `StubOptions`. */
export const STUB_OPTIONS: KnownOptions<StubOptions> = {
  ...STUB_CHANNEL_OPTIONS,
  metadataTransformer: true,
  onError: true,
  interceptors: true,
};

/** Options of a server. */
export interface ServerOptions {
  /** PEM. TLS is on when key and chain are given; one without the other is refused. */
  readonly privateKey?: Pem | null | undefined;
  readonly certificateChain?: Pem | null | undefined;
  /** PEM certificates of the CAs that vouch for clients. */
  readonly rootCertificates?: Pem | null | undefined;
  /** Whether clients are asked for a certificate, and must have one. `ignore` by default. */
  readonly clientCertificates?: ClientCertificatePolicy | undefined;
  /**
   * 48 secret random octets: servers that share them, such as worker threads with `reusePort` or machines behind one name, resume each
   * other's TLS sessions. Each server has keys of its own by default; those of a `node:cluster` share theirs. With `clientCertificates`
   * it takes `rootCertificates` too, the same ones.
   */
  readonly ticketKeys?: Uint8Array | null | undefined;
  /** Host name or IP address of the interface to listen on. All interfaces, IPv4 and IPv6, by default. */
  readonly host?: string | undefined;
  /**
   * Others that set it too may listen on the same port, and the system spreads connections over them: worker threads with a server each.
   * Node 22.12 or newer; `start` rejects on older ones.
   */
  readonly reusePort?: boolean | undefined;
  /** Path of a Unix socket to listen on instead; the port must be 0 then. */
  readonly path?: string | undefined;
  /** Laid over the defaults of the table of limits. */
  readonly limits?: GrpcServerOptions['limits'] | undefined;
  /** Encoding of the responses to clients that accept it, such as `gzip`. As they are by default. */
  readonly compression?: string | undefined;
  /** Responses of fewer octets are not compressed. 1024 by default. */
  readonly compressionMinOctets?: number | undefined;
  /** Functions around each RPC of all services, the first outermost. See `ServerInterceptor`. */
  readonly interceptors?: readonly ServerInterceptor[] | undefined;
  /**
   * Receives what behaviours raise without carrying a status, and of requests that cannot be deserialized ten a second of each method and
   * a count of the rest, because peers can cause any number. By default one line is written to stderr, ten a second of each kind of place.
   */
  readonly onError?: ErrorReporter | undefined;
  /**
   * Hears, in one line each, of connections that were refused or ended by an error: failed TLS handshakes with their reason, limits with
   * their token. Peers can cause any number, so it gets ten lines a second at most and a count of the rest. Nobody hears them by default.
   */
  readonly onNotice?: ((message: string) => void) | undefined;
}

const SERVER_OPTIONS: KnownOptions<ServerOptions> = {
  ...TLS_SERVER_OPTIONS,
  host: true,
  reusePort: true,
  path: true,
  limits: SERVER_LIMITS,
  compression: true,
  compressionMinOctets: true,
  interceptors: true,
  onError: true,
  onNotice: true,
};

/** Several services of one server: an object or a Map of methods by service name. */
export type Services =
  | Readonly<Record<string, ServiceMethods>>
  | Iterable<readonly [string, ServiceMethods]>;

/**
 * Creates a stub with which to invoke the RPC methods of a service. `serviceName` is fully qualified, such as `math.Math`; `methods` maps
 * bare RPC names to invocation descriptions; `host` is a host name, an IP address, or `unix:` with a path, whose port is 0. Opens nothing.
 * Throws TypeError or RangeError, naming the argument, for what cannot be used, such as TLS material without `secure` or an unknown option.
 */
export function stub<Methods extends InvocationMethods>(
  serviceName: string,
  methods: Methods,
  host: string,
  port?: number,
  options: StubOptions = {},
): Stub<Methods> {
  assertKnownOptions(options, STUB_OPTIONS, 'stub()');
  return stubOf(serviceName, methods, host, port, options);
}

/** As `stub`, of options that are known to have no unknown names among those that it reads. */
export function stubOf<Methods extends InvocationMethods>(
  serviceName: string,
  methods: Methods,
  host: string,
  port: number | undefined,
  options: StubOptions,
): Stub<Methods> {
  const config = stubChannelConfig(host, port, options);
  const { report, metadataTransformer } = callablesOf(options);
  return makeStub(serviceName, methods, {
    openChannel: () => openStubChannel(config, report),
    metadataTransformer,
    report,
    interceptors: interceptorList(options.interceptors),
  });
}

/**
 * As `stub`, but direct calls block the calling thread until the response is there, and streaming responses are ordinary iterators. The
 * server must not live in the same thread. Request iterables of direct calls must be synchronous.
 */
export function blockingStub<Methods extends InvocationMethods>(
  serviceName: string,
  methods: Methods,
  host: string,
  port?: number,
  options: BlockingStubOptions = {},
): BlockingStub<Methods> {
  // Those of a stub, so that both may be made with the same object.
  assertKnownOptions(options, STUB_OPTIONS, 'blockingStub()');
  if ('interceptors' in options && interceptorList(options.interceptors as never) !== null) {
    throw new TypeError(
      'options.interceptors: a blocking stub has none, because they may wait; use a stub, or metadataTransformer',
    );
  }
  const channelConfig = stubChannelConfig(host, port, options);
  return makeBlockingStub(serviceName, methods, { channelConfig, ...callablesOf(options) });
}

/**
 * Creates a server of one service, or of several, on `port` (0: the system chooses one). Opens nothing before `start`. Throws TypeError or
 * RangeError, naming the argument, for what cannot be used, such as a private key without certificate chain or an unknown option.
 */
export function server(
  serviceName: string,
  methods: ServiceMethods,
  port: number,
  options?: ServerOptions,
): Server;
export function server(services: Services, port: number, options?: ServerOptions): Server;
export function server(
  first: string | Services,
  second: ServiceMethods | number,
  third?: number | ServerOptions,
  fourth?: ServerOptions,
): Server {
  if (typeof first === 'string') {
    return serverOf([[first, second as ServiceMethods]], third as number, fourth ?? {});
  }
  if (typeof first !== 'object' || first === null) {
    throw new TypeError('server takes a service name, or services by name');
  }
  const services =
    Symbol.iterator in first
      ? (first as Iterable<readonly [string, ServiceMethods]>)
      : Object.entries(first);
  return serverOf(services, second as number, (third as ServerOptions | undefined) ?? {});
}

function serverOf(
  services: Iterable<readonly [string, ServiceMethods]>,
  port: number,
  options: ServerOptions,
): Server {
  assertKnownOptions(options, SERVER_OPTIONS, 'server()');
  return new AlphaServer({
    services,
    address: addressOf(port, options),
    credentials: credentialsOf(options),
    limits: options.limits,
    compression: options.compression,
    compressionMinOctets: options.compressionMinOctets,
    report: functionOrUndefined('onError', options.onError),
    onNotice: functionOrUndefined('onNotice', options.onNotice),
    interceptors: interceptorList(options.interceptors),
  });
}

function addressOf(port: number, { host, path, reusePort }: ServerOptions): ServerAddress {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new RangeError(`port must be an integer of 0 … 65535, got ${String(port)}`);
  }
  if (path === undefined) {
    const shared = reusePort === true ? { reusePort } : {};
    return host === undefined ? { port, ...shared } : { host, port, ...shared };
  }
  if (port !== 0 || host !== undefined || reusePort === true) {
    throw new TypeError(
      'options.path takes the place of host, port and reusePort: port must be 0 with it',
    );
  }
  return { path };
}

function credentialsOf(options: ServerOptions): ServerCredentials {
  const { privateKey, certificateChain, rootCertificates, clientCertificates, ticketKeys } =
    options;
  const policy = clientCertificates === 'ignore' ? undefined : clientCertificates;
  const given = [privateKey, certificateChain, rootCertificates, policy, ticketKeys];
  const isTls = given.some((part) => part !== undefined && part !== null);
  return isTls ? tlsServerCredentials(options) : insecureServerCredentials();
}

function callablesOf(options: BlockingStubOptions): {
  readonly metadataTransformer: MetadataTransformer | null;
  readonly report: ErrorReporter;
} {
  return {
    metadataTransformer:
      functionOrUndefined('metadataTransformer', options.metadataTransformer) ?? null,
    report: functionOrUndefined('onError', options.onError) ?? reportToConsole,
  };
}

function functionOrUndefined<Fn>(name: string, fn: Fn | null | undefined): Fn | undefined {
  if (fn === undefined || fn === null) return undefined;
  if (typeof fn !== 'function') throw new TypeError(`options.${name} must be a function`);
  return fn;
}
