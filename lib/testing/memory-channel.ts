/** A channel and a server joined in memory: tests of services without sockets, ports or certificates, over the real protocol stack. */

import type { ConnectAttempt, ConnectListener, Connector } from '../../transport/connector.ts';
import { createMemoryDuplexPair } from '../../transport/memory-duplex.ts';
import { Channel } from '../channel/channel.ts';
import type { ChannelOptions } from '../channel/channel-options.ts';
import { targetOf } from '../channel/target.ts';
import type { GrpcServer } from '../server/server.ts';

/** Connects to one server in this process; a `connector` for `ChannelOptions`. */
export class MemoryConnector implements Connector {
  readonly address: string;
  readonly #server: GrpcServer;

  constructor(server: GrpcServer) {
    this.address = 'memory';
    this.#server = server;
  }

  connect(_timeoutMs: number, listener: ConnectListener): ConnectAttempt {
    let cancelled = false;
    queueMicrotask(() => {
      if (cancelled) return;
      if (this.#server.isShutDown) {
        listener.onFailed(new Error('connecting in memory failed: the server was shut down'));
        return;
      }
      const [clientEnd, serverEnd] = createMemoryDuplexPair();
      this.#server.accept(serverEnd);
      listener.onConnected(clientEnd);
    });
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  }
}

/** Options of `createMemoryChannel`: those of a channel without what belongs to sockets. */
export type MemoryChannelOptions = Omit<ChannelOptions, 'connector' | 'credentials'>;

/**
 * A channel to `server`, which needs no `listen`. The server may be shut down and the channel closed in any order; each end is the caller's
 * to close.
 */
export function createMemoryChannel(
  server: GrpcServer,
  options: MemoryChannelOptions = {},
): Channel {
  return new Channel(targetOf('localhost', 1), {
    ...options,
    connector: new MemoryConnector(server),
  });
}
