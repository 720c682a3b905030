import { CancellationError, ExpirationError, type RpcError } from '../../lib/alpha/exceptions.ts';
import { CancelledError } from '../../lib/alpha/future.ts';
import { makeStub } from '../../lib/alpha/stub.ts';
import {
  streamStreamInvocationDescription,
  unaryStreamInvocationDescription,
} from '../../lib/alpha/utilities.ts';
import { Status } from '../../lib/status.ts';
import { CLIENT_LIMITS } from '../../transport/limits.ts';
import { t } from '../support/tap.ts';
import {
  FakeChannel,
  OK,
  readText,
  rejection,
  status,
  thrown,
  turn,
  writeText,
} from './support/fake-channel.ts';

function open(deserializer: (octets: Uint8Array) => string = readText) {
  const channel = new FakeChannel();
  const stub = makeStub(
    'test.Echo',
    {
      Tell: unaryStreamInvocationDescription(writeText, deserializer),
      Chat: streamStreamInvocationDescription(writeText, deserializer),
    },
    {
      openChannel: () => channel,
      metadataTransformer: null,
      report: () => {},
    },
  ).open();
  return { channel, stub };
}

const DONE = { value: undefined, done: true };

await t.test('yields the responses in order, then done, repeatedly', async (t) => {
  const { channel, stub } = open();
  const responses = stub.Tell('x', 1);
  t.equal(responses[Symbol.asyncIterator](), responses);
  t.strictSame(channel.call.log, ['unary x']);
  const first = responses.next();
  channel.call.message('a');
  channel.call.message('b');
  channel.call.end(OK);
  t.strictSame(await first, { value: 'a', done: false });
  t.strictSame(await responses.next(), { value: 'b', done: false });
  t.strictSame(await responses.next(), DONE);
  t.strictSame(await responses.next(), DONE);
});

await t.test('for await', async (t) => {
  const { channel, stub } = open();
  const responses = stub.Chat(['x'], 1);
  await turn();
  channel.call.message('a');
  channel.call.message('b');
  channel.call.end(OK);
  const seen: string[] = [];
  for await (const response of responses) seen.push(response);
  t.strictSame(seen, ['a', 'b']);
  t.strictSame(channel.call.log, ['start', 'message x', 'halfClose']);
});

await t.test('the stream-stream call returns before the first request is pulled', async (t) => {
  const { stub } = open();
  let touched = false;
  stub.Chat(
    (function* () {
      touched = true;
      yield 'x';
    })(),
    1,
  );
  t.notOk(touched);
  await turn();
  t.ok(touched);
});

await t.test('misuse throws at once', async (t) => {
  const { channel, stub } = open();
  t.ok(thrown(() => stub.Tell('x', null as never)) instanceof TypeError);
  t.ok(thrown(() => stub.Chat([], 'soon' as never)) instanceof TypeError);
  t.ok(thrown(() => stub.Chat(7 as never, 1)) instanceof TypeError);
  t.equal(channel.calls.length, 0);
});

await t.test('a zero timeout expires without network', async (t) => {
  const { channel, stub } = open();
  for (const responses of [stub.Tell('x', 0), stub.Chat(['x'], -1)]) {
    t.ok((await rejection(responses.next())) instanceof ExpirationError);
    t.ok((await rejection(responses.next())) instanceof ExpirationError);
  }
  t.equal(channel.calls.length, 0);
});

await t.test(
  'abortion takes precedence over responses not yet read, and is raised again',
  async (t) => {
    const { channel, stub } = open();
    const responses = stub.Tell('x', 1);
    channel.call.message('lost');
    channel.call.end(status(Status.DEADLINE_EXCEEDED));
    t.ok((await rejection(responses.next())) instanceof ExpirationError);
    t.ok((await rejection(responses.next())) instanceof ExpirationError);
  },
);

await t.test('a waiting next() learns of the abortion', async (t) => {
  const { channel, stub } = open();
  const responses = stub.Tell('x', 1);
  const waiting = rejection(responses.next());
  channel.call.end(status(Status.UNAVAILABLE, 'gone', ['x-why', 'that']));
  const error = (await waiting) as RpcError;
  t.equal(error.code, Status.UNAVAILABLE);
  t.equal(error.metadata.get('x-why'), 'that');
});

await t.test('after own cancel() every next() rejects with CancelledError', async (t) => {
  const { channel, stub } = open();
  const responses = stub.Tell('x', 1);
  channel.call.message('a');
  channel.call.message('lost');
  t.strictSame(await responses.next(), { value: 'a', done: false });
  t.equal(responses.cancel(), undefined);
  responses.cancel();
  for (let i = 0; i < 2; i++) {
    t.ok((await rejection(responses.next())) instanceof CancelledError);
    await turn();
  }
  t.strictSame(channel.call.log, ['unary x', `fail ${Status.CANCELLED}`]);
});

await t.test(
  'cancel() after the normal end: CancelledError as well, nothing on the wire',
  async (t) => {
    const { channel, stub } = open();
    const responses = stub.Tell('x', 1);
    channel.call.end(OK);
    t.strictSame(await responses.next(), DONE);
    responses.cancel();
    t.ok((await rejection(responses.next())) instanceof CancelledError);
    t.strictSame(channel.call.log, ['unary x']);
  },
);

await t.test('cancel() while next() waits: that one gets CancellationError', async (t) => {
  const { stub } = open();
  const responses = stub.Tell('x', 1);
  const waiting = rejection(responses.next());
  responses.cancel();
  t.ok((await waiting) instanceof CancellationError);
  t.ok((await rejection(responses.next())) instanceof CancelledError);
});

await t.test('leaving a for await loop cancels', async (t) => {
  const { channel, stub } = open();
  const responses = stub.Tell('x', 1);
  channel.call.message('a');
  for await (const response of responses) {
    t.equal(response, 'a');
    break;
  }
  t.strictSame(channel.call.log, ['unary x', `fail ${Status.CANCELLED}`]);
  t.strictSame(await responses.next(), DONE);
  await turn();
  t.strictSame(await responses.next(), DONE);
});

await t.test(
  'return() wakes a waiting next(); after the end it does nothing on the wire',
  async (t) => {
    const { channel, stub } = open();
    const responses = stub.Tell('x', 1);
    const waiting = responses.next();
    t.strictSame(await responses.return(), DONE);
    t.strictSame(await waiting, DONE);
    const ended = stub.Tell('x', 1);
    channel.call.end(OK);
    t.strictSame(await ended.return(), DONE);
    t.strictSame(channel.call.log, ['unary x']);
  },
);

await t.test(
  'throw() cancels and rejects with the error given; asyncDispose cancels',
  async (t) => {
    const { channel, stub } = open();
    const mine = new Error('mine');
    t.equal(await rejection(stub.Tell('x', 1).throw(mine)), mine);
    await turn();
    t.equal(channel.call.log.at(-1), `fail ${Status.CANCELLED}`);
    await stub.Tell('x', 1)[Symbol.asyncDispose]();
    t.equal(channel.call.log.at(-1), `fail ${Status.CANCELLED}`);
  },
);

await t.test('one message is asked for at a time, up to the bound of the queue', async (t) => {
  const { channel, stub } = open();
  const responses = stub.Tell('x', 1);
  const { call } = channel;
  t.equal(call.demand, 1);
  let sent = 0;
  while (call.demand > 0) {
    t.equal(call.demand, 1);
    call.message(String(sent++));
  }
  t.equal(sent, CLIENT_LIMITS.maxUndeliveredMessages);
  t.strictSame(await responses.next(), { value: '0', done: false });
  t.equal(call.demand, 1, 'reading one makes room for one');
  call.message(String(sent++));
  t.equal(call.demand, 0);
  for (let i = 1; i < sent; i++) t.equal((await responses.next()).value, String(i));
});

await t.test('the bound counts octets too', async (t) => {
  const { channel, stub } = open();
  const responses = stub.Tell('x', 1);
  channel.call.message('x'.repeat(40_000));
  t.equal(channel.call.demand, 1);
  channel.call.message('x'.repeat(40_000));
  t.equal(channel.call.demand, 0);
  await responses.next();
  t.equal(channel.call.demand, 1);
});

await t.test('several next() at once are served in order', async (t) => {
  const { channel, stub } = open();
  const responses = stub.Tell('x', 1);
  const reads = [responses.next(), responses.next(), responses.next()];
  channel.call.message('a');
  channel.call.message('b');
  channel.call.end(OK);
  t.strictSame(await Promise.all(reads), [
    { value: 'a', done: false },
    { value: 'b', done: false },
    DONE,
  ]);
});

await t.test('a deserializer that raises ends the RPC with INTERNAL and the cause', async (t) => {
  const { channel, stub } = open((octets) => {
    const text = readText(octets);
    if (text === 'bad') throw new RangeError('unreadable');
    return text;
  });
  const responses = stub.Tell('x', 1);
  channel.call.message('good');
  t.strictSame(await responses.next(), { value: 'good', done: false });
  channel.call.message('bad');
  await turn();
  const error = (await rejection(responses.next())) as RpcError;
  t.equal(error.code, Status.INTERNAL);
  t.match(error.details, 'response deserializer of /test.Echo/Tell failed: unreadable');
  t.ok(error.cause instanceof RangeError);
  t.strictSame(channel.call.log, ['unary x', `fail ${Status.INTERNAL}`]);
});

await t.test('the request iterator raises: RPC cancelled, next() has the cause', async (t) => {
  const { channel, stub } = open();
  const raised = new Error('out of data');
  const responses = stub.Chat(
    (function* () {
      yield 'a';
      throw raised;
    })(),
    600,
  );
  const error = (await rejection(responses.next())) as RpcError;
  t.equal(error.cause, raised);
  t.equal(error.code, Status.UNKNOWN);
  t.strictSame(channel.call.log, ['start', 'message a', `fail ${Status.UNKNOWN}`]);
});

await t.test('cancelling the iterator closes the request iterator', async (t) => {
  const { stub } = open();
  let closed = false;
  const responses = stub.Chat(
    (async function* () {
      try {
        for (;;) {
          yield 'a';
          await turn();
        }
      } finally {
        closed = true;
      }
    })(),
    600,
  );
  await turn();
  responses.cancel();
  await turn();
  await turn();
  t.ok(closed);
});

await t.test('metadata', async (t) => {
  const { channel, stub } = open();
  const responses = stub.Tell('x', 1);
  const initial = responses.initialMetadata();
  const trailing = responses.trailingMetadata();
  channel.call.metadata(['x-i', '1']);
  t.equal((await initial).get('x-i'), '1');
  channel.call.end(status(Status.OK, '', ['x-t', '2']));
  t.equal((await trailing).get('x-t'), '2');
  const failed = stub.Tell('x', 1);
  channel.call.end(status(Status.ABORTED, '', ['x-t', '3']));
  t.equal((await failed.initialMetadata()).size, 0);
  t.equal((await failed.trailingMetadata()).get('x-t'), '3');
});
