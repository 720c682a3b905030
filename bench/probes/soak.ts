/** Row 18: very many calls of all four kinds, and what the heaps and the processes have grown by meanwhile. */

import { armNamed } from '../arms.ts';
import { startArm } from '../measure.ts';
import type { Load, WorkloadKind } from '../protocol.ts';
import { figure, grouped } from '../report.ts';
import type { Probe } from './probe.ts';
import { slope } from './slope.ts';

const kib = 1024;
const quietMs = 300;
/** Calls and messages in all, by effort; the reference asks for ten million, which takes minutes. */
const totals = { quick: 400_000, full: 2_000_000, thorough: 10_000_000 };
const rounds = 8;
/** Rounds whose code is still being compiled and whose pools still grow. */
const warmUpRounds = 3;
const kinds: readonly { kind: WorkloadKind; share: number; messages: number; body: number }[] = [
  { kind: 'unary', share: 0.7, messages: 0, body: 0 },
  { kind: 'server-stream', share: 0.1, messages: 1_000, body: 64 },
  { kind: 'client-stream', share: 0.1, messages: 1_000, body: 64 },
  { kind: 'ping-pong', share: 0.1, messages: 0, body: 8 },
];
/** Growth that counts as nothing: code still compiled, pools still filled, garbage left at random. */
const noiseOctets = 1024 * kib;

/** Both ends over one run, one kind after another. */
export const soak: Probe = {
  name: 'soak',
  title: 'growth of heap and RSS over very many calls of all four kinds',
  plannedMs: 60_000,
  arms: ['purewire'],
  run: async (_arms, options, stage) => {
    const total = totals[options.effort];
    const results: { kind: string; calls: number; side: string; heap: number; rss: number }[] = [];
    for (const { kind, share, messages, body } of kinds) {
      const load: Load = {
        kind,
        bodyOctets: body,
        inFlight: kind === 'unary' ? 100 : 10,
        connections: 1,
        messagesPerStream: messages,
        metadataEntries: 0,
        interceptors: false,
        resumeTls: false,
        latency: false,
      };
      const processes = await startArm(armNamed('purewire'), load, options, null, ['--expose-gc']);
      const calls: number[] = [];
      const seen = {
        client: { heap: [] as number[], rss: [] as number[] },
        server: { heap: [] as number[], rss: [] as number[] },
      };
      try {
        let done = 0;
        for (let round = 0; round < rounds + warmUpRounds; round++) {
          stage(`${kind}, ${grouped(done)} done`);
          const { totalCompletions } = await processes.client.ask(
            'run',
            {
              rampMs: 0,
              durationMs: 60_000,
              maxCompletions: Math.round((total * share) / rounds),
              inFlight: 0,
              arrivalsPerSecond: 0,
              seed: 1,
            },
            60_000,
          );
          done += totalCompletions;
          if (round < warmUpRounds) continue;
          calls.push(done);
          for (const side of ['client', 'server'] as const) {
            const state = await processes[side].ask('settle', { quietMs }, quietMs);
            seen[side].heap.push(state.heapUsedOctets + state.externalOctets);
            seen[side].rss.push(state.rssOctets);
          }
        }
      } finally {
        await Promise.all([processes.client.end(), processes.server.end()]);
      }
      const grown = calls.at(-1)! - calls[0]!;
      for (const side of ['client', 'server'] as const) {
        results.push({
          kind,
          side,
          calls: calls.at(-1) ?? 0,
          heap: slope(calls, seen[side].heap) * grown,
          rss: slope(calls, seen[side].rss) * grown,
        });
      }
    }
    const most = Math.max(...results.map((each) => each.heap));
    return {
      columns: ['', 'calls or messages', 'heap grew', 'RSS grew'],
      lines: results.map((each) => [
        `${each.kind}, ${each.side}`,
        grouped(each.calls),
        `${figure(each.heap / kib)} KiB`,
        `${figure(each.rss / kib)} KiB`,
      ]),
      goals: [
        {
          text: `goal: no heap grows beyond 1 MiB; is ${figure(most / kib)} KiB`,
          reached: most <= noiseOctets,
        },
      ],
      data: results,
    };
  },
};
