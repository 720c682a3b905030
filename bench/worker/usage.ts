/** What this process has used so far: CPU, system calls, octets, event-loop turns. */

import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import type { Usage } from '../protocol.ts';

/** Counters since the start of the process. Where the system has no /proc, those of its system calls are 0. */
export function currentUsage(): Usage {
  const io = systemCalls();
  const cpu = process.cpuUsage();
  const memory = process.memoryUsage();
  return {
    userMicros: cpu.user,
    systemMicros: cpu.system,
    involuntarySwitches: process.resourceUsage().involuntaryContextSwitches,
    readCalls: io.get('syscr') ?? 0,
    writeCalls: io.get('syscw') ?? 0,
    readOctets: io.get('rchar') ?? 0,
    writtenOctets: io.get('wchar') ?? 0,
    loopTurns: loopTurns(),
    rssOctets: memory.rss,
    heapUsedOctets: memory.heapUsed,
  };
}

/** `after` − `before`, except for the memory figures, which are those of `after`. */
export function usageBetween(before: Usage, after: Usage): Usage {
  return {
    userMicros: after.userMicros - before.userMicros,
    systemMicros: after.systemMicros - before.systemMicros,
    involuntarySwitches: after.involuntarySwitches - before.involuntarySwitches,
    readCalls: after.readCalls - before.readCalls,
    writeCalls: after.writeCalls - before.writeCalls,
    readOctets: after.readOctets - before.readOctets,
    writtenOctets: after.writtenOctets - before.writtenOctets,
    loopTurns: after.loopTurns - before.loopTurns,
    rssOctets: after.rssOctets,
    heapUsedOctets: after.heapUsedOctets,
  };
}

/** /proc/self/io counts read, readv, write and writev of the whole process, whichever library called them. */
function systemCalls(): Map<string, number> {
  const counters = new Map<string, number>();
  try {
    for (const line of readFileSync('/proc/self/io', 'latin1').split('\n')) {
      const [name, value] = line.split(': ');
      if (name !== undefined && value !== undefined) counters.set(name, Number(value));
    }
  } catch {
    // Not Linux.
  }
  return counters;
}

function loopTurns(): number {
  const timing = performance.nodeTiming as { uvMetricsInfo?: { loopCount: number } };
  return timing.uvMetricsInfo?.loopCount ?? 0;
}
