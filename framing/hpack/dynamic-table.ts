/** The dynamic table: a ring of fields with size accounting and eviction (RFC 7541 §2.3.2, §4). Both ends keep one. */

import { HEADER_FIELD_OVERHEAD_OCTETS } from '../constants.ts';

/** Small, as an idle connection holds two such rings and most peers repeat a few fields. */
const FIRST_CAPACITY = 4;

/** Of every table before its first insertion. */
const NO_FIELDS: string[] = [];

/**
 * Fields in the order of their insertion. An entry is two strings and nothing else: what some request thought of a field never stays
 * behind in the table (CVE-2024-7246). Nothing is allocated before the first insertion; the ring grows with use, at most to
 * `maxOctets / 32` entries rounded up to a power of two.
 */
export class DynamicTable {
  /** Name, value, name, value, …: a ring of pairs. */
  #fields: string[] = NO_FIELDS;
  /** Ring capacity - 1; the capacity is a power of two, or 0 before the first insertion. */
  #mask = -1;
  /** Ring position of the newest entry. */
  #newest = 0;
  #length = 0;
  #octets = 0;
  #maxOctets: number;

  /** `maxOctets` is the maximum size at first, 0 … 2^32 - 1 (RFC 7541 §4.2). */
  constructor(maxOctets: number) {
    this.#maxOctets = maxOctets;
  }

  /** Entries in the table. */
  get length(): number {
    return this.#length;
  }

  /** Size of the table with 32 octets added per entry (RFC 7541 §4.1). */
  get octets(): number {
    return this.#octets;
  }

  /** The maximum size in force (RFC 7541 §4.2). */
  get maxOctets(): number {
    return this.#maxOctets;
  }

  /** The name at `age`, 0 (newest) … length - 1 (oldest): the entry of index 62 + age. */
  nameAt(age: number): string {
    return this.#fields[2 * ((this.#newest - age) & this.#mask)]!;
  }

  /** The value at `age`, 0 (newest) … length - 1 (oldest). */
  valueAt(age: number): string {
    return this.#fields[2 * ((this.#newest - age) & this.#mask) + 1]!;
  }

  /**
   * Adds a field of latin1 text as the newest entry and evicts the oldest ones until it fits. A field larger than the whole table leaves it
   * empty and is not added, which is no error (RFC 7541 §4.4). Returns whether it was added.
   */
  insert(name: string, value: string): boolean {
    const octets = name.length + value.length + HEADER_FIELD_OVERHEAD_OCTETS;
    this.#evictTo(this.#maxOctets - octets);
    if (octets > this.#maxOctets) return false;
    if (this.#length > this.#mask) this.#grow();
    this.#newest = (this.#newest + 1) & this.#mask;
    this.#fields[2 * this.#newest] = name;
    this.#fields[2 * this.#newest + 1] = value;
    this.#length++;
    this.#octets += octets;
    return true;
  }

  /** Name, value, name, value, … from the newest entry to the oldest: a copy, for tests and diagnosis. */
  entries(): string[] {
    const entries: string[] = [];
    for (let age = 0; age < this.#length; age++) {
      entries.push(this.nameAt(age), this.valueAt(age));
    }
    return entries;
  }

  /** Removes the oldest entry of a table that has one. */
  evictOldest(): void {
    this.#length -= 1;
    const oldest = 2 * ((this.#newest - this.#length) & this.#mask);
    const fields = this.#fields;
    this.#octets -=
      fields[oldest]!.length + fields[oldest + 1]!.length + HEADER_FIELD_OVERHEAD_OCTETS;
    fields[oldest] = '';
    fields[oldest + 1] = '';
  }

  /** Removes all entries. */
  evictAll(): void {
    this.#evictTo(0);
  }

  /** Sets the maximum size, 0 … 2^32 - 1, and evicts down to it (RFC 7541 §4.3). */
  setMaxOctets(maxOctets: number): void {
    this.#maxOctets = maxOctets;
    this.#evictTo(maxOctets);
  }

  #evictTo(octets: number): void {
    while (this.#length > 0 && this.#octets > octets) this.evictOldest();
  }

  #grow(): void {
    const capacity = this.#mask < 0 ? FIRST_CAPACITY : (this.#mask + 1) * 2;
    // At its exact size: an array that grows by itself takes room for seventeen at once.
    const fields = new Array<string>(2 * capacity).fill('');
    for (let age = 0; age < this.#length; age++) {
      const at = 2 * (this.#length - 1 - age);
      fields[at] = this.nameAt(age);
      fields[at + 1] = this.valueAt(age);
    }
    this.#fields = fields;
    this.#newest = (this.#length - 1) & (capacity - 1);
    this.#mask = capacity - 1;
  }
}
