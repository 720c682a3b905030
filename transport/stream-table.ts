/**
 * The streams of one connection: those alive by id, and a bounded memory of those that ended (L32), which decides what a late frame means.
 */

import type { Http2Stream } from './stream.ts';
import { CloseCause } from './stream-state.ts';

/** Frames without DATA that may cross the end of a stream: its own RST_STREAM, and WINDOW_UPDATEs for what was sent before. */
const LATE_FRAMES = 16;

/** Slots of a table at its first stream. */
const FIRST_CAPACITY = 2;

/** Of every table before that. */
const NO_STREAMS: (Http2Stream | null)[] = [];

/** A table that grew beyond this is let go when its last stream ends. */
const MAX_IDLE_CAPACITY = 256;

/** Rows of the memory at the first close. */
const FIRST_ROWS = 1;

// One remembered stream: its id, 0 in a row not yet used; when and why it ended; octets of DATA, and frames of other kinds, that may still
// arrive on it without being the peer's fault.
const ROW = 5;
const CLOSED_MS = 1;
const CAUSE = 2;
const CREDIT = 3;
const FRAMES = 4;

/**
 * Streams by id. Ids ascend by two, so a ring indexed by the id holds them without search; a long-lived stream whose place is wanted
 * again moves aside into a Map. A Map alone would do the same work, but each time V8 renews its table the old one keeps all streams of
 * that moment reachable, and scavenges free next to nothing.
 */
export class StreamTable {
  #ring: (Http2Stream | null)[] = NO_STREAMS;
  #overflow: Map<number, Http2Stream> | null = null;
  #size = 0;
  readonly #maxRemembered: number;
  readonly #rememberedMs: number;
  /**
   * The memory: a ring of rows of `ROW` numbers. It is made at the first close, and grows only when a row that still counts would have to
   * go: a connection with few calls holds few rows. A plain array: a typed one of this size takes twice the memory.
   */
  #memory: number[] | null = null;
  #rows = 0;
  /** The row to write next. */
  #next = 0;
  /** The latest of the times in it. */
  #lastCloseMs = 0;

  constructor(maxRemembered: number, rememberedMs: number) {
    this.#maxRemembered = maxRemembered;
    this.#rememberedMs = rememberedMs;
  }

  get size(): number {
    return this.#size;
  }

  get(streamId: number): Http2Stream | undefined {
    const ring = this.#ring;
    const stream = ring[(streamId >>> 1) & (ring.length - 1)];
    if (stream !== null && stream !== undefined && stream.id === streamId) return stream;
    return this.#overflow === null ? undefined : this.#overflow.get(streamId);
  }

  /** Adds a stream whose id is not in the table. */
  add(stream: Http2Stream): void {
    if (this.#size >= this.#ring.length) this.#grow();
    this.#place(stream);
    this.#size += 1;
  }

  /** All live streams; the callback may remove any stream. */
  forEach(visit: (stream: Http2Stream) => void): void {
    const streams = [...this.#ring, ...(this.#overflow?.values() ?? [])];
    for (const stream of streams) {
      if (stream !== null && this.get(stream.id) === stream) visit(stream);
    }
  }

  /** The newer stream takes the place in the ring: it is the one that will be asked for. */
  #place(stream: Http2Stream): void {
    const index = (stream.id >>> 1) & (this.#ring.length - 1);
    const older = this.#ring[index];
    this.#ring[index] = stream;
    if (older === null || older === undefined) return;
    if (this.#overflow === null) this.#overflow = new Map();
    this.#overflow.set(older.id, older);
  }

  #grow(): void {
    const streams = [...(this.#overflow?.values() ?? []), ...this.#ring];
    this.#overflow = null;
    this.#ring = new Array<Http2Stream | null>(
      Math.max(FIRST_CAPACITY, this.#ring.length * 2),
    ).fill(null);
    for (const stream of streams) if (stream !== null) this.#place(stream);
  }

  /** Whether the stream was in the table. */
  #delete(streamId: number): boolean {
    const ring = this.#ring;
    const index = (streamId >>> 1) & (ring.length - 1);
    const stream = ring[index];
    if (stream !== null && stream !== undefined && stream.id === streamId) ring[index] = null;
    else if (this.#overflow === null || !this.#overflow.delete(streamId)) return false;
    this.#size -= 1;
    if (this.#size > 0) return true;
    // A burst must not be paid for ever after.
    this.#overflow = null;
    if (ring.length > MAX_IDLE_CAPACITY) this.#ring = NO_STREAMS;
    return true;
  }

  /**
   * Takes a stream out, if it is in, and remembers why it ended. `nowMs` is the connection's clock reading, `creditOctets` what the peer may have
   * had under way of DATA.
   */
  remove(streamId: number, cause: CloseCause, nowMs: number, creditOctets: number): void {
    const wasLive = this.#delete(streamId);
    if (this.#maxRemembered === 0) return;
    if (!wasLive) {
      // Ended before: what ended it last decides.
      const known = this.#find(streamId);
      if (known >= 0 && this.#memory !== null) {
        this.#memory[known + CAUSE] = cause;
        this.#memory[known + CLOSED_MS] = nowMs;
        this.#lastCloseMs = nowMs;
        return;
      }
    }
    const memory = this.#roomForOne(nowMs);
    const row = this.#next * ROW;
    memory[row] = streamId;
    memory[row + CLOSED_MS] = nowMs;
    memory[row + CAUSE] = cause;
    memory[row + CREDIT] = creditOctets;
    memory[row + FRAMES] = LATE_FRAMES;
    this.#next = this.#next + 1 === this.#rows ? 0 : this.#next + 1;
    this.#lastCloseMs = nowMs;
  }

  /** How a closed stream ended, or NONE when it is not remembered. Only on the path of late frames. */
  causeOf(streamId: number, nowMs: number): CloseCause {
    const row = this.#find(streamId);
    const memory = this.#memory;
    if (row < 0 || memory === null) return CloseCause.NONE;
    if (nowMs - (memory[row + CLOSED_MS] ?? 0) > this.#rememberedMs) return CloseCause.NONE;
    return (memory[row + CAUSE] ?? CloseCause.NONE) as CloseCause;
  }

  /**
   * Whether a frame for an ended stream is explained by its end: DATA of `flowLength` octets that the stream's window still allowed, or one
   * of the few RST_STREAM and WINDOW_UPDATE frames that cross it. Takes it off what is allowed.
   */
  explainsLateFrame(streamId: number, flowLength: number): boolean {
    const row = this.#find(streamId);
    const memory = this.#memory;
    if (row < 0 || memory === null) return false;
    if (flowLength > 0) {
      const left = (memory[row + CREDIT] ?? 0) - flowLength;
      memory[row + CREDIT] = left;
      return left >= 0;
    }
    const frames = memory[row + FRAMES] ?? 0;
    if (frames === 0) return false;
    memory[row + FRAMES] = frames - 1;
    return true;
  }

  /** Where the row of the stream begins, or -1. */
  #find(streamId: number): number {
    const memory = this.#memory;
    if (memory === null) return -1;
    for (let row = 0; row < memory.length; row += ROW) if (memory[row] === streamId) return row;
    return -1;
  }

  /** The memory with a row at `#next` that may be written: unused, out of date, or the oldest of as many as there may be. */
  #roomForOne(nowMs: number): number[] {
    let memory = this.#memory;
    if (memory === null || (this.#rows > FIRST_ROWS && this.#isOver(this.#lastCloseMs, nowMs))) {
      // Also after a burst: nothing in a large memory counts any more.
      this.#rows = Math.min(FIRST_ROWS, this.#maxRemembered);
      this.#next = 0;
      memory = new Array<number>(this.#rows * ROW).fill(0);
      this.#memory = memory;
      return memory;
    }
    const oldest = this.#next * ROW;
    if (this.#rows === this.#maxRemembered || memory[oldest] === 0) return memory;
    if (this.#isOver(memory[oldest + CLOSED_MS] ?? 0, nowMs)) return memory;
    const rows = Math.min(2 * this.#rows, this.#maxRemembered);
    const larger = new Array<number>(rows * ROW).fill(0);
    const { length } = memory;
    for (let at = 0; at < length; at++) larger[at] = memory[(oldest + at) % length] ?? 0;
    this.#next = this.#rows;
    this.#rows = rows;
    this.#memory = larger;
    return larger;
  }

  #isOver(closedMs: number, nowMs: number): boolean {
    return nowMs - closedMs > this.#rememberedMs;
  }
}
