/** Deadlines and cancellation from a call being served to the calls that its handler makes. */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  CancellationError,
  ExpirationError,
  type RpcContext,
  type Server,
  type Stub,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { joinCallContext, scopeStorage } from '../../lib/platform/call-context.ts';
import { fromJson, gate, openStub, startServer, toJson } from '../alpha/support/loopback.ts';
import { type TestContext, t } from '../support/tap.ts';

const BACKEND = {
  /** Answers with the seconds it was given; -1: no deadline. */
  Left: unaryUnaryInvocationDescription(toJson, fromJson<number>),
  /** Never answers. */
  Hang: unaryUnaryInvocationDescription(toJson, fromJson<number>),
};
const FRONT = {
  Ask: unaryUnaryInvocationDescription(toJson, fromJson<number>),
  Stream: unaryStreamInvocationDescription(toJson, fromJson<number>),
  Chat: streamStreamInvocationDescription(toJson, fromJson<number>),
};

/** A service whose behaviours see what they are given and how they end. */
class Backend {
  readonly hanging: RpcContext[] = [];
  onHang: () => void = () => {};

  readonly methods = {
    Left: unaryUnaryServiceDescription(
      (_: unknown, context) => {
        const left = context.timeRemaining();
        return left === Number.POSITIVE_INFINITY ? -1 : left;
      },
      fromJson<unknown>,
      toJson,
    ),
    Hang: unaryUnaryServiceDescription(
      (_: unknown, context) => {
        this.hanging.push(context);
        this.onHang();
        return new Promise<number>((_resolve, reject) => {
          context.signal.addEventListener('abort', () => reject(context.signal.reason));
        });
      },
      fromJson<unknown>,
      toJson,
    ),
  };
}

type BackStub = Stub<typeof BACKEND>;

/** A backend, and a front service whose behaviours call it. */
async function gateway(
  t: TestContext,
  ask: (back: BackStub, request: string) => Promise<number>,
  stubOptions = {},
): Promise<{ front: Stub<typeof FRONT>; backend: Backend; server: Server }> {
  const backend = new Backend();
  const backServer = await startServer(t, 'test.Back', backend.methods, { onError: () => {} });
  const back = openStub(t, 'test.Back', BACKEND, backServer, stubOptions);
  const server = await startServer(
    t,
    'test.Front',
    {
      Ask: unaryUnaryServiceDescription(
        (text: string) => ask(back, text),
        fromJson<string>,
        toJson,
      ),
      Stream: unaryStreamServiceDescription(
        async function* (text: string) {
          for (let i = 0; i < 3; i++) {
            await sleep(1);
            yield await ask(back, text);
          }
        },
        fromJson<string>,
        toJson,
      ),
      Chat: streamStreamServiceDescription(
        async function* (texts) {
          for await (const text of texts) yield await ask(back, text);
        },
        fromJson<string>,
        toJson,
      ),
    },
    { onError: () => {} },
  );
  return { front: openStub(t, 'test.Front', FRONT, server), backend, server };
}

/** Whether `left` is what remains of `seconds` a moment later. */
function isRestOf(t: TestContext, left: number, seconds: number): void {
  t.ok(left <= seconds && left > seconds - 5, `${left} s of ${seconds}`);
}

await t.test(
  'a call made in a handler inherits the rest of its deadline, across await',
  async (t) => {
    const { front } = await gateway(t, async (back, text) => {
      if (text === 'at once') return back.Left('', Number.POSITIVE_INFINITY);
      await sleep(5);
      await Promise.all([sleep(1), sleep(0)]);
      return back.Left('', 1000);
    });
    isRestOf(t, await front.Ask('at once', 20), 20);
    isRestOf(t, await front.Ask('later', 20), 20);
    isRestOf(t, await front.Ask('later', 5000), 1000);
    t.equal(await front.Ask('at once', Number.POSITIVE_INFINITY), -1);
  },
);

await t.test('in generators too, wherever they are resumed from', async (t) => {
  const { front } = await gateway(t, (back) => back.Left('', 1000));
  const lefts: number[] = [];
  for await (const left of front.Stream('', 30)) lefts.push(left);
  async function* texts(): AsyncGenerator<string> {
    for (let i = 0; i < 3; i++) {
      await sleep(2);
      yield 'x';
    }
  }
  for await (const left of front.Chat(texts(), 30)) lefts.push(left);
  t.equal(lefts.length, 6);
  for (const left of lefts) isRestOf(t, left, 30);
});

await t.test('calls that run side by side keep their own deadlines', async (t) => {
  const { front } = await gateway(t, async (back) => {
    await sleep(Math.random() * 5);
    return back.Left('', 100_000);
  });
  const budgets = Array.from({ length: 40 }, (_, i) => 100 + 100 * i);
  const lefts = await Promise.all(budgets.map((seconds) => front.Ask('', seconds)));
  for (const [i, left] of lefts.entries()) isRestOf(t, left, budgets[i]!);
});

await t.test('when the outer call is cancelled, so are the calls made in it', async (t) => {
  const seen: unknown[] = [];
  const ended = gate();
  const { front, backend } = await gateway(t, async (back) => {
    await sleep(0);
    try {
      return await back.Hang('', 30);
    } catch (error) {
      seen.push(error);
      ended.open();
      throw error;
    }
  });
  const hung = gate();
  backend.onHang = hung.open;
  const outer = front.Ask.async('', 30);
  await hung.opened;
  outer.cancel();
  await ended.opened;
  t.ok(seen[0] instanceof CancellationError);
  t.match(String(seen[0]), 'the call that it was made in was aborted (cancelled)');
  await new Promise<void>((resolve) => {
    backend.hanging[0]!.addAbortionCallback(() => resolve());
  });
  t.notOk(backend.hanging[0]!.isActive(), 'and the backend hears of it');
});

await t.test('when the outer deadline passes, inner calls expire with it', async (t) => {
  const seen: unknown[] = [];
  const ended = gate();
  const { front } = await gateway(t, async (back) => {
    try {
      return await back.Hang('', Number.POSITIVE_INFINITY);
    } catch (error) {
      seen.push(error);
      ended.open();
      throw error;
    }
  });
  await t.rejects(front.Ask('', 0.2), ExpirationError);
  await ended.opened;
  // By its own deadline, or by the reset of the client, whose clock started a little earlier.
  const isOver = seen[0] instanceof ExpirationError || seen[0] instanceof CancellationError;
  t.ok(isOver, String(seen[0]));
});

await t.test('a call made after the outer one was cancelled ends at once', async (t) => {
  const seen: unknown[] = [];
  const [hung, ended] = [gate(), gate()];
  const { front } = await gateway(t, async (back) => {
    const first = back.Hang('', 30).catch(() => {});
    hung.open();
    await first;
    await back.Left('', 30).catch((error: unknown) => seen.push(error));
    ended.open();
    return 0;
  });
  const outer = front.Ask.async('', 30);
  await hung.opened;
  await sleep(20);
  outer.cancel();
  await ended.opened;
  t.ok(seen[0] instanceof CancellationError);
});

await t.test('propagate: false, of the call or of the stub, is the way out', async (t) => {
  const ofCall = await gateway(t, (back) => back.Left('', { timeout: 1000, propagate: false }));
  isRestOf(t, await ofCall.front.Ask('', 20), 1000);
  const ofStub = await gateway(t, (back) => back.Left('', 1000), { propagate: false });
  isRestOf(t, await ofStub.front.Ask('', 20), 1000);
});

await t.test('what a handler leaves behind when it has ended inherits nothing', async (t) => {
  const late: Promise<number>[] = [];
  const { front } = await gateway(t, (back) => {
    late.push(sleep(30).then(() => back.Left('', 1000)));
    return Promise.resolve(0);
  });
  await front.Ask('', 20);
  isRestOf(t, await late[0]!, 1000);
});

await t.test(
  'a channel that was connected in a handler does not drag its context along',
  async (t) => {
    const backend = new Backend();
    const backServer = await startServer(t, 'test.Back', backend.methods);
    let back: BackStub | null = null;
    const server = await startServer(t, 'test.Front', {
      Ask: unaryUnaryServiceDescription(
        () => {
          back ??= openStub(t, 'test.Back', BACKEND, backServer);
          return back.Left('', 1000);
        },
        fromJson<string>,
        toJson,
      ),
    });
    const front = openStub(t, 'test.Front', { Ask: FRONT.Ask }, server);
    await front.Ask('', 20);
    const options = { timeout: 3000, onTrailingMetadata: () => nested.push(back!.Left('', 1000)) };
    const nested: Promise<number>[] = [];
    isRestOf(t, await back!.Left('', options), 3000);
    isRestOf(t, await nested[0]!, 1000);
    isRestOf(t, await front.Ask('', 500), 500);
  },
);

await t.test('callbacks of a call run in the context that the call was made in', async (t) => {
  const lefts: Promise<number>[] = [];
  const { front } = await gateway(t, async (back) => {
    const future = back.Left.async('', 1000);
    const told = gate();
    future.addDoneCallback(() => {
      lefts.push(back.Left('', 1000));
      told.open();
    });
    await told.opened;
    return lefts.at(-1)!;
  });
  isRestOf(t, await front.Ask('', 20), 20);
  isRestOf(t, await front.Ask('', 40), 40);
});

await t.test('nothing is tracked unless this process both serves and calls', async (t) => {
  t.equal(scopeStorage(), null, 'all servers and stubs of this file are closed');
  const leaveServer = joinCallContext('servers');
  t.equal(scopeStorage(), null);
  const leaveChannel = joinCallContext('channels');
  const storage = scopeStorage()!;
  t.equal(storage.current(), null);
  leaveChannel();
  leaveChannel();
  t.equal(scopeStorage(), null);
  const leaveOther = joinCallContext('channels');
  t.equal(scopeStorage(), storage, 'always the same one');
  leaveOther();
  leaveServer();
});
