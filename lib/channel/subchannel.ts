/**
 * The connection to one address: dials when asked, keeps one connection for new streams while older ones finish theirs, and spaces failed
 * attempts by the backoff. Beside it, extra connections may be grown when it is full of streams.
 *
 *   IDLE ──connect──▶ CONNECTING ──first SETTINGS──▶ READY ──GOAWAY, loss──▶ IDLE
 *     ▲                   │ failed, or lost before SETTINGS
 *     └──backoff over── TRANSIENT_FAILURE
 */

import { ErrorCode } from '../../framing/constants.ts';
import type { ByteDuplex } from '../../transport/byte-duplex.ts';
import { ClientConnection } from '../../transport/client-connection.ts';
import type { Clock, Timer } from '../../transport/clock.ts';
import type { ConnectionCloseReason } from '../../transport/connection-role.ts';
import type { ConnectAttempt, Connector } from '../../transport/connector.ts';
import type { Limits } from '../../transport/limits.ts';
import type { TransportObserver } from '../../transport/observer.ts';
import type { ReadEndHook } from '../../transport/stream-listener.ts';
import type { Backoff } from './backoff.ts';
import { ConnectivityState } from './connectivity.ts';

/** What a subchannel tells its channel. */
export interface SubchannelListener {
  /** The state, or the connection that new streams go to, has changed. */
  onSubchannelChanged(): void;
  /** One of its connections is gone; `Subchannel.connections` counts the rest. */
  onConnectionClosed(): void;
  readonly onReadEnd: ReadEndHook;
  /** Something that the operator of this program should know of. Must not throw. */
  onWarning(message: string): void;
}

/** Options of a subchannel. */
export interface SubchannelOptions {
  readonly connector: Connector;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly backoff: Backoff;
  /** Least time for an attempt, from the name lookup to the server's SETTINGS. */
  readonly connectTimeoutMs: number;
  /** Connections for new streams at most. */
  readonly maxConnections: number;
  /** As in `ConnectionOptions`. */
  readonly keepaliveWithoutCalls: boolean;
  readonly observer: TransportObserver | null;
  /** As in `ClientConnectionOptions`. */
  readonly firstStreamId: number;
}

/** Connections lost one after the other, each without having served a call, before the backoff holds for them too. */
const MAX_FRUITLESS_CONNECTIONS = 3;

/** The debug data of a server that finds our keepalive too frequent (gRFC A8). */
const TOO_MANY_PINGS = 'too_many_pings';

/** One address of a channel. */
export class Subchannel {
  readonly #options: SubchannelOptions;
  readonly #listener: SubchannelListener;
  #limits: Limits;
  #state: ConnectivityState;
  #attempt: ConnectAttempt | null;
  /** Takes new streams. */
  #current: ClientConnection | null;
  /** Take new streams too, and take its place. Not empty only in state READY. */
  #extras: ClientConnection[];
  /** The extra connection that is being made: its attempt, then itself up to the server's SETTINGS. */
  #growing: ConnectAttempt | ClientConnection | null;
  /** When an extra connection may be tried again after one that failed. */
  #nextGrowthMs: number;
  /** All that are not closed yet, those that only finish their streams included. */
  readonly #connections: Set<ClientConnection>;
  #backoffTimer: Timer | null;
  /** When the next attempt may start, should the one under way fail. */
  #nextAttemptMs: number;
  /** When the attempt under way is over, the server's first SETTINGS included. */
  #attemptEndsMs: number;
  #lastError: Error | null;
  /** The last attempt failed while a name was looked up. */
  #lookupFailed: boolean;
  #fruitlessConnections: number;

  constructor(options: SubchannelOptions, listener: SubchannelListener) {
    this.#options = options;
    this.#listener = listener;
    this.#limits = options.limits;
    this.#state = ConnectivityState.IDLE;
    this.#attempt = null;
    this.#current = null;
    this.#extras = [];
    this.#growing = null;
    this.#nextGrowthMs = Number.NEGATIVE_INFINITY;
    this.#connections = new Set();
    this.#backoffTimer = null;
    this.#nextAttemptMs = 0;
    this.#attemptEndsMs = 0;
    this.#lastError = null;
    this.#lookupFailed = false;
    this.#fruitlessConnections = 0;
  }

  get state(): ConnectivityState {
    return this.#state;
  }

  /** The connection for new streams, in state `connecting` or `ready`; null when there is none. */
  get connection(): ClientConnection | null {
    return this.#current;
  }

  /** Whether there may be more than one connection for new streams. */
  get scales(): boolean {
    return this.#options.maxConnections > 1;
  }

  /** `connection` and the extra ones. */
  get readyConnections(): readonly ClientConnection[] {
    return this.#current === null ? this.#extras : [this.#current, ...this.#extras];
  }

  /** Connections that are not closed yet. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Why the state is TRANSIENT_FAILURE; what last went wrong in other states. */
  get lastError(): Error | null {
    return this.#lastError;
  }

  /** The attempt under way, or else the last one, has not got beyond looking up a name. */
  get isResolving(): boolean {
    return this.#attempt === null ? this.#lookupFailed : this.#attempt.isResolving === true;
  }

  /** Dials unless there is a connection, an attempt under way, or the backoff to wait for. */
  connect(): void {
    if (this.#state !== ConnectivityState.IDLE) return;
    const { clock, backoff, connector, connectTimeoutMs } = this.#options;
    const backoffMs = backoff.next();
    const timeoutMs = Math.max(connectTimeoutMs, backoffMs);
    this.#nextAttemptMs = clock.now() + backoffMs;
    this.#attemptEndsMs = clock.now() + timeoutMs;
    this.#setState(ConnectivityState.CONNECTING);
    this.#attempt = connector.connect(timeoutMs, {
      onConnected: (duplex) => this.#onConnected(duplex),
      onFailed: (error) => {
        this.#lookupFailed = this.#attempt?.isResolving === true;
        this.#attempt = null;
        this.#onFailed(error);
      },
    });
  }

  /**
   * Makes an extra connection, because all are full of streams. Returns whether one is coming; `onSubchannelChanged` follows then, whatever
   * becomes of it.
   */
  grow(): boolean {
    if (this.#growing !== null) return true;
    const { clock, connector, connectTimeoutMs, maxConnections } = this.#options;
    if (
      this.#state !== ConnectivityState.READY ||
      this.readyConnections.length >= maxConnections ||
      clock.now() < this.#nextGrowthMs
    ) {
      return false;
    }
    const endsMs = clock.now() + connectTimeoutMs;
    this.#growing = connector.connect(connectTimeoutMs, {
      onConnected: (duplex) => {
        this.#growing = this.#open(duplex, endsMs);
      },
      onFailed: (error) => this.#onGrowthFailed(error),
    });
    return true;
  }

  /** A call of the channel has ended. */
  onCallEnded(): void {
    this.#fruitlessConnections = 0;
  }

  /** Ends the wait of the backoff, for a caller who knows that the server is back. */
  resetBackoff(): void {
    this.#options.backoff.reset();
    if (this.#state !== ConnectivityState.TRANSIENT_FAILURE) return;
    this.#backoffTimer?.cancel();
    this.#backoffTimer = null;
    this.#setState(ConnectivityState.IDLE);
  }

  /** Dials no more. Connections close when their last stream has ended. */
  shutdown(): void {
    if (this.#state === ConnectivityState.SHUTDOWN) return;
    this.#attempt?.cancel();
    this.#attempt = null;
    if (this.#growing !== null && 'cancel' in this.#growing) this.#growing.cancel();
    this.#growing = null;
    this.#backoffTimer?.cancel();
    this.#backoffTimer = null;
    this.#current = null;
    this.#extras = [];
    this.#state = ConnectivityState.SHUTDOWN;
    for (const connection of this.#connections) connection.drain();
  }

  /** As `shutdown`, and closes the connections at once. */
  shutdownNow(reason: string): void {
    this.shutdown();
    for (const connection of this.#connections) {
      connection.close(ErrorCode.NO_ERROR, reason);
    }
  }

  #onConnected(duplex: ByteDuplex): void {
    this.#attempt = null;
    this.#lookupFailed = false;
    this.#current = this.#open(duplex, this.#attemptEndsMs);
    // Still CONNECTING, but streams may be opened: they leave together with the preface (RFC 9113 §3.4).
    this.#listener.onSubchannelChanged();
  }

  /** A connection on `duplex`, whose server has until `endsMs` for its SETTINGS. */
  #open(duplex: ByteDuplex, endsMs: number): ClientConnection {
    const { clock, observer, keepaliveWithoutCalls, firstStreamId } = this.#options;
    const leftMs = Math.max(0, endsMs - clock.now());
    const firstSettingsTimeoutMs = Math.min(this.#limits.firstSettingsTimeoutMs, leftMs);
    const connection = new ClientConnection(
      duplex,
      clock,
      {
        limits: { ...this.#limits, firstSettingsTimeoutMs },
        observer,
        keepaliveWithoutCalls,
        firstStreamId,
      },
      {
        onReady: () => this.#onReady(connection),
        onDraining: (reason, code, debug) => this.#onDraining(connection, reason, code, debug),
        onClosed: (reason) => this.#onClosed(connection, reason),
        onReadEnd: this.#listener.onReadEnd,
      },
    );
    this.#connections.add(connection);
    return connection;
  }

  #onReady(connection: ClientConnection): void {
    if (connection === this.#growing) {
      this.#growing = null;
      // Those that it was to relieve are gone: the calls wait for their successor.
      if (this.#state !== ConnectivityState.READY) connection.drain();
      else this.#extras.push(connection);
      this.#listener.onSubchannelChanged();
      return;
    }
    if (connection !== this.#current) return;
    this.#options.backoff.reset();
    this.#setState(ConnectivityState.READY);
  }

  #onDraining(
    connection: ClientConnection,
    reason: string,
    goAwayCode: number | null,
    goAwayDebug: string,
  ): void {
    if (goAwayCode === ErrorCode.ENHANCE_YOUR_CALM && goAwayDebug === TOO_MANY_PINGS) {
      this.#onTooManyPings();
    }
    this.#leaveExtra(connection, new Error(reason));
    if (connection !== this.#current) return;
    if (goAwayCode !== null) {
      this.#leave(new Error(reason));
      return;
    }
    // RFC 9113 §5.1.1: our own stream ids are used up. Nothing failed, so the next connection is dialled without a wait.
    this.#current = null;
    if (!this.#inherit()) this.#setState(ConnectivityState.IDLE);
  }

  /** gRFC A8: the connections to come are calmer, and someone should set a longer time. */
  #onTooManyPings(): void {
    const { keepaliveTimeMs } = this.#limits;
    if (!Number.isFinite(keepaliveTimeMs)) return;
    this.#limits = { ...this.#limits, keepaliveTimeMs: keepaliveTimeMs * 2 };
    this.#listener.onWarning(
      `${this.#options.connector.address} ended a connection with "too_many_pings": set keepaliveTimeMs (${keepaliveTimeMs}) to what the server permits; ${keepaliveTimeMs * 2} is used from now on`,
    );
  }

  #onClosed(connection: ClientConnection, reason: ConnectionCloseReason): void {
    this.#connections.delete(connection);
    this.#leaveExtra(connection, new Error(reason.message, { cause: reason.cause }));
    if (connection === this.#current) {
      this.#leave(new Error(this.#closeText(reason), { cause: reason.cause }));
    }
    this.#listener.onConnectionClosed();
  }

  #closeText(reason: ConnectionCloseReason): string {
    const { address } = this.#options.connector;
    if (this.#state !== ConnectivityState.CONNECTING) {
      return `connection to ${address} lost: ${reason.message}`;
    }
    const what =
      reason.errorCode === ErrorCode.SETTINGS_TIMEOUT
        ? 'they did not come in time: check that it is a gRPC server, and not overloaded'
        : reason.message;
    return `connecting to ${address} failed: connected, but while waiting for the server's SETTINGS: ${what}`;
  }

  /** `connection`, if it is an extra one, takes no more streams. */
  #leaveExtra(connection: ClientConnection, error: Error): void {
    if (connection === this.#growing) this.#onGrowthFailed(error);
    const at = this.#extras.indexOf(connection);
    if (at < 0) return;
    this.#extras.splice(at, 1);
    this.#listener.onSubchannelChanged();
  }

  /** Calls do with the connections that there are, for as long as an attempt may take. */
  #onGrowthFailed(error: Error): void {
    this.#growing = null;
    this.#lastError = error;
    this.#nextGrowthMs = this.#options.clock.now() + this.#options.connectTimeoutMs;
    this.#listener.onSubchannelChanged();
  }

  /** The current connection takes no more streams. */
  #leave(error: Error): void {
    this.#current = null;
    if (this.#extras.length > 0) this.#lastError = error;
    if (this.#inherit()) return;
    if (this.#state === ConnectivityState.READY) {
      if (++this.#fruitlessConnections > MAX_FRUITLESS_CONNECTIONS) {
        // A server that turns every connection away after its SETTINGS: without this the calls' transparent retries would dial in a loop.
        this.#onFailed(error);
        return;
      }
      this.#lastError = error;
      this.#setState(ConnectivityState.IDLE);
    } else if (this.#state === ConnectivityState.CONNECTING) {
      // A connection that ended before it proved to lead to an HTTP/2 server is a failed attempt.
      this.#onFailed(error);
    }
  }

  /** An extra connection, if there is one, takes the place of the current one. */
  #inherit(): boolean {
    const heir = this.#extras.shift();
    if (heir === undefined) return false;
    this.#current = heir;
    this.#listener.onSubchannelChanged();
    return true;
  }

  #onFailed(error: Error): void {
    this.#lastError = error;
    const { clock } = this.#options;
    const waitMs = Math.max(0, this.#nextAttemptMs - clock.now());
    this.#backoffTimer = clock.setTimer(
      waitMs,
      () => {
        this.#backoffTimer = null;
        this.#setState(ConnectivityState.IDLE);
      },
      false,
    );
    this.#setState(ConnectivityState.TRANSIENT_FAILURE);
  }

  #setState(state: ConnectivityState): void {
    if (this.#state === state || this.#state === ConnectivityState.SHUTDOWN) return;
    this.#state = state;
    this.#listener.onSubchannelChanged();
  }
}
