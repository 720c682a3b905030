/**
 * Attacks on what looks on or stands aside: routing that others may see differently, the protobuf codec, the log, file descriptors
 * (security reference S67, S93, S99, S102).
 */

import { connect, type Socket } from 'node:net';
import { data, END_STREAM, octets, uint32 } from '../support/frame-factory.ts';
import { type Attack, type AttackContext, must } from './attack.ts';
import { Grpc, oddId, Path, request, unaryCall } from './octets.ts';
import { sleep } from './victim.ts';

/** A field of wire type 2. */
function field(number: number, ...parts: readonly (string | Uint8Array | number[])[]): Uint8Array {
  const content = octets(...parts);
  return octets([number * 8 + 2], varint(content.length), content);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [128 + (value % 128), ...varint(Math.floor(value / 128))];
}

function nested(depth: number): Uint8Array {
  const heads: number[][] = [];
  for (let level = 0, length = 0; level < depth; level++) {
    heads.push([0x0a, ...varint(length)]);
    length += heads.at(-1)!.length;
  }
  return octets(...heads.reverse());
}

async function protobufBombs({ victim, connect: open }: AttackContext): Promise<void> {
  const peer = await open({ credits: true });
  const cases: readonly (readonly [string, Uint8Array, number])[] = [
    ['21 KB of start-group tags', new Uint8Array(21_504).fill(0x0b), Grpc.INTERNAL],
    ['messages 101 deep', nested(101), Grpc.INTERNAL],
    ['messages 3,000 deep', nested(3000), Grpc.INTERNAL],
    ['messages 100 deep', nested(100), Grpc.OK],
    [
      'map keys of Object.prototype',
      octets(
        ...['__proto__', 'constructor', 'toString', 'valueOf', 'hasOwnProperty'].map((key) =>
          field(2, field(1, key), field(2, 'polluted')),
        ),
      ),
      Grpc.OK,
    ],
    ['overlong UTF-8', field(3, [0xc0, 0xaf]), Grpc.INTERNAL],
    ['a surrogate in UTF-8', field(3, [0xed, 0xa0, 0x80]), Grpc.INTERNAL],
    ['a varint of eleven octets', octets([0x20], new Array(11).fill(0xff), [1]), Grpc.INTERNAL],
    ['a length beyond the message', octets([0x2a], varint(2 ** 31 - 1), 'x'), Grpc.INTERNAL],
    ['a length of 2^32', octets([0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f], 'x'), Grpc.INTERNAL],
    ['wire type 7', octets([0x0f]), Grpc.INTERNAL],
    ['field number 0', octets([0x00, 0x01]), Grpc.INTERNAL],
    ['100,000 packed zeros', field(4, new Uint8Array(100_000)), Grpc.OK],
  ];
  for (const [index, [what, content, code]] of cases.entries()) {
    const id = oddId(index);
    // Not by `octets`: its lists of a million numbers would hold up the bystander, which lives in this process.
    const whole = Buffer.concat([octets([0], uint32(content.length)), content]);
    peer.write(request(id, Path.PROTO));
    for (let at = 0; at < whole.length; at += 16_384) {
      const part = whole.subarray(at, at + 16_384);
      peer.write(data(id, part, at + part.length === whole.length ? END_STREAM : 0));
      await peer.until(() => true, 'a turn');
    }
    await peer.until(
      () => peer.responses.get(id)?.ended === true || peer.closed,
      `the answer to ${what}`,
    );
    const status = peer.fieldOf(id, 'grpc-status');
    must(status === String(code), `${what}: status ${status}, wanted ${code}`);
  }
  peer.write(unaryCall(1001, Path.MIRROR, ''));
  await peer.expectStatus(1001, Grpc.OK);
  must((await victim.report()).faults.length === 0, 'a fault');
}

/** S67, S93, S99 and S102. */
export const observerAttacks: readonly Attack[] = [
  {
    // CVE-2026-33186: the rule of an interceptor that denies /hostile.Guarded/Secret must not be passed by another spelling of the path.
    id: 'S67',
    title: 'a path without its slash, or with one too many, passes no interceptor that denies',
    quick: true,
    async run({ victim, connect: open }) {
      const peer = await open();
      const paths = [
        'hostile.Guarded/Secret',
        '//hostile.Guarded/Secret',
        '/hostile.Guarded//Secret',
        '/hostile.Guarded/Secret/',
        '/hostile.Guarded/Secret?x',
        'http://h/hostile.Guarded/Secret',
        '',
      ];
      for (const [index, path] of paths.entries()) {
        const id = oddId(index);
        peer.write(unaryCall(id, path, 'x'));
        await peer.until(
          () => peer.responses.get(id)?.ended === true || peer.resets.has(id) || peer.closed,
          `the end of ${path}`,
        );
        must(
          peer.resets.has(id) || peer.fieldOf(id, 'grpc-status') === '12',
          `${path}: ${peer.fieldOf(id, 'grpc-status')}`,
        );
      }
      must(!peer.closed, 'the connection was closed');
      const before = await victim.report();
      must(before.starts === 0 && before.intercepted === 0, 'a handler or an interceptor ran');
      peer.write(unaryCall(1001, '/hostile.Guarded/Secret', 'x'));
      await peer.expectStatus(1001, Grpc.PERMISSION_DENIED);
      const after = await victim.report();
      must(after.starts === 0, 'the handler ran');
      must(after.intercepted === 1, `${after.intercepted} interceptors ran`);
    },
  },
  { id: 'S93', title: 'protobuf bombs', run: protobufBombs },
  {
    id: 'S99',
    title: 'secrets and line ends in traced headers',
    environment: { PUREWIRE_TRACE: 'frames' },
    // A line per frame is what was asked for.
    logLines: 1e6,
    async run({ victim, connect: open }) {
      const peer = await open();
      const secrets = ['Bearer s3cr3t-one', 'c00kie-two', 'k3y-three'] as const;
      peer.write(
        unaryCall(1, Path.MIRROR, '', [
          ['authorization', secrets[0]],
          ['cookie', secrets[1]],
          ['x-api-key', secrets[2]],
          ['x-token-bin', 'czNjcjN0LWZvdXI='],
          ['x-escape', '\u001b[2Jforged'],
        ]),
        request(3, Path.ECHO, { extra: [['x-line', 'a\r\n[forged] client#1 line']] }),
        unaryCall(5, Path.ECHO, 'fine'),
      );
      await peer.expectStatus(5, Grpc.OK);
      await victim.until(() => victim.stderr.includes('x-api-key'), 'the trace');
      for (const secret of [...secrets, 'czNjcjN0LWZvdXI=']) {
        must(!victim.stderr.includes(secret), `${secret} is in the trace`);
      }
      must(!/^\[forged\]/m.test(victim.stderr), 'a line was forged');
      must(!victim.stderr.includes('\u001b'), 'an escape sequence got through');
    },
  },
  {
    id: 'S102',
    title: 'more connections than the process has file descriptors',
    maxFiles: 160,
    async run({ victim, connect: open }) {
      const before = (await victim.report()).cpuMs;
      const sockets: Socket[] = [];
      for (let i = 0; i < 400; i++) {
        const socket = connect({ port: victim.port, host: '127.0.0.1' });
        socket.on('error', () => {});
        socket.resume();
        sockets.push(socket);
        if (i % 50 === 49) await sleep(20);
      }
      await sleep(2000);
      const during = await victim.report();
      // A server that spins on EMFILE takes the whole of both seconds.
      must(during.cpuMs - before < 1000, `${during.cpuMs - before} ms of CPU without descriptors`);
      must(during.acceptFaults <= 4, `${during.acceptFaults} faults reported`);
      for (const socket of sockets) socket.destroy();
      await victim.until((report) => report.connections <= 1, 'the end of the connections');
      const peer = await open();
      peer.write(unaryCall(1, Path.ECHO, 'fine'));
      await peer.expectStatus(1, Grpc.OK);
    },
  },
];
