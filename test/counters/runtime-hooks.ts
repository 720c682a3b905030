/** Counts what the runtime is asked for: socket writes with their octets, timers, immediates, turns of the event loop. Node only. */

import { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

/** What one side of the loopback connection has written. */
export interface SideCounts {
  /** Each is one system call at least: corked writes leave in one writev. */
  writes: number;
  octets: number;
  /** The octets themselves, while recording. */
  recorded: Uint8Array[] | null;
}

/** Counters of this process. */
export interface RuntimeCounts {
  readonly client: SideCounts;
  readonly server: SideCounts;
  immediates: number;
  /** Runtime timers that the one wheel of the library armed. */
  wheelTimers: number;
  /** All others. */
  otherTimers: number;
}

/** Node's one way from a Writable to the handle, for single and gathered writes. */
interface SocketInternals {
  _writeGeneric(
    gathered: boolean,
    data: Uint8Array | readonly { readonly chunk: Uint8Array }[],
    encoding: string,
    done: unknown,
  ): unknown;
}

/**
 * Replaces the runtime's functions for the rest of the process and counts their calls. Sockets connected to `serverPort()` count for the
 * client, those accepted there for the server. Functions that a library took before are not seen, so call it before importing one.
 */
export function countRuntime(serverPort: () => number): RuntimeCounts {
  const counts: RuntimeCounts = {
    client: { writes: 0, octets: 0, recorded: null },
    server: { writes: 0, octets: 0, recorded: null },
    immediates: 0,
    wheelTimers: 0,
    otherTimers: 0,
  };
  const internals = Socket.prototype as unknown as SocketInternals;
  const writeGeneric = internals._writeGeneric;
  if (typeof writeGeneric !== 'function') throw new Error('net.Socket has no _writeGeneric here');
  internals._writeGeneric = function (this: Socket, gathered, data, encoding, done) {
    const port = serverPort();
    const side =
      this.remotePort === port ? counts.client : this.localPort === port ? counts.server : null;
    // Standard output may be a socket too.
    if (side === null) return writeGeneric.call(this, gathered, data, encoding, done);
    side.writes += 1;
    const chunks = gathered
      ? (data as readonly { readonly chunk: Uint8Array }[]).map(({ chunk }) => chunk)
      : [data as Uint8Array];
    for (const chunk of chunks) {
      side.octets += chunk.length;
      // A copy: the library writes into the same slab again.
      side.recorded?.push(Uint8Array.prototype.slice.call(chunk));
    }
    return writeGeneric.call(this, gathered, data, encoding, done);
  };
  const replace = (
    name: 'setTimeout' | 'setInterval' | 'setImmediate',
    count: () => void,
  ): void => {
    const original = globalThis[name] as (...args: unknown[]) => unknown;
    const counted = (...args: unknown[]): unknown => {
      count();
      return original(...args);
    };
    Object.assign(counted, original);
    (globalThis as Record<string, unknown>)[name] = counted;
  };
  const countTimer = (): void => {
    if (new Error().stack?.includes('system-clock')) counts.wheelTimers += 1;
    else counts.otherTimers += 1;
  };
  replace('setTimeout', countTimer);
  replace('setInterval', countTimer);
  replace('setImmediate', () => {
    counts.immediates += 1;
  });
  return counts;
}

/** Turns of the event loop so far; null where the runtime does not count them. */
export function loopTurns(): number | null {
  const timing = performance.nodeTiming as { uvMetricsInfo?: { loopCount: number } };
  return timing.uvMetricsInfo?.loopCount ?? null;
}
