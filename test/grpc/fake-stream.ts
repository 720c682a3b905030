/** A transport stream and a client transport that record what the call engine does to them; tests play the peer. */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { PeerInfo } from '../../transport/byte-duplex.ts';
import {
  type ClientStreamListener,
  type ClientTransport,
  Initiator,
  type StreamListener,
  StreamProgress,
  type TransportStream,
} from '../../transport/stream-listener.ts';

export const FAKE_PEER: PeerInfo = { address: 'memory:1', tlsCipher: null, certificate: null };

/** A stream that writes down each command in `log`. */
export class FakeStream implements TransportStream {
  id = 1;
  readonly peer: PeerInfo = FAKE_PEER;
  listener: StreamListener | null = null;
  /** One line per command, `consume` and `expect` excepted. */
  readonly log: string[] = [];
  /** Identities of the lists handed over, in order. */
  readonly templates: HeaderList[] = [];
  consumed = 0;
  readonly expected: number[] = [];
  /** What `sendMessage` answers. */
  accepts = true;
  closed = false;
  isSendClosed = false;

  sendHeaders(template: HeaderList, extra: HeaderList | null, endStream: boolean): void {
    if (this.closed) return;
    this.templates.push(template);
    if (endStream) this.isSendClosed = true;
    this.log.push(`headers${endStream ? ' end' : ''} ${fields(template, extra)}`);
  }

  sendMessage(flags: number, payload: Uint8Array, endStream: boolean): boolean {
    if (this.closed) return true;
    if (endStream) this.isSendClosed = true;
    this.log.push(`message ${flags} [${payload.join(' ')}]${endStream ? ' end' : ''}`);
    return this.accepts;
  }

  sendEnd(): void {
    if (this.closed) return;
    this.isSendClosed = true;
    this.log.push('end');
  }

  sendTrailers(template: HeaderList, extra: HeaderList | null): void {
    if (this.closed) return;
    this.templates.push(template);
    this.isSendClosed = true;
    this.log.push(`trailers ${fields(template, extra)}`);
  }

  consume(octets: number): void {
    this.consumed += octets;
  }

  expect(octets: number): void {
    this.expected.push(octets);
  }

  reset(errorCode: number): void {
    if (this.closed) return;
    this.log.push(`reset ${errorCode}`);
    this.close(errorCode, Initiator.USER);
  }

  /** Ends the stream as the transport would. */
  close(
    errorCode = 0,
    initiator: Initiator = Initiator.REMOTE,
    progress: StreamProgress = StreamProgress.PROCESSED,
    reason = '',
  ): void {
    if (this.closed) return;
    this.closed = true;
    this.isSendClosed = true;
    this.listener?.onClosed(errorCode, initiator, progress, reason);
  }

  /** Hands `octets` to the listener as one range in the middle of a larger chunk. */
  receive(octets: Uint8Array | readonly number[], endStream = false): number {
    const chunk = new Uint8Array(octets.length + 4).fill(0xee);
    chunk.set(octets, 2);
    return this.listener?.onData(chunk, 2, 2 + octets.length, endStream) ?? 0;
  }
}

function fields(template: HeaderList, extra: HeaderList | null): string {
  const list = extra === null ? template : [...template, ...extra];
  const pairs: string[] = [];
  for (let i = 0; i < list.length; i += 2) pairs.push(`${list[i]}=${list[i + 1]}`);
  return pairs.join(', ');
}

/** What a `FakeTransport` does with the next stream. */
export type OpenBehaviour = 'open' | 'wait-for-slot' | 'miscarry';

/** A client transport whose streams are FakeStreams. */
export class FakeTransport implements ClientTransport {
  state: ClientTransport['state'] = 'ready';
  readonly peer: PeerInfo = FAKE_PEER;
  readonly streams: FakeStream[] = [];
  behaviour: OpenBehaviour = 'open';
  /** Templates given to `openStream`. */
  readonly templates: HeaderList[] = [];
  /** What `onSendHeaders` returned. */
  readonly extras: (HeaderList | null)[] = [];

  readonly waitingStreams = 0;
  readonly hasFreeSlot = true;

  get activeStreams(): number {
    return this.streams.filter((stream) => !stream.closed).length;
  }

  get last(): FakeStream {
    return this.streams.at(-1)!;
  }

  openStream(template: HeaderList, listener: ClientStreamListener): TransportStream {
    const stream = new FakeStream();
    stream.listener = listener;
    this.streams.push(stream);
    this.templates.push(template);
    if (this.behaviour === 'miscarry') {
      stream.close(0, Initiator.CONNECTION, StreamProgress.MISCARRIED, 'connection is draining');
    } else if (this.behaviour === 'wait-for-slot') {
      stream.id = 0;
    } else {
      this.extras.push(listener.onSendHeaders());
    }
    return stream;
  }

  /** A slot is free for the last stream: its headers are written. */
  grantSlot(): void {
    this.last.id = 1;
    this.extras.push((this.last.listener as ClientStreamListener).onSendHeaders());
  }
}

/** A Length-Prefixed-Message. */
export function prefixed(payload: readonly number[], flags = 0): number[] {
  const { length } = payload;
  return [
    flags,
    length >>> 24,
    (length >>> 16) & 255,
    (length >>> 8) & 255,
    length & 255,
    ...payload,
  ];
}
