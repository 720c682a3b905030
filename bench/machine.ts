/** What a result needs to be comparable: processor, kernel, runtime, commit; and how busy others kept the machine meanwhile. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { projectRoot } from './project.ts';

export interface MachineInfo {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryOctets: number;
  readonly kernel: string;
  readonly architecture: string;
  readonly node: string;
  readonly v8: string;
  readonly openssl: string;
}

export interface RevisionInfo {
  /** Null outside a git checkout. */
  readonly commit: string | null;
  readonly modified: boolean;
}

export function machineInfo(): MachineInfo {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryOctets: os.totalmem(),
    kernel: `${os.type()} ${os.release()}`,
    architecture: os.arch(),
    node: process.version,
    v8: process.versions.v8,
    openssl: process.versions.openssl,
  };
}

export function revisionInfo(): RevisionInfo {
  const git = (...args: string[]): string | null => {
    const run = spawnSync('git', args, { cwd: projectRoot, encoding: 'utf8' });
    return run.status === 0 ? run.stdout.trim() : null;
  };
  return { commit: git('rev-parse', 'HEAD'), modified: git('status', '--porcelain') !== '' };
}

/** Processor time of the whole machine since its start, in ticks of 10 ms. */
export interface ProcessorTimes {
  readonly total: number;
  readonly steal: number;
  /** User and system time of all processes; not interrupts, which belong to nobody in particular. */
  readonly processes: number;
}

/** Null where there is no /proc/stat. */
export function processorTimes(): ProcessorTimes | null {
  let line: string;
  try {
    line = readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? '';
  } catch {
    return null;
  }
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] =
    line.trim().split(/\s+/).slice(1).map(Number);
  const processes = user + nice + system;
  return { total: processes + idle + iowait + irq + softirq + steal, steal, processes };
}

const maxStealShare = 0.02;
const maxOthersShare = 0.1;

/** How much of the machine was taken away by the hypervisor, and used by processes that are not ours. Shares of all cores. */
export interface Disturbance {
  readonly stealShare: number;
  readonly othersShare: number;
}

/**
 * Whether a block counts. The rule by which one is left out, whichever arm it would favour; fixed before measuring, and applied to what
 * others did alone.
 */
export function isCalm({ stealShare, othersShare }: Disturbance): boolean {
  return stealShare <= maxStealShare && othersShare <= maxOthersShare;
}

export function disturbanceBetween(
  before: ProcessorTimes | null,
  after: ProcessorTimes | null,
  ownMicros: number,
): Disturbance {
  if (before === null || after === null || after.total <= before.total) {
    return { stealShare: 0, othersShare: 0 };
  }
  const total = after.total - before.total;
  const others = after.processes - before.processes - ownMicros / 10_000;
  return {
    stealShare: (after.steal - before.steal) / total,
    othersShare: Math.max(0, others / total),
  };
}
