/** What any gRPC client must be able to do with any gRPC server, whoever wrote the two: run by the files that name the peers. */

import type { TestContext } from '../support/tap.ts';
import { hex, joined, sameMessages, sample } from './peers/octets.ts';
import {
  askFor,
  CHAT,
  EARLY_KEY,
  ECHO,
  ENDLESS,
  HOLD,
  JOIN,
  MISSING,
  type Pairs,
  type Peer,
  type PeerClient,
  type PeerServer,
  REPEAT,
  repeated,
  repeatRequest,
  valuesOf,
} from './peers/peer.ts';

/** Two peers in conversation. */
export interface Pair {
  readonly client: PeerClient;
  readonly server: PeerServer;
  readonly clientName: string;
  readonly serverName: string;
  /** A grpc-js client ends its requests before it resets the stream, and a grpc-js server takes a reset for their end. */
  readonly cancelLooksLikeEnd: boolean;
}

/** Every octet there is, which only a `-bin` value can hold. */
const ALL_OCTETS = Uint8Array.from({ length: 256 }, (_, octet) => octet);

/** All of them, on one connection from `client` to `server`. */
export async function callScenarios(t: TestContext, client: Peer, server: Peer): Promise<void> {
  const started = await server.startServer({});
  const pair: Pair = {
    client: client.openClient({ port: started.port }),
    server: started,
    clientName: client.name,
    serverName: server.name,
    cancelLooksLikeEnd: [client.name, server.name].includes('grpc-js'),
  };
  t.teardown(async () => {
    await pair.client.close();
    await pair.server.kill();
  });
  await cardinalities(t, pair);
  await metadata(t, pair);
  await statuses(t, pair);
  await earlyResponses(t, pair);
  await deadlines(t, pair);
  await cancellations(t, pair);
}

async function cardinalities(t: TestContext, { client }: Pair): Promise<void> {
  await t.test('unary: one message each way', async (t) => {
    const { code, messages } = await client.start(ECHO, sample(1000)).outcome;
    t.equal(code, 0);
    sameMessages(t, messages, [sample(1000)]);
  });

  await t.test('server streaming: none, one and many messages, in order', async (t) => {
    for (const count of [0, 1, 50]) {
      const request = repeatRequest(count, 700);
      const { code, messages } = await client.start(REPEAT, request).outcome;
      t.equal(code, 0, `${count} messages`);
      sameMessages(t, messages, [...repeated(request)], `${count} messages`);
    }
  });

  await t.test('client streaming: none, one and many messages, in order', async (t) => {
    for (const count of [0, 1, 50]) {
      const parts = Array.from({ length: count }, (_, i) => sample(300, i));
      const call = client.start(JOIN, null);
      for (const part of parts) call.send(part);
      call.end();
      const { code, messages } = await call.outcome;
      t.equal(code, 0, `${count} messages`);
      sameMessages(t, messages, [joined(parts)], `${count} messages`);
    }
  });

  await t.test('bidirectional: each request is answered before the next is sent', async (t) => {
    const call = client.start(CHAT, null);
    const parts = [1, 2, 3, 4].map((seed) => sample(100 * seed, seed));
    for (const [done, part] of parts.entries()) {
      call.send(part);
      await call.received(done + 1);
    }
    call.end();
    const { code, messages } = await call.outcome;
    t.equal(code, 0);
    sameMessages(t, messages, parts);
  });

  await t.test('bidirectional: a call without any message, and 200 at one go', async (t) => {
    for (const count of [0, 200]) {
      const parts = Array.from({ length: count }, (_, i) => sample(i, i));
      const call = client.start(CHAT, null);
      for (const part of parts) call.send(part);
      call.end();
      const { code, messages } = await call.outcome;
      t.equal(code, 0, `${count} messages`);
      sameMessages(t, messages, parts, `${count} messages`);
    }
  });
}

async function metadata(t: TestContext, { client, server }: Pair): Promise<void> {
  const sent: Pairs = [
    ['initial-text', 'a text, with comma ; and "quotes" ~'],
    ['initial-long', 'x'.repeat(4000)],
    ['initial-several', 'one'],
    ['initial-several', 'two'],
    ['initial-octets-bin', ALL_OCTETS],
    ['trailing-text', 'at the end'],
    ['trailing-several', 'three'],
    ['trailing-several', 'four'],
    ['trailing-octets-bin', Uint8Array.of(0)],
    ['trailing-octets-bin', Uint8Array.of(0xff, 0xfe)],
    ['trailing-octets-bin', Uint8Array.of(1, 2, 3)],
  ];
  for (const method of [ECHO, CHAT]) {
    await t.test(`metadata there and back: ${method.name}`, async (t) => {
      const call = client.start(method, method.requestStreaming ? null : sample(10), {
        metadata: sent,
      });
      if (method.requestStreaming) {
        call.send(sample(10));
        call.end();
      }
      const { code, initial, trailing } = await call.outcome;
      t.equal(code, 0);
      const wanted = valuesOf(sent);
      for (const [key, values] of wanted) {
        t.equal(valuesOf(server.log.metadata.at(-1)!).get(key), values, `${key} at the server`);
        const back = key.startsWith('initial-') ? initial : trailing;
        t.equal(valuesOf(back).get(key), values, `${key} at the client`);
      }
    });
  }

  await t.test('keys with capitals travel in lower case (RFC 9113 §8.2)', async (t) => {
    const { initial, trailing } = await client.start(ECHO, sample(1), {
      metadata: [
        ['Initial-Capital', 'A'],
        ['TRAILING-CAPITAL-BIN', ALL_OCTETS],
      ],
    }).outcome;
    t.equal(valuesOf(initial).get('initial-capital'), 'A');
    t.equal(valuesOf(trailing).get('trailing-capital-bin'), hex(ALL_OCTETS));
    t.ok(server.log.metadata.at(-1)!.every(([key]) => key === key.toLowerCase()));
  });

  await t.test('an empty text value', async (t) => {
    const { code, initial } = await client.start(ECHO, sample(1), {
      metadata: [['initial-empty', '']],
    }).outcome;
    t.equal(code, 0);
    t.equal(valuesOf(initial).get('initial-empty'), '');
  });
}

async function statuses(t: TestContext, { client, clientName }: Pair): Promise<void> {
  await t.test('every status code with its message', async (t) => {
    for (let code = 1; code <= 16; code++) {
      const { outcome } = client.start(ECHO, sample(1), { metadata: askFor(code, `no ${code}`) });
      const found = await outcome;
      t.strictSame([found.code, found.details], [code, `no ${code}`]);
      t.strictSame(found.messages, []);
    }
  });

  await t.test('a message of any characters (percent-encoding)', async (t) => {
    const texts = [
      '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n',
      '100 % of %41, %, %%, %zz',
      `"quotes", commas; ~ and \u007f`,
    ];
    for (const text of texts) {
      const { outcome } = client.start(ECHO, sample(1), { metadata: askFor(9, text) });
      t.equal((await outcome).details, text);
    }
  });

  await t.test('an error without messages: status and trailing metadata', async (t) => {
    const trailing: Pairs = [
      ['trailing-reason', 'it had to be'],
      ['trailing-details-bin', ALL_OCTETS],
    ];
    for (const method of [ECHO, REPEAT]) {
      const { code, trailing: found } = await client.start(method, repeatRequest(0, 0), {
        metadata: [...askFor(5, 'gone'), ...trailing],
      }).outcome;
      t.equal(code, 5, method.name);
      t.equal(valuesOf(found).get('trailing-reason'), 'it had to be');
      t.equal(valuesOf(found).get('trailing-details-bin'), hex(ALL_OCTETS));
    }
  });

  await t.test('an error behind initial metadata', async (t) => {
    const { code, initial } = await client.start(ECHO, sample(1), {
      metadata: [...askFor(7, 'no'), ['initial-known', 'yes']],
    }).outcome;
    t.equal(code, 7);
    t.equal(valuesOf(initial).get('initial-known'), 'yes');
  });

  await t.test('an error behind messages', async (t) => {
    const request = repeatRequest(20, 5000);
    const { code, details, messages } = await client.start(REPEAT, request, {
      metadata: askFor(10, 'after twenty'),
    }).outcome;
    t.strictSame([code, details], [10, 'after twenty']);
    // The alpha API gives an error before responses not yet read.
    const wanted = [...repeated(request)];
    const count = clientName === 'purewire' ? messages.length : wanted.length;
    sameMessages(t, messages, wanted.slice(0, count));
  });

  await t.test('an unknown method is UNIMPLEMENTED', async (t) => {
    t.equal((await client.start(MISSING, sample(1)).outcome).code, 12);
  });
}

async function earlyResponses(t: TestContext, { client }: Pair): Promise<void> {
  const early: Pairs = [[EARLY_KEY, 'yes']];
  const part = sample(30_000);

  await t.test('client streaming: OK while the client still sends', async (t) => {
    const call = client.start(JOIN, null, { metadata: early });
    for (let i = 0; i < 40; i++) call.send(part);
    const { code, messages } = await call.outcome;
    call.end();
    t.equal(code, 0);
    sameMessages(t, messages, [part]);
  });

  await t.test('client streaming: an error while the client still sends', async (t) => {
    const call = client.start(JOIN, null, { metadata: [...early, ...askFor(8, 'enough')] });
    for (let i = 0; i < 40; i++) call.send(part);
    const { code, details, messages } = await call.outcome;
    call.end();
    t.strictSame([code, details, messages.length], [8, 'enough', 0]);
  });

  await t.test('bidirectional: the server ends the call first', async (t) => {
    const call = client.start(CHAT, null, { metadata: [...early, ...askFor(11, 'the end')] });
    call.send(sample(10));
    const { code, details, messages } = await call.outcome;
    call.end();
    t.strictSame([code, details], [11, 'the end']);
    sameMessages(t, messages, [sample(10)]);
  });

  await t.test('and the connection is good for more', async (t) => {
    t.equal((await client.start(ECHO, part).outcome).code, 0);
  });
}

async function deadlines(t: TestContext, pair: Pair): Promise<void> {
  const { client, server, clientName, cancelLooksLikeEnd } = pair;
  await t.test('the server learns the deadline', async (t) => {
    t.equal((await client.start(ECHO, sample(1), { timeoutMs: 60_000 }).outcome).code, 0);
    const left = server.log.timeLeftMs.at(-1)!;
    t.ok(left !== null && left > 0 && left <= 60_000, `${left} ms`);
    t.equal((await client.start(ECHO, sample(1)).outcome).code, 0);
    t.equal(server.log.timeLeftMs.at(-1), null, 'none was given');
  });

  // The client by hand leaves deadlines to the server.
  if (clientName === 'node:http2') return;
  for (const [method, request] of [
    [HOLD, sample(1)],
    [CHAT, null],
  ] as const) {
    await t.test(`a deadline expires: ${method.name}`, async (t) => {
      const cancelled = server.log.cancelled.length;
      const { code } = await client.start(method, request, { timeoutMs: 100 }).outcome;
      t.equal(code, 4);
      await server.log.until((log) => log.running === 0);
      if (cancelLooksLikeEnd && method === CHAT) return;
      t.strictSame(server.log.cancelled.slice(cancelled), [method.name]);
    });
  }
}

async function cancellations(t: TestContext, pair: Pair): Promise<void> {
  const { client, server, cancelLooksLikeEnd } = pair;
  await t.test('cancelled while the server works', async (t) => {
    const { started, cancelled } = server.log;
    const calls = started.length;
    const before = cancelled.length;
    const call = client.start(HOLD, sample(1));
    await server.log.until(() => started.length > calls);
    call.cancel();
    t.equal((await call.outcome).code, 1);
    await server.log.until(() => cancelled.length > before);
    t.equal(cancelled.at(-1), 'Hold');
  });

  await t.test('cancelled in the middle of an endless response', async (t) => {
    const before = server.log.cancelled.length;
    const call = client.start(REPEAT, repeatRequest(ENDLESS, 10_000));
    await call.received(5);
    call.cancel();
    t.equal((await call.outcome).code, 1);
    await server.log.until((log) => log.cancelled.length > before);
    t.equal(server.log.cancelled.at(-1), 'Repeat');
  });

  await t.test('cancelled between two messages of a conversation', async (t) => {
    const before = server.log.cancelled.length;
    const call = client.start(CHAT, null);
    call.send(sample(10));
    await call.received(1);
    call.cancel();
    t.equal((await call.outcome).code, 1);
    await server.log.until((log) => log.running === 0);
    if (!cancelLooksLikeEnd) t.strictSame(server.log.cancelled.slice(before), ['Chat']);
  });

  await t.test('the server cancels', async (t) => {
    const { code, details } = await client.start(ECHO, sample(1), {
      metadata: askFor(1, 'changed my mind'),
    }).outcome;
    t.strictSame([code, details], [1, 'changed my mind']);
  });
}
