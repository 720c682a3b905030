/** How a call ended, for those who have to find out why: plain data, made only for calls that did not end with OK. */

/** Who ended a call. */
export const EndedBy = {
  /** The program: a cancellation, an AbortSignal, a serializer that threw. */
  USER: 'user',
  /** This library: the deadline, a limit, an error in what the peer sent. */
  LIBRARY: 'library',
  /** The peer: a status in trailers, or a reset of the stream. */
  PEER: 'peer',
  /** The connection was lost or closed, or could not be made. */
  CONNECTION: 'connection',
} as const;
export type EndedBy = (typeof EndedBy)[keyof typeof EndedBy];

/** How far a call had got, in order. */
export const CallPhase = {
  /** Not asked for a connection yet. */
  STARTING: 'starting',
  /** Waiting for a connection whose address is being looked up, or could not be. */
  RESOLVING: 'resolving the name',
  /** Waiting for a connection: connecting, TLS, the server's SETTINGS, the backoff between attempts. */
  CONNECTING: 'waiting for a connection',
  /** Waiting for a free stream (the peer's SETTINGS_MAX_CONCURRENT_STREAMS). */
  QUEUED: 'waiting for a stream',
  /** Request headers were written; nothing has come back. */
  SENT: 'sent',
  /** Response headers have come. */
  RESPONDING: 'response headers received',
  /** Trailers have come: the peer said how the call ended. */
  TRAILERS: 'trailers received',
} as const;
export type CallPhase = (typeof CallPhase)[keyof typeof CallPhase];

/** How a call ended. Times are whole milliseconds. */
export interface CallEnd {
  readonly endedBy: EndedBy;
  readonly phase: CallPhase;
  /** Address of the peer, such as `ipv4:127.0.0.1:50051`; null when the call never had a connection. */
  readonly peer: string | null;
  /** Identifier of the last stream the call had, as packet captures show it; null when it had none. */
  readonly streamId: number | null;
  /** Error code of the RST_STREAM that ended the stream (RFC 9113 §7); null when there was none. */
  readonly http2Code: number | null;
  /** What the peer's GOAWAY said, such as `ENHANCE_YOUR_CALM, "too_many_pings"`; null when none played a part. */
  readonly goAway: string | null;
  /** Response messages that were delivered. */
  readonly messagesReceived: number;
  /** From the start of the call to its end. */
  readonly elapsedMs: number;
  /** Left until the deadline, 0 when it has passed; Infinity without one. */
  readonly remainingMs: number;
}
