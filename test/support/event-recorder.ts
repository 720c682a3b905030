/**
 * A FrameHandler that writes down what it is told, so that a test compares lists.
 */

import type { FrameHandler, HeaderList } from '../../framing/frame-handler.ts';
import type { HeaderDecoder } from '../../framing/frame-reader.ts';
import { toHex } from './frame-factory.ts';

/** One handler call: its name in capitals, then its arguments; octet ranges as latin1 text, PING payloads as hexadecimal. */
export type RecordedEvent = readonly (string | number | boolean | HeaderList)[];

interface KeptRange {
  readonly chunk: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function textOf(chunk: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < end; i++) text += String.fromCharCode(chunk[i]!);
  return text;
}

/** Records FrameHandler calls. */
export class EventRecorder implements FrameHandler {
  readonly events: RecordedEvent[] = [];
  /** Called after each event, for tests that pause, throw or count. */
  afterEvent: (event: RecordedEvent) => void = () => {};
  readonly #kept: KeptRange[] = [];

  /** Whether all DATA ranges handed over still hold what they held then, as FrameHandler promises. */
  get dataUnchanged(): boolean {
    return this.#kept.every(({ chunk, start, end, text }) => textOf(chunk, start, end) === text);
  }

  #add(...event: RecordedEvent): void {
    this.events.push(event);
    this.afterEvent(event);
  }

  onData(
    streamId: number,
    chunk: Uint8Array,
    start: number,
    end: number,
    flowLength: number,
    endStream: boolean,
  ): void {
    const text = textOf(chunk, start, end);
    this.#kept.push({ chunk, start, end, text });
    this.#add('DATA', streamId, text, flowLength, endStream);
  }

  onHeaders(streamId: number, headers: HeaderList, endStream: boolean, complete: boolean): void {
    this.#add('HEADERS', streamId, headers, endStream, complete);
  }

  onRstStream(streamId: number, errorCode: number): void {
    this.#add('RST_STREAM', streamId, errorCode);
  }

  onSetting(id: number, value: number): void {
    this.#add('SETTING', id, value);
  }

  onSettingsEnd(ack: boolean): void {
    this.#add('SETTINGS_END', ack);
  }

  onPing(chunk: Uint8Array, start: number, ack: boolean): void {
    this.#add('PING', toHex(chunk.subarray(start, start + 8)), ack);
  }

  onGoAway(
    lastStreamId: number,
    errorCode: number,
    chunk: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.#add('GOAWAY', lastStreamId, errorCode, textOf(chunk, start, end));
  }

  onWindowUpdate(streamId: number, increment: number): void {
    this.#add('WINDOW_UPDATE', streamId, increment);
  }

  onStreamError(streamId: number, errorCode: number, token: string): void {
    this.#add('STREAM_ERROR', streamId, errorCode, token);
  }

  onIgnoredFrame(type: number, streamId: number, length: number): void {
    this.#add('IGNORED', type, streamId, length);
  }
}

/** Stands for HPACK where only frames matter: a block "decodes" to one field whose value is the block as latin1 text. */
export class BlockTextDecoder implements HeaderDecoder {
  complete = true;
  /** Blocks decoded so far, as text. */
  readonly blocks: string[] = [];

  decode(chunk: Uint8Array, start: number, end: number): HeaderList {
    const text = textOf(chunk, start, end);
    this.blocks.push(text);
    return ['block', text];
  }
}
