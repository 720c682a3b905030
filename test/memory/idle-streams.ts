/** Opens streams on which nothing happens, server and client in this process, and prints the octets that each of them holds on both sides. */

import {
  server,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  stub,
} from '../../lib/index.ts';
import { octetsAtRest } from './memory-use.ts';

const WARM_STREAMS = 300;
const STREAMS = 600;

const same = (octets: Uint8Array): Uint8Array => octets;
type Result = IteratorResult<Uint8Array, undefined>;

/** One request, and no end. */
class Requests implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array, undefined> {
  #given = false;

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    if (this.#given) return new Promise(() => {});
    this.#given = true;
    return Promise.resolve({ value: Uint8Array.of(1), done: false });
  }
}

const most = WARM_STREAMS + STREAMS;
const echo = streamStreamServiceDescription(
  (requests: AsyncIterable<Uint8Array>) => requests,
  same,
  same,
);
const running = await server('memory.Idle', { Echo: echo }, 0, {
  host: '127.0.0.1',
  limits: { maxConcurrentStreams: most, maxRunningHandlers: most },
}).start();
const methods = { Echo: streamStreamInvocationDescription(same, same) };
const remote = stub('memory.Idle', methods, '127.0.0.1', running.port()).open();
const held: unknown[] = [];

async function open(count: number): Promise<number> {
  for (let i = 0; i < count; i++) {
    const responses = remote.Echo(new Requests(), 300)[Symbol.asyncIterator]();
    await responses.next();
    held.push(responses);
  }
  return octetsAtRest();
}

const warm = await open(WARM_STREAMS);
console.log(((await open(STREAMS)) - warm) / STREAMS);
process.exit(held.length === most ? 0 : 1);
