import { CancellationError, ExpirationError, RpcError } from '../../lib/alpha/exceptions.ts';
import { Abortion, type RpcContext } from '../../lib/alpha/interfaces.ts';
import {
  unaryStreamServiceDescription,
  unaryUnaryServiceDescription,
} from '../../lib/alpha/utilities.ts';
import type { CallAbortion } from '../../lib/call/call.ts';
import { Status } from '../../lib/status.ts';
import { t } from '../support/tap.ts';
import { readText, thrown, turn, writeText } from './support/fake-channel.ts';
import { type FakeServerCall, serve } from './support/fake-server-call.ts';

/** A unary-unary RPC whose behaviour has begun and waits for `finish`. */
function begin(prepare?: (call: FakeServerCall) => void) {
  let context: RpcContext | undefined;
  let finish: (response: string) => void = () => {};
  let raise: (error: unknown) => void = () => {};
  const served = serve(
    unaryUnaryServiceDescription<string, string>(
      (_request, given) => {
        context = given;
        return new Promise((resolve, reject) => {
          finish = resolve;
          raise = reject;
        });
      },
      readText,
      writeText,
    ),
    prepare,
  );
  served.call.message('x');
  return {
    ...served,
    context: context as unknown as RpcContext,
    finish: (response: string) => finish(response),
    raise: (error: unknown) => raise(error),
  };
}

await t.test('isActive: true during the RPC, false after it ends in any way', async (t) => {
  const normal = begin();
  t.equal(normal.context.isActive(), true);
  normal.finish('y');
  await turn();
  t.equal(normal.context.isActive(), false);
  const raised = begin();
  raised.raise(new Error('x'));
  await turn();
  t.equal(raised.context.isActive(), false);
  const aborted = begin();
  aborted.call.abort('cancelled');
  t.equal(aborted.context.isActive(), false);
});

await t.test(
  'timeRemaining: seconds, never negative, counts on after the end; Infinity without limit',
  async (t) => {
    const { context, clock, call, finish } = begin((call) => {
      call.deadlineMs = 7500;
    });
    t.equal(context.timeRemaining(), 2.5);
    clock.nowMs = 6500;
    t.equal(context.timeRemaining(), 1);
    finish('y');
    await turn();
    clock.nowMs = 7000;
    t.equal(context.timeRemaining(), 0.5);
    clock.nowMs = 9000;
    t.equal(context.timeRemaining(), 0);
    call.deadlineMs = Number.POSITIVE_INFINITY;
    t.equal(context.timeRemaining(), Number.POSITIVE_INFINITY);
  },
);

await t.test('abortion callbacks get the Abortion', async (t) => {
  const kinds: [CallAbortion, Abortion][] = [
    ['cancelled', Abortion.CANCELLED],
    ['expired', Abortion.EXPIRED],
    ['network', Abortion.NETWORK_FAILURE],
  ];
  for (const [kind, abortion] of kinds) {
    const { context, call } = begin();
    const log: unknown[] = [];
    context.addAbortionCallback((given) => log.push(given, context.isActive()));
    context.addAbortionCallback((given) => log.push(given));
    call.abort(kind);
    t.strictSame(log, [abortion, false, abortion]);
  }
});

await t.test('a behaviour that raises: SERVICER_FAILURE', async (t) => {
  const { context, raise } = begin();
  const log: unknown[] = [];
  context.addAbortionCallback((given) => log.push(given));
  raise(new Error('x'));
  await turn();
  t.strictSame(log, [Abortion.SERVICER_FAILURE]);
});

await t.test(
  'no abortion callback on normal completion, and none added later either',
  async (t) => {
    const { context, call, finish } = begin();
    const log: unknown[] = [];
    context.addAbortionCallback((given) => log.push(given));
    finish('y');
    await turn();
    context.addAbortionCallback((given) => log.push(given));
    call.listener?.onComplete();
    await turn();
    t.strictSame(log, []);
  },
);

await t.test('added after the abortion: still called, but not at once', async (t) => {
  const { context, call } = begin();
  call.abort('expired');
  const log: unknown[] = [];
  context.addAbortionCallback((given) => log.push(given));
  t.strictSame(log, []);
  await turn();
  t.strictSame(log, [Abortion.EXPIRED]);
});

await t.test('one that raises is reported, and the others run', async (t) => {
  const { context, call, reported } = begin();
  const log: unknown[] = [];
  context.addAbortionCallback(() => {
    throw new Error('mine');
  });
  context.addAbortionCallback((given) => log.push(given));
  call.abort('cancelled');
  t.strictSame(log, [Abortion.CANCELLED]);
  t.equal(reported.length, 1);
  t.equal(reported[0]!.where, '/test.Echo/Say: abortion callback');
  t.ok(thrown(() => context.addAbortionCallback(7 as never)) instanceof TypeError);
});

await t.test('metadata, peer, method, authority', async (t) => {
  const { context } = begin();
  t.equal(context.metadata.get('x-user'), 'ada');
  t.equal(context.metadata.has('grpc-timeout'), false);
  t.equal(context.metadata, context.metadata);
  t.equal(context.peer.address, 'memory:1');
  t.equal(context.method, '/test.Echo/Say');
  t.equal(context.authority, 'example.test');
});

await t.test(
  'signal: aborts with the error of the abortion, before or after it is asked for',
  async (t) => {
    const early = begin();
    const { signal } = early.context;
    t.equal(early.context.signal, signal);
    t.equal(signal.aborted, false);
    early.call.abort('expired');
    t.equal(signal.aborted, true);
    t.ok(signal.reason instanceof ExpirationError);
    const late = begin();
    late.call.abort('cancelled');
    t.equal(late.context.signal.aborted, true);
    t.ok(late.context.signal.reason instanceof CancellationError);
    const normal = begin();
    const untouched = normal.context.signal;
    normal.finish('y');
    await turn();
    t.equal(untouched.aborted, false);
  },
);

await t.test('initial and trailing metadata', async (t) => {
  const { context, call, finish } = begin();
  context.sendInitialMetadata({ 'X-I': '1' });
  context.setTrailingMetadata([['x-t', 'old']]);
  context.setTrailingMetadata([['x-t', 'new']]);
  finish('y');
  await turn();
  t.strictSame(call.log, ['metadata x-i,1', 'response y [x-t,new]', 'settled']);
  t.ok(thrown(() => context.sendInitialMetadata({ 'grpc-status': '0' })) instanceof TypeError);
  t.ok(thrown(() => context.setTrailingMetadata({ 'bad key': '0' })) instanceof TypeError);
});

await t.test('setStatus: a code other than OK takes the place of the response', async (t) => {
  const { context, call, finish } = begin();
  const log: unknown[] = [];
  context.addAbortionCallback((given) => log.push(given));
  context.setTrailingMetadata({ 'x-t': '1' });
  context.setStatus(Status.NOT_FOUND, 'nowhere');
  finish('dropped');
  await turn();
  t.strictSame(call.log, ['close 5 nowhere [x-t,1]', 'settled']);
  t.strictSame(log, [Abortion.SERVICER_FAILURE]);
});

await t.test('setStatus on a response stream counts at its end', async (t) => {
  const { call } = serve(
    unaryStreamServiceDescription<string, string>(
      function* (_request, context) {
        yield 'a';
        context.setStatus(Status.DATA_LOSS, 'half of it');
      },
      readText,
      writeText,
    ),
  );
  call.message('x');
  t.strictSame(call.log, ['message a', 'close 15 half of it', 'settled']);
});

await t.test('setStatus(OK) takes a status back', async (t) => {
  const { context, call, finish } = begin();
  context.setStatus(Status.ABORTED);
  context.setStatus(Status.OK);
  finish('y');
  await turn();
  t.strictSame(call.log, ['response y', 'settled']);
});

await t.test('abort() raises the RpcError that ends the RPC', async (t) => {
  const { call, reported } = serve(
    unaryUnaryServiceDescription<string, string>(
      (_request, context) => {
        context.setTrailingMetadata({ 'x-t': '1' });
        return context.abort(Status.PERMISSION_DENIED, 'not you');
      },
      readText,
      writeText,
    ),
  );
  call.message('x');
  t.strictSame(call.log, ['close 7 not you [x-t,1]', 'settled']);
  t.strictSame(reported, []);
});

await t.test('codes that are none are a RangeError', async (t) => {
  const { context } = begin();
  for (const code of [-1, 17, 1.5, Number.NaN, '5', null]) {
    t.ok(thrown(() => context.setStatus(code as number)) instanceof RangeError);
    t.ok(thrown(() => context.abort(code as number)) instanceof RangeError);
  }
  t.ok(thrown(() => context.abort(Status.OK)) instanceof RangeError);
  t.ok(thrown(() => context.abort(Status.CANCELLED)) instanceof CancellationError);
  t.ok(thrown(() => context.abort(Status.INTERNAL)) instanceof RpcError);
});
