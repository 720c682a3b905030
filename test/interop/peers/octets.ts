/** Message contents: how they are made, joined and compared. */

import type { TestContext } from '../../support/tap.ts';

/** `octets` octets that differ from place to place and by `seed`, so that mixed-up pieces show. */
export function sample(octets: number, seed = 0): Uint8Array {
  const content = new Uint8Array(octets);
  for (let i = 0; i < octets; i++) content[i] = (i * 31 + (i >>> 8) * 7 + seed) & 0xff;
  return content;
}

/** One array of all parts. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}

/** Octets in hexadecimal. */
export function hex(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex');
}

/** Asserts that `found` are the messages `wanted`, octet for octet; says where they differ. */
export function sameMessages(
  t: TestContext,
  found: readonly Uint8Array[],
  wanted: readonly Uint8Array[],
  message = 'messages',
): boolean {
  const at = wanted.findIndex((octets, i) => {
    const other = found[i];
    return other === undefined || Buffer.compare(octets, other) !== 0;
  });
  if (at < 0 && found.length === wanted.length) return t.pass(message);
  const lengths = `${found.length} messages instead of ${wanted.length}`;
  const difference =
    at < 0 ? '' : `, number ${at} differs (${found[at]?.length} octets of ${wanted[at]!.length})`;
  return t.fail(`${message}: ${lengths}${difference}`);
}
