/**
 * `npm run fuzz`: looks for faults with inputs made at random, guided by what code they reach. Prints executions per target; keeps the input
 * of a finding below test/fuzz/findings, where it becomes a regression test, and exits with 1.
 *
 *   npm run fuzz -- --seconds 600                 all targets, this long in all
 *   npm run fuzz -- --seconds 60 --target hpack   one target
 *   npm run fuzz -- --seed 42                     the same inputs again
 */

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { toHex } from '../support/frame-factory.ts';
import { projectFolder } from '../support/project.ts';
import { type FuzzOutcome, fuzzByGrammar, fuzzByMutation } from './fuzzing.ts';
import { FUZZ_TARGETS, type FuzzTarget } from './targets.ts';

/** Targets that read HTTP/2 frames: half of their time goes to sequences in the grammar. */
const READ_FRAMES: ReadonlySet<string> = new Set([
  'frame-reader',
  'server',
  'client',
  'differential',
]);

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      target: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    },
  });
  const seconds = positive('--seconds', values.seconds);
  const seed = positive('--seed', values.seed);
  const targets = FUZZ_TARGETS.filter(
    ({ name }) => values.target === undefined || name === values.target,
  );
  if (targets.length === 0) {
    const names = FUZZ_TARGETS.map(({ name }) => name).join(', ');
    throw new RangeError(`there is no target "${values.target}"; there are ${names}`);
  }
  console.log(`seed ${seed}`);
  let [executions, findings] = [0, 0];
  for (const target of targets) {
    const share = seconds / targets.length;
    const outcomes = READ_FRAMES.has(target.name)
      ? [
          await fuzzByGrammar(target, seed, { seconds: share / 2, leastExecutions: 1 }),
          await fuzzByMutation(target, seed, { seconds: share / 2, leastExecutions: 1 }, true),
        ]
      : [await fuzzByMutation(target, seed, { seconds: share, leastExecutions: 1 }, true)];
    for (const outcome of outcomes) {
      executions += outcome.executions;
      if (outcome.finding !== null) {
        findings += 1;
        keep(target, outcome.finding);
      }
    }
    console.log(describe(target, outcomes));
  }
  console.log(`${executions} executions, ${findings} findings`);
  return findings === 0 ? 0 : 1;
}

function describe(target: FuzzTarget, outcomes: readonly FuzzOutcome[]): string {
  const executions = outcomes.reduce((sum, outcome) => sum + outcome.executions, 0);
  const { corpus, blocks } = outcomes.at(-1)!;
  const findings = outcomes.filter(({ finding }) => finding !== null).length;
  return `${target.name}: ${executions} executions, ${corpus} inputs kept, ${blocks} blocks reached, ${findings} findings`;
}

function keep(target: FuzzTarget, finding: NonNullable<FuzzOutcome['finding']>): void {
  const { input, error } = finding;
  const folder = join(projectFolder, 'test', 'fuzz', 'findings');
  mkdirSync(folder, { recursive: true });
  const hash = createHash('sha256').update(input).digest('hex').slice(0, 12);
  const file = join(folder, `${target.name}-${hash}.hex`);
  writeFileSync(file, `${toHex(input)}\n`);
  console.log(`${target.name}: ${error.stack ?? error.message}\n  input kept in ${file}`);
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`${option} must be a number above 0, got "${text}"`);
  return value;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
