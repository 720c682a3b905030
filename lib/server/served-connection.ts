/** One connection of a server: the host of its calls, with a ready queue and handler slots of its own. */

import { ErrorCode } from '../../framing/constants.ts';
import type { ByteDuplex } from '../../transport/byte-duplex.ts';
import type { Clock } from '../../transport/clock.ts';
import type { ConnectionCloseReason } from '../../transport/connection-role.ts';
import type { Limits } from '../../transport/limits.ts';
import type { TransportObserver } from '../../transport/observer.ts';
import { ServerConnection } from '../../transport/server-connection.ts';
import type { TripCounters } from '../../transport/trip-counters.ts';
import type { ServerMethod } from '../call/call.ts';
import { InflateSlots } from '../call/inflate-slots.ts';
import { ReadyQueue } from '../call/ready-queue.ts';
import { acceptCall } from '../call/server-call.ts';
import type { LingeringCall, ServerCallHost, SlotCall } from '../call/server-call-host.ts';
import type { ScopeStorage } from '../call-scope.ts';
import { scopeStorage } from '../platform/call-context.ts';
import type { CompressionSettings } from '../protocol/compression.ts';
import { RequestReader } from '../protocol/request-headers.ts';
import type { ResponseTemplates } from '../protocol/response-headers.ts';
import { HandlerSlots } from './handler-slots.ts';
import type { LingeringRegister } from './lingering-handlers.ts';
import type { MethodTable } from './method-table.ts';

/** What a connection needs of its server. */
export interface ServedConnectionOptions {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly observer: TransportObserver | null;
  readonly trips: TripCounters;
  readonly compression: CompressionSettings;
  readonly responseTemplates: ResponseTemplates;
  readonly methods: MethodTable;
  readonly lingering: LingeringRegister;
  readonly onUncaught: (error: unknown) => void;
  readonly onClosed: (connection: ServedConnection, reason: ConnectionCloseReason) => void;
  /** After `onClosed`, or with it: no handler of the connection runs any more. */
  readonly onQuiet: (connection: ServedConnection) => void;
}

/** A connection being served; it begins with its construction. */
export class ServedConnection implements ServerCallHost {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly readyQueue: ReadyQueue;
  readonly requestReader: RequestReader;
  readonly compression: CompressionSettings;
  readonly responseTemplates: ResponseTemplates;
  readonly inflates: InflateSlots;
  readonly #methods: MethodTable;
  readonly #slots: HandlerSlots;
  readonly #lingering: LingeringRegister;
  readonly #onQuiet: (connection: ServedConnection) => void;
  #closed: boolean;
  readonly #trips: TripCounters;
  readonly #connection: ServerConnection;

  constructor(duplex: ByteDuplex, options: ServedConnectionOptions) {
    const { clock, limits, observer } = options;
    this.clock = clock;
    this.limits = limits;
    this.readyQueue = new ReadyQueue(options.onUncaught);
    this.requestReader = new RequestReader();
    this.compression = options.compression;
    this.responseTemplates = options.responseTemplates;
    this.inflates = new InflateSlots(limits.maxConcurrentInflates);
    this.#methods = options.methods;
    this.#trips = options.trips;
    this.#lingering = options.lingering;
    this.#onQuiet = options.onQuiet;
    this.#closed = false;
    this.#slots = new HandlerSlots(limits.maxRunningHandlers, () => this.#onEarlyResets());
    this.#connection = new ServerConnection(
      duplex,
      clock,
      { limits, observer },
      {
        onStream: (stream, headers, endStream, complete) =>
          acceptCall(stream, headers, endStream, complete, this),
        onReadEnd: () => this.readyQueue.run(),
        onClosed: (reason) => {
          this.#closed = true;
          options.onClosed(this, reason);
          if (this.#slots.running === 0) this.#onQuiet(this);
        },
      },
    );
  }

  get peerAddress(): string {
    return this.#connection.peer.address;
  }

  get activeStreams(): number {
    return this.#connection.activeStreams;
  }

  /** Handlers that hold a slot (L2). */
  get runningHandlers(): number {
    return this.#slots.running;
  }

  /** Calls that wait for a slot. */
  get waitingCalls(): number {
    return this.#slots.waiting;
  }

  /** As `ServerTransport.drain`. */
  drain(): void {
    this.#connection.drain();
  }

  /** As `ServerTransport.close`. */
  close(errorCode: number, reason: string): void {
    this.#connection.close(errorCode, reason);
  }

  // ---- ServerCallHost -------------------------------------------------------------------------------------------

  get scopes(): ScopeStorage | null {
    return scopeStorage();
  }

  lookup(path: string): ServerMethod | null {
    return this.#methods.lookup(path);
  }

  acquireSlot(call: SlotCall): boolean {
    return this.#slots.acquire(call);
  }

  releaseSlot(call: SlotCall, resetByPeer?: boolean): void {
    this.#lingering.delete(call);
    this.#slots.release(call, resetByPeer);
    if (this.#closed && this.#slots.running === 0) this.#onQuiet(this);
  }

  handlerLingers(call: LingeringCall): void {
    this.#lingering.add(call, this);
  }

  onLimit(token: string): void {
    this.#trips.count(token);
  }

  #onEarlyResets(): void {
    this.#trips.count('too_many_early_resets');
    this.#connection.close(ErrorCode.ENHANCE_YOUR_CALM, 'too_many_early_resets');
  }
}
