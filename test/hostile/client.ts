/** Hostile and broken servers against our client (security reference, section 3.6). */

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
  paddedData,
  ping,
  pushPromise,
  rstStream,
  settings,
  uint32,
  windowUpdate,
} from '../support/frame-factory.ts';
import { block, RESPONSE } from '../support/scripted-peer.ts';
import { must } from './attack.ts';
import type { ClientAttack } from './client-attack.ts';
import { Code, type Field, Grpc, indexedLiteral, message, references } from './octets.ts';
import type { RawFrame, RawPeer } from './raw-peer.ts';
import { type CallResult, sleep } from './victim.ts';

const MIB = 2 ** 20;
const RESPONSE_BLOCK = block(...RESPONSE);

/** A complete answer: headers, one message, trailers. */
function answer(streamId: number, content = 'ok', trailers: readonly Field[] = []): Uint8Array {
  return octets(
    headers(streamId, RESPONSE_BLOCK),
    data(streamId, message(content)),
    headers(streamId, block(['grpc-status', '0'], ...trailers), END_HEADERS | END_STREAM),
  );
}

function trailersOnly(streamId: number, ...fields: readonly Field[]): Uint8Array {
  return headers(streamId, block(...RESPONSE, ...fields), END_HEADERS | END_STREAM);
}

function expectCodes(results: readonly CallResult[], codes: readonly number[]): void {
  for (const { code, message: text } of results) {
    must(codes.includes(code), `status ${code} "${text}", wanted ${codes.join(' or ')}`);
  }
}

/** One call whose first connection is spoilt; the GOAWAY that the client sends. */
function connectionError(
  id: string,
  title: string,
  attackOctets: (streamId: number) => Uint8Array,
  codes: readonly number[],
  statuses: readonly number[] = [Grpc.UNAVAILABLE, Grpc.INTERNAL],
): ClientAttack {
  return {
    id,
    title,
    quick: true,
    onRequest(peer, streamId, connection) {
      peer.write(connection === 0 ? attackOctets(streamId) : answer(streamId));
    },
    async run({ call, peers }) {
      expectCodes(await call(1, { timeoutMs: 10_000 }), statuses);
      await peers[0]!.expectGoAway(codes);
      // The next call goes over a new connection.
      expectCodes(await call(1, { timeoutMs: 10_000 }), [Grpc.OK]);
    },
  };
}

/** One call that is answered with `reply` must come to one of `statuses`, and the next one on the same connection to OK. */
function badCall(
  id: string,
  title: string,
  replies: readonly (readonly [
    reply: (streamId: number) => Uint8Array,
    statuses: readonly number[],
  ])[],
  extra: Partial<ClientAttack> = {},
): ClientAttack {
  let next = 0;
  return {
    id,
    title,
    onPeer() {
      next = 0;
    },
    onRequest(peer, streamId) {
      const reply = next % 2 === 0 ? replies[next / 2]?.[0] : undefined;
      next += 1;
      peer.write(reply === undefined ? answer(streamId) : reply(streamId));
    },
    async run({ call, peers }) {
      for (const [index, [, statuses]] of replies.entries()) {
        const [result] = await call(1, { timeoutMs: 10_000 });
        must(
          statuses.includes(result!.code),
          `reply ${index}: status ${result!.code} "${result!.message}", wanted ${statuses.join(' or ')}`,
        );
        expectCodes(await call(1, { timeoutMs: 10_000 }), [Grpc.OK]);
      }
      must(peers.length === 1, `${peers.length} connections: one bad call ended the connection`);
    },
    ...extra,
  };
}

const GZIP: Field = ['grpc-encoding', 'gzip'];

function withHeaders(streamId: number, fields: readonly Field[], body: Uint8Array): Uint8Array {
  return octets(
    headers(streamId, block(...RESPONSE, ...fields)),
    data(streamId, body),
    headers(streamId, block(['grpc-status', '0']), END_HEADERS | END_STREAM),
  );
}

/** The attacks C01 … C38. */
export const clientAttacks: readonly ClientAttack[] = [
  ...[0, 16_383, 2 ** 24].map((value) =>
    connectionError('C01', `SETTINGS_MAX_FRAME_SIZE ${value}`, () => settings([5, value]), [
      Code.PROTOCOL_ERROR,
    ]),
  ),
  connectionError('C02', 'INITIAL_WINDOW_SIZE 2^31', () => settings([4, 2 ** 31]), [
    Code.FLOW_CONTROL_ERROR,
  ]),
  connectionError('C02', 'connection window overflow', () => windowUpdate(0, 0x7fffffff), [
    Code.FLOW_CONTROL_ERROR,
  ]),
  badCall('C02', 'stream window overflow', [[(id) => windowUpdate(id, 0x7fffffff), [13]]]),
  {
    id: 'C03',
    title: 'windows that shrink below zero in an upload',
    onPeer(peer) {
      peer.write(settings([4, 65_535]));
    },
    onRequest(peer, streamId) {
      void (async () => {
        await sleep(30);
        peer.write(settings([4, 0]));
        await sleep(30);
        peer.write(settings([4, 10]));
        await sleep(30);
        peer.write(windowUpdate(0, 2 * MIB), windowUpdate(streamId, 2 * MIB));
        await peer.until(() => peer.responses.get(streamId)?.ended === true, 'the upload');
        peer.write(answer(streamId));
      })();
    },
    async run({ call, peers }) {
      expectCodes(await call(1, { octets: MIB, timeoutMs: 10_000 }), [Grpc.OK]);
      const { octets: received } = [...peers[0]!.responses.values()][0]!;
      must(received === MIB + 5, `${received} octets came`);
    },
  },
  {
    id: 'C04',
    title: 'MAX_CONCURRENT_STREAMS 0 for ever, 10,000 calls',
    peakOctets: 64 * MIB,
    // The program makes all its calls in one go.
    stallMs: 2000,
    onPeer(peer) {
      peer.write(settings([3, 0]));
    },
    async run({ call, victim }) {
      // Settled first: what is opened before the SETTINGS is another matter.
      expectCodes(await call(1, { timeoutMs: 300 }), [Grpc.DEADLINE_EXCEEDED]);
      expectCodes(await call(10_000, { timeoutMs: 1000 }), [Grpc.DEADLINE_EXCEEDED]);
      must((await victim.report()).activeCalls === 0, 'calls are left');
    },
  },
  {
    id: 'C05',
    title: 'more calls than may wait (L31)',
    limits: { maxWaitingCalls: 100 },
    onPeer(peer) {
      peer.write(settings([3, 0]));
    },
    async run({ call, victim }) {
      expectCodes(await call(1, { timeoutMs: 300 }), [Grpc.DEADLINE_EXCEEDED]);
      const results = await call(300, { timeoutMs: 500 });
      const refused = results.filter(({ code }) => code === Grpc.RESOURCE_EXHAUSTED).length;
      must(refused === 200, `${refused} calls refused, wanted 200`);
      const { trips } = await victim.report();
      must(trips['too_many_waiting_calls'] === 200, 'not counted');
    },
  },
  badCall('C06', 'endless interim responses', [
    [
      (id) => {
        const interim = headers(id, block([':status', '103'], ['link', 'x'.repeat(900)]));
        return octets(...Array.from({ length: 40 }, () => interim));
      },
      [Grpc.RESOURCE_EXHAUSTED, Grpc.INTERNAL],
    ],
  ]),
  connectionError(
    'C07',
    'CONTINUATION flood',
    (id) =>
      octets(
        headers(id, RESPONSE_BLOCK, 0),
        ...Array.from({ length: 20 }, () => continuation(id, new Uint8Array(4000).fill(0x84), 0)),
      ),
    [Code.ENHANCE_YOUR_CALM],
  ),
  connectionError(
    'C07',
    'HPACK bomb',
    (id) =>
      headers(
        id,
        octets(RESPONSE_BLOCK, indexedLiteral('x-b', 'b'.repeat(4000)), references(62, 10_000)),
      ),
    [Code.ENHANCE_YOUR_CALM],
  ),
  badCall('C07', 'header and trailer lists over the limit', [
    [
      (id) =>
        headers(id, octets(RESPONSE_BLOCK, ...Array.from({ length: 200 }, () => block(['x', ''])))),
      [Grpc.RESOURCE_EXHAUSTED],
    ],
    [
      (id) =>
        octets(
          headers(id, RESPONSE_BLOCK),
          headers(
            id,
            octets(
              block(['grpc-status', '0']),
              ...Array.from({ length: 200 }, () => block(['x', ''])),
            ),
            END_HEADERS | END_STREAM,
          ),
        ),
      [Grpc.RESOURCE_EXHAUSTED],
    ],
  ]),
  connectionError('C08', 'PUSH_PROMISE', (id) => pushPromise(id, 2, RESPONSE_BLOCK), [
    Code.PROTOCOL_ERROR,
  ]),
  connectionError('C09', 'a response on a stream that was never opened', () => answer(99), [
    Code.PROTOCOL_ERROR,
  ]),
  connectionError('C09', 'a response on an even stream', () => answer(2), [Code.PROTOCOL_ERROR]),
  badCall('C09', 'DATA before HEADERS, three header lists', [
    [(id) => data(id, message('x')), [Grpc.INTERNAL]],
    [
      (id) =>
        octets(
          headers(id, RESPONSE_BLOCK),
          headers(id, block(['x', 'y'])),
          headers(id, RESPONSE_BLOCK),
        ),
      [Grpc.INTERNAL],
    ],
  ]),
  {
    id: 'C10',
    title: 'GOAWAY with last id 0: the call is sent again on a new connection',
    quick: true,
    onRequest(peer, streamId, connection) {
      peer.write(connection === 0 ? goAway(0, Code.NO_ERROR) : answer(streamId));
    },
    async run({ call, peers }) {
      expectCodes(await call(1, { timeoutMs: 10_000 }), [Grpc.OK]);
      must(peers.length === 2, `${peers.length} connections`);
    },
  },
  connectionError('C10', 'GOAWAY whose last id grows', () => octets(goAway(1, 0), goAway(3, 0)), [
    Code.PROTOCOL_ERROR,
  ]),
  connectionError('C10', 'GOAWAY with an even last id', () => goAway(2, 0), [Code.PROTOCOL_ERROR]),
  connectionError('C10', 'GOAWAY on stream 3', () => frame(7, 0, 3, new Uint8Array(8)), [
    Code.PROTOCOL_ERROR,
  ]),
  connectionError('C10', 'GOAWAY of seven octets', () => frame(7, 0, 0, new Uint8Array(7)), [
    Code.FRAME_SIZE_ERROR,
  ]),
  {
    id: 'C12',
    title: 'GOAWAY with 1.6 MB of debug data',
    peakOctets: 16 * MIB,
    onRequest(peer) {
      const loud = goAway(0x7fffffff, Code.INTERNAL_ERROR, new Uint8Array(16_000).fill(0x21));
      for (let i = 0; i < 100; i++) peer.write(loud);
      peer.socket.end();
    },
    async run({ call }) {
      const [result] = await call(1, { timeoutMs: 10_000 });
      expectCodes([result!], [Grpc.UNAVAILABLE]);
      must(result!.message.length <= 4096, `${result!.message.length} characters of message`);
    },
  },
  {
    id: 'C13',
    title: 'RST_STREAM and GOAWAY together, 300 connections',
    onRequest(peer, streamId) {
      peer.write(rstStream(streamId, Code.CANCEL), goAway(streamId, Code.NO_ERROR));
    },
    async run({ call, victim }) {
      for (let i = 0; i < 300; i++) {
        expectCodes(await call(1, { timeoutMs: 20_000 }), [Grpc.CANCELLED, Grpc.UNAVAILABLE]);
      }
      await victim.until((report) => report.connections <= 1, 'the end of the connections');
    },
  },
  {
    id: 'C14',
    title: 'REFUSED_STREAM for ever is tried again once',
    quick: true,
    onRequest(peer, streamId) {
      peer.write(rstStream(streamId, Code.REFUSED_STREAM));
    },
    async run({ call, peers }) {
      expectCodes(await call(1, { timeoutMs: 10_000 }), [Grpc.UNAVAILABLE]);
      const requests = peers.reduce((sum, peer) => sum + peer.count(1), 0);
      must(requests === 2, `${requests} attempts`);
    },
  },
  ...(
    [
      ['before any octet', (peer: RawPeer) => peer.destroy()],
      ['after SETTINGS', null],
      ['after headers', (peer: RawPeer, id: number) => peer.write(headers(id, RESPONSE_BLOCK))],
      [
        'in a message',
        (peer: RawPeer, id: number) =>
          peer.write(headers(id, RESPONSE_BLOCK), data(id, octets([0], uint32(100), 'half'))),
      ],
    ] as const
  ).map(
    ([when, before], index): ClientAttack => ({
      id: 'C15',
      title: `the connection ends ${when}`,
      peerOptions: { greet: index > 0 },
      onPeer(peer) {
        if (index === 0) before?.(peer, 0);
      },
      onRequest(peer, streamId) {
        if (index > 0) before?.(peer, streamId);
        peer.socket.end();
      },
      async run({ call }) {
        expectCodes(await call(3, { timeoutMs: 10_000 }), [Grpc.UNAVAILABLE]);
      },
    }),
  ),
  {
    id: 'C16',
    title: 'black hole with keepalive',
    limits: { keepaliveTimeMs: 300, keepaliveFloorMs: 100, keepaliveTimeoutMs: 500 },
    async run({ call }) {
      expectCodes(await call(5), [Grpc.UNAVAILABLE]);
    },
  },
  {
    id: 'C18',
    title: 'a server that never answers: deadlines fire on time',
    async run({ call, victim }) {
      expectCodes(await call(500, { timeoutMs: 500 }), [Grpc.DEADLINE_EXCEEDED]);
      must((await victim.report()).activeCalls === 0, 'calls are left');
    },
  },
  connectionError(
    'C19',
    'empty DATA flood',
    (id) => octets(headers(id, RESPONSE_BLOCK), ...Array.from({ length: 50 }, () => data(id, ''))),
    [Code.ENHANCE_YOUR_CALM],
  ),
  {
    id: 'C19',
    title: 'honest twin: padded and small DATA',
    onRequest(peer, streamId) {
      peer.write(headers(streamId, RESPONSE_BLOCK));
      const whole = message(new Uint8Array(5000));
      for (let at = 0; at < whole.length; at += 5) {
        peer.write(paddedData(streamId, whole.subarray(at, at + 5), 20));
      }
      peer.write(headers(streamId, block(['grpc-status', '0']), END_HEADERS | END_STREAM));
    },
    async run({ call }) {
      const [result] = await call(1, { timeoutMs: 10_000 });
      must(result?.code === 0 && result.octets === 5000, JSON.stringify(result));
    },
  },
  badCall('C20', 'messages beyond the limit, bombs, flags and encodings', [
    [(id) => withHeaders(id, [], octets([0], uint32(4 * MIB + 1))), [Grpc.RESOURCE_EXHAUSTED]],
    [
      (id) => withHeaders(id, [GZIP], message(gzipSync(new Uint8Array(15 * MIB)), 1)),
      [Grpc.RESOURCE_EXHAUSTED, Grpc.INTERNAL],
    ],
    [(id) => withHeaders(id, [GZIP], message('no gzip', 1)), [Grpc.INTERNAL]],
    [
      (id) => withHeaders(id, [['grpc-encoding', 'xyz']], message('x', 1)),
      [Grpc.INTERNAL, Grpc.UNIMPLEMENTED],
    ],
    [(id) => withHeaders(id, [], message('x', 1)), [Grpc.INTERNAL]],
    [(id) => withHeaders(id, [], message('x', 7)), [Grpc.INTERNAL]],
  ]),
  badCall(
    'C21',
    'HTTP errors without grpc-status',
    (
      [
        [400, 13],
        [401, 16],
        [403, 7],
        [404, 12],
        [429, 14],
        [500, 2],
        [502, 14],
        [503, 14],
        [504, 14],
        [418, 2],
        [999, 2],
      ] as const
    ).map(
      ([http, status]) =>
        [
          (id: number) =>
            octets(
              headers(id, block([':status', String(http)], ['content-type', 'text/html'])),
              ...Array.from({ length: 4 }, () => data(id, '<html>'.repeat(500))),
              http === 999 ? data(id, '', END_STREAM) : new Uint8Array(0),
            ),
          [status],
        ] as const,
    ),
  ),
  badCall(
    'C23',
    'grpc-status that is none',
    [
      ['abc', [2]],
      ['-1', [2]],
      ['17', [2, 17]],
      ['00', [0, 2]],
      ['4294967296', [2]],
      ['', [2]],
    ].map(
      ([value, statuses]) =>
        [
          (id: number) => trailersOnly(id, ['grpc-status', value as string]),
          // Trailers-Only with status 0 is a unary call without message.
          [...(statuses as number[]), Grpc.UNIMPLEMENTED, Grpc.INTERNAL],
        ] as const,
    ),
  ),
  badCall(
    'C24',
    'grpc-message of every kind, and details that are no base64',
    ['%', '%G1', '%E0%A4', '%00', '%2F%23', 'x'.repeat(8000)].map(
      (text) =>
        [
          (id: number) =>
            trailersOnly(
              id,
              ['grpc-status', '9'],
              ['grpc-message', text],
              ['grpc-status-details-bin', '!!!'],
            ),
          [9, Grpc.INTERNAL],
        ] as const,
    ),
  ),
  badCall(
    'C27',
    'every RST_STREAM code',
    [13, 13, 13, 13, 13, 13, 13, 14, 1, 13, 13, 8, 7, 13].map(
      (status, code) =>
        [
          (id: number) =>
            code === 7
              ? octets(headers(id, RESPONSE_BLOCK), rstStream(id, code))
              : rstStream(id, code),
          [status],
        ] as const,
    ),
  ),
  {
    id: 'C31',
    title: 'SETTINGS that never come, and that are never acknowledged',
    limits: { firstSettingsTimeoutMs: 400, settingsAckTimeoutMs: 400 },
    peerOptions: { greet: false },
    onPeer(peer, index) {
      if (index % 2 === 1) peer.write(settings());
    },
    async run({ call, peers }) {
      expectCodes(await call(1, { timeoutMs: 10_000 }), [Grpc.UNAVAILABLE]);
      await peers[0]!.expectClosed();
      while (peers.length < 2) {
        await call(1, { timeoutMs: 3000 });
        await sleep(20);
      }
      await peers[1]!.expectGoAway(Code.SETTINGS_TIMEOUT);
    },
  },
  {
    id: 'C34',
    title: '2,000 calls that the application leaves',
    onRequest(peer, streamId) {
      peer.write(headers(streamId, RESPONSE_BLOCK), data(streamId, message(new Uint8Array(1000))));
    },
    async run({ victim, call, peers }) {
      for (let round = 0; round < 20; round++) {
        await victim.tell({ type: 'abandon', count: 100 });
        await victim.until((report) => report.activeCalls === 0, 'the end of the calls');
      }
      const resets = peers.reduce((sum, peer) => sum + peer.count(3), 0);
      must(resets >= 1990, `${resets} resets`);
      must(peers.length === 1, `${peers.length} connections`);
      void call;
    },
  },
  {
    id: 'C35',
    title: 'cancelled at every age',
    onRequest(peer, streamId) {
      setTimeout(() => peer.write(answer(streamId)), 10);
    },
    async run({ call }) {
      for (let age = 0; age < 24; age += 2) {
        expectCodes(await call(5, { cancelAfterMs: age }), [Grpc.OK, Grpc.CANCELLED]);
      }
    },
  },
  {
    id: 'C39',
    title: 'honest twin: pings of a server that measures our upload',
    onPeer(peer) {
      peer.write(windowUpdate(0, 64 * MIB));
      peer.onFrame = ((earlier) => (frameIn: RawFrame) => {
        earlier?.(frameIn);
        if (frameIn.type !== 0) return;
        peer.write(ping('8 octets'));
        peer.write(windowUpdate(frameIn.streamId, Math.max(1, frameIn.payload.length)));
        if ((frameIn.flags & END_STREAM) !== 0) peer.write(answer(frameIn.streamId));
      })(peer.onFrame);
    },
    async run({ call, peers }) {
      for (let i = 0; i < 8; i++) {
        expectCodes(await call(1, { octets: 4 * MIB, timeoutMs: 20_000 }), [Grpc.OK]);
      }
      must(peers.length === 1, `${peers.length} connections`);
    },
  },
];
