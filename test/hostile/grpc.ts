/** Attacks on the gRPC layer and on JavaScript's own weak places (security reference, section 3.4). */

import { gzipSync } from 'node:zlib';
import { data, END_STREAM, octets, rstStream, uint32 } from '../support/frame-factory.ts';
import { type Attack, type AttackContext, must } from './attack.ts';
import { Code, type Field, Grpc, message, oddId, Path, request, unaryCall } from './octets.ts';
import type { RawPeer } from './raw-peer.ts';
import { sleep } from './victim.ts';

const MIB = 2 ** 20;

function ended(peer: RawPeer, id: number): boolean {
  return peer.resets.has(id) || peer.responses.get(id)?.ended === true || peer.closed;
}

/** A call that must be answered with a status of its own, and the connection goes on. */
async function expectStatuses(
  { connect }: AttackContext,
  cases: readonly (readonly [
    what: string,
    call: (id: number) => Uint8Array,
    codes: readonly number[],
  ])[],
): Promise<void> {
  const peer = await connect();
  for (const [index, [what, call, codes]] of cases.entries()) {
    const id = oddId(index);
    peer.write(call(id));
    await peer.until(() => ended(peer, id), `the end of ${what}`);
    const status = peer.fieldOf(id, 'grpc-status');
    must(!peer.closed, `${what}: the connection was closed; ${peer.summary()}`);
    must(
      codes.map(String).includes(String(status)),
      `${what}: status ${status}, reset ${peer.resets.get(id)}, HTTP ${peer.fieldOf(id, ':status')}`,
    );
  }
  peer.write(unaryCall(1001, Path.ECHO, 'fine'));
  await peer.expectStatus(1001, Grpc.OK);
}

async function overLimitPrefix({ victim, connect }: AttackContext): Promise<void> {
  const peer = await connect();
  const before = await victim.report(true);
  for (const [index, length] of [4 * MIB + 1, 0xffffffff].entries()) {
    const id = oddId(index);
    peer.write(request(id, Path.ECHO), data(id, octets([0], uint32(length))));
    await peer.expectStatus(id, Grpc.RESOURCE_EXHAUSTED);
    await peer.expectReset(id, Code.NO_ERROR);
  }
  const report = await victim.report(true);
  must(report.octets - before.octets < MIB, 'something was kept for a message that never came');
  must(report.trips['message.too-large'] === 2, 'not counted');
  peer.write(unaryCall(101, Path.ECHO, 'fine'));
  await peer.expectStatus(101, Grpc.OK);
}

async function unreadTinyMessages({ victim, connect }: AttackContext): Promise<void> {
  const peer = await connect();
  const before = await victim.report(true);
  const many = new Uint8Array(5 * 1600);
  for (let i = 0; i < 100; i++) {
    const id = oddId(i);
    peer.write(request(id, Path.PARK), data(id, many));
  }
  await victim.until((report) => report.starts === 100, 'the calls');
  await sleep(100);
  const report = await victim.report(true);
  // 800 KB came, 160,000 messages; tiny messages must not cost more than their octets.
  must(report.octets - before.octets < 6 * MIB, `${report.octets - before.octets} octets held`);
  must(!peer.closed, 'a slow reader was punished');
}

/** One small DATA frame in every 64 KiB of other octets: what is held must not keep those in memory. */
async function pinnedReads({ victim, connect }: AttackContext): Promise<void> {
  const peer = await connect();
  peer.write(request(1, Path.PARK));
  await victim.until((report) => report.starts === 1, 'the call');
  const before = await victim.report(true);
  const filler = octets(
    request(3, '/no.Such/Method', { extra: [['x-fill', 'f'.repeat(15_000)]], endStream: true }),
  );
  const small = data(1, message('s'.repeat(300)));
  let id = 3;
  for (let i = 0; i < 600 && !peer.closed; i++) {
    for (let j = 0; j < 4; j++, id += 2) {
      // Only the stream id differs.
      filler.set(uint32(id), 5);
      peer.write(filler.slice());
    }
    if (!peer.write(small)) await new Promise((resolve) => peer.socket.once('drain', resolve));
  }
  await peer.until(() => ended(peer, id - 2), 'the last answer');
  const report = await victim.report(true);
  must(!peer.closed, `closed: ${peer.summary()}`);
  // 180 KiB of messages in 36 MiB of reads.
  must(report.octets - before.octets < 4 * MIB, `${report.octets - before.octets} octets held`);
}

function gzipped(streamId: number, content: Uint8Array): Uint8Array {
  return octets(
    request(streamId, Path.ECHO, { extra: [['grpc-encoding', 'gzip']] }),
    data(streamId, message(content, 1), END_STREAM),
  );
}

async function gzipBombs({ victim, connect }: AttackContext): Promise<void> {
  const whole = gzipSync(new Uint8Array(15 * MIB));
  // Cut off where it is over the limit long since.
  const cut = gzipSync(new Uint8Array(64 * MIB)).subarray(0, 15_900);
  const peer = await connect({ credits: true });
  for (let i = 0; i < 100; i++) peer.write(gzipped(oddId(i), i % 2 === 0 ? whole : cut));
  for (let i = 0; i < 100; i++) await peer.expectStatus(oddId(i), Grpc.RESOURCE_EXHAUSTED);
  must((await victim.report()).faults.length === 0, 'a fault');
}

async function brokenGzip({ victim, connect }: AttackContext): Promise<void> {
  const good = gzipSync('a message');
  const broken: readonly (readonly [what: string, content: Uint8Array])[] = [
    ['cut off', good.subarray(0, 10)],
    ['of a wrong checksum', octets(good.subarray(0, good.length - 6), 'wrong!')],
    ['with rubbish behind', octets(good, 'rubbish')],
    ['with nothing in it', new Uint8Array(0)],
    ['that is none', octets('no gzip at all')],
  ];
  const peer = await connect({ credits: true });
  for (let round = 0; round < 20; round++) {
    for (const [index, [, content]] of broken.entries()) {
      peer.write(gzipped(oddId(round * 10 + index), content));
    }
    for (const [index, [what]] of broken.entries()) {
      const id = oddId(round * 10 + index);
      await peer.until(() => ended(peer, id), `the end of gzip ${what}`);
      const status = peer.fieldOf(id, 'grpc-status');
      must(status === String(Grpc.INTERNAL), `gzip ${what}: status ${status}`);
    }
    // RFC 1952 §2.2: members one behind the other are one file.
    const id = oddId(round * 10 + 9);
    peer.write(gzipped(id, octets(good, good)));
    await peer.expectStatus(id, Grpc.OK);
  }
  must(!peer.closed, peer.summary());
  must((await victim.report()).faults.length === 0, 'a fault');
}

async function timeouts({ victim, connect }: AttackContext): Promise<void> {
  const peer = await connect();
  const malformed = ['', '1', 'S', '-1S', '1.5S', '1 S', '123456789S', '1x'];
  for (const [index, value] of malformed.entries()) {
    const id = oddId(index);
    peer.write(unaryCall(id, Path.ECHO, 'x', [['grpc-timeout', value]]));
    await peer.until(() => ended(peer, id), `the end with timeout "${value}"`);
    must(!peer.closed, `timeout "${value}" closed the connection`);
    const status = peer.fieldOf(id, 'grpc-status');
    must(status !== '0' || value === '', `timeout "${value}" was accepted`);
  }
  for (const [index, value] of ['0S', '1n'].entries()) {
    const id = oddId(20 + index);
    peer.write(unaryCall(id, Path.SLOW, 'x', [['grpc-timeout', value]]));
    await peer.until(() => ended(peer, id), `the end with timeout ${value}`);
    must(peer.fieldOf(id, 'grpc-status') !== '0', `timeout ${value} was answered OK`);
  }
  const huge = ['99999999H', '99999999M', '3000000S'];
  for (const [index, value] of huge.entries()) {
    const id = oddId(30 + index);
    peer.write(unaryCall(id, Path.SLOW, 'x', [['grpc-timeout', value]]));
    await peer.expectStatus(id, Grpc.OK);
  }
  peer.write(
    unaryCall(oddId(40), Path.ECHO, 'x', [
      ['grpc-timeout', '1S'],
      ['grpc-timeout', '2S'],
    ]),
  );
  await peer.until(() => ended(peer, oddId(40)), 'the end with two timeouts');
  must((await victim.report()).faults.length === 0, 'a fault');
}

const INHERITED = [
  '__proto__',
  'constructor',
  'tostring',
  'hasownproperty',
  'prototype',
  '0',
  '-1',
];

async function inheritedNames({ connect }: AttackContext): Promise<void> {
  const peer = await connect();
  for (const [index, name] of INHERITED.entries()) {
    const id = oddId(index);
    peer.write(unaryCall(id, Path.MIRROR, '', [[name, 'polluted']]));
    await peer.expectStatus(id, Grpc.OK);
    must(peer.fieldOf(id, name) === 'polluted', `${name} did not come back`);
  }
  const all: Field[] = Array.from({ length: 100 }, (_, i) => [String(i), `v${i}`]);
  peer.write(unaryCall(201, Path.MIRROR, '', all));
  await peer.expectStatus(201, Grpc.OK);
  must(peer.fieldOf(201, '99') === 'v99', 'an integer name did not come back');
}

/** Requests that are refused, each with a reset or the end of the connection right behind it (CVE-2026-48068). */
async function refusedAndGone({ victim, connect }: AttackContext): Promise<void> {
  const refused: readonly (readonly [Readonly<Record<string, string | null>>, string])[] = [
    [{ 'content-type': 'text/html' }, '415'],
    [{ 'content-type': 'application/grpcfoo' }, '415'],
    [{ 'content-type': null }, '415'],
    [{ ':method': 'GET' }, '405'],
  ];
  const peer = await connect();
  for (const [index, [replaced, http]] of refused.entries()) {
    const id = oddId(2 * index);
    peer.write(request(id, Path.ECHO, { replaced }));
    await peer.until(() => ended(peer, id), `HTTP ${http}`);
    must(peer.fieldOf(id, ':status') === http, `HTTP ${peer.fieldOf(id, ':status')}, not ${http}`);
    const reset = id + 2;
    peer.write(octets(request(reset, Path.ECHO, { replaced }), rstStream(reset, Code.CANCEL)));
  }
  peer.write(unaryCall(1001, Path.ECHO, 'fine'));
  await peer.expectStatus(1001, Grpc.OK);
  for (const [replaced] of refused) {
    for (let i = 0; i < 10; i++) {
      const gone = await connect();
      gone.write(request(1, Path.ECHO, { replaced }));
      gone.destroy();
    }
  }
  await sleep(100);
  must((await victim.report()).faults.length === 0, 'a fault');
}

async function statusMessages({ connect }: AttackContext): Promise<void> {
  const peer = await connect();
  const texts = [
    'x'.repeat(65_536),
    'a\r\nb: c',
    '100 %',
    '\u{1f600}'.repeat(3000),
    '\ud800 alone',
  ];
  for (const [index, text] of texts.entries()) {
    const id = oddId(index);
    const ascii = JSON.stringify(text).replace(
      /[\u007f-\uffff]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    const whole = message(ascii);
    peer.write(request(id, Path.STATUS));
    for (let at = 0; at < whole.length; at += 16_000) {
      const part = whole.subarray(at, at + 16_000);
      peer.write(data(id, part, at + 16_000 >= whole.length ? END_STREAM : 0));
    }
    await peer.expectStatus(id, Grpc.INTERNAL);
    const sent = peer.fieldOf(id, 'grpc-message') ?? '';
    must(sent.length <= 4096, `${sent.length} octets of grpc-message`);
    must(/^[ -~]*$/.test(sent), 'octets beyond visible ASCII in grpc-message');
    decodeURIComponent(sent);
  }
}

/** The attacks S80 … S99. */
export const grpcAttacks: readonly Attack[] = [
  { id: 'S80', title: 'message prefixes beyond the limit', quick: true, run: overLimitPrefix },
  { id: 'S82', title: '100 gzip bombs at once', peakOctets: 96 * MIB, run: gzipBombs },
  { id: 'S83', title: 'gzip that is broken in each way', quick: true, run: brokenGzip },
  {
    id: 'S84',
    title: 'compressed flag without encoding, unknown flags, unknown encodings',
    quick: true,
    run: (context) =>
      expectStatuses(context, [
        [
          'flag 1 without encoding',
          (id) => octets(request(id, Path.ECHO), data(id, message('x', 1), 1)),
          [13],
        ],
        ['flag 2', (id) => octets(request(id, Path.ECHO), data(id, message('x', 2), 1)), [13]],
        ['flag 255', (id) => octets(request(id, Path.ECHO), data(id, message('x', 255), 1)), [13]],
        ...['xyz', '__proto__', 'constructor'].map(
          (encoding) =>
            [
              `encoding ${encoding}`,
              (id: number) => unaryCall(id, Path.ECHO, 'x', [['grpc-encoding', encoding]]),
              [12],
            ] as const,
        ),
      ]),
  },
  { id: 'S85', title: 'tiny messages that nobody reads', run: unreadTinyMessages },
  {
    id: 'S85b',
    title: 'small messages that would keep large reads in memory',
    peakOctets: 64 * MIB,
    run: pinnedReads,
  },
  {
    id: 'S86',
    title: 'unary calls with no, two, half and late messages',
    quick: true,
    run: (context) =>
      expectStatuses(context, [
        ['no message', (id) => request(id, Path.ECHO, { endStream: true }), [12]],
        [
          'two messages',
          (id) => octets(request(id, Path.ECHO), data(id, octets(message('a'), message('b')), 1)),
          [12],
        ],
        [
          'half a message',
          (id) => octets(request(id, Path.ECHO), data(id, octets([0], uint32(10), 'abc'), 1)),
          [13],
        ],
      ]),
  },
  { id: 'S87', title: 'grpc-timeout of all kinds', quick: true, run: timeouts },
  {
    id: 'S88',
    title: 'binary metadata that is no base64',
    quick: true,
    run: (context) =>
      expectStatuses(context, [
        ...['!!!', 'a', '====', 'YQ==!', 'Y Q'].map(
          (value) =>
            [
              `bad value ${value}`,
              (id: number) => unaryCall(id, Path.ECHO, 'x', [['x-bin', value]]),
              [13],
            ] as const,
        ),
        ...['YQ==', 'YQ', 'YQ==,Yg', 'QUFB'.repeat(2000)].map(
          (value) =>
            [
              `good value ${value.slice(0, 10)}`,
              (id: number) => unaryCall(id, Path.ECHO, 'x', [['x-bin', value]]),
              [0],
            ] as const,
        ),
      ]),
  },
  {
    id: 'S89',
    title: 'metadata named like inherited properties',
    quick: true,
    run: inheritedNames,
  },
  {
    id: 'S90',
    title: 'a hundred integer-like names per block, again and again',
    async run({ victim, connect }) {
      const cpuOf = async (names: (i: number) => string): Promise<number> => {
        const peer = await connect();
        const before = (await victim.report()).cpuMs;
        for (let i = 0; i < 200; i++) {
          const fields: Field[] = Array.from({ length: 100 }, (_, j) => [names(i * 100 + j), 'v']);
          peer.write(unaryCall(oddId(i), Path.MIRROR, '', fields));
          await peer.expectStatus(oddId(i), Grpc.OK);
        }
        return (await victim.report()).cpuMs - before;
      };
      const words = await cpuOf((i) => `name-${i.toString(36)}-x`);
      // Multiples of 2^17 collide in a hash that keeps the low bits of an integer index.
      const integers = await cpuOf((i) => String((i % 30_000) * 131_072));
      must(integers < words * 4 + 500, `${integers} ms of CPU against ${words} for words`);
    },
  },
  { id: 'S91', title: 'refused requests that are reset at once', quick: true, run: refusedAndGone },
  {
    id: 'S92',
    title: 'reserved metadata from the client',
    async run({ connect }) {
      const peer = await connect();
      peer.write(
        unaryCall(1, Path.MIRROR, '', [
          ['grpc-status', '7'],
          ['grpc-message', 'injected'],
        ]),
      );
      await peer.expectStatus(1, Grpc.OK);
      must(peer.fieldOf(1, 'grpc-message') === undefined, 'grpc-message came back');
      const statuses = peer.responses
        .get(1)!
        .lists.flat()
        .filter((text) => text === 'grpc-status');
      must(statuses.length === 1, `${statuses.length} times grpc-status`);
    },
  },
  {
    id: 'S94',
    title: 'reflection and channelz are not there unasked',
    run: (context) =>
      expectStatuses(
        context,
        [
          '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
          '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
          '/grpc.channelz.v1.Channelz/GetServers',
        ].map((path) => [path, (id: number) => unaryCall(id, path), [12]] as const),
      ),
  },
  { id: 'S95', title: 'status messages of every kind', quick: true, run: statusMessages },
];
