/**
 * Who writes DATA next: round robin over the streams that have something queued, one frame each, so that no stream starves another (P07).
 * A stream whose own window is spent leaves the list until WINDOW_UPDATE; a spent connection window stops the round.
 */

import type { Http2Stream } from './stream.ts';
import { WaitList } from './stream.ts';

/** An intrusive first-in first-out list of streams: adding and removing allocate nothing. */
export class StreamList {
  readonly #kind: WaitList;
  head: Http2Stream | null = null;
  #tail: Http2Stream | null = null;
  length = 0;

  constructor(kind: WaitList) {
    this.#kind = kind;
  }

  /** Appends a stream; one that is already on this list stays where it is. */
  push(stream: Http2Stream): void {
    if (stream.waitList === this.#kind) return;
    stream.waitList = this.#kind;
    stream.previousWaiting = this.#tail;
    stream.nextWaiting = null;
    if (this.#tail === null) this.head = stream;
    else this.#tail.nextWaiting = stream;
    this.#tail = stream;
    this.length += 1;
  }

  /** Takes a stream out; one that is not on this list is left alone. */
  remove(stream: Http2Stream): void {
    if (stream.waitList !== this.#kind) return;
    if (stream.previousWaiting === null) this.head = stream.nextWaiting;
    else stream.previousWaiting.nextWaiting = stream.nextWaiting;
    if (stream.nextWaiting === null) this.#tail = stream.previousWaiting;
    else stream.nextWaiting.previousWaiting = stream.previousWaiting;
    stream.previousWaiting = null;
    stream.nextWaiting = null;
    stream.waitList = WaitList.NONE;
    this.length -= 1;
  }

  shift(): Http2Stream | null {
    const stream = this.head;
    if (stream !== null) this.remove(stream);
    return stream;
  }
}

/** What the scheduler asks of the connection. */
export interface SchedulerHost {
  /** The largest DATA frame that may be written now: frame size, connection window, room in the output; 0 stops the round. */
  frameOctetsAllowed(): number;
  /** L17 per stream. */
  readonly streamWriteQuotaOctets: number;
}

/** Round robin over the streams with queued octets. */
export class SendScheduler extends StreamList {
  constructor() {
    super(WaitList.READY);
  }

  get idle(): boolean {
    return this.head === null;
  }

  /** The stream has something queued that its own window lets through. */
  add(stream: Http2Stream): void {
    if (stream.waitList === WaitList.NONE) this.push(stream);
  }

  /** Writes until nothing is left, the connection window is spent or the output is full. */
  pump(host: SchedulerHost): void {
    let passes = this.length;
    while (passes > 0) {
      const stream = this.shift();
      if (stream === null) return;
      const allowed = host.frameOctetsAllowed();
      const written = stream.writeQueued(allowed);
      if (written > 0) passes = this.length + 1;
      else passes -= 1;
      // Stopped by its own window: WINDOW_UPDATE or SETTINGS brings it back.
      if (stream.hasQueued && written >= 0) this.add(stream);
      if (written > 0) stream.notifyWritableIfDrained(host.streamWriteQuotaOctets);
    }
  }
}
