/**
 * The streams of one connection: those alive by id, and a bounded memory of those that ended (L32), which decides what a late frame means.
 */

import type { Http2Stream } from './stream.ts';
import { CloseCause } from './stream-state.ts';

/** Streams by id. */
export class StreamTable {
  readonly #streams = new Map<number, Http2Stream>();
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
    return this.#streams.size;
  }

  get(streamId: number): Http2Stream | undefined {
    return this.#streams.get(streamId);
  }

  add(stream: Http2Stream): void {
    this.#streams.set(stream.id, stream);
  }

  /** All live streams; the callback may remove the one it is given. */
  forEach(visit: (stream: Http2Stream) => void): void {
    this.#streams.forEach(visit);
  }

  /** Takes a stream out, if it is in, and remembers why it ended. `nowMs` is the connection's clock reading. */
  remove(streamId: number, cause: CloseCause, nowMs: number): void {
    this.#streams.delete(streamId);
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
