/**
 * A program that first waits and then reads finds up to a whole window per stream waiting. Its reads are promises that are fulfilled in the
 * same turn of the event loop; counted here is how many of them there are before others get theirs (L23).
 */

import { WORK_PER_TURN } from '../../lib/call/ready-queue.ts';
import {
  server,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  stub,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
} from '../../lib/index.ts';
import { SERVER_LIMITS } from '../../transport/limits.ts';
import { type TestContext, t } from '../support/tap.ts';

const TIMEOUT = 120;
const EMPTY = new Uint8Array(0);
const same = (octets: Uint8Array): Uint8Array => octets;

const invoked = {
  Up: streamUnaryInvocationDescription(same, same),
  Down: unaryStreamInvocationDescription(same, same),
};

/** What waits for the reader: a window of messages of `octets` each, compressed unless that is 0. */
interface Held {
  readonly name: string;
  readonly messages: number;
  readonly octets: number;
  /** Messages that may be read in one turn. */
  readonly most: number;
}

const CASES: readonly Held[] = [
  {
    name: 'messages of no octets',
    messages: 50_000,
    octets: 0,
    most: WORK_PER_TURN + SERVER_LIMITS.maxUndeliveredMessages,
  },
  // Each is 64 units for inflating it and 65 for delivering it; two lie in the queue of its reader.
  { name: 'messages of 64 KiB in 90 octets', messages: 2500, octets: 65_536, most: 10 },
];

/** A gate, and the number of messages read behind it. */
class Reading {
  count = 0;
  readonly mayRead: Promise<void>;
  open: () => void = () => {};

  constructor() {
    this.mayRead = new Promise((resolve) => {
      this.open = resolve;
    });
  }

  async all(messages: AsyncIterable<Uint8Array>): Promise<void> {
    await this.mayRead;
    for await (const _ of messages) this.count += 1;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Waits until `value` stands still. */
async function standstill(value: () => number): Promise<void> {
  let [last, unchanged] = [value(), 0];
  while (unchanged < 20 || last === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    unchanged = value() === last ? unchanged + 1 : 0;
    last = value();
  }
}

/** The most messages read between two turns of the event loop, once the gate is open. */
async function mostPerTurn(reading: Reading, total: number): Promise<number> {
  let [most, seen] = [0, 0];
  setImmediate(() => reading.open());
  while (seen < total) {
    await turn();
    most = Math.max(most, reading.count - seen);
    seen = reading.count;
  }
  return most;
}

/** A server and a stub that hold `held` for `reading`; `source` counts what it was asked for. */
async function openPair(t: TestContext, reading: Reading, { messages, octets }: Held) {
  let sent = 0;
  function* source(): Generator<Uint8Array> {
    for (; sent < messages; sent++) yield new Uint8Array(octets);
  }
  const compression = octets === 0 ? {} : { compression: 'gzip' };
  const served = server(
    'test.Held',
    {
      Up: streamUnaryServiceDescription(
        async (requests: AsyncIterable<Uint8Array>) => {
          await reading.all(requests);
          return EMPTY;
        },
        same,
        same,
      ),
      Down: unaryStreamServiceDescription(source, same, same),
    },
    0,
    { host: '127.0.0.1', ...compression },
  );
  await served.start();
  t.teardown(() => served.stop(0));
  const calls = stub('test.Held', invoked, '127.0.0.1', served.port(), compression);
  calls.open();
  t.teardown(() => calls.close());
  return { calls, source, sent: () => sent };
}

for (const held of CASES) {
  await t.test(`L23 requests read in one turn: ${held.name}`, async (t) => {
    const reading = new Reading();
    const { calls, source, sent } = await openPair(t, reading, held);
    const call = calls.Up.async(source(), TIMEOUT);
    await standstill(sent);
    const most = await mostPerTurn(reading, held.messages);
    await call.result();
    t.ok(most <= held.most, `${most} in one turn, at most ${held.most}`);
  });

  await t.test(`L23 responses read in one turn: ${held.name}`, async (t) => {
    const reading = new Reading();
    const { calls, sent } = await openPair(t, reading, held);
    const read = reading.all(calls.Down(EMPTY, TIMEOUT));
    await standstill(sent);
    const most = await mostPerTurn(reading, held.messages);
    await read;
    t.ok(most <= held.most, `${most} in one turn, at most ${held.most}`);
  });
}
