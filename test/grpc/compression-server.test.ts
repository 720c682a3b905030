/** Compression of a call on the server, with a codec whose thread pool the test works by hand. */

import { INLINE_OCTETS as COMPRESS_INLINE } from '../../lib/call/message-compressor.ts';
import { INLINE_OCTETS } from '../../lib/call/message-inflater.ts';
import type { MethodDescriptor } from '../../lib/method.ts';
import { Status } from '../../lib/status.ts';
import { Initiator } from '../../transport/stream-listener.ts';
import { t } from '../support/tap.ts';
import {
  BIDI,
  CLIENT_STREAM,
  FakeServerHost,
  requestHeaders,
  SERVER_STREAM,
  UNARY,
} from './fake-hosts.ts';
import { type FakeStream, prefixed } from './fake-stream.ts';
import { ManualCodec, manuallyCompressed, manualSettings } from './manual-codec.ts';

const LONG = new Array<number>(INLINE_OCTETS).fill(7);
const LONG_MESSAGE = new Uint8Array(COMPRESS_INLINE + 1).fill(5);
const SIX = Uint8Array.of(1, 1, 1, 2, 2, 2);
// compression.md: every response tells what the server reads.
const PLAIN =
  'headers :status=200, content-type=application/grpc, grpc-accept-encoding=identity,manual';
const ENCODED = `${PLAIN}, grpc-encoding=manual`;

function serve(method: MethodDescriptor, sends = false, limits = {}) {
  const codec = new ManualCodec();
  const host = new FakeServerHost(limits, manualSettings(codec, sends));
  return { codec, host, listener: host.serve(method) };
}

/** A request whose one message is here, from a client that accepts `accept`. */
function request(host: FakeServerHost, method: MethodDescriptor, accept?: string): FakeStream {
  const fields = accept === undefined ? [] : ['grpc-accept-encoding', accept];
  const stream = host.accept(requestHeaders(method.path, ...fields));
  stream.receive(prefixed([1]), true);
  host.run();
  return stream;
}

function short(log: readonly string[]): string[] {
  return log.map((line) => (line.length > 120 ? `${line.slice(0, 9)} …` : line));
}

await t.test('a unary request is decompressed once it has a handler slot', async (t) => {
  const { codec, host, listener } = serve(UNARY);
  host.grants = false;
  const stream = host.accept(requestHeaders(UNARY.path, 'grpc-encoding', 'manual'));
  stream.receive(prefixed(manuallyCompressed(LONG), 1), true);
  host.run();
  t.equal(codec.decompressions.length, 0, 'what waits for a slot stays as small as it came');
  host.waiting[0]!.onSlot();
  host.run();
  t.equal(codec.decompressions.length, 1);
  t.strictSame(listener.log, [], 'no handler before there is a request');
  codec.finishDecompression();
  host.run();
  t.equal(listener.log[0], 'handler');
  t.equal(listener.log[1]!.split(' ').length, 1 + 3 * LONG.length);
});

await t.test(
  'with readsOnDemand a unary request is decompressed when the handler asks for it',
  async (t) => {
    const codec = new ManualCodec();
    const host = new FakeServerHost({}, manualSettings(codec, false));
    for (const method of [UNARY, SERVER_STREAM]) {
      for (const [octets, atOnce] of [
        [[7], 1],
        [LONG, 0],
      ] as const) {
        codec.atOnce = 0;
        const listener = host.serve(method, true);
        const stream = host.accept(requestHeaders(method.path, 'grpc-encoding', 'manual'));
        stream.receive(prefixed(manuallyCompressed([...octets]), 1), true);
        host.run();
        t.strictSame(listener.log, ['handler']);
        t.equal(listener.call!.holdsRequest, true);
        t.strictSame([codec.atOnce, codec.decompressions.length], [0, 0]);
        listener.call!.request(1);
        host.run();
        t.strictSame([codec.atOnce, codec.decompressions.length], [atOnce, 1 - atOnce]);
        codec.finishDecompression();
        host.run();
        t.equal(listener.log.length, 2);
        t.equal(listener.log[1]!.split(' ').length, 1 + 3 * octets.length);
      }
    }
  },
);

await t.test('readsOnDemand: what is refused or cancelled is never decompressed', async (t) => {
  for (const end of ['refused', 'cancelled', 'asked for too late'] as const) {
    const codec = new ManualCodec();
    const host = new FakeServerHost({}, manualSettings(codec, false));
    const listener = host.serve(UNARY, true);
    const stream = host.accept(requestHeaders(UNARY.path, 'grpc-encoding', 'manual'));
    stream.receive(prefixed(manuallyCompressed([7]), 1), true);
    host.run();
    if (end === 'refused') listener.call!.close(Status.UNAUTHENTICATED, 'no', null);
    else stream.close(8, Initiator.REMOTE);
    if (end === 'asked for too late') listener.call!.request(1);
    host.run();
    t.strictSame([codec.atOnce, codec.decompressions.length], [0, 0], end);
    t.notOk(
      listener.log.some((line) => line.startsWith('message')),
      end,
    );
  }
});

await t.test('readsOnDemand: requests that are not compressed come unasked', async (t) => {
  const codec = new ManualCodec();
  const host = new FakeServerHost({}, manualSettings(codec, false));
  const listener = host.serve(UNARY, true);
  const stream = host.accept(requestHeaders(UNARY.path, 'grpc-encoding', 'manual'));
  stream.receive(prefixed([1, 2]), true);
  host.run();
  t.strictSame(listener.log, ['handler', 'message [1 2]']);
});

await t.test('a stream of requests keeps its order, half-close included', async (t) => {
  const { codec, host, listener } = serve(CLIENT_STREAM);
  const stream = host.accept(requestHeaders(CLIENT_STREAM.path, 'grpc-encoding', 'manual'));
  host.run();
  listener.call!.request(5);
  stream.receive(
    [
      ...prefixed(manuallyCompressed(LONG), 1),
      ...prefixed([8]),
      ...prefixed(manuallyCompressed([9]), 1),
    ],
    true,
  );
  host.run();
  t.strictSame(listener.log, ['handler']);
  codec.finishDecompression();
  host.run();
  t.strictSame(short(listener.log), [
    'handler',
    'message [ …',
    'message [8]',
    'message [9 9 9]',
    'half-close',
  ]);
});

await t.test('S82, S83 a bomb and damage end that call alone, before its handler', async (t) => {
  for (const [payload, code, details] of [
    [
      manuallyCompressed([1, 2, 3, 4]),
      8,
      'Received message larger than max (more than 11 after decompression vs. 11)',
    ],
    [[1, 2], 13, 'message in manual could not be decompressed: no mark'],
    [[], 13, 'message in manual could not be decompressed: it is empty'],
  ] as const) {
    const { host, listener } = serve(UNARY, false, { maxReceiveMessageOctets: 11 });
    const stream = host.accept(requestHeaders(UNARY.path, 'grpc-encoding', 'manual'));
    stream.receive(prefixed([...payload], 1), true);
    host.run();
    t.strictSame(listener.log, []);
    t.match(stream.log[0]!, `grpc-status=${code}, grpc-message=${details}`);
    stream.close();
    t.equal(host.released, 1, 'its slot is free again');
    t.strictSame(host.uncaught, []);
  }
});

await t.test('S82 in a stream, after messages that were fine', async (t) => {
  const { host, listener } = serve(CLIENT_STREAM, false, { maxReceiveMessageOctets: 11 });
  const stream = host.accept(requestHeaders(CLIENT_STREAM.path, 'grpc-encoding', 'manual'));
  host.run();
  listener.call!.request(5);
  stream.receive([
    ...prefixed(manuallyCompressed([1]), 1),
    ...prefixed(manuallyCompressed([1, 2, 3, 4]), 1),
  ]);
  host.run();
  t.strictSame(listener.log, ['handler', 'message [1 1 1]', 'cancel network', 'complete']);
  t.match(stream.log[0]!, 'grpc-status=8');
  t.match(listener.call!.abortReason, 'Received message larger than max (');
  t.equal(listener.call!.abortCode, Status.RESOURCE_EXHAUSTED, 'what the client was sent');
});

await t.test('S84 flags: without encoding and undefined ones are INTERNAL', async (t) => {
  for (const [fields, flags] of [
    [[], 1],
    [['grpc-encoding', 'identity'], 1],
    [['grpc-encoding', 'manual'], 2],
    [['grpc-encoding', 'manual'], 255],
  ] as const) {
    const { host, listener } = serve(UNARY);
    const stream = host.accept(requestHeaders(UNARY.path, ...fields));
    stream.receive(prefixed([1], flags), true);
    host.run();
    t.match(stream.log[0]!, `grpc-status=${Status.INTERNAL}`);
    t.strictSame(listener.log, []);
  }
});

await t.test('L2 a call that is reset while it is decompressed gives its slot back', async (t) => {
  const { codec, host } = serve(UNARY);
  const stream = host.accept(requestHeaders(UNARY.path, 'grpc-encoding', 'manual'));
  stream.receive(prefixed(manuallyCompressed(LONG), 1), true);
  host.run();
  t.equal(host.acquired, 1);
  stream.close(8, Initiator.REMOTE);
  host.run();
  t.equal(host.released, 1);
  t.ok(codec.decompressions[0]!.cancelled);
  t.equal(host.inflates.used, 0);
});

await t.test(
  'L2 a call that is reset between getting its slot and its turn gives it back',
  async (t) => {
    const { host, listener } = serve(UNARY);
    host.grants = false;
    const stream = request(host, UNARY);
    host.waiting[0]!.onSlot();
    stream.close(8, Initiator.REMOTE);
    host.run();
    t.strictSame(listener.log, []);
    t.equal(host.released, 1);
  },
);

await t.test('responses are compressed only for clients that read them', async (t) => {
  for (const [accept, encoded] of [
    ['identity,manual', true],
    ['identity, manual , gzip', true],
    ['gzip', false],
    ['', false],
    [undefined, false],
  ] as const) {
    const { host, listener } = serve(UNARY, true);
    const stream = request(host, UNARY, accept);
    listener.call!.sendUnaryAndClose(SIX, null);
    t.strictSame(stream.log.slice(0, 2), [
      encoded ? ENCODED : PLAIN,
      encoded ? 'message 1 [192 1 2]' : 'message 0 [1 1 1 2 2 2]',
    ]);
  }
});

await t.test('short responses go as they are; trailers follow the messages', async (t) => {
  const { codec, host, listener } = serve(SERVER_STREAM, true);
  const stream = request(host, SERVER_STREAM, 'manual');
  const call = listener.call!;
  call.sendMessage(Uint8Array.of(1, 1));
  call.sendMessage(LONG_MESSAGE);
  call.sendMessage(Uint8Array.of(2, 2));
  call.close(Status.OK, '', ['k', 'v']);
  t.strictSame(stream.log, [ENCODED, 'message 0 [1 1]']);
  call.sendMessage(SIX);
  codec.finishCompression();
  t.strictSame(short(stream.log), [
    ENCODED,
    'message 0 [1 1]',
    'message 1 …',
    'message 0 [2 2]',
    'trailers grpc-status=0, k=v',
  ]);
  stream.close();
  host.run();
  t.strictSame(listener.log, ['handler', 'message [1]', 'complete']);
});

await t.test('an error status waits for the messages before it, too', async (t) => {
  const { codec, host, listener } = serve(SERVER_STREAM, true);
  const stream = request(host, SERVER_STREAM, 'manual');
  listener.call!.sendMessage(LONG_MESSAGE);
  listener.call!.close(Status.ABORTED, 'no more', null);
  t.equal(stream.log.length, 1);
  codec.finishCompression();
  t.equal(stream.log.at(-1), 'trailers grpc-status=10, grpc-message=no more');
});

await t.test(
  'a stream that is reset while a response is compressed gets nothing more',
  async (t) => {
    const { codec, host, listener } = serve(UNARY, true);
    const stream = request(host, UNARY, 'manual');
    listener.call!.sendUnaryAndClose(LONG_MESSAGE, null);
    listener.call!.settled();
    stream.close(8, Initiator.REMOTE);
    codec.finishCompression();
    host.run();
    t.strictSame(stream.log, [ENCODED]);
    t.equal(host.released, 1);
  },
);

await t.test('setCompression: chosen, refused, switched off and on', async (t) => {
  const { host, listener } = serve(BIDI);
  const stream = request(host, BIDI, 'manual');
  const call = listener.call!;
  t.throws(() => call.setCompression('snappy'), /"snappy", only identity,manual/);
  t.equal(call.setCompression('manual'), true);
  call.sendMessage(new Uint8Array(1024));
  t.equal(call.setCompression('identity'), true);
  call.sendMessage(SIX);
  t.equal(call.setCompression('manual'), true);
  call.sendMessage(new Uint8Array(1024));
  t.equal(stream.log[0], ENCODED);
  t.match(stream.log[1]!, /^message 1/);
  t.equal(stream.log[2], 'message 0 [1 1 1 2 2 2]');
  t.match(stream.log[3]!, /^message 1/);
  const other = request(host, BIDI, 'gzip');
  t.equal(listener.call!.setCompression('manual'), false, 'the client does not read it');
  listener.call!.sendMetadata(null);
  t.strictSame(other.log, [PLAIN]);
  const late = request(host, BIDI, 'manual');
  listener.call!.sendMetadata(null);
  t.equal(listener.call!.setCompression('manual'), false, 'headers have left');
  t.equal(listener.call!.setCompression('identity'), true);
  t.strictSame(late.log, [PLAIN]);
});

await t.test('setCompression(identity) takes the default of the server back', async (t) => {
  const { host, listener } = serve(UNARY, true);
  const stream = request(host, UNARY, 'manual');
  t.equal(listener.call!.setCompression('identity'), true);
  listener.call!.sendUnaryAndClose(SIX, null);
  t.strictSame(stream.log.slice(0, 2), [PLAIN, 'message 0 [1 1 1 2 2 2]']);
});

await t.test('L17 back-pressure counts what waits for compression', async (t) => {
  const { codec, host, listener } = serve(SERVER_STREAM, true, { streamWriteQuotaOctets: 10_000 });
  const stream = request(host, SERVER_STREAM, 'manual');
  const call = listener.call!;
  t.equal(call.sendMessage(LONG_MESSAGE), true);
  t.equal(call.sendMessage(LONG_MESSAGE), false);
  codec.finishCompression();
  stream.accepts = false;
  codec.finishCompression();
  host.run();
  t.notOk(listener.log.includes('ready'), 'the stream is full');
  stream.listener!.onWritable();
  host.run();
  t.ok(listener.log.includes('ready'));
});
