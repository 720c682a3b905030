/** What an attack is, and how it is run: against a victim in a process of its own, beside a well-behaved client, with the invariants. */

import type { Limits } from '../../transport/limits.ts';
import { Bystander } from './bystander.ts';
import { RawPeer, type RawPeerOptions } from './raw-peer.ts';
import { type ServerReport, sleep, Victim, type VictimSetup } from './victim.ts';

/** What an attack works with. */
export interface AttackContext {
  readonly victim: Victim<ServerReport>;
  /** A raw connection to the victim, destroyed after the attack. */
  connect(options?: RawPeerOptions): Promise<RawPeer>;
}

/** One attack on a server. */
export interface Attack {
  /** Name in the list of tests: S01 … */
  readonly id: string;
  readonly title: string;
  /** Part of `npm test`. */
  readonly quick?: boolean;
  /** The victim's limits, laid over its defaults; such an attack has a victim of its own. */
  readonly limits?: Partial<Limits>;
  readonly tls?: VictimSetup['tls'];
  /** The attack ends the victim: nobody else is served by it. */
  readonly alone?: boolean;
  /** Bound of the growth at the peak in octets; I3 unless given. */
  readonly peakOctets?: number;
  /** Throws Error when the victim does not do what it must. */
  run(context: AttackContext): Promise<void>;
}

/** How an attack went. */
export interface AttackResult {
  readonly id: string;
  readonly title: string;
  /** What went wrong; empty when the victim held. */
  readonly failures: readonly string[];
  /** Growth of heapUsed + external at the peak, and after the attack's connections were gone. */
  readonly peakOctets: number;
  readonly keptOctets: number;
  readonly stallMs: number;
  readonly cpuMs: number;
  readonly timeMs: number;
  readonly bystanderCalls: number;
  readonly bystanderP99Ms: number;
}

/** I3: the most that heapUsed + external may grow, garbage included, and what may stay. */
const PEAK_OCTETS = 48 * 2 ** 20;
const KEPT_OCTETS = 3 * 2 ** 20;
/** Handlers that ignore their abort, and lingering sockets, are gone by then. */
const SETTLE_MS = 8000;

/** Fails an attack. */
export function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Runs attacks one after the other; the victim is shared by those that ask for nothing special. */
export class AttackRunner {
  #shared: Victim<ServerReport> | null = null;

  async run(attack: Attack): Promise<AttackResult> {
    const own = attack.limits !== undefined || attack.tls !== undefined || attack.alone === true;
    const victim = own
      ? await Victim.startServer({
          ...(attack.limits === undefined ? {} : { limits: attack.limits }),
          ...(attack.tls === undefined ? {} : { tls: attack.tls }),
        })
      : await this.#sharedVictim();
    try {
      return await runAgainst(victim, attack);
    } finally {
      if (own) await victim.stop();
    }
  }

  async stop(): Promise<void> {
    await this.#shared?.stop();
    this.#shared = null;
  }

  async #sharedVictim(): Promise<Victim<ServerReport>> {
    if (this.#shared === null || this.#shared.exited) {
      this.#shared = await Victim.startServer();
      await warmUp(this.#shared);
    }
    return this.#shared;
  }
}

/** Code and caches that the first connection makes are no growth of an attack. */
async function warmUp(victim: Victim<ServerReport>): Promise<void> {
  const bystander = new Bystander(victim.port);
  await sleep(300);
  await bystander.stop();
  await victim.until((report) => report.connections === 0, 'the end of the warm-up');
}

async function runAgainst(victim: Victim<ServerReport>, attack: Attack): Promise<AttackResult> {
  const failures: string[] = [];
  const peers: RawPeer[] = [];
  const hasBystander = attack.alone !== true && attack.tls === undefined;
  const bystander = hasBystander ? new Bystander(victim.port) : null;
  if (bystander !== null) await sleep(100);
  await victim.tell({ type: 'reset' });
  const before = await victim.report(true);
  const startMs = performance.now();
  try {
    await attack.run({
      victim,
      async connect(options) {
        const peer = await RawPeer.connect(victim.port, options);
        peers.push(peer);
        return peer;
      },
    });
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  }
  const timeMs = performance.now() - startMs;
  for (const peer of peers) peer.socket.destroy();
  const during = victim.exited ? null : await victim.report();
  const fared = bystander === null ? null : await bystander.stop();
  for (const failure of fared?.failures ?? []) failures.push(`bystander: ${failure}`);
  if (fared !== null && fared.calls === 0) failures.push('bystander: no call was answered');
  let kept = 0;
  if (!victim.exited) {
    try {
      if (attack.alone !== true) {
        await victim.tell({ type: 'settleNever' });
        await victim.until(
          (report) => report.connections === 0 && report.runningHandlers === 0,
          'the victim to come to rest',
          SETTLE_MS,
        );
      }
      kept = await keptOctets(victim, before.octets);
      const after = await victim.report();
      for (const fault of after.faults) failures.push(fault);
    } catch (error) {
      failures.push(String(error));
    }
    if (attack.alone !== true && kept > KEPT_OCTETS) failures.push(`${kept} octets stay in memory`);
  } else if (attack.alone !== true) {
    failures.push(`the victim is dead: ${victim.stderr}`);
  }
  const peak = during === null ? 0 : during.peakOctets - before.octets;
  if (peak > (attack.peakOctets ?? PEAK_OCTETS)) failures.push(`memory grew by ${peak} octets`);
  return {
    id: attack.id,
    title: attack.title,
    failures,
    peakOctets: peak,
    keptOctets: kept,
    stallMs: during?.stallMs ?? 0,
    cpuMs: during?.cpuMs ?? 0,
    timeMs,
    bystanderCalls: fared?.calls ?? 0,
    bystanderP99Ms: fared?.p99Ms ?? 0,
  };
}

/** Growth after garbage collection; looked at again for a while, because sockets go in their own time. */
async function keptOctets(victim: Victim<ServerReport>, baseOctets: number): Promise<number> {
  let kept = 0;
  for (let look = 0; look < 10; look++) {
    kept = (await victim.report(true)).octets - baseOctets;
    if (kept <= KEPT_OCTETS) break;
    await sleep(200);
  }
  return kept;
}
