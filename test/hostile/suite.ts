/** All attacks in the order of the security reference, and one way to run them. */

import { testCertificates } from '../support/certificates.ts';
import { type Attack, type AttackResult, AttackRunner, withinTimes } from './attack.ts';
import { clientAttacks } from './client.ts';
import { type ClientAttack, runClientAttack } from './client-attack.ts';
import { applicationAttacks, clientCallAttacks, tlsServerAttacks } from './client-calls.ts';
import { fairnessAttacks } from './fairness.ts';
import { frameAttacks } from './frames.ts';
import { freshAttacks, freshTlsAttacks } from './fresh.ts';
import { freshClientAttacks } from './fresh-client.ts';
import { grpcAttacks } from './grpc.ts';
import { honestPeers } from './honest-peers.ts';
import { hpackAttacks } from './hpack.ts';
import { observerAttacks } from './observers.ts';
import { programAttacks } from './program.ts';
import { streamLifecycleAttacks } from './stream-lifecycle.ts';
import { processAttacks, tlsAttacks } from './tls-process.ts';
import { type ClientReport, sleep, Victim } from './victim.ts';

/** Growth of a victim client at the peak; its calls are many more than one attack's. */
const CLIENT_PEAK_OCTETS = 64 * 2 ** 20;
const CLIENT_KEPT_OCTETS = 4 * 2 ** 20;

/**
 * Runs the attacks that `selected` picks, server side first, and reports each as it ends. `timed`: stalls of the victim and slow calls of
 * the bystander are failures, if they are there time and again.
 */
export async function runAttacks(
  selected: (attack: Pick<Attack, 'id' | 'title' | 'quick'>) => boolean,
  report: (result: AttackResult) => void | Promise<void>,
  timed = false,
): Promise<void> {
  const judged = timed
    ? withinTimes
    : (_stallMs: number | undefined, run: () => Promise<AttackResult>): Promise<AttackResult> =>
        run();
  const { server, root, stranger } = await testCertificates();
  const runner = new AttackRunner();
  try {
    const attacks = [
      ...streamLifecycleAttacks,
      ...frameAttacks,
      ...hpackAttacks,
      ...grpcAttacks,
      ...processAttacks,
      ...observerAttacks,
      ...programAttacks,
      ...freshAttacks,
      ...fairnessAttacks,
      ...honestPeers,
      ...tlsAttacks(server),
      ...freshTlsAttacks(server),
    ];
    for (const attack of attacks.filter(selected)) {
      await report(await judged(attack.stallMs, () => runner.run(attack)));
    }
  } finally {
    await runner.stop();
  }
  const chosen = [
    ...clientAttacks,
    ...clientCallAttacks,
    ...applicationAttacks,
    ...tlsServerAttacks({ root, server, stranger }),
    ...freshClientAttacks,
  ].filter(selected);
  if (chosen.length === 0) return;
  const victim = await Victim.startClient({});
  try {
    for (const attack of chosen) {
      await report(await judged(attack.stallMs, () => measured(victim, attack)));
    }
  } finally {
    await victim.stop();
  }
}

async function measured(victim: Victim<ClientReport>, attack: ClientAttack): Promise<AttackResult> {
  await victim.tell({ type: 'reset' });
  const before = await victim.report(true);
  const startMs = performance.now();
  const failures = await runClientAttack(victim, attack);
  const timeMs = performance.now() - startMs;
  const { peakOctets, stallMs, cpuMs } = await victim.report();
  let after = await victim.report(true);
  for (let look = 0; after.liveConnections > 0 && look < 10; look++) {
    await sleep(200);
    after = await victim.report(true);
  }
  const peak = peakOctets - before.octets;
  if (peak > (attack.peakOctets ?? CLIENT_PEAK_OCTETS)) {
    failures.push(`memory grew by ${peak} octets`);
  }
  if (after.liveConnections > 0) {
    failures.push(`I4: ${after.liveConnections} connections are not collected`);
  }
  const kept = after.octets - before.octets;
  if (kept > CLIENT_KEPT_OCTETS) failures.push(`${kept} octets stay in memory`);
  return {
    id: attack.id,
    title: attack.title,
    failures,
    peakOctets: peak,
    keptOctets: kept,
    stallMs,
    cpuMs,
    timeMs,
    bystanderCalls: 0,
    bystanderP99Ms: 0,
  };
}

const MIB = 2 ** 20;

/** One line about one attack. */
export function describeAttack(result: AttackResult): string {
  const { id, title, failures, notRun, peakOctets, keptOctets, timeMs, cpuMs, stallMs } = result;
  const { bystanderCalls, bystanderP99Ms, note = '' } = result;
  if (notRun !== undefined) return `not run ${id} ${title}: ${notRun}`;
  const memory = `+${(Math.max(0, peakOctets) / MIB).toFixed(1)} MiB, ${(keptOctets / MIB).toFixed(1)} stay`;
  const times = `${timeMs.toFixed(0)} ms, CPU ${cpuMs.toFixed(0)}, stall ${stallMs.toFixed(0)}`;
  const others =
    bystanderCalls === 0
      ? ''
      : `; bystander ${bystanderCalls} calls, p99 ${bystanderP99Ms.toFixed(0)} ms`;
  const verdict = failures.length === 0 ? 'held' : 'BROKEN';
  return `${verdict} ${id.padEnd(5)} ${title}: ${memory}; ${times}${others}${note && `; ${note}`}`;
}
