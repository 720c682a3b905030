/** What an attack is, and how it is run: against a victim in a process of its own, beside a well-behaved client, with the invariants. */

import type { Limits } from '../../transport/limits.ts';
import { BystanderProcess } from './bystander-process.ts';
import { RawPeer, type RawPeerOptions } from './raw-peer.ts';
import { type ServerReport, sleep, Victim, type VictimSetup } from './victim.ts';

/** What an attack works with. */
export interface AttackContext {
  readonly victim: Victim<ServerReport>;
  /** Puts words behind the attack's line. */
  note(text: string): void;
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
  readonly environment?: VictimSetup['environment'];
  readonly maxFiles?: VictimSetup['maxFiles'];
  /** The attack ends the victim: nobody else is served by it. */
  readonly alone?: boolean;
  /** Bound of the growth at the peak in octets; I3 unless given. */
  readonly peakOctets?: number;
  /** Bound of the longest stall of the victim's event loop; I5 unless given. Looked at when times are. */
  readonly stallMs?: number;
  /** Lines of the log per connection of the attacker; I6 unless given. */
  readonly logLines?: number;
  /** Throws Error when the victim does not do what it must. */
  run(context: AttackContext): Promise<void>;
}

/** What an attack throws that cannot be run here. */
export class NotRun extends Error {}

/** How an attack went. */
export interface AttackResult {
  readonly id: string;
  readonly title: string;
  /** What went wrong; empty when the victim held. */
  readonly failures: readonly string[];
  /** Why it was not run. */
  readonly notRun?: string;
  /** Growth of heapUsed + external at the peak, and after the attack's connections were gone. */
  readonly peakOctets: number;
  readonly keptOctets: number;
  readonly stallMs: number;
  readonly cpuMs: number;
  readonly timeMs: number;
  readonly bystanderCalls: number;
  readonly bystanderP99Ms: number;
  /** What the attack itself measured. */
  readonly note?: string;
}

/** I6: lines of the log per connection of the attacker. */
const LOG_LINES = 10;
/** I3: the most that heapUsed + external may grow, garbage included, and what may stay. */
const PEAK_OCTETS = 48 * 2 ** 20;
const KEPT_OCTETS = 3 * 2 ** 20;
/** Handlers that ignore their abort, and lingering sockets, are gone by then. */
const SETTLE_MS = 8000;

/** I2 and I5, where times are looked at: of the bystander's calls, and of the event loop. */
const BYSTANDER_P99_MS = 250;
const STALL_MS = 200;
/** A machine that does other things as well is slow now and then; a victim that stalls does so each time. */
const TRIES = 3;

/** What took too long, in words; empty when nothing did. */
function lateness(result: AttackResult, stallMs = STALL_MS): string {
  if (result.bystanderP99Ms > BYSTANDER_P99_MS) {
    return `I2: the bystander waited ${result.bystanderP99Ms.toFixed(0)} ms (p99)`;
  }
  return result.stallMs > stallMs ? `I5: stalled for ${result.stallMs.toFixed(0)} ms` : '';
}

/** Runs an attack again when nothing but its times was wrong, and makes a failure of times that stay so. */
export async function withinTimes(
  stallMs: number | undefined,
  run: () => Promise<AttackResult>,
): Promise<AttackResult> {
  for (let attempt = 1; ; attempt++) {
    const result = await run();
    const late = lateness(result, stallMs);
    if (result.failures.length > 0 || late === '') return result;
    if (attempt === TRIES) return { ...result, failures: [late] };
  }
}

/** Fails an attack. */
export function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Runs attacks one after the other; the victim is shared by those that ask for nothing special. */
export class AttackRunner {
  #shared: Victim<ServerReport> | null = null;
  readonly #bystander: BystanderProcess = new BystanderProcess();

  async run(attack: Attack): Promise<AttackResult> {
    const { limits, tls, environment, maxFiles } = attack;
    const given = { limits, tls, environment, maxFiles };
    const setup = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    ) as VictimSetup;
    const own = Object.keys(setup).length > 0 || attack.alone === true;
    const victim = own ? await Victim.startServer(setup) : await this.#sharedVictim();
    try {
      return await runAgainst(victim, attack, this.#bystander);
    } finally {
      if (own) await victim.stop();
    }
  }

  async stop(): Promise<void> {
    this.#bystander.kill();
    await this.#shared?.stop();
    this.#shared = null;
  }

  async #sharedVictim(): Promise<Victim<ServerReport>> {
    if (this.#shared === null || this.#shared.exited) {
      this.#shared = await Victim.startServer();
      await warmUp(this.#shared, this.#bystander);
    }
    return this.#shared;
  }
}

/** Code and caches that the first connection makes are no growth of an attack. */
async function warmUp(victim: Victim<ServerReport>, bystander: BystanderProcess): Promise<void> {
  await bystander.start(victim.port);
  await sleep(300);
  await bystander.stop();
  await victim.until((report) => report.connections === 0, 'the end of the warm-up');
}

async function runAgainst(
  victim: Victim<ServerReport>,
  attack: Attack,
  process: BystanderProcess,
): Promise<AttackResult> {
  const failures: string[] = [];
  const notes: string[] = [];
  let notRun = '';
  const peers: RawPeer[] = [];
  const hasBystander = attack.alone !== true && attack.tls === undefined;
  const bystander = hasBystander ? process : null;
  if (bystander !== null) {
    await bystander.start(victim.port);
    await sleep(100);
  }
  await victim.tell({ type: 'reset' });
  const before = await victim.report(true);
  const startMs = performance.now();
  try {
    await attack.run({
      victim,
      note: (text) => notes.push(text),
      async connect(options) {
        const peer = await RawPeer.connect(victim.port, options);
        peers.push(peer);
        return peer;
      },
    });
  } catch (error) {
    if (error instanceof NotRun) notRun = error.message;
    else failures.push(error instanceof Error ? error.message : String(error));
  }
  const timeMs = performance.now() - startMs;
  for (const peer of peers) peer.socket.destroy();
  const during = await victim.report().catch((error: unknown) => {
    if (attack.alone !== true) failures.push(String(error));
    return null;
  });
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
      const after = await victim.report(true);
      for (const fault of after.faults) failures.push(fault);
      const lines = after.logLines;
      if (lines > (attack.logLines ?? LOG_LINES) * Math.max(1, peers.length)) {
        failures.push(`I6: ${lines} lines of log for ${peers.length} connections`);
      }
      if (after.liveConnections > after.connections) {
        failures.push(`I4: ${after.liveConnections} connections are not collected`);
      }
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
    ...(notRun === '' ? {} : { notRun }),
    peakOctets: peak,
    keptOctets: kept,
    stallMs: during?.stallMs ?? 0,
    cpuMs: during?.cpuMs ?? 0,
    timeMs,
    bystanderCalls: fared?.calls ?? 0,
    bystanderP99Ms: fared?.p99Ms ?? 0,
    note: notes.join('; '),
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
