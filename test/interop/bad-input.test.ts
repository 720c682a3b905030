/**
 * Bad input over real connections: the status that the gRPC documents say, in that call alone. In both roles a bystander's stream is open
 * on the same connection all the while, and no second connection is ever made.
 */

import {
  connect,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import {
  RpcError,
  type Server,
  Status,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { openStub, startServer } from '../alpha/support/loopback.ts';
import { type TestContext, t } from '../support/tap.ts';

const same = (octets: Uint8Array): Uint8Array => octets;
const METHODS = {
  Echo: unaryUnaryInvocationDescription(same, same),
  Chat: streamStreamInvocationDescription(same, same),
};
const SERVED = {
  Echo: unaryUnaryServiceDescription(same, same, same),
  Chat: streamStreamServiceDescription(
    async function* (requests) {
      yield* requests;
    },
    same,
    same,
  ),
};
const MESSAGE = Buffer.from([0, 0, 0, 0, 1, 42]);
const GRPC = { ':status': 200, 'content-type': 'application/grpc' };

// ---- our server ------------------------------------------------------------------------------------------------------------------

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly code: string | undefined;
}

/** Bad requests: what, fields laid over those of a good one, body, grpc-status. */
const BAD_REQUESTS: readonly (readonly [string, OutgoingHttpHeaders, Buffer, number])[] = [
  ['-bin that is not base64', { 'x-bin': '!!!' }, MESSAGE, Status.INTERNAL],
  ['-bin of one character', { 'x-bin': 'a' }, MESSAGE, Status.INTERNAL],
  ['-bin of padding', { 'x-bin': '====' }, MESSAGE, Status.INTERNAL],
  ['a timeout without unit', { 'grpc-timeout': '15' }, MESSAGE, Status.INTERNAL],
  ['a timeout of nine digits', { 'grpc-timeout': '123456789S' }, MESSAGE, Status.INTERNAL],
  ['a negative timeout', { 'grpc-timeout': '-1S' }, MESSAGE, Status.INTERNAL],
  ['no time at all', { 'grpc-timeout': '0n' }, MESSAGE, Status.DEADLINE_EXCEEDED],
  ['an unknown encoding', { 'grpc-encoding': '__proto__' }, MESSAGE, Status.UNIMPLEMENTED],
  ['an unknown method', { ':path': '/test.Bad/constructor' }, MESSAGE, Status.UNIMPLEMENTED],
  ['another content-type', { 'content-type': 'text/html' }, MESSAGE, Status.UNKNOWN],
  ['an undefined flag', {}, Buffer.from([9, 0, 0, 0, 0]), Status.INTERNAL],
  ['compressed without encoding', {}, Buffer.from([1, 0, 0, 0, 1, 1]), Status.INTERNAL],
  ['damaged gzip', { 'grpc-encoding': 'gzip' }, Buffer.from([1, 0, 0, 0, 1, 1]), Status.INTERNAL],
  ['no message', {}, Buffer.alloc(0), Status.UNIMPLEMENTED],
  ['two messages', {}, Buffer.concat([MESSAGE, MESSAGE]), Status.UNIMPLEMENTED],
  ['half a message', {}, MESSAGE.subarray(0, 5), Status.INTERNAL],
  [
    'a message over the limit',
    {},
    Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]),
    Status.RESOURCE_EXHAUSTED,
  ],
];

function request(path: string, fields: OutgoingHttpHeaders = {}): OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':path': path,
    te: 'trailers',
    'content-type': 'application/grpc',
    ...fields,
  };
}

await t.test('bad requests end their own call with their status', async (t) => {
  const raised: unknown[] = [];
  const served = await startServer(t, 'test.Bad', SERVED, {
    onError: (error) => raised.push(error),
  });
  const session = connect(`http://127.0.0.1:${served.port()}`);
  const faults: unknown[] = [];
  session.on('error', (error) => faults.push(error));
  session.on('goaway', (code) => faults.push(`GOAWAY ${code}`));
  const ask = (fields: OutgoingHttpHeaders, body: Buffer): Promise<Answer> =>
    new Promise((resolve) => {
      const stream = session.request(fields);
      let headers: IncomingHttpHeaders = {};
      let code: string | undefined;
      stream.on('response', (received) => {
        headers = received;
        code = received['grpc-status'] as string | undefined;
      });
      stream.on('trailers', (trailers) => {
        code = trailers['grpc-status'] as string | undefined;
      });
      stream.on('error', () => {});
      stream.on('close', () => resolve({ headers, code }));
      stream.resume();
      stream.end(body);
    });
  const bystander = session.request(request('/test.Bad/Chat'));
  const echoes: Buffer[] = [];
  bystander.on('data', (octets: Buffer) => echoes.push(octets));
  bystander.on('error', (error) => faults.push(error));
  let sent = 0;
  for (const [what, fields, body, code] of BAD_REQUESTS) {
    const answer = await ask(request('/test.Bad/Echo', fields), body);
    t.equal(answer.code, String(code), what);
    bystander.write(MESSAGE);
    sent += 1;
    const good = await ask(request('/test.Bad/Echo'), MESSAGE);
    t.equal(good.code, '0', `after ${what} the connection is good for more`);
  }
  const ended = new Promise((resolve) => bystander.once('close', resolve));
  bystander.end();
  await ended;
  t.equal(Buffer.concat(echoes).length, sent * MESSAGE.length, 'the bystander noticed nothing');
  t.strictSame(faults, []);
  t.strictSame(raised, [], 'none of it is an error of the program');
  t.equal(served.stats().connections, 1);
  await new Promise<void>((resolve) => session.close(() => resolve()));
});

// ---- our client ------------------------------------------------------------------------------------------------------------------

type Respond = (stream: ServerHttp2Stream) => void;

function respond(
  headers: OutgoingHttpHeaders,
  body: Buffer,
  trailers: OutgoingHttpHeaders,
): Respond {
  return (stream) => {
    stream.respond({ ...GRPC, ...headers }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end(body);
  };
}

const trailersOnly =
  (fields: OutgoingHttpHeaders): Respond =>
  (stream) =>
    stream.respond({ ...GRPC, ...fields }, { endStream: true });

/** Bad responses: what, response, status of the call, and what its details say. */
const BAD_RESPONSES: readonly (readonly [string, Respond, number, RegExp])[] = [
  [
    'grpc-status that is no number',
    respond({}, MESSAGE, { 'grpc-status': 'ok' }),
    Status.UNKNOWN,
    /malformed grpc-status/,
  ],
  [
    'grpc-status beyond 32 bits',
    respond({}, MESSAGE, { 'grpc-status': '99999999999' }),
    Status.UNKNOWN,
    /malformed grpc-status/,
  ],
  ['grpc-status outside the table', trailersOnly({ 'grpc-status': '77' }), 77, /status code 77/],
  [
    'grpc-message with broken escapes',
    trailersOnly({ 'grpc-status': '5', 'grpc-message': 'a%zz%e2%98' }),
    Status.NOT_FOUND,
    /^a%zz/,
  ],
  [
    'grpc-message that is not UTF-8',
    trailersOnly({ 'grpc-status': '5', 'grpc-message': '%ff%fe' }),
    Status.NOT_FOUND,
    /\ufffd/,
  ],
  [
    '-bin in headers',
    respond({ 'x-bin': '!!!' }, MESSAGE, { 'grpc-status': '0' }),
    Status.INTERNAL,
    /the value of x-bin is not base64/,
  ],
  [
    '-bin in trailers of an OK',
    respond({}, MESSAGE, { 'grpc-status': '0', 'x-bin': '!' }),
    Status.INTERNAL,
    /the value of x-bin is not base64/,
  ],
  [
    'details that cannot be read',
    trailersOnly({ 'grpc-status': '5', 'grpc-message': 'm', 'grpc-status-details-bin': '!!!' }),
    Status.NOT_FOUND,
    /^m$/,
  ],
  [
    'no grpc-status',
    respond({}, MESSAGE, { 'x-other': '1' }),
    Status.UNKNOWN,
    /ended the call without grpc-status/,
  ],
  [
    'another content-type',
    respond({ 'content-type': 'text/html' }, Buffer.from('<p>hello</p>'), {}),
    Status.UNKNOWN,
    /text\/html/,
  ],
  [
    'an unknown encoding',
    respond({ 'grpc-encoding': 'xyz' }, Buffer.from([1, 0, 0, 0, 0]), { 'grpc-status': '0' }),
    Status.INTERNAL,
    /encoding "xyz"/,
  ],
  [
    'damaged gzip',
    respond({ 'grpc-encoding': 'gzip' }, Buffer.from([1, 0, 0, 0, 1, 1]), { 'grpc-status': '0' }),
    Status.INTERNAL,
    /could not be decompressed/,
  ],
  ['OK without message', trailersOnly({ 'grpc-status': '0' }), Status.UNIMPLEMENTED, /message/],
  [
    'two messages',
    respond({}, Buffer.concat([MESSAGE, MESSAGE]), { 'grpc-status': '0' }),
    Status.UNIMPLEMENTED,
    /more than one response message/,
  ],
  [
    'half a message',
    respond({}, MESSAGE.subarray(0, 5), { 'grpc-status': '0' }),
    Status.INTERNAL,
    /./,
  ],
];

await t.test('bad responses end their own call with their status', async (t) => {
  let respondNext: Respond = () => {};
  let sessions = 0;
  const raw = createServer();
  raw.on('session', () => {
    sessions += 1;
  });
  raw.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => {});
    if (headers[':path'] === '/test.Bad/Echo') {
      stream.resume();
      respondNext(stream);
      return;
    }
    stream.respond(GRPC, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.pipe(stream);
  });
  await new Promise<void>((resolve) => raw.listen(0, '127.0.0.1', resolve));
  const port = (raw.address() as AddressInfo).port;
  const remote = openStub(t, 'test.Bad', METHODS, { port: () => port } as Server, {
    onError: (error) => t.fail(`reported: ${String(error)}`),
  });
  const good = respond({}, MESSAGE, { 'grpc-status': '0' });
  const ticks = new TransformStream<Uint8Array, Uint8Array>();
  const writer = ticks.writable.getWriter();
  const bystander = remote.Chat(ticks.readable, 60);
  for (const [what, response, code, details] of BAD_RESPONSES) {
    respondNext = response;
    const error = await remote.Echo(Uint8Array.of(1), 60).catch((raised: unknown) => raised);
    if (!(error instanceof RpcError)) {
      t.fail(`${what}: ${String(error)}`);
      continue;
    }
    t.equal(error.code, code, `${what}: ${error.message}`);
    t.match(error.details, details);
    respondNext = good;
    t.strictSame([...(await remote.Echo(Uint8Array.of(1), 60))], [42], `after ${what}`);
    void writer.write(Uint8Array.of(7));
    t.strictSame([...((await bystander.next()).value ?? [])], [7], 'the bystander goes on');
  }
  await writer.close();
  t.equal((await bystander.next()).done, true);
  t.equal(sessions, 1, 'all on one connection');
  await remote.close();
  await new Promise((resolve) => raw.close(resolve));
});

// ---- the sending side -----------------------------------------------------------------------------------------------------------

const ILLEGAL: readonly (readonly [Record<string, unknown>, RegExp])[] = [
  [{ 'bad key': 'x' }, /"bad key"/],
  [{ ':path': 'x' }, /":path"/],
  [{ 'x-value': 'a\r\nb' }, /\bx-value\b/],
  [{ 'x-blank': ' a' }, /\bx-blank\b/],
  [{ 'x-number': 5 }, /\bx-number\b/],
  [{ 'x-bin': 'text' }, /\bx-bin\b/],
  [{ 'grpc-timeout': '1S' }, /"grpc-timeout"/],
];

await t.test(
  'illegal metadata is refused where it is sent, with its key',
  async (t: TestContext) => {
    const seen: string[] = [];
    const refused = (give: () => unknown): void => {
      try {
        give();
        seen.push('taken');
      } catch (error) {
        seen.push(error instanceof TypeError ? error.message : `not a TypeError: ${String(error)}`);
      }
    };
    const served = await startServer(t, 'test.Bad', {
      ...SERVED,
      Echo: unaryUnaryServiceDescription(
        (octets: Uint8Array, context) => {
          for (const [metadata] of ILLEGAL) {
            refused(() => context.sendInitialMetadata(metadata as never));
            refused(() => context.setTrailingMetadata(metadata as never));
          }
          return octets;
        },
        same,
        same,
      ),
    });
    const remote = openStub(t, 'test.Bad', METHODS, served);
    for (const [metadata, key] of ILLEGAL) {
      refused(
        () => void remote.Echo(new Uint8Array(0), { timeout: 9, metadata: metadata as never }),
      );
      t.match(seen.pop() ?? '', key, 'a call');
    }
    t.equal(served.stats().connections, 0, 'nothing of it reached the wire');
    await remote.Echo(new Uint8Array(0), 9);
    t.equal(seen.length, 2 * ILLEGAL.length);
    for (const [index, [, key]] of ILLEGAL.entries()) {
      t.match(seen[2 * index] ?? '', key, 'initial metadata of a response');
      t.match(seen[2 * index + 1] ?? '', key, 'trailing metadata of a response');
    }
  },
);
