/**
 * A channel: makes calls to one target. It connects when the first call starts, gives each call a transport, keeps calls while there is
 * none, and closes when told to.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { Clock } from '../../transport/clock.ts';
import type { Limits } from '../../transport/limits.ts';
import type { ClientTransport } from '../../transport/stream-listener.ts';
import { systemClock } from '../../transport/system-clock.ts';
import { countingObserver, TripCounters } from '../../transport/trip-counters.ts';
import type { CallFactory, CallOptions, CallStatus, ClientCall } from '../call/call.ts';
import { metadataFault } from '../call/call-fault.ts';
import { CallList } from '../call/call-list.ts';
import { ClientCallImpl } from '../call/client-call.ts';
import type { ClientCallHost, PendingCall } from '../call/client-call-host.ts';
import { InflateSlots } from '../call/inflate-slots.ts';
import { ReadyQueue } from '../call/ready-queue.ts';
import { RetryBuffer } from '../call/retry-buffer.ts';
import type { ScopeStorage } from '../call-scope.ts';
import { insecureChannelCredentials } from '../credentials.ts';
import { reportSafely, reportToConsole } from '../error-reporter.ts';
import type { MethodDescriptor } from '../method.ts';
import { joinCallContext, scopeStorage } from '../platform/call-context.ts';
import { zlibCodecs } from '../platform/zlib.ts';
import { ProcessHold } from '../process-hold.ts';
import {
  CompressionCodecs,
  type CompressionSettings,
  compressionSettings,
} from '../protocol/compression.ts';
import { RequestTemplates } from '../protocol/request-headers.ts';
import { ResponseReader } from '../protocol/response-headers.ts';
import { Status } from '../status.ts';
import { Backoff } from './backoff.ts';
import {
  authorityOf,
  type ChannelOptions,
  clientLimits,
  connectionLimit,
  connectTimeout,
  socketConnector,
  userAgent,
} from './channel-options.ts';
import { ConnectivityState } from './connectivity.ts';
import { ConnectionPicker, FixedPicker, type Picker, ScalingPicker, WAIT } from './picker.ts';
import { Subchannel } from './subchannel.ts';
import { parseTarget, type Target } from './target.ts';

/** A snapshot of one channel. */
export interface ChannelStats {
  readonly state: ConnectivityState;
  /** What last went wrong with a connection, or in making one; empty when nothing did. */
  readonly lastError: string;
  readonly connections: number;
  /** Started calls whose status is not delivered. */
  readonly activeCalls: number;
  /** Those of them that wait for a connection. */
  readonly waitingCalls: number;
  /** How often each limit and each protocol check has tripped, by its token. */
  readonly trips: ReadonlyMap<string, number>;
}

/** A channel to one target. */
export class Channel implements CallFactory, ClientCallHost {
  /** The target in readable form. */
  readonly target: string;
  /** The `:authority` of its calls. */
  readonly authority: string;
  readonly clock: Clock;
  readonly readyQueue: ReadyQueue;
  readonly limits: Limits;
  readonly maxUndeliveredMessages: number;
  readonly responseReader: ResponseReader;
  readonly retryBuffer: RetryBuffer;
  readonly compression: CompressionSettings;
  readonly inflates: InflateSlots;
  /** False: `scopes` is always null. */
  readonly #propagates: boolean;
  readonly #leaveCallContext: () => void;
  readonly #templates: RequestTemplates;
  readonly #subchannel: Subchannel;
  readonly #hold: ProcessHold;
  readonly #trips: TripCounters;
  #picker: Picker;
  /** Started calls whose status is not delivered. */
  readonly #calls: CallList<PendingCall>;
  /** Those of them that wait for a transport, oldest first (L31). */
  readonly #waiting: Set<PendingCall>;
  #closing: boolean;
  readonly #closed: Promise<void>;
  #resolveClosed: () => void;

  /**
   * Nothing touches the network before the first call. Throws TypeError or RangeError when `target`, a limit, an encoding or the TLS
   * material cannot be used: see `parseTarget`, `resolveLimits`, `compressionSettings`, `secureContext`.
   */
  constructor(target: string | Target, options: ChannelOptions = {}) {
    const parsed = typeof target === 'string' ? parseTarget(target) : target;
    const credentials = options.credentials ?? insecureChannelCredentials();
    const limits = clientLimits(options.limits);
    this.target = parsed.text;
    this.authority = authorityOf(parsed, credentials, options.authority);
    this.clock = options.clock ?? systemClock;
    const report = (error: unknown): void =>
      reportSafely(options.reportError ?? reportToConsole, error, `channel to ${parsed.text}`);
    this.readyQueue = new ReadyQueue(report);
    this.limits = limits;
    this.maxUndeliveredMessages = limits.maxUndeliveredMessages;
    this.responseReader = new ResponseReader();
    this.retryBuffer = new RetryBuffer(limits.channelRetryBufferOctets);
    const { compression, compressionMinOctets } = options;
    const codecs = new CompressionCodecs(zlibCodecs());
    this.compression = compressionSettings(codecs, compression, compressionMinOctets);
    this.inflates = new InflateSlots(limits.maxConcurrentInflates);
    this.#propagates = options.propagate !== false;
    this.#templates = new RequestTemplates(
      this.authority,
      credentials.type === 'tls' ? 'https' : 'http',
      userAgent(options.userAgent),
      codecs.accepted,
    );
    this.#trips = new TripCounters();
    this.#subchannel = new Subchannel(
      {
        connector: options.connector ?? socketConnector(parsed, credentials, this.clock, limits),
        clock: this.clock,
        limits,
        backoff: new Backoff(options.backoff),
        connectTimeoutMs: connectTimeout(options.connectTimeoutMs),
        maxConnections: connectionLimit(options.maxConnections),
        observer: countingObserver(this.#trips, options.observer ?? null),
        keepaliveWithoutCalls: options.keepaliveWithoutCalls ?? false,
        firstStreamId: options.firstStreamId ?? 1,
      },
      {
        onSubchannelChanged: () => this.#onSubchannelChanged(),
        onConnectionClosed: () => this.#finishClose(),
        onReadEnd: (octetsRead) => this.readyQueue.run(octetsRead),
        onWarning: (message) => report(new Error(message)),
      },
    );
    this.#hold = new ProcessHold(this.clock);
    this.#picker = new FixedPicker(WAIT);
    this.#calls = new CallList();
    this.#waiting = new Set();
    this.#closing = false;
    this.#resolveClosed = (): void => {};
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#leaveCallContext = this.#propagates ? joinCallContext('channels') : (): void => {};
  }

  get scopes(): ScopeStorage | null {
    return this.#propagates ? scopeStorage() : null;
  }

  /** The connectivity state. From `close` on it is SHUTDOWN, though calls in flight go on. */
  get state(): ConnectivityState {
    return this.#closing ? ConnectivityState.SHUTDOWN : this.#subchannel.state;
  }

  /** Started calls whose status is not delivered. */
  get activeCalls(): number {
    return this.#calls.size;
  }

  /** Those of `activeCalls` that wait for a connection. */
  get waitingCalls(): number {
    return this.#waiting.size;
  }

  /** What the channel is doing, and which limits and checks its server has tripped since it was made. */
  stats(): ChannelStats {
    return {
      state: this.state,
      lastError: this.#subchannel.lastError?.message ?? '',
      connections: this.#subchannel.connections,
      activeCalls: this.#calls.size,
      waitingCalls: this.#waiting.size,
      trips: this.#trips.snapshot(),
    };
  }

  /** Connects now rather than at the first call; also ends the wait after a failed attempt. */
  connect(): void {
    if (this.#closing) return;
    this.#subchannel.resetBackoff();
    this.#subchannel.connect();
  }

  /** A call, not started yet. On a closed channel it fails with UNAVAILABLE when it is started. */
  createCall(method: MethodDescriptor, options: CallOptions): ClientCall {
    return new ClientCallImpl(method, options, this);
  }

  /**
   * Takes no new calls, lets those in flight end in their own time (a call that waits for a connection goes on waiting), then closes the
   * connections. Resolves when all is gone; calling it again gives the same promise.
   */
  close(): Promise<void> {
    this.#closing = true;
    this.#finishClose();
    return this.#closed;
  }

  /** As `close`, but calls in flight end at once with CANCELLED. */
  closeNow(): Promise<void> {
    this.#closing = true;
    for (const call of this.#calls.toArray()) {
      // Only createCall makes calls for this host.
      (call as ClientCallImpl).cancel('Cancelled on client: the channel was closed');
    }
    this.#subchannel.shutdownNow('the channel was closed');
    this.#finishClose();
    return this.#closed;
  }

  // ---- ClientCallHost -------------------------------------------------------------------------------------------

  template(method: MethodDescriptor, encoding: string | null): HeaderList {
    return encoding === null
      ? this.#templates.of(method)
      : this.#templates.ofEncoded(method, encoding);
  }

  get isResolving(): boolean {
    return this.#subchannel.isResolving;
  }

  describeWait(): string {
    const { state, lastError, isResolving } = this.#subchannel;
    const isLookingUp = isResolving && state === ConnectivityState.CONNECTING;
    const doing = isLookingUp ? 'resolving the name of' : `${state.toLowerCase()} to`;
    const text = `${doing.replace('_', ' ')} ${this.target}`;
    return lastError === null ? text : `${text}, last error: ${lastError.message}`;
  }

  pick(call: PendingCall): ClientTransport | null {
    if (this.#closing && !call.listed) {
      this.#calls.add(call);
      call.onPickFailed(unavailable('the channel is closed', undefined));
      return null;
    }
    this.#calls.add(call);
    const fault = metadataFault(call.options.metadata, this.limits.maxHeaderBlockOctets);
    if (fault !== null) {
      call.onPickFailed({ ...unavailable(fault, undefined), code: Status.RESOURCE_EXHAUSTED });
      return null;
    }
    const { transport, failure, drop } = this.#picker.pick(call);
    if (transport !== null) {
      if (transport.waitingStreams < this.limits.maxWaitingCalls) return transport;
      call.onPickFailed(this.#tooManyWaiting('a stream slot'));
      return null;
    }
    if (failure !== null && (drop || !call.options.waitForReady)) {
      call.onPickFailed(failure);
      return null;
    }
    if (this.#waiting.size >= this.limits.maxWaitingCalls) {
      call.onPickFailed(this.#tooManyWaiting('a connection'));
      return null;
    }
    this.#waiting.add(call);
    this.#updateHold();
    this.#subchannel.connect();
    return null;
  }

  unqueue(call: PendingCall): void {
    if (this.#waiting.delete(call)) this.#updateHold();
  }

  callEnded(call: PendingCall): void {
    this.#calls.delete(call);
    this.#subchannel.onCallEnded();
    // Its slot may be what a call waits for that was to get another connection.
    if (this.#subchannel.scales) this.#pickForWaiting();
    if (this.#closing) this.#finishClose();
  }

  // ---- connectivity ---------------------------------------------------------------------------------------------

  #onSubchannelChanged(): void {
    const { connection, state, lastError } = this.#subchannel;
    if (connection !== null) {
      this.#picker =
        this.#subchannel.scales && state === ConnectivityState.READY
          ? new ScalingPicker(this.#subchannel.readyConnections, () => this.#subchannel.grow())
          : new ConnectionPicker(connection);
    } else if (state === ConnectivityState.TRANSIENT_FAILURE) {
      this.#picker = new FixedPicker({
        transport: null,
        failure: unavailable(
          noConnection(lastError, this.isResolving, this.target),
          lastError ?? undefined,
        ),
        drop: false,
      });
    } else {
      this.#picker = new FixedPicker(WAIT);
    }
    this.#pickForWaiting();
    // IDLE with calls that wait: the connection was lost, or the backoff is over.
    if (this.#waiting.size > 0) this.#subchannel.connect();
  }

  #pickForWaiting(): void {
    if (this.#waiting.size === 0) return;
    const picker = this.#picker;
    for (const call of Array.from(this.#waiting)) {
      // A call's attempt may fail at once and change the picker: the rest belongs to the round of the new one.
      if (this.#picker !== picker) break;
      const { transport, failure, drop } = picker.pick(call);
      if (transport !== null) {
        if (this.#waiting.delete(call)) call.onTransport(transport);
      } else if (failure !== null && (drop || !call.options.waitForReady)) {
        if (this.#waiting.delete(call)) call.onPickFailed(failure);
      }
    }
    this.#updateHold();
  }

  #updateHold(): void {
    this.#hold.set(this.#waiting.size > 0 || (this.#closing && !this.#isGone()));
  }

  #isGone(): boolean {
    return this.#calls.size === 0 && this.#subchannel.connections === 0;
  }

  #finishClose(): void {
    if (!this.#closing) return;
    if (this.#calls.size === 0) this.#subchannel.shutdown();
    this.#updateHold();
    if (!this.#isGone()) return;
    this.#leaveCallContext();
    this.#resolveClosed();
  }

  #tooManyWaiting(what: string): CallStatus {
    this.#trips.count('too_many_waiting_calls');
    const { maxWaitingCalls } = this.limits;
    return {
      code: Status.RESOURCE_EXHAUSTED,
      message: `${maxWaitingCalls} calls to ${this.target} wait for ${what} already (limit maxWaitingCalls)`,
      trailers: [],
      cause: undefined,
    };
  }
}

/** In the words of grpc-js, which programs match on. */
function noConnection(lastError: Error | null, isResolving: boolean, target: string): string {
  if (lastError === null) return 'No connection established';
  return isResolving
    ? `Name resolution failed for target ${target}: ${lastError.message}`
    : `No connection established. Last error: ${lastError.message}`;
}

function unavailable(message: string, cause: unknown): CallStatus {
  return { code: Status.UNAVAILABLE, message, trailers: [], cause };
}
