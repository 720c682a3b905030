/** The matrix as text: cases down, peers across, our client's side and our server's. */

import type { MatrixColumn } from './matrix.ts';
import { PUREWIRE } from './node-peers.ts';

/** The table, and below it what the peers cannot do and what failed. */
export function tableOf(cases: readonly string[], columns: readonly MatrixColumn[]): string {
  const notes: string[] = [];
  const noteOf = (text: string): number => {
    if (!notes.includes(text)) notes.push(text);
    return notes.indexOf(text) + 1;
  };
  const heads = columns.map(({ peer, direction }) =>
    peer === PUREWIRE.name ? peer : direction === 'to peer' ? `>${peer}` : `${peer}>`,
  );
  const rows = cases.map((name) => [
    name,
    ...columns.map(({ peer, outcomes }) => {
      const outcome = outcomes.get(name);
      if (outcome === undefined) return '';
      if (outcome.result === 'passed') return 'ok';
      if (outcome.result === 'failed') return 'FAILED';
      return `n/a ${noteOf(`${peer}: ${outcome.text}`)}`;
    }),
  ]);
  const widths = ['', ...heads].map((head, at) =>
    Math.max(head.length, ...rows.map((row) => row[at]!.length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd();
  const failures = columns.flatMap(({ peer, direction, outcomes }) =>
    [...outcomes.values()]
      .filter(({ result }) => result === 'failed')
      .map(({ name, text }) => `FAILED ${name} ${direction} ${peer}: ${text}`),
  );
  return [
    '>peer: our client, its server; peer>: its client, our server; n/a: the peer cannot',
    line(['', ...heads]),
    ...rows.map(line),
    ...notes.map((text, at) => `n/a ${at + 1}  ${text}`),
    ...failures,
  ].join('\n');
}
