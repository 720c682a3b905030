/**
 * The worker of a blocking stub: hosts its channel and carries out calls on behalf of the blocked thread. Loaded as a worker by
 * `blocking.ts` only. Sees octets; serializers stay on the other side.
 */

import { type MessagePort, workerData } from 'node:worker_threads';
import type { HeaderList } from '../../framing/frame-handler.ts';
import type { CallStatus, ClientCall, ClientCallListener } from '../call/call.ts';
import { messageOf } from '../call/call-fault.ts';
import {
  ACK_OCTETS,
  type Command,
  HEARTBEAT_MS,
  ownCopy,
  SignalSlot,
  TRANSFER_OCTETS,
  WINDOW_OCTETS,
  type WorkerEvent,
  type WorkerParts,
  windowCost,
} from './blocking-protocol.ts';
import type { StubChannel } from './bound-method.ts';
import { openStubChannel } from './stub-channel.ts';

/** One port: posts events, and wakes the thread that may be blocked on it. */
class EventPort {
  readonly #port: MessagePort;
  /** Null for the port whose events the event loop of the other thread delivers. */
  readonly #signal: Int32Array | null;

  constructor(port: MessagePort, signal: Int32Array | null) {
    this.#port = port;
    this.#signal = signal;
  }

  post(event: WorkerEvent, transfer: ArrayBuffer[]): void {
    this.#port.postMessage(event, transfer);
    if (this.#signal === null) return;
    Atomics.add(this.#signal, SignalSlot.EVENTS, 1);
    Atomics.notify(this.#signal, SignalSlot.EVENTS);
  }
}

/** One call on behalf of the other thread. */
class HostedCall implements ClientCallListener {
  readonly #id: number;
  readonly #call: ClientCall;
  readonly #port: EventPort;
  readonly #onEnd: (id: number) => void;
  /** Octets and number of responses posted and not yet used by the other side. */
  #unused: number;
  #unread: number;
  /** L18. */
  readonly #maxUnread: number;
  #mayRequest: boolean;
  /** Octets of requests taken and not yet reported. */
  #taken: number;
  #engineFull: boolean;

  constructor(
    id: number,
    call: ClientCall,
    maxUnread: number,
    port: EventPort,
    onEnd: (id: number) => void,
  ) {
    this.#id = id;
    this.#call = call;
    this.#port = port;
    this.#onEnd = onEnd;
    this.#unused = 0;
    this.#unread = 0;
    this.#maxUnread = maxUnread;
    this.#mayRequest = true;
    this.#taken = 0;
    this.#engineFull = false;
  }

  start(message: Uint8Array | null, compress: boolean, responseStreaming: boolean): void {
    if (message === null) this.#call.start(this);
    else this.#call.startUnary(this, message, compress);
    if (responseStreaming) this.#request();
  }

  sendMessage(message: Uint8Array, compress: boolean): void {
    this.#taken += windowCost(message.length);
    if (!this.#call.sendMessage(message, compress)) this.#engineFull = true;
    this.#reportTaken();
  }

  halfClose(): void {
    this.#call.halfClose();
  }

  used(octets: number, messages: number): void {
    this.#unused -= octets;
    this.#unread -= messages;
    this.#request();
  }

  cancel(reason: string): void {
    this.#call.cancel(reason);
  }

  onMetadata(headers: HeaderList): void {
    this.#port.post({ op: 'metadata', id: this.#id, headers }, []);
  }

  onMessage(chunk: Uint8Array, start: number, end: number): void {
    const message = ownCopy(chunk.subarray(start, end));
    const transfer = message.length < TRANSFER_OCTETS ? [] : [message.buffer as ArrayBuffer];
    this.#port.post({ op: 'message', id: this.#id, message }, transfer);
    this.#unused += windowCost(end - start);
    this.#unread += 1;
    this.#mayRequest = true;
    this.#request();
  }

  onStatus(status: CallStatus): void {
    const { code, message, trailers, cause, end = null } = status;
    this.#onEnd(this.#id);
    this.#port.post(
      { op: 'status', id: this.#id, code, message, trailers, cause: causeParts(cause), end },
      [],
    );
  }

  onReady(): void {
    this.#engineFull = false;
    this.#reportTaken();
  }

  #request(): void {
    const isFull = this.#unused >= WINDOW_OCTETS || this.#unread >= this.#maxUnread;
    if (!this.#mayRequest || isFull) return;
    this.#mayRequest = false;
    this.#call.request(1);
  }

  #reportTaken(): void {
    if (this.#engineFull || this.#taken < ACK_OCTETS) return;
    this.#port.post({ op: 'taken', id: this.#id, octets: this.#taken }, []);
    this.#taken = 0;
  }
}

/** The calls of one port. */
class CallHost {
  readonly #channel: StubChannel;
  readonly #port: EventPort;
  readonly #calls: Map<number, HostedCall>;

  constructor(channel: StubChannel, port: EventPort) {
    this.#channel = channel;
    this.#port = port;
    this.#calls = new Map();
  }

  onCommand(command: Exclude<Command, { op: 'close' }>): void {
    if (command.op === 'call') {
      this.#start(command);
      return;
    }
    const call = this.#calls.get(command.id);
    if (call === undefined) return;
    switch (command.op) {
      case 'message':
        call.sendMessage(command.message, command.compress);
        break;
      case 'halfClose':
        call.halfClose();
        break;
      case 'used':
        call.used(command.octets, command.messages);
        break;
      case 'cancel':
        call.cancel(command.reason);
        break;
    }
  }

  #start(command: Extract<Command, { op: 'call' }>): void {
    const { id, method, deadlineEpochMs, timeoutMs, metadata, message, compress } = command;
    // Monotonic clocks of two threads have different origins; the way here has taken some of the time.
    const leftMs = deadlineEpochMs - Date.now();
    const call = this.#channel.createCall(method, {
      deadlineMs: this.#channel.clock.now() + Math.min(leftMs, timeoutMs),
      timeoutMs,
      metadata,
      waitForReady: command.waitForReady,
      compression: command.compression,
    });
    const { maxUndeliveredMessages } = this.#channel;
    const forget = (ended: number): boolean => this.#calls.delete(ended);
    const hosted = new HostedCall(id, call, maxUndeliveredMessages, this.#port, forget);
    this.#calls.set(id, hosted);
    hosted.start(message, compress, method.responseStreaming);
  }
}

/** Name, message and stack of an error, which itself might not survive the way to another thread. */
function causeParts(cause: unknown): readonly [string, string, string] | null {
  if (cause === undefined) return null;
  if (!(cause instanceof Error)) return ['Error', messageOf(cause), messageOf(cause)];
  return [cause.name, cause.message, cause.stack ?? `${cause.name}: ${cause.message}`];
}

/** Runs until the stub closes or the worker is terminated. */
function serve(parts: WorkerParts): void {
  const signal = new Int32Array(parts.signal);
  process.on('exit', () => {
    Atomics.store(signal, SignalSlot.ENDED, 1);
    Atomics.add(signal, SignalSlot.EVENTS, 1);
    Atomics.notify(signal, SignalSlot.EVENTS);
  });
  const beat = (): number => Atomics.add(signal, SignalSlot.HEARTBEAT, 1);
  beat();
  setInterval(beat, HEARTBEAT_MS);
  const channel = openStubChannel(parts.config);
  const futureEvents = new EventPort(parts.futurePort, null);
  const blockingHost = new CallHost(channel, new EventPort(parts.blockingPort, signal));
  const futureHost = new CallHost(channel, futureEvents);
  const onCommand = (host: CallHost, command: Command): void => {
    if (command.op !== 'close') {
      host.onCommand(command);
      return;
    }
    void channel.close().then(() => futureEvents.post({ op: 'closed' }, []));
  };
  parts.blockingPort.on('message', (command: Command) => onCommand(blockingHost, command));
  parts.futurePort.on('message', (command: Command) => onCommand(futureHost, command));
}

if ((workerData as Partial<WorkerParts> | null)?.isPurewireBlockingWorker === true) {
  serve(workerData as WorkerParts);
}
