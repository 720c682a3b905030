/** CPU and allocation profiles of exactly the slices between start and stop, through the inspector. */

import { writeFileSync } from 'node:fs';
import { type HeapProfiler, type Profiler, Session } from 'node:inspector/promises';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { projectRoot } from '../project.ts';
import type { ProfileEntry } from '../protocol.ts';

const topEntries = 40;

let session: Session | null = null;
let profiling: 'cpu' | 'allocations' = 'cpu';

/** Starts a profile. */
export async function startProfile(kind: 'cpu' | 'allocations'): Promise<void> {
  session = new Session();
  session.connect();
  profiling = kind;
  if (kind === 'cpu') {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: 200 });
    await session.post('Profiler.start');
  } else {
    // Objects that are collected before the end are the ones a hot path makes.
    await session.post('HeapProfiler.startSampling', {
      samplingInterval: 8192,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    } as HeapProfiler.StartSamplingParameterType);
  }
}

/** Ends it: the top functions by self time or by allocated octets; the whole profile goes to `file`. */
export async function stopProfile(
  file: string | null,
): Promise<{ entries: ProfileEntry[]; allocatedOctets: number }> {
  if (session === null) throw new Error('profile-stop without profile-start');
  let selfByPlace: Map<string, number>;
  let profile: object;
  if (profiling === 'cpu') {
    const result = await session.post('Profiler.stop');
    profile = result.profile;
    selfByPlace = selfTimes(result.profile);
  } else {
    const result = await session.post('HeapProfiler.stopSampling');
    profile = result.profile;
    selfByPlace = new Map();
    addAllocations(result.profile.head, selfByPlace);
  }
  session.disconnect();
  session = null;
  if (file !== null) writeFileSync(file, JSON.stringify(profile));
  const total = [...selfByPlace.values()].reduce((sum, value) => sum + value, 0);
  const entries = [...selfByPlace]
    .sort((a, b) => b[1] - a[1])
    .slice(0, topEntries)
    .map(([where, self]) => ({ where, selfShare: total === 0 ? 0 : self / total }));
  return { entries, allocatedOctets: profiling === 'allocations' ? total : 0 };
}

function selfTimes(profile: Profiler.Profile): Map<string, number> {
  const placeById = new Map(profile.nodes.map((node) => [node.id, place(node.callFrame)]));
  const selfByPlace = new Map<string, number>();
  const samples = profile.samples ?? [];
  const deltas = profile.timeDeltas ?? [];
  for (let i = 0; i < samples.length; i++) {
    const where = placeById.get(samples[i]!) ?? '?';
    selfByPlace.set(where, (selfByPlace.get(where) ?? 0) + (deltas[i] ?? 0));
  }
  selfByPlace.delete('(idle)');
  // The profiler was started from within the inspector's dispatch, and takes everything outside JavaScript for a part of it.
  const outside = selfByPlace.get('dispatch');
  if (outside !== undefined) {
    selfByPlace.delete('dispatch');
    selfByPlace.set('(system calls and waiting)', outside);
  }
  return selfByPlace;
}

function addAllocations(
  node: HeapProfiler.SamplingHeapProfileNode,
  selfByPlace: Map<string, number>,
): void {
  const where = place(node.callFrame);
  selfByPlace.set(where, (selfByPlace.get(where) ?? 0) + node.selfSize);
  for (const child of node.children) addAllocations(child, selfByPlace);
}

function place(frame: { functionName: string; url: string; lineNumber: number }): string {
  const name = frame.functionName === '' ? '(anonymous)' : frame.functionName;
  if (frame.url === '') return name;
  const file = frame.url.startsWith('file:')
    ? relative(projectRoot, fileURLToPath(frame.url))
    : relative(projectRoot, frame.url).startsWith('..') || !frame.url.startsWith('/')
      ? frame.url
      : relative(projectRoot, frame.url);
  return `${name} ${file}:${frame.lineNumber + 1}`;
}
