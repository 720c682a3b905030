/** How a channel gets its connections: the seam between it and sockets, or an in-memory pair. */

import type { ByteDuplex } from './byte-duplex.ts';

/** Hears the outcome of one attempt: one call of one method, never before `connect` has returned, and none after `cancel`. */
export interface ConnectListener {
  /** The pipe is open, TLS included. It belongs to the listener, which calls `start` in this call or destroys it. */
  onConnected(duplex: ByteDuplex): void;
  /** `error.message` says what failed, where, and what to do. */
  onFailed(error: Error): void;
}

/** An attempt to connect that is under way. It does not keep the process alive: whoever waits for it does. */
export interface ConnectAttempt {
  /** A name is being looked up, or that is what failed. Left out by connectors that look nothing up. */
  readonly isResolving?: boolean;
  /** Gives up; the listener hears nothing more. Does nothing once the attempt has ended. */
  cancel(): void;
}

/** Makes connections to one place. */
export interface Connector {
  /** The place in readable form, such as `localhost:50051` or `unix:/run/x.sock`. */
  readonly address: string;
  /** Starts an attempt that ends within `timeoutMs`, the name lookup and the TLS handshake included. Never throws. */
  connect(timeoutMs: number, listener: ConnectListener): ConnectAttempt;
}
