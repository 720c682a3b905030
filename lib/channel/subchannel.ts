/**
 * The connection to one address: dials when asked, keeps at most one connection for new streams while older ones finish theirs, and
 * spaces failed attempts by the backoff.
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
}

/** Options of a subchannel. */
export interface SubchannelOptions {
  readonly connector: Connector;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly backoff: Backoff;
  /** Least time for an attempt, TLS included. */
  readonly connectTimeoutMs: number;
  readonly observer: TransportObserver | null;
}

/** Connections lost one after the other, each without having served a call, before the backoff holds for them too. */
const MAX_FRUITLESS_CONNECTIONS = 3;

/** What ClientConnection says after GOAWAY(ENHANCE_YOUR_CALM) with that debug data. */
const TOO_MANY_PINGS = /^GOAWAY received: (?:ENHANCE_YOUR_CALM|error code 11), "too_many_pings"/;

/** One address of a channel. */
export class Subchannel {
  readonly #options: SubchannelOptions;
  readonly #listener: SubchannelListener;
  #limits: Limits;
  #state: ConnectivityState;
  #attempt: ConnectAttempt | null;
  /** Takes new streams. */
  #current: ClientConnection | null;
  /** All that are not closed yet, those that only finish their streams included. */
  readonly #connections: Set<ClientConnection>;
  #backoffTimer: Timer | null;
  /** When the next attempt may start, should the one under way fail. */
  #nextAttemptMs: number;
  #lastError: Error | null;
  #fruitlessConnections: number;

  constructor(options: SubchannelOptions, listener: SubchannelListener) {
    this.#options = options;
    this.#listener = listener;
    this.#limits = options.limits;
    this.#state = ConnectivityState.IDLE;
    this.#attempt = null;
    this.#current = null;
    this.#connections = new Set();
    this.#backoffTimer = null;
    this.#nextAttemptMs = 0;
    this.#lastError = null;
    this.#fruitlessConnections = 0;
  }

  get state(): ConnectivityState {
    return this.#state;
  }

  /** The connection for new streams, in state `connecting` or `ready`; null when there is none. */
  get connection(): ClientConnection | null {
    return this.#current;
  }

  /** Connections that are not closed yet. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Why the state is TRANSIENT_FAILURE; what last went wrong in other states. */
  get lastError(): Error | null {
    return this.#lastError;
  }

  /** Dials unless there is a connection, an attempt under way, or the backoff to wait for. */
  connect(): void {
    if (this.#state !== ConnectivityState.IDLE) return;
    const { clock, backoff, connector, connectTimeoutMs } = this.#options;
    const backoffMs = backoff.next();
    this.#nextAttemptMs = clock.now() + backoffMs;
    this.#setState(ConnectivityState.CONNECTING);
    this.#attempt = connector.connect(Math.max(connectTimeoutMs, backoffMs), {
      onConnected: (duplex) => this.#onConnected(duplex),
      onFailed: (error) => {
        this.#attempt = null;
        this.#onFailed(error);
      },
    });
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
    this.#backoffTimer?.cancel();
    this.#backoffTimer = null;
    this.#current = null;
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
    const { clock, observer } = this.#options;
    const connection = new ClientConnection(
      duplex,
      clock,
      { limits: this.#limits, observer },
      {
        onReady: () => this.#onReady(connection),
        onDraining: (reason) => this.#onDraining(connection, reason),
        onClosed: (reason) => this.#onClosed(connection, reason),
        onReadEnd: this.#listener.onReadEnd,
      },
    );
    this.#connections.add(connection);
    this.#current = connection;
    // Still CONNECTING, but streams may be opened: they leave together with the preface (RFC 9113 §3.4).
    this.#listener.onSubchannelChanged();
  }

  #onReady(connection: ClientConnection): void {
    if (connection !== this.#current) return;
    this.#options.backoff.reset();
    this.#setState(ConnectivityState.READY);
  }

  #onDraining(connection: ClientConnection, reason: string): void {
    if (TOO_MANY_PINGS.test(reason)) {
      // gRFC A8: the server finds our keepalive too frequent; the connections to come are calmer.
      this.#limits = { ...this.#limits, keepaliveTimeMs: this.#limits.keepaliveTimeMs * 2 };
    }
    if (connection !== this.#current) return;
    this.#leave(new Error(reason));
  }

  #onClosed(connection: ClientConnection, reason: ConnectionCloseReason): void {
    this.#connections.delete(connection);
    if (connection === this.#current) {
      this.#leave(
        new Error(`connection to ${this.#options.connector.address} lost: ${reason.message}`, {
          cause: reason.cause,
        }),
      );
    }
    this.#listener.onConnectionClosed();
  }

  /** The current connection takes no more streams. */
  #leave(error: Error): void {
    this.#current = null;
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
