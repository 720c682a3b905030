/** One connection floods within its limits while others call: what is left to the others, as a rate (issue 5, fairness). */

import { data, octets, ping } from '../support/frame-factory.ts';
import { type Attack, type AttackContext, must } from './attack.ts';
import { LoadProcess } from './load-process.ts';
import { message, oddId, Path, request, unaryCall } from './octets.ts';
import type { RawPeer } from './raw-peer.ts';
import { sleep } from './victim.ts';

/** Honest connections, and calls that each has under way. */
const CONNECTIONS = 4;
const IN_FLIGHT = 8;
/** Each period of counting; with and without the flood in turn, so that what else the machine does falls on both. */
const PERIOD_MS = 700;
const ROUNDS = 3;
/**
 * What is left to them at least in the best round. The server gives them more, but on two cores their process has to share one with the
 * flooding process. A machine that does other things as well is unfair now and then; a server that is, is so in each round.
 */
const LEAST_SHARE = 0.3;

/** What floods: says when it is in full flow, goes on until told to stop, and says how much it got through. */
type Flood = (peer: RawPeer, running: () => boolean, flows: () => void) => Promise<string>;

/** As many calls under way as the server allows, the next one behind each answer, by a client that is as fast as the honest ones. */
const smallCalls: Flood = async (peer, running, flows) => {
  const load = new LoadProcess();
  try {
    await load.start({ port: peer.socket.remotePort ?? 0, connections: 1, inFlight: 100 });
    await load.measure(PERIOD_MS); // compiled, connected
    flows();
    let calls = 0;
    while (running()) calls += sum((await load.measure(50)).calls);
    must(calls > 1000, `the flood itself got ${calls} answers`);
    return `${calls} calls`;
  } finally {
    load.kill();
  }
};

/** Messages of 64 KiB as fast as windows and socket take them. */
const bulk: Flood = async (peer, running, flows) => {
  const parts: Uint8Array[] = [];
  const whole = message(new Uint8Array(65_536 - 5));
  for (let at = 0; at < whole.length; at += 16_384) {
    parts.push(data(1, whole.subarray(at, at + 16_384)));
  }
  const piece = octets(...parts);
  const granted = { stream: 262_144, connection: 1_048_576 };
  let wake = (): void => {};
  peer.socket.on('drain', () => wake());
  peer.socket.on('close', () => wake());
  peer.onFrame = ({ type, streamId, payload }) => {
    if (type !== 8) return;
    const increment = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
    granted[streamId === 0 ? 'connection' : 'stream'] += increment;
    wake();
  };
  peer.write(request(1, Path.COUNT));
  flows();
  let sent = 0;
  while (running() && !peer.closed) {
    const room = Math.min(granted.stream, granted.connection);
    if (room < whole.length || peer.socket.writableNeedDrain) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    granted.stream -= whole.length;
    granted.connection -= whole.length;
    peer.socket.write(piece);
    sent += whole.length;
  }
  must(sent > 2 ** 20, `the flood itself sent ${sent} octets: ${peer.summary()}`);
  return `${(sent / 2 ** 20).toFixed(0)} MiB`;
};

/** Two PINGs with each of many small calls, whose answers keep them legal (L11), up to the budget of frames that do nothing (L10). */
const pings: Flood = async (peer, running, flows) => {
  let [calls, sent] = [0, 0];
  flows();
  while (running() && !peer.closed) {
    const id = oddId(calls++);
    peer.write(unaryCall(id, Path.ECHO, 'x'), ping('12345678'), ping('12345678'));
    sent += 2;
    await peer.until(() => peer.responses.get(id)?.ended === true || peer.closed, 'an answer');
    if (sent > 9000) await sleep(10);
  }
  must(sent > 100, `the flood itself sent ${sent} PINGs: ${peer.summary()}`);
  return `${sent} PINGs`;
};

function sum(calls: readonly number[]): number {
  return calls.reduce((total, count) => total + count, 0);
}

async function share(context: AttackContext, flood: Flood): Promise<void> {
  const { victim, note } = context;
  const load = new LoadProcess();
  try {
    await load.start({ port: victim.port, connections: CONNECTIONS, inFlight: IN_FLIGHT });
    await load.measure(PERIOD_MS); // compiled, connected
    const rates = { alone: 0, beside: 0 };
    const ratios: number[] = [];
    const each = new Array<number>(CONNECTIONS).fill(0);
    for (let round = 0; round < ROUNDS; round++) {
      const alone = sum((await load.measure(PERIOD_MS)).calls);
      rates.alone += alone;
      const peer = await context.connect({ greet: true });
      let running = true;
      let flows = (): void => {};
      const flowing = new Promise<void>((resolve) => {
        flows = resolve;
      });
      const flooding = flood(
        peer,
        () => running,
        () => flows(),
      );
      flooding.catch(() => {}); // its error comes with the await below
      await Promise.race([flowing, flooding]);
      await sleep(50);
      const during = await load.measure(PERIOD_MS);
      running = false;
      const did = await flooding;
      if (round === ROUNDS - 1) note(`the flood got through ${did} meanwhile`);
      must(!peer.closed, `the flood is not within the limits: ${peer.summary()}`);
      peer.socket.destroy();
      must(during.failures.length === 0, during.failures.join(', '));
      rates.beside += sum(during.calls);
      ratios.push(sum(during.calls) / alone);
      for (const [n, count] of during.calls.entries()) each[n]! += count;
    }
    const perSecond = (calls: number): string => ((calls / ROUNDS / PERIOD_MS) * 1000).toFixed(0);
    const shown = ratios.map((ratio) => ratio.toFixed(2)).join(', ');
    const evenness = Math.min(...each) / Math.max(...each);
    note(
      `${CONNECTIONS} honest connections: ${perSecond(rates.alone)} calls/s alone, ${perSecond(rates.beside)} beside the flood: ${shown}; least to most served of them ${evenness.toFixed(2)}`,
    );
    must(Math.max(...ratios) >= LEAST_SHARE, `the honest connections keep ${shown} of their rate`);
    must(evenness >= 0.5, `one honest connection gets ${evenness.toFixed(2)} of what another does`);
  } finally {
    load.kill();
  }
}

/** F30 … F32. */
export const fairnessAttacks: readonly Attack[] = [
  {
    id: 'F30',
    title: 'fairness: one connection with 100 small calls always under way',
    limits: {},
    run: (context) => share(context, smallCalls),
  },
  {
    id: 'F31',
    title: 'fairness: one connection that streams as fast as windows allow',
    limits: {},
    run: (context) => share(context, bulk),
  },
  {
    id: 'F32',
    title: 'fairness: one connection with PINGs just below the limit',
    limits: {},
    run: (context) => share(context, pings),
  },
];
