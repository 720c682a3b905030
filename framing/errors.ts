/**
 * The one error that framing throws. Stream errors are not thrown: they are reported through
 * `FrameHandler.onStreamError`, so that a flood of them allocates nothing.
 */

/**
 * A stable name for one protocol check, such as `frame.data.padding-too-long`: `area.subject.fault` in lower case.
 * Tokens appear in GOAWAY debug data, in counters and in tests. One check, one token.
 */
export type ErrorToken = string;

/**
 * A connection error in the sense of RFC 9113 §5.4.1: reading ends here, and the connection answers with GOAWAY.
 * `errorCode` is the RFC 9113 §7 code to send, `token` names the check that failed, `streamId` is 0 when no stream is concerned.
 */
export class ConnectionError extends Error {
  readonly errorCode: number;
  readonly token: ErrorToken;
  readonly streamId: number;

  constructor(errorCode: number, token: ErrorToken, streamId = 0) {
    // The stack of a protocol error tells nothing about its sender and is the dearest part of making it (F9).
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(token);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'ConnectionError';
    this.errorCode = errorCode;
    this.token = token;
    this.streamId = streamId;
  }
}
