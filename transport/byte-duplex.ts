/**
 * The transport's view of a byte pipe: a TCP, TLS or Unix socket, or one end of an in-memory pair.
 * Nothing above this interface knows sockets.
 */

import type { ErrorToken } from '../framing/errors.ts';

/** Who is at the other end of a connection. Fields that do not apply are null. */
export interface PeerInfo {
  /** Readable address in the form of gRPC peers: `ipv4:127.0.0.1:50051`, `ipv6:[::1]:50051`, `unix:/path`, `memory:1`. */
  readonly address: string;
  /** Name of the cipher suite when the connection is TLS, else null. */
  readonly tlsCipher: string | null;
  /** The peer's certificate in DER when it sent one, else null. Owned by the duplex; do not modify. */
  readonly certificate: Uint8Array | null;
}

/** An I/O error whose message says what to check, so that nothing need be guessed about it. */
export class ExplainedError extends Error {
  override readonly name = 'ExplainedError';
  /** The limit that ended the pipe, to be counted; null when none did. */
  readonly token: ErrorToken | null;

  constructor(message: string, options?: ErrorOptions, token: ErrorToken | null = null) {
    super(message, options);
    this.token = token;
  }
}

/** Receives what a ByteDuplex reads. Calls come one at a time; none comes after `onClosed`. */
export interface ByteDuplexListener {
  /**
   * Octets arrived: the first `end` of `chunk`. They belong to the listener from now on and nobody changes them afterwards, unless the pipe
   * lends them (`framing/lent-octets.ts`): then they are valid during the call.
   */
  onOctets(chunk: Uint8Array, end: number): void;
  /** After a `write` that returned false: the pipe takes octets again. */
  onWritable(): void;
  /** The peer ended its side; no more octets will arrive. */
  onEnd(): void;
  /** The pipe is gone, exactly once and last. `reason` is the I/O error, if there was one. */
  onClosed(reason: Error | undefined): void;
}

/** A bidirectional pipe of octets. */
export interface ByteDuplex {
  readonly peer: PeerInfo;
  /** Octets handed to `write` that the pipe has not taken yet; 0 means that buffers given to `write` may be reused. */
  readonly pendingOctets: number;
  /** Attaches the listener and starts reading. Called once. */
  start(listener: ByteDuplexListener): void;
  /**
   * Writes the chunks in order as one operation. The pipe may keep references to them until `pendingOctets` is back at 0.
   * Returns false when the writer should wait for `onWritable`. Never throws; a write after `end` or `destroy` is dropped.
   */
  write(chunks: readonly Uint8Array[]): boolean;
  /** Stops reading until `resume`; octets already under way may still arrive. */
  pause(): void;
  resume(): void;
  /** Ends the write side once everything written has left. */
  end(): void;
  /** Closes both directions at once; unsent octets are dropped. `onClosed` follows. */
  destroy(reason?: Error): void;
  /** Whether this pipe keeps the process alive (client connections: only while a call or a wait is pending). */
  setKeepsProcessAlive(alive: boolean): void;
}
