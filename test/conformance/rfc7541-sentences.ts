/** RFC 7541, HPACK: every MUST and MUST NOT, and the tests that prove it. */

import { must, notOurs, type RfcTable } from './rfc-sentence.ts';

const TABLES = 'framing/rfc7541-2.3-tables';
const DYNAMIC = 'framing/rfc7541-4-dynamic-table';
const PRIMITIVES = 'framing/rfc7541-5-primitives';
const REPRESENTATIONS = 'framing/rfc7541-6-representations';
const INDEXING = 'framing/rfc7541-7.1-indexing';
const ROUNDTRIP = 'framing/hpack-roundtrip.property';
const FRAMES = 'transport/rfc9113-4-frames';

/** The sentences. */
export const RFC_7541: RfcTable = {
  name: 'RFC 7541 (HPACK)',
  keywords: {
    '2.1': 2,
    '2.3.2': 1,
    '2.3.3': 1,
    '3.2': 1,
    '4.2': 3,
    '5.1': 1,
    '5.2': 3,
    '6.1': 1,
    '6.2.3': 3,
    '6.3': 2,
    '7.1.3': 2,
  },
  sentences: [
    must(
      '2.1',
      1,
      'an encoder keeps the order of the list',
      `${ROUNDTRIP} › P01 encoder, decoder and model agree under any lists, templates and table sizes`,
    ),
    must(
      '2.1',
      1,
      'a decoder keeps the order of the block',
      `${ROUNDTRIP} › any representations: decoder and model agree on lists, tables and faults`,
    ),
    must(
      '2.2',
      0,
      'the two directions have tables of their own',
      'transport/rfc9113-4.3-hpack-state › §4.3 RFC 7541 §2.2 the two directions have tables of their own',
    ),
    must(
      '2.3.1',
      0,
      'the static table is that of Appendix A',
      `${TABLES} › §2.3.1 Appendix A has 61 entries, each at its index`,
    ),
    must(
      '2.3.2',
      1,
      'a field that is in the table twice is no error',
      `${TABLES} › §2.3.2 the table may hold a field twice`,
    ),
    must(
      '2.3.3',
      1,
      'an index beyond both tables is a decoding error',
      `${TABLES} › §2.3.3 an index beyond both tables is COMPRESSION_ERROR`,
      `${FRAMES} › §4.3 RFC 7541 §2.3.3 an index beyond both tables ends the connection, COMPRESSION_ERROR`,
      `${FRAMES} › §4.3 RFC 7541 §2.3.3 a literal whose name index is beyond both tables ends the connection, COMPRESSION_ERROR`,
    ),
    must(
      '3.2',
      1,
      'representations are processed in order: indexed, literal, literal that enters the table',
      `${REPRESENTATIONS} › §6.2.1 a literal with incremental indexing enters the table`,
      `${REPRESENTATIONS} › §6.2.2 §6.2.3 other literals leave the table alone`,
      `${TABLES} › §2.3.2 an index means the table as it is at that point of the block`,
    ),
    must(
      '4.1',
      0,
      'an entry counts its octets before Huffman coding and 32 more',
      `${DYNAMIC} › §4.1 an entry counts 32 octets more than its name and value`,
      `${DYNAMIC} › §4.1 Huffman coding does not change what an entry counts`,
    ),
    must(
      '4.2',
      1,
      'the encoder stays within the maximum that the protocol sets',
      `${INDEXING} › L8: the table never exceeds its maximum`,
      `${DYNAMIC} › §4.2 the encoder announces what became of its table`,
    ),
    must(
      '4.2',
      1,
      'a size update stands at the start of the first block after the change',
      `${DYNAMIC} › §4.2 size updates stand at the start of a block only`,
      `${FRAMES} › §4.3 RFC 7541 §4.2 a size update behind a field ends the connection, COMPRESSION_ERROR`,
      `${FRAMES} › §4.3.1 RFC 7541 §4.2 our next block after a smaller HEADER_TABLE_SIZE begins with a size update`,
    ),
    must(
      '4.2',
      1,
      'of several sizes between two blocks the smallest is announced, then the last',
      `${DYNAMIC} › §4.2 after lowering and raising, the smallest size comes first`,
      `${FRAMES} › §4.3.1 RFC 7541 §4.2 of several sizes between two blocks the smallest and the last are announced`,
    ),
    must(
      '4.3',
      0,
      'a smaller maximum evicts from the end',
      `${DYNAMIC} › §4.3 a smaller maximum evicts the oldest entries, a larger one brings none back`,
    ),
    must(
      '4.4',
      0,
      'an insertion evicts until it fits; one too large empties the table and is no error',
      `${DYNAMIC} › §4.4 an insertion evicts the oldest entries until it fits`,
      `${DYNAMIC} › §4.4 an entry larger than the table empties it and is no error`,
      `${DYNAMIC} › §4.4 a name may be that of the entry which its insertion evicts`,
    ),
    must(
      '5.1',
      1,
      'integers beyond our limits, in value or in octets, are decoding errors',
      `${PRIMITIVES} › §5.1 L8: five octets are taken, six are COMPRESSION_ERROR`,
      `${PRIMITIVES} › §5.1 an octet that adds nothing is COMPRESSION_ERROR`,
      `${FRAMES} › §4.3 RFC 7541 §5.1 an integer beyond our bounds ends the connection, COMPRESSION_ERROR`,
    ),
    must(
      '5.2',
      1,
      'Huffman padding longer than 7 bits is a decoding error',
      `${PRIMITIVES} › §5.2 padding longer than 7 bits is COMPRESSION_ERROR`,
      `${FRAMES} › §4.3 RFC 7541 §5.2 Huffman padding longer than 7 bits ends the connection, COMPRESSION_ERROR`,
    ),
    must(
      '5.2',
      1,
      'padding that is not the beginning of EOS is a decoding error',
      `${PRIMITIVES} › §5.2 padding with a zero in it is COMPRESSION_ERROR`,
      `${FRAMES} › §4.3 RFC 7541 §5.2 Huffman padding with a zero ends the connection, COMPRESSION_ERROR`,
    ),
    must(
      '5.2',
      1,
      'EOS inside a string is a decoding error',
      `${PRIMITIVES} › §5.2 EOS in a string is COMPRESSION_ERROR`,
      `${FRAMES} › §4.3 RFC 7541 §5.2 EOS in a Huffman string ends the connection, COMPRESSION_ERROR`,
    ),
    must(
      '6.1',
      1,
      'index 0 is a decoding error',
      `${REPRESENTATIONS} › §6.1 index 0 is COMPRESSION_ERROR`,
      `${FRAMES} › §4.3 RFC 7541 §6.1 index 0 ends the connection, COMPRESSION_ERROR`,
    ),
    must(
      '6.2.3',
      1,
      'what is never to be indexed is always written so',
      `${INDEXING} › §7.1.3 secrets are never-indexed literals`,
    ),
    notOurs(
      '6.2.3',
      2,
      'who forwards a never-indexed field keeps that representation',
      'we are an endpoint and forward nothing',
    ),
    must(
      '6.3',
      1,
      'a size update is at most the limit of the protocol',
      `${DYNAMIC} › §4.2 the encoder announces what became of its table`,
      `${ROUNDTRIP} › P01 encoder, decoder and model agree under any lists, templates and table sizes`,
    ),
    must(
      '6.3',
      1,
      'a size update above the limit is a decoding error',
      `${DYNAMIC} › §4.2 L8: a size update to our maximum is taken, to one more is COMPRESSION_ERROR`,
      `${FRAMES} › §4.3 RFC 7541 §6.3 a size update above our HEADER_TABLE_SIZE ends the connection, COMPRESSION_ERROR`,
    ),
    notOurs(
      '7.1.3',
      2,
      'an intermediary never indexes what came never-indexed',
      'we are an endpoint and forward nothing',
    ),
    must(
      '7.4',
      0,
      'there are limits for integers and strings',
      `${PRIMITIVES} › §5.1 L8: five octets are taken, six are COMPRESSION_ERROR`,
      `${REPRESENTATIONS} › L5: a string beyond four times the limit is refused by its length, unread`,
    ),
  ],
};
