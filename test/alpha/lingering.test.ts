/** L2 as the person sees it whose server stands still: handlers that run on after their calls have ended hold slots, and show. */

import {
  CancellationError,
  ExpirationError,
  type RpcContext,
  RpcError,
  Status,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { t } from '../support/tap.ts';
import { fromJson, gate, openStub, startServer, toJson } from './support/loopback.ts';

const METHODS = {
  Watch: unaryStreamInvocationDescription(toJson, fromJson<number>),
  Say: unaryUnaryInvocationDescription(toJson, fromJson<string>),
};

/** A promise that knows no AbortSignal, such as that of another library. */
class Foreign {
  readonly #settle: ((value: number) => void)[] = [];
  waiting = 0;

  next(): Promise<number> {
    this.waiting += 1;
    return new Promise((resolve) => this.#settle.push(resolve));
  }

  settleAll(): void {
    for (const settle of this.#settle.splice(0)) settle(7);
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let looks = 0; !condition(); looks++) {
    if (looks > 5000) throw new Error(`never: ${String(condition)}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function service(watch: (context: RpcContext) => AsyncIterable<number>) {
  return {
    Watch: unaryStreamServiceDescription(
      (_: unknown, context) => watch(context),
      fromJson<unknown>,
      toJson,
    ),
    Say: unaryUnaryServiceDescription((word: string) => word, fromJson<string>, toJson),
  };
}

await t.test('L2 a wedged connection shows in stats(), trips and the report', async (t) => {
  const foreign = new Foreign();
  const reports: string[] = [];
  const served = await startServer(
    t,
    'test.Linger',
    service(async function* () {
      yield 1;
      yield await foreign.next();
    }),
    {
      limits: { maxRunningHandlers: 3, lingeringHandlerMs: 20 },
      onError: (error, where) => reports.push(`${where}: ${(error as Error).message}`),
    },
  );
  const remote = openStub(t, 'test.Linger', METHODS, served);
  for (let calls = 0; calls < 3; calls++) {
    const responses = remote.Watch('', 60);
    await responses.next();
    await until(() => foreign.waiting === calls + 1);
    await responses.return();
  }
  await until(() => served.stats().lingeringHandlers.get('/test.Linger/Watch')?.handlers === 3);
  t.equal(served.stats().activeCalls, 0, 'no call is open');
  t.equal(served.stats().runningHandlers, 3, 'and all slots are taken');
  const waits = remote.Say.async('x', 60);
  await until(() => served.stats().waitingCalls === 1);
  await until(() => served.stats().trips.get('handler.lingers') === 3);
  t.equal(reports.length, 1, 'one line for all of them');
  t.match(
    reports[0] ?? '',
    /^\/test\.Linger\/Watch: \d handlers? runs? on after the calls have ended, the longest for \d+\.\d s; that of the first: the client reset the stream with CANCEL\. Each holds one of the 3 handler slots \(maxRunningHandlers\) of its connection\..*context\.signal.*untilAborted/,
  );
  foreign.settleAll();
  t.equal(await waits.result(), 'x', 'once they settle the slots are free');
  await until(() => served.stats().runningHandlers === 0);
  t.equal(served.stats().lingeringHandlers.size, 0);
});

await t.test('L2 the report says when a connection has no slot left', async (t) => {
  const foreign = new Foreign();
  const reports: string[] = [];
  const served = await startServer(
    t,
    'test.Linger',
    service(async function* () {
      yield await foreign.next();
    }),
    {
      limits: { maxRunningHandlers: 1, lingeringHandlerMs: 50 },
      onError: (error) => reports.push((error as Error).message),
    },
  );
  const remote = openStub(t, 'test.Linger', METHODS, served);
  const responses = remote.Watch('', 60);
  await until(() => foreign.waiting === 1);
  responses.cancel();
  const waits = remote.Say.async('x', 60);
  await until(() => reports.length > 0);
  t.match(
    reports[0] ?? '',
    /The connection from ipv4:127\.0\.0\.1:\d+ has no slot left, 1 calls wait\./,
  );
  foreign.settleAll();
  await waits.result();
});

await t.test('L2 a reporter that raises ends nothing', async (t) => {
  const foreign = new Foreign();
  let reports = 0;
  const served = await startServer(
    t,
    'test.Linger',
    service(async function* () {
      yield await foreign.next();
    }),
    {
      limits: { lingeringHandlerMs: 1 },
      onError: () => {
        reports += 1;
        throw new Error('the reporter is broken');
      },
    },
  );
  const remote = openStub(t, 'test.Linger', METHODS, served);
  const responses = remote.Watch('', 60);
  await until(() => foreign.waiting === 1);
  responses.cancel();
  await until(() => reports === 1);
  t.equal(await remote.Say('x', 60), 'x', 'the process and its connections go on');
  foreign.settleAll();
});

await t.test('L2 handlers of connections that are gone are counted until they end', async (t) => {
  const foreign = new Foreign();
  const served = await startServer(
    t,
    'test.Linger',
    service(async function* () {
      yield await foreign.next();
    }),
  );
  const remote = openStub(t, 'test.Linger', METHODS, served);
  const responses = remote.Watch('', 60);
  await until(() => foreign.waiting === 1);
  await responses.return();
  await remote.close();
  await until(() => served.stats().connections === 0);
  const { runningHandlers, lingeringHandlers } = served.stats();
  t.equal(runningHandlers, 1);
  t.equal(lingeringHandlers.get('/test.Linger/Watch')?.handlers, 1);
  foreign.settleAll();
  await until(() => served.stats().runningHandlers === 0);
  t.equal(served.stats().lingeringHandlers.size, 0);
});

await t.test('untilAborted: the foreign promise keeps no slot, finally runs', async (t) => {
  const foreign = new Foreign();
  const finals: unknown[] = [];
  const served = await startServer(
    t,
    'test.Linger',
    service(async function* (context) {
      try {
        yield 1;
        yield await context.untilAborted(foreign.next());
      } catch (error) {
        finals.push(error);
        throw error;
      } finally {
        finals.push('finally');
      }
    }),
    { limits: { maxRunningHandlers: 1 } },
  );
  const remote = openStub(t, 'test.Linger', METHODS, served);
  for (let calls = 1; calls <= 5; calls++) {
    const responses = remote.Watch('', 60);
    await responses.next();
    await until(() => foreign.waiting === calls);
    await responses.return();
  }
  t.equal(await remote.Say('x', 60), 'x', 'the one slot is free again');
  t.equal(finals.length, 10);
  t.ok(finals[0] instanceof CancellationError);
  t.equal(served.stats().lingeringHandlers.size, 0);
});

await t.test('untilAborted: values, errors, after the abortion, without one', async (t) => {
  const seen: unknown[] = [];
  const late = gate();
  const served = await startServer(t, 'test.Linger', {
    Say: unaryUnaryServiceDescription(
      async (word: string, context) => {
        seen.push(await context.untilAborted(Promise.resolve('value')));
        const failing = context.untilAborted(Promise.reject(new Error('own')));
        seen.push(await failing.catch((error: Error) => error.message));
        if (word === 'expire') {
          // Awaited by nobody: the abortion must not become an unhandled rejection.
          void context.untilAborted(new Promise(() => {}));
          await context.untilAborted(new Promise(() => {})).catch((error) => seen.push(error));
          // Already aborted: at once, and what the promise raises later is nobody's unhandled rejection.
          await context
            .untilAborted(Promise.reject(new RpcError(Status.INTERNAL, 'late')))
            .catch((error) => seen.push(error));
          late.open();
        }
        return word;
      },
      fromJson<string>,
      toJson,
    ),
  });
  const remote = openStub(t, 'test.Linger', { Say: METHODS.Say }, served);
  t.equal(await remote.Say('x', 60), 'x');
  t.strictSame(seen, ['value', 'own']);
  seen.length = 0;
  await t.rejects(remote.Say('expire', 0.1), ExpirationError);
  await late.opened;
  t.equal(seen.length, 4);
  // The client's clock started earlier: its reset may come before our own deadline.
  for (const error of seen.slice(2)) {
    t.ok(error instanceof ExpirationError || error instanceof CancellationError, String(error));
  }
});

await t.test('stats() of a stub: state, RPCs in flight, and why it cannot connect', async (t) => {
  const asked = gate();
  const answer = gate();
  const served = await startServer(t, 'test.Linger', {
    Say: unaryUnaryServiceDescription(
      async (word: string) => {
        asked.open();
        await answer.opened;
        return word;
      },
      fromJson<string>,
      toJson,
    ),
  });
  const remote = openStub(t, 'test.Linger', { Say: METHODS.Say }, served);
  t.strictSame(remote.stats(), {
    state: 'IDLE',
    lastError: '',
    connections: 0,
    activeCalls: 0,
    waitingCalls: 0,
    trips: new Map(),
  });
  const call = remote.Say('x', 60);
  await asked.opened;
  // The call leaves with the preface, so the server's SETTINGS may still be on their way.
  await until(() => remote.stats()?.state === 'READY');
  t.equal(remote.stats()?.activeCalls, 1);
  t.equal(served.stats().activeCalls, 1);
  t.equal(served.stats().connections, 1);
  answer.open();
  await call;
  await served.stop();
  await t.rejects(remote.Say('x', 60), RpcError);
  t.equal(remote.stats()?.state, 'TRANSIENT_FAILURE');
  t.match(remote.stats()?.lastError ?? '', 'connection refused');
  await remote.close();
  t.equal(remote.stats(), null);
});
