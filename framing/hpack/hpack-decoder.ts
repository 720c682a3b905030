/** Header blocks to header lists: representations, list limits, table size updates (RFC 7541 §3, §4.2, §6). */

import { allocateSlab, copyOctets } from '../bytes.ts';
import {
  DEFAULT_HEADER_TABLE_OCTETS,
  ErrorCode,
  HEADER_FIELD_OVERHEAD_OCTETS,
} from '../constants.ts';
import { ConnectionError, type ErrorToken } from '../errors.ts';
import type { HeaderList } from '../frame-handler.ts';
import { DecodeMemo, MEMO_BLOCK_OCTETS } from './decode-memo.ts';
import { DynamicTable } from './dynamic-table.ts';
import { huffmanDecode, maxHuffmanDecodedOctets, minHuffmanDecodedOctets } from './huffman.ts';
import { type Cursor, decodeInteger } from './integer.ts';
import { sharedText } from './known-text.ts';
import { latin1Text } from './latin1.ts';
import { STATIC_NAMES, STATIC_TABLE_LENGTH, STATIC_VALUES } from './static-table.ts';

/** Beyond this many times `maxHeaderListOctets` a block is no longer decoded to its end (L5). */
const LARGEST_LIST_FACTOR = 4;

/** The limits of one decoder. */
export interface HpackDecoderLimits {
  /**
   * L8: the SETTINGS_HEADER_TABLE_SIZE that we advertise. Until `setMaxTableOctets` tells that the peer acknowledged it, the initial
   * 4096 octets hold too, because the peer may have written blocks before it saw our SETTINGS (RFC 9113 §6.5.3).
   */
  readonly maxTableOctets: number;
  /** L5: octets of one decoded header list, 32 added per field. */
  readonly maxHeaderListOctets: number;
  /** L6: fields of one header list. */
  readonly maxHeaderFields: number;
  /** L8: dynamic table size updates at the start of one block. */
  readonly maxTableSizeUpdates: number;
}

// Huffman strings are decoded into here and at once made text. All decoders share it, as none is interrupted.
let scratch: Uint8Array = allocateSlab(4096);

/** Where the decoder at work reads next; shared for the same reason. */
const cursor: Cursor = { position: 0 };

function compressionError(token: ErrorToken): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, token);
}

/** The HPACK decoder of one connection. It knows no HTTP: what a field means, and whether it may be there, is decided above. */
export class HpackDecoder {
  readonly #limits: HpackDecoderLimits;
  readonly #table: DynamicTable = new DynamicTable(DEFAULT_HEADER_TABLE_OCTETS);
  /** Made when it has something to remember. */
  #memo: DecodeMemo | null = null;
  /** The largest size update the peer may send: the acknowledged setting. */
  #settingOctets: number;
  /** The smallest setting acknowledged since the last block, when that demands a size update; -1 when none is due. */
  #dueUpdateOctets = -1;
  #complete = true;
  /** What the current block has decoded to so far, stored or not. */
  #listOctets = 0;
  #listFields = 0;
  /** The string that `#readString` found last: octets `start` … `end` of the chunk, or of `scratch`. */
  #stringInScratch = false;
  #stringStart = 0;
  #stringEnd = 0;

  constructor(limits: HpackDecoderLimits) {
    this.#limits = limits;
    this.#settingOctets = Math.max(DEFAULT_HEADER_TABLE_OCTETS, limits.maxTableOctets);
  }

  /** Whether the last call of `decode` returned the whole list; false when it was cut at L5 or L6. */
  get complete(): boolean {
    return this.#complete;
  }

  /** The dynamic table as name, value, name, value, … from the newest entry to the oldest: a copy, for tests and diagnosis. */
  tableEntries(): string[] {
    return this.#table.entries();
  }

  /** Size of the dynamic table in octets with 32 added per entry (RFC 7541 §4.1). */
  get tableOctets(): number {
    return this.#table.octets;
  }

  /**
   * The peer acknowledged our SETTINGS_HEADER_TABLE_SIZE of `octets`. When that is less than the size its encoder uses, the next block must
   * begin with a size update to no more than `octets` (RFC 7541 §4.2).
   */
  setMaxTableOctets(octets: number): void {
    this.#settingOctets = octets;
    const due = this.#dueUpdateOctets;
    if (octets < (due >= 0 ? due : this.#table.maxOctets)) this.#dueUpdateOctets = octets;
    this.#memo?.clear();
  }

  /**
   * Decodes the one whole header block `start` … `end` of `chunk`; the octets are not kept. A list beyond L5 or L6 is decoded to its end, so
   * that the table stays in step with the peer's, but what lies beyond is not stored and `complete` is false. The list is fresh, or the very
   * object of an earlier call with the same octets while the table did not change; never modify it. Throws ConnectionError: COMPRESSION_ERROR
   * for every fault of RFC 7541, ENHANCE_YOUR_CALM `hpack.header-list-too-large` beyond four times L5. After an error the table is in doubt
   * and the decoder of no more use (RFC 9113 §4.3).
   */
  decode(chunk: Uint8Array, start: number, end: number): HeaderList {
    this.#complete = true;
    const short = end - start <= MEMO_BLOCK_OCTETS;
    if (short && this.#memo !== null) {
      const known = this.#memo.find(chunk, start, end);
      if (known !== null) return known;
    }
    this.#listOctets = 0;
    this.#listFields = 0;
    cursor.position = start;
    const fields: string[] = [];
    let tableChanged = this.#readSizeUpdates(chunk, end);
    while (cursor.position < end) {
      const octet = chunk[cursor.position]!;
      if (octet >= 0x80) {
        // §6.1 indexed field
        const index = decodeInteger(chunk, cursor, end, 7);
        if (index > STATIC_TABLE_LENGTH) {
          const age = this.#ageOf(index);
          const table = this.#table;
          const name = table.nameAt(age);
          const value = table.valueAt(age);
          if (this.#admit(name.length + value.length)) fields.push(name, value);
        } else {
          if (index === 0) throw compressionError('hpack.index-zero');
          const name = STATIC_NAMES[index]!;
          const value = STATIC_VALUES[index]!;
          if (this.#admit(name.length + value.length)) fields.push(name, value);
        }
      } else if (octet >= 0x40) {
        // §6.2.1 literal with incremental indexing
        this.#readLiteral(chunk, end, 6, true, fields);
        tableChanged = true;
      } else if (octet >= 0x20) {
        throw compressionError('hpack.size-update-not-at-start');
      } else {
        // §6.2.2, §6.2.3 literals without indexing; whether an intermediary may index them is of no interest to an endpoint
        this.#readLiteral(chunk, end, 4, false, fields);
      }
    }
    if (short && !tableChanged && this.#complete) {
      if (this.#memo === null) {
        this.#memo = new DecodeMemo();
        // It remembers the block that was last looked for.
        this.#memo.find(chunk, start, end);
      }
      this.#memo.remember(chunk, start, end, fields);
    }
    return fields;
  }

  /** Reads the size updates that a block may begin with (§4.2, §6.3); returns whether there were any. */
  #readSizeUpdates(chunk: Uint8Array, end: number): boolean {
    let updates = 0;
    while (cursor.position < end && (chunk[cursor.position]! & 0xe0) === 0x20) {
      updates++;
      if (updates > this.#limits.maxTableSizeUpdates) {
        throw compressionError('hpack.too-many-size-updates');
      }
      const octets = decodeInteger(chunk, cursor, end, 5);
      if (octets > this.#settingOctets) throw compressionError('hpack.size-update-too-large');
      if (this.#dueUpdateOctets >= 0) {
        // §4.2: the smallest size since the last block comes first.
        if (octets > this.#dueUpdateOctets) throw compressionError('hpack.size-update-missing');
        this.#dueUpdateOctets = -1;
      }
      this.#memo?.clear();
      this.#table.setMaxOctets(octets);
    }
    if (this.#dueUpdateOctets >= 0) throw compressionError('hpack.size-update-missing');
    return updates > 0;
  }

  /**
   * Reads a literal field at the cursor, its index having `prefixBits` bits. Its strings are made only for a field that is kept, in the list
   * or in the table, and after its size was found legal.
   */
  #readLiteral(
    chunk: Uint8Array,
    end: number,
    prefixBits: number,
    indexing: boolean,
    fields: string[],
  ): void {
    const nameIndex = decodeInteger(chunk, cursor, end, prefixBits);
    let name = '';
    let nameOctets = 0;
    let nameInScratch = false;
    let nameStart = 0;
    let scratchUsed = 0;
    if (nameIndex === 0) {
      this.#readString(chunk, end, 0);
      nameInScratch = this.#stringInScratch;
      nameStart = this.#stringStart;
      nameOctets = this.#stringEnd - nameStart;
      if (nameInScratch) scratchUsed = nameOctets;
    } else {
      name =
        nameIndex <= STATIC_TABLE_LENGTH
          ? STATIC_NAMES[nameIndex]!
          : this.#table.nameAt(this.#ageOf(nameIndex));
      nameOctets = name.length;
    }
    this.#readString(chunk, end, scratchUsed);
    const valueStart = this.#stringStart;
    const valueOctets = this.#stringEnd - valueStart;
    const admitted = this.#admit(nameOctets + valueOctets);
    const fits = nameOctets + valueOctets + HEADER_FIELD_OVERHEAD_OCTETS <= this.#table.maxOctets;
    let value = '';
    if (admitted || (indexing && fits)) {
      if (nameIndex === 0) {
        name = latin1Text(nameInScratch ? scratch : chunk, nameStart, nameStart + nameOctets);
      }
      value = latin1Text(this.#stringInScratch ? scratch : chunk, valueStart, this.#stringEnd);
    }
    if (indexing) {
      this.#memo?.clear();
      name = sharedText(name);
      value = sharedText(value);
      // A field too large for the table empties it (§4.4), whatever its text.
      if (fits) this.#table.insert(name, value);
      else this.#table.evictAll();
    }
    if (admitted) fields.push(name, value);
  }

  /** Reads a string literal (§5.2) and leaves its place in `#string…`; Huffman strings go to `scratch` at `scratchOffset`. */
  #readString(chunk: Uint8Array, end: number, scratchOffset: number): void {
    if (cursor.position >= end) throw compressionError('hpack.truncated');
    const huffman = chunk[cursor.position]! >= 0x80;
    const octets = decodeInteger(chunk, cursor, end, 7);
    const start = cursor.position;
    if (octets > end - start) throw compressionError('hpack.truncated');
    cursor.position = start + octets;
    const leastOctets = huffman ? minHuffmanDecodedOctets(octets) : octets;
    if (this.#listOctets + leastOctets > this.#limits.maxHeaderListOctets * LARGEST_LIST_FACTOR) {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'hpack.header-list-too-large');
    }
    this.#stringInScratch = huffman;
    if (huffman) {
      reserveScratch(scratchOffset, maxHuffmanDecodedOctets(octets));
      this.#stringStart = scratchOffset;
      this.#stringEnd = huffmanDecode(chunk, start, cursor.position, scratch, scratchOffset);
    } else {
      this.#stringStart = start;
      this.#stringEnd = start + octets;
    }
  }

  /** The age in the dynamic table of an index above 61 (§2.3.3). */
  #ageOf(index: number): number {
    const age = index - STATIC_TABLE_LENGTH - 1;
    if (age >= this.#table.length) throw compressionError('hpack.index-out-of-range');
    return age;
  }

  /** Counts a field of `octets` name and value octets; returns whether it is to be stored (L5, L6). */
  #admit(octets: number): boolean {
    const limits = this.#limits;
    this.#listOctets += octets + HEADER_FIELD_OVERHEAD_OCTETS;
    this.#listFields++;
    // Neither count ever falls, so nothing is stored any more behind the first field that is too many.
    if (
      this.#listOctets <= limits.maxHeaderListOctets &&
      this.#listFields <= limits.maxHeaderFields
    ) {
      return true;
    }
    this.#complete = false;
    if (this.#listOctets > limits.maxHeaderListOctets * LARGEST_LIST_FACTOR) {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'hpack.header-list-too-large');
    }
    return false;
  }
}

/** Makes room for `octets` more behind the first `used` of `scratch`, which stay. */
function reserveScratch(used: number, octets: number): void {
  if (used + octets <= scratch.length) return;
  const larger = allocateSlab(Math.max(used + octets, scratch.length * 2));
  copyOctets(larger, 0, scratch, 0, used);
  scratch = larger;
}
