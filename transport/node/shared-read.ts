/**
 * Reads of all sockets of this process go through one buffer (the public `onread` option of node:net), and each chunk is copied out at its
 * size. Node otherwise makes a 64 KiB buffer for every read and cuts it down afterwards: on small calls that is a tenth of their CPU time.
 */

import type { OnReadOpts } from 'node:net';

/** As much as libuv reads at once. */
const READ_OCTETS = 65_536;

let sharedBuffer: Buffer | null = null;

/** Other runtimes fill a buffer of their own and copy it once more (Bun), or do not know the option. */
const isSupported: boolean =
  typeof process === 'object' &&
  process.versions['bun'] === undefined &&
  (globalThis as { Deno?: unknown }).Deno === undefined;

/** The reading side of one socket: pass `options` when the socket is made, then set the sink. */
export class SharedRead {
  readonly options: OnReadOpts;
  /** Chunks that came before anyone listened. */
  #early: Uint8Array[] = [];
  #sink: ((chunk: Uint8Array) => void) | null = null;

  /** A shared read where the runtime has them, else null: the socket's 'data' event does the same then. */
  static create(): SharedRead | null {
    return isSupported ? new SharedRead() : null;
  }

  private constructor() {
    sharedBuffer ??= Buffer.allocUnsafeSlow(READ_OCTETS);
    this.options = {
      buffer: sharedBuffer,
      callback: (octets, buffer) => {
        // The copy belongs to the listener; the buffer is another socket's in a moment.
        const chunk = Buffer.allocUnsafe(octets);
        chunk.set(octets === buffer.length ? buffer : buffer.subarray(0, octets));
        if (this.#sink === null) this.#early.push(chunk);
        else this.#sink(chunk);
        return true;
      },
    };
  }

  /** From now on chunks go to `sink`, those that came earlier first. */
  setSink(sink: (chunk: Uint8Array) => void): void {
    if (this.#early.length === 0) {
      this.#sink = sink;
      return;
    }
    // Not inside the caller's `start`: it may not be ready for octets before that has returned.
    queueMicrotask(() => {
      this.#sink = sink;
      const early = this.#early;
      this.#early = [];
      for (const chunk of early) sink(chunk);
    });
  }
}
