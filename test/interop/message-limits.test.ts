/** Messages over a limit: each side enforces its own, and the other side learns why. */

import { t } from '../support/tap.ts';
import { openGrpcJsClient } from './peers/grpc-js-client.ts';
import { startGrpcJsServer } from './peers/grpc-js-server.ts';
import { openHttp2Client } from './peers/http2-client.ts';
import { sample } from './peers/octets.ts';
import { CHAT, ECHO, JOIN, MAX_MESSAGE_OCTETS, REPEAT, repeatRequest } from './peers/peer.ts';
import { openPurewireClient } from './peers/purewire-client.ts';
import { startPurewireServer } from './peers/purewire-server.ts';

const LIMIT = 100_000;
const RESOURCE_EXHAUSTED = 8;

await t.test('our server refuses what is over its limit, and only that', async (t) => {
  const server = await startPurewireServer({}, { limits: { maxReceiveMessageOctets: LIMIT } });
  const clients = {
    'grpc-js': openGrpcJsClient({ port: server.port }),
    'node:http2': openHttp2Client({ port: server.port }),
  };
  t.teardown(() => server.kill());
  for (const [name, client] of Object.entries(clients)) {
    t.equal((await client.start(ECHO, sample(LIMIT)).outcome).code, 0, `${name}: at the limit`);
    const { code, details } = await client.start(ECHO, sample(LIMIT + 1)).outcome;
    t.equal(code, RESOURCE_EXHAUSTED, `${name}: over it`);
    t.match(details, /100001.*100000/);
    const call = client.start(CHAT, null);
    call.send(sample(LIMIT));
    await call.received(1);
    call.send(sample(LIMIT + 1));
    t.equal((await call.outcome).code, RESOURCE_EXHAUSTED, `${name}: in a stream`);
    t.equal((await client.start(ECHO, sample(5)).outcome).code, 0, `${name}: others go on`);
    await client.close();
  }
});

await t.test('our client refuses what is over its limit, and only that', async (t) => {
  const server = await startGrpcJsServer({});
  const client = openPurewireClient(
    { port: server.port },
    { limits: { maxReceiveMessageOctets: LIMIT } },
  );
  t.teardown(async () => {
    await client.close();
    await server.kill();
  });
  t.equal((await client.start(ECHO, sample(LIMIT)).outcome).code, 0);
  const over = await client.start(ECHO, sample(LIMIT + 1)).outcome;
  t.equal(over.code, RESOURCE_EXHAUSTED);
  t.match(over.details, /100001.*100000/);
  const stream = await client.start(REPEAT, repeatRequest(3, LIMIT + 1)).outcome;
  t.equal(stream.code, RESOURCE_EXHAUSTED);
  t.equal(stream.messages.length, 0);
  t.equal((await client.start(ECHO, sample(5)).outcome).code, 0);
});

await t.test('a grpc-js server refuses what we send', async (t) => {
  const server = await startGrpcJsServer({}, { 'grpc.max_receive_message_length': LIMIT });
  const client = openPurewireClient({ port: server.port });
  t.teardown(async () => {
    await client.close();
    await server.kill();
  });
  t.equal((await client.start(ECHO, sample(LIMIT + 1)).outcome).code, RESOURCE_EXHAUSTED);
  const call = client.start(JOIN, null);
  call.send(sample(LIMIT + 1));
  t.equal((await call.outcome).code, RESOURCE_EXHAUSTED);
  t.equal((await client.start(ECHO, sample(LIMIT)).outcome).code, 0);
});

await t.test('without a word of ours the limit is 4 MiB', async (t) => {
  const server = await startPurewireServer({ messageLimit: 'default' });
  const client = openPurewireClient(
    { port: server.port },
    { limits: { maxReceiveMessageOctets: MAX_MESSAGE_OCTETS } },
  );
  t.teardown(async () => {
    await client.close();
    await server.kill();
  });
  t.equal((await client.start(ECHO, sample(4 * 1024 * 1024)).outcome).code, 0);
  t.equal((await client.start(ECHO, sample(4 * 1024 * 1024 + 1)).outcome).code, RESOURCE_EXHAUSTED);
});
