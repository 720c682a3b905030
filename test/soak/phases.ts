/** The phases of the soak, and what the ordinary ones do: each opens what it needs, works in rounds, and closes it again. */

import { Channel } from '../../lib/channel/channel.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { Status } from '../../lib/status.ts';
import type { Limits } from '../../transport/limits.ts';
import { startStream, startUnary, withTimeout } from '../support/client-calls.ts';
import { ECHO, ECHO_STREAM, EchoService, HOLD } from '../support/echo-service.ts';

/** What was done: calls that ended, connections that were opened and closed. */
export interface Work {
  readonly calls: number;
  readonly connections: number;
}

/** A phase that runs. */
export interface Running {
  /** Does some work and leaves nothing open beyond what it found. Rejects when a call came to something it must not. */
  round(): Promise<Work>;
  close(): Promise<void>;
}

/** One kind of work, done over and over. */
export interface Phase {
  readonly name: string;
  /** What it looks for growth in. */
  readonly about: string;
  /** Work that each minute of the whole soak asks of this phase, however long it takes. */
  readonly leastPerMinute?: Partial<Work>;
  open(): Promise<Running>;
}

/** A server and a channel to it. */
export interface Pair {
  readonly server: GrpcServer;
  readonly service: EchoService;
  readonly port: number;
  readonly channel: Channel;
}

/** Cancelling by the thousand is what the soak does, so L3 is out of its way; hostile peers have phases of their own. */
const NO_RESET_BUDGET: Partial<Limits> = { peerResetBurst: 1e12 };

/** Opens a server of echo methods and a channel. */
export async function openPair(limits: Partial<Limits> = {}): Promise<Pair> {
  const service = new EchoService();
  const server = new GrpcServer({ reportError: () => {}, limits });
  server.addMethods(service.methods);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const channel = new Channel(`127.0.0.1:${port}`, { backoff: { initialMs: 10, maxMs: 50 } });
  return { server, service, port, channel };
}

/** Closes both ends at once. */
export async function closePair({ channel, server }: Pair): Promise<void> {
  await channel.closeNow();
  await server.closeNow();
}

/** Throws Error when `code` is none of `wanted`. */
export function expectStatus(code: number, ...wanted: readonly number[]): void {
  if (!wanted.includes(code)) throw new Error(`status ${code}, wanted ${wanted.join(' or ')}`);
}

/** Throws Error when `server` has anything left, after a while for sockets to go. */
export async function expectAtRest(server: GrpcServer, connectionsLeft: number): Promise<void> {
  const isAtRest = (): boolean => {
    const { connections, runningHandlers, waitingCalls, activeCalls } = server.stats();
    return connections <= connectionsLeft && runningHandlers + waitingCalls + activeCalls === 0;
  };
  for (let look = 0; !isAtRest() && look < 100; look++) await sleep(50);
  if (!isAtRest()) throw new Error(`left on the server: ${JSON.stringify(server.stats())}`);
}

/** Resolves after `ms`. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A phase whose one connection lives as long as it does. */
function onePair(
  name: string,
  about: string,
  round: (pair: Pair) => Promise<number>,
  leastPerMinute: Partial<Work> = {},
): Phase {
  return {
    name,
    about,
    leastPerMinute,
    async open() {
      const pair = await openPair(NO_RESET_BUDGET);
      return {
        round: async () => ({ calls: await round(pair), connections: 0 }),
        async close() {
          await expectAtRest(pair.server, 1);
          await closePair(pair);
        },
      };
    },
  };
}

async function unary({ channel }: Pair): Promise<number> {
  for (let batch = 0; batch < 50; batch++) {
    const calls = Array.from({ length: 100 }, (_, i) =>
      startUnary(channel, ECHO, new Uint8Array((i * 37) % 3000), withTimeout(60_000)),
    );
    for (const { outcome } of calls) expectStatus((await outcome).status.code, Status.OK);
  }
  return 5000;
}

async function streaming({ channel }: Pair): Promise<number> {
  for (let i = 0; i < 10; i++) {
    const messages = Array.from({ length: 200 }, (_, n) => new Uint8Array((n * 211) % 20_000));
    const { status, messages: back } = await startStream(channel, ECHO_STREAM, messages).outcome;
    expectStatus(status.code, Status.OK);
    if (back.length !== messages.length) throw new Error(`${back.length} messages came back`);
  }
  return 10;
}

/** Half of them before their handler runs, half of them in it, some with octets on the way in both directions. */
async function cancelled({ channel, service }: Pair): Promise<number> {
  for (let batch = 0; batch < 10; batch++) {
    const held = Array.from({ length: 60 }, () => startUnary(channel, HOLD, new Uint8Array(10)));
    const streams = Array.from({ length: 30 }, () =>
      startStream(channel, ECHO_STREAM, [new Uint8Array(30_000), new Uint8Array(30_000)]),
    );
    const calls = [...held, ...streams];
    if (batch % 2 === 0) await sleep(5);
    for (const { call } of calls) call.cancel('soak');
    for (const { outcome } of calls) {
      expectStatus((await outcome).status.code, Status.CANCELLED, Status.OK);
    }
    service.held.length = 0;
  }
  return 900;
}

async function expired({ channel, service }: Pair): Promise<number> {
  for (let batch = 0; batch < 5; batch++) {
    const calls = Array.from({ length: 90 }, () =>
      startUnary(channel, HOLD, new Uint8Array(10), withTimeout(10)),
    );
    for (const { outcome } of calls) {
      expectStatus((await outcome).status.code, Status.DEADLINE_EXCEEDED);
    }
    service.held.length = 0;
  }
  return 450;
}

/** Streams that one end leaves without a word: their octets, windows and slots must come back. */
async function abandoned({ channel }: Pair): Promise<number> {
  const calls = Array.from({ length: 50 }, () => {
    const { call, outcome } = startStream(channel, ECHO_STREAM, [new Uint8Array(100_000)]);
    return { call, outcome };
  });
  await sleep(2);
  for (const { call } of calls) call.cancel('left');
  for (const { outcome } of calls) await outcome;
  const { status } = await startUnary(channel, ECHO, new Uint8Array(200_000)).outcome;
  expectStatus(status.code, Status.OK);
  return 51;
}

/** The phases with one connection each. */
export const CALL_PHASES: readonly Phase[] = [
  onePair('unary', 'client and server, one connection', unary, { calls: 100_000 }),
  onePair('streaming', '200 messages each way per call', streaming),
  onePair('cancelled', 'calls cancelled at several ages', cancelled),
  onePair('expired', 'calls whose deadline passes in the handler', expired),
  onePair('abandoned', 'streams left with octets under way', abandoned),
];
