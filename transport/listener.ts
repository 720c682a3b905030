/** How a server gets its connections: the seam between it and listening sockets. */

import type { ByteDuplex } from './byte-duplex.ts';

/** Receives what a listener accepts. */
export interface AcceptListener {
  /** A connection is open, TLS included. The pipe belongs to the listener, which calls `start` in this call or destroys it. */
  onConnection(duplex: ByteDuplex): void;
  /** A connection was refused or failed before it was open. `message` is readable and safe to log; a peer can cause any number. */
  onRefused(message: string, token: string): void;
  /** Accepting failed though the listener goes on, such as with no file descriptor left. At most once per second. */
  onAcceptError(error: Error): void;
}

/** Something that accepts connections until it is closed. */
export interface Listener {
  /** The TCP port in use; 0 for a Unix socket. */
  readonly port: number;
  /** Readable: `[::]:50051`, `0.0.0.0:50051`, `unix:/run/x.sock`. */
  readonly address: string;
  /**
   * Stops accepting and drops what is still in the TLS handshake. Open connections go on. Resolves when the address is free again, which
   * for a Unix socket means that its file is gone.
   */
  close(): Promise<void>;
}
