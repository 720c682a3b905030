/** What a connection asks of its role (client or server), and the values both share. */

import type { ErrorToken } from '../framing/errors.ts';
import type { HeaderList } from '../framing/frame-handler.ts';
import type { Limits } from './limits.ts';
import type { TransportObserver } from './observer.ts';
import type { Http2Stream } from './stream.ts';
import type { Initiator } from './stream-listener.ts';

/** The life of a connection; it only moves forward. */
export const Lifecycle = { OPEN: 0, DRAINING: 1, CLOSING: 2, CLOSED: 3 } as const;
export type Lifecycle = (typeof Lifecycle)[keyof typeof Lifecycle];

/** Why a connection ended. */
export interface ConnectionCloseReason {
  /** The RFC 9113 §7 code of the GOAWAY, sent or received; NO_ERROR when the pipe just ended. */
  readonly errorCode: number;
  readonly initiator: Initiator;
  /** What happened, for people: the protocol check's token, the I/O error, or the GOAWAY's text. */
  readonly message: string;
  readonly cause: Error | undefined;
  /** The limit or check that ended it, as it is counted; null when none did. */
  readonly token: ErrorToken | null;
  /** The RFC 9113 §7 code of the last GOAWAY that the peer sent, or null when it sent none. */
  readonly goAwayCode: number | null;
  /** The debug data of that GOAWAY as text, cut at `maxGoAwayDebugOctets` (L27). */
  readonly goAwayDebug: string;
}

/** How a connection is set up. */
export interface ConnectionOptions {
  readonly limits: Limits;
  readonly observer?: TransportObserver | null;
  /** gRFC A8: whether a client sends keepalive PINGs without open streams too; false by default. Servers always do. */
  readonly keepaliveWithoutCalls?: boolean;
  /** Runs a function at the end of this tick, after the microtasks; the one place that decides when writes are gathered. */
  readonly defer?: (run: () => void) => void;
  /** Runs a function in a later turn of the event loop, after other connections had theirs. */
  readonly nextTurn?: (run: () => void) => void;
}

/** The half of a connection that differs between client and server. */
export interface ConnectionRole {
  readonly isClient: boolean;
  /** The highest stream id of the peer's that was or might be acted on, for GOAWAY (RFC 9113 §6.8). */
  readonly lastPeerStreamId: number;
  /** The last GOAWAY of the peer's: its code (null before one) and its debug data. */
  readonly goAwayCode: number | null;
  readonly goAwayDebug: string;
  /** Whether this id was never used (RFC 9113 §5.1, idle). */
  isIdle(streamId: number): boolean;
  /** HEADERS on an idle stream. May throw ConnectionError. */
  onNewStream(streamId: number, headers: HeaderList, endStream: boolean, complete: boolean): void;
  onPeerSettings(first: boolean): void;
  onGoAway(lastStreamId: number, errorCode: number, debug: string): void;
  /** A stream that waited for a slot is reset by the user. */
  onUnopenedReset(stream: Http2Stream): void;
  /** A stream left the table while the connection goes on. */
  onStreamEnded(): void;
  /** What to check when the peer ends the connection now: a phrase behind what happened, or nothing. */
  readonly leavingHint: string;
  /** `text`, why the connection ends, with what the peer said about it before. */
  explainEnd(text: string): string;
  /** All streams were given up because the connection ends; the role gives up those it keeps itself. */
  onStreamsAbandoned(reason: string): void;
  onReadEnd(octetsRead: number): boolean;
  onClosed(reason: ConnectionCloseReason): void;
}

/** End of tick: on Node `process.nextTick`, which from a microtask runs once the microtask queue is empty; elsewhere a microtask. */
export const defaultDefer: (run: () => void) => void =
  typeof process === 'object' && typeof process.nextTick === 'function'
    ? (run): void => process.nextTick(run)
    : (run): void => queueMicrotask(run);

/** Next turn: `setImmediate` where there is one, so that I/O of others comes first. */
export const defaultNextTurn: (run: () => void) => void =
  typeof setImmediate === 'function'
    ? (run): void => {
        setImmediate(run);
      }
    : (run): void => {
        setTimeout(run, 0);
      };
