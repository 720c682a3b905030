/**
 * The compressions of the runtime's zlib: gzip and deflate everywhere, brotli and zstd where the runtime has them and does not take a
 * cut-off message for a whole one. The only place of the library that uses `node:zlib`.
 */

import type * as zlibModule from 'node:zlib';
import type { CompressionCodec, Decompressed, DecompressionFault } from '../compression-codec.ts';

/** Output of one step of a decompression; also what may come on top of the limit before it is noticed. */
const CHUNK_OCTETS = 65_536;
/** Least chunk size that zlib accepts. */
const MIN_CHUNK_OCTETS = 64;
/** Compressions in the thread pool at once, in the whole process: each holds up to 256 KiB of tables, and the pool has four threads. */
const MAX_COMPRESSIONS = 4;

/** `node:zlib`, loaded at its first use: a program that only imports this library does not pay for it. */
function zlib(): typeof zlibModule {
  return process.getBuiltinModule('node:zlib');
}

type SyncOptions = zlibModule.ZlibOptions & { readonly info?: boolean };
/** What the functions give with `info`. */
interface WithEngine {
  readonly buffer: Uint8Array;
  readonly engine: { readonly bytesWritten: number };
}
type Finish = (error: Error | null, result: Uint8Array) => void;

/** One pair of algorithms as `node:zlib` names them. */
interface Algorithm {
  readonly name: string;
  readonly compressSync: (message: Uint8Array) => Uint8Array;
  readonly compress: (message: Uint8Array, finish: Finish) => void;
  readonly decompressSync: (octets: Uint8Array, options: SyncOptions) => unknown;
  readonly createDecompress: (options: zlibModule.ZlibOptions) => zlibModule.Gunzip;
}

/** Compressions that wait for one of the `MAX_COMPRESSIONS` places. */
const waiting: (() => void)[] = [];
let compressing = 0;

function inPool(start: (over: () => void) => void): void {
  const run = (): void => {
    compressing += 1;
    start(() => {
      compressing -= 1;
      waiting.shift()?.();
    });
  };
  if (compressing < MAX_COMPRESSIONS) run();
  else waiting.push(run);
}

/** One of the runtime's compressions. */
class ZlibCodec implements CompressionCodec {
  readonly name: string;
  readonly #algorithm: Algorithm;

  constructor(algorithm: Algorithm) {
    this.name = algorithm.name;
    this.#algorithm = algorithm;
  }

  compress(message: Uint8Array): Uint8Array | null {
    try {
      return this.#algorithm.compressSync(message);
    } catch {
      return null;
    }
  }

  compressLater(message: Uint8Array, done: (compressed: Uint8Array | null) => void): void {
    inPool((over) => {
      this.#algorithm.compress(message, (error, result) => {
        over();
        done(error === null ? result : null);
      });
    });
  }

  decompress(octets: Uint8Array, maxOctets: number): Decompressed {
    try {
      const { buffer, engine } = this.#algorithm.decompressSync(octets, {
        maxOutputLength: Math.max(1, maxOctets),
        chunkSize: Math.max(MIN_CHUNK_OCTETS, Math.min(CHUNK_OCTETS, maxOctets + 1)),
        info: true,
      }) as WithEngine;
      return judged(buffer, engine.bytesWritten, octets.length, maxOctets);
    } catch (error) {
      return codeOf(error) === 'ERR_BUFFER_TOO_LARGE' ? tooLarge(maxOctets) : damaged(error);
    }
  }

  decompressLater(
    octets: Uint8Array,
    maxOctets: number,
    done: (outcome: Decompressed) => void,
  ): () => void {
    const stream = this.#algorithm.createDecompress({ chunkSize: CHUNK_OCTETS });
    const chunks: Uint8Array[] = [];
    let length = 0;
    let over = false;
    const finish = (outcome: Decompressed): void => {
      if (over) return;
      over = true;
      chunks.length = 0;
      stream.destroy();
      done(outcome);
    };
    // First of all, and for good: an 'error' event that nobody hears ends the process (CVE-2026-48069).
    stream.on('error', (error) => finish(damaged(error)));
    stream.on('data', (chunk: Uint8Array) => {
      length += chunk.length;
      if (length > maxOctets) finish(tooLarge(maxOctets));
      else if (!over) chunks.push(chunk);
    });
    stream.on('end', () => {
      if (over) return;
      const message = chunks.length === 1 ? (chunks[0] as Uint8Array) : joined(chunks, length);
      finish(judged(message, stream.bytesWritten, octets.length, maxOctets));
    });
    stream.end(octets);
    return () => {
      if (over) return;
      over = true;
      chunks.length = 0;
      stream.destroy();
    };
  }
}

/** zlib stops at the end of its format; what follows there is not part of any message (S83). */
function judged(
  message: Uint8Array,
  used: number,
  received: number,
  maxOctets: number,
): Decompressed {
  if (message.length > maxOctets) return tooLarge(maxOctets);
  if (used < received) {
    return { tooLarge: false, message: `${received - used} octets behind the compressed data` };
  }
  return message;
}

function tooLarge(maxOctets: number): DecompressionFault {
  return { tooLarge: true, message: `more than ${maxOctets} octets when decompressed` };
}

function damaged(error: unknown): DecompressionFault {
  const { message } = error as Partial<Error>;
  return { tooLarge: false, message: typeof message === 'string' ? message : String(error) };
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const message = new Uint8Array(length);
  let filled = 0;
  for (const chunk of chunks) {
    message.set(chunk, filled);
    filled += chunk.length;
  }
  return message;
}

const GZIP: Algorithm = {
  name: 'gzip',
  compressSync: (message) => zlib().gzipSync(message),
  compress: (message, finish) => zlib().gzip(message, finish),
  decompressSync: (octets, options) => zlib().gunzipSync(octets, options),
  createDecompress: (options) => zlib().createGunzip(options),
};

/** What HTTP and gRPC call deflate is the zlib format (RFC 1950). */
const DEFLATE: Algorithm = {
  name: 'deflate',
  compressSync: (message) => zlib().deflateSync(message),
  compress: (message, finish) => zlib().deflate(message, finish),
  decompressSync: (octets, options) => zlib().inflateSync(octets, options),
  createDecompress: (options) => zlib().createInflate(options),
};

/** The default, 11, is meant for files that are compressed once and takes a hundred times as long. */
const BROTLI_QUALITY = 4;

function brotli(): Algorithm {
  const options = { params: { [zlib().constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } };
  return {
    name: 'br',
    compressSync: (message) => zlib().brotliCompressSync(message, options),
    compress: (message, finish) => zlib().brotliCompress(message, options, finish),
    decompressSync: (octets, given) => zlib().brotliDecompressSync(octets, given as object),
    createDecompress: (given) =>
      zlib().createBrotliDecompress(given as object) as zlibModule.Gunzip,
  };
}

function zstd(): Algorithm {
  return {
    name: 'zstd',
    compressSync: (message) => zlib().zstdCompressSync(message),
    compress: (message, finish) => zlib().zstdCompress(message, finish),
    decompressSync: (octets, given) => zlib().zstdDecompressSync(octets, given as object),
    createDecompress: (given) => zlib().createZstdDecompress(given as object) as zlibModule.Gunzip,
  };
}

/** Octets that every compression makes shorter. */
const SAMPLE_OCTETS = 256;

/**
 * Whether the runtime's decompression notices that the end is missing. Some report half a message as whole (zstd of Bun 1.4.5; brotli
 * and zstd of Deno 2.9.6), which no limit and no check of ours could make good.
 */
function noticesTruncation(codec: CompressionCodec): boolean {
  const compressed = codec.compress(new Uint8Array(SAMPLE_OCTETS));
  if (compressed === null) return false;
  const whole = codec.decompress(compressed, SAMPLE_OCTETS);
  const cut = codec.decompress(compressed.subarray(0, compressed.length - 2), SAMPLE_OCTETS);
  return whole instanceof Uint8Array && !(cut instanceof Uint8Array);
}

let codecs: readonly CompressionCodec[] | null = null;

/** The runtime's codecs, the one that every gRPC implementation has first. The same array each time. */
export function zlibCodecs(): readonly CompressionCodec[] {
  if (codecs === null) {
    const found = [new ZlibCodec(GZIP), new ZlibCodec(DEFLATE)];
    const runtime = zlib() as unknown as Record<string, unknown>;
    if (typeof runtime['createBrotliDecompress'] === 'function')
      found.push(new ZlibCodec(brotli()));
    if (typeof runtime['createZstdDecompress'] === 'function') found.push(new ZlibCodec(zstd()));
    codecs = found.filter(
      (codec) => codec.name === 'gzip' || codec.name === 'deflate' || noticesTruncation(codec),
    );
  }
  return codecs;
}
