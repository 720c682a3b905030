/** Attacks on the program around the server: on its log, and on its event loop through what it reads (S109, S110). */

import { gzipSync } from 'node:zlib';
import { data, END_STREAM, octets } from '../support/frame-factory.ts';
import { type Attack, type AttackContext, must } from './attack.ts';
import { Grpc, message, oddId, Path, request, unaryCall } from './octets.ts';

/** Field 1 of a wire type that there is not. */
const UNREADABLE = octets([0x0f]);
const UNREADABLE_CALLS = 5000;
const BATCH = 50;
/** What the default reporter writes of one place in one second: ten reports, and the number of the others. */
const LINES_PER_SECOND = 11;

async function unreadableMessages({ victim, connect, note }: AttackContext): Promise<void> {
  const peer = await connect();
  const startMs = performance.now();
  for (let call = 0; call < UNREADABLE_CALLS; call += BATCH) {
    for (let i = call; i < call + BATCH; i++) {
      peer.write(unaryCall(oddId(i), Path.DECODE, UNREADABLE));
    }
    const last = oddId(call + BATCH - 1);
    await peer.expectStatus(last, Grpc.INTERNAL);
  }
  const seconds = Math.ceil((performance.now() - startMs) / 1000);
  const { logLines, trips } = await victim.report();
  note(`${logLines} lines in ${seconds} s`);
  must(trips['message.unreadable'] === UNREADABLE_CALLS, 'not counted');
  must(logLines > 0, 'nobody is told');
  const most = (seconds + 1) * LINES_PER_SECOND;
  must(logLines <= most, `${logLines} lines of log in ${seconds} s, at most ${most}`);
  peer.write(unaryCall(oddId(UNREADABLE_CALLS), Path.DECODE));
  await peer.expectStatus(oddId(UNREADABLE_CALLS), Grpc.OK);
}

const STREAMS = 100;
const FRAME_OCTETS = 16_384;
/** Of a stream (L16), and of the connection at first. */
const WINDOW_OCTETS = 262_144;
const CONNECTION_WINDOW_OCTETS = 1_048_576;

/** Fills a hundred streams with `one` message, as often as their windows take it, while nobody reads. */
async function filledWindows(context: AttackContext, one: Uint8Array): Promise<void> {
  const peer = await context.connect();
  let granted = CONNECTION_WINDOW_OCTETS;
  peer.onFrame = ({ type, streamId, payload }) => {
    if (type !== 8 || streamId !== 0) return;
    granted += new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  };
  const perFrame = Math.floor(FRAME_OCTETS / one.length);
  const frames = Math.floor(WINDOW_OCTETS / (perFrame * one.length));
  const body = octets(...new Array<Uint8Array>(perFrame).fill(one));
  for (let i = 0; i < STREAMS; i++) {
    const id = oddId(i);
    peer.write(request(id, Path.READ_LATER, { extra: [['grpc-encoding', 'gzip']] }));
    for (let frame = 1; frame <= frames; frame++) {
      await peer.until(() => granted >= body.length || peer.closed, 'the connection window');
      granted -= body.length;
      peer.write(data(id, body, frame === frames ? END_STREAM : 0));
    }
  }
  const endMs = Date.now() + 60_000;
  for (let i = 0; i < STREAMS; i++) {
    const id = oddId(i);
    await peer.until(
      () => peer.responses.get(id)?.ended === true || peer.closed,
      `the answer on ${id}`,
      Math.max(1, endMs - Date.now()),
    );
    await peer.expectStatus(id, Grpc.OK);
  }
  context.note(`${STREAMS} streams of ${perFrame * frames} messages`);
}

/** S109 and S110. */
export const programAttacks: readonly Attack[] = [
  {
    id: 'S109',
    title: 'messages that cannot be read flood no log',
    quick: true,
    // The number is bounded by the time it takes: see there.
    logLines: 1e6,
    run: unreadableMessages,
  },
  {
    id: 'S110',
    title: 'tiny messages in a hundred full windows, for readers that begin late',
    quick: true,
    run: (context) => filledWindows(context, message()),
  },
  {
    id: 'S110z',
    title: 'messages of 64 KiB in 90 octets, the same way',
    // 16 GiB come out of them in all, so there is garbage.
    peakOctets: 192 * 2 ** 20,
    run: (context) => filledWindows(context, message(gzipSync(new Uint8Array(65_536)), 1)),
  },
];
