/** A server in a process of its own whose memory is measured: answers each line of its input with the octets in use after a collection. */

import { createInterface } from 'node:readline';
import { server, unaryUnaryServiceDescription } from '../../lib/index.ts';
import { octetsAtRest } from './memory-use.ts';

const same = (octets: Uint8Array): Uint8Array => octets;

const methods = { Echo: unaryUnaryServiceDescription(same, same, same) };
const running = await server('memory.Idle', methods, 0, { host: '127.0.0.1' }).start();
console.log(running.port());
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'end') break;
  console.log(await octetsAtRest());
}
process.exit(0);
