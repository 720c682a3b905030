/** A scripted channel and server connection for unit tests of the calls, and listeners that record. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type {
  CallAbortion,
  CallOptions,
  CallStatus,
  ClientCallListener,
  ServerCall,
  ServerCallListener,
  ServerMethod,
} from '../../lib/call/call.ts';
import { ClientCallImpl } from '../../lib/call/client-call.ts';
import type { ClientCallHost, PendingCall } from '../../lib/call/client-call-host.ts';
import { InflateSlots } from '../../lib/call/inflate-slots.ts';
import { ReadyQueue } from '../../lib/call/ready-queue.ts';
import { RetryBuffer } from '../../lib/call/retry-buffer.ts';
import { acceptCall } from '../../lib/call/server-call.ts';
import type { LingeringCall, ServerCallHost, SlotCall } from '../../lib/call/server-call-host.ts';
import type { ScopeStorage } from '../../lib/call-scope.ts';
import { Cardinality, type MethodDescriptor, methodDescriptor } from '../../lib/method.ts';
import {
  type CompressionSettings,
  identitySettings,
  NO_CODECS,
} from '../../lib/protocol/compression.ts';
import { RequestReader, RequestTemplates } from '../../lib/protocol/request-headers.ts';
import { ResponseReader, ResponseTemplates } from '../../lib/protocol/response-headers.ts';
import { statusName } from '../../lib/status.ts';
import {
  CLIENT_LIMITS,
  type Limits,
  resolveLimits,
  SERVER_LIMITS,
} from '../../transport/limits.ts';
import type { ClientTransport } from '../../transport/stream-listener.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeStream, FakeTransport } from './fake-stream.ts';

export const UNARY: MethodDescriptor = methodDescriptor('test.S', 'Unary', Cardinality.UNARY_UNARY);
export const SERVER_STREAM: MethodDescriptor = methodDescriptor(
  'test.S',
  'Down',
  Cardinality.UNARY_STREAM,
);
export const CLIENT_STREAM: MethodDescriptor = methodDescriptor(
  'test.S',
  'Up',
  Cardinality.STREAM_UNARY,
);
export const BIDI: MethodDescriptor = methodDescriptor('test.S', 'Both', Cardinality.STREAM_STREAM);

export const OK_HEADERS: HeaderList = [':status', '200', 'content-type', 'application/grpc'];
export const OK_TRAILERS: HeaderList = ['grpc-status', '0'];

const NO_COMPRESSION: CompressionSettings = identitySettings(NO_CODECS);

/** A channel with one transport, or none for as long as a test wants. */
export class FakeClientHost implements ClientCallHost {
  readonly clock: FakeClock = new FakeClock();
  readonly uncaught: unknown[] = [];
  readonly readyQueue: ReadyQueue = new ReadyQueue((error) => this.uncaught.push(error));
  readonly limits: Limits;
  readonly retryBuffer: RetryBuffer;
  readonly responseReader: ResponseReader = new ResponseReader();
  readonly transport: FakeTransport = new FakeTransport();
  readonly templates: RequestTemplates = new RequestTemplates(
    'example.test',
    'http',
    'purewire-test/1',
    'identity',
  );
  readonly compression: CompressionSettings;
  readonly inflates: InflateSlots;
  scopes: ScopeStorage | null = null;
  /** True: `pick` keeps the calls. */
  holds = false;
  readonly held: PendingCall[] = [];
  picks = 0;
  ended = 0;

  constructor(overrides?: Partial<Limits>, compression: CompressionSettings = NO_COMPRESSION) {
    this.limits = resolveLimits(CLIENT_LIMITS, overrides);
    this.compression = compression;
    this.inflates = new InflateSlots(this.limits.maxConcurrentInflates);
    this.retryBuffer = new RetryBuffer(this.limits.channelRetryBufferOctets);
  }

  template(method: MethodDescriptor, encoding: string | null = null): HeaderList {
    return encoding === null
      ? this.templates.of(method)
      : this.templates.ofEncoded(method, encoding);
  }

  isResolving = false;

  describeWait(): string {
    return 'connecting to test';
  }

  pick(call: PendingCall): ClientTransport | null {
    this.picks++;
    if (!this.holds) return this.transport;
    this.held.push(call);
    return null;
  }

  unqueue(call: PendingCall): void {
    this.held.splice(this.held.indexOf(call), 1);
  }

  callEnded(): void {
    this.ended++;
  }

  /** Runs the ready queue to its end, as the read-end hook would. */
  run(): void {
    while (this.readyQueue.run());
  }

  call(method: MethodDescriptor, options: Partial<CallOptions> = {}): ClientCallImpl {
    const timeoutMs = options.timeoutMs ?? Number.POSITIVE_INFINITY;
    return new ClientCallImpl(
      method,
      {
        timeoutMs,
        deadlineMs: this.clock.now() + timeoutMs,
        metadata: null,
        waitForReady: false,
        ...options,
      },
      this,
    );
  }
}

/** Writes each event down; `onEvent` may react. */
export class RecordingClientListener implements ClientCallListener {
  readonly log: string[] = [];
  status: CallStatus | null = null;
  onEvent: (event: string) => void = () => {};

  onMetadata(headers: HeaderList): void {
    this.#note(`metadata ${headers.length / 2}`);
  }

  onMessage(chunk: Uint8Array, start: number, end: number): void {
    this.#note(`message [${chunk.subarray(start, end).join(' ')}]`);
  }

  onStatus(status: CallStatus): void {
    this.status = status;
    this.#note(`status ${statusName(status.code)}`);
  }

  onReady(): void {
    this.#note('ready');
  }

  #note(event: string): void {
    this.log.push(event);
    this.onEvent(event);
  }
}

/** A server connection with a method table and slots that tests control. */
export class FakeServerHost implements ServerCallHost {
  readonly clock: FakeClock = new FakeClock();
  readonly uncaught: unknown[] = [];
  readonly readyQueue: ReadyQueue = new ReadyQueue((error) => this.uncaught.push(error));
  readonly limits: Limits;
  readonly requestReader: RequestReader = new RequestReader();
  readonly methods: Map<string, ServerMethod> = new Map();
  /** False: calls wait for their slot; null: they are refused. */
  grants: boolean | null = true;
  readonly waiting: SlotCall[] = [];
  acquired = 0;
  released = 0;
  readonly responseTemplates: ResponseTemplates;
  readonly compression: CompressionSettings;
  readonly inflates: InflateSlots;
  scopes: ScopeStorage | null = null;

  constructor(overrides?: Partial<Limits>, compression: CompressionSettings = NO_COMPRESSION) {
    this.limits = resolveLimits(SERVER_LIMITS, overrides);
    this.compression = compression;
    this.responseTemplates = new ResponseTemplates(compression.codecs);
    this.inflates = new InflateSlots(this.limits.maxConcurrentInflates);
  }

  lookup(path: string): ServerMethod | null {
    return this.methods.get(path) ?? null;
  }

  acquireSlot(call: SlotCall): boolean {
    if (this.grants === null) {
      call.onSlotRefused();
      return false;
    }
    this.acquired++;
    if (!this.grants) this.waiting.push(call);
    return this.grants;
  }

  releaseSlot(): void {
    this.released++;
  }

  readonly lingering: LingeringCall[] = [];

  handlerLingers(call: LingeringCall): void {
    this.lingering.push(call);
  }

  readonly trips: string[] = [];

  onTrip(token: string): void {
    this.trips.push(token);
  }

  run(): void {
    while (this.readyQueue.run());
  }

  /** Serves `method` with a recorder, which is returned. */
  serve(method: MethodDescriptor, readsOnDemand = false): RecordingServerListener {
    const listener = new RecordingServerListener();
    this.methods.set(method.path, {
      method,
      readsOnDemand,
      handler: (call) => {
        listener.log.push('handler');
        listener.call = call;
        return listener;
      },
    });
    return listener;
  }

  /** Accepts a request; its stream is returned. */
  accept(headers: HeaderList, endStream = false, complete = true): FakeStream {
    const stream = new FakeStream();
    stream.listener = acceptCall(stream, headers, endStream, complete, this);
    return stream;
  }
}

/** Writes each event of a server call down; `onEvent` may react. */
export class RecordingServerListener implements ServerCallListener {
  readonly log: string[] = [];
  call: ServerCall | null = null;
  onEvent: (event: string) => void = () => {};

  onMessage(chunk: Uint8Array, start: number, end: number): void {
    this.#note(`message [${chunk.subarray(start, end).join(' ')}]`);
  }

  onHalfClose(): void {
    this.#note('half-close');
  }

  onCancel(abortion: CallAbortion): void {
    this.#note(`cancel ${abortion}`);
  }

  onReady(): void {
    this.#note('ready');
  }

  onComplete(): void {
    this.#note('complete');
  }

  #note(event: string): void {
    this.log.push(event);
    this.onEvent(event);
  }
}

/** Headers of a legal request for `path`, then `more`. */
export function requestHeaders(path: string, ...more: string[]): HeaderList {
  return [
    ':method',
    'POST',
    ':scheme',
    'http',
    ':path',
    path,
    ':authority',
    'example.test',
    'te',
    'trailers',
    'content-type',
    'application/grpc',
    ...more,
  ];
}
