/** Our client calls servers written by hand on node:http2: as gRPC asks, and as servers and proxies do that are no gRPC servers. */

import { constants, type ServerHttp2Stream } from 'node:http2';
import { type TestContext, t } from '../support/tap.ts';
import { ToxicProxy } from '../support/toxic-proxy.ts';
import { callScenarios } from './call-scenarios.ts';
import { type StreamHandler, startHttp2Server } from './peers/http2-server.ts';
import { framed } from './peers/http2-wire.ts';
import { joined, sameMessages, sample } from './peers/octets.ts';
import { CHAT, ECHO, JOIN, type Outcome, type PeerClient, REPEAT } from './peers/peer.ts';
import { HTTP2, PUREWIRE } from './peers/peers.ts';

const GRPC = { ':status': 200, 'content-type': 'application/grpc' };

await t.test('our client, node:http2 server', (t) => callScenarios(t, PUREWIRE, HTTP2));

/** A client of a server that does nothing but `handler`. */
async function clientOf(t: TestContext, handler: StreamHandler): Promise<PeerClient> {
  const server = await startHttp2Server({}, handler);
  const client = PUREWIRE.openClient({ port: server.port });
  t.teardown(async () => {
    await client.close();
    await server.kill();
  });
  return client;
}

/** Headers, octets, then trailers. */
function respond(
  stream: ServerHttp2Stream,
  body: Uint8Array,
  trailers: Record<string, string>,
): void {
  stream.respond(GRPC, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(body);
}

const HTTP_STATUSES: readonly (readonly [http: number, grpc: number])[] = [
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
];

await t.test('HTTP statuses without grpc-status (http-grpc-status-mapping)', async (t) => {
  const client = await clientOf(t, (stream, headers) => {
    const status = Number(headers['x-http']);
    stream.respond({ ':status': status, 'content-type': 'text/html' });
    stream.end('<h1>no gRPC here</h1>');
  });
  for (const [http, grpc] of HTTP_STATUSES) {
    for (const method of [ECHO, REPEAT]) {
      const metadata = [['x-http', String(http)]] as const;
      const { code, details, messages } = await client.start(method, sample(8), { metadata })
        .outcome;
      t.equal(code, grpc, `${http}, ${method.name}`);
      t.match(details, String(http), 'the message names the status');
      t.strictSame(messages, []);
    }
  }
});

await t.test('grpc-status wins over any HTTP status', async (t) => {
  const client = await clientOf(t, (stream) => {
    const fields = { ...GRPC, ':status': 503, 'grpc-status': '9', 'grpc-message': 'as told' };
    stream.respond(fields, { endStream: true });
  });
  const { code, details } = await client.start(ECHO, sample(1)).outcome;
  t.strictSame([code, details], [9, 'as told']);
});

await t.test('blanks at the ends of grpc-message are part of it', async (t) => {
  const client = await clientOf(t, (stream) => {
    const fields = { ...GRPC, 'grpc-status': '9', 'grpc-message': ' two blanks ' };
    stream.respond(fields, { endStream: true });
  });
  const { code, details } = await client.start(ECHO, sample(1)).outcome;
  t.strictSame([code, details], [9, ' two blanks ']);
});

await t.test('200 with another content type is UNKNOWN', async (t) => {
  const client = await clientOf(t, (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'text/html' });
    stream.end('<h1>Welcome</h1>');
  });
  const { code, details } = await client.start(ECHO, sample(1)).outcome;
  t.equal(code, 2);
  t.match(details, 'content-type');
});

/** What the server does after HEADERS, and what the call must end with. */
const FAULTS: readonly (readonly [
  what: string,
  body: Uint8Array,
  trailers: Record<string, string>,
  code: number,
])[] = [
  ['no response message', new Uint8Array(0), { 'grpc-status': '0' }, 12],
  [
    'two response messages',
    joined([framed(sample(3)), framed(sample(3))]),
    { 'grpc-status': '0' },
    12,
  ],
  ['half a message', framed(sample(9)).subarray(0, 8), { 'grpc-status': '0' }, 13],
  [
    'a compressed message without grpc-encoding',
    framed(sample(3), true),
    { 'grpc-status': '0' },
    13,
  ],
  ['a status that is no number', framed(sample(3)), { 'grpc-status': 'fine' }, 2],
  ['trailers without a status', framed(sample(3)), { 'x-checksum': '1' }, 2],
  ['a status nobody knows', framed(sample(3)), { 'grpc-status': '77' }, 77],
];

await t.test('responses that are not what gRPC says', async (t) => {
  for (const [what, body, trailers, code] of FAULTS) {
    const client = await clientOf(t, (stream) => respond(stream, body, trailers));
    const found = await client.start(ECHO, sample(1)).outcome;
    t.ok(found.code === code || (code === 77 && found.code === 2), `${what}: ${found.code}`);
    if (code !== 77) t.not(found.details, '', `${what}: ${found.details}`);
    t.strictSame(found.messages, [], what);
  }
});

await t.test('a stream that ends without trailers is INTERNAL', async (t) => {
  const client = await clientOf(t, (stream) => {
    stream.respond(GRPC);
    stream.end(framed(sample(3)));
  });
  for (const method of [ECHO, REPEAT]) {
    t.equal((await client.start(method, sample(8)).outcome).code, 13, method.name);
  }
});

await t.test('informational responses are passed over (RFC 9113 §8.1)', async (t) => {
  const client = await clientOf(t, (stream) => {
    stream.additionalHeaders({ ':status': 103, link: '</style.css>; rel=preload' });
    stream.additionalHeaders({ ':status': 103 });
    respond(stream, framed(sample(5)), { 'grpc-status': '0' });
  });
  const { code, messages } = await client.start(ECHO, sample(1)).outcome;
  t.equal(code, 0);
  sameMessages(t, messages, [sample(5)]);
});

const RESETS: readonly (readonly [name: string, code: number, grpc: number])[] = [
  ['NO_ERROR', constants.NGHTTP2_NO_ERROR, 13],
  ['PROTOCOL_ERROR', constants.NGHTTP2_PROTOCOL_ERROR, 13],
  ['INTERNAL_ERROR', constants.NGHTTP2_INTERNAL_ERROR, 13],
  ['FLOW_CONTROL_ERROR', constants.NGHTTP2_FLOW_CONTROL_ERROR, 13],
  ['SETTINGS_TIMEOUT', constants.NGHTTP2_SETTINGS_TIMEOUT, 13],
  ['FRAME_SIZE_ERROR', constants.NGHTTP2_FRAME_SIZE_ERROR, 13],
  ['REFUSED_STREAM', constants.NGHTTP2_REFUSED_STREAM, 14],
  ['CANCEL', constants.NGHTTP2_CANCEL, 1],
  ['COMPRESSION_ERROR', constants.NGHTTP2_COMPRESSION_ERROR, 13],
  ['CONNECT_ERROR', constants.NGHTTP2_CONNECT_ERROR, 13],
  ['ENHANCE_YOUR_CALM', constants.NGHTTP2_ENHANCE_YOUR_CALM, 8],
  ['INADEQUATE_SECURITY', constants.NGHTTP2_INADEQUATE_SECURITY, 7],
];

await t.test('RST_STREAM codes (gRPC PROTOCOL-HTTP2, Errors)', async (t) => {
  const client = await clientOf(t, (stream, headers) => {
    stream.close(Number(headers['x-reset']));
  });
  for (const [name, reset, grpc] of RESETS) {
    const metadata = [['x-reset', String(reset)]] as const;
    const { code, details } = await client.start(ECHO, sample(1), { metadata }).outcome;
    t.equal(code, grpc, `${name}: ${details}`);
    t.match(details, name);
  }
});

await t.test('REFUSED_STREAM: the call is sent once more by itself (gRFC A6)', async (t) => {
  let streams = 0;
  const client = await clientOf(t, (stream) => {
    streams += 1;
    if (streams === 1) stream.close(constants.NGHTTP2_REFUSED_STREAM);
    else respond(stream, framed(sample(4)), { 'grpc-status': '0' });
  });
  const { code, messages } = await client.start(ECHO, sample(1)).outcome;
  t.equal(code, 0);
  sameMessages(t, messages, [sample(4)]);
  t.equal(streams, 2);
});

await t.test('the status stands when RST_STREAM follows the trailers', async (t) => {
  const client = await clientOf(t, (stream) => {
    stream.respond({ ...GRPC, 'grpc-status': '3', 'grpc-message': 'early' }, { endStream: true });
    setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
  });
  const call = client.start(JOIN, null);
  for (let i = 0; i < 30; i++) call.send(sample(50_000));
  const { code, details } = await call.outcome;
  t.strictSame([code, details], [3, 'early']);
});

await t.test('GOAWAY: calls in flight end well, new ones go to a new connection', async (t) => {
  const streams: ServerHttp2Stream[] = [];
  const server = await startHttp2Server({}, (stream) => {
    streams.push(stream);
    if (streams.length === 1) {
      stream.respond(GRPC, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.write(framed(sample(1)));
      stream.session!.goaway(constants.NGHTTP2_NO_ERROR, stream.id!, Buffer.from('max_age'));
    } else respond(stream, framed(sample(2)), { 'grpc-status': '0' });
  });
  const proxy = await ToxicProxy.start(server.port);
  const client = PUREWIRE.openClient({ port: proxy.port });
  t.teardown(async () => {
    await client.close();
    await proxy.close();
    await server.kill();
  });
  const first = client.start(CHAT, null);
  await first.received(1);
  const outcomes: Outcome[] = [];
  for (let i = 0; i < 3; i++) outcomes.push(await client.start(ECHO, sample(1)).outcome);
  t.strictSame(
    outcomes.map(({ code }) => code),
    [0, 0, 0],
  );
  t.equal(proxy.connections, 2);
  streams[0]!.write(framed(sample(7)));
  await first.received(2);
  streams[0]!.end();
  first.end();
  const { code, messages } = await first.outcome;
  t.equal(code, 0);
  sameMessages(t, messages, [sample(1), sample(7)]);
});

await t.test('large headers arrive in CONTINUATION frames', async (t) => {
  const client = await clientOf(t, (stream, headers) => {
    stream.respond({ ...GRPC, 'x-back': headers['x-there'] }, { waitForTrailers: true });
    stream.on('wantTrailers', () =>
      stream.sendTrailers({ 'grpc-status': '0', 'x-end': 'é'.length + 'y'.repeat(7000) }),
    );
    stream.end(framed(sample(1)));
  });
  const value = 'x~'.repeat(3500);
  const metadata = [['x-there', value]] as const;
  const { code, initial, trailing } = await client.start(ECHO, sample(1), { metadata }).outcome;
  t.equal(code, 0);
  t.equal(initial.find(([key]) => key === 'x-back')?.[1], value);
  t.equal(String(trailing.find(([key]) => key === 'x-end')?.[1]).length, 7001);
});
