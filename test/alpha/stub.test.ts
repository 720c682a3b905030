import { inspect } from 'node:util';
import type { InvocationMethods, Stub } from '../../lib/alpha/interfaces.ts';
import { makeStub } from '../../lib/alpha/stub.ts';
import {
  streamStreamInvocationDescription,
  streamUnaryInvocationDescription,
  unaryStreamInvocationDescription,
  unaryUnaryInvocationDescription,
} from '../../lib/alpha/utilities.ts';
import { t } from '../support/tap.ts';
import { FakeChannel, readText, rejection, thrown, writeText } from './support/fake-channel.ts';

const METHODS = {
  Say: unaryUnaryInvocationDescription(writeText, readText),
  Tell: unaryStreamInvocationDescription(writeText, readText),
  Collect: streamUnaryInvocationDescription(writeText, readText),
  Chat: streamStreamInvocationDescription(writeText, readText),
};

function make<Methods extends InvocationMethods>(
  methods: Methods,
): { stub: Stub<Methods>; channels: FakeChannel[] } {
  const channels: FakeChannel[] = [];
  const stub = makeStub('test.Echo', methods, {
    openChannel: () => {
      const channel = new FakeChannel();
      channels.push(channel);
      return channel;
    },
    metadataTransformer: null,
    report: () => {},
  });
  return { stub, channels };
}

await t.test('construction opens no channel; open() opens one and returns the stub', async (t) => {
  const { stub, channels } = make(METHODS);
  t.equal(channels.length, 0);
  t.equal(stub.open(), stub);
  t.equal(channels.length, 1);
});

await t.test('await stub.open() gives the stub: it is no thenable', async (t) => {
  const { stub } = make(METHODS);
  t.equal(await Promise.resolve(stub.open()), stub);
  t.equal((stub as { then?: unknown }).then, undefined);
});

await t.test('opening twice is an error; closing while closed rejects', async (t) => {
  const { stub } = make(METHODS);
  t.match((await rejection(stub.close())).message, /the stub of test\.Echo is not open/);
  stub.open();
  t.match(thrown(() => stub.open()).message, /already open/);
  await stub.close();
  t.match((await rejection(stub.close())).message, /not open/);
});

await t.test('close() waits for the channel, and never suppresses anything', async (t) => {
  const { stub, channels } = make(METHODS);
  stub.open();
  let finish: () => void = () => {};
  channels[0]!.closed = new Promise((resolve) => (finish = resolve));
  let closed = false;
  const closing = stub.close().then((value) => {
    closed = true;
    t.equal(value, undefined);
  });
  await Promise.resolve();
  t.equal(channels[0]!.closes, 1);
  t.notOk(closed);
  finish();
  await closing;
  t.ok(closed);
});

await t.test(
  'a stub can be opened again, any number of times, each time with a new channel',
  async (t) => {
    const { stub, channels } = make(METHODS);
    for (let i = 0; i < 3; i++) {
      stub.open();
      void stub.Say('x', 1);
      await stub.close();
    }
    t.equal(channels.length, 3);
    t.strictSame(
      channels.map((channel) => channel.calls.length),
      [1, 1, 1],
    );
  },
);

await t.test('outside the context every name is an error, known or not', async (t) => {
  const { stub } = make(METHODS);
  const names = stub as unknown as Record<string, unknown>;
  for (const name of ['Say', 'Chat', 'Nope', 'length', '$$typeof']) {
    const error = thrown(() => names[name]);
    t.notOk(error instanceof TypeError, name);
    t.match(error.message, /the stub of test\.Echo is not open: call open\(\) before using/);
    t.match(error.message, JSON.stringify(name));
  }
  stub.open();
  await stub.close();
  t.match(thrown(() => names['Say']).message, /not open/);
  t.match(thrown(() => stub.rpc('Say')).message, /not open/);
});

await t.test('in context an unknown name is a TypeError that names the known ones', async (t) => {
  const { stub } = make(METHODS);
  stub.open();
  const error = thrown(() => (stub as unknown as Record<string, unknown>)['Shout']);
  t.ok(error instanceof TypeError);
  t.match(
    error.message,
    'the stub of test.Echo has no RPC "Shout"; its RPCs are: Say, Tell, Collect, Chat',
  );
  t.ok(thrown(() => stub.rpc('Shout' as 'Say')) instanceof TypeError);
});

await t.test('symbols and the names of every object are no errors', async (t) => {
  const { stub } = make(METHODS);
  const any = stub as unknown as Record<string | symbol, unknown>;
  t.equal(any[Symbol.iterator], undefined);
  t.equal(any[Symbol('mine')], undefined);
  t.equal(any['toJSON'], undefined);
  t.equal(typeof any['toString'], 'function');
  t.equal(JSON.stringify(stub), '{}');
  t.ok(stub instanceof Object);
  t.match(inspect(stub), 'Stub of test.Echo (not open) { Say, Tell, Collect, Chat }');
  stub.open();
  t.match(inspect(stub), 'Stub of test.Echo (open) { Say, Tell, Collect, Chat }');
});

await t.test('RPCs do not appear when the stub is enumerated', async (t) => {
  const { stub } = make(METHODS);
  stub.open();
  t.strictSame(Object.keys(stub), []);
  t.strictSame({ ...stub }, {});
});

await t.test('each access gives a fresh callable', async (t) => {
  const { stub } = make(METHODS);
  stub.open();
  for (const name of ['Say', 'Tell', 'Collect', 'Chat'] as const) t.not(stub[name], stub[name]);
});

await t.test(
  'what a name gives: unary responses have async, streaming ones are plain functions',
  async (t) => {
    const { stub } = make(METHODS);
    stub.open();
    t.equal(typeof stub.Say.async, 'function');
    t.equal(typeof stub.Collect.async, 'function');
    t.notOk('async' in stub.Tell);
    t.notOk('async' in stub.Chat);
    for (const name of ['Say', 'Tell', 'Collect', 'Chat'] as const) t.equal(stub[name].length, 2);
  },
);

await t.test(
  'a callable ends with its context, and stays dead when the stub is opened again',
  async (t) => {
    const { stub, channels } = make(METHODS);
    stub.open();
    const { Say, Tell, Collect, Chat } = stub;
    const later = Say.async;
    await stub.close();
    for (let round = 0; round < 2; round++) {
      for (const use of [
        () => Say('x', 1),
        () => later('x', 1),
        () => Tell('x', 1),
        () => Collect([], 1),
        () => Chat([], 1),
      ]) {
        t.match(thrown(use).message, /has left the context this callable was taken in/);
      }
      if (round === 0) stub.open();
    }
    t.strictSame(
      channels.map((channel) => channel.calls.length),
      [0, 0],
    );
  },
);

await t.test('calls go out under the service-qualified path', async (t) => {
  const { stub, channels } = make(METHODS);
  stub.open();
  void stub.Say('x', 1);
  t.equal(channels[0]!.call.method.path, '/test.Echo/Say');
});

await t.test('RPCs whose names are taken are reached through rpc()', async (t) => {
  const echo = METHODS.Say;
  const names = ['open', 'close', 'rpc', 'then', 'constructor', 'toString', '__proto__', 'async'];
  const methods: Record<string, typeof echo> = Object.create(null);
  for (const name of names) methods[name] = echo;
  const { stub, channels } = make(methods);
  stub.open();
  for (const name of names) {
    const answer = stub.rpc(name)('x', 1);
    t.equal(channels[0]!.call.method.path, `/test.Echo/${name}`);
    channels[0]!.call.respond('y');
    t.equal(await answer, 'y');
  }
  for (const name of ['constructor', 'toString', '__proto__', 'async']) {
    const direct = (stub as unknown as Record<string, (r: string, t: number) => Promise<string>>)[
      name
    ]!('x', 1);
    t.equal(channels[0]!.call.method.path, `/test.Echo/${name}`);
    channels[0]!.call.respond('y');
    await direct;
  }
  t.equal(await Promise.resolve(stub), stub, 'an RPC called then does not make it a thenable');
  await stub.close();
});

await t.test(
  'Symbol.asyncDispose closes once, and is no error when there is nothing to close',
  async (t) => {
    const { stub, channels } = make(METHODS);
    await stub[Symbol.asyncDispose]();
    stub.open();
    await stub[Symbol.asyncDispose]();
    t.equal(channels[0]!.closes, 1);
    await stub[Symbol.asyncDispose]();
    t.equal(channels[0]!.closes, 1);

    stub.open();
    let finish: () => void = () => {};
    channels[1]!.closed = new Promise((resolve) => (finish = resolve));
    void stub.close();
    let disposed = false;
    const disposing = stub[Symbol.asyncDispose]().then(() => (disposed = true));
    await Promise.resolve();
    t.notOk(disposed, 'it waits for a close that is under way');
    finish();
    await disposing;
  },
);

await t.test('maps that cannot work are refused at once', async (t) => {
  const bad: [unknown, RegExp][] = [
    [null, /methods must be an object/],
    [{ Say: null }, /methods\.Say is not an RpcMethodInvocationDescription/],
    [{ Say: {} }, /methods\.Say is not an RpcMethodInvocationDescription/],
    [{ 'a/b': METHODS.Say }, /method name/],
  ];
  for (const [methods, message] of bad) {
    const error = thrown(() => make(methods as InvocationMethods));
    t.ok(error instanceof TypeError);
    t.match(error.message, message);
  }
});
