/** Runs the interoperability cases of our client with each peer's server, and of each peer's client with our server. */

import { ALL_CASES } from '../cases/all-cases.ts';
import { PUREWIRE } from './node-peers.ts';
import type { CaseOutcome, Gaps, MatrixPeer, PreparedPeer, RunningServer } from './peer.ts';

/** Which side is the peer's. */
export type Direction = 'to peer' | 'from peer';

/** All cases of one peer in one direction over one transport. */
export interface MatrixColumn {
  readonly peer: string;
  readonly version: string;
  readonly direction: Direction;
  readonly outcomes: ReadonlyMap<string, CaseOutcome>;
}

/** What a run is to do and whom it tells. */
export interface MatrixRun {
  readonly tls: boolean;
  readonly cases: readonly string[];
  /** One short line about what happens now. */
  progress(text: string): void;
}

/** The case that wants a server with a low limit of streams. */
const SCALING_CASE = 'max_concurrent_streams_connection_scaling';
const SCALING_LIMIT = 2;

/** All cases, the twenty of the matrix and more. */
export const CASE_NAMES: readonly string[] = [...ALL_CASES.keys()];

/** Runs one peer against us, and us against it. Us against ourselves is one column. */
export async function runPeer(
  peer: MatrixPeer,
  prepared: PreparedPeer,
  run: MatrixRun,
): Promise<MatrixColumn[]> {
  const ours = await PUREWIRE.prepare(run.progress);
  if (typeof ours === 'string') throw new Error(ours);
  const columns: MatrixColumn[] = [];
  const column = async (
    direction: Direction,
    client: PreparedPeer,
    server: PreparedPeer,
    gaps: Gaps,
  ): Promise<void> => {
    const outcomes = await runColumn(client, server, gaps, run, (outcome) => {
      if (outcome.result === 'failed') {
        run.progress(`  ${outcome.name} ${direction} FAILED: ${outcome.text}`);
      }
    });
    columns.push({ peer: peer.name, version: prepared.version, direction, outcomes });
  };
  if (prepared.startServer !== undefined) {
    await column('to peer', ours, prepared, peer.serverGaps);
  }
  if (peer !== PUREWIRE && prepared.runClient !== undefined) {
    await column('from peer', prepared, ours, peer.clientGaps);
  }
  return columns;
}

async function runColumn(
  client: PreparedPeer,
  server: PreparedPeer,
  gaps: Gaps,
  run: MatrixRun,
  told: (outcome: CaseOutcome) => void,
): Promise<Map<string, CaseOutcome>> {
  const outcomes = new Map<string, CaseOutcome>();
  const note = (outcome: CaseOutcome): void => {
    outcomes.set(outcome.name, outcome);
    told(outcome);
  };
  for (const [name, text] of Object.entries(gaps)) {
    if (run.cases.includes(name)) note({ name, result: 'unable', text });
  }
  const left = run.cases.filter((name) => !outcomes.has(name));
  const plain = left.filter((name) => name !== SCALING_CASE);
  await runOn(client, server, plain, 0, run, note);
  if (left.includes(SCALING_CASE)) {
    await runOn(client, server, [SCALING_CASE], SCALING_LIMIT, run, note);
  }
  return outcomes;
}

async function runOn(
  client: PreparedPeer,
  server: PreparedPeer,
  cases: readonly string[],
  maxStreams: number,
  run: MatrixRun,
  note: (outcome: CaseOutcome) => void,
): Promise<void> {
  if (cases.length === 0) return;
  let running: RunningServer;
  try {
    running = await server.startServer!({ tls: run.tls, maxStreams });
  } catch (error) {
    for (const name of cases) note({ name, result: 'failed', text: String(error) });
    return;
  }
  try {
    await client.runClient!(cases, { port: running.port, tls: run.tls }, note);
  } finally {
    await running.stop();
  }
}
