import { ErrorCode } from '../../framing/constants.ts';
import type { HeaderList } from '../../framing/frame-handler.ts';
import { type TestContext, t } from '../support/tap.ts';
import { BIDI, FakeServerHost, requestHeaders, UNARY } from './fake-hosts.ts';
import { prefixed } from './fake-stream.ts';

/** What a server with UNARY and BIDI answers to `headers` with END_STREAM. */
function answer(t: TestContext, headers: HeaderList, complete = true): string {
  const host = new FakeServerHost();
  const listeners = [host.serve(UNARY), host.serve(BIDI)];
  const stream = host.accept(headers, true, complete);
  host.run();
  t.strictSame(
    listeners.flatMap((listener) => listener.log),
    [],
    'no handler ran',
  );
  t.equal(host.acquired, 0, 'no slot was taken');
  t.equal(host.clock.pending, 0, 'no timer was left');
  return stream.log.join(' | ');
}

function withContentType(...contentType: string[]): HeaderList {
  return [
    ':method',
    'POST',
    ':scheme',
    'http',
    ':path',
    BIDI.path,
    ':authority',
    'h',
    ...contentType,
  ];
}

const HEAD = 'headers end :status=200, content-type=application/grpc';

await t.test('S91 wrong content-type is 415, wrong method 405, both Trailers-Only', async (t) => {
  const refused415 =
    'headers end :status=415, content-type=application/grpc, grpc-status=2, grpc-message=content-type is not application/grpc';
  for (const headers of [
    withContentType('content-type', 'text/html'),
    withContentType('content-type', 'application/grpcfoo'),
    withContentType(),
  ]) {
    t.equal(answer(t, headers), refused415);
  }
  t.equal(
    answer(t, [':method', 'GET', ':scheme', 'http', ':path', BIDI.path, ':authority', 'h']),
    'headers end :status=405, content-type=application/grpc, allow=POST, grpc-status=2, grpc-message=gRPC requests use the method POST',
  );
});

await t.test(
  'S91 CVE-2026-48068 a refused request may be reset or lost right behind its headers',
  async (t) => {
    const host = new FakeServerHost();
    const stream = host.accept(withContentType('content-type', 'text/html'));
    stream.close(ErrorCode.CANCEL);
    host.run();
    t.strictSame(stream.log, []);
    t.strictSame(host.uncaught, []);
  },
);

await t.test('S87 malformed grpc-timeout is INTERNAL with HTTP 400', async (t) => {
  for (const text of ['', '1', 'S', '-1S', '1.5S', '1 S', '123456789S', '1x']) {
    t.equal(
      answer(t, requestHeaders(BIDI.path, 'grpc-timeout', text)),
      'headers end :status=400, content-type=application/grpc, grpc-status=13, grpc-message=malformed grpc-timeout',
    );
  }
});

await t.test('S87 0S is DEADLINE_EXCEEDED without running the handler', async (t) => {
  t.match(answer(t, requestHeaders(BIDI.path, 'grpc-timeout', '0S')), `${HEAD}, grpc-status=4`);
});

await t.test('S87 huge timeouts do not fire', async (t) => {
  for (const text of ['99999999H', '99999999M', '3000000S']) {
    const host = new FakeServerHost();
    const listener = host.serve(BIDI);
    host.accept(requestHeaders(BIDI.path, 'grpc-timeout', text));
    host.run();
    host.clock.advance(60_000);
    host.run();
    t.strictSame(listener.log, ['handler']);
    t.ok(Number.isFinite(listener.call?.deadlineMs));
  }
});

await t.test('S67 S68 paths that are served by nobody are UNIMPLEMENTED', async (t) => {
  for (const path of [
    '//test.S/Both',
    '/test.S/Both/',
    '/test.S/Both?x',
    '/TEST.S/Both',
    '/test.S%2FBoth',
    'http://h/test.S/Both',
    '/__proto__/x',
    '/test.S/constructor',
    '/',
    '/\u00e9',
    `/${'x'.repeat(8000)}`,
  ]) {
    t.match(answer(t, requestHeaders(path)), `${HEAD}, grpc-status=12`, path.slice(0, 30));
  }
});

await t.test('S67 CVE-2026-33186 a path without slash is not even looked up', async (t) => {
  const host = new FakeServerHost();
  host.lookup = () => {
    throw new Error('looked up');
  };
  const stream = host.accept(requestHeaders('test.S/Both'), true);
  host.run();
  t.match(stream.log[0] as string, 'grpc-status=12');
  t.strictSame(host.uncaught, []);
});

await t.test(
  'S84 an unknown grpc-encoding is UNIMPLEMENTED with grpc-accept-encoding',
  async (t) => {
    for (const encoding of ['xyz', '__proto__', 'constructor', 'gzip', '']) {
      t.equal(
        answer(t, requestHeaders(BIDI.path, 'grpc-encoding', encoding)),
        `${HEAD}, grpc-status=12, grpc-message=grpc-encoding of the request is not supported; supported are identity, grpc-accept-encoding=identity`,
      );
    }
    const host = new FakeServerHost();
    const listener = host.serve(BIDI);
    host.accept(
      requestHeaders(BIDI.path, 'grpc-encoding', 'identity', 'grpc-accept-encoding', 'x,y'),
    );
    host.run();
    t.strictSame(listener.log, ['handler'], 'unknown grpc-accept-encoding is tolerated');
  },
);

await t.test('S88 bad base64 is INTERNAL for that call', async (t) => {
  for (const value of ['!!!', 'a', '====', '_-8']) {
    t.match(answer(t, requestHeaders(BIDI.path, 'x-bin', value)), `${HEAD}, grpc-status=13`, value);
  }
  for (const value of ['YQ==', 'YQ', 'YQ==,Yg', '']) {
    const host = new FakeServerHost();
    const listener = host.serve(BIDI);
    host.accept(requestHeaders(BIDI.path, 'x-bin', value));
    host.run();
    t.strictSame(listener.log, ['handler'], value);
  }
});

await t.test(
  'L5 S55 a header list over the limits is RESOURCE_EXHAUSTED, whatever was cut',
  async (t) => {
    t.match(answer(t, requestHeaders(BIDI.path), false), `${HEAD}, grpc-status=8`);
    t.match(answer(t, [':method', 'POST'], false), `${HEAD}, grpc-status=8`);
    t.match(answer(t, [], false), `${HEAD}, grpc-status=8`);
  },
);

await t.test(
  '5.2 S86 a unary request is exactly one message, under every cut; its handler never runs twice',
  async (t) => {
    const one = prefixed([1, 2]);
    const rows: [number[], string][] = [
      [one, 'OK'],
      [[], 'grpc-status=12'],
      [[...one, ...one], 'grpc-status=12'],
      [[...one, ...prefixed([])], 'grpc-status=12'],
      [[...one, 0], 'grpc-status=12'],
      [one.slice(0, 6), 'grpc-status=13'],
      [one.slice(0, 3), 'grpc-status=13'],
    ];
    for (const [octets, wanted] of rows) {
      for (let size = 1; size <= Math.max(1, octets.length); size++) {
        for (const readsApart of [false, true]) {
          const host = new FakeServerHost();
          const listener = host.serve(UNARY);
          const stream = host.accept(requestHeaders(UNARY.path), false);
          for (let at = 0; at < octets.length; at += size) {
            stream.receive(octets.slice(at, at + size));
            if (readsApart) host.run();
          }
          stream.receive([], true);
          host.run();
          const found = stream.log[0] ?? 'OK';
          t.match(found, wanted, `${octets.length} octets, ${size} at a time`);
          t.strictSame(listener.log, wanted === 'OK' ? ['handler', 'message [1 2]'] : []);
        }
      }
    }
  },
);

await t.test('5.2 S86 a request without DATA is no message', async (t) => {
  t.match(answer(t, requestHeaders(UNARY.path)), `${HEAD}, grpc-status=12`);
});

await t.test('S86 half a message at the end of a request stream is INTERNAL', async (t) => {
  const host = new FakeServerHost();
  const listener = host.serve(BIDI);
  const stream = host.accept(requestHeaders(BIDI.path));
  host.run();
  listener.call?.request(5);
  stream.receive([...prefixed([1]), 0, 0], true);
  host.run();
  t.strictSame(listener.log, ['handler', 'message [1]', 'cancel network']);
  t.match(stream.log[0] as string, `${HEAD}, grpc-status=13`);
});

await t.test('what the engine refuses is counted, since no interceptor sees it', async (t) => {
  const refused: [string, HeaderList][] = [
    ['request.method-not-post', [':method', 'GET', ':path', BIDI.path, ':authority', 'h']],
    ['request.content-type-not-grpc', withContentType('content-type', 'text/html')],
    ['request.timeout-malformed', requestHeaders(BIDI.path, 'grpc-timeout', '1')],
    ['request.metadata-not-base64', requestHeaders(BIDI.path, 'a-bin', '!')],
    ['request.path-without-slash', requestHeaders('test.S/Both')],
    ['request.unknown-encoding', requestHeaders(BIDI.path, 'grpc-encoding', 'lzma')],
    ['request.unknown-method', requestHeaders('/test.S/None')],
    ['expiredRequests', requestHeaders(BIDI.path, 'grpc-timeout', '0S')],
  ];
  for (const [token, headers] of refused) {
    const host = new FakeServerHost();
    host.serve(BIDI);
    host.accept(headers, true);
    host.run();
    t.strictSame(host.trips, [token]);
  }
  const host = new FakeServerHost();
  host.serve(BIDI);
  host.accept(requestHeaders(BIDI.path), true);
  host.accept(requestHeaders(BIDI.path), true, false);
  host.run();
  t.strictSame(host.trips, [], 'L5 is counted by the transport');
});
