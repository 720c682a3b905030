/**
 * What goes over one connection, as lines a person can read: frames both ways, header lists with secrets masked, and the flow-control
 * windows after each frame that moves them. Reads the octets on its own, so that it shows what is there, also when our side is wrong.
 *
 * On for every connection of the process with the environment variable PUREWIRE_TRACE=frames (lines go to stderr), or for those made
 * after `traceFrames`; off, a connection has no observer and each hook costs one null check.
 */

import { DEFAULT_WINDOW_OCTETS, FRAME_HEADER_OCTETS, SettingId } from '../framing/constants.ts';
import type { ErrorToken } from '../framing/errors.ts';
import type { HeaderList } from '../framing/frame-handler.ts';
import { describeFrame, type InspectedFrame, inspectFrames } from '../framing/frame-inspector.ts';
import { HpackDecoder } from '../framing/hpack/hpack-decoder.ts';
import type { TransportObserver } from './observer.ts';

/** Takes one line of a trace, without line end. Must not throw. */
export type TraceSink = (line: string) => void;

/** Which end of the connection is traced. */
export type TracedRole = 'client' | 'server';

/** Fields whose value is a secret (RFC 7541 §7.1.3 names the first ones); so is every `-bin` value, which may be a token. */
const SECRET_NAMES: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'x-api-key',
  'x-goog-iam-authorization-token',
]);

/** Characters of a value that are shown; the rest is counted. */
const VALUE_CHARACTERS = 200;
/** Of a frame larger than that only the head is shown; nothing legal is, at our MAX_FRAME_SIZE. */
const LARGEST_SHOWN_OCTETS = 1_048_576;
const PREFACE_OCTETS = 24;
/** Windows kept per direction; the oldest are forgotten first. */
const MAX_WINDOWS = 10_000;

let sink: TraceSink | null = null;
let connections = 0;
let environmentRead = false;

/**
 * Traces the connections made from now on to `to`, or no longer when it is null. It overrides the environment variable.
 */
export function traceFrames(to: TraceSink | null): void {
  environmentRead = true;
  sink = to;
}

/**
 * What a new connection reports to: `observer`, joined by a trace of its own when tracing is on. `peer` names the other end, `now` reads
 * the clock in milliseconds.
 */
export function withTrace(
  observer: TransportObserver | null,
  role: TracedRole,
  peer: string,
  now: () => number,
): TransportObserver | null {
  if (!environmentRead) {
    environmentRead = true;
    if (wantedByEnvironment()) sink = (line): void => console.error(line);
  }
  if (sink === null) return observer;
  connections += 1;
  const trace = new FrameTrace(sink, `${role}#${connections} ${peer}`, role, now);
  return observer === null ? trace : both(observer, trace);
}

function both(first: TransportObserver, second: TransportObserver): TransportObserver {
  return {
    onOctetsReceived(chunk) {
      first.onOctetsReceived?.(chunk);
      second.onOctetsReceived?.(chunk);
    },
    onOctetsSent(chunk) {
      first.onOctetsSent?.(chunk);
      second.onOctetsSent?.(chunk);
    },
    onProtocolError(streamId, errorCode, token) {
      first.onProtocolError?.(streamId, errorCode, token);
      second.onProtocolError?.(streamId, errorCode, token);
    },
    onStreamOpened: (streamId) => first.onStreamOpened?.(streamId),
    onStreamClosed: (streamId, errorCode) => first.onStreamClosed?.(streamId, errorCode),
  };
}

function wantedByEnvironment(): boolean {
  try {
    const { env } = (globalThis as { process?: { env?: Record<string, string | undefined> } })
      .process ?? { env: {} };
    return env?.['PUREWIRE_TRACE']?.split(',').includes('frames') ?? false;
  } catch {
    // Deno without the right to read the environment.
    return false;
  }
}

/** `headers` as indented lines `name: value`, secrets masked, unprintable characters escaped. */
export function describeHeaders(headers: HeaderList): string[] {
  const lines: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    lines.push(
      `    ${printable(name)}: ${shownValue(name.toLowerCase(), headers[i + 1] as string)}`,
    );
  }
  return lines;
}

function shownValue(name: string, value: string): string {
  if (SECRET_NAMES.has(name) || name.endsWith('-bin')) return `<${value.length} characters masked>`;
  const shown = printable(value.slice(0, VALUE_CHARACTERS));
  const left = value.length - VALUE_CHARACTERS;
  return left > 0 ? `${shown}… <${left} more>` : shown;
}

/** Nothing a peer sends may forge a line or move a terminal's cursor. */
function printable(text: string): string {
  return text.replace(
    /[^\x20-\x7e]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** The frames of one connection; feed it what is read and written, in order. */
export class FrameTrace implements TransportObserver {
  readonly #sink: TraceSink;
  readonly #title: string;
  readonly #now: () => number;
  readonly #startMs: number;
  readonly #sent: Direction;
  readonly #received: Direction;

  /** `title` and the time since now begin each line; `role` is that of the end whose octets are given. */
  constructor(to: TraceSink, title: string, role: TracedRole, now: () => number) {
    this.#sink = to;
    this.#title = title;
    this.#now = now;
    this.#startMs = now();
    this.#sent = new Direction(role === 'client');
    this.#received = new Direction(role === 'server');
  }

  onOctetsSent(chunk: Uint8Array): void {
    for (const frame of this.#sent.push(chunk)) {
      this.#show('>', frame, this.#sent, this.#received);
    }
  }

  onOctetsReceived(chunk: Uint8Array): void {
    for (const frame of this.#received.push(chunk)) {
      this.#show('<', frame, this.#received, this.#sent);
    }
  }

  onProtocolError(streamId: number, errorCode: number, token: ErrorToken): void {
    const where = streamId === 0 ? 'connection' : `stream=${streamId}`;
    this.#line(`! ${where} code=0x${errorCode.toString(16)} ${token}`);
  }

  #line(text: string): void {
    this.#sink(`${this.#title} +${(this.#now() - this.#startMs).toFixed(1)}ms ${text}`);
  }

  #show(arrow: string, frame: InspectedFrame, from: Direction, to: Direction): void {
    const windows = from.windowsAfter(frame, to);
    this.#line(`${arrow} ${describeFrame(frame)}${windows}`);
    if (frame.type !== 'HEADERS' && frame.type !== 'CONTINUATION') return;
    if (frame.headers !== null) for (const line of describeHeaders(frame.headers)) this.#sink(line);
    else if (frame.endHeaders) this.#sink('    <field block that cannot be decoded>');
  }
}

/** One direction: cuts octets into frames, decodes field blocks, and keeps what its sender may still send. */
class Direction {
  /** Octets the sender of this direction may send, by stream; 0 is the connection. */
  readonly #windows: Map<number, number> = new Map([[0, DEFAULT_WINDOW_OCTETS]]);
  #initialWindowOctets: number = DEFAULT_WINDOW_OCTETS;
  readonly #decoder: HpackDecoder = new HpackDecoder({
    maxTableOctets: Number.POSITIVE_INFINITY,
    maxHeaderListOctets: Number.POSITIVE_INFINITY,
    maxHeaderFields: Number.POSITIVE_INFINITY,
    maxTableSizeUpdates: Number.POSITIVE_INFINITY,
  });
  #decodes = true;
  #block: Uint8Array = new Uint8Array(0);
  #rest: Uint8Array = new Uint8Array(0);
  #prefaceDue: boolean;
  /** Payload octets of a frame that is too large to show, still to come. */
  #skip = 0;

  constructor(prefaceDue: boolean) {
    this.#prefaceDue = prefaceDue;
  }

  push(chunk: Uint8Array): InspectedFrame[] {
    const octets = joined(this.#rest, chunk);
    const frames: InspectedFrame[] = [];
    let at = 0;
    if (this.#prefaceDue) {
      if (octets.length < PREFACE_OCTETS) {
        this.#rest = new Uint8Array(octets);
        return frames;
      }
      this.#prefaceDue = false;
      const [first] = inspectFrames(octets.subarray(0, PREFACE_OCTETS));
      if (first?.type === 'PREFACE') {
        frames.push(first);
        at = PREFACE_OCTETS;
      }
    }
    while (at < octets.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, octets.length - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      if (octets.length - at < FRAME_HEADER_OCTETS) break;
      const length =
        ((octets[at] as number) << 16) |
        ((octets[at + 1] as number) << 8) |
        (octets[at + 2] as number);
      const end = at + FRAME_HEADER_OCTETS + length;
      if (length > LARGEST_SHOWN_OCTETS) {
        const [head] = inspectFrames(octets.subarray(at, at + FRAME_HEADER_OCTETS));
        if (head !== undefined) frames.push(head);
        this.#skip = length;
        at += FRAME_HEADER_OCTETS;
        continue;
      }
      if (end > octets.length) break;
      const [frame] = inspectFrames(octets.subarray(at, end));
      if (frame !== undefined) frames.push(this.#withHeaders(frame));
      at = end;
    }
    this.#rest = new Uint8Array(octets.subarray(at));
    return frames;
  }

  #withHeaders(frame: InspectedFrame): InspectedFrame {
    if (frame.type === 'HEADERS') this.#block = new Uint8Array(frame.fragment);
    else if (frame.type === 'CONTINUATION') this.#block = joined(this.#block, frame.fragment);
    else return frame;
    if (!frame.endHeaders || !this.#decodes) return frame;
    try {
      return { ...frame, headers: this.#decoder.decode(this.#block, 0, this.#block.length) };
    } catch {
      // From here on the table is in doubt.
      this.#decodes = false;
      return frame;
    }
  }

  /** Keeps the windows and tells those that `frame` moved: of its own direction for DATA, of the `other` one for credit. */
  windowsAfter(frame: InspectedFrame, other: Direction): string {
    switch (frame.type) {
      case 'DATA':
        this.#move(0, -frame.length);
        this.#move(frame.streamId, -frame.length);
        return ` left=${this.#windows.get(frame.streamId)} connection=${this.#windows.get(0)}`;
      case 'WINDOW_UPDATE':
        other.#move(frame.streamId, frame.increment);
        return ` now=${other.#windows.get(frame.streamId)}`;
      case 'SETTINGS':
        for (const { id, value } of frame.settings) {
          if (id === SettingId.INITIAL_WINDOW_SIZE) other.#setInitialWindow(value);
        }
        return '';
      case 'RST_STREAM':
        this.#windows.delete(frame.streamId);
        other.#windows.delete(frame.streamId);
        return '';
      default:
        return '';
    }
  }

  #move(streamId: number, octets: number): void {
    const window = this.#windows.get(streamId) ?? this.#initialWindowOctets;
    this.#windows.set(streamId, window + octets);
    if (this.#windows.size <= MAX_WINDOWS) return;
    for (const oldest of this.#windows.keys()) {
      if (oldest === 0) continue;
      this.#windows.delete(oldest);
      return;
    }
  }

  #setInitialWindow(octets: number): void {
    const change = octets - this.#initialWindowOctets;
    this.#initialWindowOctets = octets;
    for (const [streamId, window] of this.#windows) {
      if (streamId !== 0) this.#windows.set(streamId, window + change);
    }
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
