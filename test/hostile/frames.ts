/** Attacks with control frames and framing (security reference, section 3.2). */

import { connect } from 'node:net';
import {
  ACK,
  continuation,
  data,
  END_STREAM,
  frame,
  head,
  headers,
  octets,
  PREFACE,
  paddedData,
  ping,
  priority,
  settings,
  settingsAck,
  uint16,
  uint32,
  windowUpdate,
} from '../support/frame-factory.ts';
import { block } from '../support/scripted-peer.ts';
import { type Attack, type AttackContext, must } from './attack.ts';
import { Code, Grpc, message, oddId, Path, request, requestFields, unaryCall } from './octets.ts';
import { sleep } from './victim.ts';

const MIB = 2 ** 20;
const PING = ping('8 octets');

/** Opens a connection, sends `attack` behind the greeting and expects GOAWAY. */
async function expectGoAway(
  { connect: open }: AttackContext,
  attack: readonly Uint8Array[],
  codes: number | readonly number[],
  text: string | null = null,
): Promise<void> {
  const peer = await open();
  peer.write(...attack);
  await peer.expectGoAway(codes, text);
}

/** A peer that never reads: the victim has to end it by itself. */
async function floodWithoutReading(
  { victim, connect: open }: AttackContext,
  make: (index: number) => Uint8Array,
  count: number,
): Promise<void> {
  const peer = await open({ reads: false });
  const flood = peer.flood(count, make);
  const report = await victim.until(
    ({ trips }) =>
      ['flooded', 'connection.write-stalled', 'too_many_glitches', 'too_many_pings'].some(
        (token) => (trips[token] ?? 0) > 0,
      ),
    'the end of a connection that does not read',
    40_000,
  );
  peer.socket.destroy();
  await flood;
  must(report.faults.length === 0, report.faults.join());
}

/** Sends one SETTINGS frame with `parameters`, cut at every octet, and sees that it is applied once and acknowledged once. */
async function splitSettings({ connect: open }: AttackContext): Promise<void> {
  const others = [
    [3, 50],
    [5, 20_000],
  ] as const;
  for (let position = 0; position <= others.length; position++) {
    const pairs: (readonly [number, number])[] = [...others];
    pairs.splice(position, 0, [4, 10]);
    const whole = settings(...pairs);
    const peer = await open();
    await peer.until(() => peer.count(4) >= 2, 'SETTINGS and the first ACK');
    for (let cut = 1; cut < whole.length; cut += 1) {
      const before = peer.count(4);
      peer.write(whole.subarray(0, cut));
      await sleep(1);
      peer.write(whole.subarray(cut));
      await peer.until(() => peer.count(4) > before, 'the ACK');
      must(peer.count(4) === before + 1, 'acknowledged more than once');
    }
    // A window of 10 lets 10 octets of the response through, no more.
    peer.write(unaryCall(1, Path.ECHO, 'a message of more than ten octets'));
    await peer.until(() => (peer.responses.get(1)?.octets ?? 0) >= 10, 'the first octets');
    await sleep(20);
    must(peer.responses.get(1)?.octets === 10, 'the window of 10 was not kept');
    peer.write(windowUpdate(1, 1000));
    await peer.expectStatus(1, Grpc.OK);
    peer.socket.destroy();
  }
}

async function tinyDataUnread({ victim, connect: open }: AttackContext): Promise<void> {
  const peer = await open();
  const streams = 100;
  for (let i = 0; i < streams; i++) peer.write(request(oddId(i), Path.PARK));
  await victim.until((report) => report.starts === streams, 'the calls');
  // One message of a MiB per stream that is never finished, octet by octet.
  for (let i = 0; i < streams; i++) {
    peer.write(data(oddId(i), octets([0], uint32(MIB))));
  }
  const sent = await peer.flood(400_000, (i) => data(oddId(i % streams), [1]));
  const report = await victim.report(true);
  if (!peer.closed) {
    must(report.octets < 64 * MIB, `${report.octets} octets for ${sent}`);
  } else await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'too_much_small_data');
}

async function tinyDataRead({ connect: open }: AttackContext): Promise<void> {
  const peer = await open();
  const size = 256 * 1024;
  peer.write(request(1, Path.COUNT), data(1, octets([0], uint32(size))));
  const one = Uint8Array.of(7);
  const sent = await peer.flood(size, () => data(1, one));
  must(sent === size, `closed after ${sent}: ${peer.summary()}`);
  peer.write(data(1, '', END_STREAM));
  await peer.expectStatus(1, Grpc.OK);
}

/** 300 KiB in frames of 5 octets and 255 of padding: every padding octet must come back to the windows. */
async function padding({ connect: open }: AttackContext): Promise<void> {
  const peer = await open();
  let window = 65_535;
  let connectionWindow = 65_535;
  peer.onFrame = ({ type, streamId, payload, flags }): void => {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    if (type === 8 && streamId === 0) connectionWindow += view.getUint32(0);
    else if (type === 8) window += view.getUint32(0);
    else if (type === 4 && (flags & ACK) === 0) {
      for (let at = 0; at < payload.length; at += 6) {
        if (view.getUint16(at) === 4) window += view.getUint32(at + 2) - 65_535;
      }
    }
  };
  await peer.until(() => peer.count(4) >= 2, 'SETTINGS');
  const whole = message(new Uint8Array(300 * 1024));
  peer.write(request(1, Path.COUNT));
  for (let at = 0; at < whole.length; ) {
    const part = whole.subarray(at, at + 5);
    const cost = part.length + 256;
    if (window < cost || connectionWindow < cost) {
      const before = peer.count(8);
      await peer.until(() => peer.count(8) > before, 'window credit');
      continue;
    }
    peer.write(paddedData(1, part, 255));
    window -= cost;
    connectionWindow -= cost;
    at += part.length;
  }
  peer.write(data(1, '', END_STREAM));
  await peer.expectStatus(1, Grpc.OK);
  // What was not announced yet is less than half of each window.
  must(connectionWindow > 1_048_576 / 2, `connection window ${connectionWindow} after the call`);
}

async function dataDribble({ victim, connect: open }: AttackContext): Promise<void> {
  const peer = await open();
  peer.write(settings([4, 1]));
  for (let i = 0; i < 20; i++) peer.write(unaryCall(oddId(i), Path.DOWNLOAD, '1 20000'));
  await victim.until((report) => report.starts === 20, 'the calls');
  for (let round = 0; round < 200; round++) {
    for (let i = 0; i < 20; i++) peer.write(windowUpdate(oddId(i), 1));
    await sleep(5);
  }
  await sleep(50);
  for (let i = 0; i < 20; i++) {
    const { octets: sent } = peer.responses.get(oddId(i))!;
    must(sent <= 201, `${sent} octets of 201 granted`);
  }
  must(!peer.closed, 'closed though every octet was wanted');
}

async function notReading({ victim, connect: open }: AttackContext): Promise<void> {
  const peer = await open({ reads: false });
  peer.write(settings([4, 0x7fffffff]), windowUpdate(0, 0x7fff0000));
  for (let i = 0; i < 100; i++) peer.write(unaryCall(oddId(i), Path.DOWNLOAD, '640 16384'));
  await victim.until((report) => report.starts >= 10, 'the calls');
  await sleep(500);
  const report = await victim.report(true);
  must(report.octets < 48 * MIB, `${report.octets} octets in the process`);
  await victim.until(
    ({ trips }) => (trips['connection.write-stalled'] ?? 0) > 0,
    'the write stall',
    30_000,
  );
}

async function preface({ victim, connect: open }: AttackContext): Promise<void> {
  const http1 = await open({ greet: false });
  http1.write(octets('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
  await http1.expectClosed();
  const clientHello = await open({ greet: false });
  clientHello.write(octets([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], new Uint8Array(400)));
  await clientHello.expectClosed();
  const wrongEnd = await open({ greet: false });
  wrongEnd.write(octets('PRI * HTTP/2.0\r\n\r\nSM\r\n\rX'));
  await wrongEnd.expectGoAway(Code.PROTOCOL_ERROR);
  const noSettings = await open({ greet: false });
  noSettings.write(PREFACE, PING);
  await noSettings.expectGoAway(Code.PROTOCOL_ERROR);
  const silent = await open({ greet: false });
  silent.write(PREFACE.subarray(0, 23));
  await silent.expectClosed(20_000);
  must((await victim.report()).faults.length === 0, 'a fault');
}

/** Sessions that are cut by TCP RST at every octet. */
async function abruptEnds({ victim }: AttackContext): Promise<void> {
  const fragment = block(...requestFields(Path.ECHO));
  const sessions = [
    octets(PREFACE, settings([4, 70_000]), settingsAck(), unaryCall(1, Path.ECHO, 'hello')),
    octets(
      PREFACE,
      settings(),
      headers(1, fragment.subarray(0, 20), 0),
      continuation(1, fragment.subarray(20)),
      data(1, message('x'), END_STREAM),
    ),
    octets(PREFACE, settings(), headers(1, [0x80]), PING),
    octets(PREFACE, settings(), windowUpdate(0, 0), unaryCall(1, Path.ECHO)),
    octets(
      PREFACE,
      settings(),
      request(1, Path.ECHO, { replaced: { 'content-type': 'text/html' } }),
    ),
  ];
  for (const session of sessions) {
    for (let cut = 0; cut <= session.length; cut += 1 + (cut % 3)) {
      const socket = connect({ port: victim.port, host: '127.0.0.1' });
      socket.on('error', () => {});
      await new Promise<void>((resolve) => socket.once('connect', resolve));
      socket.write(session.subarray(0, cut));
      if (cut % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
      socket.resetAndDestroy();
    }
  }
  await victim.until((report) => report.activeCalls <= 1, 'the end of the calls');
  must((await victim.report()).faults.length === 0, 'a fault');
}

async function settingsValues(context: AttackContext): Promise<void> {
  const cases: readonly (readonly [Uint8Array, number])[] = [
    [settings([2, 2]), Code.PROTOCOL_ERROR],
    [settings([4, 2 ** 31]), Code.FLOW_CONTROL_ERROR],
    [settings([5, 0]), Code.PROTOCOL_ERROR],
    [settings([5, 16_383]), Code.PROTOCOL_ERROR],
    [settings([5, 2 ** 24]), Code.PROTOCOL_ERROR],
    [frame(4, 0, 0, new Uint8Array(5)), Code.FRAME_SIZE_ERROR],
    [frame(4, ACK, 0, new Uint8Array(6)), Code.FRAME_SIZE_ERROR],
    [frame(4, 0, 1, uint16(3), uint32(1)), Code.PROTOCOL_ERROR],
  ];
  for (const [attack, code] of cases) await expectGoAway(context, [attack], code);
}

async function oversized(context: AttackContext): Promise<void> {
  for (const type of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x2a]) {
    // The header alone: nobody waits for the payload.
    const on = type === 4 || type === 6 || type === 7 ? 0 : 1;
    await expectGoAway(context, [head(16_385, type, 0, on)], Code.FRAME_SIZE_ERROR);
  }
  await expectGoAway(context, [head(0xffffff, 0, 0, 1), octets('drip')], Code.FRAME_SIZE_ERROR);
}

/** The attacks S20 … S46. */
export const frameAttacks: readonly Attack[] = [
  {
    id: 'S20',
    title: 'PING flood that never reads the answers',
    peakOctets: 24 * MIB,
    alone: true,
    run: (context) => floodWithoutReading(context, () => PING, 1_000_000),
  },
  {
    id: 'S21',
    title: 'PING flood without calls',
    quick: true,
    async run({ connect: open }) {
      const peer = await open();
      await peer.flood(20_000, () => PING);
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'too_many_pings');
      must(peer.count(6) <= 4, `${peer.count(6)} answers`);
    },
  },
  {
    id: 'S22',
    title: 'honest twin: a PING per 64 KiB of a download (BDP probes)',
    quick: true,
    async run({ connect: open }) {
      const peer = await open({ credits: true });
      peer.write(unaryCall(1, Path.DOWNLOAD, '1024 16379'));
      let pinged = 0;
      await peer.until(() => {
        const received = peer.responses.get(1)?.octets ?? 0;
        for (; pinged < Math.floor(received / 65_536); pinged++) peer.write(PING);
        return peer.responses.get(1)?.ended === true || peer.closed;
      }, 'the download');
      await peer.expectStatus(1, Grpc.OK);
      must(pinged >= 200, `only ${pinged} pings`);
    },
  },
  {
    id: 'S24',
    title: 'SETTINGS flood that never reads the answers',
    peakOctets: 24 * MIB,
    async run({ victim, connect: open }) {
      const peer = await open({ reads: false });
      await peer.flood(100_000, () => settings());
      await victim.until(({ trips }) => (trips['too_many_settings'] ?? 0) > 0, 'the verdict');
    },
  },
  {
    id: 'S25',
    title: 'one SETTINGS frame with 33 and with 2,700 entries',
    quick: true,
    async run(context) {
      for (const count of [33, 2700]) {
        const entries = Array.from({ length: count }, (_, i) => [0x10 + (i % 100), i] as const);
        await expectGoAway(context, [settings(...entries)], Code.ENHANCE_YOUR_CALM);
      }
    },
  },
  {
    id: 'S26',
    title: 'SETTINGS that flip the table size and the window, with 100 open streams',
    quick: true,
    async run({ victim, connect: open }) {
      const peer = await open();
      for (let i = 0; i < 100; i++) peer.write(request(oddId(i), Path.PARK));
      await victim.until((report) => report.starts === 100, 'the calls');
      const sent = await peer.flood(20_000, (i) =>
        settings([1, i % 2 === 0 ? 0 : 4096], [4, i % 2 === 0 ? 0 : 65_535]),
      );
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'too_many_settings');
      must(peer.count(4) <= 112, `${peer.count(4)} SETTINGS answered of ${sent}`);
    },
  },
  { id: 'S27', title: 'illegal SETTINGS', quick: true, run: settingsValues },
  { id: 'S28', title: 'SETTINGS cut at every octet', run: splitSettings },
  {
    id: 'S29',
    title: 'empty DATA flood',
    quick: true,
    async run({ connect: open }) {
      const peer = await open();
      peer.write(request(1, Path.COUNT));
      await peer.flood(10_000, () => data(1, ''));
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'too_many_empty_data');
    },
  },
  {
    id: 'S30',
    title: 'empty DATA spread over a hundred streams',
    async run({ connect: open }) {
      const peer = await open();
      for (let i = 0; i < 100; i++) peer.write(request(oddId(i), Path.COUNT));
      await peer.flood(10_000, (i) => data(oddId(i % 100), ''));
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'too_many_empty_data');
    },
  },
  { id: 'S31', title: 'octet by octet to an application that does not read', run: tinyDataUnread },
  { id: 'S32', title: 'honest twin: octet by octet to one that reads', run: tinyDataRead },
  { id: 'S33', title: '255 octets of padding on every 5 octets', run: padding },
  {
    id: 'S34',
    title: 'padding as long as the payload, and longer',
    quick: true,
    async run(context) {
      const open = request(1, Path.COUNT);
      await expectGoAway(context, [open, paddedData(1, 'abcd', 5, 0)], Code.PROTOCOL_ERROR);
      await expectGoAway(context, [open, paddedData(1, 'abcd', 200, 0)], Code.PROTOCOL_ERROR);
    },
  },
  {
    id: 'S35',
    title: 'frames longer than allowed, judged by their header',
    quick: true,
    run: oversized,
  },
  {
    id: 'S36',
    title: 'unknown frame types: one of each, then a flood',
    quick: true,
    async run({ connect: open }) {
      const peer = await open();
      for (let type = 0x0a; type <= 0xff; type++) peer.write(frame(type, 0xff, type % 5, 'what?'));
      peer.write(unaryCall(1, Path.ECHO, 'hello'));
      await peer.expectStatus(1, Grpc.OK);
      await peer.flood(100_000, () => frame(0x0b, 0, 0, 'x'));
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'too_many_glitches');
    },
  },
  {
    id: 'S37',
    title: 'PRIORITY flood with a dependency cycle and idle ids',
    async run({ connect: open }) {
      const peer = await open();
      await peer.flood(100_000, (i) => priority(oddId(i % 3), oddId((i + 1) % 3)));
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'too_many_glitches');
    },
  },
  {
    id: 'S38',
    title: 'WINDOW_UPDATE flood',
    async run({ connect: open }) {
      const peer = await open();
      peer.write(request(1, Path.COUNT));
      await peer.flood(100_000, () => windowUpdate(1, 1));
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'too_many_glitches');
    },
  },
  { id: 'S39', title: 'data dribble: windows opened octet by octet', run: dataDribble },
  {
    id: 'S39b',
    title: 'data dribble after the handlers are done',
    limits: { drainIntervalMs: 500, drainStallMs: 1500, streamWriteQuotaOctets: 10_000_000 },
    async run({ victim, connect: open }) {
      const peer = await open();
      peer.write(settings([4, 1]));
      for (let i = 0; i < 20; i++) peer.write(unaryCall(oddId(i), Path.DOWNLOAD, '1 20000'));
      const dribble = setInterval(() => {
        for (let i = 0; i < 20; i++) peer.write(windowUpdate(oddId(i), 1));
      }, 20);
      try {
        await peer.until(() => peer.resets.size === 20, 'the resets');
      } finally {
        clearInterval(dribble);
      }
      for (const code of peer.resets.values()) must(code === Code.CANCEL, `reset with ${code}`);
      const { trips } = await victim.report();
      must(trips['stream.drained-too-slowly'] === 20, 'not counted');
    },
  },
  {
    id: 'S40',
    title: 'windows wide open, TCP never read',
    peakOctets: 64 * MIB,
    alone: true,
    run: notReading,
  },
  {
    id: 'S40b',
    title: 'requests for missing methods whose answers are never read',
    peakOctets: 32 * MIB,
    alone: true,
    // So many that L1 does not end it.
    limits: { maxConcurrentStreams: 5000 },
    async run({ victim, connect: open }) {
      const peer = await open({ reads: false });
      let next = 0;
      const flood = (async (): Promise<void> => {
        while (next < 200_000 && !peer.closed) {
          const batch: Uint8Array[] = [];
          for (let i = 0; i < 80; i++, next++) {
            batch.push(
              request(oddId(next), `/no.Such/${next}${'m'.repeat(100)}`, { endStream: true }),
            );
          }
          if (!peer.write(...batch) && peer.socket.writableLength > MIB) await sleep(50);
          await sleep(1);
        }
      })();
      await victim.until(
        ({ trips }) => (trips['connection.write-stalled'] ?? 0) > 0,
        'the write stall',
        40_000,
      );
      peer.socket.destroy();
      await flood;
    },
  },
  { id: 'S41', title: 'wrong prefaces', run: preface },
  { id: 'S43', title: 'sessions cut by TCP RST at every octet', run: abruptEnds },
  {
    id: 'S44',
    title: 'two malformed frames in one segment: only the first counts',
    quick: true,
    async run({ connect: open }) {
      const peer = await open();
      peer.write(octets(windowUpdate(0, 0), frame(4, 0, 1, 'xxxxxx'), headers(0, [0x80])));
      await peer.expectGoAway(Code.PROTOCOL_ERROR, 'zero-increment');
      must(peer.goAways.length === 1, `${peer.goAways.length} GOAWAY frames`);
    },
  },
  {
    id: 'S45',
    title: 'connection window beyond 2^31-1, 500 connections in a row',
    async run({ connect: open }) {
      for (let i = 0; i < 500; i++) {
        const peer = await open();
        peer.write(windowUpdate(0, 0x7fffffff));
        await peer.expectGoAway(Code.FLOW_CONTROL_ERROR);
      }
    },
  },
  {
    id: 'S46',
    title: 'reads packed with frames that do nothing, within the budgets',
    async run({ victim, connect: open }) {
      const peer = await open();
      peer.write(request(1, Path.PARK));
      await victim.until((report) => report.starts === 1, 'the call');
      for (let burst = 0; burst < 4; burst++) {
        await peer.flood(2400, (i) => priority(oddId(i), 0));
        await sleep(300);
      }
      const report = await victim.report();
      must(!peer.closed, 'closed within the budget');
      must(report.stallMs < 500, `the event loop stood still for ${report.stallMs} ms`);
    },
  },
];
