/**
 * The encoder's side of the tables: look-up by name and value, and what each name's values have been like so far
 * (RFC 7541 §2.3.2, §2.3.3, §4.4).
 */

import { HEADER_FIELD_OVERHEAD_OCTETS } from '../constants.ts';
import { DynamicTable } from './dynamic-table.ts';
import { type IndexingPolicy, policyOf } from './indexing-policy.ts';
import { STATIC_TABLE_LENGTH, type StaticName, staticNameOf } from './static-table.ts';

// A name may insert this many values that never came again. Each repeat earns one insertion back, so names whose values do repeat go on
// inserting, and request ids under any name stop after four. Found by trial on the http2jp stories; 1 … 8 differ by less than 1 %.
const MAX_CREDIT = 4;

// After that a value is inserted when it was among the last two of its name, if it is short enough to be remembered.
const MAX_REMEMBERED_VALUE_OCTETS = 512;

// Names without entries in the table are remembered up to about this many, and only if they are short.
const MAX_IDLE_NAMES = 128;
const MAX_REMEMBERED_NAME_OCTETS = 128;

/** Fields larger than this part of the table would empty most of it for one value. */
const LARGEST_FIELD = 0.75;

/** A value of one call goes in once, for the sake of a name that has no static index, if the field is no larger than this part. */
const LARGEST_NAME_CARRIER = 1 / 16;

const NO_STATIC_NAME: StaticName = { index: 0, values: new Map() };

/** What an encoder knows of one field name. Made and changed by `EncoderIndex` alone. */
export class NameRecord {
  readonly name: string;
  readonly policy: IndexingPolicy;
  readonly staticName: StaticName;
  /** Insertion number of the newest entry with this name; 0 when there is none. */
  newest = 0;
  /** The value of that entry. */
  newestValue = '';
  /** Insertion numbers of the entries with this name, by value; null until there are two of them. */
  entries: Map<string, number> | null = null;
  /** Insertions that may be made before a value repeats. */
  credit: number = MAX_CREDIT;
  /** The last two values that were not inserted. */
  lastValue: string | null = null;
  lastValueButOne: string | null = null;

  constructor(name: string) {
    this.name = name;
    this.policy = policyOf(name);
    this.staticName = staticNameOf(name) ?? NO_STATIC_NAME;
  }
}

/** The static and the dynamic table of one encoder. Names and values are latin1 text. */
export class EncoderIndex {
  readonly #table: DynamicTable;
  /** Null where nothing is known of any name but what the table tells. */
  #names: Map<string, NameRecord> | null = null;
  /** Whether records count what values were like, which the table does not tell: from the first field on that is no template's. */
  keepsHistory = false;
  #insertions = 0;
  #changes = 0;

  /** `maxOctets` is the maximum size of the dynamic table at first (RFC 7541 §4.2). */
  constructor(maxOctets: number) {
    this.#table = new DynamicTable(maxOctets);
  }

  /** Grows with every insertion, eviction and change of size: while it stays, every field would be encoded as it was. */
  get changes(): number {
    return this.#changes;
  }

  /** The maximum size of the dynamic table in force. */
  get maxOctets(): number {
    return this.#table.maxOctets;
  }

  /** The dynamic table, newest entry first. */
  get table(): DynamicTable {
    return this.#table;
  }

  /** The record of `name`, which is made if there is none; it is valid until the next call. */
  record(name: string): NameRecord {
    const names = this.#names ?? this.#recallNames();
    const known = names.get(name);
    if (known !== undefined) return known;
    const record = new NameRecord(name);
    if (name.length <= MAX_REMEMBERED_NAME_OCTETS) {
      // No more names than entries are in use, so each sweep frees many and the sweeps stay rare.
      if (names.size >= MAX_IDLE_NAMES + this.#table.length) this.#forgetIdleNames(names);
      names.set(name, record);
    }
    return record;
  }

  /** The index of the field in either table, or 0. */
  indexOf(record: NameRecord, value: string): number {
    const staticIndex = record.staticName.values.get(value);
    if (staticIndex !== undefined) return staticIndex;
    if (record.newest === 0) return 0;
    const insertion =
      record.newestValue === value ? record.newest : (record.entries?.get(value) ?? 0);
    if (insertion === 0) return 0;
    if (record.credit < MAX_CREDIT) record.credit++;
    return this.#indexOfInsertion(insertion);
  }

  /** The lowest index whose entry has the name of `record`, or 0. */
  indexOfName(record: NameRecord): number {
    if (record.staticName.index > 0) return record.staticName.index;
    return record.newest > 0 ? this.#indexOfInsertion(record.newest) : 0;
  }

  /** Whether a field is small enough to be worth a place in the dynamic table. */
  isInsertable(record: NameRecord, value: string): boolean {
    return (
      record.name.length <= MAX_REMEMBERED_NAME_OCTETS &&
      fieldOctets(record, value) <= this.#table.maxOctets * LARGEST_FIELD
    );
  }

  /** Whether inserting the field would evict nothing. */
  hasRoomFor(record: NameRecord, value: string): boolean {
    return this.#table.octets + fieldOctets(record, value) <= this.#table.maxOctets;
  }

  /** Whether the values of this name have repeated often enough that this one, which is in no table, is to be inserted. Keeps count. */
  isLikelyToRepeat(record: NameRecord, value: string): boolean {
    if (record.credit > 0) {
      record.credit--;
      return true;
    }
    if (value === record.lastValue || value === record.lastValueButOne) return true;
    if (value.length <= MAX_REMEMBERED_VALUE_OCTETS) {
      record.lastValueButOne = record.lastValue;
      record.lastValue = value;
    }
    return false;
  }

  /** Whether a field of one call is to be inserted for its name's sake: once, so that the later ones refer to the name. */
  isNameCarrier(record: NameRecord, value: string): boolean {
    return (
      record.staticName.index === 0 &&
      record.newest === 0 &&
      fieldOctets(record, value) <= this.#table.maxOctets * LARGEST_NAME_CARRIER
    );
  }

  /** Inserts a field that `isInsertable` (RFC 7541 §4.4). */
  insert(record: NameRecord, value: string): void {
    const table = this.#table;
    this.#evictTo(table.maxOctets - fieldOctets(record, value));
    table.insert(record.name, value);
    this.#insertions++;
    this.#changes++;
    noteInsertion(record, value, this.#insertions);
  }

  /** Sets the maximum size and evicts down to it (RFC 7541 §4.3). */
  setMaxOctets(maxOctets: number): void {
    if (maxOctets === this.#table.maxOctets) return;
    this.#evictTo(maxOctets);
    this.#table.setMaxOctets(maxOctets);
    this.#changes++;
  }

  #indexOfInsertion(insertion: number): number {
    return STATIC_TABLE_LENGTH + 1 + this.#insertions - insertion;
  }

  #evictTo(octets: number): void {
    const table = this.#table;
    while (table.length > 0 && table.octets > octets) {
      const oldest = table.length - 1;
      const insertion = this.#insertions - oldest;
      const record = this.#names?.get(table.nameAt(oldest));
      // A record with entries stays in the map; only a newer entry of the same field or name may have taken its place there.
      if (record !== undefined) {
        const value = table.valueAt(oldest);
        if (record.entries?.get(value) === insertion) record.entries.delete(value);
        if (record.newest === insertion) {
          record.newest = 0;
          record.newestValue = '';
          record.entries = null;
        }
      }
      table.evictOldest();
      this.#changes++;
    }
  }

  #forgetIdleNames(names: Map<string, NameRecord>): void {
    for (const [name, record] of names) {
      if (record.newest === 0) names.delete(name);
    }
  }

  /**
   * Lets go of all records, if they are to be had again from the table. Those of a connection whose blocks are templates only would be most of
   * what its encoder holds, and are not looked at once the blocks are kept.
   */
  forgetNames(): void {
    if (!this.keepsHistory) this.#names = null;
  }

  #recallNames(): Map<string, NameRecord> {
    const names = new Map<string, NameRecord>();
    const table = this.#table;
    for (let age = table.length - 1; age >= 0; age--) {
      const name = table.nameAt(age);
      let record = names.get(name);
      if (record === undefined) {
        record = new NameRecord(name);
        names.set(name, record);
      }
      noteInsertion(record, table.valueAt(age), this.#insertions - age);
    }
    this.#names = names;
    return names;
  }
}

/** The entry of number `insertion` has the name of `record`, and `value`. */
function noteInsertion(record: NameRecord, value: string, insertion: number): void {
  // The only entry of a name is found by its value alone: a Map per name is most of what a busy encoder would hold.
  if (record.newest > 0) {
    record.entries ??= new Map([[record.newestValue, record.newest]]);
    record.entries.set(value, insertion);
  }
  record.newest = insertion;
  record.newestValue = value;
}

function fieldOctets(record: NameRecord, value: string): number {
  return record.name.length + value.length + HEADER_FIELD_OVERHEAD_OCTETS;
}
