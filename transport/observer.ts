/**
 * Optional hooks into a connection for tracing, channelz and tests. Every hook costs one null check when there is no observer.
 */

import type { ErrorToken } from '../framing/errors.ts';

/** Receives what a connection does. Implementations must not throw and must not call back into the connection. */
export interface TransportObserver {
  /** Raw octets just received, before parsing. Valid only during the call. */
  onOctetsReceived?(chunk: Uint8Array): void;
  /** Raw octets about to be written. Valid only during the call. */
  onOctetsSent?(chunk: Uint8Array): void;
  /** A protocol check failed; `streamId` is 0 for a connection error. */
  onProtocolError?(streamId: number, errorCode: number, token: ErrorToken): void;
  onStreamOpened?(streamId: number): void;
  onStreamClosed?(streamId: number, errorCode: number): void;
}
