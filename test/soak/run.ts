/**
 * `npm run soak`: mixed traffic with faults, phase after phase, in this one process. After each phase everything is closed or at rest, and
 * heap, handles and timers must be back where they were: growth is printed, and beyond noise it is a failure.
 *
 *   npm run soak -- --minutes 10
 *   npm run soak -- --minutes 1 --phase cancelled
 */

import { parseArgs } from 'node:util';
import { PHASES, type Phase } from './phases.ts';

/** What heapUsed + external may differ by after garbage collection, from the first round of a phase to its last. */
const NOISE_OCTETS = 2 * 2 ** 20;
/** Rounds whose code is still being compiled and whose pools still grow. */
const WARM_UP_ROUNDS = 2;
/** Sockets close in their own time. */
const REST_MS = 1500;

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
  const phases = PHASES.filter(({ name }) => values.phase === undefined || name === values.phase);
  if (phases.length === 0) {
    const names = PHASES.map(({ name }) => name).join(', ');
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
  let failures = 0;
  for (const phase of phases) {
    failures += (await soak(phase, (minutes * 60_000) / phases.length, gc)) ? 0 : 1;
  }
  for (const fault of faults) console.log(fault);
  return failures + faults.length === 0 ? 0 : 1;
}

/** Runs rounds of `phase` for `forMs`; whether nothing grew. */
async function soak(phase: Phase, forMs: number, gc: () => void): Promise<boolean> {
  const endMs = performance.now() + forMs;
  const before = await look(gc);
  let base: Look | null = null;
  let last: Look = before;
  let [rounds, work] = [0, 0];
  while (rounds < WARM_UP_ROUNDS + 2 || performance.now() < endMs) {
    work += await phase.round();
    rounds += 1;
    if (rounds === WARM_UP_ROUNDS || performance.now() >= endMs) last = await look(gc);
    if (rounds === WARM_UP_ROUNDS) base = last;
  }
  last = await look(gc);
  const grown = last.octets - (base ?? before).octets;
  const handles = last.handles - before.handles;
  const held = grown <= NOISE_OCTETS && handles <= 0;
  const perUnit = work === 0 ? 0 : grown / work;
  console.log(
    `${held ? 'steady' : 'GROWS'} ${phase.name}: ${work} ${phase.unit} in ${rounds} rounds; ` +
      `heap ${(grown / 1024).toFixed(0)} KiB (${perUnit.toFixed(2)} octets each), handles ${handles}`,
  );
  return held;
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
