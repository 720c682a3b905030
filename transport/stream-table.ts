/**
 * The streams of one connection: those alive by id, and a bounded memory of those that ended (L32), which decides what a late frame means.
 */

import type { Http2Stream } from './stream.ts';
import { CloseCause } from './stream-state.ts';

/** Frames without DATA that may cross the end of a stream: its own RST_STREAM, and WINDOW_UPDATEs for what was sent before. */
const LATE_FRAMES = 16;

/** Slots of a table at its first stream. */
const FIRST_CAPACITY = 16;

/**
 * Streams by id. Ids ascend by two, so a ring indexed by the id holds them without search; a long-lived stream whose place is wanted
 * again moves aside into a Map. A Map alone would do the same work, but each time V8 renews its table the old one keeps all streams of
 * that moment reachable, and scavenges free next to nothing.
 */
export class StreamTable {
  #ring: (Http2Stream | null)[] = [];
  #overflow: Map<number, Http2Stream> | null = null;
  #size = 0;
  readonly #maxRemembered: number;
  readonly #rememberedMs: number;
  // A ring, made at the first close so that a new connection holds none. Typed arrays: closing a stream allocates nothing.
  #ids: Float64Array | null = null;
  #causes: Uint8Array | null = null;
  #times: Float64Array | null = null;
  /** Octets of DATA, and frames of other kinds, that may still arrive on an ended stream without being the peer's fault. */
  #credits: Float64Array | null = null;
  #frames: Uint8Array | null = null;
  #next = 0;

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

  /** Whether the stream was in. */
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
    if (ring.length > 16 * FIRST_CAPACITY) this.#ring = [];
    return true;
  }

  /**
   * Takes a stream out, if it is in, and remembers why it ended. `nowMs` is the connection's clock reading, `creditOctets` what the peer may have
   * had under way of DATA.
   */
  remove(streamId: number, cause: CloseCause, nowMs: number, creditOctets: number): void {
    const wasLive = this.#delete(streamId);
    if (this.#maxRemembered === 0) return;
    if (this.#ids === null || this.#causes === null || this.#times === null) {
      this.#ids = new Float64Array(this.#maxRemembered);
      this.#causes = new Uint8Array(this.#maxRemembered);
      this.#times = new Float64Array(this.#maxRemembered);
      this.#credits = new Float64Array(this.#maxRemembered);
      this.#frames = new Uint8Array(this.#maxRemembered);
    }
    if (!wasLive) {
      // Ended before: what ended it last decides.
      const known = this.#ids.indexOf(streamId);
      if (known >= 0) {
        this.#causes[known] = cause;
        this.#times[known] = nowMs;
        return;
      }
    }
    this.#ids[this.#next] = streamId;
    this.#causes[this.#next] = cause;
    this.#times[this.#next] = nowMs;
    if (this.#credits !== null) this.#credits[this.#next] = creditOctets;
    if (this.#frames !== null) this.#frames[this.#next] = LATE_FRAMES;
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

  /**
   * Whether a frame for an ended stream is explained by its end: DATA of `flowLength` octets that the stream's window still allowed, or one
   * of the few RST_STREAM and WINDOW_UPDATE frames that cross it. Takes it off what is allowed.
   */
  explainsLateFrame(streamId: number, flowLength: number): boolean {
    const index = this.#ids === null ? -1 : this.#ids.indexOf(streamId);
    if (index < 0 || this.#credits === null || this.#frames === null) return false;
    if (flowLength > 0) {
      const left = (this.#credits[index] ?? 0) - flowLength;
      this.#credits[index] = left;
      return left >= 0;
    }
    const frames = this.#frames[index] ?? 0;
    if (frames === 0) return false;
    this.#frames[index] = frames - 1;
    return true;
  }
}
