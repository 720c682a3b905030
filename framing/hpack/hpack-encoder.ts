/** Header lists to header blocks: representations, indexing, cached blocks, table size updates (RFC 7541 §3, §4.2, §6, §7.1). */

import { copyOctets, latin1Write, NO_OCTETS } from '../bytes.ts';
import { DEFAULT_HEADER_TABLE_OCTETS } from '../constants.ts';
import type { HeaderList } from '../frame-handler.ts';
import { EncoderIndex, type NameRecord } from './encoder-index.ts';
import { huffmanEncode, huffmanLength } from './huffman.ts';
import { IndexingPolicy, isNeverIndexed } from './indexing-policy.ts';
import { encodeInteger, MAX_ENCODED_INTEGER_OCTETS } from './integer.ts';
import { isLatin1 } from './latin1.ts';

// First octets of the representations (RFC 7541 §6) and the Huffman flag of string literals (§5.2).
const INDEXED = 0x80;
const INCREMENTAL_INDEXING = 0x40;
const SIZE_UPDATE = 0x20;
const NEVER_INDEXED = 0x10;
const WITHOUT_INDEXING = 0x00;
const HUFFMAN = 0x80;

/** Templates whose blocks are kept per encoder; beyond, the one that was first seen longest ago is dropped. */
const MAX_TEMPLATES = 256;

// Once an encoder has templates, an insertion that evicts costs a token: the tokens bound how often everything cached becomes invalid,
// whatever the fields of the calls are. One token comes back with every 256th block, so that a table full of old fields is renewed in time.
const MAX_EVICTION_TOKENS = 16;
const BLOCKS_PER_EVICTION_TOKEN = 256;

/** Index, name length and value length of one field. */
const MAX_FIELD_OVERHEAD_OCTETS = 3 * MAX_ENCODED_INTEGER_OCTETS;
/** RFC 7541 §4.2: two updates say everything, the smallest size and the final one. */
const MAX_SIZE_UPDATES_OCTETS = 2 * MAX_ENCODED_INTEGER_OCTETS;

/** What an encoder knows of one template. */
class TemplateRecord {
  readonly template: HeaderList;
  readonly maxOctets: number;
  /** The template's block; valid while `changes` is that of the tables. */
  block: Uint8Array = NO_OCTETS;
  blockOctets = 0;
  /** -1: nothing cached. */
  changes = -1;
  /** Whether everything insertable was in a table when the block was made. */
  settled = false;

  constructor(template: HeaderList) {
    this.template = template;
    this.maxOctets = maxFieldsOctets(template);
  }
}

const NO_TEMPLATE = new TemplateRecord([]);

/**
 * The HPACK encoder of one connection. Blocks have to reach the peer in the order in which they were encoded, all of them.
 *
 * A template is a header list that callers pass again and again as the same, unchanged array. Its fields are inserted in the dynamic table at
 * first; after that its block is kept and copied until the table changes. Everything else of a block is the call's own and is kept from
 * changing the table without need.
 */
export class HpackEncoder {
  readonly #maxTableOctets: number;
  readonly #index: EncoderIndex;
  /** Null while there are no more than the two below. */
  #templates: Map<HeaderList, TemplateRecord> | null = null;
  /** The two templates used last: a server's headers and trailers take turns. */
  #lastTemplate: TemplateRecord = NO_TEMPLATE;
  #lastTemplateButOne: TemplateRecord = NO_TEMPLATE;
  /** Blocks with a template since the last eviction token came back. */
  #blocks = 0;
  #evictionTokens = MAX_EVICTION_TOKENS;
  /** The maximum size that the peer's decoder works with. */
  #announcedTableOctets = DEFAULT_HEADER_TABLE_OCTETS;
  /** The smallest maximum size since the last block. */
  #smallestTableOctets: number;

  /** `maxTableOctets` is the largest dynamic table that this encoder uses, whatever the peer offers (L8). */
  constructor(maxTableOctets: number) {
    this.#maxTableOctets = maxTableOctets;
    const octets = Math.min(DEFAULT_HEADER_TABLE_OCTETS, maxTableOctets);
    this.#index = new EncoderIndex(octets);
    this.#smallestTableOctets = octets;
  }

  /** The dynamic table as name, value, name, value, … from the newest entry to the oldest: a copy, for tests and diagnosis. */
  tableEntries(): string[] {
    return this.#index.table.entries();
  }

  /** Size of the dynamic table in octets with 32 added per entry (RFC 7541 §4.1). */
  get tableOctets(): number {
    return this.#index.table.octets;
  }

  /**
   * The peer's SETTINGS_HEADER_TABLE_SIZE is `octets`, 0 … 2^32 - 1. The table takes the lesser of that and our own maximum at once; the next
   * block begins with the size updates that are due (RFC 7541 §4.2).
   */
  setPeerMaxTableOctets(octets: number): void {
    const maxOctets = Math.min(octets, this.#maxTableOctets);
    if (maxOctets < this.#smallestTableOctets) this.#smallestTableOctets = maxOctets;
    this.#index.setMaxOctets(maxOctets);
  }

  /** Octets that `encode` with the same arguments writes at most, pending size updates included. */
  maxEncodedOctets(template: HeaderList, extra: HeaderList | null): number {
    let octets = MAX_SIZE_UPDATES_OCTETS;
    if (template.length > 0) octets += this.#templateRecord(template).maxOctets;
    if (extra !== null) octets += maxFieldsOctets(extra);
    return octets;
  }

  /**
   * Writes one header block, the fields of `template` and then those of `extra`, at `offset` of the caller's `target`, which has
   * `maxEncodedOctets` free; returns the offset behind it. Either list may be empty. Throws RangeError when a name or value has a character
   * beyond latin1, before anything is changed; and when `target` is too small, after which the tables no longer match the peer's.
   */
  encode(
    template: HeaderList,
    extra: HeaderList | null,
    target: Uint8Array,
    offset: number,
  ): number {
    // A caller's fault has to show before the tables are changed: the peer would never see the change.
    const templateRecord = template.length > 0 ? this.#templateRecord(template) : NO_TEMPLATE;
    if (extra !== null) checkFields(extra);
    let position = offset;
    const maxOctets = this.#index.maxOctets;
    if (maxOctets !== this.#announcedTableOctets || this.#smallestTableOctets < maxOctets) {
      position = this.#writeSizeUpdates(target, position);
    }
    if (templateRecord !== NO_TEMPLATE) {
      this.#blocks++;
      if (this.#blocks === BLOCKS_PER_EVICTION_TOKEN) {
        this.#blocks = 0;
        if (this.#evictionTokens < MAX_EVICTION_TOKENS) this.#evictionTokens++;
      }
      if (
        templateRecord.changes === this.#index.changes &&
        (templateRecord.settled || this.#evictionTokens === 0)
      ) {
        const octets = templateRecord.blockOctets;
        copyOctets(target, position, templateRecord.block, 0, octets);
        position += octets;
      } else {
        position = this.#encodeTemplate(templateRecord, target, position);
      }
    }
    if (extra !== null) position = this.#encodeExtra(extra, target, position);
    if (position > target.length) {
      throw new RangeError(
        `header block of ${position - offset} octets does not fit: ${target.length - offset} are free; reserve maxEncodedOctets`,
      );
    }
    return position;
  }

  #templateRecord(template: HeaderList): TemplateRecord {
    if (template === this.#lastTemplate.template) return this.#lastTemplate;
    if (template === this.#lastTemplateButOne.template) return this.#lastTemplateButOne;
    let record = this.#templates?.get(template);
    if (record === undefined) {
      checkFields(template);
      record = new TemplateRecord(template);
      if (this.#lastTemplateButOne !== NO_TEMPLATE) this.#addTemplate(record);
    }
    this.#lastTemplateButOne = this.#lastTemplate;
    this.#lastTemplate = record;
    return record;
  }

  /** Adds to the two templates used last, or to all that came before. */
  #addTemplate(record: TemplateRecord): void {
    this.#templates ??= new Map([
      [this.#lastTemplateButOne.template, this.#lastTemplateButOne],
      [this.#lastTemplate.template, this.#lastTemplate],
    ]);
    if (this.#templates.size >= MAX_TEMPLATES) {
      for (const oldest of this.#templates.keys()) {
        this.#templates.delete(oldest);
        break;
      }
    }
    this.#templates.set(record.template, record);
  }

  /** §4.2: the smallest size since the last block, then the final one. */
  #writeSizeUpdates(target: Uint8Array, offset: number): number {
    const smallest = this.#smallestTableOctets;
    const final = this.#index.maxOctets;
    let position = offset;
    if (smallest < this.#announcedTableOctets) {
      position = encodeInteger(smallest, 5, SIZE_UPDATE, target, position);
      this.#announcedTableOctets = smallest;
    }
    if (final !== this.#announcedTableOctets) {
      position = encodeInteger(final, 5, SIZE_UPDATE, target, position);
      this.#announcedTableOctets = final;
    }
    this.#smallestTableOctets = final;
    return position;
  }

  #encodeTemplate(record: TemplateRecord, target: Uint8Array, offset: number): number {
    const index = this.#index;
    const template = record.template;
    const changes = index.changes;
    let settled = true;
    let position = offset;
    for (let i = 0; i + 1 < template.length; i += 2) {
      const name = index.record(template[i]!);
      const value = template[i + 1]!;
      if (isNeverIndexed(name.name, name.policy, value)) {
        position = this.#writeLiteral(NEVER_INDEXED, name, value, target, position);
        continue;
      }
      const found = index.indexOf(name, value);
      if (found > 0) {
        position = encodeInteger(found, 7, INDEXED, target, position);
      } else if (!index.isInsertable(name, value)) {
        position = this.#writeLiteral(WITHOUT_INDEXING, name, value, target, position);
      } else if (this.#mayInsert(name, value)) {
        position = this.#writeLiteral(INCREMENTAL_INDEXING, name, value, target, position);
        index.insert(name, value);
      } else {
        settled = false;
        position = this.#writeLiteral(WITHOUT_INDEXING, name, value, target, position);
      }
    }
    // With an insertion in it the block is good for once; the next one is all references and is kept.
    if (index.changes === changes && position <= target.length) {
      const octets = position - offset;
      if (record.block.length < octets) record.block = new Uint8Array(octets);
      copyOctets(record.block, 0, target, offset, position);
      record.blockOctets = octets;
      record.changes = changes;
      record.settled = settled;
    }
    index.forgetNames();
    return position;
  }

  #encodeExtra(extra: HeaderList, target: Uint8Array, offset: number): number {
    const index = this.#index;
    index.keepsHistory = true;
    let position = offset;
    for (let i = 0; i + 1 < extra.length; i += 2) {
      const name = index.record(extra[i]!);
      const value = extra[i + 1]!;
      if (isNeverIndexed(name.name, name.policy, value)) {
        position = this.#writeLiteral(NEVER_INDEXED, name, value, target, position);
        continue;
      }
      const found = index.indexOf(name, value);
      if (found > 0) {
        position = encodeInteger(found, 7, INDEXED, target, position);
        continue;
      }
      const wanted =
        index.isInsertable(name, value) &&
        (name.policy === IndexingPolicy.PER_CALL
          ? index.isNameCarrier(name, value)
          : index.isLikelyToRepeat(name, value)) &&
        this.#mayInsert(name, value);
      position = this.#writeLiteral(
        wanted ? INCREMENTAL_INDEXING : WITHOUT_INDEXING,
        name,
        value,
        target,
        position,
      );
      if (wanted) index.insert(name, value);
    }
    return position;
  }

  /** Whether the table has room, or may make it by evicting; takes the token for that. */
  #mayInsert(name: NameRecord, value: string): boolean {
    if (this.#lastTemplate === NO_TEMPLATE || this.#index.hasRoomFor(name, value)) return true;
    if (this.#evictionTokens === 0) return false;
    this.#evictionTokens--;
    return true;
  }

  #writeLiteral(
    pattern: number,
    name: NameRecord,
    value: string,
    target: Uint8Array,
    offset: number,
  ): number {
    const nameIndex = this.#index.indexOfName(name);
    const prefixBits = pattern === INCREMENTAL_INDEXING ? 6 : 4;
    let position = encodeInteger(nameIndex, prefixBits, pattern, target, offset);
    if (nameIndex === 0) position = writeString(name.name, target, position);
    // Values that come once cost both ends more time in Huffman code than the octets saved are worth.
    if (pattern !== INCREMENTAL_INDEXING && name.policy !== IndexingPolicy.ADAPTIVE) {
      position = encodeInteger(value.length, 7, 0, target, position);
      return latin1Write(target, position, value);
    }
    return writeString(value, target, position);
  }
}

/** A string literal, Huffman-coded where that is shorter (RFC 7541 §5.2). */
function writeString(text: string, target: Uint8Array, offset: number): number {
  const huffmanOctets = huffmanLength(text);
  if (huffmanOctets < text.length) {
    const position = encodeInteger(huffmanOctets, 7, HUFFMAN, target, offset);
    return huffmanEncode(text, target, position);
  }
  const position = encodeInteger(text.length, 7, 0, target, offset);
  return latin1Write(target, position, text);
}

function maxFieldsOctets(fields: HeaderList): number {
  let octets = 0;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    octets += fields[i]!.length + fields[i + 1]!.length + MAX_FIELD_OVERHEAD_OCTETS;
  }
  return octets;
}

/** Throws RangeError for text that has no latin1 octets. */
function checkFields(fields: HeaderList): void {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!;
    if (!isLatin1(name)) {
      throw new RangeError(
        `header field name ${JSON.stringify(name)} has a character beyond latin1; field names are lower-case ASCII`,
      );
    }
    if (!isLatin1(fields[i + 1]!)) {
      throw new RangeError(
        `header field ${name}: the value has a character beyond latin1; percent-encode it or send it in a -bin field`,
      );
    }
  }
}
