/** A connection comes to the same end however its octets are cut: the events, the frames it writes, the errors. */

import { type Chunking, chunkings, randomFrom, testSeed } from '../support/chunkings.ts';
import {
  continuation,
  data,
  END_STREAM,
  frame,
  goAway,
  headers,
  octets,
  PREFACE,
  paddedData,
  ping,
  priority,
  rstStream,
  settings,
  settingsAck,
  toHex,
  windowUpdate,
} from '../support/frame-factory.ts';
import {
  block,
  REQUEST,
  RESPONSE,
  ScriptedClient,
  ScriptedServer,
} from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';
import { ENDS } from '../support/verdicts.ts';

/** Everything that can be seen of a connection from outside. */
function outcome(
  peer: ScriptedServer | ScriptedClient,
  streams: readonly { events: unknown[] }[],
): unknown {
  peer.tick();
  return {
    written: toHex(peer.pipe.take()),
    events: streams.map(({ events }) => events),
    closed: peer.closed?.message ?? null,
    ended: peer.pipe.ended,
    active: peer.connection.activeStreams,
  };
}

function feed(peer: ScriptedServer | ScriptedClient, { chunks }: Chunking): void {
  for (const chunk of chunks) peer.pipe.feed(chunk);
}

const LEGAL = octets(
  PREFACE,
  settings([4, 100_000], [5, 20_000]),
  settingsAck(),
  headers(1, block(...REQUEST)),
  windowUpdate(0, 1000),
  data(1, [0, 0, 0, 0, 3, 1]),
  ping('12345678'),
  data(1, [2, 3]),
  headers(3, block(...REQUEST).subarray(0, 20), END_STREAM),
  continuation(3, block(...REQUEST).subarray(20)),
  paddedData(1, 'padded', 77, 77, END_STREAM),
  priority(7, 0),
  frame(0xbb, 1, 9, 'unknown'),
  rstStream(3, 8),
  headers(5, octets(block(...REQUEST), [0x40, 1, 0x61, 1, 0x62])),
  headers(5, octets([0xbe]), ENDS),
);

const ENDINGS: readonly (readonly [name: string, Uint8Array])[] = [
  ['nothing wrong', octets()],
  ['a stream error', frame(8, 0, 5, [0, 0, 0, 0])],
  ['a malformed request', headers(7, block(['X', 'y']), ENDS)],
  ['a connection error', ping('1234')],
  ['a compression error', headers(9, [0x80])],
  ['an interrupted block', octets(headers(9, block(...REQUEST), 0), ping('12345678'))],
  ['GOAWAY', goAway(0, 0, 'bye')],
];

const seed = testSeed();
const random = randomFrom(seed);

for (const [name, ending] of ENDINGS) {
  await t.test(
    `a server reads the same octet by octet and in random pieces: ${name} (seed ${seed})`,
    async (t) => {
      const input = octets(LEGAL, ending, ping('abcdefgh'));
      let wanted: unknown;
      for (const chunking of [
        ...chunkings(input, seed),
        ...chunkings(input, Math.floor(random() * 2 ** 32)).slice(2),
      ]) {
        const server = new ScriptedServer({}, false);
        feed(server, chunking);
        const found = outcome(server, server.streams);
        wanted ??= found;
        t.strictSame(found, wanted, chunking.name);
      }
    },
  );
}

await t.test(
  `a client reads the same octet by octet and in random pieces (seed ${seed})`,
  async (t) => {
    const input = octets(
      settings([3, 5]),
      settingsAck(),
      headers(1, block([':status', '103'])),
      headers(1, octets(block(...RESPONSE), [0x40, 1, 0x61, 1, 0x62])),
      data(1, 'abc'),
      headers(3, block(...RESPONSE)),
      paddedData(3, 'def', 9),
      headers(1, octets([0xbe]), ENDS),
      rstStream(3, 7),
      goAway(5, 0, 'max_age'),
      headers(5, block(...RESPONSE), ENDS),
    );
    let wanted: unknown;
    for (const chunking of chunkings(input, seed)) {
      const client = new ScriptedClient({}, { greet: false });
      const calls = [client.open(), client.open(), client.open(), client.open()];
      for (const call of calls) call.stream?.sendEnd();
      client.frames();
      feed(client, chunking);
      const found = outcome(client, calls);
      wanted ??= found;
      t.strictSame(found, wanted, chunking.name);
    }
  },
);

await t.test(
  `a connection cut at any octet of its start has no more than that start's effect (seed ${seed})`,
  async (t) => {
    // The events of each prefix are a prefix of the events of the whole.
    const whole = new ScriptedServer({}, false);
    whole.pipe.feed(LEGAL);
    const all = whole.streams.map(({ events }) => JSON.stringify(events));
    for (let cut = 0; cut <= LEGAL.length; cut += 7) {
      const server = new ScriptedServer({}, false);
      server.pipe.feed(LEGAL.slice(0, cut));
      if (server.closed !== null) t.fail(`closed after ${cut} octets: ${server.closed.message}`);
      for (const [index, { events }] of server.streams.entries()) {
        const part = JSON.stringify(events).slice(0, -1);
        if (!(all[index] ?? '').startsWith(part)) t.fail(`events after ${cut} octets`);
      }
      server.pipe.destroy(new Error('cut'));
      t.equal(server.clock.pending, 0);
    }
  },
);
