/**
 * Everything that is kept beyond a read is kept in memory of its own: streams of messages of all sizes, cut at random, through pipes that lend
 * one buffer to all connections and write over it after each read.
 */

import { endLoan, lend } from '../../framing/lent-octets.ts';
import { Channel } from '../../lib/channel/channel.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { Status } from '../../lib/status.ts';
import type { ByteDuplex, ByteDuplexListener } from '../../transport/byte-duplex.ts';
import type { Connector } from '../../transport/connector.ts';
import { createMemoryDuplexPair } from '../../transport/memory-duplex.ts';
import { randomCuts, randomFrom, testSeed } from '../support/chunkings.ts';
import { callOptions } from '../support/client-calls.ts';
import { ECHO_STREAM, EchoService } from '../support/echo-service.ts';
import { t } from '../support/tap.ts';

const STREAMS = 24;
const MESSAGES = 30;
/** Around prefixes, gathering, slabs, frames and windows; mostly small, as many as fit into a read. */
const SIZES = [0, 0, 1, 2, 5, 40, 255, 257, 600, 4096, 8191, 16_384, 20_000, 70_000];
const BUFFER = new Uint8Array(65_536);

/** `pipe` with reads as those of sockets, cut at random. */
function lending(pipe: ByteDuplex, random: () => number): ByteDuplex {
  const wrapped: ByteDuplex = Object.create(pipe, {
    start: {
      value: (listener: ByteDuplexListener) =>
        pipe.start({
          onOctets: (chunk, end) => {
            for (const cut of randomCuts(chunk.subarray(0, end), random)) {
              for (let at = 0; at < cut.length; at += BUFFER.length) {
                const part = cut.subarray(at, at + BUFFER.length);
                BUFFER.set(part);
                lend(BUFFER);
                listener.onOctets(BUFFER, part.length);
                endLoan();
                BUFFER.fill(0xee, 0, part.length);
              }
            }
          },
          onWritable: () => listener.onWritable(),
          onEnd: () => listener.onEnd(),
          onClosed: (reason) => listener.onClosed(reason),
        }),
    },
  }) as ByteDuplex;
  for (const name of [
    'write',
    'pause',
    'resume',
    'end',
    'destroy',
    'setKeepsProcessAlive',
  ] as const) {
    Object.defineProperty(wrapped, name, { value: pipe[name].bind(pipe) });
  }
  for (const name of ['peer', 'pendingOctets'] as const) {
    Object.defineProperty(wrapped, name, { get: () => pipe[name] });
  }
  return wrapped;
}

/** Sends `messages` and takes the echoes as late as `random` says. */
function echoes(
  channel: Channel,
  messages: readonly Uint8Array[],
  random: () => number,
): Promise<Uint8Array[]> {
  const call = channel.createCall(ECHO_STREAM, callOptions());
  const received: Uint8Array[] = [];
  return new Promise((resolve, reject) => {
    let next = 0;
    const send = (): void => {
      while (next < messages.length) if (!call.sendMessage(messages[next++] as Uint8Array)) return;
      if (next === messages.length) call.halfClose();
      next = messages.length + 1;
    };
    const askLater = (): void => {
      if (random() < 0.5) setImmediate(() => call.request(1));
      else setTimeout(() => call.request(1), 20 * random());
    };
    call.start({
      onMetadata: () => {},
      onMessage: (chunk, start, end) => {
        received.push(new Uint8Array(chunk.subarray(start, end)));
        askLater();
      },
      onStatus: ({ code, message }) => {
        if (code === Status.OK) resolve(received);
        else reject(new Error(`${code}: ${message}`));
      },
      onReady: send,
    });
    askLater();
    send();
  });
}

await t.test('no message changes, however late it is taken', async (t) => {
  const seed = testSeed();
  t.comment(`seed ${seed}`);
  const random = randomFrom(seed);
  const server = new GrpcServer();
  server.addMethods(new EchoService().methods);
  const connector: Connector = {
    address: 'memory',
    connect: (_timeoutMs, listener) => {
      const [clientEnd, serverEnd] = createMemoryDuplexPair();
      queueMicrotask(() => {
        server.accept(lending(serverEnd, random));
        listener.onConnected(lending(clientEnd, random));
      });
      return { cancel: () => {} };
    },
  };
  const channels = [1, 2].map(() => new Channel('localhost:1', { connector }));
  const wrong: string[] = [];
  await Promise.all(
    Array.from({ length: STREAMS }, async (_, stream) => {
      const messages = Array.from({ length: MESSAGES }, () =>
        new Uint8Array(SIZES[Math.floor(random() * SIZES.length)] as number).fill(random() * 256),
      );
      const back = await echoes(channels[stream % 2] as Channel, messages, random);
      if (back.length !== MESSAGES) wrong.push(`stream ${stream}: ${back.length} messages`);
      for (const [i, message] of back.entries()) {
        const sent = messages[i] as Uint8Array;
        const same = message.length === sent.length && message.every((octet) => octet === sent[0]);
        if (!same) wrong.push(`stream ${stream}, message ${i} of ${sent.length} octets`);
      }
    }),
  );
  t.strictSame(wrong, []);
  await Promise.all(channels.map((channel) => channel.closeNow()));
  await server.shutdown(0);
});
