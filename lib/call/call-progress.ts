/** Puts into words how a client call ended: who ended it, where, and what its time went into. Runs for calls that fail only. */

import type { Clock } from '../../transport/clock.ts';
import { type CallEnd, CallPhase, EndedBy } from '../call-end.ts';
import { NO_HEADERS } from '../protocol/response-headers.ts';
import { Status } from '../status.ts';
import type { CallOptions, CallStatus } from './call.ts';

/**
 * When a call got how far, in whole milliseconds from its start; -1: not noted. Made only for calls that have to wait: one that is sent
 * when it is started, and answered as a whole, has no time in between.
 */
export interface CallTimeline {
  connectedMs: number;
  sentMs: number;
  respondedMs: number;
}

/** What a call notes about itself on its way. */
export interface CallProgress {
  readonly options: CallOptions;
  readonly peer: { readonly address: string } | null;
  /** How far it got. */
  readonly phase: CallPhase;
  /** Clock reading of its start in whole milliseconds, modulo 2^32: a small integer, which costs no memory. */
  readonly startedMs: number;
  timeline: CallTimeline | null;
  readonly messagesReceived: number;
}

/** Where `progress` notes times. */
export function timelineOf(progress: CallProgress): CallTimeline {
  progress.timeline ??= { connectedMs: -1, sentMs: -1, respondedMs: -1 };
  return progress.timeline;
}

/** A clock reading as `CallProgress.startedMs`. */
export function wholeMs(nowMs: number): number {
  return nowMs | 0;
}

/** Milliseconds since the start of a call, right for calls of up to 24 days. */
export function msSince(startedMs: number, nowMs: number): number {
  return (wholeMs(nowMs) - startedMs) | 0;
}

/** What is known to the channel. */
export interface ProgressHost {
  readonly clock: Clock;
  /** As in `ClientCallHost`. */
  readonly isResolving: boolean;
}

/** What `callEnd` cannot see in the progress. */
export interface EndCause {
  readonly endedBy: EndedBy;
  readonly streamId: number | null;
  readonly http2Code: number | null;
  /** The transport's reason, which may quote a GOAWAY. */
  readonly reason: string;
}

/** How a call ended that nothing happened to below it: a limit, a deadline, a cancellation. */
export function localCause(endedBy: EndedBy, streamId: number | null): EndCause {
  return { endedBy, streamId, http2Code: null, reason: '' };
}

const GOAWAY = /GOAWAY received: ([^)]*)/;

function callEnd(progress: CallProgress, host: ProgressHost, cause: EndCause): CallEnd {
  const { options, peer, startedMs, messagesReceived } = progress;
  const waitsForName = progress.phase === CallPhase.CONNECTING && host.isResolving;
  const phase = waitsForName ? CallPhase.RESOLVING : progress.phase;
  const nowMs = host.clock.now();
  const { streamId } = cause;
  return {
    endedBy: cause.endedBy,
    phase,
    peer: peer === null ? null : peer.address,
    streamId: streamId === 0 ? null : streamId,
    http2Code: cause.http2Code,
    goAway: GOAWAY.exec(cause.reason)?.[1] ?? null,
    messagesReceived,
    elapsedMs: msSince(startedMs, nowMs),
    remainingMs: Math.max(0, Math.round(options.deadlineMs - nowMs)),
  };
}

/** `status` together with how the call of `progress` ended. */
export function explained(
  status: CallStatus,
  progress: CallProgress,
  host: ProgressHost,
  cause: EndCause,
): CallStatus {
  return { ...status, end: callEnd(progress, host, cause) };
}

/** `status` with the messages counted that were delivered between its arrival and its turn. */
export function recounted(status: CallStatus, progress: CallProgress): CallStatus {
  const { messagesReceived } = progress;
  const { end } = status;
  return end === undefined || end.messagesReceived === messagesReceived
    ? status
    : { ...status, end: { ...end, messagesReceived } };
}

/** As `explained`, for a stream that closed without trailers: the message says where the call was. */
export function explainedClosure(
  status: CallStatus,
  progress: CallProgress,
  host: ProgressHost,
  cause: EndCause,
): CallStatus {
  const end = callEnd(progress, host, cause);
  return { ...status, message: status.message + whereEnded(end), end };
}

/** The status of a call whose deadline has passed. `waitsFor`: what calls without a connection wait for. */
export function expiredStatus(
  progress: CallProgress,
  host: ProgressHost,
  streamId: number | null,
  waitsFor: () => string,
): CallStatus {
  const end = callEnd(progress, host, localCause(EndedBy.LIBRARY, streamId));
  return {
    code: Status.DEADLINE_EXCEEDED,
    message: deadlineMessage(progress, end, waitsFor),
    trailers: NO_HEADERS,
    cause: undefined,
    end,
  };
}

/** Where a call was when it ended, for the end of a status message, such as ` (peer ipv4:127.0.0.1:50051, stream 5, sent)`. */
function whereEnded(end: CallEnd): string {
  const parts: string[] = [];
  if (end.peer !== null) parts.push(`peer ${end.peer}`);
  if (end.streamId !== null) parts.push(`stream ${end.streamId}`);
  parts.push(end.phase);
  return ` (${parts.join(', ')})`;
}

/** A deadline's timer that runs this much too late says that the process was busy or suspended. */
const LATE_MS = 100;

const AT_ONCE: CallTimeline = { connectedMs: -1, sentMs: -1, respondedMs: -1 };

/** The time line of the call, behind the words of grpc-js, which programs match on. */
function deadlineMessage(progress: CallProgress, end: CallEnd, waitsFor: () => string): string {
  const { connectedMs, sentMs, respondedMs } = progress.timeline ?? AT_ONCE;
  const { phase, elapsedMs } = end;
  const events: string[] = [];
  if (connectedMs >= 0) events.push(`connected after ${seconds(connectedMs)}`);
  switch (phase) {
    case CallPhase.STARTING:
      events.push('it had passed when the call was started');
      break;
    case CallPhase.RESOLVING:
    case CallPhase.CONNECTING:
      events.push(`waiting for a connection (${waitsFor()})`);
      break;
    case CallPhase.QUEUED:
      events.push(`waiting for a free stream to ${end.peer}`);
      break;
    default:
      events.push(sentMs > 0 ? `sent after ${seconds(sentMs)}` : 'sent at once');
      events.push(`peer ${end.peer}`);
      events.push(`stream ${end.streamId}`);
  }
  if (phase === CallPhase.SENT) events.push('no response headers');
  if (phase === CallPhase.RESPONDING || phase === CallPhase.TRAILERS) {
    events.push(`response headers${respondedMs >= 0 ? ` after ${seconds(respondedMs)}` : ''}`);
    events.push(`${end.messagesReceived} messages received`);
  }
  if (phase === CallPhase.RESPONDING) events.push('no trailers');
  const lateMs = elapsedMs - progress.options.timeoutMs;
  if (lateMs >= LATE_MS) {
    events.push(`noticed ${seconds(Math.round(lateMs))} late: this process was busy or suspended`);
  }
  return `Deadline exceeded after ${seconds(elapsedMs)}: ${events.join(', ')}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)}s`;
}
