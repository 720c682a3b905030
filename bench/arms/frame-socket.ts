/** Walks the frames and message prefixes of one socket and gathers what is written during a read into one write. */

import type { Socket } from 'node:net';

export const FrameType = { DATA: 0, HEADERS: 1 } as const;

/** RFC 9113 §6.1 and §6.2. */
export const END_STREAM = 1;

const frameHeaderOctets = 9;
const prefixOctets = 5;
const maxFrameOctets = 16_384;
const initialOutputOctets = 131_072;
const initialStreams = 128;

/** Who gets the messages of one stream. The octets are valid during the call. */
export interface FramedStream {
  onMessage(octets: Uint8Array): void;
  onEnd(): void;
}

/** What of a stream has arrived so far. */
class Arriving {
  readonly id: number;
  readonly stream: FramedStream;
  prefixHave: number;
  messageOctets: number;
  messageHave: number;
  message: Buffer | null;

  constructor(id: number, stream: FramedStream) {
    this.id = id;
    this.stream = stream;
    this.prefixHave = 0;
    this.messageOctets = 0;
    this.messageHave = 0;
    this.message = null;
  }
}

/**
 * Streams by id. Ids ascend by two, so a ring finds them without hashing. Not a Map: one that is filled and emptied all the time leaves
 * superseded tables behind, each pointing to its successor, and through them short-lived streams reach the old generation.
 */
class StreamRing {
  #slots: (Arriving | null)[];
  #mask: number;

  constructor() {
    this.#slots = new Array<Arriving | null>(initialStreams).fill(null);
    this.#mask = initialStreams - 1;
  }

  get(id: number): Arriving | undefined {
    const found = this.#slots[(id >>> 1) & this.#mask];
    return found?.id === id ? found : undefined;
  }

  set(id: number, stream: FramedStream): void {
    while (this.#slots[(id >>> 1) & this.#mask] !== null) this.#grow();
    this.#slots[(id >>> 1) & this.#mask] = new Arriving(id, stream);
  }

  delete(id: number): void {
    if (this.get(id) !== undefined) this.#slots[(id >>> 1) & this.#mask] = null;
  }

  /** Streams that share no slot now share none in a ring of twice the size. */
  #grow(): void {
    const old = this.#slots;
    this.#slots = new Array<Arriving | null>(old.length * 2).fill(null);
    this.#mask = this.#slots.length - 1;
    for (const each of old) if (each !== null) this.#slots[(each.id >>> 1) & this.#mask] = each;
  }
}

/** One end of a connection. A server gives `accept`, called with the header block of each new stream. */
export class FrameSocket {
  readonly streams: StreamRing;
  readonly onOctets: (chunk: Uint8Array, length: number) => void;
  readonly #socket: Socket;
  readonly #accept: ((streamId: number, block: Uint8Array) => FramedStream) | null;
  readonly #header: Uint8Array;
  #headerHave: number;
  #type: number;
  #endStream: boolean;
  #streamId: number;
  #payloadLeft: number;
  #output: Buffer;
  #outputOctets: number;
  /** True while a flush is sure to come: at the end of the read, or of the tick. */
  #flushComes: boolean;

  constructor(
    socket: Socket,
    accept: ((streamId: number, block: Uint8Array) => FramedStream) | null,
  ) {
    this.streams = new StreamRing();
    this.#socket = socket;
    this.#accept = accept;
    this.#header = new Uint8Array(frameHeaderOctets);
    this.#headerHave = 0;
    this.#type = 0;
    this.#endStream = false;
    this.#streamId = 0;
    this.#payloadLeft = 0;
    this.#output = Buffer.allocUnsafeSlow(initialOutputOctets);
    this.#outputOctets = 0;
    this.#flushComes = false;
    this.onOctets = (chunk, length) => {
      this.#flushComes = true;
      this.#read(chunk, length);
      this.#flushComes = false;
      this.flush();
    };
  }

  get pendingOctets(): number {
    return this.#outputOctets;
  }

  /** Writes what has gathered; false when the socket wants to drain first. */
  flush(): boolean {
    if (this.#outputOctets === 0) return true;
    const room = this.#socket.write(this.#output.subarray(0, this.#outputOctets));
    // A write that the kernel did not take at once keeps its octets until then.
    if (this.#socket.writableLength > 0) {
      this.#output = Buffer.allocUnsafeSlow(initialOutputOctets);
    }
    this.#outputOctets = 0;
    return room;
  }

  writeFrame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    this.#writeFrameHeader(payload.length, type, flags, streamId);
    this.#write(payload, 0, payload.length);
  }

  /** Prefix and message in as many DATA frames as they need; `flags` on the last. */
  writeMessage(streamId: number, message: Uint8Array, flags: number): void {
    let offset = 0;
    let left = prefixOctets + message.length;
    let room = Math.min(left, maxFrameOctets);
    left -= room;
    this.#writeFrameHeader(room, FrameType.DATA, left === 0 ? flags : 0, streamId);
    this.#reserve(prefixOctets);
    this.#output[this.#outputOctets] = 0;
    this.#output.writeUInt32BE(message.length, this.#outputOctets + 1);
    this.#outputOctets += prefixOctets;
    room -= prefixOctets;
    for (;;) {
      this.#write(message, offset, offset + room);
      offset += room;
      if (left === 0) return;
      room = Math.min(left, maxFrameOctets);
      left -= room;
      this.#writeFrameHeader(room, FrameType.DATA, left === 0 ? flags : 0, streamId);
    }
  }

  #writeFrameHeader(length: number, type: number, flags: number, streamId: number): void {
    if (!this.#flushComes) this.#flushSoon();
    this.#reserve(frameHeaderOctets);
    const output = this.#output;
    let at = this.#outputOctets;
    output[at++] = length >>> 16;
    output[at++] = length >>> 8;
    output[at++] = length;
    output[at++] = type;
    output[at++] = flags;
    output[at++] = streamId >>> 24;
    output[at++] = streamId >>> 16;
    output[at++] = streamId >>> 8;
    output[at++] = streamId;
    this.#outputOctets = at;
  }

  #flushSoon(): void {
    this.#flushComes = true;
    queueMicrotask(() => {
      this.#flushComes = false;
      this.flush();
    });
  }

  #write(octets: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.#reserve(length);
    if (length < 32) {
      for (let i = 0; i < length; i++) this.#output[this.#outputOctets + i] = octets[start + i]!;
    } else {
      this.#output.set(octets.subarray(start, end), this.#outputOctets);
    }
    this.#outputOctets += length;
  }

  #reserve(octets: number): void {
    if (this.#outputOctets + octets <= this.#output.length) return;
    const larger = Buffer.allocUnsafeSlow(
      Math.max(2 * this.#output.length, this.#outputOctets + octets),
    );
    this.#output.copy(larger, 0, 0, this.#outputOctets);
    this.#output = larger;
  }

  #read(chunk: Uint8Array, length: number): void {
    let at = 0;
    while (at < length) {
      if (this.#headerHave < frameHeaderOctets) {
        while (this.#headerHave < frameHeaderOctets && at < length) {
          this.#header[this.#headerHave++] = chunk[at++]!;
        }
        if (this.#headerHave < frameHeaderOctets) return;
        const h = this.#header;
        this.#payloadLeft = (h[0]! << 16) | (h[1]! << 8) | h[2]!;
        this.#type = h[3]!;
        this.#endStream = (h[4]! & END_STREAM) !== 0;
        this.#streamId = (h[5]! << 24) | (h[6]! << 16) | (h[7]! << 8) | h[8]!;
      }
      const take = Math.min(this.#payloadLeft, length - at);
      this.#payload(chunk, at, at + take);
      at += take;
      this.#payloadLeft -= take;
      if (this.#payloadLeft > 0) return;
      this.#headerHave = 0;
      if (this.#endStream) this.#ended();
    }
  }

  #payload(chunk: Uint8Array, start: number, end: number): void {
    if (this.#type === FrameType.HEADERS) {
      // The last octet of a block names the method; a block cut by a read is noticed when its last octet is there.
      if (this.#accept !== null && end - start === this.#payloadLeft) {
        const stream = this.#accept(this.#streamId, chunk.subarray(start, end));
        this.streams.set(this.#streamId, stream);
      }
      return;
    }
    const arriving = this.streams.get(this.#streamId);
    if (arriving === undefined) return;
    let at = start;
    while (at < end) {
      while (arriving.prefixHave < prefixOctets && at < end) {
        arriving.messageOctets = (arriving.messageOctets << 8) | chunk[at++]!;
        arriving.prefixHave += 1;
      }
      if (arriving.prefixHave < prefixOctets) return;
      at = this.#messagePiece(arriving, chunk, at, end);
    }
  }

  #messagePiece(arriving: Arriving, chunk: Uint8Array, start: number, end: number): number {
    const wanted = arriving.messageOctets - arriving.messageHave;
    if (arriving.message === null && end - start >= wanted) {
      this.#deliver(arriving, chunk.subarray(start, start + wanted));
      return start + wanted;
    }
    arriving.message ??= Buffer.allocUnsafe(arriving.messageOctets);
    const take = Math.min(wanted, end - start);
    arriving.message.set(chunk.subarray(start, start + take), arriving.messageHave);
    arriving.messageHave += take;
    if (take === wanted) this.#deliver(arriving, arriving.message);
    return start + take;
  }

  #deliver(arriving: Arriving, message: Uint8Array): void {
    arriving.prefixHave = 0;
    arriving.messageOctets = 0;
    arriving.messageHave = 0;
    arriving.message = null;
    arriving.stream.onMessage(message);
  }

  #ended(): void {
    const arriving = this.streams.get(this.#streamId);
    if (arriving === undefined) return;
    // A client's stream is over with this; a server's once it has sent its trailers.
    if (this.#accept === null) this.streams.delete(this.#streamId);
    arriving.stream.onEnd();
  }
}
