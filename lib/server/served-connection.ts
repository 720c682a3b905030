/** One connection of a server: the host of its calls, with a ready queue and handler slots of its own. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { ByteDuplex } from '../../transport/byte-duplex.ts';
import type { Clock } from '../../transport/clock.ts';
import type { ConnectionCloseReason } from '../../transport/connection-role.ts';
import type { Limits } from '../../transport/limits.ts';
import type { TransportObserver } from '../../transport/observer.ts';
import {
  ServerConnection,
  type ServerConnectionListener,
} from '../../transport/server-connection.ts';
import type { StreamListener, TransportStream } from '../../transport/stream-listener.ts';
import type { TripCounters } from '../../transport/trip-counters.ts';
import type { ServerMethod } from '../call/call.ts';
import { InflateSlots } from '../call/inflate-slots.ts';
import { ReadyQueue } from '../call/ready-queue.ts';
import { EXPIRED } from '../call/request-refusal.ts';
import { acceptCall } from '../call/server-call.ts';
import type { LingeringCall, ServerCallHost, SlotCall } from '../call/server-call-host.ts';
import type { ScopeStorage } from '../call-scope.ts';
import { scopeStorage } from '../platform/call-context.ts';
import type { CompressionSettings } from '../protocol/compression.ts';
import { RequestReader } from '../protocol/request-headers.ts';
import type { ResponseTemplates } from '../protocol/response-headers.ts';
import { HandlerSlots, type SlotsOwner } from './handler-slots.ts';
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
  /** A request's time was over before its handler could run. */
  readonly onExpiredRequest: () => void;
  readonly onClosed: (connection: ServedConnection, reason: ConnectionCloseReason) => void;
  /** After `onClosed`, or with it: no handler of the connection runs any more. */
  readonly onQuiet: (connection: ServedConnection) => void;
}

/** A connection being served; it begins with its construction. */
export class ServedConnection implements ServerCallHost, ServerConnectionListener, SlotsOwner {
  readonly readyQueue: ReadyQueue;
  readonly requestReader: RequestReader;
  /** What all connections of the server share. */
  readonly #options: ServedConnectionOptions;
  readonly #slots: HandlerSlots;
  #inflates: InflateSlots | null;
  #closed: boolean;
  readonly #connection: ServerConnection;

  constructor(duplex: ByteDuplex, options: ServedConnectionOptions) {
    this.#options = options;
    this.readyQueue = new ReadyQueue(options.onUncaught);
    this.requestReader = new RequestReader();
    this.#inflates = null;
    this.#closed = false;
    this.#slots = new HandlerSlots(options.limits.maxRunningHandlers, this);
    this.#connection = new ServerConnection(duplex, options.clock, options, this);
  }

  // ---- ServerConnectionListener ----------------------------------------------------------------------------------

  onStream(
    stream: TransportStream,
    headers: HeaderList,
    endStream: boolean,
    complete: boolean,
  ): StreamListener {
    return acceptCall(stream, headers, endStream, complete, this);
  }

  onReadEnd(octetsRead: number): boolean {
    return this.readyQueue.run(octetsRead);
  }

  onClosed(reason: ConnectionCloseReason): void {
    this.#closed = true;
    this.#options.onClosed(this, reason);
    if (this.#slots.running === 0) this.#options.onQuiet(this);
  }

  // ---- SlotsOwner ------------------------------------------------------------------------------------------------

  onFlooded(): void {
    this.#connection.fail('too_many_early_resets');
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

  get clock(): Clock {
    return this.#options.clock;
  }

  get limits(): Limits {
    return this.#options.limits;
  }

  get compression(): CompressionSettings {
    return this.#options.compression;
  }

  get responseTemplates(): ResponseTemplates {
    return this.#options.responseTemplates;
  }

  /** Made at the first compressed request. */
  get inflates(): InflateSlots {
    this.#inflates ??= new InflateSlots(this.#options.limits.maxConcurrentInflates);
    return this.#inflates;
  }

  get scopes(): ScopeStorage | null {
    return scopeStorage();
  }

  lookup(path: string): ServerMethod | null {
    return this.#options.methods.lookup(path);
  }

  acquireSlot(call: SlotCall): boolean {
    return this.#slots.acquire(call);
  }

  releaseSlot(call: SlotCall, resetByPeer?: boolean): void {
    this.#options.lingering.delete(call);
    this.#slots.release(call, resetByPeer);
    if (this.#closed && this.#slots.running === 0) this.#options.onQuiet(this);
  }

  handlerLingers(call: LingeringCall): void {
    this.#options.lingering.add(call, this);
  }

  onTrip(token: string): void {
    if (token === EXPIRED.token) this.#options.onExpiredRequest();
    else this.#options.trips.count(token);
  }
}
