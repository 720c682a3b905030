/** RFC 7541 Appendix C, every example: decoded with the table states it shows, and encoded where our encoder chooses the same representations. */

import { HpackDecoder } from '../../framing/hpack/hpack-decoder.ts';
import { HpackEncoder } from '../../framing/hpack/hpack-encoder.ts';
import { decodeInteger, encodeInteger } from '../../framing/hpack/integer.ts';
import { toHex } from '../support/frame-factory.ts';
import { decodeBlock, encodeBlock, HPACK_LIMITS } from '../support/hpack.ts';
import { t } from '../support/tap.ts';

interface Example {
  readonly section: string;
  readonly block: string;
  readonly list: readonly string[];
  /** The table after the block, newest entry first. */
  readonly table: readonly string[];
  readonly tableOctets: number;
}

const PLAIN_REQUESTS: readonly Example[] = [
  {
    section: 'C.3.1',
    block: '828684410f7777772e6578616d706c652e636f6d',
    list: [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'],
    table: [':authority', 'www.example.com'],
    tableOctets: 57,
  },
  {
    section: 'C.3.2',
    block: '828684be58086e6f2d6361636865',
    list: [
      ':method',
      'GET',
      ':scheme',
      'http',
      ':path',
      '/',
      ':authority',
      'www.example.com',
      'cache-control',
      'no-cache',
    ],
    table: ['cache-control', 'no-cache', ':authority', 'www.example.com'],
    tableOctets: 110,
  },
  {
    section: 'C.3.3',
    block: '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    list: [
      ':method',
      'GET',
      ':scheme',
      'https',
      ':path',
      '/index.html',
      ':authority',
      'www.example.com',
      'custom-key',
      'custom-value',
    ],
    table: [
      'custom-key',
      'custom-value',
      'cache-control',
      'no-cache',
      ':authority',
      'www.example.com',
    ],
    tableOctets: 164,
  },
];

const HUFFMAN_REQUEST_BLOCKS = [
  '828684418cf1e3c2e5f23a6ba0ab90f4ff',
  '828684be5886a8eb10649cbf',
  '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
];

const DATE_21 = 'Mon, 21 Oct 2013 20:13:21 GMT';
const DATE_22 = 'Mon, 21 Oct 2013 20:13:22 GMT';
const LOCATION = 'https://www.example.com';
const COOKIE = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';

const PLAIN_RESPONSES: readonly Example[] = [
  {
    section: 'C.5.1',
    block:
      '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54' +
      '6e1768747470733a2f2f7777772e6578616d706c652e636f6d',
    list: [':status', '302', 'cache-control', 'private', 'date', DATE_21, 'location', LOCATION],
    table: ['location', LOCATION, 'date', DATE_21, 'cache-control', 'private', ':status', '302'],
    tableOctets: 222,
  },
  {
    section: 'C.5.2',
    block: '4803333037c1c0bf',
    list: [':status', '307', 'cache-control', 'private', 'date', DATE_21, 'location', LOCATION],
    table: [':status', '307', 'location', LOCATION, 'date', DATE_21, 'cache-control', 'private'],
    tableOctets: 222,
  },
  {
    section: 'C.5.3',
    block:
      '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a6970' +
      '7738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
    list: [
      ':status',
      '200',
      'cache-control',
      'private',
      'date',
      DATE_22,
      'location',
      LOCATION,
      'content-encoding',
      'gzip',
      'set-cookie',
      COOKIE,
    ],
    table: ['set-cookie', COOKIE, 'content-encoding', 'gzip', 'date', DATE_22],
    tableOctets: 215,
  },
];

const HUFFMAN_RESPONSE_BLOCKS = [
  '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
  '4883640effc1c0bf',
  '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
];

await t.test('C.1 integers', async (t) => {
  for (const [value, prefixBits, pattern, hex] of [
    [10, 5, 0, '0a'],
    [1337, 5, 0, '1f9a0a'],
    [42, 8, 0, '2a'],
    // The same with the bits above the prefix in use, which are no part of the number.
    [10, 5, 0xe0, 'ea'],
    [1337, 5, 0x20, '3f9a0a'],
  ] as const) {
    const target = new Uint8Array(6);
    const end = encodeInteger(value, prefixBits, pattern, target, 1);
    t.equal(toHex(target.subarray(1, end)), hex, `${value} encodes to ${hex}`);
    const cursor = { position: 1 };
    t.equal(decodeInteger(target, cursor, end, prefixBits), value, `${hex} decodes to ${value}`);
    t.equal(cursor.position, end);
  }
});

await t.test('C.2 single literals and an index', async (t) => {
  for (const { section, block, list, table, tableOctets } of [
    {
      section: 'C.2.1',
      block: '400a637573746f6d2d6b65790d637573746f6d2d686561646572',
      list: ['custom-key', 'custom-header'],
      table: ['custom-key', 'custom-header'],
      tableOctets: 55,
    },
    {
      section: 'C.2.2',
      block: '040c2f73616d706c652f70617468',
      list: [':path', '/sample/path'],
      table: [],
      tableOctets: 0,
    },
    {
      section: 'C.2.3',
      block: '100870617373776f726406736563726574',
      list: ['password', 'secret'],
      table: [],
      tableOctets: 0,
    },
    { section: 'C.2.4', block: '82', list: [':method', 'GET'], table: [], tableOctets: 0 },
  ] satisfies Example[]) {
    const decoder = new HpackDecoder(HPACK_LIMITS);
    t.strictSame(decodeBlock(decoder, block), list, section);
    t.strictSame(decoder.tableEntries(), table, `${section} table`);
    t.equal(decoder.tableOctets, tableOctets, `${section} table size`);
  }
});

// Size updates in front of the first block make the 256 octets that C.5 and C.6 assume.
const SIZE_UPDATE_256 = '3fe101';

for (const [title, examples, blocks, prefix] of [
  ['C.3 requests without Huffman', PLAIN_REQUESTS, null, ''],
  ['C.4 requests with Huffman', PLAIN_REQUESTS, HUFFMAN_REQUEST_BLOCKS, ''],
  ['C.5 responses without Huffman, 256 octets', PLAIN_RESPONSES, null, SIZE_UPDATE_256],
  ['C.6 responses with Huffman', PLAIN_RESPONSES, HUFFMAN_RESPONSE_BLOCKS, SIZE_UPDATE_256],
] as const) {
  await t.test(`${title} decode`, async (t) => {
    const decoder = new HpackDecoder(HPACK_LIMITS);
    examples.forEach(({ section, block, list, table, tableOctets }, i) => {
      const octets = (i === 0 ? prefix : '') + (blocks === null ? block : blocks[i]!);
      t.strictSame(decodeBlock(decoder, octets), list, section);
      t.strictSame(decoder.tableEntries(), table, `${section} table`);
      t.equal(decoder.tableOctets, tableOctets, `${section} table size`);
    });
  });
}

// C.6.2 codes "307" although that saves nothing; our encoder then leaves the text plain, as C.5.2 does.
const RESPONSE_BLOCKS = [
  HUFFMAN_RESPONSE_BLOCKS[0]!,
  PLAIN_RESPONSES[1]!.block,
  HUFFMAN_RESPONSE_BLOCKS[2]!,
];

for (const [title, examples, blocks, prefix, peerTableOctets] of [
  ['C.4 requests', PLAIN_REQUESTS, HUFFMAN_REQUEST_BLOCKS, '', 4096],
  ['C.6 responses', PLAIN_RESPONSES, RESPONSE_BLOCKS, SIZE_UPDATE_256, 256],
] as const) {
  await t.test(`${title} encode to the very octets`, async (t) => {
    const encoder = new HpackEncoder(4096);
    encoder.setPeerMaxTableOctets(peerTableOctets);
    examples.forEach(({ section, list, table, tableOctets }, i) => {
      const octets = encodeBlock(encoder, [], list);
      t.equal(toHex(octets), (i === 0 ? prefix : '') + blocks[i]!, section);
      t.strictSame(encoder.tableEntries(), table, `${section} table`);
      t.equal(encoder.tableOctets, tableOctets, `${section} table size`);
    });
  });
}
