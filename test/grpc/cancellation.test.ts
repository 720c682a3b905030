/** Every way to give a call up, and that the handler at the other end hears of it, over sockets. */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import {
  Abortion,
  CancellationError,
  type RpcContext,
  RpcError,
  type Server,
  Status,
  type Stub,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  stub,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { fromJson, gate, openStub, startServer, toJson } from '../alpha/support/loopback.ts';
import { type TestContext, t } from '../support/tap.ts';

const METHODS = {
  UnaryUnary: unaryUnaryInvocationDescription(toJson, fromJson<number>),
  UnaryStream: unaryStreamInvocationDescription(toJson, fromJson<number>),
  StreamUnary: streamUnaryInvocationDescription(toJson, fromJson<number>),
  StreamStream: streamStreamInvocationDescription(toJson, fromJson<number>),
};
type Name = keyof typeof METHODS;
const NAMES = Object.keys(METHODS) as Name[];

/** Behaviours that go on until they are stopped, and say how they were. */
class Endless {
  /** What each behaviour noticed, in order. */
  readonly log: string[] = [];
  readonly #started = gate();
  readonly #ended = gate();

  /** Resolves when a behaviour runs and has sent something if it can. */
  get started(): Promise<void> {
    return this.#started.opened;
  }

  /** Resolves when it has been left. */
  get ended(): Promise<void> {
    return this.#ended.opened;
  }

  readonly methods = {
    UnaryUnary: unaryUnaryServiceDescription(
      (_: number, context) => this.#wait(context),
      fromJson<number>,
      toJson,
    ),
    UnaryStream: unaryStreamServiceDescription(
      (_: number, context) => this.#yield(context),
      fromJson<number>,
      toJson,
    ),
    StreamUnary: streamUnaryServiceDescription(
      (requests, context) => this.#read(requests, context),
      fromJson<number>,
      toJson,
    ),
    StreamStream: streamStreamServiceDescription(
      (requests, context) => this.#answer(requests, context),
      fromJson<number>,
      toJson,
    ),
  };

  #watch(context: RpcContext): void {
    context.addAbortionCallback((abortion) => this.log.push(`callback ${abortion}`));
    context.signal.addEventListener('abort', () => {
      const reason = context.signal.reason as RpcError;
      this.log.push(`signal ${reason.code} ${context.isActive()}`);
    });
  }

  async #wait(context: RpcContext): Promise<number> {
    this.#watch(context);
    try {
      this.#started.open();
      await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
      return 0;
    } finally {
      this.#leave();
    }
  }

  async *#yield(context: RpcContext): AsyncGenerator<number> {
    this.#watch(context);
    try {
      for (let i = 0; ; i++) {
        yield i;
        this.#started.open();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    } finally {
      this.#leave();
    }
  }

  async #read(requests: AsyncIterable<number>, context: RpcContext): Promise<number> {
    this.#watch(context);
    try {
      for await (const _ of requests) this.#started.open();
      return 0;
    } catch (error) {
      this.log.push(`requests ${error instanceof CancellationError}`);
      throw error;
    } finally {
      this.#leave();
    }
  }

  async *#answer(requests: AsyncIterable<number>, context: RpcContext): AsyncGenerator<number> {
    this.#watch(context);
    try {
      for await (const request of requests) {
        yield request;
        this.#started.open();
      }
    } catch (error) {
      this.log.push(`requests ${error instanceof CancellationError}`);
      throw error;
    } finally {
      this.#leave();
    }
  }

  #leave(): void {
    this.log.push('finally');
    this.#ended.open();
  }

  /** Checks that the behaviour of `name` was stopped by a cancellation. */
  async check(t: TestContext, name: Name): Promise<void> {
    await this.ended;
    // Whether the signal or the iterator comes first is not promised.
    const expected = ['callback cancelled', 'finally', `signal ${Status.CANCELLED} false`];
    if (name.startsWith('Stream')) expected.push('requests true');
    t.strictSame([...this.log].sort(), expected.sort(), name);
  }
}

/** A request iterable that never ends and says when it was closed. */
function endlessRequests(): { requests: AsyncGenerator<number>; closed: Promise<void> } {
  const closed = gate();
  async function* generate(): AsyncGenerator<number> {
    try {
      for (let i = 0; ; i++) {
        yield i;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    } finally {
      closed.open();
    }
  }
  return { requests: generate(), closed: closed.opened };
}

interface Started {
  /** Rejects with what the caller is told. */
  readonly outcome: Promise<unknown>;
  /** Settles when the caller's own iterable was closed. */
  readonly closed: Promise<void>;
}

function invoke(remote: Stub<typeof METHODS>, name: Name, signal?: AbortSignal): Started {
  const options = { timeout: 60, signal };
  const { requests, closed } = endlessRequests();
  const all = async (values: AsyncIterable<number>): Promise<void> => {
    for await (const _ of values);
  };
  switch (name) {
    case 'UnaryUnary':
      return { outcome: remote.UnaryUnary(1, options), closed: Promise.resolve() };
    case 'UnaryStream':
      return { outcome: all(remote.UnaryStream(1, options)), closed: Promise.resolve() };
    case 'StreamUnary':
      return { outcome: remote.StreamUnary(requests, options), closed };
    case 'StreamStream':
      return { outcome: all(remote.StreamStream(requests, options)), closed };
  }
}

for (const name of NAMES) {
  await t.test(`${name}: an AbortSignal ends the call and the handler`, async (t) => {
    const endless = new Endless();
    const server = await startServer(t, 'test.Endless', endless.methods);
    const remote = openStub(t, 'test.Endless', METHODS, server);
    const controller = new AbortController();
    const { outcome, closed } = invoke(remote, name, controller.signal);
    await endless.started;
    const reason = new Error('changed my mind');
    controller.abort(reason);
    const error = await outcome.then(
      () => null,
      (failure: unknown) => failure,
    );
    t.ok(error instanceof CancellationError);
    t.equal((error as Error).cause, reason);
    t.equal((error as RpcError).end?.endedBy, 'user');
    await closed;
    await endless.check(t, name);
    const late = await invoke(remote, name, AbortSignal.abort()).outcome.catch((e: unknown) => e);
    t.ok(late instanceof CancellationError, 'a signal that has aborted before');
  });
}

for (const way of [
  'break',
  'return()',
  'throw()',
  'throwing',
  'cancel()',
  'asyncDispose',
] as const) {
  for (const name of ['UnaryStream', 'StreamStream'] as const) {
    await t.test(`${name}: ${way} on the iterator ends the call and the handler`, async (t) => {
      const endless = new Endless();
      const server = await startServer(t, 'test.Endless', endless.methods);
      const remote = openStub(t, 'test.Endless', METHODS, server);
      const { requests, closed } = endlessRequests();
      const responses =
        name === 'UnaryStream' ? remote.UnaryStream(1, 60) : remote.StreamStream(requests, 60);
      if (way === 'break') {
        for await (const _ of responses) break;
      } else if (way === 'throwing') {
        const failure = new Error('of the loop');
        const loop = async (): Promise<void> => {
          for await (const _ of responses) throw failure;
        };
        t.equal(await loop().catch((error: unknown) => error), failure);
      } else {
        await responses.next();
        if (way === 'return()')
          t.strictSame(await responses.return(), { value: undefined, done: true });
        if (way === 'throw()') await t.rejects(responses.throw(new RangeError('x')), RangeError);
        if (way === 'cancel()') responses.cancel();
        if (way === 'asyncDispose') await responses[Symbol.asyncDispose]();
      }
      if (name === 'StreamStream') await closed;
      await endless.check(t, name);
    });
  }
}

/** A TCP relay to `server` whose connections can be cut without a word. */
async function relayTo(t: TestContext, server: Server): Promise<{ port: number; cut(): void }> {
  const sockets: Socket[] = [];
  const relay = createServer((near) => {
    const far = connect(server.port(), '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('error', () => {});
      from.pipe(to);
      sockets.push(from);
    }
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  t.teardown(() => relay.close());
  return {
    port: (relay.address() as AddressInfo).port,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

for (const name of NAMES) {
  await t.test(`${name}: a client that is gone stops the handler`, async (t) => {
    const endless = new Endless();
    const server = await startServer(t, 'test.Endless', endless.methods);
    const relay = await relayTo(t, server);
    const remote = stub('test.Endless', METHODS, '127.0.0.1', relay.port).open();
    t.teardown(() => remote[Symbol.asyncDispose]());
    const { outcome, closed } = invoke(remote, name);
    await endless.started;
    relay.cut();
    const error = await outcome.catch((failure: unknown) => failure);
    t.ok(error instanceof RpcError && error.code === Status.UNAVAILABLE, String(error));
    t.match(String(error), 'UNAVAILABLE: Connection dropped');
    await closed;
    await endless.check(t, name);
  });
}

await t.test('the handler is told in words what happened', async (t) => {
  const [started, told] = [gate(), gate()];
  let reason: unknown;
  const server = await startServer(t, 'test.Endless', {
    UnaryUnary: unaryUnaryServiceDescription(
      (_: number, context) => {
        context.addAbortionCallback((abortion) => {
          t.equal(abortion, Abortion.CANCELLED);
          reason = context.signal.reason;
          told.open();
        });
        started.open();
        return new Promise<number>(() => {});
      },
      fromJson<number>,
      toJson,
    ),
  });
  const remote = openStub(t, 'test.Endless', { UnaryUnary: METHODS.UnaryUnary }, server);
  const future = remote.UnaryUnary.async(1, 60);
  await started.opened;
  future.cancel();
  await told.opened;
  t.match(
    String(reason),
    'the RPC was aborted: cancelled: the client reset the stream with CANCEL',
  );
});

await t.test('a request asked for ahead and awaited later ends no process', async (t) => {
  const [asked, told, ended] = [gate(), gate(), gate()];
  const seen: unknown[] = [];
  const server = await startServer(t, 'test.Ahead', {
    StreamUnary: streamUnaryServiceDescription(
      async (requests, context) => {
        context.addAbortionCallback(() => told.open());
        const first = requests.next();
        asked.open();
        await told.opened;
        // A turn in which a rejection that nobody handles would be noticed.
        await new Promise((resolve) => setTimeout(resolve, 5));
        const second = requests.next();
        await new Promise((resolve) => setTimeout(resolve, 5));
        for (const next of [first, second]) await next.catch((error) => seen.push(error));
        ended.open();
        return 0;
      },
      fromJson<number>,
      toJson,
    ),
  });
  const remote = openStub(t, 'test.Ahead', { StreamUnary: METHODS.StreamUnary }, server);
  async function* late(): AsyncGenerator<number> {
    await ended.opened;
    yield 1;
  }
  const future = remote.StreamUnary.async(late(), 60);
  await asked.opened;
  future.cancel();
  await ended.opened;
  t.equal(seen.length, 2);
  for (const error of seen) t.ok(error instanceof CancellationError);
});
