/** Changes inputs: octets at random, and whole HTTP/2 frames where the input is made of them. All from one seeded generator. */

/** Values that tend to sit on borders. */
const EDGES = [0, 1, 2, 3, 4, 5, 8, 9, 16, 31, 61, 62, 63, 64, 127, 128, 0xfe, 0xff];
const MAX_OCTETS = 8192;

/** A source of changed inputs. */
export class Mutator {
  readonly #random: () => number;

  /** `random` gives numbers of 0 … 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** `input` changed in one to eight places; `others` are inputs to take parts from. */
  mutate(input: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
    let result = input;
    for (let times = 1 + this.#below(8); times > 0; times--) result = this.#step(result, others);
    return result.length > MAX_OCTETS ? result.slice(0, MAX_OCTETS) : result;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T;
  }

  #step(input: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
    const frames = framesOf(input);
    const kinds = frames.length > 0 ? 11 : 7;
    const at = this.#below(input.length + 1);
    const length = Math.min(1 + this.#below(32), input.length - at);
    const changed = input.slice();
    switch (this.#below(kinds)) {
      case 0:
        if (changed.length > 0) changed[at % changed.length]! ^= 1 << this.#below(8);
        return changed;
      case 1:
        if (changed.length > 0) changed[at % changed.length] = this.#pick(EDGES);
        return changed;
      case 2:
        return join(input.subarray(0, at), input.subarray(at + length));
      case 3:
        return join(
          input.subarray(0, at),
          Uint8Array.from({ length: 1 + this.#below(16) }, () => this.#below(256)),
          input.subarray(at),
        );
      case 4:
        return join(input.subarray(0, at), input.subarray(at, at + length), input.subarray(at));
      case 5: {
        const other = this.#pick(others);
        const from = this.#below(other.length + 1);
        return join(input.subarray(0, at), other.subarray(from), input.subarray(at));
      }
      case 6:
        if (changed.length > 0) changed[at % changed.length] = this.#below(256);
        return changed;
      case 7: {
        // A frame twice, or somewhere else.
        const frame = this.#pick(frames);
        const target = this.#pick(frames);
        return join(
          input.subarray(0, target.start),
          input.subarray(frame.start, frame.end),
          input.subarray(target.start),
        );
      }
      case 8: {
        const frame = this.#pick(frames);
        return join(input.subarray(0, frame.start), input.subarray(frame.end));
      }
      case 9: {
        // Another type, other flags, or another stream.
        const { start } = this.#pick(frames);
        const field = this.#below(3);
        if (field === 0) changed[start + 3] = this.#below(12);
        else if (field === 1) changed[start + 4] = this.#pick([0, 1, 4, 5, 8, 0x20, 0x2d]);
        else changed[start + 8] = this.#pick([0, 1, 2, 3, 5, 7, 99]);
        return changed;
      }
      default: {
        // A payload that is changed together with its length.
        const frame = this.#pick(frames);
        const payload = input.slice(frame.start + 9, frame.end);
        const cut = this.#below(payload.length + 1);
        const grown = join(
          payload.subarray(0, cut),
          Uint8Array.from({ length: this.#below(12) }, () => this.#pick(EDGES)),
          payload.subarray(cut + this.#below(4)),
        );
        const head = input.slice(frame.start, frame.start + 9);
        head[0] = 0;
        head[1] = grown.length >> 8;
        head[2] = grown.length & 0xff;
        return join(input.subarray(0, frame.start), head, grown, input.subarray(frame.end));
      }
    }
  }
}

interface FrameRange {
  readonly start: number;
  readonly end: number;
}

/** The frames that `input` consists of as far as it goes; none when it begins with something else. */
function framesOf(input: Uint8Array): FrameRange[] {
  const frames: FrameRange[] = [];
  let at = 0;
  while (at + 9 <= input.length) {
    const end = at + 9 + input[at]! * 65_536 + input[at + 1]! * 256 + input[at + 2]!;
    if (end > input.length) break;
    frames.push({ start: at, end });
    at = end;
  }
  return frames;
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
