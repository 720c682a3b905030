/** Promises over what a ByteDuplex tells, and temporary names, for tests with real sockets. */

import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ByteDuplex, ByteDuplexListener } from '../../transport/byte-duplex.ts';
import type { Connector } from '../../transport/connector.ts';
import type { AcceptListener } from '../../transport/listener.ts';

/** Records one pipe; `until` waits for what it has heard. */
export class PipeEvents implements ByteDuplexListener {
  readonly duplex: ByteDuplex;
  received: Uint8Array = new Uint8Array(0);
  writable = 0;
  ended = false;
  closed = false;
  reason: Error | undefined = undefined;
  /** Runs at the start of `onOctets`. */
  onOctetsHook: (() => void) | null = null;
  #wake: (() => void)[] = [];

  constructor(duplex: ByteDuplex) {
    this.duplex = duplex;
    duplex.start(this);
  }

  onOctets(chunk: Uint8Array, end: number): void {
    this.onOctetsHook?.();
    const all = new Uint8Array(this.received.length + end);
    all.set(this.received);
    all.set(chunk.subarray(0, end), this.received.length);
    this.received = all;
    this.#notify();
  }

  onWritable(): void {
    this.writable++;
    this.#notify();
  }

  onEnd(): void {
    this.ended = true;
    this.#notify();
  }

  onClosed(reason: Error | undefined): void {
    if (this.closed) throw new Error('onClosed was called twice');
    this.closed = true;
    this.reason = reason;
    this.#notify();
  }

  /** Resolves once `condition` holds; asked after each event. */
  async until(condition: (events: this) => boolean): Promise<void> {
    while (!condition(this)) {
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
      });
    }
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** An AcceptListener that keeps what it hears. */
export class Accepted implements AcceptListener {
  readonly refused: string[] = [];
  readonly errors: Error[] = [];
  readonly #pipes: ByteDuplex[] = [];
  #wake: (() => void)[] = [];

  onConnection(duplex: ByteDuplex): void {
    this.#pipes.push(duplex);
    this.#notify();
  }

  onRefused(message: string): void {
    this.refused.push(message);
    this.#notify();
  }

  onAcceptError(error: Error): void {
    this.errors.push(error);
    this.#notify();
  }

  /** Connections that nobody took yet. */
  get waiting(): number {
    return this.#pipes.length;
  }

  /** The next connection, once it is there. */
  async next(): Promise<PipeEvents> {
    await this.until(() => this.#pipes.length > 0);
    return new PipeEvents(this.#pipes.shift() as ByteDuplex);
  }

  /** Resolves once `condition` holds; asked after each event. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
      });
    }
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** Connects; rejects with the connector's error. Keeps the process open meanwhile, as a channel does for its calls. */
export function connectPipe(connector: Connector, timeoutMs = 10_000): Promise<ByteDuplex> {
  const hold = setInterval(() => {}, 1000);
  return new Promise<ByteDuplex>((resolve, reject) => {
    connector.connect(timeoutMs, { onConnected: resolve, onFailed: reject });
  }).finally(() => clearInterval(hold));
}

let lastName = 0;

/** A path for a socket file that nothing uses; `remove` deletes the file, if there is one. */
export function temporarySocketPath(): { readonly path: string; readonly remove: () => void } {
  const path = join(tmpdir(), `purewire-${process.pid}-${++lastName}.sock`);
  const remove = (): void => rmSync(path, { force: true });
  remove();
  return { path, remove };
}
