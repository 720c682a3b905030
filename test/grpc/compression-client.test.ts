/** Compression of a call on the client, with a codec whose thread pool the test works by hand. */

import { ErrorCode } from '../../framing/constants.ts';
import { INLINE_OCTETS as COMPRESS_INLINE } from '../../lib/call/message-compressor.ts';
import { INLINE_OCTETS, INLINE_OUTPUT_OCTETS } from '../../lib/call/message-inflater.ts';
import type { MethodDescriptor } from '../../lib/method.ts';
import { Status } from '../../lib/status.ts';
import type { Limits } from '../../transport/limits.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
import { t } from '../support/tap.ts';
import {
  BIDI,
  FakeClientHost,
  OK_TRAILERS,
  RecordingClientListener,
  SERVER_STREAM,
  UNARY,
} from './fake-hosts.ts';
import { type FakeStream, prefixed } from './fake-stream.ts';
import { ManualCodec, manuallyCompressed, manualSettings } from './manual-codec.ts';

const HEADERS = [
  ':status',
  '200',
  'content-type',
  'application/grpc',
  'grpc-encoding',
  'manual',
] as const;
/** Longer than what is decompressed, or compressed, in the turn it is wanted in. */
const LONG = new Array<number>(INLINE_OCTETS).fill(7);
const LONG_MESSAGE = new Uint8Array(COMPRESS_INLINE + 1).fill(5);

function start(
  method: MethodDescriptor,
  options = {},
  limits: Partial<Limits> = {},
  codec = new ManualCodec(),
) {
  const host = new FakeClientHost(limits, manualSettings(codec));
  const listener = new RecordingClientListener();
  const call = host.call(method, options);
  if (method.requestStreaming) call.start(listener);
  else call.startUnary(listener, Uint8Array.of(1));
  return { codec, host, listener, call, stream: host.transport.last as FakeStream };
}

function compressed(octets: readonly number[]): number[] {
  return prefixed(manuallyCompressed(octets), 1);
}

function lengths(log: readonly string[]): string[] {
  return log.map((line) => (line.length > 60 ? `${line.split(' ').length} words` : line));
}

await t.test('a short compressed message is read in the turn it is wanted in', async (t) => {
  const { codec, host, listener, call, stream } = start(SERVER_STREAM);
  call.request(2);
  stream.listener?.onHeaders([...HEADERS], false, true);
  stream.receive([...compressed([1, 2]), ...prefixed([9])]);
  host.run();
  t.strictSame(listener.log, ['metadata 3', 'message [1 1 1 2 2 2]', 'message [9]']);
  t.equal(codec.atOnce, 1);
  t.equal(stream.consumed, 5 + 3 + 6, 'the window is credited for what was on the wire');
});

await t.test('a long one is read outside the event loop, and what follows waits', async (t) => {
  const { codec, host, listener, call, stream } = start(SERVER_STREAM);
  call.request(3);
  stream.listener?.onHeaders([...HEADERS], false, true);
  stream.receive([...compressed(LONG), ...prefixed([9])]);
  host.run();
  t.equal(codec.atOnce, 0);
  t.equal(codec.decompressions.length, 1);
  stream.receive(compressed([3]));
  stream.listener?.onTrailers(OK_TRAILERS, true);
  host.run();
  t.strictSame(listener.log, ['metadata 3'], 'not even OK overtakes it');
  t.equal(stream.consumed, 0);
  codec.finishDecompression();
  host.run();
  t.strictSame(lengths(listener.log), [
    'metadata 3',
    `${1 + 3 * LONG.length} words`,
    'message [9]',
    'message [3 3 3]',
    'status OK',
  ]);
  t.equal(host.inflates.used, 0);
});

await t.test('nothing is decompressed that nobody wants yet', async (t) => {
  const { codec, host, listener, call, stream } = start(SERVER_STREAM);
  stream.listener?.onHeaders([...HEADERS], false, true);
  stream.receive(compressed([1]));
  host.run();
  t.equal(codec.atOnce, 0);
  call.request(1);
  host.run();
  t.equal(codec.atOnce, 1);
  t.strictSame(listener.log, ['metadata 3', 'message [1 1 1]']);
});

await t.test('a unary response is decompressed when its status is OK, else never', async (t) => {
  for (const [trailers, log] of [
    [OK_TRAILERS, ['metadata 3', 'message [4 4 4]', 'status OK']],
    [
      ['grpc-status', '5'],
      ['metadata 3', 'status NOT_FOUND'],
    ],
  ] as const) {
    const { codec, host, listener, stream } = start(UNARY);
    stream.listener?.onHeaders([...HEADERS], false, true);
    stream.receive(compressed([4]));
    stream.listener?.onTrailers(trailers, true);
    host.run();
    t.strictSame(listener.log, log);
    t.equal(codec.atOnce, log.length - 2);
  }
});

await t.test('L19 at most four at once; the others wait in order', async (t) => {
  const codec = new ManualCodec();
  const host = new FakeClientHost({}, manualSettings(codec));
  const calls = Array.from({ length: 7 }, () => {
    const listener = new RecordingClientListener();
    const call = host.call(UNARY);
    call.startUnary(listener, Uint8Array.of(1));
    const stream = host.transport.last;
    stream.listener?.onHeaders([...HEADERS], false, true);
    stream.receive(compressed(LONG));
    stream.listener?.onTrailers(OK_TRAILERS, true);
    return { listener, call };
  });
  host.run();
  t.equal(codec.decompressions.length, 4);
  t.equal(host.inflates.used, 4);
  calls[5]!.call.cancel('waits no longer');
  calls[0]!.call.cancel('at work');
  host.run();
  t.equal(codec.decompressions.length, 5, 'the slot of a cancelled one goes to the next');
  t.ok(codec.decompressions[0]!.cancelled);
  while (codec.decompressions.length > 0) {
    codec.finishDecompression();
    host.run();
  }
  t.equal(host.inflates.used, 0);
  t.strictSame(
    calls.map(({ listener }) => listener.log.at(-1)),
    [0, 1, 2, 3, 4, 5, 6].map((i) => (i === 0 || i === 5 ? 'status CANCELLED' : 'status OK')),
  );
});

await t.test(
  'C20 too large, damaged, in an unknown encoding, without one: the call ends',
  async (t) => {
    const unknown = ['grpc-encoding', 'xyz'];
    const none: string[] = [];
    const own = ['grpc-encoding', 'manual'];
    for (const [what, encoding, message, code, details] of [
      [
        'bomb',
        own,
        compressed([1, 2, 3, 4]),
        Status.RESOURCE_EXHAUSTED,
        /^Received message larger than max \(/,
      ],
      [
        'damaged',
        own,
        prefixed([1, 2, 3], 1),
        Status.INTERNAL,
        /message in manual could not be decompressed: no mark/,
      ],
      ['empty', own, prefixed([], 1), Status.INTERNAL, /it is empty/],
      ['unknown', unknown, prefixed([1], 1), Status.INTERNAL, /"xyz", only identity,manual/],
      ['none', none, prefixed([1], 1), Status.INTERNAL, /without grpc-encoding/],
      ['flag 2', own, prefixed([1], 2), Status.INTERNAL, /undefined flags 0x2/],
    ] as const) {
      const { host, listener, call, stream } = start(
        SERVER_STREAM,
        {},
        { maxReceiveMessageOctets: 11 },
      );
      call.request(1);
      stream.listener?.onHeaders([...HEADERS.slice(0, 4), ...encoding], false, true);
      stream.receive([...message]);
      host.run();
      t.equal(listener.status?.code, code, what);
      t.match(listener.status?.message as string, details);
      t.equal(listener.status?.end?.endedBy, 'library');
      t.equal(stream.log.at(-1), `reset ${ErrorCode.CANCEL}`);
    }
  },
);

await t.test('S82 short but growing beyond the inline limit: to the thread pool', async (t) => {
  const { codec, host, listener, call, stream } = start(SERVER_STREAM, {}, {}, new ManualCodec(20));
  call.request(1);
  stream.listener?.onHeaders([...HEADERS], false, true);
  stream.receive(compressed(new Array<number>(Math.ceil(INLINE_OUTPUT_OCTETS / 20)).fill(1)));
  host.run();
  t.equal(codec.atOnce, 1, 'it was tried at once');
  t.equal(codec.decompressions.length, 1);
  codec.finishDecompression();
  host.run();
  t.equal(listener.log.length, 2);
  t.ok(listener.log[1]!.length > 2 * INLINE_OUTPUT_OCTETS);
});

await t.test('cancelled while a message is decompressed: nothing comes any more', async (t) => {
  const { codec, host, listener, call, stream } = start(SERVER_STREAM);
  call.request(1);
  stream.listener?.onHeaders([...HEADERS], false, true);
  stream.receive(compressed(LONG));
  host.run();
  call.cancel('enough');
  host.run();
  t.strictSame(listener.log, ['metadata 3', 'status CANCELLED']);
  t.ok(codec.decompressions[0]!.cancelled);
  t.equal(host.inflates.used, 0);
});

await t.test(
  'sending: headers name the encoding, short messages and opted-out ones go as they are',
  async (t) => {
    const codec = new ManualCodec();
    const host = new FakeClientHost({}, manualSettings(codec, true));
    const listener = new RecordingClientListener();
    const call = host.call(BIDI);
    call.start(listener);
    t.strictSame(host.transport.templates[0]?.slice(-2), ['grpc-encoding', 'manual']);
    const stream = host.transport.last;
    call.sendMessage(Uint8Array.of(1, 1));
    call.sendMessage(Uint8Array.of(1, 1, 1, 2, 2, 2));
    call.sendMessage(Uint8Array.of(1, 1, 1, 2, 2, 2), false);
    call.sendMessage(Uint8Array.of(1, 1, 1, 2, 2, 2), true);
    call.halfClose();
    t.strictSame(stream.log, [
      'message 0 [1 1]',
      'message 1 [192 1 2]',
      'message 0 [1 1 1 2 2 2]',
      'message 1 [192 1 2]',
      'end',
    ]);
  },
);

await t.test('sending: what does not get shorter goes as it is', async (t) => {
  const host = new FakeClientHost({}, { ...manualSettings(new ManualCodec(), true), minOctets: 1 });
  host.call(UNARY).startUnary(new RecordingClientListener(), Uint8Array.of(1));
  t.strictSame(host.transport.last.log, ['message 0 [1] end']);
});

await t.test('sending: the option of the call beats the channel', async (t) => {
  const codec = new ManualCodec();
  const host = new FakeClientHost({}, manualSettings(codec, true));
  host
    .call(UNARY, { compression: 'identity' })
    .startUnary(new RecordingClientListener(), LONG_MESSAGE);
  t.notOk(host.transport.templates[0]?.includes('grpc-encoding'));
  t.equal(codec.compressions.length, 0);
  const plain = new FakeClientHost({}, manualSettings(codec));
  plain
    .call(UNARY, { compression: 'manual' })
    .startUnary(new RecordingClientListener(), LONG_MESSAGE);
  t.ok(plain.transport.templates[0]?.includes('grpc-encoding'));
  t.equal(codec.compressions.length, 1);
});

await t.test('sending: an encoding that nobody has ends the call before it is sent', async (t) => {
  const { host, listener } = start(UNARY, { compression: 'snappy' });
  host.run();
  t.equal(host.picks, 0);
  t.equal(listener.status?.code, Status.INTERNAL);
  t.match(listener.status?.message as string, /"snappy", only identity,manual/);
  t.equal(listener.status?.end?.endedBy, 'user');
});

await t.test(
  'sending: long messages are compressed outside the event loop, in order',
  async (t) => {
    const codec = new ManualCodec();
    const host = new FakeClientHost({}, manualSettings(codec, true));
    const listener = new RecordingClientListener();
    const call = host.call(BIDI);
    call.start(listener);
    const stream = host.transport.last;
    call.sendMessage(LONG_MESSAGE);
    call.sendMessage(Uint8Array.of(1));
    call.sendMessage(Uint8Array.of(1, 1, 1, 2, 2, 2));
    call.halfClose();
    t.strictSame(stream.log, [], 'everything waits behind the first');
    codec.finishCompression();
    t.strictSame(lengths(stream.log), [
      `${2 + 1 + Math.ceil(LONG_MESSAGE.length / 3)} words`,
      'message 0 [1]',
    ]);
    codec.finishCompression();
    t.equal(stream.log.at(-1), 'message 1 [192 1 2] end', 'END_STREAM is on the last message');
  },
);

await t.test(
  'sending: the end of a unary call is on its message, however late that comes',
  async (t) => {
    const codec = new ManualCodec();
    const host = new FakeClientHost({}, manualSettings(codec, true));
    host.call(UNARY).startUnary(new RecordingClientListener(), LONG_MESSAGE);
    const stream = host.transport.last;
    t.equal(host.transport.extras.length, 1, 'HEADERS need not wait');
    t.strictSame(stream.log, []);
    codec.finishCompression();
    t.match(stream.log[0]!, /^message 1 \[192 5 .* end$/);
  },
);

await t.test('L17 sending: back-pressure counts what waits for compression', async (t) => {
  const codec = new ManualCodec();
  const host = new FakeClientHost({ streamWriteQuotaOctets: 20_000 }, manualSettings(codec, true));
  const listener = new RecordingClientListener();
  const call = host.call(BIDI);
  call.start(listener);
  const stream = host.transport.last;
  t.equal(call.sendMessage(LONG_MESSAGE), true);
  t.equal(call.sendMessage(LONG_MESSAGE), true);
  t.equal(call.sendMessage(LONG_MESSAGE), false);
  codec.finishCompression();
  codec.finishCompression();
  host.run();
  t.strictSame(listener.log, [], 'one is still at work');
  codec.finishCompression();
  host.run();
  t.strictSame(listener.log, ['ready']);
  stream.accepts = false;
  t.equal(call.sendMessage(LONG_MESSAGE), true);
  codec.finishCompression();
  t.equal(call.sendMessage(Uint8Array.of(1)), false, 'the stream is full');
  host.run();
  t.strictSame(listener.log, ['ready']);
  stream.listener?.onWritable();
  host.run();
  t.strictSame(listener.log, ['ready', 'ready']);
});

await t.test('A6 sending: a refused stream gets the same octets and flags again', async (t) => {
  const codec = new ManualCodec();
  const host = new FakeClientHost({}, manualSettings(codec, true));
  const call = host.call(BIDI);
  call.start(new RecordingClientListener());
  call.sendMessage(Uint8Array.of(1));
  call.sendMessage(Uint8Array.of(1, 1, 1, 2, 2, 2));
  call.sendMessage(LONG_MESSAGE);
  call.halfClose();
  const first = host.transport.last;
  first.close(ErrorCode.REFUSED_STREAM, Initiator.REMOTE, StreamProgress.REFUSED);
  host.run();
  const second = host.transport.last;
  t.not(first, second);
  t.strictSame(second.log, ['message 0 [1]', 'message 1 [192 1 2]'], 'one is not compressed yet');
  codec.finishCompression();
  t.match(second.log[2]!, /^message 1 .* end$/);
  t.equal(first.log.length, 2);
});

await t.test(
  'sending: a call that ends while a message is compressed sends nothing more',
  async (t) => {
    const codec = new ManualCodec();
    const host = new FakeClientHost({}, manualSettings(codec, true));
    const listener = new RecordingClientListener();
    const call = host.call(BIDI);
    call.start(listener);
    const stream = host.transport.last;
    call.sendMessage(LONG_MESSAGE);
    call.halfClose();
    stream.listener?.onHeaders([...HEADERS], false, true);
    stream.listener?.onTrailers(OK_TRAILERS, true);
    t.strictSame(stream.log, ['reset 8'], '§8.1: the rest of the request is of no use');
    codec.finishCompression();
    host.run();
    t.strictSame(listener.log, ['metadata 3', 'status OK']);
    t.equal(stream.log.length, 1);
    t.equal(host.retryBuffer.octets, 0);
  },
);
