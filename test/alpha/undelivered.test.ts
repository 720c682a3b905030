/** Messages that wait for a program: as many as L18 says are deserialized ahead, the others stay octets that hold the window. */

import {
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
} from '../../lib/index.ts';
import { memoryStub } from '../../lib/testing/index.ts';
import { t } from '../support/tap.ts';

const LIMIT = 5;
/** Five octets each on the wire: more than the first window of a stream (L16) and its write quota (L17) together. */
const MESSAGES = 250_000;
const TIMEOUT = 120;
const EMPTY = new Uint8Array(0);

const same = (octets: Uint8Array): Uint8Array => octets;

/** A deserializer that counts its messages. */
class Reader {
  count = 0;
  readonly read: (octets: Uint8Array) => Uint8Array = (octets) => {
    this.count += 1;
    return octets;
  };
}

/** `value` when it has not changed for some turns of the event loop. */
async function settled(value: () => number): Promise<number> {
  let [last, unchanged] = [value(), 0];
  while (unchanged < 10) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    unchanged = value() === last ? unchanged + 1 : 0;
    last = value();
  }
  return last;
}

function* empties(onSent: (count: number) => void): Generator<Uint8Array> {
  for (let i = 1; i <= MESSAGES; i++) {
    onSent(i);
    yield EMPTY;
  }
}

await t.test('L18 messages ahead of their reader: requests', async (t) => {
  const requests = new Reader();
  let sent = 0;
  let read = 0;
  let go = (): void => {};
  const mayRead = new Promise<void>((resolve) => {
    go = resolve;
  });
  const all = memoryStub(
    'test.Tally',
    { Count: streamUnaryInvocationDescription(same, same) },
    {
      Count: streamUnaryServiceDescription(
        async (messages: AsyncIterable<Uint8Array>) => {
          await mayRead;
          for await (const _ of messages) read += 1;
          return EMPTY;
        },
        requests.read,
        same,
      ),
    },
    { serverLimits: { maxUndeliveredMessages: LIMIT } },
  );
  all.open();
  const call = all.Count.async(
    empties((count) => {
      sent = count;
    }),
    TIMEOUT,
  );
  const waiting = await settled(() => sent);
  t.equal(requests.count, LIMIT, 'deserialized while nobody reads');
  t.ok(
    waiting < MESSAGES,
    `the client waits after ${waiting} messages: the window is not credited`,
  );
  go();
  await call.result();
  t.equal(read, MESSAGES);
  await all.close();
});

await t.test('L18 messages ahead of their reader: responses', async (t) => {
  const responses = new Reader();
  let sent = 0;
  const all = memoryStub(
    'test.Tally',
    { Feed: unaryStreamInvocationDescription(same, responses.read) },
    {
      Feed: unaryStreamServiceDescription(
        () =>
          empties((count) => {
            sent = count;
          }),
        same,
        same,
      ),
    },
    { limits: { maxUndeliveredMessages: LIMIT } },
  );
  all.open();
  const iterator = all.Feed(EMPTY, TIMEOUT);
  const waiting = await settled(() => sent);
  t.equal(responses.count, LIMIT, 'deserialized while nobody reads');
  t.ok(
    waiting < MESSAGES,
    `the server waits after ${waiting} messages: the window is not credited`,
  );
  let read = 0;
  let ahead = 0;
  for await (const _ of iterator) {
    read += 1;
    ahead = Math.max(ahead, responses.count - read);
  }
  t.equal(read, MESSAGES);
  t.ok(ahead <= LIMIT, `${ahead} ahead`);
  await all.close();
});
