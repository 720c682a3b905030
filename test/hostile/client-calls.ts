/** Calls against servers that break promises beyond single frames: retries, deadlines, metadata, TLS (security reference C17, C25 … C37). */

import { createServer, type Server } from 'node:net';
import type { TlsOptions } from 'node:tls';
import {
  data,
  END_HEADERS,
  END_STREAM,
  headers,
  octets,
  settings,
} from '../support/frame-factory.ts';
import { block, RESPONSE } from '../support/scripted-peer.ts';
import { must } from './attack.ts';
import type { ClientAttack } from './client-attack.ts';
import { type Field, Grpc, message } from './octets.ts';
import { type CallResult, sleep } from './victim.ts';

const RESPONSE_BLOCK = block(...RESPONSE);

function answer(streamId: number, trailers: readonly Field[] = []): Uint8Array {
  return octets(
    headers(streamId, RESPONSE_BLOCK),
    data(streamId, message('ok')),
    headers(streamId, block(['grpc-status', '0'], ...trailers), END_HEADERS | END_STREAM),
  );
}

function failure(streamId: number, ...fields: readonly Field[]): Uint8Array {
  return headers(streamId, block(...RESPONSE, ...fields), END_HEADERS | END_STREAM);
}

function expectCodes(results: readonly CallResult[], codes: readonly number[]): void {
  for (const { code, message: text } of results) {
    must(codes.includes(code), `status ${code} "${text}", wanted ${codes.join(' or ')}`);
  }
}

/** C17, C25, C36, C37, C38. */
export const clientCallAttacks: readonly ClientAttack[] = [
  {
    id: 'C17',
    title: 'a black hole without keepalive: given-up calls make the client ask, and leave',
    limits: { keepaliveTimeoutMs: 400 },
    onRequest(peer, streamId, connection) {
      if (connection > 0) peer.write(answer(streamId));
    },
    async run({ call, peers }) {
      for (let round = 0; round < 4; round++) {
        expectCodes(await call(30, { timeoutMs: 100 }), [Grpc.DEADLINE_EXCEEDED]);
      }
      await peers[0]!.until(() => peers[0]!.count(6) === 1, 'the PING');
      await peers[0]!.expectClosed(5000);
      expectCodes(await call(1, { timeoutMs: 5000 }), [Grpc.OK]);
      must(peers.length === 2, `${peers.length} connections`);
    },
  },
  {
    id: 'C17b',
    title: 'honest twin: a slow server that answers PINGs keeps its connection',
    limits: { keepaliveTimeoutMs: 400 },
    peerOptions: { answersPings: true },
    async run({ call, peers }) {
      for (let round = 0; round < 8; round++) {
        expectCodes(await call(60, { timeoutMs: 60 }), [Grpc.DEADLINE_EXCEEDED]);
      }
      await sleep(600);
      must(peers.length === 1 && !peers[0]!.closed, 'the connection was given up');
      // More PINGs than one in five minutes are strikes on a gRPC server (gRFC A8).
      must(peers[0]!.count(6) === 1, `${peers[0]!.count(6)} PINGs`);
    },
  },
  {
    id: 'C25',
    title: 'grpc-status-details-bin that is no base64, or speaks of another status',
    onRequest(peer, streamId) {
      const details = ['!!!', '====', 'CAUSA2JhZA==', 'A'.repeat(9000)][(streamId >> 1) % 4]!;
      peer.write(
        failure(
          streamId,
          ['grpc-status', '9'],
          ['grpc-message', 'words'],
          ['grpc-status-details-bin', details],
        ),
      );
    },
    async run({ call, peers }) {
      for (let i = 0; i < 8; i++) {
        const [result] = await call(1, { timeoutMs: 5000 });
        must(
          result?.code === 9 && result.message === 'words',
          `status ${result?.code} "${result?.message}"`,
        );
      }
      must(peers.length === 1, 'bad details ended the connection');
    },
  },
  {
    // There is no retry policy in this library (only the transparent retry of gRFC A6), so that pushback can delay or stop nothing, and
    // maxAttempts has nothing to count: what must hold is that no server can make a client try again.
    id: 'C28',
    title: 'grpc-retry-pushback-ms of every kind makes no second attempt (no retry policy)',
    onRequest(peer, streamId) {
      const kinds = ['-1', 'abc', '99999999999', '0', '1'];
      const value = kinds[(streamId >> 1) % kinds.length]!;
      peer.write(
        failure(
          streamId,
          ['grpc-status', '14'],
          ['grpc-retry-pushback-ms', value],
          ['grpc-retry-pushback-ms', '0'],
        ),
      );
    },
    async run({ call, peers }) {
      for (let i = 0; i < 10; i++) {
        expectCodes(await call(1, { timeoutMs: 5000 }), [Grpc.UNAVAILABLE]);
      }
      const attempts = peers.reduce((sum, peer) => sum + peer.count(1), 0);
      must(attempts === 10, `${attempts} attempts for 10 calls`);
    },
  },
  {
    id: 'C29',
    title: '1,000 calls that all fail are 1,000 attempts',
    onRequest(peer, streamId) {
      peer.write(failure(streamId, ['grpc-status', '14']));
    },
    async run({ call, peers }) {
      expectCodes(await call(1000, { timeoutMs: 20_000 }), [Grpc.UNAVAILABLE]);
      const attempts = peers.reduce((sum, peer) => sum + peer.count(1), 0);
      must(attempts === 1000, `${attempts} attempts`);
    },
  },
  {
    id: 'C36',
    title: 'deadlines in the past, of 1 ms, of 30 days',
    onRequest(peer, streamId) {
      setTimeout(() => peer.write(answer(streamId)), 30);
    },
    async run({ call, peers }) {
      // A deadline in the past needs no network.
      expectCodes(await call(20, { timeoutMs: 0 }), [Grpc.DEADLINE_EXCEEDED]);
      expectCodes(await call(20, { timeoutMs: -5 }), [Grpc.DEADLINE_EXCEEDED]);
      const requests = peers.reduce((sum, peer) => sum + peer.count(1), 0);
      must(requests === 0, `${requests} requests for calls that were over`);
      expectCodes(await call(20, { timeoutMs: 1 }), [Grpc.DEADLINE_EXCEEDED]);
      expectCodes(await call(20, { timeoutMs: 30 * 86_400_000 }), [Grpc.OK]);
      expectCodes(await call(20, { timeoutMs: 1e15 }), [Grpc.OK]);
    },
  },
  {
    id: 'C37',
    title: 'metadata beyond what the server says it takes',
    onPeer(peer) {
      peer.write(settings([6, 100]));
    },
    onRequest(peer, streamId) {
      peer.write(answer(streamId));
    },
    async run({ call, peers }) {
      const large = Array.from({ length: 20 }, (_, i) => [`x-field-${i}`, 'v'.repeat(500)]).flat();
      // The value is advisory (RFC 9113 §10.5.1): sent all the same, and the server judges.
      expectCodes(await call(5, { metadata: large, timeoutMs: 5000 }), [Grpc.OK]);
      must(peers.length === 1, 'the connection ended');
    },
  },
  {
    id: 'C37b',
    title: 'a megabyte of metadata fails its own call, not the connection',
    onRequest(peer, streamId) {
      peer.write(answer(streamId));
    },
    async run({ call, peers }) {
      expectCodes(await call(1, { timeoutMs: 5000 }), [Grpc.OK]);
      const huge = ['x-huge', 'v'.repeat(1_000_000)];
      const [result] = await call(1, { metadata: huge, timeoutMs: 5000 });
      expectCodes([result!], [Grpc.RESOURCE_EXHAUSTED]);
      expectCodes(await call(5, { timeoutMs: 5000 }), [Grpc.OK]);
      must(peers.length === 1, 'the connection ended');
      must(peers[0]!.count(9) === 0, 'a block of many frames went out');
    },
  },
];

/** A TCP server that says nothing, ever. */
async function silentServer(): Promise<{ readonly port: number; close(): void }> {
  const sockets: { destroy(): void }[] = [];
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Attacks whose server is none that speaks HTTP/2. */
export const applicationAttacks: readonly ClientAttack[] = [
  {
    id: 'C32a',
    title: 'a server that accepts and never says a word',
    connectTimeoutMs: 500,
    async run({ victim, call }) {
      const server = await silentServer();
      try {
        const setup = { port: server.port, connectTimeoutMs: 500 };
        await victim.tell({ type: 'target', setup });
        expectCodes(await call(3, { timeoutMs: 10_000 }), [Grpc.UNAVAILABLE]);
      } finally {
        server.close();
      }
    },
  },
];

/** C32: servers with the wrong TLS. */
export function tlsServerAttacks(identities: {
  readonly root: string;
  readonly server: { readonly privateKey: string; readonly certificateChain: string };
  readonly stranger: { readonly privateKey: string; readonly certificateChain: string };
}): readonly ClientAttack[] {
  const { root, server, stranger } = identities;
  const tls = (identity: typeof server, protocols: readonly string[]): TlsOptions => ({
    key: identity.privateKey,
    cert: identity.certificateChain,
    ALPNProtocols: [...protocols],
  });
  const refused = (title: string, serverTls: TlsOptions): ClientAttack => ({
    id: 'C32',
    title,
    rootCertificates: root,
    serverTls,
    connectTimeoutMs: 2000,
    async run({ call, peers }) {
      const results = await call(3, { timeoutMs: 10_000 });
      expectCodes(results, [Grpc.UNAVAILABLE]);
      must(
        results.every(({ message: text }) => /certificate|ALPN|HTTP\/2|signed|h2/i.test(text)),
        `no cause in "${results[0]?.message}"`,
      );
      const requests = peers.reduce((sum, peer) => sum + peer.count(1), 0);
      must(requests === 0, 'a request was sent');
    },
  });
  return [
    refused('a certificate that nobody vouches for', tls(stranger, ['h2'])),
    refused('ALPN that is not h2', tls(server, ['http/1.1'])),
    {
      id: 'C32',
      title: 'a server that never finishes the TLS handshake',
      rootCertificates: root,
      connectTimeoutMs: 500,
      async run({ victim, call }) {
        const silent = await silentServer();
        try {
          const setup = { port: silent.port, connectTimeoutMs: 500, rootCertificates: root };
          await victim.tell({ type: 'target', setup });
          expectCodes(await call(3, { timeoutMs: 10_000 }), [Grpc.UNAVAILABLE]);
        } finally {
          silent.close();
        }
      },
    },
    {
      id: 'C32',
      title: 'honest twin: the right certificate',
      rootCertificates: root,
      serverTls: tls(server, ['h2']),
      onRequest(peer, streamId) {
        peer.write(answer(streamId));
      },
      async run({ call }) {
        expectCodes(await call(3, { timeoutMs: 10_000 }), [Grpc.OK]);
      },
    },
  ];
}
