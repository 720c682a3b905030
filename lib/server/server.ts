/**
 * A gRPC server: listens, gives each connection its host of calls, and shuts down gracefully.
 *
 *   SERVING ──shutdown──▶ DRAINING ──last connection closed, or the grace is over──▶ CLOSED
 */

import { ErrorCode, errorCodeName } from '../../framing/constants.ts';
import type { ByteDuplex } from '../../transport/byte-duplex.ts';
import type { Clock, Timer } from '../../transport/clock.ts';
import type { ConnectionCloseReason } from '../../transport/connection-role.ts';
import { type Limits, resolveLimits, SERVER_LIMITS } from '../../transport/limits.ts';
import type { AcceptListener, Listener } from '../../transport/listener.ts';
import { type ListenAddress, listen, type ServerTls } from '../../transport/node/listen.ts';
import type { TransportObserver } from '../../transport/observer.ts';
import { systemClock } from '../../transport/system-clock.ts';
import { countingObserver, TripCounters } from '../../transport/trip-counters.ts';
import type { ServerMethod } from '../call/call.ts';
import { insecureServerCredentials, type ServerCredentials } from '../credentials.ts';
import { type ErrorReporter, reportSafely, reportToConsole } from '../error-reporter.ts';
import { joinCallContext } from '../platform/call-context.ts';
import { zlibCodecs } from '../platform/zlib.ts';
import { ProcessHold } from '../process-hold.ts';
import {
  CompressionCodecs,
  type CompressionSettings,
  compressionSettings,
} from '../protocol/compression.ts';
import { ResponseTemplates } from '../protocol/response-headers.ts';
import {
  HANDLER_LINGERS,
  type LingeringHandlers,
  LingeringRegister,
} from './lingering-handlers.ts';
import { type GenericMethod, MethodTable } from './method-table.ts';
import { Notices } from './notices.ts';
import { ServedConnection, type ServedConnectionOptions } from './served-connection.ts';

/** Options of a server; all have defaults. */
export interface GrpcServerOptions {
  /** Laid over `SERVER_LIMITS`. */
  readonly limits?: Partial<Limits>;
  /** Encoding of response messages, such as `gzip`, for clients that accept it. Default: they are sent as they are. */
  readonly compression?: string;
  /** Messages of fewer octets are not compressed; default 1024. */
  readonly compressionMinOctets?: number;
  readonly clock?: Clock;
  readonly observer?: TransportObserver;
  /** Receives exceptions of user code that no caller can be told of, and faults of accepting. Default: one line on stderr. */
  readonly reportError?: ErrorReporter;
  /** Hears of connections that were refused or ended by an error; peers can cause any number. Default: nobody does. */
  readonly onNotice?: (message: string) => void;
}

/** A snapshot of one server. */
export interface ServerStats {
  readonly connections: number;
  /** Request streams that are open. */
  readonly activeCalls: number;
  /** Handlers that hold a slot (L2), also those of connections that are gone. */
  readonly runningHandlers: number;
  /** Those of them whose calls have ended: they hold slots for nobody. By method path; see `RpcContext.untilAborted`. */
  readonly lingeringHandlers: ReadonlyMap<string, LingeringHandlers>;
  /** Calls that wait for a handler slot. */
  readonly waitingCalls: number;
  /**
   * Requests since the start whose time was over before their behaviours could run (DEADLINE_EXCEEDED): they came late, or waited until then for
   * a slot, for decompression or for interceptors. No offence, so not among `trips`: clients under load have some, and a server that is too
   * slow for its callers has many.
   */
  readonly expiredRequests: number;
  /** How often each limit and each protocol check has tripped, by its token. */
  readonly trips: ReadonlyMap<string, number>;
}

/** A server for any number of services and addresses. */
export class GrpcServer {
  readonly limits: Limits;
  readonly #clock: Clock;
  readonly #observer: TransportObserver;
  readonly #trips: TripCounters;
  readonly #compression: CompressionSettings;
  readonly #responseTemplates: ResponseTemplates;
  /** Set while the server serves: see lib/platform/call-context.ts. */
  #leaveCallContext: (() => void) | null;
  readonly #report: ErrorReporter;
  readonly #notices: Notices;
  readonly #methods: MethodTable;
  readonly #listeners: Set<Listener>;
  /** What its connections share; one object, as they may be many. */
  readonly #served: ServedConnectionOptions;
  readonly #connections: Set<ServedConnection>;
  /** Closed connections with handlers that run on. */
  readonly #departed: Set<ServedConnection>;
  readonly #lingering: LingeringRegister;
  /** Calls of `listen` under way, which `shutdown` waits for. */
  readonly #binding: Set<Promise<unknown>>;
  readonly #hold: ProcessHold;
  #expiredRequests: number;
  #draining: boolean;
  #graceTimer: Timer | null;
  #graceEndsMs: number;
  readonly #closed: Promise<void>;
  #resolveClosed: () => void;

  /** Opens nothing. Throws RangeError or TypeError for a limit that is none and for an encoding that this runtime does not have. */
  constructor(options: GrpcServerOptions = {}) {
    this.limits = resolveLimits(SERVER_LIMITS, options.limits);
    this.#clock = options.clock ?? systemClock;
    this.#trips = new TripCounters();
    this.#observer = countingObserver(this.#trips, options.observer ?? null);
    this.#compression = compressionSettings(
      new CompressionCodecs(zlibCodecs()),
      options.compression,
      options.compressionMinOctets,
    );
    this.#responseTemplates = new ResponseTemplates(this.#compression.codecs);
    this.#leaveCallContext = null;
    const report = options.reportError ?? reportToConsole;
    this.#report = (error, where) => reportSafely(report, error, where);
    this.#notices = new Notices(this.#clock, noticeSayer(options.onNotice, this.#report));
    this.#methods = new MethodTable();
    this.#listeners = new Set();
    this.#connections = new Set();
    this.#departed = new Set();
    this.#lingering = new LingeringRegister(
      this.#clock,
      this.limits,
      () => this.#trips.count(HANDLER_LINGERS),
      (message, path) => this.#report(new Error(message), path),
    );
    this.#served = this.#servedOptions();
    this.#binding = new Set();
    this.#hold = new ProcessHold(this.#clock);
    this.#expiredRequests = 0;
    this.#draining = false;
    this.#graceTimer = null;
    this.#graceEndsMs = Number.POSITIVE_INFINITY;
    this.#resolveClosed = (): void => {};
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  /** Open connections. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Request streams that are open on all connections. */
  get activeCalls(): number {
    let calls = 0;
    for (const connection of this.#connections) calls += connection.activeStreams;
    return calls;
  }

  /** What the server is doing, and which limits and checks its peers have tripped since it was made. */
  stats(): ServerStats {
    let [activeCalls, runningHandlers, waitingCalls] = [0, 0, 0];
    for (const connection of this.#connections) {
      activeCalls += connection.activeStreams;
      runningHandlers += connection.runningHandlers;
      waitingCalls += connection.waitingCalls;
    }
    for (const connection of this.#departed) runningHandlers += connection.runningHandlers;
    return {
      connections: this.#connections.size,
      activeCalls,
      runningHandlers,
      lingeringHandlers: this.#lingering.snapshot(),
      waitingCalls,
      expiredRequests: this.#expiredRequests,
      trips: this.#trips.snapshot(),
    };
  }

  /** True from `shutdown` on. */
  get isShutDown(): boolean {
    return this.#draining;
  }

  /** The addresses being listened on, in readable form. */
  get addresses(): readonly string[] {
    return [...this.#listeners].map((listener) => listener.address);
  }

  /** Serves `methods` too; also while running. Throws TypeError naming the path when one is served already. */
  addMethods(methods: Iterable<ServerMethod>): void {
    this.#methods.add(methods);
  }

  /** Sets what answers for paths that no added method has. Throws TypeError when it is set already. */
  setGenericMethod(generic: GenericMethod): void {
    this.#methods.setGeneric(generic);
  }

  /**
   * Listens on one more address and resolves with the port, 0 for a Unix socket. Rejects with an Error that says what, where and what to do
   * when the address or the TLS material cannot be used, or the server was shut down.
   */
  async listen(
    address: ListenAddress,
    credentials: ServerCredentials = insecureServerCredentials(),
  ): Promise<number> {
    this.#assertServing();
    this.#leaveCallContext ??= joinCallContext('servers');
    const binding = listen(
      {
        address,
        tls: serverTls(credentials),
        clock: this.#clock,
        tlsHandshakeTimeoutMs: this.limits.tlsHandshakeTimeoutMs,
        maxConnectionsPerAddress: this.limits.maxConnectionsPerAddress,
      },
      this.#acceptListener(),
    );
    this.#binding.add(binding);
    try {
      const listener = await binding;
      if (this.#draining) {
        await listener.close();
        this.#assertServing();
      }
      this.#listeners.add(listener);
      return listener.port;
    } finally {
      this.#binding.delete(binding);
      this.#finishClose();
    }
  }

  /** Serves one connection over any pipe, which belongs to the server from now on; one that is shut down destroys it. */
  accept(duplex: ByteDuplex): void {
    if (this.#draining) {
      duplex.destroy();
      return;
    }
    this.#leaveCallContext ??= joinCallContext('servers');
    this.#connections.add(new ServedConnection(duplex, this.#served));
  }

  #servedOptions(): ServedConnectionOptions {
    return {
      clock: this.#clock,
      limits: this.limits,
      observer: this.#observer,
      trips: this.#trips,
      compression: this.#compression,
      responseTemplates: this.#responseTemplates,
      methods: this.#methods,
      lingering: this.#lingering,
      onUncaught: (error) => this.#report(error, 'server'),
      onExpiredRequest: () => {
        this.#expiredRequests++;
      },
      onClosed: (connection, reason) => {
        this.#connections.delete(connection);
        this.#departed.add(connection);
        this.#tellOfEnd(connection.peerAddress, reason);
        this.#finishClose();
      },
      onQuiet: (connection) => this.#departed.delete(connection),
    };
  }

  /**
   * Graceful shutdown: accepts nothing more, tells every client (GOAWAY in two steps, RFC 9113 §6.8), and lets calls in flight end for up
   * to `graceMs` (0 … Infinity); what is left then is cut off, and its handlers are cancelled. Resolves when every connection is closed.
   * Called again it can only shorten the grace. Throws RangeError when `graceMs` is no such number.
   */
  shutdown(graceMs: number): Promise<void> {
    if (typeof graceMs !== 'number' || !(graceMs >= 0)) {
      throw new RangeError(`graceMs must be a number of 0 or more, got ${String(graceMs)}`);
    }
    this.#startDraining();
    const endsMs = this.#clock.now() + graceMs;
    if (endsMs < this.#graceEndsMs) {
      this.#graceEndsMs = endsMs;
      this.#graceTimer?.cancel();
      if (graceMs === 0) this.#cutOff();
      else this.#graceTimer = this.#clock.setTimer(graceMs, () => this.#cutOff(), true);
    }
    this.#finishClose();
    return this.#closed;
  }

  /** `shutdown(0)`: calls in flight are cut off at once. */
  closeNow(): Promise<void> {
    return this.shutdown(0);
  }

  #startDraining(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#hold.set(true);
    for (const listener of this.#listeners) {
      const closing = listener.close().finally(() => {
        this.#binding.delete(closing);
        this.#finishClose();
      });
      this.#binding.add(closing);
    }
    this.#listeners.clear();
    for (const connection of this.#connections) connection.drain();
  }

  /** The grace is over. A peer that does not read cannot hold up the end (CVE-2022-27664): its connection is closed all the same. */
  #cutOff(): void {
    this.#graceTimer = null;
    for (const connection of this.#connections) {
      connection.close(ErrorCode.NO_ERROR, 'server shutdown');
    }
  }

  #finishClose(): void {
    if (!this.#draining || this.#connections.size > 0 || this.#binding.size > 0) return;
    this.#graceTimer?.cancel();
    this.#graceTimer = null;
    this.#notices.flush();
    this.#hold.set(false);
    this.#leaveCallContext?.();
    this.#resolveClosed();
  }

  #assertServing(): void {
    if (this.#draining) throw new Error('the server was shut down: make a new one to serve again');
  }

  #acceptListener(): AcceptListener {
    return {
      onConnection: (duplex) => this.accept(duplex),
      onRefused: (message, token) => {
        this.#trips.count(token);
        this.#notices.tell(token, message);
      },
      onAcceptError: (error) => {
        this.#trips.count('connection.accept-failed');
        this.#report(error, 'server');
      },
    };
  }

  /** A peer that leaves, idle time, age and a shutdown are normal ends; a limit or a broken rule gives a line. */
  #tellOfEnd(peerAddress: string, { errorCode, message, token }: ConnectionCloseReason): void {
    if (errorCode === ErrorCode.NO_ERROR && token === null) return;
    const kind = token ?? errorCodeName(errorCode);
    const what = message.includes(kind) ? message : `${message} (${kind})`;
    this.#notices.tell(kind, `connection from ${peerAddress} ended: ${what}`);
  }
}

function noticeSayer(
  onNotice: GrpcServerOptions['onNotice'],
  report: ErrorReporter,
): (line: string) => void {
  return (line) => {
    try {
      onNotice?.(line);
    } catch (error) {
      report(error, 'onNotice');
    }
  };
}

function serverTls(credentials: ServerCredentials): ServerTls | null {
  if (credentials.type === 'insecure') return null;
  const { clientCertificates, ticketKeys } = credentials;
  return { material: credentials, clientCertificates, ticketKeys };
}
