/** Peers that do not speak HTTP/2 at all: each side says so, and nobody else is harmed. */

import { createServer as createHttpServer, get } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { type TestContext, t } from '../support/tap.ts';
import { sample } from './peers/octets.ts';
import { ECHO } from './peers/peer.ts';
import { PUREWIRE } from './peers/peers.ts';

const UNAVAILABLE = 14;

async function listen(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** The message with which our client's call to `port` fails. */
async function failureAt(t: TestContext, port: number): Promise<string> {
  const client = PUREWIRE.openClient({ port });
  const { code, details } = await client.start(ECHO, sample(1)).outcome;
  await client.close();
  t.equal(code, UNAVAILABLE, details);
  return details;
}

await t.test('our client at an HTTP/1.1 server says what is there', async (t) => {
  const server = createHttpServer((_, response) => response.end('hello'));
  server.on('clientError', (_, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  t.match(await failureAt(t, await listen(t, server)), 'connection.peer-speaks-http1');
});

await t.test('our client at servers that talk nonsense, hang up or say nothing', async (t) => {
  const greetings = ['220 mail.example ESMTP\r\n', '\0\0\0\0\0\0\0\0\0\0\0\0', 'SSH-2.0-x\r\n'];
  for (const greeting of greetings) {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(greeting);
    });
    t.not(await failureAt(t, await listen(t, server)), '', JSON.stringify(greeting));
  }
  const deaf = createServer((socket) => socket.destroy());
  t.not(await failureAt(t, await listen(t, deaf)), '', 'hangs up');
});

await t.test('nobody listens', async (t) => {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
  await new Promise((resolve) => server.close(resolve));
  const details = await failureAt(t, port);
  t.match(details, /ECONNREFUSED|refused/i);
  t.match(details, String(port));
});

await t.test('our server survives other protocols, and serves on', async (t) => {
  const server = await PUREWIRE.startServer({});
  const client = PUREWIRE.openClient({ port: server.port });
  t.teardown(async () => {
    await client.close();
    await server.kill();
  });
  t.equal((await client.start(ECHO, sample(1)).outcome).code, 0);

  await new Promise<void>((resolve) => {
    get({ port: server.port, host: '127.0.0.1' }, (response) => {
      response.resume();
      response.on('close', resolve);
    }).on('error', () => resolve());
  });
  t.pass('an HTTP/1.1 client got its end');

  const texts = [
    'EHLO example.org\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame at all, but long enough for several of them',
    '',
  ];
  for (const text of texts) {
    await new Promise<void>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () => socket.end(text, 'latin1'));
      socket.on('error', () => {});
      socket.on('close', () => resolve());
      socket.resume();
    });
    t.pass(`closed after ${JSON.stringify(text.slice(0, 20))}`);
  }
  t.equal((await client.start(ECHO, sample(1)).outcome).code, 0, 'the others go on');
});
