/**
 * The streams of one connection: those alive by id, and a bounded memory of those that ended (L32), which decides what a late frame means.
 */

import type { Http2Stream } from './stream.ts';
import { CloseCause } from './stream-state.ts';

/** Slots of a table at its first stream. */
const FIRST_CAPACITY = 16;

/**
 * Streams by id, in an open-addressed table: ids ascend by two, so that streams open at the same time rarely meet. A Map would do the same
 * work, but each time V8 renews its table the old one keeps all streams of that moment reachable, and scavenges free next to nothing.
 */
export class StreamTable {
  #slots: (Http2Stream | null)[] = [];
  #size = 0;
  readonly #maxRemembered: number;
  readonly #rememberedMs: number;
  // A ring, made at the first close so that a new connection holds none. Typed arrays: closing a stream allocates nothing.
  #ids: Float64Array | null = null;
  #causes: Uint8Array | null = null;
  #times: Float64Array | null = null;
  #next = 0;

  constructor(maxRemembered: number, rememberedMs: number) {
    this.#maxRemembered = maxRemembered;
    this.#rememberedMs = rememberedMs;
  }

  get size(): number {
    return this.#size;
  }

  get(streamId: number): Http2Stream | undefined {
    const slots = this.#slots;
    const mask = slots.length - 1;
    if (mask < 0) return undefined;
    for (let index = (streamId >>> 1) & mask; ; index = (index + 1) & mask) {
      const stream = slots[index];
      if (stream === null || stream === undefined) return undefined;
      if (stream.id === streamId) return stream;
    }
  }

  /** Adds a stream whose id is not in the table. */
  add(stream: Http2Stream): void {
    // At most half full, so that a search always ends at an empty slot.
    if (this.#size * 2 >= this.#slots.length) this.#resize(this.#slots.length * 2);
    this.#place(stream);
    this.#size += 1;
  }

  /** All live streams; the callback may remove any stream. */
  forEach(visit: (stream: Http2Stream) => void): void {
    // Removing moves streams between slots, so the visit walks a copy; this is no hot path.
    for (const stream of [...this.#slots]) {
      if (stream !== null && this.get(stream.id) === stream) visit(stream);
    }
  }

  #place(stream: Http2Stream): void {
    const mask = this.#slots.length - 1;
    let index = (stream.id >>> 1) & mask;
    while (this.#slots[index] !== null) index = (index + 1) & mask;
    this.#slots[index] = stream;
  }

  #resize(capacity: number): void {
    const streams = this.#slots;
    this.#slots = new Array<Http2Stream | null>(Math.max(FIRST_CAPACITY, capacity)).fill(null);
    for (const stream of streams) if (stream !== null) this.#place(stream);
  }

  #delete(streamId: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    if (mask < 0) return;
    let hole = (streamId >>> 1) & mask;
    for (;;) {
      const stream = slots[hole];
      if (stream === null || stream === undefined) return;
      if (stream.id === streamId) break;
      hole = (hole + 1) & mask;
    }
    // Closes the hole: a stream further on moves back when the search for it would pass here.
    for (let index = (hole + 1) & mask; ; index = (index + 1) & mask) {
      const stream = slots[index];
      if (stream === null || stream === undefined) break;
      const home = (stream.id >>> 1) & mask;
      if (((index - home) & mask) >= ((index - hole) & mask)) {
        slots[hole] = stream;
        hole = index;
      }
    }
    slots[hole] = null;
    this.#size -= 1;
    // A burst must not be paid for ever after.
    if (this.#size === 0 && slots.length > 4 * FIRST_CAPACITY) this.#slots = [];
  }

  /** Takes a stream out, if it is in, and remembers why it ended. `nowMs` is the connection's clock reading. */
  remove(streamId: number, cause: CloseCause, nowMs: number): void {
    this.#delete(streamId);
    if (this.#maxRemembered === 0) return;
    if (this.#ids === null || this.#causes === null || this.#times === null) {
      this.#ids = new Float64Array(this.#maxRemembered);
      this.#causes = new Uint8Array(this.#maxRemembered);
      this.#times = new Float64Array(this.#maxRemembered);
    }
    this.#ids[this.#next] = streamId;
    this.#causes[this.#next] = cause;
    this.#times[this.#next] = nowMs;
    this.#next = this.#next + 1 === this.#maxRemembered ? 0 : this.#next + 1;
  }

  /** How a closed stream ended, or NONE when it is not remembered. Only on the path of late frames. */
  causeOf(streamId: number, nowMs: number): CloseCause {
    const ids = this.#ids;
    if (ids === null || this.#causes === null || this.#times === null) return CloseCause.NONE;
    const index = ids.indexOf(streamId);
    if (index < 0) return CloseCause.NONE;
    if (nowMs - (this.#times[index] ?? 0) > this.#rememberedMs) return CloseCause.NONE;
    return (this.#causes[index] ?? CloseCause.NONE) as CloseCause;
  }
}
