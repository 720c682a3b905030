/** The rows that are not a load. */

import { idleConnections, idleStreams } from './idle-memory.ts';
import { installSize } from './install-size.ts';
import type { Probe } from './probe.ts';
import { scaleOut } from './scale-out.ts';
import { soak } from './soak.ts';
import { startUp } from './start-up.ts';

export const probes: readonly Probe[] = [
  idleConnections,
  idleStreams,
  startUp,
  installSize,
  soak,
  scaleOut,
];
