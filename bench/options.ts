/** The command line of the bench. */

import { parseArgs } from 'node:util';
import { describeImplementations } from './arms.ts';
import { paces } from './pace.ts';
import { probes } from './probes/probes.ts';
import { workloads } from './workloads.ts';

/** How much is measured: the headline rows, all rows, or all rows with all arms and for long. */
export type Effort = 'quick' | 'full' | 'thorough';

/** What to measure and how long; all durations in milliseconds. */
export interface BenchOptions {
  readonly mode: 'measure' | 'counters' | 'profile' | 'list' | 'help' | 'build-peers' | 'render';
  readonly effort: Effort;
  /** Rows asked for, by name or beginning of a name; empty: those of the mode. */
  readonly only: readonly string[];
  /** Arms asked for; empty: those of each row. */
  readonly arms: readonly string[];
  /** Null: what the effort says. */
  readonly launches: number | null;
  /** Measured seconds per arm and row. */
  readonly seconds: number | null;
  readonly sliceMs: number | null;
  readonly serverCore: number;
  readonly clientCore: number;
  readonly jsonFile: string | null;
  /** HTML page with charts. */
  readonly reportFile: string | null;
  /** Folder for the results page and its charts. */
  readonly docsFolder: string | null;
  /** Saved results to render instead of measuring; the first is the one that is shown in full. */
  readonly from: readonly string[];
  /** A git revision to compare with. */
  readonly against: string | null;
  /** Where that revision is built, once it is. */
  readonly againstFolder: string | null;
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

/** Reads the arguments; throws UsageError. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const values = parse(args);
  if (values.quick && values.thorough)
    throw new UsageError('--quick and --thorough exclude each other');
  const [serverCore, clientCore] = cores(values.cores);
  const profileKind = values.allocations === undefined ? 'cpu' : 'allocations';
  return {
    mode: modeOf(values),
    effort: values.quick ? 'quick' : values.thorough ? 'thorough' : 'full',
    only: list(values.only),
    arms: list(values.arms),
    launches: wholeNumber('--launches', values.launches, 1),
    seconds: positive('--seconds', values.seconds),
    sliceMs: positive('--slice', values.slice),
    serverCore,
    clientCore,
    jsonFile: values.json ?? null,
    reportFile: values.report ?? null,
    docsFolder: values.docs ?? null,
    from: list(values.from),
    against: values.against ?? null,
    againstFolder: null,
    profileFolder: values.allocations ?? values.profile ?? null,
    profileKind,
    check: values.check ?? false,
  };
}

/** The text of `--help`. */
export function helpText(): string {
  const { quick, full, thorough } = paces;
  const rows = [...workloads, ...probes].map((each) => `  ${each.name.padEnd(22)}${each.title}`);
  const arms = describeImplementations().map(
    (each) => `  ${each.name.padEnd(22)}${each.description}`,
  );
  return `npm run bench -- [options]

Measures purewire side by side with other gRPC libraries and with the limits of the platform. The client and the server of each arm
are processes of their own, pinned to a core each; the arms take turns in short slices, forward and backward (ABBA), and are compared
within each such block. Ratios are medians over the blocks with a 95 % bootstrap interval.

  --quick             the rows with marks, peers in Node only: about 2.5 minutes
                      otherwise all rows and probes: about 20 minutes with all peers built
  --thorough          all rows with all arms, five launches: about three hours
  --only NAMES        rows, separated by commas; the beginning of a name is enough (sweep)
  --arms NAMES        arms, separated by commas; client:server pairs a client with another's server (purewire:grpc-js)
  --seconds N         measured seconds per arm and row (${quick.other.seconds} quick, ${thorough.other.seconds} thorough, otherwise ${full.other.seconds}, and ${full.headline.seconds} where a goal
                      hangs on it, ${full.reported.seconds} in rows without any)
  --launches N        fresh processes per row (${quick.other.launches} quick, ${thorough.other.launches} thorough, otherwise ${full.other.launches}, and ${full.headline.launches} where a goal
                      hangs on it, for the arms that it compares)
  --slice MS          length of a slice (${full.other.sliceMs}; ${thorough.other.sliceMs} thorough)
  --cores S,C         cores of server and client (0,1)
  --against REV       builds that git revision below .tools/ and compares this one with it: faster, slower or no difference in rate and
                      CPU per call, row by row; about 9 minutes, with --quick about 3
  --json FILE         machine, versions, commit, settings and every sample
  --report FILE       an HTML page with charts, complete in itself
  --docs DIR          a results page in Markdown and its charts as SVG
  --from FILES        measure nothing: make report, docs and tables from saved JSON files, separated by commas; the first is shown in
                      full, of the others the ratios
  --counters          instead of speed: system calls, octets, loop turns and allocation per call
  --profile DIR       instead of speed: CPU profiles of client and server, and their top functions
  --allocations DIR   the same with allocation profiles
  --check             exit with 1 when a mark is missed, or with --against when a row is slower
  --build-peers       build the peers in other languages whose toolchain is here
  --list              rows and arms
  --help

Rows
${rows.join('\n')}

Arms
${arms.join('\n')}

Exit codes: 0 measured, 1 a row failed (or with --check a mark was missed, a row slower), 2 the command line or the peers, 130 interrupted.
`;
}

type Values = ReturnType<typeof parse>;

function parse(args: readonly string[]): {
  quick?: boolean | undefined;
  thorough?: boolean | undefined;
  report?: string | undefined;
  docs?: string | undefined;
  from?: string[] | undefined;
  against?: string | undefined;
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
        thorough: { type: 'boolean' },
        report: { type: 'string' },
        docs: { type: 'string' },
        from: { type: 'string', multiple: true },
        against: { type: 'string' },
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
  if (values.from !== undefined) return 'render';
  if (values.profile !== undefined || values.allocations !== undefined) return 'profile';
  return values.counters ? 'counters' : 'measure';
}

function list(values: readonly string[] | undefined): string[] {
  return (values ?? [])
    .flatMap((value) => value.split(','))
    .map((value) => value.trim())
    .filter((value) => value !== '');
}

function positive(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new UsageError(`${name} takes a number above 0, got '${text}'`);
  }
  return value;
}

function wholeNumber(name: string, text: string | undefined, least: number): number | null {
  if (text === undefined) return null;
  const value = Number(text);
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
