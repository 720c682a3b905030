/**
 * A process of its own for tests that stop their peer by a signal. `server`: serves EchoService, prints `port N`, and `held` for each call
 * that is held. `client PORT`: makes one call that is held there, and prints what became of it.
 */

import { Channel } from '../../lib/channel/channel.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { startUnary } from './client-calls.ts';
import { EchoService, HOLD } from './echo-service.ts';

async function serve(): Promise<void> {
  const service = new EchoService();
  const server = new GrpcServer();
  server.addMethods(service.methods);
  console.log(`port ${await server.listen({ host: '127.0.0.1', port: 0 })}`);
  for (let calls = 1; ; calls += 1) {
    await service.heldCalls(calls);
    console.log('held');
  }
}

async function call(port: string): Promise<void> {
  const channel = new Channel(`127.0.0.1:${port}`);
  const { status } = await startUnary(channel, HOLD, Uint8Array.of(1)).outcome;
  console.log(`status ${status.code}`);
  await channel.close();
}

const [role, port = ''] = process.argv.slice(2);
await (role === 'server' ? serve() : call(port));
