/** A process that serves and calls one empty method over the arm named on its command line, then ends; without a name it only loads. */

import type { Load } from '../protocol.ts';
import { loadArm } from './arm-modules.ts';
import { Meter } from './meter.ts';

const load: Load = {
  kind: 'unary',
  bodyOctets: 0,
  inFlight: 1,
  connections: 1,
  messagesPerStream: 0,
  metadataEntries: 0,
  interceptors: false,
  resumeTls: false,
  latency: false,
};

const name = process.argv[2];
if (name !== undefined) {
  const arm = await loadArm(name);
  const server = await arm.startServer({
    tls: null,
    library: null,
    maxStreams: null,
    interceptors: false,
  });
  const client = await arm.startClient({ port: server.port, tls: null, load, library: null });
  const params = {
    rampMs: 0,
    durationMs: 60_000,
    maxCompletions: 1,
    inFlight: 1,
    arrivalsPerSecond: 0,
    seed: 1,
  };
  await client.run(new Meter(params, load));
}
process.exit(0);
