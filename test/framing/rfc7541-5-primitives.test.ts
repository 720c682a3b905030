import { HpackDecoder } from '../../framing/hpack/hpack-decoder.ts';
import {
  huffmanDecode,
  huffmanEncode,
  huffmanLength,
  maxHuffmanDecodedOctets,
  minHuffmanDecodedOctets,
} from '../../framing/hpack/huffman.ts';
import { CODE_BITS, CODES } from '../../framing/hpack/huffman-code.ts';
import {
  decodeInteger,
  encodeInteger,
  MAX_ENCODED_INTEGER_OCTETS,
} from '../../framing/hpack/integer.ts';
import { fromHex, octets, toHex } from '../support/frame-factory.ts';
import {
  decodeBlock,
  expectCompressionError,
  HPACK_LIMITS,
  integer,
  string,
  WITHOUT_INDEXING,
} from '../support/hpack.ts';
import { t } from '../support/tap.ts';

function decodeAll(block: Uint8Array, prefixBits: number): number {
  const cursor = { position: 0 };
  const value = decodeInteger(block, cursor, block.length, prefixBits);
  if (cursor.position !== block.length) throw new Error(`stopped at ${cursor.position}`);
  return value;
}

/** The octets of bits written as text. */
function bits(text: string): Uint8Array {
  const all = text.replaceAll(' ', '');
  return Uint8Array.from({ length: all.length / 8 }, (_, i) =>
    Number.parseInt(all.slice(i * 8, i * 8 + 8), 2),
  );
}

function decodeHuffman(coded: Uint8Array): string {
  const target = new Uint8Array(maxHuffmanDecodedOctets(coded.length) + 3);
  const end = huffmanDecode(coded, 0, coded.length, target, 3);
  return Array.from(target.subarray(3, end), (octet) => String.fromCharCode(octet)).join('');
}

function encodeHuffman(text: string): Uint8Array {
  const target = new Uint8Array(huffmanLength(text) + 4);
  const end = huffmanEncode(text, target, 2);
  if (end !== 2 + huffmanLength(text)) throw new Error('length and encoding disagree');
  if (target[end] !== 0) throw new Error('wrote behind the end');
  return target.slice(2, end);
}

await t.test('§5.1 integers round every edge of every prefix', async (t) => {
  for (let prefixBits = 1; prefixBits <= 8; prefixBits++) {
    const prefix = 2 ** prefixBits - 1;
    const pattern = prefixBits === 8 ? 0 : 0xff & ~prefix;
    for (const rest of [-1, 0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 2 ** 28 - 1]) {
      const value = prefix + rest;
      const wanted = integer(value, prefixBits, pattern);
      const target = new Uint8Array(MAX_ENCODED_INTEGER_OCTETS);
      const end = encodeInteger(value, prefixBits, pattern, target, 0);
      t.equal(toHex(target.subarray(0, end)), toHex(octets(wanted)), `${value} in ${prefixBits}`);
      t.equal(decodeAll(target.subarray(0, end), prefixBits), value);
    }
  }
});

await t.test('§5.1 values up to 2^32 - 1 are encoded in full', async (t) => {
  for (const [value, hex] of [
    [2 ** 31 - 1, '1fe0ffffff07'],
    [2 ** 31, '1fe1ffffff07'],
    [2 ** 32 - 1, '1fe0ffffff0f'],
  ] as const) {
    const target = new Uint8Array(MAX_ENCODED_INTEGER_OCTETS);
    t.equal(toHex(target.subarray(0, encodeInteger(value, 5, 0, target, 0))), hex, String(value));
  }
});

await t.test('§5.1 L8: five octets are taken, six are COMPRESSION_ERROR', async (t) => {
  t.equal(decodeAll(fromHex('1fffffff7f'), 5), 31 + 2 ** 28 - 1);
  t.equal(decodeAll(fromHex('1f80808001'), 5), 31 + 2 ** 21);
  for (const hex of ['1fffffffff00', '1fffffffff7f', '1f8080808001', `1f${'80'.repeat(1000)}00`]) {
    expectCompressionError(t, () => decodeAll(fromHex(hex), 5), 'hpack.integer-overflow', hex);
  }
});

await t.test('§5.1 an octet that adds nothing is COMPRESSION_ERROR', async (t) => {
  t.equal(decodeAll(fromHex('1f00'), 5), 31, 'the one zero that is needed');
  for (const hex of ['1f8000', '1f808000', '1f80808000', '1fff00']) {
    expectCompressionError(t, () => decodeAll(fromHex(hex), 5), 'hpack.integer-padded', hex);
  }
});

await t.test('§5.1 an integer that the block ends in is COMPRESSION_ERROR', async (t) => {
  for (const hex of ['', '1f', '1f80', '1fffffff']) {
    expectCompressionError(t, () => decodeAll(fromHex(hex), 5), 'hpack.truncated', `"${hex}"`);
  }
});

await t.test('§5.1 faults of integers are found in every representation', async (t) => {
  for (const first of ['ff', '7f', '0f', '1f', '3f', '007f', '00ff', '007f', '0f007f', '0f00ff']) {
    for (const [rest, token] of [
      ['80808080', 'hpack.integer-overflow'],
      ['8000', 'hpack.integer-padded'],
      ['8080', 'hpack.truncated'],
    ] as const) {
      expectCompressionError(
        t,
        () => decodeBlock(new HpackDecoder(HPACK_LIMITS), first + rest),
        token,
        `${first} ${rest}`,
      );
    }
  }
});

await t.test('§5.2 a string longer than the block is COMPRESSION_ERROR', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  t.strictSame(decodeBlock(decoder, '0001610162'), ['a', 'b']);
  for (const [what, hex] of [
    ['no name', '00'],
    ['name cut', '000261'],
    ['no value', '000161'],
    ['no value behind an indexed name', '04'],
    ['value cut', '0001610262'],
    ['Huffman value cut', '0001618262'],
    ['value of 2^28 octets', '0001617fffffff7f62'],
  ] as const) {
    expectCompressionError(
      t,
      () => decodeBlock(new HpackDecoder(HPACK_LIMITS), hex),
      'hpack.truncated',
      what,
    );
  }
});

await t.test('§5.2 strings are octets: all 256 values pass, coded and plain', async (t) => {
  const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
  for (const huffman of [false, true]) {
    const block = octets([WITHOUT_INDEXING], string('a', huffman), string(all, huffman));
    t.strictSame(decodeBlock(new HpackDecoder(HPACK_LIMITS), block), ['a', all]);
  }
});

await t.test('§5.2 strings of every short length pass, coded and plain', async (t) => {
  for (let length = 0; length <= 40; length++) {
    const text = 'az09-_.\xe9~:/'.repeat(4).slice(0, length);
    for (const huffman of [false, true]) {
      const block = octets([WITHOUT_INDEXING], string(text, huffman), string(text, huffman));
      t.strictSame(decodeBlock(new HpackDecoder(HPACK_LIMITS), block), [text, text]);
    }
  }
});

await t.test('§5.2 Appendix B: a complete prefix code with the codes of the RFC', async (t) => {
  t.equal(CODE_BITS.length, 257);
  let space = 0;
  for (const length of CODE_BITS) space += 2 ** -length;
  t.equal(space, 1, 'no code is left over and none is given twice');
  const codes = Array.from(CODES, (code, symbol) =>
    code.toString(2).padStart(CODE_BITS[symbol]!, '0'),
  ).sort();
  t.ok(
    codes.every((code, i) => i === 0 || !code.startsWith(codes[i - 1]!)),
    'no code begins another one',
  );
  for (const [symbol, code, length] of [
    [0, 0x1ff8, 13],
    [1, 0x7fffd8, 23],
    [10, 0x3ffffffc, 30],
    [22, 0x3ffffffe, 30],
    [32, 0x14, 6],
    [48, 0x0, 5],
    [57, 0x1f, 6],
    [60, 0x7ffc, 15],
    [90, 0xfd, 8],
    [92, 0x7fff0, 19],
    [97, 0x3, 5],
    [116, 0x9, 5],
    [123, 0x7ffe, 15],
    [127, 0xffffffc, 28],
    [128, 0xfffe6, 20],
    [199, 0x1ffffec, 25],
    [208, 0x7fff2, 19],
    [249, 0xffffffe, 28],
    [255, 0x3ffffee, 26],
    [256, 0x3fffffff, 30],
  ] as const) {
    t.strictSame([CODES[symbol], CODE_BITS[symbol]], [code, length], `symbol ${symbol}`);
  }
});

await t.test('§5.2 every symbol decodes at every bit offset, alone and in pairs', async (t) => {
  const faults: string[] = [];
  for (let first = 0; first < 256; first++) {
    for (const second of [0, 48, 65, 123, 10, 255]) {
      for (const before of ['', '0', '00', 'a ', '000', 'X', '00000']) {
        const text = before + String.fromCharCode(first, second);
        if (decodeHuffman(encodeHuffman(text)) !== text) faults.push(JSON.stringify(text));
      }
    }
  }
  t.strictSame(faults, []);
});

await t.test('§5.2 Huffman lengths stay between the bounds used for allocation', async (t) => {
  t.strictSame([0, 1, 2, 5].map(maxHuffmanDecodedOctets), [0, 1, 3, 8]);
  t.strictSame([0, 1, 4, 8].map(minHuffmanDecodedOctets), [0, 0, 0, 1]);
  for (const text of ['', '0', '0'.repeat(80), '\n', '\n'.repeat(64), 'x'.repeat(1000)]) {
    const length = huffmanLength(text);
    t.ok(text.length <= maxHuffmanDecodedOctets(length), `upper bound of ${length}`);
    t.ok(text.length >= minHuffmanDecodedOctets(length), `lower bound of ${length}`);
  }
});

await t.test('§5.2 padding of ones up to 7 bits is taken', async (t) => {
  for (const [text, coded] of [
    ['', ''],
    ['a', '00011 111'],
    ['&', '11111000'],
    ['a-', '00011 010110 11111'],
    ['aaa', '00011 00011 00011 1'],
    ['0X', '00000 11111100 111'],
  ] as const) {
    t.equal(decodeHuffman(bits(coded)), text, coded);
  }
});

await t.test('§5.2 padding longer than 7 bits is COMPRESSION_ERROR', async (t) => {
  for (const [symbols, ones] of [
    ['', 8],
    ['', 24],
    ['00011', 11],
    ['00011 010110 00011', 8],
    ['00011 00011 00011', 9],
    // One less than EOS has.
    ['00000 010100', 29],
  ] as const) {
    expectCompressionError(
      t,
      () => decodeHuffman(bits(symbols + '1'.repeat(ones))),
      'hpack.huffman-padding-too-long',
      `"${symbols}" and ${ones} ones`,
    );
  }
});

await t.test('§5.2 padding with a zero in it is COMPRESSION_ERROR', async (t) => {
  for (const coded of [
    '00011 000',
    '00011 110',
    '00011 011',
    '00011 101',
    '11111000 11111110',
    '11111110',
    '11111111 11111110',
    '11111111 11111111 10000000',
  ]) {
    expectCompressionError(
      t,
      () => decodeHuffman(bits(coded)),
      'hpack.huffman-padding-not-ones',
      coded,
    );
  }
});

await t.test('§5.2 EOS in a string is COMPRESSION_ERROR', async (t) => {
  const eos = '1'.repeat(30);
  for (const coded of [
    `${eos}11`,
    `00011${eos}11111`,
    `${eos}00011 11111`,
    `00000${eos}${eos}1111111`,
    '1'.repeat(800),
  ]) {
    expectCompressionError(t, () => decodeHuffman(bits(coded)), 'hpack.huffman-eos');
  }
});

await t.test('§5.2 faults of Huffman strings are found in names and values', async (t) => {
  for (const [hex, token] of [
    ['ff', 'hpack.huffman-padding-too-long'],
    ['1e', 'hpack.huffman-padding-not-ones'],
    ['ffffffff', 'hpack.huffman-eos'],
  ] as const) {
    const coded = octets(integer(hex.length / 2, 7, 0x80), fromHex(hex));
    for (const [what, block] of [
      ['value', octets([0x04], coded)],
      ['inserted value', octets([0x44], coded)],
      ['name', octets([0x00], coded, string('x'))],
    ] as const) {
      expectCompressionError(
        t,
        () => decodeBlock(new HpackDecoder(HPACK_LIMITS), block),
        token,
        `${what} ${hex}`,
      );
    }
  }
});

await t.test('§5.2 S63: Huffman decoding reads each octet a bounded number of times', async (t) => {
  /** Reads of octets while decoding `length` symbols. */
  const reads = (symbol: string, length: number): number => {
    const coded = encodeHuffman(symbol.repeat(length));
    let count = 0;
    const counted = new Proxy(coded, {
      get: (octets, key) => {
        count++;
        return octets[Number(key)];
      },
    });
    const target = new Uint8Array(length + 16);
    t.equal(huffmanDecode(counted, 0, coded.length, target, 0), length);
    return count / coded.length;
  };
  for (const [symbol, perOctet] of [
    ['a', 1],
    ['\n', 12],
    ['\xff', 12],
  ] as const) {
    t.ok(reads(symbol, 1000) <= perOctet, `1000 symbols, at most ${perOctet} reads an octet`);
    t.ok(reads(symbol, 17_000) <= perOctet, `17000 symbols, at most ${perOctet} reads an octet`);
  }
});
