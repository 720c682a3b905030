import { Metadata, metadataOfHeaders, validateBinaryHeaders } from '../../lib/metadata.ts';
import { RpcError } from '../../lib/rpc-error.ts';
import { Status } from '../../lib/status.ts';
import { t } from '../support/tap.ts';

const OCTETS = new Uint8Array([0xfb, 0xff, 0xbf, 0x00]);

await t.test('Custom-Metadata: keys are case-insensitive, values keep their order', async (t) => {
  const metadata = new Metadata().set('X-Id', '1').append('x-id', '2').set('trace-bin', OCTETS);
  t.equal(metadata.get('x-ID'), '1');
  t.strictSame(metadata.getAll('x-id'), ['1', '2']);
  t.strictSame([...metadata.keys()], ['x-id', 'trace-bin']);
  t.strictSame(
    [...metadata],
    [
      ['x-id', '1'],
      ['x-id', '2'],
      ['trace-bin', OCTETS],
    ],
  );
  t.equal(metadata.size, 3);
  t.equal(metadata.has('TRACE-bin'), true);
  t.equal(metadata.delete('X-ID'), true);
  t.equal(metadata.delete('x-id'), false);
  t.equal(metadata.get('x-id'), undefined);
  t.strictSame(metadata.getAll('x-id'), []);
});

await t.test(
  'toHeaderList: -bin in base64 without padding, the same array until something changes',
  async (t) => {
    const metadata = new Metadata().set('a', 'b').append('x-bin', OCTETS);
    const list = metadata.toHeaderList();
    t.strictSame(list, ['a', 'b', 'x-bin', '+/+/AA']);
    t.equal(metadata.toHeaderList(), list);
    metadata.append('a', 'c');
    t.strictSame(metadata.toHeaderList(), ['a', 'b', 'a', 'c', 'x-bin', '+/+/AA']);
    metadata.delete('a');
    t.strictSame(metadata.toHeaderList(), ['x-bin', '+/+/AA']);
  },
);

await t.test('S96 illegal keys are refused with TypeError that names key and reason', async (t) => {
  const metadata = new Metadata();
  for (const [key, reason] of [
    ['', /only 0-9/],
    ['a b', /only 0-9/],
    ['a:b', /only 0-9/],
    ['é', /only 0-9/],
    ['a\r\n', /only 0-9/],
    [':path', /belong to HTTP\/2/],
    ['Content-Type', /belongs to the protocol/],
    ['te', /belongs to the protocol/],
    ['Connection', /belongs to the protocol/],
    ['transfer-encoding', /belongs to the protocol/],
    ['host', /belongs to the protocol/],
    ['grpc-status', /reserved/],
    ['grpc-foo', /reserved/],
    ['GRPC-Timeout', /reserved/],
  ] as const) {
    t.throws(() => metadata.set(key, 'x'), { name: 'TypeError', message: reason }, key);
    t.throws(
      () => metadata.append(key, 'x'),
      { message: new RegExp(JSON.stringify(key).slice(1, -1).replaceAll('\\', '\\\\')) },
      key,
    );
  }
  t.throws(() => metadata.set(1 as unknown as string, 'x'), { name: 'TypeError' });
  t.equal(metadata.size, 0);
});

await t.test('S96 illegal values are refused; the message does not repeat a secret', async (t) => {
  const metadata = new Metadata();
  for (const value of [
    'a\nb',
    'a\rb',
    'é',
    '\u0000',
    'tab\t',
    ' padded',
    'padded ',
    1,
    null,
    undefined,
    OCTETS,
  ]) {
    t.throws(() => metadata.set('key', value as string), {
      name: 'TypeError',
      message: /value of key/,
    });
  }
  t.throws(() => metadata.set('key-bin', 'text'), { name: 'TypeError', message: /Uint8Array/ });
  try {
    metadata.set('authorization', 'secret\n');
  } catch (error) {
    t.equal((error as Error).message.includes('secret'), false);
  }
  metadata.set('key', '').set('inner', 'a b  c');
  t.strictSame(metadata.toHeaderList(), ['key', '', 'inner', 'a b  c']);
});

await t.test('libraries may set the grpc- names that are theirs', async (t) => {
  const metadata = new Metadata()
    .set('grpc-status-details-bin', OCTETS)
    .set('grpc-retry-pushback-ms', '5');
  t.equal(metadata.size, 2);
});

await t.test('S89 names of Object.prototype are plain data', async (t) => {
  const names = ['__proto__', 'constructor', 'tostring', 'hasownproperty', 'prototype', '0', '-1'];
  const metadata = new Metadata();
  for (const name of names) metadata.set(name, name);
  t.strictSame([...metadata.keys()], names);
  const json = metadata.toJSON();
  t.equal(Object.getPrototypeOf(json), null);
  t.strictSame(Object.keys(json).sort(), [...names].sort());
  t.equal(({} as Record<string, unknown>)['polluted'], undefined);
  const received = metadataOfHeaders(['__proto__', 'x', 'constructor', 'y']);
  t.equal(received.get('__proto__'), 'x');
  t.equal(received.get('toString'), undefined);
});

await t.test('from: pairs, objects with arrays, other metadata', async (t) => {
  const pairs = Metadata.from([
    ['a', '1'],
    ['a', '2'],
    ['b-bin', OCTETS],
  ]);
  const object = Metadata.from({ A: ['1', '2'], 'b-bin': OCTETS });
  t.strictSame(object.toHeaderList(), pairs.toHeaderList());
  t.strictSame(Metadata.from(pairs).toHeaderList(), pairs.toHeaderList());
  t.strictSame(Metadata.from(new Map([['k', 'v']])).toHeaderList(), ['k', 'v']);
  t.throws(() => Metadata.from({ te: 'x' }), { name: 'TypeError' });
});

await t.test('clone is independent', async (t) => {
  const metadata = new Metadata().set('a', '1');
  metadata.toHeaderList();
  const copy = metadata.clone();
  copy.append('a', '2').set('b', '3');
  t.strictSame(metadata.toHeaderList(), ['a', '1']);
  t.strictSame(copy.toHeaderList(), ['a', '1', 'a', '2', 'b', '3']);
});

await t.test('S92 received metadata leaves out what belongs to the protocol', async (t) => {
  const metadata = metadataOfHeaders([
    ':method',
    'POST',
    ':path',
    '/a/b',
    'te',
    'trailers',
    'content-type',
    'application/grpc',
    'user-agent',
    'x/1',
    'grpc-timeout',
    '1S',
    'grpc-status',
    '5',
    'grpc-message',
    'm',
    'grpc-encoding',
    'gzip',
    'grpc-accept-encoding',
    'gzip',
    'grpc-foo',
    'x',
    'content-length',
    '5',
    'connection',
    'close',
    'custom',
    'v',
    'grpc-status-details-bin',
    'YQ',
  ]);
  t.strictSame([...metadata.keys()], ['user-agent', 'custom', 'grpc-status-details-bin']);
});

await t.test('S72 S89 whatever is received can be sent again', async (t) => {
  const received = metadataOfHeaders([
    'ok',
    'v',
    'obs-text',
    '\u00ff',
    'tab',
    'a\tb',
    'del',
    '\u007f',
    'na!me',
    'v',
    'UPPER',
    'v',
    '',
    'v',
    'x-bin',
    '!!!,YQ==',
  ]);
  const echo = new Metadata();
  for (const [key, value] of received) echo.append(key, value);
  t.strictSame(echo.toHeaderList(), ['ok', 'v', 'x-bin', 'YQ']);
});

await t.test('S88 -bin values split at commas, padded or not', async (t) => {
  const metadata = metadataOfHeaders(['x-bin', 'YQ==,Yg', 'x-bin', 'Yw', 'y-bin', '']);
  t.strictSame(
    metadata.getAll('x-bin').map((octets) => [...octets]),
    [[0x61], [0x62], [0x63]],
  );
  t.equal(metadata.get('y-bin')?.length, 0);
  t.equal(validateBinaryHeaders(['x-bin', 'YQ==,Yg', 'y-bin', '']), null);
  t.equal(validateBinaryHeaders(['x', '!!!', 'a-bin', 'YQ', 'b-bin', 'YQ,!']), 'b-bin');
  t.equal(validateBinaryHeaders(['b-bin', 'a']), 'b-bin');
  t.equal(validateBinaryHeaders(['b-bin', '====']), 'b-bin');
});

await t.test('RpcError: message, details, lazy metadata, cause', async (t) => {
  const cause = new Error('inner');
  const error = RpcError.fromStatus({
    code: Status.NOT_FOUND,
    message: 'no such thing',
    trailers: ['grpc-status', '5', 'reason', 'gone'],
    cause,
  });
  t.ok(error instanceof Error);
  t.equal(error.name, 'RpcError');
  t.equal(error.message, 'NOT_FOUND: no such thing');
  t.equal(error.code, Status.NOT_FOUND);
  t.equal(error.details, 'no such thing');
  t.equal(error.cause, cause);
  t.strictSame(error.metadata.toHeaderList(), ['reason', 'gone']);
  t.equal(error.metadata, error.metadata);
  const own = new RpcError(77);
  t.equal(own.message, 'STATUS_77');
  t.equal('cause' in own, false);
  t.equal(own.metadata.size, 0);
  const metadata = new Metadata().set('a', 'b');
  t.equal(new RpcError(Status.ABORTED, 'x', metadata).metadata, metadata);
});
