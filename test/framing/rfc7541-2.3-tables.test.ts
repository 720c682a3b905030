import { HpackDecoder } from '../../framing/hpack/hpack-decoder.ts';
import { HpackEncoder } from '../../framing/hpack/hpack-encoder.ts';
import { octets, toHex } from '../support/frame-factory.ts';
import {
  decodeBlock,
  encodeBlock,
  expectCompressionError,
  HPACK_LIMITS,
  INDEXING,
  indexed,
  literal,
  literalNamed,
  NEVER_INDEXED,
  WITHOUT_INDEXING,
} from '../support/hpack.ts';
import { t } from '../support/tap.ts';

/** Appendix A, one entry a line, written without the production table. */
const APPENDIX_A = `
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`
  .trim()
  .split('\n')
  .map((line): [string, string] => {
    const space = line.indexOf(' ');
    return space < 0 ? [line, ''] : [line.slice(0, space), line.slice(space + 1)];
  });

await t.test('§2.3.1 Appendix A has 61 entries, each at its index', async (t) => {
  t.equal(APPENDIX_A.length, 61);
  const decoder = new HpackDecoder(HPACK_LIMITS);
  APPENDIX_A.forEach(([name, value], i) => {
    t.strictSame(decodeBlock(decoder, indexed(i + 1)), [name, value], `index ${i + 1}`);
    t.strictSame(
      decodeBlock(decoder, literalNamed(WITHOUT_INDEXING, i + 1, 'x')),
      [name, 'x'],
      `name of index ${i + 1}`,
    );
  });
});

await t.test(
  '§2.3.1 the encoder refers to the static table by field and by lowest name index',
  async (t) => {
    const secret = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);
    APPENDIX_A.forEach(([name, value], i) => {
      if (secret.has(name)) return;
      const encoder = new HpackEncoder(4096);
      t.equal(toHex(encodeBlock(encoder, [], [name, value])), toHex(indexed(i + 1)), name);
      const lowest = APPENDIX_A.findIndex(([other]) => other === name) + 1;
      const block = encodeBlock(encoder, [], [name, '~']);
      t.equal(toHex(block), toHex(literalNamed(INDEXING, lowest, '~')), `${name}: ~`);
    });
  },
);

await t.test('§2.3.2 the newest entry has index 62, older ones follow', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  decodeBlock(decoder, octets(literal(INDEXING, 'a', '1'), literal(INDEXING, 'b', '2')));
  t.strictSame(decodeBlock(decoder, octets(indexed(62), indexed(63))), ['b', '2', 'a', '1']);
  decodeBlock(decoder, literal(INDEXING, 'c', '3'));
  t.strictSame(decodeBlock(decoder, octets(indexed(62), indexed(64))), ['c', '3', 'a', '1']);
});

await t.test('§2.3.2 an index means the table as it is at that point of the block', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  const block = octets(
    literal(INDEXING, 'a', '1'),
    indexed(62),
    literal(INDEXING, 'b', '2'),
    indexed(62),
    indexed(63),
  );
  t.strictSame(decodeBlock(decoder, block), ['a', '1', 'a', '1', 'b', '2', 'b', '2', 'a', '1']);
});

await t.test('§2.3.2 the table may hold a field twice', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  decodeBlock(decoder, octets(literal(INDEXING, 'a', '1'), literal(INDEXING, 'a', '1')));
  t.strictSame(decoder.tableEntries(), ['a', '1', 'a', '1']);
  t.equal(decoder.tableOctets, 68);
});

await t.test('§2.3.2 a table of many entries keeps them all in order', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  const names = Array.from({ length: 120 }, (_, i) => String.fromCharCode(i + 1));
  for (const name of names) decodeBlock(decoder, literal(INDEXING, name, ''));
  t.equal(decoder.tableOctets, 120 * 33);
  t.strictSame(
    decoder.tableEntries(),
    names.reverse().flatMap((name) => [name, '']),
  );
});

await t.test('§2.3.3 an index beyond both tables is COMPRESSION_ERROR', async (t) => {
  const cases: [string, Uint8Array][] = [
    ['indexed 62 with an empty table', indexed(62)],
    ['indexed 63 with one entry', octets(literal(INDEXING, 'a', '1'), indexed(63))],
    ['literal with indexing, name 62', literalNamed(INDEXING, 62, 'x')],
    ['literal without indexing, name 62', literalNamed(WITHOUT_INDEXING, 62, 'x')],
    ['never-indexed literal, name 62', literalNamed(NEVER_INDEXED, 62, 'x')],
    ['the largest index of five octets', octets([0xff, 0xff, 0xff, 0xff, 0x7f])],
  ];
  for (const [what, block] of cases) {
    const decoder = new HpackDecoder(HPACK_LIMITS);
    expectCompressionError(t, () => decodeBlock(decoder, block), 'hpack.index-out-of-range', what);
  }
});

await t.test('§2.3.3 the last entry is in range, the one behind it is not', async (t) => {
  const decoder = new HpackDecoder(HPACK_LIMITS);
  decodeBlock(decoder, octets(literal(INDEXING, 'a', '1'), literal(INDEXING, 'b', '2')));
  t.strictSame(decodeBlock(decoder, indexed(63)), ['a', '1']);
  expectCompressionError(t, () => decodeBlock(decoder, indexed(64)), 'hpack.index-out-of-range');
});
