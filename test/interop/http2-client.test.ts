/** A client written by hand on node:http2 calls our server: as gRPC asks, and as only a client by hand would. */

import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { type TestContext, t } from '../support/tap.ts';
import { callScenarios } from './call-scenarios.ts';
import { openHttp2Session, requestFields } from './peers/http2-client.ts';
import { CANCEL, type Fields, framed, MessageSplitter, pairsOf } from './peers/http2-wire.ts';
import { joined, sameMessages, sample } from './peers/octets.ts';
import {
  askFor,
  CHAT,
  ECHO,
  HOLD,
  JOIN,
  type PeerServer,
  REPEAT,
  repeatRequest,
} from './peers/peer.ts';
import { HTTP2, PUREWIRE } from './peers/peers.ts';

await t.test('node:http2 client, our server', (t) => callScenarios(t, HTTP2, PUREWIRE));

/** A response as it came: each header block as raw fields. */
interface RawResponse {
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly trailers: IncomingHttpHeaders | null;
  readonly octets: Uint8Array;
  readonly rstCode: number;
}

function responseOf(stream: ClientHttp2Stream): Promise<RawResponse> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let headers: IncomingHttpHeaders = {};
    let rawHeaders: readonly string[] = [];
    let trailers: IncomingHttpHeaders | null = null;
    stream.on('response', (...args: unknown[]) => {
      headers = args[0] as IncomingHttpHeaders;
      rawHeaders = (args[2] ?? []) as string[];
    });
    stream.on('trailers', (fields) => {
      trailers = fields;
    });
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => {
      if (!stream.writableEnded) stream.close(CANCEL);
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      const octets = joined(parts);
      resolve({ headers, rawHeaders, trailers, octets, rstCode: stream.rstCode });
    });
  });
}

async function scene(
  t: TestContext,
): Promise<{ readonly server: PeerServer; readonly session: ClientHttp2Session }> {
  const server = await PUREWIRE.startServer({});
  const session = openHttp2Session({ port: server.port });
  session.on('error', () => {});
  t.teardown(async () => {
    session.destroy();
    await server.kill();
  });
  return { server, session };
}

/** Sends `fields` and one body, and returns the response. */
function exchange(
  session: ClientHttp2Session,
  fields: Fields,
  body: Uint8Array = framed(sample(3)),
): Promise<RawResponse> {
  const stream = session.request(fields);
  stream.end(body);
  return responseOf(stream);
}

await t.test('the fields of a response', async (t) => {
  const { session } = await scene(t);
  const metadata = [['trailing-a', 'b']] as const;
  const response = await exchange(session, requestFields(ECHO.path, { metadata }));
  t.equal(response.headers[':status'], 200);
  t.equal(response.headers['content-type'], 'application/grpc');
  t.match(String(response.headers['grpc-accept-encoding']), /^identity,gzip,deflate/);
  t.equal(response.headers['grpc-status'], undefined, 'the status is in the trailers');
  t.strictSame(
    pairsOf(response.rawHeaders).filter(([key]) => key !== 'grpc-accept-encoding'),
    [],
  );
  t.equal(response.trailers?.['grpc-status'], '0');
  t.equal(response.trailers?.['grpc-message'], undefined);
  t.equal(response.trailers?.['trailing-a'], 'b');
  t.equal(response.rstCode, 0);
});

await t.test('an immediate error is Trailers-Only: one header block', async (t) => {
  const { session } = await scene(t);
  const options = { metadata: askFor(5, 'gone ☺') };
  const response = await exchange(session, requestFields(ECHO.path, options));
  t.equal(response.headers[':status'], 200);
  t.equal(response.headers['content-type'], 'application/grpc');
  t.equal(response.headers['grpc-status'], '5');
  t.equal(response.headers['grpc-message'], 'gone %E2%98%BA');
  t.equal(response.trailers, null);
  t.equal(response.octets.length, 0);
});

await t.test('what is no gRPC request', async (t) => {
  const { session } = await scene(t);
  const base = requestFields(ECHO.path);
  const cases: readonly (readonly [
    what: string,
    fields: Fields,
    http: number,
    grpc: string | undefined,
  ])[] = [
    ['a GET', { ...base, ':method': 'GET' }, 405, undefined],
    ['text/html', { ...base, 'content-type': 'text/html' }, 415, undefined],
    ['an unknown service', { ...base, ':path': '/no.Service/Echo' }, 200, '12'],
    ['an unknown method', { ...base, ':path': '/test.Octets/Nope' }, 200, '12'],
    ['a path of one part', { ...base, ':path': '/Echo' }, 200, '12'],
    ['an unknown encoding', { ...base, 'grpc-encoding': 'brainfuck' }, 200, '12'],
  ];
  for (const [what, fields, http, grpc] of cases) {
    const { headers } = await exchange(session, fields);
    t.equal(headers[':status'], http, what);
    if (grpc !== undefined) t.equal(headers['grpc-status'], grpc, what);
    if (what === 'an unknown encoding') {
      t.match(String(headers['grpc-accept-encoding']), 'identity', 'with those that are known');
    }
  }
  const { trailers } = await exchange(session, base);
  t.equal(trailers?.['grpc-status'], '0', 'the connection is good for more');
});

await t.test('other spellings of the content type', async (t) => {
  const { session } = await scene(t);
  for (const type of ['application/grpc+proto', 'application/grpc;x=y', 'application/grpc+json']) {
    const fields = { ...requestFields(ECHO.path), 'content-type': type };
    t.equal((await exchange(session, fields)).trailers?.['grpc-status'], '0', type);
  }
});

await t.test('a malformed grpc-timeout fails that call alone', async (t) => {
  const { session } = await scene(t);
  for (const timeout of ['15 seconds', '1', 'S', '123456789S', '-1S', '1.5S']) {
    const fields = { ...requestFields(ECHO.path), 'grpc-timeout': timeout };
    const { headers } = await exchange(session, fields);
    t.equal(headers['grpc-status'], '13', timeout);
  }
  const { trailers } = await exchange(session, requestFields(ECHO.path));
  t.equal(trailers?.['grpc-status'], '0', 'the connection is good for more');
});

await t.test('the server ends an expired call by itself', async (t) => {
  const { session, server } = await scene(t);
  for (const method of [HOLD, CHAT]) {
    const stream = session.request(requestFields(method.path, { timeoutMs: 50 }));
    if (method === HOLD) stream.end(framed(sample(1)));
    const { headers, trailers, rstCode } = await responseOf(stream);
    const status = trailers?.['grpc-status'] ?? headers['grpc-status'];
    t.ok(status === '4' || rstCode === CANCEL, `${method.name}: ${String(status)}, ${rstCode}`);
    await server.log.until((log) => log.running === 0);
    t.equal(server.log.cancelled.at(-1), method.name);
  }
});

await t.test('messages cut across DATA frames at every place', async (t) => {
  const { session } = await scene(t);
  const parts = [sample(3, 1), sample(0), sample(300, 2)];
  const octets = joined(parts.map((part) => framed(part)));
  for (const size of [1, 2, 3, 4, 5, 6, 7, 64]) {
    const stream = session.request(requestFields(CHAT.path));
    const answered = responseOf(stream);
    for (let at = 0; at < octets.length; at += size) {
      stream.write(octets.subarray(at, at + size));
      // node:http2 joins what is written in one turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
    stream.end();
    const response = await answered;
    t.equal(response.trailers?.['grpc-status'], '0');
    sameMessages(t, new MessageSplitter().push(Buffer.from(response.octets)), parts, `by ${size}`);
  }
});

await t.test('END_STREAM may come long after the message that fills the window', async (t) => {
  const { session } = await scene(t);
  // 262,144 octets with the prefix: nghttp2 sends no empty END_STREAM frame while the window is empty.
  for (const octets of [262_138, 262_139, 262_140, 500_000]) {
    const stream = session.request(requestFields(ECHO.path));
    const answered = responseOf(stream);
    const message = sample(octets);
    await new Promise((resolve) => stream.write(framed(message), resolve));
    await new Promise((resolve) => setTimeout(resolve, 20));
    stream.end();
    const response = await answered;
    t.equal(response.trailers?.['grpc-status'], '0', `${octets} octets`);
    sameMessages(t, new MessageSplitter().push(Buffer.from(response.octets)), [message]);
  }
});

await t.test('a unary request is exactly one whole message', async (t) => {
  const { session, server } = await scene(t);
  const cases: readonly (readonly [what: string, body: Uint8Array, code: string])[] = [
    ['no message', new Uint8Array(0), '12'],
    ['two messages', joined([framed(sample(3)), framed(sample(3))]), '12'],
    ['half a prefix', framed(sample(3)).subarray(0, 3), '13'],
    ['half a message', framed(sample(3)).subarray(0, 7), '13'],
    ['a compressed one without grpc-encoding', framed(sample(3), true), '13'],
    ['an undefined flag', Uint8Array.of(2, 0, 0, 0, 0), '13'],
  ];
  for (const [what, body, code] of cases) {
    const { headers, trailers } = await exchange(session, requestFields(ECHO.path), body);
    t.equal(trailers?.['grpc-status'] ?? headers['grpc-status'], code, what);
  }
  t.strictSame(server.log.started, [], 'no handler has run');
});

await t.test('a client that does not read stops the server, which goes on later', async (t) => {
  const { session } = await scene(t);
  const stream = session.request(requestFields(REPEAT.path));
  const request = repeatRequest(200, 100_000);
  stream.end(framed(request));
  await new Promise((resolve) => stream.once('response', resolve));
  // Others are not held up by it.
  t.equal((await exchange(session, requestFields(ECHO.path))).trailers?.['grpc-status'], '0');
  const { octets, trailers } = await responseOf(stream);
  t.equal(octets.length, 200 * 100_005);
  t.equal(trailers?.['grpc-status'], '0');
});

await t.test('PING is answered, and SETTINGS may change while calls run', async (t) => {
  const { session } = await scene(t);
  await new Promise((resolve) => session.once('remoteSettings', resolve));
  const stream = session.request(requestFields(JOIN.path));
  const answered = responseOf(stream);
  for (let i = 0; i < 5; i++) {
    stream.write(framed(sample(1000, i)));
    session.settings({ initialWindowSize: 1000 * (i + 1), headerTableSize: 1024 * i });
    // More PINGs than that without an answer of ours between them are too many (gRFC A8).
    if (i >= 2) continue;
    await new Promise<void>((resolve, reject) => {
      session.ping((error) => (error === null ? resolve() : reject(error)));
    });
  }
  stream.end();
  const { octets, trailers } = await answered;
  t.equal(octets.length, 5005);
  t.equal(trailers?.['grpc-status'], '0');
});
