/**
 * A referee between two endpoints: sees every octet when it is sent and when it arrives, keeps both ends' rights by RFC 9113 on its own,
 * and says which frame had no right to be sent. Shares the inspector and the HPACK decoder with the runtime, and none of its state.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import {
  type InspectedFrame,
  type InspectedSetting,
  inspectFrames,
} from '../../framing/frame-inspector.ts';
import type { HpackDecoder } from '../../framing/hpack/hpack-decoder.ts';
import { octets } from './frame-factory.ts';
import { roomyDecoder } from './verdicts.ts';

/** The two ends. */
export type Side = 'client' | 'server';

/** One stream as one end knows it. */
interface StreamView {
  sendWindow: number;
  sentHeaders: boolean;
  sentEnd: boolean;
  sentReset: boolean;
  receivedEnd: boolean;
  receivedReset: boolean;
  /** RST_STREAM has been read, if not yet obeyed in what had been written: the place is free (§5.1.2). */
  freed: boolean;
}

/** What one end may do by what it has received so far. */
interface EndView {
  connectionWindow: number;
  initialWindow: number;
  maxFrameOctets: number;
  maxConcurrentStreams: number;
  lastOpened: number;
  /** SETTINGS that arrived: they bind from the moment of the acknowledgement, which is all the peer can see (§6.5.3). */
  settingsToAcknowledge: (readonly InspectedSetting[])[];
  pingsToAnswer: string[];
  /** The stream of the field block being sent, or 0. */
  blockStream: number;
  goneAway: boolean;
  readonly streams: Map<number, StreamView>;
}

/** Flags that each frame type defines (RFC 9113 §6), without PADDED and PRIORITY, which we never send. */
const DEFINED_FLAGS = [0x01, 0x05, 0, 0, 0x01, 0, 0x01, 0, 0, 0x04];

const PREFACE_OCTETS = 24;

/** Octets of one direction, cut into frames as they become whole. */
class FrameCutter {
  #rest: Uint8Array = new Uint8Array(0);
  #preface: boolean;

  constructor(preface: boolean) {
    this.#preface = preface;
  }

  /** The whole frames that `chunk` completes, each as raw octets. */
  push(chunk: Uint8Array): Uint8Array[] {
    let all = new Uint8Array(this.#rest.length + chunk.length);
    all.set(this.#rest);
    all.set(chunk, this.#rest.length);
    const frames: Uint8Array[] = [];
    if (this.#preface) {
      if (all.length < PREFACE_OCTETS) {
        this.#rest = all;
        return frames;
      }
      this.#preface = false;
      all = all.subarray(PREFACE_OCTETS);
    }
    let at = 0;
    while (all.length - at >= 9) {
      const length = (all[at]! << 16) | (all[at + 1]! << 8) | all[at + 2]!;
      if (all.length - at < 9 + length) break;
      frames.push(all.subarray(at, at + 9 + length));
      at += 9 + length;
    }
    this.#rest = new Uint8Array(all.subarray(at));
    return frames;
  }
}

function newView(): EndView {
  return {
    connectionWindow: 65_535,
    initialWindow: 65_535,
    maxFrameOctets: 16_384,
    maxConcurrentStreams: Number.POSITIVE_INFINITY,
    lastOpened: 0,
    settingsToAcknowledge: [],
    pingsToAnswer: [],
    blockStream: 0,
    goneAway: false,
    streams: new Map(),
  };
}

/** Watches one connection. */
export class WireChecker {
  /** What was illegal, in order; empty after a legal history. */
  readonly faults: string[] = [];
  /** Field lists as sent, in order: stream and list. */
  readonly sentLists: Record<Side, [number, HeaderList][]> = { client: [], server: [] };
  /** DATA octets, padding included, that left each end. */
  readonly dataOctets: Record<Side, number> = { client: 0, server: 0 };
  readonly #views: Record<Side, EndView> = { client: newView(), server: newView() };
  readonly #sent: Record<Side, FrameCutter> = {
    client: new FrameCutter(true),
    server: new FrameCutter(false),
  };
  readonly #delivered: Record<Side, FrameCutter> = {
    client: new FrameCutter(false),
    server: new FrameCutter(true),
  };
  readonly #decoders: Record<Side, HpackDecoder> = {
    client: roomyDecoder(),
    server: roomyDecoder(),
  };
  readonly #late: Record<Side, InspectedFrame[]> = { client: [], server: [] };
  readonly #blocks: Record<Side, Uint8Array> = { client: octets(), server: octets() };

  /** The connection window that `side` may still use. */
  connectionWindow(side: Side): number {
    return this.#views[side].connectionWindow;
  }

  /** `side` wrote `chunk`. */
  onSent(side: Side, chunk: Uint8Array): void {
    for (const raw of this.#sent[side].push(chunk)) {
      const flags = raw[4]!;
      const type = raw[3]!;
      if ((flags & ~(DEFINED_FLAGS[type] ?? 0)) !== 0) {
        this.#fault(side, `§4.1 undefined flags 0x${flags.toString(16)} on type ${type}`);
      }
      if (raw[5]! >= 0x80) this.#fault(side, '§4.1 reserved bit set');
      const [frame] = inspectFrames(raw);
      if (frame !== undefined) this.#judge(side, frame);
    }
  }

  /**
   * `chunk` arrived at `side`. RST_STREAM and GOAWAY bind from `onFlushed` on: what had been written when they were read leaves behind
   * them, and the peer cannot tell it from what crossed them.
   */
  onDelivered(side: Side, chunk: Uint8Array): void {
    for (const raw of this.#delivered[side].push(chunk)) {
      const [frame] = inspectFrames(raw);
      if (frame === undefined) continue;
      if (frame.type === 'RST_STREAM') this.#stream(side, frame.streamId).freed = true;
      if (frame.type === 'RST_STREAM' || frame.type === 'GOAWAY') this.#late[side].push(frame);
      else this.#learn(side, frame);
    }
  }

  /** Everything that `side` had written has left. */
  onFlushed(side: Side): void {
    for (const frame of this.#late[side].splice(0)) this.#learn(side, frame);
  }

  #fault(side: Side, what: string): void {
    this.faults.push(`${side}: ${what}`);
  }

  #stream(side: Side, streamId: number): StreamView {
    const view = this.#views[side];
    let stream = view.streams.get(streamId);
    if (stream === undefined) {
      stream = {
        sendWindow: view.initialWindow,
        sentHeaders: false,
        sentEnd: false,
        sentReset: false,
        receivedEnd: false,
        receivedReset: false,
        freed: false,
      };
      view.streams.set(streamId, stream);
    }
    return stream;
  }

  /** Was `frame` legal for `side` to send? */
  #judge(side: Side, frame: InspectedFrame): void {
    const view = this.#views[side];
    if (frame.type === 'PREFACE' || frame.type === 'INCOMPLETE') return;
    if (frame.length > view.maxFrameOctets) this.#fault(side, `§4.2 ${frame.length} octets`);
    if (view.blockStream !== 0 && frame.type !== 'CONTINUATION') {
      this.#fault(side, `§4.3 ${frame.type} inside a field block`);
    }
    if (view.goneAway && frame.type !== 'GOAWAY' && frame.type === 'HEADERS' && side === 'client') {
      if (frame.streamId > view.lastOpened) this.#fault(side, '§6.8 stream opened after GOAWAY');
    }
    switch (frame.type) {
      case 'DATA':
        this.#judgeData(side, frame.streamId, frame.length, frame.endStream);
        break;
      case 'HEADERS':
        this.#judgeHeaders(side, frame.streamId, frame.endStream);
        this.#blocks[side] = new Uint8Array(frame.fragment);
        if (frame.endHeaders) this.#endBlock(side, frame.streamId);
        else view.blockStream = frame.streamId;
        break;
      case 'CONTINUATION':
        if (view.blockStream !== frame.streamId) this.#fault(side, '§6.10 stray CONTINUATION');
        this.#blocks[side] = octets(this.#blocks[side], frame.fragment);
        if (frame.endHeaders) {
          view.blockStream = 0;
          this.#endBlock(side, frame.streamId);
        }
        break;
      case 'RST_STREAM': {
        const stream = this.#stream(side, frame.streamId);
        if (this.#isIdle(side, frame.streamId)) this.#fault(side, '§6.4 RST_STREAM on idle');
        if (stream.receivedReset) this.#fault(side, '§5.4.2 RST_STREAM answers RST_STREAM');
        if (stream.sentReset) this.#fault(side, '§5.4.2 second RST_STREAM');
        stream.sentReset = true;
        break;
      }
      case 'WINDOW_UPDATE':
        if (frame.increment === 0) this.#fault(side, '§6.9 zero increment');
        if (frame.streamId !== 0) {
          const stream = this.#stream(side, frame.streamId);
          if (this.#isIdle(side, frame.streamId)) this.#fault(side, '§5.1 WINDOW_UPDATE on idle');
          if (stream.sentReset || stream.receivedReset || (stream.sentEnd && stream.receivedEnd)) {
            this.#fault(side, `§5.1 WINDOW_UPDATE on closed stream ${frame.streamId}`);
          }
        }
        break;
      case 'SETTINGS':
        if (frame.ack) this.#applySettings(side);
        break;
      case 'PING':
        if (frame.ack && view.pingsToAnswer.shift() !== String(frame.payload)) {
          this.#fault(side, '§6.7 ACK of no PING');
        }
        break;
      case 'PUSH_PROMISE':
      case 'PRIORITY':
      case 'UNKNOWN':
      case 'MALFORMED':
        this.#fault(side, `sent ${frame.type}`);
        break;
      case 'GOAWAY':
        break;
    }
  }

  #applySettings(side: Side): void {
    const view = this.#views[side];
    const settings = view.settingsToAcknowledge.shift();
    if (settings === undefined) {
      this.#fault(side, '§6.5.3 ACK without SETTINGS');
      return;
    }
    for (const { id, value } of settings) {
      if (id === 3) view.maxConcurrentStreams = value;
      if (id === 5) view.maxFrameOctets = value;
      if (id !== 4) continue;
      for (const stream of view.streams.values()) stream.sendWindow += value - view.initialWindow;
      view.initialWindow = value;
    }
  }

  #isIdle(side: Side, streamId: number): boolean {
    return streamId % 2 === 0 || streamId > this.#views[side].lastOpened;
  }

  #judgeData(side: Side, streamId: number, length: number, endStream: boolean): void {
    const view = this.#views[side];
    const stream = this.#stream(side, streamId);
    if (this.#isIdle(side, streamId)) this.#fault(side, `§5.1 DATA on idle stream ${streamId}`);
    if (!stream.sentHeaders) this.#fault(side, '§8.1 DATA before HEADERS');
    if (stream.sentEnd) this.#fault(side, '§5.1 DATA after END_STREAM');
    if (stream.sentReset || stream.receivedReset) this.#fault(side, '§6.4 DATA after RST_STREAM');
    if (length > 0 && (length > view.connectionWindow || length > stream.sendWindow)) {
      this.#fault(side, `§6.9.1 ${length} > ${view.connectionWindow} or ${stream.sendWindow}`);
    }
    view.connectionWindow -= length;
    stream.sendWindow -= length;
    this.dataOctets[side] += length;
    if (endStream) stream.sentEnd = true;
  }

  #judgeHeaders(side: Side, streamId: number, endStream: boolean): void {
    const view = this.#views[side];
    if (side === 'client' && streamId > view.lastOpened) {
      if (streamId % 2 === 0) this.#fault(side, '§5.1.1 even stream id');
      let active = 0;
      for (const other of view.streams.values()) {
        const closed = other.sentReset || other.freed || (other.sentEnd && other.receivedEnd);
        if (other.sentHeaders && !closed) active += 1;
      }
      if (active >= view.maxConcurrentStreams) this.#fault(side, `§5.1.2 ${active} streams active`);
      view.lastOpened = streamId;
    }
    const stream = this.#stream(side, streamId);
    if (this.#isIdle(side, streamId)) this.#fault(side, `§5.1 HEADERS on idle stream ${streamId}`);
    if (stream.sentEnd) this.#fault(side, '§5.1 HEADERS after END_STREAM');
    if (stream.sentReset || stream.receivedReset)
      this.#fault(side, '§6.4 HEADERS after RST_STREAM');
    if (stream.sentHeaders && !endStream) this.#fault(side, '§8.1 trailers without END_STREAM');
    stream.sentHeaders = true;
    if (endStream) stream.sentEnd = true;
  }

  #endBlock(side: Side, streamId: number): void {
    const block = this.#blocks[side];
    this.sentLists[side].push([streamId, this.#decoders[side].decode(block, 0, block.length)]);
  }

  /** What `side` may do from now on, having received `frame`. */
  #learn(side: Side, frame: InspectedFrame): void {
    const view = this.#views[side];
    switch (frame.type) {
      case 'HEADERS': {
        if (side === 'server') view.lastOpened = Math.max(view.lastOpened, frame.streamId);
        const stream = this.#stream(side, frame.streamId);
        if (frame.endStream) stream.receivedEnd = true;
        break;
      }
      case 'DATA':
        if (frame.endStream) this.#stream(side, frame.streamId).receivedEnd = true;
        break;
      case 'RST_STREAM':
        this.#stream(side, frame.streamId).receivedReset = true;
        break;
      case 'WINDOW_UPDATE':
        if (frame.streamId === 0) view.connectionWindow += frame.increment;
        else this.#stream(side, frame.streamId).sendWindow += frame.increment;
        break;
      case 'SETTINGS':
        if (!frame.ack) view.settingsToAcknowledge.push(frame.settings);
        break;
      case 'PING':
        if (!frame.ack) view.pingsToAnswer.push(String(frame.payload));
        break;
      case 'GOAWAY':
        view.goneAway = true;
        break;
      default:
        break;
    }
  }
}
