/** Attacks on the client that are in no list, thought up against the finished client. */

import { gzipSync } from 'node:zlib';
import {
  continuation,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  goAway,
  headers,
  octets,
  ping,
  rstStream,
  settings,
  uint32,
  windowUpdate,
} from '../support/frame-factory.ts';
import { block, RESPONSE } from '../support/scripted-peer.ts';
import { must } from './attack.ts';
import type { ClientAttack } from './client-attack.ts';
import { Code, type Field, Grpc, message } from './octets.ts';
import type { RawPeer } from './raw-peer.ts';
import { type CallResult, sleep } from './victim.ts';

const MIB = 2 ** 20;
const RESPONSE_BLOCK = block(...RESPONSE);

function answer(streamId: number, trailers: readonly Field[] = []): Uint8Array {
  return octets(
    headers(streamId, RESPONSE_BLOCK),
    data(streamId, message('ok')),
    headers(streamId, block(['grpc-status', '0'], ...trailers), END_HEADERS | END_STREAM),
  );
}

function expectCodes(results: readonly CallResult[], codes: readonly number[]): void {
  for (const { code, message: text } of results) {
    must(codes.includes(code), `status ${code} "${text}", wanted ${codes.join(' or ')}`);
  }
}

function chunks(count: number, one: Uint8Array): Uint8Array {
  const whole = new Uint8Array(count * one.length);
  for (let i = 0; i < count; i++) whole.set(one, i * one.length);
  return whole;
}

/** F50 … F69. */
export const freshClientAttacks: readonly ClientAttack[] = [
  {
    id: 'F50',
    title: 'endless empty 1xx responses on every stream: small lists, many frames',
    onRequest(peer, streamId) {
      const interim = headers(streamId, block([':status', '100']));
      void flood(peer, 200_000, chunks(100, interim));
    },
    async run({ call }) {
      expectCodes(await call(3, { timeoutMs: 20_000 }), [
        Grpc.RESOURCE_EXHAUSTED,
        Grpc.INTERNAL,
        Grpc.UNAVAILABLE,
      ]);
    },
  },
  {
    id: 'F51',
    title: 'answers as trailers only, a thousand for each call',
    onRequest(peer, streamId) {
      const end = headers(
        streamId,
        block(...RESPONSE, ['grpc-status', '5']),
        END_HEADERS | END_STREAM,
      );
      peer.write(chunks(1000, end));
    },
    async run({ call }) {
      // The first one ends the call; what follows is a connection error (RFC 9113 §5.1).
      const results = await call(5, { timeoutMs: 10_000 });
      expectCodes(results, [5, Grpc.UNAVAILABLE]);
      must(
        results.some(({ code }) => code === 5),
        'no call got the answer that came',
      );
    },
  },
  {
    id: 'F52',
    title: 'bombs one behind the other in one response stream',
    peakOctets: 96 * MIB,
    onRequest(peer, streamId) {
      const bomb = message(gzipSync(new Uint8Array(4 * MIB - 16)), 1);
      peer.write(headers(streamId, block(...RESPONSE, ['grpc-encoding', 'gzip'])));
      for (let i = 0; i < 40; i++) peer.write(data(streamId, bomb));
      peer.write(headers(streamId, block(['grpc-status', '0']), END_HEADERS | END_STREAM));
    },
    async run({ call }) {
      // The first message is delivered, the second breaks the cardinality of a unary response.
      expectCodes(await call(4, { timeoutMs: 20_000 }), [Grpc.UNIMPLEMENTED, Grpc.INTERNAL]);
    },
  },
  {
    id: 'F53',
    title: 'GOAWAY that lets everything live, then silence, on connection after connection',
    limits: { keepaliveTimeoutMs: 500 },
    onRequest(peer) {
      peer.write(goAway(0x7fffffff, Code.NO_ERROR));
    },
    async run({ call, victim, peers }) {
      for (let i = 0; i < 30; i++) {
        expectCodes(await call(2, { timeoutMs: 30 }), [Grpc.DEADLINE_EXCEEDED, Grpc.UNAVAILABLE]);
      }
      await victim.until((report) => report.connections <= 1, 'the end of drained connections');
      must(peers.length <= 61, `${peers.length} connections for 60 calls`);
    },
  },
  {
    id: 'F54',
    title: 'GOAWAY(0) for every connection: the client must not dial in a loop',
    onPeer(peer) {
      peer.write(goAway(0, Code.NO_ERROR));
    },
    async run({ call, peers }) {
      expectCodes(await call(20, { timeoutMs: 1500 }), [Grpc.UNAVAILABLE, Grpc.DEADLINE_EXCEEDED]);
      // Backoff of the victim: 20 … 100 ms.
      must(peers.length < 200, `${peers.length} connections in a second and a half`);
    },
  },
  {
    id: 'F55',
    title: 'a half-closed server: FIN behind SETTINGS, requests still accepted',
    onPeer(peer) {
      setTimeout(() => peer.socket.end(), 20);
    },
    async run({ call }) {
      expectCodes(await call(5, { timeoutMs: 3000 }), [Grpc.UNAVAILABLE, Grpc.DEADLINE_EXCEEDED]);
    },
  },
  {
    id: 'F56',
    title: 'response headers in nine frames between SETTINGS that change the table',
    onRequest(peer, streamId) {
      const fields = block(...RESPONSE, ['x-a', 'b'.repeat(300)]);
      const cut = Math.ceil(fields.length / 9);
      peer.write(settings([1, streamId % 4 === 1 ? 0 : 4096]));
      peer.write(headers(streamId, fields.subarray(0, cut), 0));
      for (let n = 1; n < 9; n++) {
        const part = fields.subarray(n * cut, (n + 1) * cut);
        peer.write(continuation(streamId, part, n === 8 ? END_HEADERS : 0));
      }
      peer.write(
        data(streamId, message('ok')),
        headers(streamId, block(['grpc-status', '0']), END_HEADERS | END_STREAM),
      );
    },
    async run({ call, peers }) {
      for (let i = 0; i < 30; i++) expectCodes(await call(1, { timeoutMs: 5000 }), [Grpc.OK]);
      must(peers.length === 1, `${peers.length} connections`);
    },
  },
  {
    id: 'F57',
    title: 'MAX_CONCURRENT_STREAMS that flips between 0 and 100 while calls wait',
    onPeer(peer) {
      let on = false;
      const timer = setInterval(() => {
        on = !on;
        if (peer.closed) clearInterval(timer);
        else peer.write(settings([3, on ? 3 : 0]));
      }, 25);
    },
    onRequest(peer, streamId) {
      peer.write(answer(streamId));
    },
    async run({ call, peers }) {
      expectCodes(await call(60, { timeoutMs: 10_000 }), [Grpc.OK]);
      must(peers.length <= 2, `${peers.length} connections`);
    },
  },
  {
    id: 'F58',
    title: 'all floods at once behind one response',
    onRequest(peer, streamId) {
      const mixed = octets(
        ping('12345678'),
        frame(0x0b, 0, 0, 'xyz'),
        windowUpdate(0, 1),
        frame(2, 0, streamId, uint32(0), [1]),
        rstStream(streamId, Code.CANCEL),
      );
      peer.write(headers(streamId, RESPONSE_BLOCK));
      void flood(peer, 20_000, chunks(100, mixed));
    },
    async run({ call, peers }) {
      expectCodes(await call(1, { timeoutMs: 10_000 }), [
        Grpc.UNAVAILABLE,
        Grpc.CANCELLED,
        Grpc.INTERNAL,
      ]);
      await peers[0]!.expectGoAway([Code.ENHANCE_YOUR_CALM, Code.PROTOCOL_ERROR]);
    },
  },
  {
    id: 'F59',
    title: 'a message declared as 4 MiB, octet by octet, while its call is cancelled',
    onRequest(peer, streamId) {
      peer.write(headers(streamId, RESPONSE_BLOCK), data(streamId, octets([0], uint32(4 * MIB))));
      void drip(peer, streamId);
    },
    async run({ call, peers }) {
      expectCodes(await call(30, { timeoutMs: 400 }), [Grpc.DEADLINE_EXCEEDED]);
      await sleep(100);
      must(peers.length === 1, `${peers.length} connections`);
    },
  },
];

async function flood(peer: RawPeer, times: number, piece: Uint8Array): Promise<void> {
  for (let i = 0; i < times && !peer.closed; i += 100) {
    if (peer.write(piece)) continue;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

async function drip(peer: RawPeer, streamId: number): Promise<void> {
  for (let i = 0; i < 400 && !peer.closed; i++) {
    peer.write(data(streamId, [0]));
    await sleep(1);
  }
}
