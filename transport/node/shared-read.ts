/**
 * Reads of all sockets of this process go through one buffer (the public `onread` option of node:net), which is lent to who listens. Node
 * otherwise makes a 64 KiB buffer for every read and cuts it down afterwards: on small calls that is a tenth of their CPU time.
 */

import type { OnReadOpts, Socket, SocketConstructorOpts } from 'node:net';
import { endLoan, lend } from '../../framing/lent-octets.ts';
import { nodeNet } from './builtins.ts';

/** As much as libuv reads at once. */
export const READ_OCTETS = 65_536;

let sharedBuffer: Buffer | null = null;

/** Other runtimes fill a buffer of their own and copy it once more (Bun), or do not know the option. */
export const sharesReads: boolean =
  typeof process === 'object' &&
  process.versions['bun'] === undefined &&
  (globalThis as { Deno?: unknown }).Deno === undefined;

/** Takes what is read. */
export interface OctetSink {
  /** The first `end` octets of a chunk, which may be lent. Must not throw. */
  onOctets(chunk: Uint8Array, end: number): void;
}

/** The reading side of one socket: pass `options()` when the socket is made, then set the sink. */
export class SharedRead {
  /** Chunks that came before anyone listened; null where there are none. */
  #early: Uint8Array[] | null = null;
  #sink: OctetSink | null = null;

  /** A shared read where the runtime has them, else null: the socket's 'data' event does the same then. */
  static create(): SharedRead | null {
    return sharesReads ? new SharedRead() : null;
  }

  /** For the constructor of the one socket that this reads from. */
  options(): OnReadOpts {
    sharedBuffer ??= Buffer.allocUnsafeSlow(READ_OCTETS);
    return {
      buffer: sharedBuffer,
      callback: (octets, buffer) => {
        if (this.#sink === null) {
          this.#early ??= [];
          this.#early.push(Uint8Array.prototype.slice.call(buffer, 0, octets));
        } else {
          lend(buffer);
          this.#sink.onOctets(buffer, octets);
          endLoan();
        }
        return true;
      },
    };
  }

  /** From now on chunks go to `sink`, those that came earlier first. */
  setSink(sink: OctetSink): void {
    if (this.#early === null) {
      this.#sink = sink;
      return;
    }
    // Not inside the caller's `start`: it may not be ready for octets before that has returned.
    queueMicrotask(() => {
      this.#sink = sink;
      const early = this.#early ?? [];
      this.#early = null;
      for (const chunk of early) sink.onOctets(chunk, chunk.length);
    });
  }
}

/** The parts of an accepted socket that Node keeps to itself. */
interface AcceptedSocket {
  _handle?: { readonly useUserBuffer?: unknown } | null;
  server?: unknown;
  _server?: unknown;
}

/** An accepted socket that reads through `read`. */
export interface SharedSocket {
  readonly socket: Socket;
  readonly read: SharedRead;
}

/**
 * A socket with a shared read in the place of `accepted`, a plain one that was accepted paused and has read nothing. Node has the option
 * for sockets that connect alone, so this takes the handle over, as its own constructor allows; null where that is not as it was in the
 * versions known (20 to 26), and `accepted` is untouched then.
 */
export function shareAccepted(accepted: Socket): SharedSocket | null {
  const inner = accepted as unknown as AcceptedSocket;
  const handle = inner._handle;
  if (typeof handle !== 'object' || handle === null) return null;
  if (typeof handle.useUserBuffer !== 'function' || inner._server === undefined) return null;
  const read = SharedRead.create();
  if (read === null) return null;
  const options = {
    handle,
    allowHalfOpen: true,
    readable: true,
    writable: true,
    onread: read.options(),
  } as SocketConstructorOpts;
  const socket = new (nodeNet().Socket)(options);
  // The server counts its open connections by this.
  const { server, _server } = inner;
  Object.assign(socket, { server, _server });
  inner._handle = null;
  inner.server = null;
  inner._server = null;
  return { socket, read };
}
