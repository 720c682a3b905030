/**
 * The bridge of one activation of a blocking stub to its worker: starts it at the first call, blocks the thread until events come, and
 * makes sure that a worker that died or hangs ends every call instead of blocking the thread for ever.
 */

import type * as threadsModule from 'node:worker_threads';
import type { MessagePort, Worker } from 'node:worker_threads';
import type { CallStatus } from '../call/call.ts';
import { messageOf } from '../call/call-fault.ts';
import { EndedBy } from '../call-end.ts';
import { clientLimits } from '../channel/channel-options.ts';
import { Status } from '../status.ts';
import { type RemoteCall, RemoteChannel } from './blocking-call.ts';
import {
  DEADLINE_SLACK_MS,
  HEARTBEAT_MS,
  MISSED_HEARTBEATS,
  SIGNAL_SLOTS,
  SignalSlot,
  type WorkerEvent,
  type WorkerParts,
} from './blocking-protocol.ts';
import { localStatus } from './rpc-fault.ts';
import type { StubChannelConfig } from './stub-channel.ts';
import { threadClock } from './thread-clock.ts';

/** `node:worker_threads`, loaded at its first use: most programs have no blocking stub. */
function threads(): typeof threadsModule {
  return process.getBuiltinModule('node:worker_threads');
}

/** A worker with its two ports. */
interface RunningWorker {
  readonly worker: Worker;
  readonly signal: Int32Array;
  readonly blockingPort: MessagePort;
  readonly futurePort: MessagePort;
}

/** One activation's worker, from the first call to the end of `close`. */
export class BlockingBridge {
  /** Calls that the thread waits for by blocking. */
  readonly blocking: RemoteChannel;
  /** Calls whose events come through the event loop. */
  readonly futures: RemoteChannel;
  readonly #config: StubChannelConfig;
  #running: RunningWorker | null;
  #futureCalls: number;
  #closed: (() => void) | null;

  constructor(config: StubChannelConfig) {
    this.#config = config;
    this.#running = null;
    this.#futureCalls = 0;
    this.#closed = null;
    const { maxUndeliveredMessages } = clientLimits(config.settings.limits);
    this.blocking = new RemoteChannel(
      maxUndeliveredMessages,
      {
        post: (command, transfer) => this.#start().blockingPort.postMessage(command, transfer),
      },
      () => {},
    );
    this.futures = new RemoteChannel(
      maxUndeliveredMessages,
      { post: (command, transfer) => this.#start().futurePort.postMessage(command, transfer) },
      (calls) => {
        this.#futureCalls = calls;
        this.#holdProcess();
      },
    );
  }

  /** Hands out the events that have arrived for blocking calls, without blocking. */
  poll(): void {
    const running = this.#running;
    if (running === null) return;
    for (;;) {
      const received = threads().receiveMessageOnPort(running.blockingPort) as
        | { readonly message: WorkerEvent }
        | undefined;
      if (received === undefined) return;
      this.blocking.dispatch(received.message);
    }
  }

  /**
   * Blocks the thread until `isDone`, handing out events; between them, as long as `work` gives true, it is called instead of blocking.
   * `call` is ended with DEADLINE_EXCEEDED should the worker not do so in time.
   */
  wait(call: RemoteCall, isDone: () => boolean, work: () => boolean): void {
    let heartbeat = -1;
    let missed = 0;
    for (;;) {
      const running = this.#running;
      if (running === null) {
        // The worker ended before; its calls were ended then, and this one with them.
        if (!isDone()) call.end(workerEnded(undefined));
        return;
      }
      const { signal } = running;
      const seen = Atomics.load(signal, SignalSlot.EVENTS);
      this.poll();
      if (isDone()) return;
      if (Atomics.load(signal, SignalSlot.ENDED) === 1) {
        this.#lose(running, undefined);
        continue;
      }
      if (work()) continue;
      if (isDone()) return;
      const leftMs = call.options.deadlineMs + DEADLINE_SLACK_MS - threadClock.now();
      if (leftMs <= 0) {
        const started = Atomics.load(signal, SignalSlot.HEARTBEAT) > 0;
        call.fail(Status.DEADLINE_EXCEEDED, overdue(started), undefined);
        continue;
      }
      const woken = Atomics.wait(signal, SignalSlot.EVENTS, seen, Math.min(leftMs, HEARTBEAT_MS));
      if (woken !== 'timed-out') continue;
      const now = Atomics.load(signal, SignalSlot.HEARTBEAT);
      missed = now === heartbeat ? missed + 1 : 0;
      heartbeat = now;
      if (missed > MISSED_HEARTBEATS) {
        this.#lose(running, new Error(`no sign of life for ${missed * HEARTBEAT_MS} ms`));
      }
    }
  }

  /** Fulfilled when every call has ended and the worker is gone. */
  async close(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    await new Promise<void>((resolve) => {
      this.#closed = resolve;
      this.#holdProcess();
      running.futurePort.postMessage({ op: 'close' });
    });
    this.#running = null;
    await running.worker.terminate();
  }

  #start(): RunningWorker {
    this.#running ??= this.#spawn();
    return this.#running;
  }

  #spawn(): RunningWorker {
    const { MessageChannel, Worker } = threads();
    const blocking = new MessageChannel();
    const future = new MessageChannel();
    const signal = new SharedArrayBuffer(SIGNAL_SLOTS * Int32Array.BYTES_PER_ELEMENT);
    const parts: WorkerParts = {
      isPurewireBlockingWorker: true,
      signal,
      blockingPort: blocking.port2,
      futurePort: future.port2,
      config: this.#config,
    };
    // `.ts` when the sources themselves run, `.js` when compiled.
    const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
    const worker = new Worker(new URL(`./blocking-worker${extension}`, import.meta.url), {
      name: 'purewire blocking stub',
      workerData: parts,
      ...workerArguments(),
      transferList: [blocking.port2, future.port2],
    });
    const running: RunningWorker = {
      worker,
      signal: new Int32Array(signal),
      blockingPort: blocking.port1,
      futurePort: future.port1,
    };
    worker.unref();
    worker.on('error', (error) => this.#lose(running, error));
    worker.on('exit', () => this.#lose(running, undefined));
    future.port1.on('message', (event: WorkerEvent) => this.#onFutureEvent(event));
    future.port1.unref();
    return running;
  }

  #onFutureEvent(event: WorkerEvent): void {
    if (event.op === 'closed') this.#closed?.();
    else this.futures.dispatch(event);
  }

  /** Futures and `close` keep the process alive while they wait; the worker itself does not. */
  #holdProcess(): void {
    const port = this.#running?.futurePort;
    if (this.#futureCalls > 0 || this.#closed !== null) port?.ref();
    else port?.unref();
  }

  /** The worker is dead, or as good as dead: its calls end, the next one starts another worker. */
  #lose(running: RunningWorker, cause: unknown): void {
    if (this.#running !== running) return;
    this.#running = null;
    running.futurePort.close();
    running.blockingPort.close();
    void running.worker.terminate();
    const status = workerEnded(cause);
    this.blocking.failAll(status);
    this.futures.failAll(status);
    this.#closed?.();
  }
}

function overdue(started: boolean): string {
  const text = 'the RPC did not end by its deadline';
  return started ? text : `${text}: the worker of the blocking stub has not started`;
}

/** A program given on the command line (`node --input-type=module -e …`) hands on arguments that no worker file can have. */
function workerArguments(): { execArgv?: string[] } {
  const given = (globalThis as { process?: { execArgv?: readonly string[] } }).process?.execArgv;
  const isInline = given?.some((argument) => argument.startsWith('--input-type')) === true;
  return isInline ? { execArgv: [] } : {};
}

function workerEnded(cause: unknown): CallStatus {
  const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
  const message = `the worker of the blocking stub ended${why}`;
  return localStatus(Status.UNAVAILABLE, message, cause, EndedBy.CONNECTION);
}
