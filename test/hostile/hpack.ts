/** Attacks with header blocks and HPACK (security reference, section 3.3). */

import {
  continuation,
  data,
  END_HEADERS,
  END_STREAM,
  headers,
  octets,
  ping,
  settings,
  windowUpdate,
} from '../support/frame-factory.ts';
import { block } from '../support/scripted-peer.ts';
import { type Attack, type AttackContext, must } from './attack.ts';
import {
  Code,
  type Field,
  Grpc,
  hpackInteger,
  indexedLiteral,
  message,
  oddId,
  Path,
  references,
  request,
  requestFields,
  unaryCall,
} from './octets.ts';
import type { RawPeer } from './raw-peer.ts';
import { sleep } from './victim.ts';

const MIB = 2 ** 20;
/** The index of the newest dynamic entry. */
const NEWEST = 62;

/** A request block whose fields are `fields`, with raw octets behind them. */
function rawRequest(streamId: number, ...more: readonly Uint8Array[]): Uint8Array {
  return headers(streamId, octets(block(...requestFields(Path.ECHO)), ...more));
}

async function expectOnly(
  { connect }: AttackContext,
  attack: readonly Uint8Array[],
  codes: number | readonly number[],
): Promise<void> {
  const peer = await connect();
  peer.write(...attack);
  await peer.expectGoAway(codes);
}

/** Sends a call that must be refused by itself, RST_STREAM or a status, and one after it that must be served. */
async function expectBadCall(
  peer: RawPeer,
  streamId: number,
  attack: Uint8Array,
  what: string,
): Promise<void> {
  peer.write(attack, data(streamId, message('x'), END_STREAM));
  await peer.until(
    () => peer.resets.has(streamId) || peer.responses.get(streamId)?.ended === true || peer.closed,
    `the end of ${what}`,
  );
  must(!peer.closed, `${what}: the connection was closed; ${peer.summary()}`);
  const status = peer.fieldOf(streamId, 'grpc-status');
  const http = peer.fieldOf(streamId, ':status');
  const refused =
    peer.resets.get(streamId) === Code.PROTOCOL_ERROR ||
    (status !== undefined && status !== '0') ||
    (http !== undefined && http !== '200');
  must(refused, `${what}: served (${status}, HTTP ${http})`);
}

/** Malformed requests one after the other on few connections; each fails alone. */
async function expectEachBad(
  { connect }: AttackContext,
  cases: readonly (readonly [what: string, fields: readonly Field[]])[],
): Promise<void> {
  let peer = await connect();
  let next = 0;
  for (const [what, fields] of cases) {
    // The budget of L4 is not what is tested here.
    if (next > 0 && next % 100 === 0) peer = await connect();
    const id = oddId(next % 100);
    next += 1;
    await expectBadCall(peer, id, headers(id, block(...fields)), what);
  }
  peer.write(unaryCall(1001, Path.ECHO, 'fine'));
  await peer.expectStatus(1001, Grpc.OK);
}

function without(name: string): Field[] {
  return requestFields(Path.ECHO, { [name]: null });
}

function withExtra(...extra: Field[]): Field[] {
  return requestFields(Path.ECHO, {}, extra);
}

const PSEUDO: readonly (readonly [string, readonly Field[]])[] = [
  ...[':method', ':scheme', ':path'].map((name) => [`without ${name}`, without(name)] as const),
  ...[':method', ':scheme', ':path', ':authority'].map(
    (name) => [`two ${name}`, [[name, 'x'], ...requestFields(Path.ECHO)] as Field[]] as const,
  ),
  ['unknown :foo', [[':foo', 'x'], ...requestFields(Path.ECHO)]],
  ['pseudo-header behind a regular one', [...without(':path'), [':path', Path.ECHO]]],
  [':status in a request', [[':status', '200'], ...requestFields(Path.ECHO)]],
  ['empty :path', requestFields('')],
];

const CONNECTION_FIELDS: readonly Field[] = [
  ['connection', 'close'],
  ['keep-alive', '1'],
  ['proxy-connection', 'close'],
  ['upgrade', 'h2c'],
  ['transfer-encoding', 'chunked'],
  ['te', 'gzip'],
];

const BAD_FIELDS: readonly Field[] = [
  ['x-cr', 'a\rb'],
  ['x-lf', 'a\nb'],
  ['x-nul', 'a\0b'],
  ['x-space', ' a'],
  ['x-tab', 'a\t'],
  ['X-Upper', 'a'],
  ['x y', 'a'],
  ['x:y', 'a'],
  ['x\x80y', 'a'],
  ['', 'a'],
];

const ODD_PATHS: readonly string[] = [
  'test.Echo/Unary',
  '*',
  '//test.Echo/Unary',
  '/test.Echo/Unary/',
  '/test.Echo/Unary?x',
  '/test.echo/unary',
  '/test.Echo%2FUnary',
  'http://h/test.Echo/Unary',
  '/test.Echo/\x01Unary',
  `/${'a'.repeat(8192)}`,
  '/t\xe9st.Echo/Unary',
  '/__proto__/x',
  '/test.Echo/constructor',
  '/hasOwnProperty',
  '/',
];

async function http2Bomb({ victim, connect }: AttackContext): Promise<void> {
  const before = await victim.report(true);
  const connections = 10;
  for (let c = 0; c < connections; c++) {
    const peer = await connect();
    peer.write(settings([4, 0]));
    for (let i = 0; i < 100 && !peer.closed; i++) {
      const bomb = octets(
        block(...requestFields(Path.ECHO)),
        i === 0 ? indexedLiteral('a', '') : [],
        references(NEWEST, 16_000),
      );
      // 65 KiB decoded and more: beyond four times L5 the block ends the connection; below it the call.
      peer.write(headers(oddId(i), bomb.subarray(0, 1800)), windowUpdate(oddId(i), 1));
    }
    await peer.until(
      () => peer.closed || peer.responses.size + peer.resets.size >= 99,
      'the verdicts',
    );
  }
  await sleep(100);
  const after = await victim.report(true);
  const each = (after.octets - before.octets) / connections;
  must(each <= MIB, `${each} octets per connection`);
}

async function overLimitThenReference({ connect }: AttackContext): Promise<void> {
  const peer = await connect();
  const big = octets(
    block(...requestFields(Path.MIRROR)),
    block(['x-big', 'b'.repeat(12_000)], ['x-big', 'c'.repeat(8000)]),
    indexedLiteral('x-kept', 'in step'),
  );
  // 20 KiB, over L5; sent in two frames.
  peer.write(headers(1, big.subarray(0, 16_000), 0), continuation(1, big.subarray(16_000)));
  peer.write(data(1, message(), END_STREAM));
  await peer.expectStatus(1, Grpc.RESOURCE_EXHAUSTED);
  peer.write(headers(3, octets(block(...requestFields(Path.MIRROR)), [0x80 | NEWEST])));
  peer.write(data(3, message(), END_STREAM));
  await peer.expectStatus(3, Grpc.OK);
  must(peer.fieldOf(3, 'x-kept') === 'in step', 'the table went out of step');
}

async function tablePoisoning({ connect }: AttackContext): Promise<void> {
  const bad: readonly Field[] = [
    ['te', 'x'],
    ['X-Upper', 'v'],
    ['x-bad-bin', '!!!'],
  ];
  for (const [name, value] of bad) {
    const peer = await connect();
    const first = octets(
      block(...requestFields(Path.MIRROR)),
      indexedLiteral('x-before', 'one'),
      indexedLiteral(name, value),
      indexedLiteral('x-after', 'two'),
    );
    await expectBadCall(peer, 1, headers(1, first), `${name}: ${value}`);
    // Newest first: x-after, the bad one, x-before.
    peer.write(headers(3, octets(block(...requestFields(Path.MIRROR)), [0x80 | 62, 0x80 | 64])));
    peer.write(data(3, message(), END_STREAM));
    await peer.expectStatus(3, Grpc.OK);
    must(peer.fieldOf(3, 'x-before') === 'one', 'the neighbour before is wrong');
    must(peer.fieldOf(3, 'x-after') === 'two', 'the neighbour behind is wrong');
    await expectBadCall(
      peer,
      5,
      headers(5, octets(block(...requestFields(Path.MIRROR)), [0x80 | 63])),
      `the entry of ${name} by reference`,
    );
  }
}

async function octetByOctet({ victim, connect }: AttackContext): Promise<void> {
  const peer = await connect();
  const fields = Array.from({ length: 60 }, (_, i) => [`x-${i}`, 'v'.repeat(200)] as const);
  const whole = headers(1, block(...requestFields(Path.ECHO), ...fields));
  const before = await victim.report();
  for (let at = 0; at < whole.length; at++) {
    peer.write(whole.subarray(at, at + 1));
    if (at % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  peer.write(data(1, message('x'), END_STREAM));
  await peer.expectStatus(1, Grpc.OK);
  const after = await victim.report();
  // 13,000 reads at 100 us each; a decoder that began anew at each would take minutes.
  must(after.cpuMs - before.cpuMs < 5000, `${after.cpuMs - before.cpuMs} ms of CPU`);
}

/** The attacks S50 … S72. */
export const hpackAttacks: readonly Attack[] = [
  {
    id: 'S50',
    title: 'CONTINUATION flood of 16 KiB frames',
    quick: true,
    peakOctets: 8 * MIB,
    async run({ connect }) {
      const peer = await connect();
      peer.write(headers(1, block(...requestFields(Path.ECHO)), 0));
      const text = new Uint8Array(16_384).fill(0x84);
      await peer.flood(10_000, () => continuation(1, text, 0));
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'frame.(continuation|header-block)');
    },
  },
  {
    id: 'S50b',
    title: 'CONTINUATION flood of one octet each',
    async run({ connect }) {
      const peer = await connect();
      peer.write(headers(1, [], 0));
      await peer.flood(10_000, () => continuation(1, [0x82], 0));
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'frame.continuation.too-many');
    },
  },
  {
    id: 'S51',
    title: 'CONTINUATION flood of empty frames',
    quick: true,
    async run({ connect }) {
      const peer = await connect();
      peer.write(headers(1, [0x82], 0));
      await peer.flood(10_000, () => continuation(1, [], 0));
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'frame.continuation.too-many-empty');
    },
  },
  {
    id: 'S52',
    title: 'a header block that never ends, slowly',
    limits: { headerBlockTimeoutMs: 1000 },
    async run({ connect }) {
      const peer = await connect();
      peer.write(headers(1, [0x82], 0));
      await sleep(600);
      peer.write(continuation(1, [0x82], 0));
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'headers.block-timeout');
    },
  },
  {
    id: 'S53',
    title: 'CONTINUATION out of place',
    quick: true,
    async run(context) {
      const open = headers(1, [0x82], 0);
      await expectOnly(context, [continuation(1, [0x82])], Code.PROTOCOL_ERROR);
      await expectOnly(context, [open, continuation(3, [0x82])], Code.PROTOCOL_ERROR);
      await expectOnly(context, [open, ping('8 octets')], Code.PROTOCOL_ERROR);
    },
  },
  {
    id: 'S55',
    title: 'HPACK bomb: 4,000 octets, 16,000 references',
    quick: true,
    peakOctets: 16 * MIB,
    async run({ connect }) {
      const peer = await connect();
      for (let i = 0; i < 100 && !peer.closed; i++) {
        peer.write(
          rawRequest(
            oddId(i),
            i === 0 ? indexedLiteral('x-bomb', 'b'.repeat(4000)) : new Uint8Array(0),
            references(NEWEST, 10_000),
          ),
        );
      }
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'hpack.header-list-too-large');
    },
  },
  { id: 'S56', title: 'HTTP/2 Bomb: references to an empty field', quick: true, run: http2Bomb },
  {
    id: 'S57',
    title: 'too many fields in trailers',
    async run({ connect }) {
      const peer = await connect();
      const many = Array.from({ length: 200 }, (_, i) => [`x-${i}`, ''] as const);
      peer.write(request(1, Path.COUNT), headers(1, block(...many), END_HEADERS | END_STREAM));
      await peer.until(
        () => peer.resets.has(1) || peer.responses.get(1)?.ended === true,
        'the end of the call',
      );
      peer.write(unaryCall(3, Path.ECHO, 'fine'));
      await peer.expectStatus(3, Grpc.OK);
    },
  },
  {
    id: 'S58',
    title: 'ten thousand fields with empty name and value',
    async run({ connect }) {
      const peer = await connect();
      const empty = new Uint8Array(3 * 480);
      peer.write(rawRequest(1, empty));
      await peer.until(
        () => peer.closed || peer.resets.has(1) || peer.responses.get(1)?.ended === true,
        'the refusal',
      );
      peer.write(rawRequest(3, new Uint8Array(3 * 5000)));
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM);
    },
  },
  {
    id: 'S59',
    title: 'an over-limit block with table entries, then a call that uses them',
    quick: true,
    run: overLimitThenReference,
  },
  { id: 'S60', title: 'invalid fields in the table', quick: true, run: tablePoisoning },
  {
    id: 'S61',
    title: 'integers that are too long',
    async run(context) {
      const sixOctets = octets([0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
      const zeros = octets([0xff], new Uint8Array(1000).fill(0x80), [0x01]);
      for (const attack of [sixOctets, zeros]) {
        await expectOnly(context, [headers(1, attack)], Code.COMPRESSION_ERROR);
        const split = [headers(1, attack.subarray(0, 2), 0), continuation(1, attack.subarray(2))];
        await expectOnly(context, split, Code.COMPRESSION_ERROR);
      }
      // A string of 4 GiB that is announced, not sent.
      const huge = octets([0x00, 0x01], 'x', hpackInteger(0xffffffff, 7));
      await expectOnly(context, [headers(1, huge)], Code.COMPRESSION_ERROR);
    },
  },
  {
    id: 'S63',
    title: 'Huffman: EOS, long padding, zero padding, costly symbols',
    async run(context) {
      const literal = (coded: readonly number[]): Uint8Array =>
        headers(1, octets([0x00, 0x01], 'x', hpackInteger(coded.length, 7, 0x80), coded));
      const eos = [0xff, 0xff, 0xff, 0xff];
      // '0' is 00000: three bits of padding are due, and must be ones.
      for (const coded of [eos, [0x07, 0xff], [0x00]]) {
        await expectOnly(context, [literal(coded)], Code.COMPRESSION_ERROR);
      }
      const peer = await context.connect();
      // The 30-bit code of LF four times, 15 octets, over and over: refused as a value, but decoded in linear time.
      const four: number[] = [];
      let bits = '';
      for (let i = 0; i < 4; i++) bits += (0x3ffffffc).toString(2).padStart(30, '0');
      for (let i = 0; i < bits.length; i += 8) four.push(Number.parseInt(bits.slice(i, i + 8), 2));
      const coded = Array.from({ length: 1000 }, () => four).flat();
      const costly = octets([0x00, 0x01], 'x', hpackInteger(coded.length, 7, 0x80), coded);
      await expectBadCall(peer, 1, rawRequest(1, costly), 'LF in Huffman');
    },
  },
  {
    id: 'S64',
    title: 'indexes and size updates out of range',
    quick: true,
    async run(context) {
      const fragments = [
        [0x80],
        [0x80 | 62],
        hpackInteger(4097, 5, 0x20),
        [0x82, 0x20],
        [0x20, 0x20, 0x20, 0x82],
      ];
      for (const fragment of fragments) {
        await expectOnly(context, [headers(1, fragment)], Code.COMPRESSION_ERROR);
      }
    },
  },
  { id: 'S65', title: 'a header block octet by octet', run: octetByOctet },
  {
    id: 'S66',
    title: 'malformed pseudo-headers',
    quick: true,
    run: (context) => expectEachBad(context, PSEUDO),
  },
  {
    id: 'S68',
    title: 'odd paths find nothing and break nothing',
    quick: true,
    run: (context) =>
      expectEachBad(
        context,
        ODD_PATHS.map((path) => [`path ${path.slice(0, 40)}`, requestFields(path)] as const),
      ),
  },
  {
    id: 'S69',
    title: 'authority missing, twice, contradicting, with user information',
    async run(context) {
      await expectEachBad(context, [
        ['two :authority', [[':authority', 'a'], ...requestFields(Path.ECHO)]],
        ['user information', requestFields(Path.ECHO, { ':authority': 'user@host' })],
      ]);
      const peer = await context.connect();
      peer.write(headers(1, block(...without(':authority'))), data(1, message('x'), END_STREAM));
      await peer.until(
        () => peer.resets.has(1) || peer.responses.get(1)?.ended === true,
        'an answer without authority',
      );
      const host: Field[] = [...requestFields(Path.ECHO), ['host', 'other']];
      peer.write(headers(3, block(...host)), data(3, message('x'), END_STREAM));
      await peer.until(
        () => peer.resets.has(3) || peer.responses.get(3)?.ended === true,
        'an answer with two hosts',
      );
    },
  },
  {
    id: 'S70',
    title: 'connection-specific fields, in headers and in trailers',
    async run(context) {
      await expectEachBad(
        context,
        CONNECTION_FIELDS.map((field) => [field.join(': '), withExtra(field)] as const),
      );
      const peer = await context.connect();
      for (const [index, field] of CONNECTION_FIELDS.entries()) {
        const id = oddId(index);
        peer.write(request(id, Path.COUNT));
        peer.write(headers(id, block(field), END_HEADERS | END_STREAM));
        await peer.expectReset(id, Code.PROTOCOL_ERROR);
      }
    },
  },
  {
    id: 'S71',
    title: 'content-length that is not the length',
    async run(context) {
      const peer = await context.connect();
      const lengths = ['5', '7', '+6', '6,6', '6'.repeat(40), '-1', ''];
      for (const [index, value] of lengths.entries()) {
        const fields = withExtra(['content-length', value]);
        await expectBadCall(
          peer,
          oddId(index),
          headers(oddId(index), block(...fields)),
          `content-length ${value}`,
        );
      }
      const id = oddId(50);
      const fields = withExtra(['content-length', '5']);
      peer.write(headers(id, block(...fields), END_HEADERS | END_STREAM));
      await peer.expectReset(id, Code.PROTOCOL_ERROR);
    },
  },
  {
    id: 'S72',
    title: 'names and values with illegal octets',
    quick: true,
    async run(context) {
      await expectEachBad(
        context,
        BAD_FIELDS.map((field) => [JSON.stringify(field), withExtra(field)] as const),
      );
      // Legal, if odd, and mirrored by a careless application: the answer must be legal too.
      const peer = await context.connect();
      peer.write(
        unaryCall(1, Path.MIRROR, '', [
          ['x-odd', 'a\xe9\x7f'.slice(0, 2)],
          ['x-ok', 'v'],
        ]),
      );
      await peer.until(
        () => peer.resets.has(1) || peer.responses.get(1)?.ended === true,
        'the mirrored call',
      );
      for (const list of peer.responses.get(1)?.lists ?? []) {
        for (const text of list)
          must(!/[\0\r\n]/.test(text), `illegal field ${JSON.stringify(text)}`);
      }
    },
  },
];
