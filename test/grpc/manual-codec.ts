/** A compression whose work in the thread pool the test does by hand: an octet 0xc0 in front of what is left of the message. */

import type { CompressionCodec, Decompressed } from '../../lib/compression-codec.ts';
import {
  CompressionCodecs,
  type CompressionSettings,
  identitySettings,
} from '../../lib/protocol/compression.ts';

const MARK = 0xc0;

interface Work {
  run(): void;
  cancelled: boolean;
}

/** Compresses to the mark and every third octet; decompresses by repeating each octet three times. */
export class ManualCodec implements CompressionCodec {
  readonly name = 'manual';
  /** Compressions and decompressions under way, oldest first. */
  readonly compressions: Work[] = [];
  readonly decompressions: Work[] = [];
  atOnce = 0;
  readonly #factor: number;

  /** `factor`: octets that one octet stands for. */
  constructor(factor = 3) {
    this.#factor = factor;
  }

  compress(message: Uint8Array): Uint8Array {
    this.atOnce++;
    return shrink(message, this.#factor);
  }

  compressLater(message: Uint8Array, done: (compressed: Uint8Array | null) => void): void {
    this.compressions.push({ cancelled: false, run: () => done(shrink(message, this.#factor)) });
  }

  decompress(octets: Uint8Array, maxOctets: number): Decompressed {
    this.atOnce++;
    return grow(octets, maxOctets, this.#factor);
  }

  decompressLater(
    octets: Uint8Array,
    maxOctets: number,
    done: (outcome: Decompressed) => void,
  ): () => void {
    const work: Work = { cancelled: false, run: () => done(grow(octets, maxOctets, this.#factor)) };
    this.decompressions.push(work);
    return () => {
      work.cancelled = true;
    };
  }

  /** Finishes the oldest compression under way. */
  finishCompression(): void {
    this.compressions.shift()?.run();
  }

  /** Finishes the oldest decompression under way; nothing happens to one that was cancelled. */
  finishDecompression(): void {
    const work = this.decompressions.shift();
    if (work?.cancelled === false) work.run();
  }
}

function shrink(message: Uint8Array, factor: number): Uint8Array {
  return Uint8Array.from([MARK, ...message.filter((_, i) => i % factor === 0)]);
}

function grow(octets: Uint8Array, maxOctets: number, factor: number): Decompressed {
  if (octets[0] !== MARK) return { tooLarge: false, message: 'no mark' };
  const message = new Uint8Array((octets.length - 1) * factor);
  if (message.length > maxOctets) return { tooLarge: true, message: 'too large' };
  for (let i = 0; i < message.length; i++) message[i] = octets[1 + Math.floor(i / factor)]!;
  return message;
}

/** What a peer sends for `octets`, each of which stands for several in the message. */
export function manuallyCompressed(octets: readonly number[]): number[] {
  return [MARK, ...octets];
}

/** Settings with `codec` alone; `sends`: messages of 3 octets or more are compressed by default. */
export function manualSettings(codec: ManualCodec, sends = false): CompressionSettings {
  const settings = identitySettings(new CompressionCodecs([codec]));
  return sends ? { ...settings, codec, minOctets: 3 } : settings;
}
