/**
 * `npm run conformance -- interop [peers…]`: the interoperability cases with every implementation that is here or can be built here, each way,
 * over h2c and TLS. Prints a table per transport and a line per peer.
 */

import { MATRIX_CASES } from '../interop/cases/all-cases.ts';
import { CASE_NAMES, type MatrixColumn, runPeer } from '../interop/matrix/matrix.ts';
import type { PreparedPeer } from '../interop/matrix/peer.ts';
import { MATRIX_PEERS } from '../interop/matrix/peers.ts';
import { tableOf } from '../interop/matrix/table.ts';
import type { SuiteResult } from './h2-suites.ts';

/** Runs the peers named, or all; `quick`: the twenty cases of the matrix alone. Throws RangeError for a name that no peer has. */
export async function runInterop(
  names: readonly string[],
  quick: boolean,
  report: (result: SuiteResult) => void,
): Promise<void> {
  const unknown = names.find((name) => !MATRIX_PEERS.some((peer) => peer.name === name));
  if (unknown !== undefined) {
    const known = MATRIX_PEERS.map(({ name }) => name).join(', ');
    throw new RangeError(`there is no peer "${unknown}"; there are ${known}`);
  }
  const wanted = MATRIX_PEERS.filter(({ name }) => names.length === 0 || names.includes(name));
  const present: (readonly [(typeof wanted)[number], PreparedPeer])[] = [];
  const absent: string[] = [];
  for (const peer of wanted) {
    const prepared = await peer.prepare(console.log);
    if (typeof prepared === 'string') absent.push(`interop ${peer.name}: not run, ${prepared}`);
    else present.push([peer, prepared]);
  }
  const cases = quick ? MATRIX_CASES : CASE_NAMES;
  for (const tls of [false, true]) {
    const transport = tls ? 'TLS' : 'h2c';
    const all: MatrixColumn[] = [];
    const lines: SuiteResult[] = [];
    for (const [peer, prepared] of present) {
      const startMs = performance.now();
      const columns = await runPeer(peer, prepared, {
        tls,
        cases,
        progress: console.log,
      });
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      console.log(`  ${transport} with ${peer.name} ${prepared.version}: done in ${seconds} s`);
      all.push(...columns);
      lines.push(sumOf(`interop ${peer.name} ${prepared.version}, ${transport}`, columns));
    }
    console.log(`\ninterop over ${transport}\n${tableOf(cases, all)}\n`);
    for (const line of lines) report(line);
  }
  for (const line of absent) console.log(line);
}

function sumOf(name: string, columns: readonly MatrixColumn[]): SuiteResult {
  const outcomes = columns.flatMap((column) => [...column.outcomes.values()]);
  const count = (wanted: string): number =>
    outcomes.filter(({ result }) => result === wanted).length;
  // The table says why.
  return {
    name,
    passed: count('passed'),
    failed: count('failed'),
    skipped: count('unable'),
    output: '',
  };
}
