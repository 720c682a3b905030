import { Activation, BoundMethod } from '../../lib/alpha/bound-method.ts';
import { CancellationError, ExpirationError, RpcError } from '../../lib/alpha/exceptions.ts';
import { CancelledError, type Future, RpcFuture, TimeoutError } from '../../lib/alpha/future.ts';
import { startUnaryRequest } from '../../lib/alpha/rpc-invocation.ts';
import { unaryUnaryInvocationDescription } from '../../lib/alpha/utilities.ts';
import { methodDescriptor } from '../../lib/method.ts';
import { Status } from '../../lib/status.ts';
import { t } from '../support/tap.ts';
import {
  type FakeCall,
  FakeChannel,
  readText,
  rejection,
  status,
  thrown,
  turn,
  writeText,
} from './support/fake-channel.ts';

function begin(): { future: Future<string>; call: FakeCall; reported: string[] } {
  const channel = new FakeChannel();
  const reported: string[] = [];
  const description = unaryUnaryInvocationDescription(writeText, readText);
  const method = new BoundMethod(
    new Activation('test.Echo', channel, null, (error, where) =>
      reported.push(`${where}: ${(error as Error).message}`),
    ),
    methodDescriptor('test.Echo', 'Say', description.cardinality()),
    description,
  );
  const future = new RpcFuture(method);
  startUnaryRequest(method, 'x', 1, future);
  return { future, call: channel.call, reported };
}

await t.test('running until the RPC ends, then done', async (t) => {
  const { future, call } = begin();
  t.strictSame([future.running(), future.done(), future.cancelled()], [true, false, false]);
  call.respond('y');
  t.strictSame([future.running(), future.done(), future.cancelled()], [false, true, false]);
  t.equal(await future.result(), 'y');
  t.equal(await future.exception(), null);
  t.equal(await future.traceback(), null);
  t.equal(await future.result(0), 'y', 'a wait of 0 is enough when it is done');
});

await t.test('result, exception and traceback of a failed RPC', async (t) => {
  const { future, call } = begin();
  const waiting = rejection(future.result());
  call.end(status(Status.NOT_FOUND, 'nowhere'));
  t.equal(((await waiting) as RpcError).code, Status.NOT_FOUND);
  const first = await future.exception();
  const second = await future.exception();
  t.ok(first instanceof RpcError);
  t.equal(first?.details, 'nowhere');
  t.not(first, second, 'a newly built error each time');
  const traceback = await future.traceback();
  t.match(String(traceback), /^RpcError: NOT_FOUND: nowhere\n\s+at /);
});

await t.test('cancellation by the server is CancellationError, and not cancelled()', async (t) => {
  const { future, call } = begin();
  call.end(status(Status.CANCELLED));
  t.equal(future.cancelled(), false);
  t.equal(future.done(), true);
  t.ok((await rejection(future.result())) instanceof CancellationError);
  t.ok((await future.exception()) instanceof CancellationError);
});

await t.test('expiry is ExpirationError, and not cancelled()', async (t) => {
  const { future, call } = begin();
  call.end(status(Status.DEADLINE_EXCEEDED));
  t.equal(future.cancelled(), false);
  t.ok((await rejection(future.result())) instanceof ExpirationError);
  t.ok((await future.exception()) instanceof ExpirationError);
});

await t.test('cancel() returns false, takes effect at once, and can be repeated', async (t) => {
  const { future, call } = begin();
  t.equal(future.cancel(), false);
  t.strictSame([future.running(), future.done(), future.cancelled()], [false, true, true]);
  t.equal(future.cancel(), false);
  await turn();
  t.strictSame(call.log, ['unary x', `fail ${Status.CANCELLED}`]);
  for (const wait of [future.result(), future.exception(), future.traceback()]) {
    const error = await rejection(wait);
    t.ok(error instanceof CancelledError);
    t.notOk(error instanceof RpcError);
  }
});

await t.test('cancel() wakes those who wait', async (t) => {
  const { future } = begin();
  const waits = [future.result(), future.exception(), future.traceback(), future.result(60)];
  const errors = waits.map(rejection);
  future.cancel();
  for (const error of await Promise.all(errors)) t.ok(error instanceof CancelledError);
});

await t.test('cancel() of a finished RPC changes nothing', async (t) => {
  const { future, call } = begin();
  call.respond('y');
  t.equal(future.cancel(), false);
  t.equal(future.cancelled(), false);
  t.equal(await future.result(), 'y');
});

await t.test(
  'a wait that times out rejects with TimeoutError and leaves the RPC alone',
  async (t) => {
    const { future, call } = begin();
    for (const wait of [
      future.result(0),
      future.exception(0),
      future.traceback(0),
      future.result(-1),
      future.result(0.001),
      future.exception(0.001),
      future.traceback(0.001),
    ]) {
      const error = await rejection(wait);
      t.ok(error instanceof TimeoutError);
      t.notOk(error instanceof RpcError);
    }
    t.equal(future.running(), true);
    t.strictSame(call.log, ['unary x']);
    call.respond('y');
    t.equal(await future.result(), 'y');
  },
);

await t.test(
  'waits without limit: none, null, Infinity, and longer than runtime timers can',
  async (t) => {
    const { future, call } = begin();
    const waits = [
      future.result(),
      future.result(null),
      future.result(Number.POSITIVE_INFINITY),
      future.result(3e6),
    ];
    await turn();
    call.respond('y');
    t.strictSame(await Promise.all(waits), ['y', 'y', 'y', 'y']);
  },
);

await t.test('a wait timeout that is none is a TypeError', async (t) => {
  const { future } = begin();
  for (const timeout of ['1', Number.NaN, {}, true]) {
    for (const name of ['result', 'exception', 'traceback'] as const) {
      t.ok(thrown(() => future[name](timeout as number)) instanceof TypeError);
    }
  }
});

await t.test('done callbacks run in order and get this very Future', async (t) => {
  const { future, call } = begin();
  const log: unknown[] = [];
  for (const name of ['first', 'second', 'third']) {
    future.addDoneCallback((given) => log.push(name, given === future, given.done()));
  }
  t.strictSame(log, []);
  call.respond('y');
  t.strictSame(log, ['first', true, true, 'second', true, true, 'third', true, true]);
  future.addDoneCallback(() => log.push('at once'));
  t.equal(log.at(-1), 'at once');
});

await t.test('done callbacks run once for failed and for cancelled Futures too', async (t) => {
  const failed = begin();
  const cancelled = begin();
  let runs = 0;
  failed.future.addDoneCallback(() => runs++);
  cancelled.future.addDoneCallback(() => runs++);
  failed.call.end(status(Status.INTERNAL));
  cancelled.future.cancel();
  await turn();
  t.equal(runs, 2);
});

await t.test('a done callback that raises is reported, and the others run', async (t) => {
  const { future, call, reported } = begin();
  const log: string[] = [];
  future.addDoneCallback(() => {
    throw new Error('mine');
  });
  future.addDoneCallback(() => log.push('ran'));
  call.respond('y');
  t.strictSame(log, ['ran']);
  t.strictSame(reported, ['/test.Echo/Say: done callback: mine']);
  t.ok(thrown(() => future.addDoneCallback(null as never)) instanceof TypeError);
});

await t.test('a Future is thenable', async (t) => {
  const { future, call } = begin();
  const chained = future.then((value) => `${value}!`);
  call.respond('y');
  t.equal(await future, 'y');
  t.equal(await chained, 'y!');
  const failing = begin();
  const handled = failing.future.then(null, (error: RpcError) => error.code);
  failing.call.end(status(Status.ABORTED));
  t.equal(await handled, Status.ABORTED);
  t.equal(((await rejection(failing.future)) as RpcError).code, Status.ABORTED);
});

await t.test('a failed Future that nobody looks at is no unhandled rejection', async (t) => {
  const { call } = begin();
  call.end(status(Status.INTERNAL));
  await turn();
  t.pass('the test would have ended here');
});

await t.test('metadata can be asked for before and after it arrives', async (t) => {
  const { future, call } = begin();
  const initial = future.initialMetadata();
  const trailing = future.trailingMetadata();
  call.metadata(['x-i', '1']);
  t.equal((await initial).get('x-i'), '1');
  call.message('y');
  call.end(status(Status.OK, '', ['x-t', '2']));
  t.equal((await trailing).get('x-t'), '2');
  t.equal((await future.initialMetadata()).get('x-i'), '1');
  t.equal((await future.trailingMetadata()).get('x-t'), '2');
});

await t.test('metadata of an RPC that ends without any is empty, and never rejects', async (t) => {
  const { future, call } = begin();
  const initial = future.initialMetadata();
  call.end(status(Status.UNAVAILABLE));
  t.equal((await initial).size, 0);
  t.equal((await future.trailingMetadata()).size, 0);
});
