import { ErrorCode } from '../../framing/constants.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
import { t } from '../support/tap.ts';
import {
  BIDI,
  FakeClientHost,
  OK_HEADERS,
  OK_TRAILERS,
  RecordingClientListener,
  UNARY,
} from './fake-hosts.ts';
import { prefixed } from './fake-stream.ts';

const REQUEST = new Uint8Array([1, 2]);

function refuse(host: FakeClientHost): void {
  host.transport.last.close(ErrorCode.REFUSED_STREAM, Initiator.REMOTE, StreamProgress.REFUSED);
  host.run();
}

await t.test('C14 A6 REFUSED_STREAM: one transparent retry, then UNAVAILABLE', async (t) => {
  const host = new FakeClientHost();
  const listener = new RecordingClientListener();
  host.call(UNARY, { timeoutMs: 1000 }).startUnary(listener, REQUEST);
  refuse(host);
  t.equal(host.transport.streams.length, 2);
  t.strictSame(host.transport.last.log, ['message 0 [1 2] end']);
  t.strictSame(listener.log, []);
  refuse(host);
  t.equal(host.transport.streams.length, 2, 'never a loop');
  t.strictSame(listener.log, ['status UNAVAILABLE']);
  t.match(listener.status?.message as string, /REFUSED_STREAM/);
  t.equal(host.retryBuffer.octets, 0);
  t.equal(host.clock.pending, 0);
});

await t.test('A6 a refused call that is answered on its second stream ends well', async (t) => {
  const host = new FakeClientHost();
  const listener = new RecordingClientListener();
  host.call(UNARY).startUnary(listener, REQUEST);
  refuse(host);
  const { last } = host.transport;
  last.listener?.onHeaders(OK_HEADERS, false, true);
  last.receive(prefixed([9]));
  last.listener?.onTrailers(OK_TRAILERS, true);
  host.run();
  t.strictSame(listener.log, ['metadata 2', 'message [9]', 'status OK']);
});

await t.test('A6 what never left is sent again as often as it takes', async (t) => {
  const host = new FakeClientHost();
  const listener = new RecordingClientListener();
  host.transport.behaviour = 'miscarry';
  host.holds = false;
  const call = host.call(BIDI, { metadata: ['a', 'b'] });
  // From the second attempt on the channel makes the call wait.
  const pick = host.pick.bind(host);
  host.pick = (pending) => {
    const transport = pick(pending);
    host.holds = true;
    return transport;
  };
  call.start(listener);
  call.sendMessage(REQUEST);
  for (let round = 0; round < 5; round++) {
    host.run();
    t.equal(host.held.length, 1);
    host.held.length = 0;
    call.onTransport(host.transport);
  }
  host.run();
  t.equal(host.transport.streams.length, 6);
  host.transport.behaviour = 'open';
  host.held.length = 0;
  call.onTransport(host.transport);
  call.sendMessage(new Uint8Array([3]));
  call.halfClose();
  t.strictSame(host.transport.last.log, ['message 0 [1 2]', 'message 0 [3]', 'end']);
  t.strictSame(listener.log, []);
});

await t.test('A6 messages of a stream are repeated in order, with the half-close', async (t) => {
  const host = new FakeClientHost();
  const call = host.call(BIDI);
  call.start(new RecordingClientListener());
  for (const n of [1, 2, 3]) call.sendMessage(new Uint8Array([n]));
  call.halfClose();
  refuse(host);
  t.strictSame(host.transport.last.log, ['message 0 [1]', 'message 0 [2]', 'message 0 [3] end']);
});

await t.test('A6 response headers commit the call', async (t) => {
  const host = new FakeClientHost();
  const listener = new RecordingClientListener();
  host.call(BIDI).start(listener);
  host.transport.last.listener?.onHeaders(OK_HEADERS, false, true);
  host.transport.last.close(0, Initiator.CONNECTION, StreamProgress.REFUSED, 'goaway');
  host.run();
  t.equal(host.transport.streams.length, 1);
  t.strictSame(listener.log, ['status UNAVAILABLE']);
});

await t.test('A6 what the server may have processed is not repeated', async (t) => {
  const host = new FakeClientHost();
  const listener = new RecordingClientListener();
  host.call(UNARY).startUnary(listener, REQUEST);
  host.transport.last.close(0, Initiator.CONNECTION, StreamProgress.PROCESSED, 'connection reset');
  host.run();
  t.equal(host.transport.streams.length, 1);
  t.strictSame(listener.log, ['status UNAVAILABLE']);
  t.equal(
    listener.status?.message,
    'Connection dropped: connection reset (peer memory:1, stream 1, sent)',
  );
});

await t.test(
  'L25 a call beyond the retry buffer commits, alone or together with the others of the channel',
  async (t) => {
    const alone = new FakeClientHost({ retryBufferOctets: 3 });
    const first = new RecordingClientListener();
    const call = alone.call(BIDI);
    call.start(first);
    call.sendMessage(REQUEST);
    t.equal(alone.retryBuffer.octets, 2);
    call.sendMessage(REQUEST);
    t.equal(alone.retryBuffer.octets, 0);
    refuse(alone);
    t.strictSame(first.log, ['status UNAVAILABLE']);

    const shared = new FakeClientHost({ channelRetryBufferOctets: 3 });
    const kept = new RecordingClientListener();
    const committed = new RecordingClientListener();
    shared.call(UNARY).startUnary(kept, REQUEST);
    shared.call(UNARY).startUnary(committed, REQUEST);
    refuse(shared);
    t.strictSame(committed.log, ['status UNAVAILABLE']);
    shared.transport.streams[0]?.close(7, Initiator.REMOTE, StreamProgress.REFUSED);
    shared.run();
    t.equal(shared.transport.streams.length, 3, 'the first one still fits');
  },
);

await t.test('L17 L25 messages of nothing count while they are kept', async (t) => {
  const host = new FakeClientHost();
  host.holds = true;
  const waiting = host.call(BIDI);
  waiting.start(new RecordingClientListener());
  let accepted = 1;
  while (waiting.sendMessage(new Uint8Array(0)) && accepted < 100_000) accepted++;
  t.equal(accepted, 3202, 'before there is a stream the sender waits');
  waiting.cancel('enough');
  host.run();
  t.equal(host.retryBuffer.octets, 0);

  host.holds = false;
  const sent = host.call(BIDI);
  sent.start(new RecordingClientListener());
  for (let i = 0; i < 8193; i++) sent.sendMessage(new Uint8Array(0));
  t.equal(host.retryBuffer.octets, 1_048_576, 'on a stream that is not answered they are kept');
  sent.sendMessage(new Uint8Array(0));
  t.equal(host.retryBuffer.octets, 0, 'up to the limit of a call');
});

await t.test('cancel and deadline between two attempts end the call', async (t) => {
  const host = new FakeClientHost();
  const listener = new RecordingClientListener();
  const call = host.call(UNARY, { timeoutMs: 1000 });
  call.startUnary(listener, REQUEST);
  host.transport.last.close(7, Initiator.REMOTE, StreamProgress.REFUSED);
  call.cancel('in between');
  host.run();
  t.equal(host.transport.streams.length, 1);
  t.strictSame(listener.log, ['status CANCELLED']);
});
