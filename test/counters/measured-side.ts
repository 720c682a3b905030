/**
 * One side of the allocation test, in a process of its own with --expose-gc and a young generation so large that no collection falls into a
 * measured round. `server`: prints its port. `client PORT`: makes the calls. Both answer the message `measure` with the octets in use.
 */

import * as purewire from '../../lib/index.ts';
import { makeCalls, rawStub, serveRaw } from './raw-service.ts';

/** What the parent asks. */
export type SideRequest =
  | { readonly ask: 'calls'; readonly calls: number; readonly inFlight: number }
  | { readonly ask: 'octets'; readonly collect: boolean };

const [role, port] = process.argv.slice(2);
const { gc } = globalThis as { gc?: () => void };
if (gc === undefined) throw new Error('run with --expose-gc');

const started = role === 'server' ? await serveRaw(purewire) : null;
const stub = role === 'client' ? rawStub(purewire, Number(port), 60) : null;
const request = new Uint8Array(0);

process.on('message', (message: SideRequest) => {
  void answer(message);
});
process.on('disconnect', () => process.exit(0));
process.send!(started === null ? 0 : started.port());

async function answer(message: SideRequest): Promise<void> {
  if (message.ask === 'calls') {
    await makeCalls(stub!, message.calls, message.inFlight, request);
    process.send!(0);
    return;
  }
  if (message.collect) gc!();
  const { heapUsed, external } = process.memoryUsage();
  process.send!(heapUsed + external);
}
