/** A connector whose attempts the test answers by hand. */

import type { GrpcServer } from '../../lib/server/server.ts';
import type { ConnectAttempt, ConnectListener, Connector } from '../../transport/connector.ts';
import { createMemoryDuplexPair } from '../../transport/memory-duplex.ts';
import { ScriptedPipe } from './scripted-peer.ts';

/** One attempt to connect. */
export class ScriptedAttempt implements ConnectAttempt {
  readonly timeoutMs: number;
  cancelled = false;
  isResolving = false;
  readonly #listener: ConnectListener;

  constructor(timeoutMs: number, listener: ConnectListener) {
    this.timeoutMs = timeoutMs;
    this.#listener = listener;
  }

  cancel(): void {
    this.cancelled = true;
  }

  fail(message: string): void {
    if (!this.cancelled) this.#listener.onFailed(new Error(message));
  }

  /** Connects to a pipe whose other end is the test. */
  accept(): ScriptedPipe {
    const pipe = new ScriptedPipe();
    if (!this.cancelled) this.#listener.onConnected(pipe);
    return pipe;
  }

  /** Connects to `server` in memory. */
  acceptBy(server: GrpcServer): void {
    if (this.cancelled) return;
    const [clientEnd, serverEnd] = createMemoryDuplexPair();
    server.accept(serverEnd);
    this.#listener.onConnected(clientEnd);
  }
}

/** Keeps the attempts for the test. */
export class ScriptedConnector implements Connector {
  readonly address = 'test:1';
  readonly attempts: ScriptedAttempt[] = [];

  connect(timeoutMs: number, listener: ConnectListener): ConnectAttempt {
    const attempt = new ScriptedAttempt(timeoutMs, listener);
    this.attempts.push(attempt);
    return attempt;
  }

  /** The latest attempt; throws when there was none. */
  get last(): ScriptedAttempt {
    const attempt = this.attempts.at(-1);
    if (attempt === undefined) throw new Error('nobody tried to connect');
    return attempt;
  }
}

/** Lets everything run that is due now: microtasks, deferred flushes, deliveries of memory pipes. */
export async function settle(turns = 3): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}
