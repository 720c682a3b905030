/**
 * The three ways in which every octets-in test feeds its input: whole, one octet at a time, and cut at random places.
 */

/** One way to cut an input. The chunks are copies, each in memory of its own. */
export interface Chunking {
  /** Says how, with the seed when it was random, for assertion messages. */
  readonly name: string;
  readonly chunks: readonly Uint8Array[];
}

/** Numbers in [0, 1) that depend on `seed` alone (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A fresh seed, or the one in the environment variable PUREWIRE_TEST_SEED to repeat a failure. */
export function testSeed(): number {
  const given = process.env['PUREWIRE_TEST_SEED'];
  return given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given) >>> 0;
}

/** Cuts `octets` in the three ways. */
export function chunkings(octets: Uint8Array, seed: number = testSeed()): Chunking[] {
  return [
    { name: 'whole', chunks: [octets.slice()] },
    { name: 'one octet at a time', chunks: Array.from(octets, (octet) => Uint8Array.of(octet)) },
    { name: `random cuts, seed ${seed}`, chunks: randomCuts(octets, randomFrom(seed)) },
  ];
}

/** Cuts `octets` into pieces of 0 … 40 octets, most of them short. */
export function randomCuts(octets: Uint8Array, random: () => number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < octets.length; ) {
    const length = Math.floor(random() * (random() < 0.5 ? 6 : 41));
    chunks.push(octets.slice(at, at + length));
    at += length;
  }
  return chunks;
}
