import { ErrorCode } from '../../framing/constants.ts';
import { Status } from '../../lib/status.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
import { t } from '../support/tap.ts';
import {
  BIDI,
  CLIENT_STREAM,
  FakeServerHost,
  requestHeaders,
  SERVER_STREAM,
  UNARY,
} from './fake-hosts.ts';
import { prefixed } from './fake-stream.ts';

const OK_HEAD = ':status=200, content-type=application/grpc';
const RESPONSE = new Uint8Array([9]);

/** A server that serves BIDI, and one accepted call of it. */
function startBidi(...more: string[]) {
  const host = new FakeServerHost();
  const listener = host.serve(BIDI);
  const stream = host.accept(requestHeaders(BIDI.path, ...more));
  host.run();
  return { host, listener, stream, call: listener.call! };
}

await t.test(
  'a unary call: handler with the whole request, headers, message and trailers in one go',
  async (t) => {
    const host = new FakeServerHost();
    const listener = host.serve(UNARY);
    listener.onEvent = (event) => {
      if (event.startsWith('message')) {
        listener.call?.sendUnaryAndClose(RESPONSE, ['k', 'v']);
        listener.call?.settled();
      }
    };
    const headers = requestHeaders(UNARY.path, 'x', 'y');
    const stream = host.accept(headers);
    stream.receive(prefixed([1, 2]), true);
    t.strictSame(listener.log, [], 'nothing before the read ends');
    host.run();
    t.strictSame(stream.log, [
      `headers ${OK_HEAD}`,
      'message 0 [9]',
      'trailers grpc-status=0, k=v',
    ]);
    t.equal(host.released, 0, 'the stream is still open');
    stream.close();
    host.run();
    t.strictSame(listener.log, ['handler', 'message [1 2]', 'complete']);
    t.equal(listener.call?.method, UNARY);
    t.equal(listener.call?.headers, headers);
    t.equal(listener.call?.authority, 'example.test');
    t.equal(listener.call?.deadlineMs, Number.POSITIVE_INFINITY);
    t.equal(listener.call?.cancelled, false);
    t.equal(host.acquired, 1);
    t.equal(host.released, 1);
  },
);

await t.test('templates are the same arrays for every call', async (t) => {
  const host = new FakeServerHost();
  const listener = host.serve(UNARY);
  listener.onEvent = (event) => {
    if (event.startsWith('message')) listener.call?.sendUnaryAndClose(RESPONSE, null);
  };
  const streams = [1, 2].map(() => {
    const stream = host.accept(requestHeaders(UNARY.path));
    stream.receive(prefixed([]), true);
    return stream;
  });
  host.run();
  t.equal(streams[0]!.templates.length, 2);
  t.equal(streams[0]!.templates[0], streams[1]!.templates[0]);
  t.equal(streams[0]!.templates[1], streams[1]!.templates[1]);
});

await t.test(
  'request streaming: messages only as requested, then half-close; window credited on delivery',
  async (t) => {
    const { host, listener, stream, call } = startBidi();
    stream.receive([...prefixed([1]), ...prefixed([2, 2])]);
    stream.receive([], true);
    host.run();
    t.strictSame(listener.log, ['handler']);
    call.request(1);
    host.run();
    t.strictSame(listener.log, ['handler', 'message [1]']);
    t.equal(stream.consumed, 6);
    call.request(10);
    await Promise.resolve();
    t.strictSame(listener.log.slice(2), ['message [2 2]', 'half-close']);
    t.equal(stream.consumed, 13);
    host.run();
    t.equal(listener.log.length, 4);
  },
);

await t.test('half-close of a request without messages needs no demand', async (t) => {
  const host = new FakeServerHost();
  const listener = host.serve(CLIENT_STREAM);
  host.accept(requestHeaders(CLIENT_STREAM.path), true);
  host.run();
  t.strictSame(listener.log, ['handler', 'half-close']);
});

await t.test('half-close also comes with request trailers, whose fields are ignored', async (t) => {
  const { host, listener, stream } = startBidi();
  stream.listener?.onTrailers(['grpc-status', '13'], true);
  host.run();
  t.strictSame(listener.log, ['handler', 'half-close']);
});

await t.test('Responses: metadata leaves when sent, or with the first message, once', async (t) => {
  const first = startBidi();
  first.call.sendMetadata(['a', 'b']);
  first.call.sendMetadata(['c', 'd']);
  first.call.sendMessage(RESPONSE);
  t.strictSame(first.stream.log, [`headers ${OK_HEAD}, a=b`, 'message 0 [9]']);
  const second = startBidi();
  second.call.sendMessage(RESPONSE);
  second.call.sendMessage(RESPONSE);
  second.call.sendMetadata(['late', 'x']);
  t.strictSame(second.stream.log, [`headers ${OK_HEAD}`, 'message 0 [9]', 'message 0 [9]']);
});

await t.test('S96 response metadata beyond L7 fails its call, not the connection', async (t) => {
  const huge = ['x-huge', 'v'.repeat(70_000)];
  const early = startBidi();
  early.call.sendMetadata(huge);
  early.call.close(Status.OK, '', null);
  early.host.run();
  t.match(early.stream.log.join(), /grpc-status=8, grpc-message=metadata of 700\d\d octets/);
  t.equal(early.stream.log.join().includes('x-huge'), false);
  t.ok(early.listener.log.includes('cancel network'), 'the handler is told');
  const late = startBidi();
  late.call.sendMetadata(null);
  late.call.close(Status.OK, 'fine', huge);
  t.match(late.stream.log.join(), /trailers grpc-status=8, grpc-message=metadata of/);
  t.equal(late.stream.log.join().includes('x-huge'), false);
});

await t.test('Responses: an immediate status is Trailers-Only', async (t) => {
  const { stream, call, host, listener } = startBidi();
  stream.receive([], true);
  call.close(Status.NOT_FOUND, 'no "x" 100%', ['k', 'v']);
  t.strictSame(stream.log, [
    `headers end ${OK_HEAD}, grpc-status=5, grpc-message=no "x" 100%25, k=v`,
  ]);
  call.close(Status.OK, '', null);
  call.sendMessage(RESPONSE);
  call.sendMetadata(null);
  t.equal(stream.log.length, 1, 'sends after the end are ignored');
  stream.close();
  host.run();
  t.strictSame(listener.log, ['handler', 'complete']);
  const ok = startBidi();
  ok.stream.receive([], true);
  ok.call.close(Status.OK, '', null);
  t.strictSame(ok.stream.log, [`headers end ${OK_HEAD}, grpc-status=0`]);
});

await t.test('S95 L24 a long status message is cut', async (t) => {
  const { stream, call } = startBidi();
  stream.receive([], true);
  call.close(Status.ABORTED, '\r\n'.repeat(40_000), null);
  t.ok((stream.log[0] as string).length < 4096 + 100);
});

await t.test(
  '§8.1 a status before the client has finished is followed by RST_STREAM NO_ERROR',
  async (t) => {
    const { stream, call, host, listener } = startBidi();
    call.sendMessage(RESPONSE);
    call.close(Status.OK, '', null);
    t.strictSame(stream.log.slice(2), ['trailers grpc-status=0', 'reset 0']);
    t.equal(stream.receive(prefixed([1])), 6, 'late octets are used up');
    host.run();
    t.strictSame(listener.log, ['handler', 'complete']);
    t.equal(call.cancelled, false);
  },
);

await t.test('5.5 RST_STREAM and loss of the connection cancel the call once', async (t) => {
  for (const [initiator, abortion] of [
    [Initiator.REMOTE, 'cancelled'],
    [Initiator.CONNECTION, 'cancelled'],
    [Initiator.LIBRARY, 'network'],
  ] as const) {
    const { stream, call, host, listener } = startBidi();
    call.request(5);
    stream.receive(prefixed([1]));
    stream.close(ErrorCode.CANCEL, initiator, StreamProgress.PROCESSED, '');
    t.equal(call.cancelled, true);
    t.strictSame(listener.log, ['handler'], 'not inside the event');
    call.sendMessage(RESPONSE);
    call.close(Status.OK, '', null);
    host.run();
    t.strictSame(listener.log, ['handler', `cancel ${abortion}`, 'complete']);
    t.equal(host.released, 0, 'the handler still runs (L2)');
    call.settled();
    t.equal(host.released, 1);
    t.strictSame(stream.log, []);
  }
});

await t.test('5.5 deadline: onCancel(expired), and RST_STREAM CANCEL 200 ms later', async (t) => {
  const { stream, call, host, listener } = startBidi('grpc-timeout', '2S');
  t.equal(call.deadlineMs, host.clock.now() + 2000);
  host.clock.advance(1999);
  t.equal(call.cancelled, false);
  host.clock.advance(1);
  t.equal(call.cancelled, true);
  await Promise.resolve();
  t.strictSame(listener.log, ['handler', 'cancel expired']);
  call.sendMessage(Uint8Array.of(1));
  call.close(Status.OK, '', null);
  host.clock.advance(199);
  t.strictSame(
    stream.log,
    [],
    'clients whose timer is due have their turn, and the handler has none',
  );
  host.clock.advance(1);
  t.strictSame(stream.log, ['reset 8']);
  await Promise.resolve();
  t.strictSame(listener.log, ['handler', 'cancel expired', 'complete']);
});

await t.test('5.5 deadline: a client that resets first is not reset in turn', async (t) => {
  const { stream, host, listener } = startBidi('grpc-timeout', '2S');
  host.clock.advance(2000);
  stream.close(ErrorCode.CANCEL);
  host.clock.advance(1000);
  await Promise.resolve();
  t.strictSame(stream.log, []);
  t.strictSame(listener.log, ['handler', 'cancel expired', 'complete']);
});

await t.test('S87 an answer stops the deadline', async (t) => {
  const { stream, call, host, listener } = startBidi('grpc-timeout', '2S');
  stream.receive([], true);
  host.run();
  call.sendMessage(RESPONSE);
  call.close(Status.OK, '', null);
  t.equal(host.clock.pending, 0);
  host.clock.advance(5000);
  host.run();
  t.strictSame(listener.log, ['handler', 'half-close']);
});

await t.test(
  'L2 a call waits for its slot; cancellation while waiting gives the place back',
  async (t) => {
    const host = new FakeServerHost();
    host.grants = false;
    const listener = host.serve(BIDI);
    const first = host.accept(requestHeaders(BIDI.path));
    const second = host.accept(requestHeaders(BIDI.path));
    host.run();
    t.strictSame(listener.log, []);
    t.equal(host.waiting.length, 2);
    first.close(ErrorCode.CANCEL);
    t.equal(host.released, 1);
    host.waiting[0]?.onSlot();
    host.waiting[1]?.onSlot();
    host.run();
    t.strictSame(listener.log, ['handler'], 'only the live one runs');
    second.close(ErrorCode.CANCEL);
    host.run();
    t.equal(host.released, 1);
    listener.call?.settled();
    listener.call?.settled();
    t.equal(host.released, 2, 'exactly once');
  },
);

await t.test('L2 a refused call is reset with REFUSED_STREAM', async (t) => {
  const host = new FakeServerHost();
  host.grants = null;
  const listener = host.serve(BIDI);
  const stream = host.accept(requestHeaders(BIDI.path));
  host.run();
  t.strictSame(stream.log, ['reset 7']);
  t.strictSame(listener.log, []);
  t.equal(host.released, 1, 'released once, though it never ran');
});

await t.test('L2 the deadline may pass while a call waits for its slot', async (t) => {
  const host = new FakeServerHost();
  host.grants = false;
  const listener = host.serve(BIDI);
  const stream = host.accept(requestHeaders(BIDI.path, 'grpc-timeout', '1S'));
  host.run();
  host.clock.advance(1200);
  host.run();
  t.strictSame(stream.log, ['reset 8']);
  t.equal(host.released, 1);
  t.strictSame(listener.log, []);
  t.strictSame(host.trips, ['expiredRequests']);

  const late = new FakeServerHost();
  late.serve(BIDI);
  late.grants = false;
  const other = late.accept(requestHeaders(BIDI.path, 'grpc-timeout', '1S'));
  late.run();
  // The slot comes with the timer overdue.
  late.clock.now = () => 9000;
  late.waiting[0]?.onSlot();
  late.run();
  t.match(other.log[0] as string, 'grpc-status=4');
  t.equal(late.released, 1);
  t.strictSame(late.trips, ['expiredRequests']);

  const running = new FakeServerHost();
  running.serve(BIDI);
  running.accept(requestHeaders(BIDI.path, 'grpc-timeout', '1S'));
  running.run();
  running.clock.advance(1200);
  running.run();
  t.strictSame(running.trips, [], 'a handler that runs hears of it itself');
});

await t.test('a unary request takes a slot only when it is complete', async (t) => {
  const host = new FakeServerHost();
  const listener = host.serve(UNARY);
  const stream = host.accept(requestHeaders(UNARY.path));
  stream.receive(prefixed([1]));
  host.run();
  t.equal(host.acquired, 0);
  stream.receive([], true);
  host.run();
  t.equal(host.acquired, 1);
  t.strictSame(listener.log, ['handler', 'message [1]']);
});

await t.test(
  'S19 E12 a handler that throws: UNKNOWN with a generic text, the slot is given back',
  async (t) => {
    const host = new FakeServerHost();
    const secret = new Error('secret');
    host.methods.set(BIDI.path, {
      method: BIDI,
      handler: () => {
        throw secret;
      },
    });
    const stream = host.accept(requestHeaders(BIDI.path), true);
    host.run();
    t.strictSame(stream.log, [
      `headers end ${OK_HEAD}, grpc-status=2, grpc-message=handler failed`,
    ]);
    t.strictSame(host.uncaught, [secret]);
    stream.close();
    t.equal(host.released, 1);
  },
);

await t.test('S19 a handler that throws after it has answered changes nothing', async (t) => {
  const host = new FakeServerHost();
  host.methods.set(BIDI.path, {
    method: BIDI,
    handler: (call) => {
      call.close(Status.ABORTED, '', null);
      throw new Error('late');
    },
  });
  const stream = host.accept(requestHeaders(BIDI.path), true);
  host.run();
  t.strictSame(stream.log, [`headers end ${OK_HEAD}, grpc-status=10`]);
  t.equal(host.uncaught.length, 1);
});

await t.test(
  'an exception in onMessage closes the call with INTERNAL and aborts the handler',
  async (t) => {
    const { host, listener, stream, call } = startBidi();
    call.request(10);
    listener.onEvent = (event) => {
      if (event.startsWith('message')) throw new Error('secret');
    };
    stream.receive([...prefixed([1]), ...prefixed([2])]);
    host.run();
    t.strictSame(stream.log, [
      `headers end ${OK_HEAD}, grpc-status=13, grpc-message=request message could not be read`,
      'reset 0',
    ]);
    t.strictSame(listener.log, ['handler', 'message [1]', 'cancel network', 'complete']);
    t.equal(call.cancelled, true);
    t.equal(host.uncaught.length, 1);
  },
);

await t.test('exceptions in onHalfClose and onReady close the call with UNKNOWN', async (t) => {
  for (const event of ['half-close', 'ready']) {
    const { host, listener, stream, call } = startBidi();
    stream.accepts = false;
    call.sendMessage(RESPONSE);
    listener.onEvent = (seen) => {
      if (seen === event) throw new Error('x');
    };
    if (event === 'ready') stream.listener?.onWritable();
    else stream.receive([], true);
    host.run();
    t.match(stream.log.at(event === 'ready' ? -2 : -1) as string, 'trailers grpc-status=2');
    t.equal(host.uncaught.length, 1);
  }
});

await t.test('exceptions in onCancel and onComplete are reported', async (t) => {
  const { host, listener, stream } = startBidi();
  listener.onEvent = () => {
    throw new Error('x');
  };
  stream.close(ErrorCode.CANCEL);
  host.run();
  t.strictSame(listener.log, ['handler', 'cancel cancelled', 'complete']);
  t.equal(host.uncaught.length, 2);
});

await t.test('L17 back-pressure: false until onReady', async (t) => {
  const { host, listener, stream, call } = startBidi();
  stream.accepts = false;
  t.equal(call.sendMessage(RESPONSE), false);
  stream.listener?.onWritable();
  stream.listener?.onWritable();
  host.run();
  t.strictSame(listener.log, ['handler', 'ready']);
});

await t.test(
  'S80 L18 a message over the limit: RESOURCE_EXHAUSTED at its prefix, then RST_STREAM NO_ERROR',
  async (t) => {
    for (const method of [UNARY, SERVER_STREAM, CLIENT_STREAM, BIDI]) {
      for (const prefix of [
        [0, 0, 0x40, 0, 1],
        [0, 255, 255, 255, 255],
      ]) {
        const host = new FakeServerHost();
        const listener = host.serve(method);
        const stream = host.accept(requestHeaders(method.path));
        stream.receive(prefix);
        host.run();
        const octets = prefix[1] === 255 ? 4_294_967_295 : 4_194_305;
        t.strictSame(stream.log, [
          `headers end ${OK_HEAD}, grpc-status=8, grpc-message=Received message larger than max (${octets} vs. 4194304)`,
          'reset 0',
        ]);
        t.equal(listener.log.includes('handler'), method.requestStreaming);
      }
    }
  },
);

await t.test('S84 flag octets of request messages', async (t) => {
  for (const method of [UNARY, BIDI]) {
    for (const flags of [1, 2, 255]) {
      const host = new FakeServerHost();
      const listener = host.serve(method);
      const stream = host.accept(requestHeaders(method.path));
      stream.receive(prefixed([1], flags), true);
      host.run();
      listener.call?.request(1);
      host.run();
      t.match(stream.log[0] as string, /grpc-status=13, grpc-message=.*(flags|grpc-encoding)/);
      t.equal(listener.log.includes('message [1]'), false);
    }
  }
});

await t.test('a large request message in pieces asks for its window', async (t) => {
  const host = new FakeServerHost();
  const listener = host.serve(UNARY);
  const stream = host.accept(requestHeaders(UNARY.path));
  stream.receive([0, 0, 0, 1, 0, 1, 2]);
  host.run();
  t.strictSame(stream.expected, [255]);
  stream.receive(new Uint8Array(254), true);
  host.run();
  t.equal(listener.log.length, 2);
});
