/**
 * The client's half of a connection: opens streams, keeps those that wait for a slot in order, and obeys GOAWAY (RFC 9113 §6.8).
 */

import { ErrorCode, errorCodeName } from '../framing/constants.ts';
import { ConnectionError } from '../framing/errors.ts';
import type { HeaderList } from '../framing/frame-handler.ts';
import type { ByteDuplex, PeerInfo } from './byte-duplex.ts';
import type { Clock, Timer } from './clock.ts';
import { Http2Connection } from './connection.ts';
import {
  type ConnectionCloseReason,
  type ConnectionOptions,
  type ConnectionRole,
  Lifecycle,
} from './connection-role.ts';
import { StreamList } from './send-scheduler.ts';
import { Http2Stream, WaitList } from './stream.ts';
import {
  type ClientStreamListener,
  type ClientTransport,
  Initiator,
  type ReadEndHook,
  StreamProgress,
  type TransportStream,
} from './stream-listener.ts';
import { CloseCause, StreamState } from './stream-state.ts';

/** What a client connection tells its owner. */
export interface ClientConnectionListener {
  /** The peer's first SETTINGS arrived. */
  onReady(): void;
  /**
   * GOAWAY received (its code, else null, and its debug data), or the stream ids are used up: open no more streams here. At most once, before
   * `onClosed`, whose reason has the code of a later GOAWAY.
   */
  onDraining(reason: string, goAwayCode: number | null, goAwayDebug: string): void;
  /** The connection is over: exactly once. */
  onClosed(reason: ConnectionCloseReason): void;
  /** Runs queued user code at the end of each batch of events. */
  readonly onReadEnd: ReadEndHook;
}

/** Options of a client connection. */
export interface ClientConnectionOptions extends ConnectionOptions {
  /** The first stream id, odd; 1 unless a test starts near the end. */
  readonly firstStreamId?: number;
}

/** A new connection takes over when the ids are used up to three quarters, long before none is left (grpc-go does the same). */
const ROLL_OVER_STREAM_ID = 0x5fff_ffff;

/** An idle connection stops holding the process open after this time, not at once: ref and unref per call would cost more than they save. */
const RELEASE_PROCESS_MS = 20;

/** One connection to a server. */
export class ClientConnection implements ClientTransport, ConnectionRole {
  readonly isClient = true;
  readonly lastPeerStreamId = 0;
  /** The last GOAWAY received: its code, and its debug data as text. */
  goAwayCode: number | null = null;
  goAwayDebug = '';
  readonly #listener: ClientConnectionListener;
  readonly #connection: Http2Connection;
  readonly #clock: Clock;
  readonly #waiting: StreamList = new StreamList(WaitList.SLOT);
  #nextStreamId: number;
  /** The last stream id of the latest GOAWAY received; -1 before one. */
  #goAwayLastStreamId = -1;
  #ready = false;
  #drainingTold = false;
  #keepsProcessAlive = true;
  #releaseTimer: Timer | null = null;

  constructor(
    duplex: ByteDuplex,
    clock: Clock,
    options: ClientConnectionOptions,
    listener: ClientConnectionListener,
  ) {
    this.#listener = listener;
    this.#clock = clock;
    this.#nextStreamId = options.firstStreamId ?? 1;
    this.#connection = new Http2Connection(duplex, clock, options, this);
    this.#connection.start();
    this.#releaseProcessSoon();
  }

  get state(): 'connecting' | 'ready' | 'draining' | 'closed' {
    switch (this.#connection.lifecycle) {
      case Lifecycle.OPEN:
        return this.#drainingTold ? 'draining' : this.#ready ? 'ready' : 'connecting';
      case Lifecycle.DRAINING:
        return 'draining';
      default:
        return 'closed';
    }
  }

  get peer(): PeerInfo {
    return this.#connection.peer;
  }

  get activeStreams(): number {
    return this.#connection.streams.size + this.#waiting.length;
  }

  get waitingStreams(): number {
    return this.#waiting.length;
  }

  get hasFreeSlot(): boolean {
    return this.#waiting.head === null && this.#hasSlot();
  }

  openStream(template: HeaderList, listener: ClientStreamListener): TransportStream {
    const connection = this.#connection;
    const stream = new Http2Stream(
      connection,
      0,
      listener,
      connection.remote.initialWindowOctets,
      connection.receiver.streamWindowOctets,
    );
    if (connection.lifecycle !== Lifecycle.OPEN || this.#drainingTold) {
      stream.state = StreamState.CLOSED;
      stream.closeCause = CloseCause.CONNECTION;
      stream.notifyClosed(
        ErrorCode.REFUSED_STREAM,
        Initiator.CONNECTION,
        StreamProgress.MISCARRIED,
        'the connection takes no new streams',
      );
      return stream;
    }
    if (!this.#keepsProcessAlive) {
      this.#keepsProcessAlive = true;
      connection.setKeepsProcessAlive(true);
    }
    if (this.hasFreeSlot) this.#open(stream, template);
    else {
      // RFC 9113 §5.1.2: beyond the peer's limit a stream waits here, in order, and puts nothing on the wire.
      stream.pendingTemplate = template;
      this.#waiting.push(stream);
    }
    return stream;
  }

  /** Closes at once with GOAWAY(`errorCode`); every stream gets `onClosed`. */
  close(errorCode: number, message: string): void {
    this.#connection.close(errorCode, message);
  }

  /** Opens no more streams and closes when the last one ends. */
  drain(): void {
    this.#tellDraining('the channel closes this connection');
    this.#closeIfDrained();
  }

  #hasSlot(): boolean {
    return this.#connection.streams.size < this.#connection.remote.maxConcurrentStreams;
  }

  #open(stream: Http2Stream, template: HeaderList): void {
    stream.id = this.#nextStreamId;
    this.#nextStreamId += 2;
    // RFC 9113 §6.9.2: both windows are those of this moment; while the stream waited for a slot either side may have changed its own.
    stream.sendWindow.available = this.#connection.remote.initialWindowOctets;
    stream.receiveWindow.raise(
      this.#connection.receiver.streamWindowOctets - stream.receiveWindow.target,
    );
    this.#connection.addStream(stream);
    this.#connection.guard.onStreamOpened();
    stream.writeRequestHeaders(template);
    if (stream.hasQueued) this.#connection.output.schedule(stream);
    this.#connection.timers.onStreamOpened();
    if (stream.id >= ROLL_OVER_STREAM_ID) this.#tellDraining('stream ids are used up');
  }

  #openWaiting(): void {
    while (this.#hasSlot() && this.#connection.lifecycle === Lifecycle.OPEN) {
      const stream = this.#waiting.shift();
      if (stream === null) return;
      const template = stream.pendingTemplate ?? [];
      stream.pendingTemplate = null;
      this.#open(stream, template);
    }
  }

  #tellDraining(reason: string): void {
    if (this.#drainingTold) return;
    this.#drainingTold = true;
    this.#abandonWaiting(reason);
    this.#listener.onDraining(reason, this.goAwayCode, this.goAwayDebug);
  }

  #abandonWaiting(reason: string): void {
    for (let stream = this.#waiting.shift(); stream !== null; stream = this.#waiting.shift()) {
      this.#connection.abandonStream(
        stream,
        StreamProgress.MISCARRIED,
        ErrorCode.REFUSED_STREAM,
        reason,
      );
    }
  }

  #closeIfDrained(): void {
    if (
      this.#drainingTold &&
      this.activeStreams === 0 &&
      this.#connection.lifecycle < Lifecycle.CLOSING
    ) {
      this.#connection.close(ErrorCode.NO_ERROR, 'no more streams');
    }
  }

  #releaseProcessSoon(): void {
    if (this.#releaseTimer !== null) return;
    this.#releaseTimer = this.#clock.setTimer(
      RELEASE_PROCESS_MS,
      () => {
        this.#releaseTimer = null;
        if (this.activeStreams > 0 || !this.#keepsProcessAlive) return;
        this.#keepsProcessAlive = false;
        this.#connection.setKeepsProcessAlive(false);
      },
      false,
    );
  }

  // ---- ConnectionRole --------------------------------------------------------------------------------------------

  isIdle(streamId: number): boolean {
    // RFC 9113 §5.1.1: servers use even ids, which push alone could open and we disabled.
    return (streamId & 1) === 0 || streamId >= this.#nextStreamId;
  }

  onNewStream(streamId: number): void {
    throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'stream.headers-on-idle', streamId);
  }

  onPeerSettings(first: boolean): void {
    if (first) {
      this.#ready = true;
      this.#listener.onReady();
    }
    this.#openWaiting();
  }

  onGoAway(lastStreamId: number, errorCode: number, debug: string): void {
    const previous = this.#goAwayLastStreamId;
    if (previous >= 0 && lastStreamId > previous) {
      // RFC 9113 §6.8: the last stream id must not grow from one GOAWAY to the next.
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'goaway.last-stream-id-increased');
    }
    if (lastStreamId !== 0 && (lastStreamId & 1) === 0) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'goaway.last-stream-id-even');
    }
    this.#goAwayLastStreamId = lastStreamId;
    this.goAwayCode = errorCode;
    this.goAwayDebug = debug;
    const text = this.#goAwayText();
    this.#tellDraining(text);
    this.#connection.streams.forEach((stream) => {
      if (stream.id > lastStreamId) {
        // RFC 9113 §6.8: streams above the last id were not and will not be processed.
        this.#connection.abandonStream(
          stream,
          StreamProgress.REFUSED,
          ErrorCode.REFUSED_STREAM,
          text,
        );
      }
    });
    this.#closeIfDrained();
  }

  onUnopenedReset(stream: Http2Stream): void {
    this.#waiting.remove(stream);
    if (this.activeStreams === 0) this.#releaseProcessSoon();
  }

  onStreamEnded(): void {
    if (this.#waiting.head !== null) this.#openWaiting();
    if (this.activeStreams > 0) return;
    this.#releaseProcessSoon();
    this.#closeIfDrained();
  }

  get leavingHint(): string {
    if (this.#ready || this.goAwayCode !== null) return '';
    // With TLS 1.3 a server refuses the client's certificate when the handshake is over for the client, and not all send an alert.
    return this.peer.tlsCipher === null
      ? ' before it sent SETTINGS: check that it speaks HTTP/2, and whether it wants TLS'
      : ' before it sent SETTINGS: check whether it wants a client certificate, and trusts the CA of the one that it got';
  }

  explainEnd(text: string): string {
    // The server's own words come with whatever ended the connection after them.
    return this.goAwayCode === null ? text : `${text} (${this.#goAwayText()})`;
  }

  #goAwayText(): string {
    const debug = this.goAwayDebug === '' ? '' : `, "${this.goAwayDebug}"`;
    return `GOAWAY received: ${errorCodeName(this.goAwayCode ?? ErrorCode.NO_ERROR)}${debug}`;
  }

  onStreamsAbandoned(reason: string): void {
    this.#abandonWaiting(reason);
  }

  onReadEnd(octetsRead: number): boolean {
    return this.#listener.onReadEnd(octetsRead);
  }

  onClosed(reason: ConnectionCloseReason): void {
    this.#releaseTimer?.cancel();
    this.#listener.onClosed(reason);
  }
}
