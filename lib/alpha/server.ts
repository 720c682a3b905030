/**
 * The alpha Server: the services of method descriptions on one address, over an engine that is made anew for each run.
 *
 *   stopped -- start --> starting -- bound --> running -- stop --> stopping -- last RPC ended --> stopped …
 */

import type { ServerMethod } from '../call/call.ts';
import type { ServerCredentials } from '../credentials.ts';
import { type ErrorReporter, reportToConsole } from '../error-reporter.ts';
import { GrpcServer, type GrpcServerOptions, type ServerStats } from '../server/server.ts';
import type { ServerInterceptor } from './interceptors.ts';
import type { Server, ServiceMethods } from './interfaces.ts';
import { serverMethods } from './service-handler.ts';
import { threadClock } from './thread-clock.ts';

/** Where a server listens: on a port (0: the system chooses one) of a host, all interfaces by default, or on a Unix socket. */
export type ServerAddress =
  | { readonly host?: string; readonly port: number; readonly reusePort?: boolean }
  | { readonly path: string };

/** What `AlphaServer` is made of. */
export interface ServerParts {
  /** Methods by service name. */
  readonly services: Iterable<readonly [string, ServiceMethods]>;
  readonly address: ServerAddress;
  readonly credentials: ServerCredentials;
  readonly limits: GrpcServerOptions['limits'] | undefined;
  readonly compression?: string | undefined;
  readonly compressionMinOctets?: number | undefined;
  readonly report: ErrorReporter | undefined;
  readonly onNotice?: GrpcServerOptions['onNotice'] | undefined;
  readonly interceptors?: readonly ServerInterceptor[] | null;
}

type State = 'stopped' | 'starting' | 'running' | 'stopping';

/** The Server that `server(…)` gives. */
export class AlphaServer implements Server {
  readonly #methods: readonly ServerMethod[];
  readonly #address: ServerAddress;
  readonly #credentials: ServerCredentials;
  readonly #engineOptions: GrpcServerOptions;
  #state: State;
  #engine: GrpcServer;
  #port: number;
  /** The start or stop under way, for those who wait for its end without caring for its outcome. */
  #transition: Promise<unknown>;

  /** Opens nothing. Throws TypeError or RangeError for services and limits that cannot be used. */
  constructor(parts: ServerParts) {
    const report = parts.report ?? reportToConsole;
    this.#methods = [...parts.services].flatMap(([serviceName, methods]) =>
      serverMethods(serviceName, methods, threadClock, report, parts.interceptors),
    );
    this.#address = parts.address;
    this.#credentials = parts.credentials;
    this.#engineOptions = {
      reportError: report,
      ...(parts.onNotice === undefined ? {} : { onNotice: parts.onNotice }),
      ...(parts.limits === undefined ? {} : { limits: parts.limits }),
      ...(parts.compression === undefined ? {} : { compression: parts.compression }),
      ...(parts.compressionMinOctets === undefined
        ? {}
        : { compressionMinOctets: parts.compressionMinOctets }),
    };
    this.#state = 'stopped';
    // The engine of the first run is made now, so that what is wrong with its parts is found now.
    this.#engine = this.#newEngine();
    this.#port = 0;
    this.#transition = Promise.resolve();
  }

  async start(): Promise<this> {
    if (this.#state !== 'stopped') {
      throw new Error(`the server cannot be started: it is ${this.#state}`);
    }
    this.#state = 'starting';
    const bound = this.#engine.listen(this.#address, this.#credentials);
    this.#transition = bound.catch(() => {});
    try {
      this.#port = await bound;
    } catch (error) {
      this.#engine = this.#newEngine();
      this.#state = 'stopped';
      throw error;
    }
    this.#state = 'running';
    return this;
  }

  async stop(graceSeconds?: number): Promise<void> {
    const graceMs = graceMsOf(graceSeconds);
    if (this.#state !== 'running' && this.#state !== 'stopping') {
      throw new Error(`the server cannot be stopped: it is ${this.#state}`);
    }
    // While it is stopping, another stop can only shorten the grace.
    const first = this.#state === 'running';
    this.#state = 'stopping';
    const stopped = this.#engine.shutdown(graceMs);
    this.#transition = stopped;
    await stopped;
    if (!first) return;
    this.#engine = this.#newEngine();
    this.#state = 'stopped';
  }

  open(): Promise<this> {
    return this.start();
  }

  close(): Promise<void> {
    return this.stop();
  }

  port(): number {
    if (this.#state !== 'running') {
      throw new Error(
        `port() may only be called while the server is running: it is ${this.#state}`,
      );
    }
    return this.#port;
  }

  stats(): ServerStats {
    return this.#engine.stats();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state !== 'running') await this.#transition;
    if (this.#state === 'running') await this.stop();
  }

  #newEngine(): GrpcServer {
    const engine = new GrpcServer(this.#engineOptions);
    engine.addMethods(this.#methods);
    return engine;
  }
}

function graceMsOf(graceSeconds: number | undefined): number {
  if (graceSeconds === undefined) return Number.POSITIVE_INFINITY;
  if (typeof graceSeconds !== 'number' || !(graceSeconds >= 0)) {
    throw new RangeError(
      `graceSeconds must be a number of seconds, 0 or more, got ${String(graceSeconds)}`,
    );
  }
  return graceSeconds * 1000;
}
