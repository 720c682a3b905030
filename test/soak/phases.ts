/** The phases of the soak: each round opens what it needs, works, and closes it again. */

import { connect } from 'node:net';
import { Channel } from '../../lib/channel/channel.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { Status } from '../../lib/status.ts';
import { callOptions, startStream, startUnary, withTimeout } from '../support/client-calls.ts';
import { ECHO, ECHO_STREAM, EchoService, HOLD } from '../support/echo-service.ts';
import {
  data,
  headers,
  octets,
  PREFACE,
  settings,
  windowUpdate,
} from '../support/frame-factory.ts';
import { block, REQUEST } from '../support/scripted-peer.ts';

/** One kind of work, done over and over. */
export interface Phase {
  readonly name: string;
  /** What `round` counts. */
  readonly unit: string;
  /** Does some work and leaves nothing open. Resolves with how much it did; rejects when a call came to something it must not. */
  round(): Promise<number>;
}

interface Pair {
  readonly server: GrpcServer;
  readonly service: EchoService;
  readonly port: number;
  readonly channel: Channel;
}

async function withPair(use: (pair: Pair) => Promise<number>): Promise<number> {
  const service = new EchoService();
  const server = new GrpcServer({ reportError: () => {} });
  server.addMethods(service.methods);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const channel = new Channel(`127.0.0.1:${port}`, { backoff: { initialMs: 10, maxMs: 50 } });
  try {
    return await use({ server, service, port, channel });
  } finally {
    await channel.closeNow();
    await server.closeNow();
  }
}

function expect(code: number, ...wanted: readonly number[]): void {
  if (!wanted.includes(code)) throw new Error(`status ${code}, wanted ${wanted.join(' or ')}`);
}

async function unary({ channel }: Pair): Promise<number> {
  for (let batch = 0; batch < 50; batch++) {
    const calls = Array.from({ length: 100 }, (_, i) =>
      startUnary(channel, ECHO, new Uint8Array((i * 37) % 3000), withTimeout(60_000)),
    );
    for (const { outcome } of calls) expect((await outcome).status.code, Status.OK);
  }
  return 5000;
}

async function streaming({ channel }: Pair): Promise<number> {
  for (let i = 0; i < 10; i++) {
    const messages = Array.from({ length: 200 }, (_, n) => new Uint8Array((n * 211) % 20_000));
    const { status, messages: back } = await startStream(channel, ECHO_STREAM, messages).outcome;
    expect(status.code, Status.OK);
    if (back.length !== messages.length) throw new Error(`${back.length} messages came back`);
  }
  return 2000;
}

async function cancelled({ channel, service }: Pair): Promise<number> {
  for (let batch = 0; batch < 5; batch++) {
    const calls = Array.from({ length: 90 }, () => startUnary(channel, HOLD, new Uint8Array(10)));
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (const { call } of calls) call.cancel('soak');
    for (const { outcome } of calls) expect((await outcome).status.code, Status.CANCELLED);
    service.held.length = 0;
  }
  return 450;
}

async function expired({ channel, service }: Pair): Promise<number> {
  for (let batch = 0; batch < 5; batch++) {
    const calls = Array.from({ length: 90 }, () =>
      startUnary(channel, HOLD, new Uint8Array(10), withTimeout(10)),
    );
    for (const { outcome } of calls) expect((await outcome).status.code, Status.DEADLINE_EXCEEDED);
    service.held.length = 0;
  }
  return 450;
}

async function connections({ port }: Pair): Promise<number> {
  for (let i = 0; i < 50; i++) {
    const channel = new Channel(`127.0.0.1:${port}`);
    expect((await startUnary(channel, ECHO, new Uint8Array(10)).outcome).status.code, Status.OK);
    await (i % 2 === 0 ? channel.close() : channel.closeNow());
  }
  return 50;
}

/** The server goes away in the middle of calls and comes back on the same port. */
async function reconnects(): Promise<number> {
  let server = new GrpcServer({ reportError: () => {} });
  server.addMethods(new EchoService().methods);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const channel = new Channel(`127.0.0.1:${port}`, { backoff: { initialMs: 5, maxMs: 20 } });
  for (let i = 0; i < 10; i++) {
    const held = Array.from({ length: 20 }, () => startUnary(channel, HOLD, new Uint8Array(5)));
    await new Promise((resolve) => setTimeout(resolve, 5));
    await server.closeNow();
    for (const { outcome } of held) {
      expect((await outcome).status.code, Status.UNAVAILABLE, Status.CANCELLED);
    }
    server = new GrpcServer({ reportError: () => {} });
    server.addMethods(new EchoService().methods);
    await server.listen({ host: '127.0.0.1', port });
    const waiting = callOptions({ waitForReady: true });
    const { status } = await startUnary(channel, ECHO, new Uint8Array(5), waiting).outcome;
    expect(status.code, Status.OK);
  }
  await channel.closeNow();
  await server.closeNow();
  return 10;
}

/** Peers that break rules, break off, or just stop. */
async function hostile({ port, server }: Pair): Promise<number> {
  const request = headers(1, block(...REQUEST));
  const sessions = [
    octets(PREFACE, settings(), windowUpdate(0, 0)),
    octets(PREFACE, settings(), request, data(1, 'rubbish rubbish')),
    octets(PREFACE, settings(), request.subarray(0, 20)),
    octets(PREFACE.subarray(0, 10)),
    octets('GET / HTTP/1.1\r\n\r\n'),
    octets(PREFACE, settings(), headers(1, [0x80])),
    octets(PREFACE, settings([4, 0]), request, windowUpdate(1, 0)),
  ];
  for (let i = 0; i < 140; i++) {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.resume();
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write(sessions[i % sessions.length]!);
    await new Promise((resolve) => setImmediate(resolve));
    if (i % 2 === 0) socket.resetAndDestroy();
    else socket.destroy();
  }
  for (let look = 0; server.stats().connections > 0 && look < 100; look++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { connections: open, runningHandlers } = server.stats();
  if (open + runningHandlers > 0)
    throw new Error(`${open} connections, ${runningHandlers} handlers left`);
  return 140;
}

/** All phases. */
export const PHASES: readonly Phase[] = [
  { name: 'unary', unit: 'calls', round: () => withPair(unary) },
  { name: 'streaming', unit: 'messages', round: () => withPair(streaming) },
  { name: 'cancelled', unit: 'calls', round: () => withPair(cancelled) },
  { name: 'expired', unit: 'calls', round: () => withPair(expired) },
  { name: 'connections', unit: 'connections', round: () => withPair(connections) },
  { name: 'reconnects', unit: 'reconnections', round: reconnects },
  { name: 'hostile', unit: 'connections', round: () => withPair(hostile) },
];
