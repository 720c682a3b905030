/**
 * A second HPACK decoder, as plain as RFC 7541 reads: bit strings, a list for the table, no limits. The oracle of the property tests.
 */

import { CODE_BITS, CODES } from '../../framing/hpack/huffman-code.ts';
import { STATIC_NAMES, STATIC_VALUES } from '../../framing/hpack/static-table.ts';

type Field = readonly [name: string, value: string];

const SYMBOLS: ReadonlyMap<string, number> = new Map(
  Array.from(CODES, (code, symbol) => [code.toString(2).padStart(CODE_BITS[symbol]!, '0'), symbol]),
);

function huffmanText(octets: Uint8Array): string {
  let text = '';
  let code = '';
  for (const octet of octets) {
    for (const bit of octet.toString(2).padStart(8, '0')) {
      code += bit;
      const symbol = SYMBOLS.get(code);
      if (symbol === undefined) continue;
      if (symbol === 256) throw new Error('EOS');
      text += String.fromCharCode(symbol);
      code = '';
    }
  }
  if (code.length > 7 || code.includes('0')) throw new Error('padding');
  return text;
}

/** The decoder of one direction of a connection. */
export class HpackModel {
  /** Newest first. */
  readonly table: Field[] = [];
  maxOctets = 4096;
  settingOctets = 4096;
  #block: Uint8Array = new Uint8Array(0);
  #at = 0;

  get tableOctets(): number {
    return this.table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
  }

  /** The fields of a block as name, value, …; throws Error for whatever is not HPACK. */
  decode(block: Uint8Array): string[] {
    this.#block = block;
    this.#at = 0;
    const list: string[] = [];
    let updates = 0;
    while (this.#at < block.length) {
      const octet = block[this.#at]!;
      if (octet >> 7 === 1) {
        list.push(...this.#field(this.#integer(7)));
      } else if (octet >> 6 === 1) {
        const field = this.#literal(6);
        list.push(...field);
        this.table.unshift(field);
        this.#evict();
      } else if (octet >> 5 === 1) {
        updates += 1;
        if (list.length > 0 || updates > 2) throw new Error('size update out of place');
        this.maxOctets = this.#integer(5);
        if (this.maxOctets > this.settingOctets) throw new Error('size update too large');
        this.#evict();
      } else {
        list.push(...this.#literal(4));
      }
    }
    return list;
  }

  #evict(): void {
    while (this.tableOctets > this.maxOctets) this.table.pop();
  }

  #field(index: number): Field {
    if (index >= 1 && index <= 61) return [STATIC_NAMES[index]!, STATIC_VALUES[index]!];
    const field = this.table[index - 62];
    if (field === undefined) throw new Error('no such index');
    return field;
  }

  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#field(index)[0];
    return [name, this.#string()];
  }

  #octet(): number {
    if (this.#at >= this.#block.length) throw new Error('truncated');
    return this.#block[this.#at++]!;
  }

  #integer(prefixBits: number): number {
    const prefix = 2 ** prefixBits - 1;
    let value = this.#octet() & prefix;
    if (value < prefix) return value;
    for (let nth = 0; ; nth++) {
      if (nth === 4) throw new Error('integer too long');
      const octet = this.#octet();
      if (octet === 0 && nth > 0) throw new Error('padded integer');
      value += (octet & 0x7f) * 128 ** nth;
      if (octet < 0x80) return value;
    }
  }

  #string(): string {
    const huffman = (this.#block[this.#at] ?? 0) >= 0x80;
    const length = this.#integer(7);
    const end = this.#at + length;
    if (end > this.#block.length) throw new Error('truncated');
    const octets = this.#block.subarray(this.#at, end);
    this.#at = end;
    return huffman ? huffmanText(octets) : String.fromCharCode(...octets);
  }
}
