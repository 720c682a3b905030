import { MALFORMED_TIMEOUT } from '../../lib/protocol/grpc-timeout.ts';
import {
  RequestReader,
  RequestTemplates,
  readRequestHeaders,
} from '../../lib/protocol/request-headers.ts';
import { HeaderRules } from '../../transport/header-rules.ts';
import { t } from '../support/tap.ts';
import { BIDI, requestHeaders, UNARY } from './fake-hosts.ts';

await t.test(
  'Requests: the template holds the fields of the protocol in its order, once per method',
  async (t) => {
    const templates = new RequestTemplates('example.test:1', 'https', 'me/1', 'identity,gzip');
    const template = templates.of(UNARY);
    t.strictSame(
      [...template],
      [
        ':method',
        'POST',
        ':scheme',
        'https',
        ':path',
        '/test.S/Unary',
        ':authority',
        'example.test:1',
        'te',
        'trailers',
        'content-type',
        'application/grpc',
        'user-agent',
        'me/1',
        'grpc-accept-encoding',
        'identity,gzip',
      ],
    );
    const encoded = templates.ofEncoded(UNARY, 'gzip');
    t.strictSame([...encoded], [...template, 'grpc-encoding', 'gzip']);
    t.equal(templates.ofEncoded(UNARY, 'gzip'), encoded, 'identical array');
    t.equal(templates.of(UNARY), template, 'identical array');
    t.not(templates.of(BIDI), template);
    t.equal(new HeaderRules().checkRequest(template), null);
  },
);

await t.test('Requests: one scan finds path, authority, timeout and encoding', async (t) => {
  const facts = readRequestHeaders(
    requestHeaders(
      '/a/B',
      ...['grpc-timeout', '2S', 'grpc-encoding', 'gzip', 'x-bin', 'YQ'],
      ...['grpc-accept-encoding', 'identity', 'grpc-accept-encoding', 'br, gzip'],
    ),
  );
  t.strictSame(facts, {
    path: '/a/B',
    authority: 'example.test',
    timeoutMs: 2000,
    encoding: 'gzip',
    acceptEncoding: 'identity,br, gzip',
    httpStatus: 0,
    refusal: '',
    badBinaryKey: null,
  });
  const plain = readRequestHeaders(requestHeaders('/a/B'));
  t.equal(plain.timeoutMs, Number.POSITIVE_INFINITY);
  t.equal(plain.encoding, 'identity');
  t.equal(plain.acceptEncoding, '');
});

await t.test('§8.3.1 host stands in for :authority', async (t) => {
  const facts = readRequestHeaders([
    ':method',
    'POST',
    ':path',
    '/a/b',
    'host',
    'h',
    'content-type',
    'application/grpc',
  ]);
  t.equal(facts.authority, 'h');
  t.equal(facts.httpStatus, 0);
});

await t.test('S91 content types', async (t) => {
  for (const [contentType, httpStatus] of [
    ['application/grpc', 0],
    ['application/grpc+proto', 0],
    ['application/grpc+this-is-valid', 0],
    ['application/grpc;this-is-valid', 0],
    ['Application/GRPC', 0],
    ['application/grpcfoo', 415],
    ['application/grpc-web', 415],
    ['text/html', 415],
    ['', 415],
  ] as const) {
    t.equal(
      readRequestHeaders([
        ':method',
        'POST',
        ':path',
        '/a/b',
        ':authority',
        'h',
        'content-type',
        contentType,
      ]).httpStatus,
      httpStatus,
      contentType,
    );
  }
  t.equal(
    readRequestHeaders([':method', 'POST', ':path', '/a/b', ':authority', 'h']).httpStatus,
    415,
    'missing',
  );
  t.equal(
    readRequestHeaders([':method', 'GET', ':path', '/a/b', 'content-type', 'application/grpc'])
      .httpStatus,
    405,
  );
});

await t.test('S87 malformed timeouts are refused with 400; of two the shorter holds', async (t) => {
  const malformed = readRequestHeaders(requestHeaders('/a/b', 'grpc-timeout', '15 seconds'));
  t.equal(malformed.timeoutMs, MALFORMED_TIMEOUT);
  t.equal(malformed.httpStatus, 400);
  t.equal(
    readRequestHeaders(requestHeaders('/a/b', 'grpc-timeout', '10S', 'grpc-timeout', '5S'))
      .timeoutMs,
    5000,
  );
  t.equal(
    readRequestHeaders(requestHeaders('/a/b', 'grpc-timeout', '1S', 'grpc-timeout', 'x'))
      .httpStatus,
    400,
  );
});

await t.test(
  'RequestReader: the same list gives the same facts, more lists than slots are read anew',
  async (t) => {
    const reader = new RequestReader();
    const lists = [1, 2, 3, 4, 5].map((n) => requestHeaders(`/a/${n}`));
    // The first list of a connection comes once: it is not kept.
    t.equal(reader.read(requestHeaders('/a/0')).path, '/a/0');
    const first = reader.read(lists[0]!);
    t.equal(reader.read(lists[0]!), first);
    for (const list of lists) t.equal(reader.read(list).path, list[5]);
    t.not(reader.read(lists[0]!), first);
    t.equal(reader.read(lists[0]!).path, '/a/1');
  },
);
