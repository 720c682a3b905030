/** The loop: mutates inputs, keeps those that reach new code, and stops at the first fault. */

import fc from 'fast-check';
import { randomFrom } from '../support/chunkings.ts';
import { CoverageMeter } from './coverage.ts';
import { Mutator } from './mutator.ts';
import { frameSequence } from './structured.ts';
import type { FuzzTarget } from './targets.ts';

/** What came of fuzzing one target. */
export interface FuzzOutcome {
  readonly executions: number;
  /** Inputs kept because they reached new code. */
  readonly corpus: number;
  readonly blocks: number;
  /** The input that found a fault, made smaller, and what it found. */
  readonly finding: { readonly input: Uint8Array; readonly error: Error } | null;
}

/** How long to go on: until both are over. */
export interface FuzzBudget {
  readonly seconds: number;
  readonly leastExecutions: number;
}

/** Inputs between two looks at the coverage, at first and at most. */
const BATCH = 32;
const MOST_BATCH = 2048;
/** No input may take longer. */
const HANG_MS = 2000;

/** Fuzzes one target by mutation, guided by coverage when `guided`. */
export async function fuzzByMutation(
  target: FuzzTarget,
  seed: number,
  budget: FuzzBudget,
  guided: boolean,
): Promise<FuzzOutcome> {
  const random = randomFrom(seed);
  const mutator = new Mutator(random);
  const corpus: Uint8Array[] = [...target.seeds];
  const meter = guided ? new CoverageMeter() : null;
  const endMs = performance.now() + budget.seconds * 1000;
  let executions = 0;
  let batchSize = BATCH;
  const outcome = (finding: FuzzOutcome['finding']): FuzzOutcome => {
    meter?.stop();
    return { executions, corpus: corpus.length, blocks: meter?.blocks ?? 0, finding };
  };
  for (const input of target.seeds) {
    const error = await faultOf(target, input);
    executions += 1;
    if (error !== null) return outcome({ input, error });
  }
  meter?.takeNew();
  while (performance.now() < endMs || executions < budget.leastExecutions) {
    const batch: Uint8Array[] = [];
    const batchMs = performance.now();
    for (let i = 0; i < batchSize; i++) {
      const input = mutator.mutate(corpus[Math.floor(random() * corpus.length)]!, corpus);
      batch.push(input);
      const error = await faultOf(target, input);
      executions += 1;
      if (error !== null) return outcome(await smaller(target, input, error));
    }
    if (meter === null) continue;
    const lookMs = performance.now();
    const found = meter.takeNew();
    // A look costs the same for any number of inputs, and must not cost more than they do.
    if (performance.now() - lookMs > (lookMs - batchMs) / 2 && batchSize < MOST_BATCH)
      batchSize *= 2;
    if (found.size === 0) continue;
    // Which of them it was: once more, by halves. Loops counted over the whole batch are no one's alone; any will do then.
    let suspects = batch;
    while (suspects.length > 1) {
      const half = suspects.slice(0, suspects.length >> 1);
      for (const input of half) await faultOf(target, input);
      executions += half.length;
      suspects = meter.reached(found) ? half : suspects.slice(half.length);
    }
    corpus.push(suspects[0]!);
    if (corpus.length > 2000) corpus.splice(target.seeds.length, 500);
  }
  return outcome(null);
}

/** Fuzzes a target that reads frames with sequences in their grammar. */
export async function fuzzByGrammar(
  target: FuzzTarget,
  seed: number,
  budget: FuzzBudget,
): Promise<FuzzOutcome> {
  let executions = 0;
  let finding: FuzzOutcome['finding'] = null;
  const property = fc.asyncProperty(frameSequence, async (input) => {
    executions += 1;
    const error = await faultOf(target, input);
    if (error === null) return;
    finding = { input, error };
    throw error;
  });
  const endMs = performance.now() + budget.seconds * 1000;
  let round = 0;
  while (finding === null) {
    const leftMs = endMs - performance.now();
    if (leftMs <= 0 && executions >= budget.leastExecutions) break;
    await fc.check(property, { seed: seed + round, numRuns: 200 });
    round += 1;
  }
  return { executions, corpus: 0, blocks: 0, finding };
}

async function faultOf(target: FuzzTarget, input: Uint8Array): Promise<Error | null> {
  const startMs = performance.now();
  try {
    const running = target.run(input);
    if (running !== undefined) await running;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
  const tookMs = performance.now() - startMs;
  return tookMs > HANG_MS ? new Error(`took ${tookMs.toFixed(0)} ms`) : null;
}

/** Leaves out what the fault does not need. */
async function smaller(
  target: FuzzTarget,
  input: Uint8Array,
  error: Error,
): Promise<FuzzOutcome['finding']> {
  let least = input;
  let leastError = error;
  for (let size = Math.max(1, least.length >> 1); size >= 1; size >>= 1) {
    for (let at = 0; at < least.length; ) {
      const shorter = Uint8Array.from([...least.subarray(0, at), ...least.subarray(at + size)]);
      const found = await faultOf(target, shorter);
      if (found === null) at += size;
      else [least, leastError] = [shorter, found];
    }
  }
  return { input: least, error: leastError };
}
