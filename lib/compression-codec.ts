/** What the call engine needs of a compression (gRPC compression.md). The runtime's codecs are in lib/platform/zlib.ts. */

/** Why octets could not be decompressed. */
export interface DecompressionFault {
  /** They stand for more octets than were allowed; otherwise they are damaged. */
  readonly tooLarge: boolean;
  /** What is wrong with them. */
  readonly message: string;
}

/** The decompressed message, or why there is none. */
export type Decompressed = Uint8Array | DecompressionFault;

/** One encoding of messages. No method throws; every codec checks the limit while it inflates, never afterwards. */
export interface CompressionCodec {
  /** Its name in `grpc-encoding`, such as `gzip`. */
  readonly name: string;
  /** Compresses in this turn; for short messages. Null when it fails. */
  compress(message: Uint8Array): Uint8Array | null;
  /** Compresses outside the event loop; `done` is called in a later turn, with null when it fails. `message` must not change before. */
  compressLater(message: Uint8Array, done: (compressed: Uint8Array | null) => void): void;
  /** Decompresses in this turn; for short messages and low limits. `maxOctets`: the most that `octets` may stand for. */
  decompress(octets: Uint8Array, maxOctets: number): Decompressed;
  /**
   * Decompresses outside the event loop; `done` is called once, in a later turn, unless the function returned is called before, which
   * ends the work. Holds no more than `maxOctets` and one chunk of output at any time.
   */
  decompressLater(
    octets: Uint8Array,
    maxOctets: number,
    done: (outcome: Decompressed) => void,
  ): () => void;
}
