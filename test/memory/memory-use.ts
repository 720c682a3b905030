/** What this process holds, for the programs whose memory is measured. They run with `--expose-gc`. */

const collect = (globalThis as { gc?: () => void }).gc;

/** Heap and external octets, garbage included. */
export function octetsInUse(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The same after a collection. */
export async function octetsAtRest(): Promise<number> {
  // Several: what one collection finalizes, the next one frees.
  for (let round = 0; round < 6; round++) {
    await new Promise((resolve) => setTimeout(resolve, 30));
    collect?.();
  }
  return octetsInUse();
}
