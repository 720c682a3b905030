/**
 * `npm run soak`: mixed traffic with faults, phase after phase, in this one process, both ends of it. Heap is compared at rest after the
 * warm-up, half way and at the end of each phase, while its long-lived connections are open; handles and timers when all is closed. Growth is
 * printed, and beyond noise it is a failure.
 *
 *   npm run soak -- --minutes 10              the time is shared by the phases; a million calls and 100,000 connections are made, however long it takes
 *   npm run soak -- --minutes 1 --phase cancelled
 */

import { parseArgs } from 'node:util';
import { CONNECTION_PHASES } from './connection-phases.ts';
import { CALL_PHASES, type Phase, type Work } from './phases.ts';

/** What heapUsed + external may differ by after garbage collection: from the warm-up of a phase to its end, and in its second half. */
const NOISE_OCTETS = 2 * 2 ** 20;
const LATE_NOISE_OCTETS = 2 ** 20;
/** Growth of the whole soak: code, caches and pools of all phases together. */
const TOTAL_NOISE_OCTETS = 16 * 2 ** 20;
/** Share of a phase in which code is still being compiled and pools still grow. */
const WARM_UP_SHARE = 0.15;
/** Sockets close in their own time. */
const REST_MS = 1200;

interface Look {
  readonly octets: number;
  readonly handles: number;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { minutes: { type: 'string', default: '1' }, phase: { type: 'string' } },
  });
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new RangeError(`--minutes must be above 0, got "${values.minutes}"`);
  const all = [...CALL_PHASES, ...CONNECTION_PHASES];
  const phases = all.filter(({ name }) => values.phase === undefined || name === values.phase);
  if (phases.length === 0) {
    const names = all.map(({ name }) => name).join(', ');
    throw new RangeError(`there is no phase "${values.phase}"; there are ${names}`);
  }
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error('run with --expose-gc, as npm run soak does');
  const faults: string[] = [];
  const onFault = (error: unknown): void => {
    faults.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  };
  process.on('uncaughtException', onFault);
  process.on('unhandledRejection', onFault);
  process.on('warning', onFault);
  const first = await look(gc);
  let [failures, calls, connections] = [0, 0, 0];
  for (const phase of phases) {
    const result = await soak(phase, minutes, phases.length, gc);
    failures += result.steady ? 0 : 1;
    calls += result.work.calls;
    connections += result.work.connections;
  }
  const last = await look(gc);
  const grown = last.octets - first.octets;
  const handles = last.handles - first.handles;
  if (grown > TOTAL_NOISE_OCTETS || handles > 0) failures += 1;
  console.log(
    `${failures + faults.length === 0 ? 'steady' : 'FAILED'} in all: ${calls} calls, ${connections} connections; ` +
      `heap ${kib(grown)} from before the first phase, handles ${handles}, ` +
      `RSS ${kib(process.memoryUsage().rss)}`,
  );
  for (const fault of faults) console.log(fault);
  return failures + faults.length === 0 ? 0 : 1;
}

interface SoakResult {
  readonly steady: boolean;
  readonly work: Work;
}

/** Runs rounds of `phase` for its share of `minutes`, and until its least work is done; whether nothing grew. */
async function soak(
  phase: Phase,
  minutes: number,
  phases: number,
  gc: () => void,
): Promise<SoakResult> {
  const startMs = performance.now();
  const shareMs = (minutes * 60_000) / phases;
  const leastCalls = (phase.leastPerMinute?.calls ?? 0) * minutes;
  const leastConnections = (phase.leastPerMinute?.connections ?? 0) * minutes;
  const before = await look(gc);
  const running = await phase.open();
  let [rounds, calls, connections] = [0, 0, 0];
  /** How much of the phase is done, by time and by work. */
  const done = (): number =>
    Math.min(
      (performance.now() - startMs) / shareMs,
      leastCalls === 0 ? 1 : calls / leastCalls,
      leastConnections === 0 ? 1 : connections / leastConnections,
    );
  const workUntil = async (share: number, leastRounds: number): Promise<void> => {
    while (rounds < leastRounds || done() < share) {
      const work = await running.round();
      rounds += 1;
      calls += work.calls;
      connections += work.connections;
    }
  };
  await workUntil(WARM_UP_SHARE, 2);
  const warm = await look(gc);
  await workUntil(0.5, 3);
  const half = await look(gc);
  await workUntil(1, 4);
  const end = await look(gc);
  await running.close();
  const after = await look(gc);
  const grown = end.octets - warm.octets;
  const lately = end.octets - half.octets;
  const handles = after.handles - before.handles;
  const steady = grown <= NOISE_OCTETS && lately <= LATE_NOISE_OCTETS && handles <= 0;
  const seconds = (performance.now() - startMs) / 1000;
  const perUnit = grown / Math.max(1, calls, connections);
  console.log(
    `${steady ? 'steady' : 'GROWS '} ${phase.name.padEnd(11)} (${phase.about}): ` +
      `${calls} calls, ${connections} connections in ${rounds} rounds, ${seconds.toFixed(0)} s; ` +
      `heap ${kib(grown)}, of it ${kib(lately)} in the second half (${perUnit.toFixed(2)} octets each); ` +
      `after the close ${kib(after.octets - before.octets)}, handles ${handles}`,
  );
  return { steady, work: { calls, connections } };
}

function kib(octets: number): string {
  return `${octets < 0 ? '' : '+'}${(octets / 1024).toFixed(0)} KiB`;
}

async function look(gc: () => void): Promise<Look> {
  let best: Look = { octets: Number.POSITIVE_INFINITY, handles: 0 };
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  for (let i = 0; i < 3; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { heapUsed, external } = process.memoryUsage();
    const octets = heapUsed + external;
    // The timer of this loop is a resource as well, each time the same.
    if (octets < best.octets) best = { octets, handles: process.getActiveResourcesInfo().length };
  }
  return best;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
