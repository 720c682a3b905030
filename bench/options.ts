/** The command line of the bench. */

import { parseArgs } from 'node:util';
import { describeImplementations } from './arms.ts';
import { probes } from './probes/probes.ts';
import { workloads } from './workloads.ts';

/** What to measure and how long; all durations in milliseconds. */
export interface BenchOptions {
  readonly mode: 'measure' | 'counters' | 'profile' | 'list' | 'help' | 'build-peers';
  readonly quick: boolean;
  /** Rows asked for, by name or beginning of a name; empty: those of the mode. */
  readonly only: readonly string[];
  /** Arms asked for; empty: those of each row. */
  readonly arms: readonly string[];
  readonly launches: number;
  readonly blocksPerLaunch: number;
  readonly sliceMs: number;
  readonly rampMs: number;
  readonly serverCore: number;
  readonly clientCore: number;
  readonly jsonFile: string | null;
  /** Folder for profiles. */
  readonly profileFolder: string | null;
  readonly profileKind: 'cpu' | 'allocations';
  /** Exit 1 when a mark is missed. */
  readonly check: boolean;
}

/** A command line that cannot be understood; the message says what is wrong with it. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}

const quickPace = { launches: 1, seconds: 3.5, sliceMs: 350, rampMs: 50 };
const fullPace = { launches: 5, seconds: 20, sliceMs: 1_000, rampMs: 250 };

/** Reads the arguments; throws UsageError. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const values = parse(args);
  const quick = values.quick ?? false;
  const pace = quick ? quickPace : fullPace;
  const launches = wholeNumber('--launches', values.launches, pace.launches, 1);
  const seconds = positive('--seconds', values.seconds, pace.seconds);
  const sliceMs = positive('--slice', values.slice, pace.sliceMs);
  const [serverCore, clientCore] = cores(values.cores);
  const profileKind = values.allocations === undefined ? 'cpu' : 'allocations';
  return {
    mode: modeOf(values),
    quick,
    only: list(values.only),
    arms: list(values.arms),
    launches,
    // Each block gives each arm two slices, so that its first and last place in the order balance.
    blocksPerLaunch: Math.max(2, Math.round((seconds * 1000) / (launches * 2 * sliceMs))),
    sliceMs,
    rampMs: Math.min(pace.rampMs, sliceMs),
    serverCore,
    clientCore,
    jsonFile: values.json ?? null,
    profileFolder: values.allocations ?? values.profile ?? null,
    profileKind,
    check: values.check ?? false,
  };
}

/** The text of `--help`. */
export function helpText(): string {
  const rows = [...workloads, ...probes].map((each) => `  ${each.name.padEnd(22)}${each.title}`);
  const arms = describeImplementations().map(
    (each) => `  ${each.name.padEnd(22)}${each.description}`,
  );
  return `npm run bench -- [options]

Measures purewire side by side with other gRPC libraries and with the limits of the platform. The client and the server of each arm
are processes of their own, pinned to a core each; the arms take turns in short slices, forward and backward (ABBA), and are compared
within each such block. Ratios are medians over the blocks with a 95 % bootstrap interval.

  --quick             the headline rows in about two and a half minutes; otherwise all rows, which takes more than an hour
  --only NAMES        rows, separated by commas; the beginning of a name is enough (sweep)
  --arms NAMES        arms, separated by commas; client:server pairs a client with another's server (purewire:grpc-js)
  --seconds N         measured seconds per arm and row (${quickPace.seconds} quick, ${fullPace.seconds} otherwise)
  --launches N        fresh processes per row (${quickPace.launches} quick, ${fullPace.launches} otherwise)
  --slice MS          length of a slice (${quickPace.sliceMs} quick, ${fullPace.sliceMs} otherwise)
  --cores S,C         cores of server and client (0,1)
  --json FILE         machine, versions, commit, settings and every sample
  --counters          instead of speed: system calls, octets, loop turns and allocation per call
  --profile DIR       instead of speed: CPU profiles of client and server, and their top functions
  --allocations DIR   the same with allocation profiles
  --check             exit with 1 when a mark is missed
  --build-peers       build the peers in other languages whose toolchain is here
  --list              rows and arms
  --help

Rows
${rows.join('\n')}

Arms
${arms.join('\n')}

Exit codes: 0 measured, 1 a row failed (or, with --check, a mark was missed), 2 the command line or the peers, 130 interrupted.
`;
}

type Values = ReturnType<typeof parse>;

function parse(args: readonly string[]): {
  quick?: boolean | undefined;
  only?: string[] | undefined;
  arms?: string[] | undefined;
  seconds?: string | undefined;
  launches?: string | undefined;
  slice?: string | undefined;
  cores?: string | undefined;
  json?: string | undefined;
  counters?: boolean | undefined;
  profile?: string | undefined;
  allocations?: string | undefined;
  check?: boolean | undefined;
  list?: boolean | undefined;
  help?: boolean | undefined;
  'build-peers'?: boolean | undefined;
} {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean' },
        only: { type: 'string', multiple: true },
        arms: { type: 'string', multiple: true },
        seconds: { type: 'string' },
        launches: { type: 'string' },
        slice: { type: 'string' },
        cores: { type: 'string' },
        json: { type: 'string' },
        counters: { type: 'boolean' },
        profile: { type: 'string' },
        allocations: { type: 'string' },
        check: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        'build-peers': { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function modeOf(values: Values): BenchOptions['mode'] {
  if (values.help) return 'help';
  if (values.list) return 'list';
  if (values['build-peers']) return 'build-peers';
  if (values.profile !== undefined || values.allocations !== undefined) return 'profile';
  return values.counters ? 'counters' : 'measure';
}

function list(values: readonly string[] | undefined): string[] {
  return (values ?? [])
    .flatMap((value) => value.split(','))
    .map((value) => value.trim())
    .filter((value) => value !== '');
}

function positive(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new UsageError(`${name} takes a number above 0, got '${text}'`);
  }
  return value;
}

function wholeNumber(
  name: string,
  text: string | undefined,
  fallback: number,
  least: number,
): number {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new UsageError(`${name} takes a whole number from ${least}, got '${text}'`);
  }
  return value;
}

function cores(text: string | undefined): [number, number] {
  if (text === undefined) return [0, 1];
  const match = /^(\d+),(\d+)$/.exec(text);
  if (match === null)
    throw new UsageError(`--cores takes two core numbers, 0,1 say; got '${text}'`);
  return [Number(match[1]), Number(match[2])];
}
