/** Medians, percentiles and bootstrap intervals of the ratios. */

/** A median with its 95 % interval. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Blocks the estimate rests on. */
  readonly samples: number;
}

/** The middle of `values`, the mean of the two middle ones when their number is even; NaN when there are none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The `q`-quantile (0 … 1) with linear interpolation; NaN when there are no values. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}

/**
 * Median and 95 % percentile-bootstrap interval of per-block values, grouped by process launch: each of `resamples` rounds draws
 * launches with replacement, then blocks within each, because blocks of one launch share its JIT and heap layout. The random numbers
 * are seeded, so the same samples give the same interval.
 */
export function bootstrapMedian(
  launches: readonly (readonly number[])[],
  resamples = 10_000,
  seed = 1,
): Estimate {
  const filled = launches.filter((blocks) => blocks.length > 0);
  const all = filled.flat();
  if (all.length === 0) {
    return { median: Number.NaN, low: Number.NaN, high: Number.NaN, samples: 0 };
  }
  const random = randomNumbers(seed);
  const medians: number[] = [];
  for (let round = 0; round < resamples; round++) {
    const drawn: number[] = [];
    for (let i = 0; i < filled.length; i++) {
      const blocks = filled[Math.floor(random() * filled.length)]!;
      for (let j = 0; j < blocks.length; j++) {
        drawn.push(blocks[Math.floor(random() * blocks.length)]!);
      }
    }
    medians.push(median(drawn));
  }
  return {
    median: median(all),
    low: quantile(medians, 0.025),
    high: quantile(medians, 0.975),
    samples: all.length,
  };
}

/** Uniform numbers in [0, 1) from a 32-bit seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
