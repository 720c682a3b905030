/** Attacks on the life of streams: resets, refusals, ids (security reference, section 3.1). */

import {
  data,
  frame,
  headers,
  octets,
  ping,
  priority,
  rstStream,
  settings,
  windowUpdate,
} from '../support/frame-factory.ts';
import { block } from '../support/scripted-peer.ts';
import { type Attack, type AttackContext, must } from './attack.ts';
import {
  Code,
  type Field,
  Grpc,
  oddId,
  Path,
  request,
  requestFields,
  unaryCall,
} from './octets.ts';
import type { RawPeer } from './raw-peer.ts';

/** Handlers that may start before the budget of resets is spent: bucket, refill of a slow machine, the slots. */
const MOST_STARTS = 1100;

async function rapidReset(
  { victim, connect }: AttackContext,
  extra: readonly Field[] = [],
): Promise<void> {
  const peer = await connect();
  await peer.flood(20_000, (i) =>
    octets(unaryCall(oddId(i), Path.SLOW, '', extra), rstStream(oddId(i), Code.CANCEL)),
  );
  await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'too_many_(early_)?resets');
  const report = await victim.report();
  must(report.mostRunning <= 100, `${report.mostRunning} handlers at once`);
  must(report.starts <= MOST_STARTS, `${report.starts} handlers started`);
}

/** Streams that `rapidResetAcrossReads` keeps open. */
const OPEN_STREAMS = 20;

/** HEADERS and the reset in segments of their own, so that handlers do start. Returns how many did. */
async function rapidResetAcrossReads(
  { victim, connect }: AttackContext,
  count: number,
  extra: readonly Field[] = [],
): Promise<number> {
  const peer = await connect();
  for (let i = 0; i < count && !peer.closed; i++) {
    peer.write(unaryCall(oddId(i), Path.SLOW, '', extra));
    if (i >= OPEN_STREAMS) peer.write(rstStream(oddId(i - OPEN_STREAMS), Code.CANCEL));
    if (i % OPEN_STREAMS === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'too_many_(early_)?resets');
  const report = await victim.report();
  must(report.mostRunning <= 100, `${report.mostRunning} handlers at once`);
  return report.starts;
}

async function plainResetAcrossReads(context: AttackContext): Promise<void> {
  const starts = await rapidResetAcrossReads(context, 2500);
  must(starts <= MOST_STARTS, `${starts} handlers started`);
}

async function timedResetAcrossReads(context: AttackContext): Promise<void> {
  const startMs = performance.now();
  const starts = await rapidResetAcrossReads(context, 20_000, [['grpc-timeout', '1H']]);
  // Beyond the budget a stream pays for one start by being open for ten milliseconds.
  const paid = (OPEN_STREAMS * (performance.now() - startMs)) / 10;
  must(starts <= MOST_STARTS + paid, `${starts} handlers started, ${paid} were paid for`);
}

async function handlerLeak({ victim, connect }: AttackContext): Promise<void> {
  const peer = await connect();
  for (let i = 0; i < 100; i++) peer.write(unaryCall(oddId(i), Path.NEVER));
  await victim.until((report) => report.starts === 100, '100 handlers');
  for (let i = 0; i < 100; i++) peer.write(rstStream(oddId(i), Code.CANCEL));
  await victim.until((report) => report.aborted === 100, '100 aborts');
  for (let i = 100; i < 300; i++) peer.write(unaryCall(oddId(i), Path.NEVER));
  await peer.until(() => peer.resets.size >= 100, 'the refusals');
  const report = await victim.report();
  must(report.mostRunning === 100, `${report.mostRunning} handlers at once`);
  must(report.waitingCalls === 100, `${report.waitingCalls} calls wait`);
  for (const [id, code] of peer.resets) {
    must(code === Code.REFUSED_STREAM, `stream ${id} was reset with ${code}`);
  }
  await victim.tell({ type: 'settleNever' });
  await victim.until(({ starts }) => starts === 200, 'the calls that waited');
}

/** MadeYouReset: a whole request, then a frame that makes the server reset its stream. */
async function madeYouReset(
  { victim, connect }: AttackContext,
  provoke: (streamId: number) => Uint8Array,
  codes: readonly number[],
  connectionCodes: readonly number[] = [],
): Promise<RawPeer> {
  const peer = await connect();
  const sent = await peer.flood(5000, (i) =>
    octets(unaryCall(oddId(i), Path.SLOW), provoke(oddId(i))),
  );
  const goAway = await peer.expectGoAway([Code.ENHANCE_YOUR_CALM, ...connectionCodes]);
  for (const [id, code] of peer.resets) {
    must([...codes, Code.REFUSED_STREAM].includes(code), `stream ${id}: RST_STREAM ${code}`);
  }
  must(peer.resets.size <= 201, `${peer.resets.size} resets of ${sent}`);
  must(goAway.lastStreamId <= 2 * 420, `last stream id ${goAway.lastStreamId}`);
  const report = await victim.report();
  must(report.mostRunning <= 100, `${report.mostRunning} handlers at once`);
  return peer;
}

async function expectOnly(
  { connect }: AttackContext,
  attack: readonly Uint8Array[],
  code: number | readonly number[],
): Promise<void> {
  const peer = await connect();
  peer.write(...attack);
  await peer.expectGoAway(code);
}

/** The attacks S01 … S19. */
export const streamLifecycleAttacks: readonly Attack[] = [
  {
    id: 'S01',
    title: 'rapid reset in one flood',
    quick: true,
    run: (context) => rapidReset(context),
  },
  {
    id: 'S01b',
    title: 'rapid reset, each reset in a later read',
    run: plainResetAcrossReads,
  },
  {
    id: 'S01c',
    title: 'rapid reset of calls with a timeout',
    quick: true,
    run: (context) => rapidReset(context, [['grpc-timeout', '1H']]),
  },
  {
    id: 'S01d',
    title: 'rapid reset of calls that expire on arrival',
    run: (context) => rapidReset(context, [['grpc-timeout', '1n']]),
  },
  {
    id: 'S01e',
    title: 'rapid reset of calls with a timeout, in a later read',
    run: timedResetAcrossReads,
  },
  { id: 'S03', title: 'handlers that never end, all reset', quick: true, run: handlerLeak },
  {
    id: 'S04',
    title: 'MadeYouReset 1: WINDOW_UPDATE of 0',
    quick: true,
    async run(context) {
      await madeYouReset(context, (id) => windowUpdate(id, 0), [Code.PROTOCOL_ERROR]);
    },
  },
  {
    id: 'S05',
    title: 'MadeYouReset 2: stream window beyond 2^31-1',
    async run(context) {
      await madeYouReset(context, (id) => windowUpdate(id, 0x7fffffff), [Code.FLOW_CONTROL_ERROR]);
    },
  },
  {
    id: 'S06',
    title: 'MadeYouReset 3: PRIORITY of 4 and of 6 octets',
    async run(context) {
      await madeYouReset(
        context,
        (id) => frame(2, 0, id, new Uint8Array(id % 4 === 1 ? 4 : 6)),
        [Code.FRAME_SIZE_ERROR],
        [Code.FRAME_SIZE_ERROR],
      );
    },
  },
  {
    id: 'S07',
    title: 'MadeYouReset 4: PRIORITY that depends on itself',
    async run(context) {
      // RFC 9113 dropped the rule; RST_STREAM PROTOCOL_ERROR is what h2spec wants of it, and it is counted like any other.
      await madeYouReset(context, (id) => priority(id, id), [Code.PROTOCOL_ERROR]);
    },
  },
  {
    id: 'S08',
    title: 'MadeYouReset 5: HEADERS after END_STREAM',
    async run(context) {
      await madeYouReset(
        context,
        (id) => request(id, Path.SLOW, { endStream: true }),
        [Code.STREAM_CLOSED],
        [Code.STREAM_CLOSED],
      );
    },
  },
  {
    id: 'S08b',
    title: 'MadeYouReset 6: DATA after END_STREAM',
    async run(context) {
      await madeYouReset(
        context,
        (id) => data(id, 'x'),
        [Code.STREAM_CLOSED],
        [Code.STREAM_CLOSED],
      );
    },
  },
  {
    id: 'S09',
    title: 'GOAWAY first, then MadeYouReset: budgets hold while the connection drains',
    async run({ connect }) {
      const peer = await connect();
      peer.write(unaryCall(1, Path.NEVER));
      peer.write(frame(7, 0, 0, new Uint8Array(8)));
      await peer.flood(5000, (i) =>
        octets(unaryCall(oddId(i + 1), Path.SLOW), windowUpdate(oddId(i + 1), 0)),
      );
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'too_many_');
    },
  },
  {
    id: 'S10',
    title: 'a flood of requests behind our last GOAWAY',
    alone: true,
    async run({ victim, connect }) {
      const peer = await connect();
      peer.write(unaryCall(1, Path.SLOW), unaryCall(3, Path.NEVER));
      await victim.until((report) => report.starts === 2, 'the calls');
      const shutdown = victim.tell({ type: 'shutdown', graceMs: 20_000 });
      await peer.until(() => peer.goAways.length > 0, 'the first GOAWAY');
      // Acknowledges the marker PING, so that the second GOAWAY comes.
      await peer.until(() => peer.frames.some(({ type }) => type === 6), 'the marker PING');
      peer.write(ping(peer.frames.find(({ type }) => type === 6)!.payload, 1));
      await peer.until(() => peer.goAways.length > 1, 'the second GOAWAY');
      await peer.expectStatus(1, Grpc.OK);
      const { starts } = await victim.report();
      await peer.flood(20_000, (i) => unaryCall(oddId(i + 2), Path.SLOW));
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'too_many_errors');
      const report = await victim.report();
      must(report.starts === starts, `${report.starts - starts} handlers started after GOAWAY`);
      await victim.tell({ type: 'settleNever' });
      await shutdown;
    },
  },
  {
    id: 'S11',
    title: 'ten thousand streams before the SETTINGS are acknowledged',
    quick: true,
    async run({ victim, connect }) {
      const peer = await connect({ greet: false });
      peer.write(octets('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings());
      await peer.flood(10_000, (i) => request(oddId(i), Path.PARK));
      await peer.expectGoAway(Code.ENHANCE_YOUR_CALM, 'too_many_errors');
      const report = await victim.report();
      must(report.mostRunning <= 100, `${report.mostRunning} live`);
      must(report.starts <= 100, `${report.starts} started`);
      must(
        (report.trips['stream.too-many-concurrent'] ?? 0) >= 200,
        'the refusals were not counted',
      );
    },
  },
  {
    id: 'S13',
    title: 'SETTINGS_MAX_HEADER_LIST_SIZE of 1, then calls',
    async run({ connect }) {
      const peer = await connect({ credits: true });
      peer.write(settings([6, 1]));
      for (let i = 0; i < 300; i++) {
        peer.write(unaryCall(oddId(i), Path.ECHO, 'hello'));
        await peer.expectStatus(oddId(i), Grpc.OK);
      }
      must(peer.resets.size === 0, 'a call was reset');
    },
  },
  {
    id: 'S14',
    title: 'SETTINGS that offer 4 GiB of everything',
    peakOctets: 16 * 2 ** 20,
    async run({ connect }) {
      const peer = await connect();
      peer.write(settings([1, 0xffffffff], [6, 0xffffffff], [5, 0xffffff], [4, 0x7fffffff]));
      for (let i = 0; i < 20; i++) {
        peer.write(unaryCall(oddId(i), Path.MIRROR, '', [['x-n', `value ${i}`]]));
        await peer.expectStatus(oddId(i), Grpc.OK);
      }
    },
  },
  {
    id: 'S15',
    title: 'illegal stream ids: 2, 0, 5 then 3, 2^31-1 then another',
    quick: true,
    async run(context) {
      await expectOnly(context, [request(2, Path.ECHO)], Code.PROTOCOL_ERROR);
      const zero = headers(0, block(...requestFields(Path.ECHO)));
      await expectOnly(context, [zero], Code.PROTOCOL_ERROR);
      const falling = [unaryCall(5, Path.ECHO), unaryCall(3, Path.ECHO)];
      await expectOnly(context, falling, Code.PROTOCOL_ERROR);
      const peer = await context.connect();
      peer.write(unaryCall(0x7fffffff, Path.ECHO));
      await peer.expectStatus(0x7fffffff, Grpc.OK);
      peer.write(unaryCall(1, Path.ECHO));
      await peer.expectGoAway([Code.PROTOCOL_ERROR, Code.STREAM_CLOSED]);
    },
  },
  {
    id: 'S16',
    title: 'DATA, WINDOW_UPDATE and RST_STREAM on an idle stream',
    async run(context) {
      for (const attack of [data(99, 'x'), windowUpdate(99, 1), rstStream(99, 8)]) {
        await expectOnly(context, [attack], Code.PROTOCOL_ERROR);
      }
    },
  },
  {
    id: 'S17',
    title: 'late frames on streams that we reset are no offence, and their DATA is credited',
    async run({ connect }) {
      const peer = await connect();
      for (let i = 0; i < 100; i++) {
        const id = oddId(i);
        // The server answers before the request ends and resets with NO_ERROR; what was under way follows.
        peer.write(request(id, '/no.Such/Method'));
        await peer.until(() => peer.resets.has(id), 'the early end');
        peer.write(
          rstStream(id, Code.CANCEL),
          windowUpdate(id, 10),
          data(id, new Uint8Array(16_000)),
        );
      }
      // 1.6 MB were sent to a connection window of 1 MiB: without credit the call below would be out of window.
      peer.write(unaryCall(1001, Path.ECHO, new Uint8Array(1000)));
      await peer.expectStatus(1001, Grpc.OK);
    },
  },
  {
    id: 'S18',
    title: 'a hundred half-open requests hold little',
    peakOctets: 16 * 2 ** 20,
    async run({ victim, connect }) {
      const peer = await connect();
      const before = await victim.report(true);
      for (let i = 0; i < 100; i++) peer.write(request(oddId(i), Path.COUNT));
      await victim.until((report) => report.starts === 100, 'the calls');
      const after = await victim.report(true);
      const each = (after.octets - before.octets) / 100;
      must(each <= 32_768, `${each} octets per half-open call`);
    },
  },
  {
    id: 'S19',
    title: 'handlers that throw, throw no Error, and go on after the end',
    quick: true,
    async run({ connect }) {
      const peer = await connect();
      peer.write(unaryCall(1, Path.FAIL, 'throw'), unaryCall(3, Path.FAIL, 'value'));
      peer.write(unaryCall(5, Path.FAIL, 'late'), unaryCall(7, Path.ECHO, 'still here'));
      for (const id of [1, 3, 5]) {
        await peer.expectStatus(id, [Grpc.UNKNOWN, Grpc.INTERNAL]);
        const text = peer.fieldOf(id, 'grpc-message') ?? '';
        must(!text.includes('secret'), 'the message of the exception reached the client');
      }
      await peer.expectStatus(7, Grpc.OK);
    },
  },
];
