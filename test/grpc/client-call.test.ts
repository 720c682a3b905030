import { ErrorCode } from '../../framing/constants.ts';
import { Status } from '../../lib/status.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
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
import { type FakeStream, prefixed } from './fake-stream.ts';

const REQUEST = new Uint8Array([1, 2]);

/** A started unary call with its stream. */
function startUnary(options = {}, host = new FakeClientHost()) {
  const listener = new RecordingClientListener();
  const call = host.call(UNARY, options);
  call.startUnary(listener, REQUEST);
  return { host, call, listener, stream: host.transport.last as FakeStream };
}

/** A started bidirectional call with its stream. */
function startBidi(options = {}, host = new FakeClientHost()) {
  const listener = new RecordingClientListener();
  const call = host.call(BIDI, options);
  call.start(listener);
  return { host, call, listener, stream: host.transport.last as FakeStream };
}

function respond(stream: FakeStream, ...messages: number[][]): void {
  stream.listener?.onHeaders(OK_HEADERS, false, true);
  for (const message of messages) stream.receive(prefixed(message));
}

await t.test(
  'a unary call: one message with END_STREAM out, metadata, message and status in',
  async (t) => {
    const { host, listener, stream, call } = startUnary({ metadata: ['k', 'v'] });
    t.strictSame(stream.log, ['message 0 [1 2] end']);
    t.strictSame(host.transport.extras, [['k', 'v']]);
    t.equal(host.transport.templates[0], host.template(UNARY));
    t.equal(call.peer, host.transport.peer);
    respond(stream, [7, 8]);
    stream.listener?.onTrailers(OK_TRAILERS, true);
    stream.close();
    t.strictSame(listener.log, [], 'nothing before the read ends');
    host.run();
    t.strictSame(listener.log, ['metadata 2', 'message [7 8]', 'status OK']);
    t.equal(listener.status?.trailers, OK_TRAILERS);
    t.equal(host.ended, 1);
    t.equal(host.retryBuffer.octets, 0);
  },
);

await t.test('equal calls share one OK status and carry identical header lists', async (t) => {
  const host = new FakeClientHost();
  const first = startUnary({ timeoutMs: 5000 }, host);
  const second = startUnary({ timeoutMs: 5000 }, host);
  t.equal(host.transport.extras[0], host.transport.extras[1]);
  t.strictSame(host.transport.extras[0], ['grpc-timeout', '5S']);
  for (const { stream } of [first, second]) {
    respond(stream, []);
    stream.listener?.onTrailers(OK_TRAILERS, true);
  }
  host.run();
  t.equal(first.listener.status, second.listener.status);
  t.equal(host.clock.pending, 0, 'deadline timers are gone');
});

await t.test('5.5 grpc-timeout is the time left when HEADERS are written', async (t) => {
  const host = new FakeClientHost();
  host.transport.behaviour = 'wait-for-slot';
  startUnary({ timeoutMs: 5000, metadata: ['a', 'b'] }, host);
  host.clock.advance(2000);
  host.transport.grantSlot();
  t.strictSame(host.transport.extras, [['grpc-timeout', '3S', 'a', 'b']]);
});

await t.test(
  'response streaming: messages only as requested, window credited when they are delivered',
  async (t) => {
    const host = new FakeClientHost();
    const listener = new RecordingClientListener();
    const call = host.call(SERVER_STREAM);
    call.startUnary(listener, REQUEST);
    const { last: stream } = host.transport;
    call.request(1);
    respond(stream, [1], [2, 2], [3]);
    t.equal(stream.consumed, 0);
    host.run();
    t.strictSame(listener.log, ['metadata 2', 'message [1]']);
    t.equal(stream.consumed, 6);
    call.request(1);
    t.equal(listener.log.length, 2, 'not inside request()');
    await Promise.resolve();
    t.equal(stream.consumed, 13);
    stream.listener?.onTrailers(OK_TRAILERS, true);
    stream.close();
    host.run();
    t.strictSame(listener.log.slice(2), ['message [2 2]'], 'OK waits behind the unread message');
    call.request(5);
    host.run();
    t.strictSame(listener.log.slice(3), ['message [3]', 'status OK']);
  },
);

await t.test(
  '9.2 messages in front of a status that the server sent are delivered whatever it is',
  async (t) => {
    const { host, call, listener, stream } = startBidi();
    call.request(1);
    respond(stream, [1], [2]);
    stream.listener?.onTrailers(['grpc-status', '5', 'grpc-message', 'no'], true);
    host.run();
    t.strictSame(listener.log, ['metadata 2', 'message [1]']);
    call.request(1);
    host.run();
    t.strictSame(listener.log.slice(2), ['message [2]', 'status NOT_FOUND']);
    t.equal(listener.status?.message, 'no');
  },
);

await t.test('9.2 an abort beats unread responses', async (t) => {
  for (const abort of ['cancel', 'reset', 'connection'] as const) {
    const { host, call, listener, stream } = startBidi();
    respond(stream, [1], [2]);
    host.run();
    if (abort === 'cancel') call.cancel('enough');
    else if (abort === 'reset') stream.close(ErrorCode.INTERNAL_ERROR);
    else stream.close(0, Initiator.CONNECTION, StreamProgress.PROCESSED, 'read ECONNRESET');
    call.request(10);
    host.run();
    t.strictSame(listener.log.length, 2, abort);
    t.match(listener.log[1] as string, /^status (CANCELLED|INTERNAL|UNAVAILABLE)$/);
  }
});

await t.test('C35 cancel: CANCELLED once, never inside cancel(), RST_STREAM CANCEL', async (t) => {
  const { host, call, listener, stream } = startBidi();
  call.cancel('because');
  t.strictSame(stream.log, [`reset ${ErrorCode.CANCEL}`]);
  t.strictSame(listener.log, []);
  call.cancel('again');
  call.fail(Status.INTERNAL, 'late', null);
  t.equal(call.sendMessage(REQUEST), true);
  call.halfClose();
  stream.listener?.onHeaders(OK_HEADERS, false, true);
  stream.receive(prefixed([1]));
  stream.listener?.onTrailers(OK_TRAILERS, true);
  await Promise.resolve();
  t.strictSame(listener.log, ['status CANCELLED']);
  t.equal(listener.status?.message, 'because');
  host.run();
  t.equal(host.ended, 1);
  t.equal(listener.log.length, 1);
});

await t.test(
  'C35 cancel and deadline before a transport or a slot is there put nothing on the wire',
  async (t) => {
    for (const how of ['cancel', 'deadline'] as const) {
      const host = new FakeClientHost();
      host.holds = true;
      const listener = new RecordingClientListener();
      const call = host.call(UNARY, { timeoutMs: 1000 });
      call.startUnary(listener, REQUEST);
      t.equal(host.held.length, 1);
      if (how === 'cancel') call.cancel('no');
      else host.clock.advance(1000);
      host.run();
      t.strictSame(listener.log, [
        how === 'cancel' ? 'status CANCELLED' : 'status DEADLINE_EXCEEDED',
      ]);
      t.equal(host.held.length, 0, 'left the queue');
      t.equal(host.transport.streams.length, 0);
      call.onTransport(host.transport);
      t.equal(host.transport.streams.length, 0, 'a late transport is not used');
      t.equal(host.clock.pending, 0);
      t.equal(host.retryBuffer.octets, 0);
    }
  },
);

await t.test('C36 a deadline that has passed needs no network', async (t) => {
  const host = new FakeClientHost();
  const listener = new RecordingClientListener();
  host.call(UNARY, { timeoutMs: 0 }).startUnary(listener, REQUEST);
  t.strictSame(listener.log, []);
  await Promise.resolve();
  t.strictSame(listener.log, ['status DEADLINE_EXCEEDED']);
  t.equal(host.picks, 0);
});

await t.test('5.5 deadline: DEADLINE_EXCEEDED at once, RST_STREAM CANCEL', async (t) => {
  const { host, listener, stream } = startUnary({ timeoutMs: 1500 });
  host.clock.advance(1499);
  t.strictSame(stream.log.length, 1);
  host.clock.advance(1);
  t.strictSame(stream.log, ['message 0 [1 2] end', 'reset 8']);
  host.run();
  t.strictSame(listener.log, ['status DEADLINE_EXCEEDED']);
  t.equal(
    listener.status?.message,
    'Deadline exceeded after 1.500s: sent at once, peer memory:1, stream 1, no response headers',
  );
});

await t.test('5.5 deadline while waiting is told apart in the message', async (t) => {
  const held = new FakeClientHost();
  held.holds = true;
  const first = new RecordingClientListener();
  held.call(UNARY, { timeoutMs: 10 }).startUnary(first, REQUEST);
  held.clock.advance(10);
  held.run();
  t.equal(
    first.status?.message,
    'Deadline exceeded after 0.010s: waiting for a connection (connecting to test)',
  );
  const queued = new FakeClientHost();
  queued.transport.behaviour = 'wait-for-slot';
  const second = startUnary({ timeoutMs: 10 }, queued);
  queued.clock.advance(10);
  queued.run();
  t.equal(
    second.listener.status?.message,
    'Deadline exceeded after 0.010s: waiting for a free stream to memory:1',
  );
});

await t.test('an expired call never reports OK, even when its timer is late', async (t) => {
  const { host, listener, stream } = startUnary({ timeoutMs: 1000 });
  respond(stream, [1]);
  host.clock.now = () => 2000;
  stream.listener?.onTrailers(OK_TRAILERS, true);
  host.run();
  t.strictSame(listener.log, ['metadata 2', 'status DEADLINE_EXCEEDED']);
});

await t.test(
  'C27 a cancellation by the server at our deadline is DEADLINE_EXCEEDED, before it CANCELLED',
  async (t) => {
    // A server's clock may be ahead by half of the timeout, by 50 ms at most.
    const cases: [timeoutMs: number, passedMs: number, status: string][] = [
      [1000, 1000, 'DEADLINE_EXCEEDED'],
      [1000, 950, 'DEADLINE_EXCEEDED'],
      [1000, 949, 'CANCELLED'],
      [10, 5, 'DEADLINE_EXCEEDED'],
      [10, 4, 'CANCELLED'],
      [Number.POSITIVE_INFINITY, 1e9, 'CANCELLED'],
    ];
    for (const [timeoutMs, passedMs, status] of cases) {
      for (const how of ['RST_STREAM', 'trailers']) {
        const { host, stream, listener } = startUnary({ timeoutMs });
        const startMs = host.clock.now();
        host.clock.now = () => startMs + passedMs;
        if (how === 'RST_STREAM') stream.close(ErrorCode.CANCEL);
        else stream.listener?.onTrailers(['grpc-status', '1'], true);
        host.run();
        t.strictSame(listener.log, [`status ${status}`], `${how}, ${passedMs} of ${timeoutMs} ms`);
      }
    }
  },
);

await t.test('C27 a reset behind complete trailers never changes the status', async (t) => {
  const { host, listener, stream } = startBidi();
  respond(stream);
  stream.listener?.onTrailers(OK_TRAILERS, true);
  stream.close(ErrorCode.INTERNAL_ERROR);
  host.run();
  t.strictSame(listener.log, ['metadata 2', 'status OK']);
});

await t.test(
  '§8.1 a complete response ends the rest of the request with RST_STREAM CANCEL',
  async (t) => {
    const { host, call, listener, stream } = startBidi();
    call.sendMessage(REQUEST);
    respond(stream);
    stream.listener?.onTrailers(['grpc-status', '9'], true);
    t.strictSame(stream.log, ['message 0 [1 2]', 'reset 8']);
    host.run();
    t.strictSame(listener.log, ['metadata 2', 'status FAILED_PRECONDITION']);
    t.equal(call.sendMessage(REQUEST), true);
    t.equal(stream.log.length, 2);
  },
);

await t.test('L18 a message over the limit ends the call at its prefix', async (t) => {
  for (const method of [UNARY, SERVER_STREAM]) {
    const host = new FakeClientHost({ maxReceiveMessageOctets: 10 });
    const listener = new RecordingClientListener();
    const call = host.call(method);
    call.request(1);
    call.startUnary(listener, REQUEST);
    const { last: stream } = host.transport;
    stream.listener?.onHeaders(OK_HEADERS, false, true);
    stream.receive([0, 0, 0, 0, 11]);
    t.equal(stream.log.at(-1), 'reset 8');
    host.run();
    t.equal(listener.status?.code, Status.RESOURCE_EXHAUSTED);
    t.equal(listener.status?.message, 'Received message larger than max (11 vs. 10)');
  }
});

await t.test(
  'a message in pieces: expect() for the rest, one message, every octet credited',
  async (t) => {
    const { host, call, listener, stream } = startBidi();
    call.request(1);
    stream.listener?.onHeaders(OK_HEADERS, false, true);
    const whole = prefixed(Array.from({ length: 300 }, (_, i) => i & 255));
    stream.receive(whole.slice(0, 3));
    host.run();
    t.strictSame(stream.expected, [3]);
    stream.receive(whole.slice(3, 105));
    host.run();
    t.strictSame(stream.expected, [3, 201]);
    stream.receive(whole.slice(105));
    host.run();
    t.equal(listener.log[1], `message [${whole.slice(5).join(' ')}]`);
    t.equal(stream.consumed, 305);
  },
);

await t.test('no window is asked for a message that nobody wants yet', async (t) => {
  const { host, call, stream } = startBidi();
  stream.listener?.onHeaders(OK_HEADERS, false, true);
  stream.receive([0, 0, 0, 1, 0, 9]);
  host.run();
  t.strictSame(stream.expected, []);
  call.request(1);
  host.run();
  t.strictSame(stream.expected, [256]);
});

await t.test(
  'S84 C20 flag octets: compressed without or with an encoding, undefined flags',
  async (t) => {
    for (const [flags, headers] of [
      [1, OK_HEADERS],
      [2, OK_HEADERS],
      [255, OK_HEADERS],
      [1, [...OK_HEADERS, 'grpc-encoding', 'xyz']],
      [1, [...OK_HEADERS, 'grpc-encoding', '__proto__']],
    ] as const) {
      for (const method of [UNARY, SERVER_STREAM]) {
        const host = new FakeClientHost();
        const listener = new RecordingClientListener();
        const call = host.call(method);
        call.request(1);
        call.startUnary(listener, REQUEST);
        const { last: stream } = host.transport;
        stream.listener?.onHeaders(headers, false, true);
        stream.receive(prefixed([1], flags));
        stream.listener?.onTrailers(OK_TRAILERS, true);
        host.run();
        t.equal(listener.status?.code, Status.INTERNAL, `flags ${flags}`);
        t.equal(listener.log.includes('message [1]'), false);
      }
    }
  },
);

await t.test('an encoding that is announced and not used is no fault', async (t) => {
  const { host, listener, stream } = startUnary();
  stream.listener?.onHeaders([...OK_HEADERS, 'grpc-encoding', 'gzip'], false, true);
  stream.receive(prefixed([1]));
  stream.listener?.onTrailers(OK_TRAILERS, true);
  host.run();
  t.strictSame(listener.log.slice(1), ['message [1]', 'status OK']);
});

await t.test('5.2 END_STREAM on DATA is INTERNAL: the server sent no trailers', async (t) => {
  const { host, listener, stream } = startUnary();
  respond(stream);
  stream.receive(prefixed([1]), true);
  host.run();
  t.equal(listener.status?.code, Status.INTERNAL);
  t.equal(listener.status?.message, 'server closed the stream without sending trailers');
});

await t.test('L5 header lists that were cut are RESOURCE_EXHAUSTED', async (t) => {
  const headers = startUnary();
  headers.stream.listener?.onHeaders(OK_HEADERS, false, false);
  headers.host.run();
  t.strictSame(headers.listener.log, ['status RESOURCE_EXHAUSTED']);
  t.equal(headers.stream.log.at(-1), 'reset 8');
  const trailers = startUnary();
  respond(trailers.stream);
  trailers.stream.listener?.onTrailers(OK_TRAILERS, false);
  trailers.host.run();
  t.equal(trailers.listener.status?.code, Status.RESOURCE_EXHAUSTED);
});

await t.test('S88 bad base64 in response metadata fails this call with INTERNAL', async (t) => {
  const { host, listener, stream } = startUnary();
  stream.listener?.onHeaders([...OK_HEADERS, 'x-bin', '!!'], false, true);
  host.run();
  t.strictSame(listener.log, ['status INTERNAL']);
  t.equal(stream.log.at(-1), 'reset 8');
});

await t.test(
  'an exception in onMessage cancels the call with INTERNAL and itself as cause',
  async (t) => {
    const error = new Error('bad octets');
    for (const start of [startUnary, startBidi]) {
      const { host, call, listener, stream } = start();
      call.request(2);
      listener.onEvent = (event) => {
        if (event.startsWith('message')) throw error;
      };
      respond(stream, [1]);
      if (start === startUnary) stream.listener?.onTrailers(OK_TRAILERS, true);
      host.run();
      t.equal(listener.status?.code, Status.INTERNAL);
      t.equal(listener.status?.cause, error);
      t.equal(listener.log.filter((event) => event.startsWith('status')).length, 1);
      t.equal(host.uncaught.length, 0);
    }
  },
);

await t.test(
  'exceptions of the other callbacks are reported and do not stop the call',
  async (t) => {
    const { host, call, listener, stream } = startBidi();
    stream.accepts = false;
    call.request(1);
    t.equal(call.sendMessage(REQUEST), false);
    listener.onEvent = (event) => {
      if (!event.startsWith('message')) throw new Error(event);
    };
    respond(stream, [1]);
    stream.listener?.onWritable();
    host.run();
    stream.listener?.onTrailers(OK_TRAILERS, true);
    host.run();
    t.strictSame(listener.log, ['metadata 2', 'message [1]', 'ready', 'status OK']);
    t.strictSame(
      host.uncaught.map((error) => (error as Error).message),
      ['metadata 2', 'ready', 'status OK'],
    );
    t.equal(host.ended, 1);
  },
);

await t.test('cancel inside onMessage: no further message, CANCELLED', async (t) => {
  const { host, call, listener, stream } = startBidi();
  call.request(10);
  listener.onEvent = (event) => {
    if (event === 'message [1]') call.cancel('stop');
  };
  respond(stream, [1], [2], [3]);
  host.run();
  t.strictSame(listener.log, ['metadata 2', 'message [1]', 'status CANCELLED']);
});

await t.test('request(1) inside onMessage keeps the messages coming', async (t) => {
  const { host, call, listener, stream } = startBidi();
  call.request(1);
  listener.onEvent = (event) => {
    if (event.startsWith('message')) call.request(1);
  };
  respond(stream, ...Array.from({ length: 100 }, (_, n) => [n]));
  host.run();
  t.equal(listener.log.length, 101);
  t.equal(stream.consumed, 600);
});

await t.test(
  'L17 back-pressure: false until onReady; while waiting for a transport too',
  async (t) => {
    const { host, call, listener, stream } = startBidi();
    stream.accepts = false;
    t.equal(call.sendMessage(REQUEST), false);
    stream.listener?.onWritable();
    host.run();
    t.strictSame(listener.log, ['ready']);
    stream.listener?.onWritable();
    host.run();
    t.strictSame(listener.log, ['ready'], 'once per refusal');

    const waiting = new FakeClientHost({ streamWriteQuotaOctets: 3 });
    waiting.holds = true;
    const other = new RecordingClientListener();
    const held = waiting.call(BIDI);
    held.start(other);
    t.equal(held.sendMessage(REQUEST), true);
    t.equal(held.sendMessage(REQUEST), false);
    held.halfClose();
    held.onTransport(waiting.transport);
    t.strictSame(waiting.transport.last.log, ['message 0 [1 2]', 'message 0 [1 2] end']);
    waiting.run();
    t.strictSame(other.log, ['ready']);
  },
);

await t.test('a half-closed request without messages is an empty END_STREAM', async (t) => {
  const host = new FakeClientHost();
  const call = host.call(CLIENT_STREAM);
  call.start(new RecordingClientListener());
  call.halfClose();
  call.halfClose();
  t.strictSame(host.transport.last.log, ['end']);
  const held = new FakeClientHost();
  held.holds = true;
  const waiting = held.call(CLIENT_STREAM);
  waiting.start(new RecordingClientListener());
  waiting.halfClose();
  waiting.onTransport(held.transport);
  t.strictSame(held.transport.last.log, ['end']);
});

await t.test(
  'a failed pick ends the call with the status of the channel, inside pick() too',
  async (t) => {
    const failure = { code: Status.UNAVAILABLE, message: 'refused', trailers: [], cause: 7 };
    const host = new FakeClientHost();
    host.holds = true;
    const later = new RecordingClientListener();
    const call = host.call(UNARY);
    call.startUnary(later, REQUEST);
    call.onPickFailed(failure);
    t.strictSame(later.log, []);
    await Promise.resolve();
    const { end, ...rest } = later.status!;
    t.strictSame(rest, failure);
    t.equal(end?.endedBy, 'connection');
    host.pick = (pending) => {
      pending.onPickFailed(failure);
      return null;
    };
    host.unqueue = () => t.fail('was never kept');
    const atOnce = new RecordingClientListener();
    host.call(UNARY).startUnary(atOnce, REQUEST);
    await Promise.resolve();
    t.equal(atOnce.status?.message, failure.message);
  },
);

await t.test(
  'a call is started once; one that was cancelled before reports when it is',
  async (t) => {
    const { call } = startUnary();
    t.throws(() => call.start(new RecordingClientListener()), /only once/);
    const host = new FakeClientHost();
    const early = host.call(UNARY);
    early.cancel('never mind');
    const listener = new RecordingClientListener();
    early.startUnary(listener, REQUEST);
    host.run();
    t.strictSame(listener.log, ['status CANCELLED']);
    t.equal(host.picks, 0);
  },
);
