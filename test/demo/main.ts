/**
 * The demo: a service of a `.proto`, served and called by purewire and by @grpc/grpc-js, with this project's own source files for data.
 *
 *   npm start                     runs everything once; exit code 0 when all went well
 *   npm start -- --serve 50051    keeps serving, for a client of your own
 */

import { parseArgs } from 'node:util';
import { makeCertificates } from './certificates.ts';
import { allPairs, type Pair } from './pairs.ts';
import { Progress } from './progress.ts';
import { openRepository } from './repository.ts';
import { SCENARIO_NAMES, type ScenarioName } from './scenarios.ts';
import { serveUntilInterrupted } from './serve.ts';
import { table } from './table.ts';

const SCENARIO_LIMIT_SECONDS = 120;

interface PairResult {
  readonly pair: Pair;
  readonly passed: number;
  readonly failed: number;
  readonly ms: number;
  readonly octetsUp: number;
  readonly octetsDown: number;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { serve: { type: 'string' } } });
  if (values.serve !== undefined) {
    await serveUntilInterrupted(portOf(values.serve));
    return 0;
  }
  const repository = await openRepository();
  console.log(
    `The data: ${repository.files.length} source files of this project, ${repository.octets} octets.`,
  );
  const certificates = await makeCertificates();
  const results: PairResult[] = [];
  for (const pair of allPairs(repository, certificates)) results.push(await runPair(pair));
  for (const line of summary(results)) console.log(line);
  const failed = results.reduce((sum, result) => sum + result.failed, 0);
  console.log(
    failed === 0 ? '\nEverything went well.' : `\n${failed} scenarios failed, see above.`,
  );
  return failed === 0 ? 0 : 1;
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new RangeError(`--serve takes a port from 0 to 65535, got "${text}"`);
}

async function runPair(pair: Pair): Promise<PairResult> {
  console.log(`\n${pair.caller} calls ${pair.server} over ${pair.transport}`);
  const open = await pair.open();
  const startMs = performance.now();
  let passed = 0;
  let failed = 0;
  for (const name of SCENARIO_NAMES) {
    if (open.scenarios[name] === undefined) continue;
    if (await runScenario(name, open)) passed += 1;
    else failed += 1;
  }
  const ms = performance.now() - startMs;
  await open.close();
  const [octetsUp = 0, octetsDown = 0] = open.counts;
  return { pair, passed, failed, ms, octetsUp, octetsDown };
}

/** Runs one scenario and prints its line. False when it failed. */
async function runScenario(
  name: ScenarioName,
  { scenarios, counts }: Awaited<ReturnType<Pair['open']>>,
): Promise<boolean> {
  const [upBefore = 0, downBefore = 0] = counts;
  const startMs = performance.now();
  const progress = new Progress(name);
  let outcome: string;
  let passed = true;
  try {
    outcome = (await withinLimit(scenarios[name]?.(progress))) ?? '';
  } catch (error) {
    passed = false;
    outcome = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  progress.end();
  const ms = performance.now() - startMs;
  await new Promise((resolve) => setTimeout(resolve, 10)); // what follows the last answer is counted too
  const [up = 0, down = 0] = counts;
  const octets = up - upBefore + down - downBefore;
  const numbers = `${ms.toFixed(0)} ms`.padStart(8) + `${kilo(octets)} kB`.padStart(10);
  console.log(`  ${passed ? '✓' : '✗'} ${name.padEnd(19)}${numbers}  ${outcome}`);
  return passed;
}

async function withinLimit<Value>(work: Promise<Value> | undefined): Promise<Value | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    const message = `not done after ${SCENARIO_LIMIT_SECONDS} seconds`;
    timer = setTimeout(() => reject(new Error(message)), SCENARIO_LIMIT_SECONDS * 1000);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

function summary(results: readonly PairResult[]): string[] {
  const head = ['caller', 'server', '', 'passed', 'failed', 'ms', 'kB to server', 'kB to caller'];
  const rows = results.map(({ pair, passed, failed, ms, octetsUp, octetsDown }) => [
    pair.caller,
    pair.server,
    pair.transport,
    String(passed),
    String(failed),
    ms.toFixed(0),
    kilo(octetsUp),
    kilo(octetsDown),
  ]);
  const right = new Set([3, 4, 5, 6, 7]);
  const note = 'kB on the wire as a relay between the two counted them, TLS included.';
  return ['', ...table([head, ...rows], right), '', note];
}

function kilo(octets: number): string {
  return (octets / 1000).toFixed(1);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(
    `The demo could not run: ${error instanceof Error ? error.message : String(error)}`,
  );
  process.exitCode = 1;
}
