import type { MethodDescriptor } from '../../lib/method.ts';
import { Status } from '../../lib/status.ts';
import { t } from '../support/tap.ts';
import {
  BIDI,
  CLIENT_STREAM,
  FakeClientHost,
  OK_HEADERS,
  OK_TRAILERS,
  RecordingClientListener,
  SERVER_STREAM,
  UNARY,
} from './fake-hosts.ts';
import { prefixed } from './fake-stream.ts';

/** What a call of `method` sees when the response is `octets`, then `trailers`. */
function outcome(
  method: MethodDescriptor,
  octets: readonly (readonly number[])[],
  trailers: readonly string[] = OK_TRAILERS,
) {
  const host = new FakeClientHost();
  const listener = new RecordingClientListener();
  const call = host.call(method);
  call.request(1000);
  if (method.requestStreaming) call.start(listener);
  else call.startUnary(listener, new Uint8Array([1]));
  const { last: stream } = host.transport;
  stream.listener?.onHeaders(OK_HEADERS, false, true);
  for (const range of octets) stream.receive(range);
  stream.listener?.onTrailers(trailers, true);
  host.run();
  return {
    log: listener.log.filter((event) => event !== 'metadata 2'),
    status: listener.status,
    stream,
  };
}

const UNARY_RESPONSES = [UNARY, CLIENT_STREAM];
const STREAMS = [SERVER_STREAM, BIDI];

await t.test('5.2 unary response: one message with OK', async (t) => {
  for (const method of UNARY_RESPONSES) {
    t.strictSame(outcome(method, [prefixed([5])]).log, ['message [5]', 'status OK'], method.path);
    t.strictSame(outcome(method, [prefixed([])]).log, ['message []', 'status OK'], 'empty message');
  }
});

await t.test('5.2 unary response: OK without a message is UNIMPLEMENTED', async (t) => {
  for (const method of UNARY_RESPONSES) {
    const { log, status } = outcome(method, []);
    t.strictSame(log, ['status UNIMPLEMENTED'], method.path);
    t.match(status?.message as string, 'no response message');
  }
});

await t.test(
  '5.2 unary response: a second message is UNIMPLEMENTED and RST_STREAM CANCEL, however it is cut',
  async (t) => {
    const two = [...prefixed([5]), ...prefixed([6])];
    const chunkings = [
      [two],
      [prefixed([5]), prefixed([6])],
      two.map((octet) => [octet]),
      [[...prefixed([5]), 0]],
      [[...prefixed([5]), ...prefixed([])]],
    ];
    for (const method of UNARY_RESPONSES) {
      for (const chunks of chunkings) {
        const { log, stream } = outcome(method, chunks);
        t.strictSame(log.at(-1), 'status UNIMPLEMENTED', `${method.path} in ${chunks.length}`);
        t.equal(
          log.some((event) => event.startsWith('message')),
          false,
        );
        t.equal(stream.log.at(-1), 'reset 8');
      }
    }
  },
);

await t.test('unary response: a status other than OK drops the message', async (t) => {
  for (const method of UNARY_RESPONSES) {
    t.strictSame(outcome(method, [prefixed([5])], ['grpc-status', '3']).log, [
      'status INVALID_ARGUMENT',
    ]);
  }
});

await t.test(
  'half a message behind OK is INTERNAL, behind another status it does not matter',
  async (t) => {
    for (const method of [...UNARY_RESPONSES, ...STREAMS]) {
      for (const half of [
        [0, 0],
        [0, 0, 0, 0, 9, 1],
      ]) {
        t.equal(outcome(method, [half]).status?.code, Status.INTERNAL, method.path);
        t.equal(
          outcome(method, [half], ['grpc-status', '3']).status?.code,
          Status.INVALID_ARGUMENT,
        );
      }
    }
  },
);

await t.test('response streams: any number of messages, in order, under every cut', async (t) => {
  const octets = [[1], [], [2, 3], [4]].flatMap((payload) => prefixed(payload));
  const wanted = ['message [1]', 'message []', 'message [2 3]', 'message [4]', 'status OK'];
  for (const method of STREAMS) {
    t.strictSame(outcome(method, []).log, ['status OK']);
    for (let size = 1; size <= octets.length; size++) {
      const chunks: number[][] = [];
      for (let at = 0; at < octets.length; at += size) chunks.push(octets.slice(at, at + size));
      t.strictSame(outcome(method, chunks).log, wanted, `${size} at a time`);
    }
  }
});

await t.test(
  'S85 many small messages: only what is wanted is delivered, the rest is not credited',
  async (t) => {
    const host = new FakeClientHost();
    const listener = new RecordingClientListener();
    const call = host.call(SERVER_STREAM);
    call.startUnary(listener, new Uint8Array([1]));
    const { last: stream } = host.transport;
    stream.listener?.onHeaders(OK_HEADERS, false, true);
    stream.receive(new Uint8Array(5 * 13_000));
    call.request(1000);
    host.run();
    t.equal(listener.log.length, 1001);
    t.equal(stream.consumed, 5000);
  },
);
