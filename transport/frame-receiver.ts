/**
 * Judges and applies the frames of one connection (RFC 9113 §5, §6, §8.1): windows of the receiving side, stream states, settings. Called by
 * the frame reader. Connection errors are thrown, stream errors go to `connection.streamError`.
 */

import { DEFAULT_WINDOW_OCTETS, ErrorCode, SettingId } from '../framing/constants.ts';
import { ConnectionError, type ErrorToken } from '../framing/errors.ts';
import type { FrameHandler, HeaderList } from '../framing/frame-handler.ts';
import { BdpEstimator, SAMPLE_FROM_OCTETS } from './bdp-estimator.ts';
import type { Http2Connection } from './connection.ts';
import type { ConnectionRole } from './connection-role.ts';
import { ReceiveWindow } from './flow-control.ts';
import { HeaderRules } from './header-rules.ts';
import type { Http2Stream } from './stream.ts';
import { Initiator, StreamProgress } from './stream-listener.ts';
import {
  CloseCause,
  canReceive,
  onReceiveData,
  onReceiveHeaders,
  StreamState,
} from './stream-state.ts';

/** Pad length octet and padding of one frame (RFC 9113 §6.1). */
const MAX_PADDING_OCTETS = 256;

/** The receiving half of a connection. */
export class FrameReceiver implements FrameHandler {
  readonly rules: HeaderRules = new HeaderRules();
  readonly #connection: Http2Connection;
  readonly #role: ConnectionRole;
  readonly #receiveWindow: ReceiveWindow = new ReceiveWindow(DEFAULT_WINDOW_OCTETS, 0);
  /** Made when enough octets have come for a first sample. */
  #bdp: BdpEstimator | null = null;
  #octetsBeforeBdp = 0;
  /** The window a stream of ours starts with. */
  #streamWindowOctets: number;
  #windowsLowered = false;
  /** Octets held unread that count against L29, and those of them the connection window was not yet credited for. */
  #unread = 0;
  #uncredited = 0;

  constructor(connection: Http2Connection, role: ConnectionRole) {
    this.#connection = connection;
    this.#role = role;
    const { streamWindowOctets } = connection.limits;
    // Never below the initial 65,535, which the peer may use until it has applied our SETTINGS (RFC 9113 §6.9.3).
    this.#streamWindowOctets = Math.max(streamWindowOctets, DEFAULT_WINDOW_OCTETS);
  }

  /** The window that a new stream offers. */
  get streamWindowOctets(): number {
    return this.#streamWindowOctets;
  }

  /** Opens the connection window to `octets` (L16). Returns the increment to announce, or 0. */
  openWindow(octets: number): number {
    return this.#receiveWindow.widen(octets);
  }

  /** The peer has applied our first SETTINGS: a stream window smaller than the initial one holds from here on (RFC 9113 §6.9.2). */
  #lowerStreamWindows(): void {
    const { limits, streams } = this.#connection;
    const excess = DEFAULT_WINDOW_OCTETS - limits.streamWindowOctets;
    if (excess <= 0 || this.#windowsLowered) return;
    this.#windowsLowered = true;
    this.#streamWindowOctets -= excess;
    streams.forEach((stream) => {
      this.#announce(stream, stream.receiveWindow.lower(excess, this.#connection.nowMs));
    });
  }

  /** DATA of `octets` arrived. True when a PING should be sent to start a sample. */
  #isWorthSampling(octets: number): boolean {
    if (this.#bdp !== null) return this.#bdp.onData(octets);
    this.#octetsBeforeBdp += octets;
    if (this.#octetsBeforeBdp < SAMPLE_FROM_OCTETS) return false;
    const { streamWindowOctets, maxStreamWindowOctets } = this.#connection.limits;
    const windowOctets = Math.max(streamWindowOctets, DEFAULT_WINDOW_OCTETS);
    this.#bdp = new BdpEstimator(windowOctets, maxStreamWindowOctets);
    return this.#bdp.onData(this.#octetsBeforeBdp);
  }

  /** A round trip was measured while DATA flowed: the windows follow the estimate, within L30. */
  onBdpRoundTrip(): void {
    const { limits, timers, output, streams } = this.#connection;
    if (timers.settingsPending || this.#bdp === null || !this.#bdp.onRoundTrip()) return;
    // L29: windows grow only while all streams together could hold what they allow.
    if (this.#bdp.windowOctets * streams.size > limits.maxUnreadOctets) return;
    const growth = this.#bdp.windowOctets - this.#streamWindowOctets;
    if (growth <= 0) return;
    this.#streamWindowOctets += growth;
    streams.forEach((stream) => {
      stream.receiveWindow.raise(growth);
    });
    output.writeSettings([SettingId.INITIAL_WINDOW_SIZE, this.#streamWindowOctets]);
    timers.onSettingsSent();
    const connectionOctets = Math.min(
      limits.maxConnectionWindowOctets,
      2 * this.#streamWindowOctets,
    );
    const increment = this.#receiveWindow.widen(connectionOctets);
    if (increment > 0) output.writeWindowUpdate(0, increment);
  }

  // ---- frames in: DATA and HEADERS -------------------------------------------------------------------------------

  onData(
    streamId: number,
    chunk: Uint8Array,
    start: number,
    end: number,
    flowLength: number,
    endStream: boolean,
  ): void {
    this.#connection.countFrame();
    // RFC 9113 §6.9.1: exceeding the connection window is a connection error.
    if (!this.#receiveWindow.receive(flowLength)) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'flow.connection-window-exceeded');
    }
    const stream = this.#connection.streams.get(streamId);
    if (stream === undefined) {
      // RFC 9113 §6.9: DATA of closed streams still counts against the connection window, so it is credited at once (D7).
      this.#creditConnection(flowLength);
      this.#onFrameOfClosedStream(streamId, true, flowLength);
      return;
    }
    const payload = end - start;
    const next = onReceiveData(stream.state, endStream);
    if (next < 0) {
      this.#creditConnection(flowLength);
      this.#connection.streamError(streamId, -next, 'stream.data-after-end');
      return;
    }
    if (!stream.headersReceived) {
      // RFC 9113 §8.1: a response starts with HEADERS.
      this.#creditConnection(flowLength);
      this.#connection.streamError(
        streamId,
        ErrorCode.PROTOCOL_ERROR,
        'stream.data-before-headers',
      );
      return;
    }
    if (!stream.receiveWindow.receive(flowLength)) {
      // RFC 9113 §6.9.1: exceeding a stream's window may end the stream alone.
      this.#creditConnection(flowLength);
      this.#connection.streamError(
        streamId,
        ErrorCode.FLOW_CONTROL_ERROR,
        'flow.stream-window-exceeded',
      );
      return;
    }
    if (stream.contentLengthLeft >= 0) {
      stream.contentLengthLeft -= payload;
      // RFC 9113 §8.1.1: a content-length that differs from the DATA makes the message malformed.
      if (stream.contentLengthLeft < 0 || (endStream && stream.contentLengthLeft > 0)) {
        this.#creditConnection(flowLength);
        this.#connection.streamError(
          streamId,
          ErrorCode.PROTOCOL_ERROR,
          'stream.content-length-mismatch',
        );
        return;
      }
    }
    if (this.#isWorthSampling(payload)) this.#connection.timers.sampleBdp();
    stream.emptyDataInARow = payload === 0 ? stream.emptyDataInARow + 1 : 0;
    this.#connection.enforce(
      this.#connection.guard.onData(payload, endStream, stream.emptyDataInARow),
    );
    this.#creditOnReceipt(flowLength, payload);
    stream.unread += payload;
    stream.state = next as StreamState;
    const used = stream.listener.onData(chunk, start, end, endStream);
    // The listener may have reset the stream.
    if (
      (stream.state as StreamState) === StreamState.CLOSED &&
      stream.closeCause !== CloseCause.NONE
    )
      return;
    const padding = flowLength - payload;
    if (padding > 0) {
      stream.receiveWindow.paddingRoom = MAX_PADDING_OCTETS;
      this.creditStream(stream, padding);
    }
    if (used > 0) stream.consume(used);
    if (endStream) stream.closeIfDone();
  }

  onHeaders(streamId: number, headers: HeaderList, endStream: boolean, complete: boolean): void {
    this.#connection.countFrame();
    if (!complete) this.#connection.trip('headers.list-too-large');
    const stream = this.#connection.streams.get(streamId);
    if (stream === undefined) {
      if (this.#role.isIdle(streamId))
        this.#role.onNewStream(streamId, headers, endStream, complete);
      else this.#onHeadersOfClosedStream(streamId);
      return;
    }
    const next = onReceiveHeaders(stream.state, endStream);
    if (next < 0) {
      this.#connection.streamError(streamId, -next, 'stream.headers-after-end');
      return;
    }
    if (!stream.headersReceived) {
      this.#onResponseHeaders(stream, headers, endStream, complete, next as StreamState);
      return;
    }
    if (!endStream) {
      // RFC 9113 §8.1: a second HEADERS is a trailer section and ends the stream.
      this.#connection.streamError(
        streamId,
        ErrorCode.PROTOCOL_ERROR,
        'stream.trailers-without-end-stream',
      );
      return;
    }
    const token = complete ? this.rules.checkTrailers(headers) : null;
    if (token !== null) {
      this.#connection.streamError(streamId, ErrorCode.PROTOCOL_ERROR, token);
      return;
    }
    if (stream.contentLengthLeft > 0) {
      this.#connection.streamError(
        streamId,
        ErrorCode.PROTOCOL_ERROR,
        'stream.content-length-mismatch',
      );
      return;
    }
    stream.state = next as StreamState;
    stream.listener.onTrailers(headers, complete);
    stream.closeIfDone();
  }

  #onResponseHeaders(
    stream: Http2Stream,
    headers: HeaderList,
    endStream: boolean,
    complete: boolean,
    next: StreamState,
  ): void {
    const rules = this.rules;
    const token = complete ? rules.checkResponse(headers) : null;
    if (token !== null) {
      this.#connection.streamError(stream.id, ErrorCode.PROTOCOL_ERROR, token);
      return;
    }
    if (complete && rules.status >= 100 && rules.status < 200) {
      // RFC 9113 §8.1: interim responses precede the final one and never end the stream. Their sum has the bound of one list (C06).
      const { extras } = stream;
      for (const text of headers) extras.informationalOctets += text.length + 16;
      if (endStream) {
        this.#connection.streamError(
          stream.id,
          ErrorCode.PROTOCOL_ERROR,
          'headers.informational-ends-stream',
        );
      } else if (extras.informationalOctets > this.#connection.limits.maxHeaderListOctets) {
        this.#connection.streamError(
          stream.id,
          ErrorCode.ENHANCE_YOUR_CALM,
          'headers.informational-too-large',
        );
      }
      return;
    }
    // RFC 9113 §8.1.1: 204 and 304 have no content, whatever length they speak of.
    if (complete && rules.status !== 204 && rules.status !== 304) {
      stream.contentLengthLeft = rules.contentLength;
    }
    if (endStream && stream.contentLengthLeft > 0) {
      this.#connection.streamError(
        stream.id,
        ErrorCode.PROTOCOL_ERROR,
        'stream.content-length-mismatch',
      );
      return;
    }
    stream.onHeadersReceived();
    stream.state = next;
    stream.listener.onHeaders(headers, endStream, complete);
    stream.closeIfDone();
  }

  #onHeadersOfClosedStream(streamId: number): void {
    const cause = this.#connection.streams.causeOf(streamId, this.#connection.nowMs);
    if (cause === CloseCause.END_STREAM || cause === CloseCause.REMOTE_RESET) {
      // RFC 9113 §5.1: the peer itself had closed its side.
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, 'stream.headers-on-closed', streamId);
    }
    if (cause === CloseCause.NONE && !this.#role.isClient) {
      // RFC 9113 §5.1.1: an id that is neither new nor known to be closed is an unexpected stream identifier.
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'stream.id-not-increasing', streamId);
    }
    // RFC 9113 §5.1: what was under way when we ended the stream, lately or long ago, is ignored; its block has been decoded.
    this.#connection.glitch();
  }

  /** DATA, RST_STREAM or WINDOW_UPDATE for a stream that is not in the table. */
  #onFrameOfClosedStream(streamId: number, isData: boolean, flowLength: number): void {
    if (this.#role.isIdle(streamId)) {
      // RFC 9113 §5.1: on an idle stream only HEADERS and PRIORITY may arrive.
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'stream.frame-on-idle', streamId);
    }
    if (isData) {
      const cause = this.#connection.streams.causeOf(streamId, this.#connection.nowMs);
      if (cause === CloseCause.END_STREAM) {
        // RFC 9113 §5.1: DATA behind END_STREAM. The peer's idea of the connection is not ours any more.
        throw new ConnectionError(ErrorCode.STREAM_CLOSED, 'stream.data-on-closed', streamId);
      }
      if (cause === CloseCause.REMOTE_RESET) {
        // RFC 9113 §6.1: a stream error; from now on the stream is one that we reset (§5.4.2: no second RST_STREAM).
        this.#connection.streamError(streamId, ErrorCode.STREAM_CLOSED, 'stream.data-after-reset');
        return;
      }
    }
    if (this.#connection.streams.explainsLateFrame(streamId, flowLength)) return;
    // RFC 9113 §5.1: RST_STREAM and WINDOW_UPDATE may cross our end of the stream, anything may cross our reset. Streams that are closed
    // but forgotten (L32) get the same "minimal processing": a burst of cancellations must not end the connection.
    this.#connection.glitch();
  }

  // ---- frames in: the others -------------------------------------------------------------------------------------

  onRstStream(streamId: number, errorCode: number): void {
    this.#connection.countFrame();
    const stream = this.#connection.streams.get(streamId);
    if (stream === undefined) {
      this.#onFrameOfClosedStream(streamId, false, 0);
      return;
    }
    if (!this.#role.isClient) {
      const { guard, nowMs } = this.#connection;
      const cost = stream.listener.costOfReset?.(nowMs) ?? null;
      this.#connection.enforce(guard.onPeerReset(nowMs, cost));
    }
    const progress =
      errorCode === ErrorCode.REFUSED_STREAM ? StreamProgress.REFUSED : StreamProgress.PROCESSED;
    this.#connection.endStream(
      stream,
      CloseCause.REMOTE_RESET,
      errorCode,
      Initiator.REMOTE,
      progress,
      '',
    );
  }

  onSetting(id: number, value: number): void {
    switch (id) {
      case SettingId.HEADER_TABLE_SIZE:
        this.#connection.output.setPeerHeaderTableOctets(value);
        break;
      case SettingId.MAX_CONCURRENT_STREAMS:
        this.#connection.remote.setMaxConcurrentStreams(value);
        break;
      case SettingId.INITIAL_WINDOW_SIZE:
        this.#changeInitialWindow(value);
        break;
      case SettingId.MAX_FRAME_SIZE:
        this.#connection.output.writer.maxFrameOctets = value;
        break;
      default:
        // RFC 9113 §6.5.2: unknown settings are ignored; MAX_HEADER_LIST_SIZE is advisory; ENABLE_PUSH was validated by the reader and means nothing to us.
        break;
    }
  }

  #changeInitialWindow(octets: number): void {
    const delta = octets - this.#connection.remote.initialWindowOctets;
    this.#connection.remote.initialWindowOctets = octets;
    if (delta === 0) return;
    // RFC 9113 §6.9.2: all streams change by the difference, below zero too; passing 2^31-1 is a connection error.
    this.#connection.streams.forEach((stream) => {
      if (!stream.sendWindow.credit(delta)) {
        throw new ConnectionError(
          ErrorCode.FLOW_CONTROL_ERROR,
          'flow.initial-window-overflow',
          stream.id,
        );
      }
      if (delta > 0 && stream.hasQueued) this.#connection.output.schedule(stream);
    });
  }

  onSettingsEnd(ack: boolean): void {
    this.#connection.countFrame();
    if (ack) {
      if (this.#connection.timers.onSettingsAck()) {
        this.#lowerStreamWindows();
        this.#connection.onSettingsAcknowledged();
      } else this.#connection.glitch();
      return;
    }
    this.#connection.enforce(this.#connection.guard.onSettings(this.#connection.nowMs));
    const first = !this.#connection.remote.received;
    this.#connection.remote.finishFirst();
    this.#connection.output.writeSettingsAck();
    if (first) this.#connection.timers.onFirstSettings();
    this.#role.onPeerSettings(first);
  }

  onPing(chunk: Uint8Array, start: number, ack: boolean): void {
    this.#connection.countFrame();
    if (ack) {
      this.#connection.timers.onPingAck(chunk, start);
      return;
    }
    this.#connection.enforce(
      this.#connection.guard.onPing(this.#connection.nowMs, this.#connection.streams.size > 0),
    );
    this.#connection.output.writePingAck(chunk.subarray(start, start + 8));
  }

  onGoAway(
    lastStreamId: number,
    errorCode: number,
    chunk: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.#connection.countFrame();
    this.#connection.glitch();
    let debug = '';
    for (let index = start; index < end; index += 1) {
      const octet = chunk[index] ?? 0;
      // Debug data goes into error messages and logs: control characters must not (C17).
      debug += octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '.';
    }
    this.#role.onGoAway(lastStreamId, errorCode, debug);
  }

  onWindowUpdate(streamId: number, increment: number): void {
    this.#connection.countFrame();
    this.#connection.enforce(this.#connection.guard.onWindowUpdate(this.#connection.nowMs));
    if (streamId === 0) {
      if (!this.#connection.output.sendWindow.credit(increment)) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'flow.connection-window-overflow');
      }
      this.#connection.output.scheduleFlush();
      return;
    }
    const stream = this.#connection.streams.get(streamId);
    if (stream === undefined) {
      this.#onFrameOfClosedStream(streamId, false, 0);
      return;
    }
    if (!stream.sendWindow.credit(increment)) {
      this.#connection.streamError(
        streamId,
        ErrorCode.FLOW_CONTROL_ERROR,
        'flow.stream-window-overflow',
      );
      return;
    }
    if (stream.hasQueued) {
      this.#connection.output.schedule(stream);
    }
  }

  onStreamError(streamId: number, errorCode: number, token: ErrorToken): void {
    this.#connection.countFrame();
    if (this.#connection.streams.get(streamId) === undefined) {
      if (this.#role.isIdle(streamId)) {
        // RFC 9113 §5.4.2 has no stream to end here: the error falls back on the connection.
        throw new ConnectionError(errorCode, token, streamId);
      }
      if (
        this.#connection.streams.causeOf(streamId, this.#connection.nowMs) !== CloseCause.END_STREAM
      ) {
        // RFC 9113 §5.4.2: no RST_STREAM in answer to one, nor a second one. The frame is counted.
        this.#connection.glitch();
        return;
      }
    }
    this.#connection.streamError(streamId, errorCode, token);
  }

  onIgnoredFrame(): void {
    this.#connection.countFrame();
    this.#connection.glitch();
  }

  // ---- windows of the receiving side -----------------------------------------------------------------------------

  #creditConnection(octets: number): void {
    const increment = this.#receiveWindow.release(octets, this.#connection.nowMs);
    if (increment > 0) this.#connection.output.writeWindowUpdate(0, increment);
  }

  /** L29: the connection window is credited on receipt while little is unread, otherwise when it is used. */
  #creditOnReceipt(flowLength: number, payload: number): void {
    this.#unread += payload;
    if (this.#unread <= this.#connection.limits.maxUnreadOctets) {
      this.#creditConnection(flowLength);
      return;
    }
    this.#uncredited += payload;
    // Also with nothing to give: what was given before may be due now that the peer's credit runs low.
    this.#creditConnection(flowLength - payload);
  }

  /** `octets` no longer count as unread. Called by streams. */
  releaseUnread(octets: number): void {
    if (octets <= 0) return;
    this.#unread -= octets;
    if (this.#uncredited === 0) return;
    const credited = Math.min(octets, this.#uncredited);
    this.#uncredited -= credited;
    this.#creditConnection(credited);
  }

  /** Gives `octets` of a stream back to its window. Called by streams. */
  creditStream(stream: Http2Stream, octets: number): void {
    const { guard, output, nowMs, clock } = this.#connection;
    guard.onConsumed(octets);
    // Most messages are used within the read that brought them, whose clock reading is good enough for a matter of seconds.
    const usedMs = output.inRead ? nowMs : clock.now();
    this.#announce(stream, stream.receiveWindow.release(octets, usedMs));
  }

  #announce(stream: Http2Stream, increment: number): void {
    // RFC 9113 §6.9: a stream that ended on the peer's side needs no more credit.
    if (increment > 0 && canReceive(stream.state))
      this.#connection.output.writeWindowUpdate(stream.id, increment);
  }
}
