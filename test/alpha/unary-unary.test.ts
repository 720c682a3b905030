import type { BoundMethod } from '../../lib/alpha/bound-method.ts';
import { CancellationError, ExpirationError, RpcError } from '../../lib/alpha/exceptions.ts';
import type { RpcOptions, Timeout } from '../../lib/alpha/interfaces.ts';
import { makeStub } from '../../lib/alpha/stub.ts';
import { unaryUnaryInvocationDescription } from '../../lib/alpha/utilities.ts';
import { Metadata, type MetadataValue } from '../../lib/metadata.ts';
import { Status } from '../../lib/status.ts';
import { t } from '../support/tap.ts';
import {
  FakeChannel,
  OK,
  octetsOf,
  readText,
  rejection,
  status,
  thrown,
  turn,
  writeText,
} from './support/fake-channel.ts';

type Transformer = NonNullable<BoundMethod<never, unknown>['activation']['metadataTransformer']>;

function open(
  options: {
    serializer?: (request: string) => Uint8Array;
    deserializer?: (octets: Uint8Array) => string;
    transformer?: Transformer;
  } = {},
) {
  const channel = new FakeChannel();
  const reported: string[] = [];
  const stub = makeStub(
    'test.Echo',
    {
      Say: unaryUnaryInvocationDescription(
        options.serializer ?? writeText,
        options.deserializer ?? readText,
      ),
    },
    {
      openChannel: () => channel,
      metadataTransformer: options.transformer ?? null,
      report: (error, where) => reported.push(`${where}: ${(error as Error).message}`),
    },
  ).open();
  return { channel, stub, reported };
}

await t.test('a direct call is a promise of the response', async (t) => {
  const { channel, stub } = open();
  const answer = stub.Say('hello', 2.5);
  t.ok(answer instanceof Promise);
  t.strictSame(channel.call.log, ['unary hello']);
  t.strictSame(channel.call.options, {
    deadlineMs: 7500,
    timeoutMs: 2500,
    metadata: null,
    waitForReady: false,
    compression: null,
    propagate: true,
  });
  channel.call.respond('there');
  t.equal(await answer, 'there');
});

await t.test('Infinity is no limit', async (t) => {
  const { channel, stub } = open();
  void stub.Say('hello', Number.POSITIVE_INFINITY);
  t.equal(channel.call.options.deadlineMs, Number.POSITIVE_INFINITY);
  t.equal(channel.call.options.timeoutMs, Number.POSITIVE_INFINITY);
});

await t.test('a timeout that is none is a TypeError at once, in both forms', async (t) => {
  const { channel, stub } = open();
  const bad: unknown[] = [
    undefined,
    null,
    '3',
    Number.NaN,
    true,
    5n,
    {},
    { timeout: undefined },
    { timeout: null },
    { timeout: '3' },
    { timeout: Number.NaN },
  ];
  for (const timeout of bad) {
    for (const form of [stub.Say, stub.Say.async]) {
      const error = thrown(() => form('x', timeout as Timeout));
      t.ok(error instanceof TypeError);
      t.match(error.message, /timeout must be a number of seconds/);
    }
  }
  t.equal(channel.calls.length, 0);
});

await t.test('options that are none are a TypeError at once', async (t) => {
  const { channel, stub } = open();
  const bad: [unknown, RegExp][] = [
    [{ timeout: 1, signal: {} }, /options\.signal must be an AbortSignal/],
    [{ timeout: 1, signal: null }, /options\.signal must be an AbortSignal/],
    [{ timeout: 1, onInitialMetadata: 1 }, /options\.onInitialMetadata must be a function/],
    [{ timeout: 1, onTrailingMetadata: 'x' }, /options\.onTrailingMetadata must be a function/],
    [{ timeout: 1, metadata: { 'grpc-status': '0' } }, /grpc-/],
    [{ timeout: 1, metadata: [['k', 'ä']] }, /printable ASCII/],
  ];
  for (const [options, message] of bad) {
    const error = thrown(() => stub.Say('x', options as RpcOptions));
    t.ok(error instanceof TypeError);
    t.match(error.message, message);
  }
  t.equal(channel.calls.length, 0);
});

await t.test(
  'zero and negative timeouts expire without touching serializer or network',
  async (t) => {
    let serialized = 0;
    const { channel, stub } = open({
      serializer: () => {
        serialized++;
        return octetsOf('');
      },
    });
    for (const timeout of [0, -0, -1, Number.NEGATIVE_INFINITY, { timeout: 0 }]) {
      const error = await rejection(stub.Say('x', timeout));
      t.ok(error instanceof ExpirationError);
      t.equal((error as ExpirationError).code, Status.DEADLINE_EXCEEDED);
      t.ok((await stub.Say.async('x', timeout).exception()) instanceof ExpirationError);
    }
    t.equal(serialized, 0);
    t.equal(channel.calls.length, 0);
  },
);

await t.test(
  'every status but OK rejects with the error class of that status, at once',
  async (t) => {
    const { channel, stub } = open();
    for (const code of Object.values(Status).filter((code) => code !== Status.OK)) {
      const answer = stub.Say('x', 600);
      channel.call.end(status(code, 'because', ['x-why', 'that']));
      const error = (await rejection(answer)) as RpcError;
      t.ok(error instanceof RpcError);
      t.equal(error instanceof CancellationError, code === Status.CANCELLED);
      t.equal(error instanceof ExpirationError, code === Status.DEADLINE_EXCEEDED);
      t.equal(error.code, code);
      t.equal(error.details, 'because');
      t.equal(error.metadata.get('x-why'), 'that');
    }
  },
);

await t.test(
  'the status decides, not the message: a message before another status is dropped',
  async (t) => {
    const { channel, stub } = open();
    const answer = stub.Say('x', 1);
    channel.call.message('early');
    channel.call.end(status(Status.ABORTED));
    t.equal(((await rejection(answer)) as RpcError).code, Status.ABORTED);
  },
);

await t.test('OK without a response is an RpcError', async (t) => {
  const { channel, stub } = open();
  const answer = stub.Say('x', 1);
  channel.call.end(OK);
  const error = (await rejection(answer)) as RpcError;
  t.ok(error instanceof RpcError);
  t.equal(error.code, Status.UNIMPLEMENTED);
  const future = stub.Say.async('x', 1);
  channel.call.end(OK);
  t.equal((await future.exception())?.code, Status.UNIMPLEMENTED);
});

await t.test(
  'a serializer that raises fails that RPC only, with INTERNAL, the method and the cause',
  async (t) => {
    const { channel, stub } = open();
    const error = (await rejection(stub.Say(7 as unknown as string, 1))) as RpcError;
    t.equal(error.code, Status.INTERNAL);
    t.match(error.details, 'request serializer of /test.Echo/Say failed: no text: 7');
    t.ok(error.cause instanceof RangeError);
    const next = stub.Say('x', 1);
    channel.call.respond('fine');
    t.equal(await next, 'fine');
  },
);

await t.test('a serializer that gives no octets fails that RPC', async (t) => {
  for (const value of [undefined, null, 'text', 7, new ArrayBuffer(1)]) {
    const { channel, stub } = open({ serializer: () => value as unknown as Uint8Array });
    const error = (await rejection(stub.Say('x', 1))) as RpcError;
    t.equal(error.code, Status.INTERNAL);
    t.match(error.details, /\/test\.Echo\/Say failed: it must return a Uint8Array/);
    t.ok(error.cause instanceof TypeError);
    t.strictSame(
      channel.calls.map((call) => call.log),
      [[]],
      'the call was not started',
    );
  }
});

await t.test('a deserializer that raises fails that RPC only', async (t) => {
  const { channel, stub } = open({
    deserializer: (octets) => {
      if (octets.length === 3) throw new RangeError('unreadable');
      return readText(octets);
    },
  });
  const bad = stub.Say('x', 1);
  const badFuture = stub.Say.async('x', 1);
  channel.calls[0]!.respond('bad');
  channel.calls[1]!.respond('bad');
  for (const error of [(await rejection(bad)) as RpcError, await badFuture.exception()]) {
    t.equal(error?.code, Status.INTERNAL);
    t.equal(error?.details, 'response deserializer of /test.Echo/Say failed: unreadable');
    t.ok(error?.cause instanceof RangeError);
  }
  const good = stub.Say('x', 1);
  channel.call.respond('good');
  t.equal(await good, 'good');
});

await t.test('a null request reaches the serializer', async (t) => {
  const { channel, stub } = open({ serializer: (request) => octetsOf(String(request)) });
  void stub.Say(null as unknown as string, 1);
  t.strictSame(channel.call.log, ['unary null']);
});

await t.test(
  'metadata: transformer first, then the call; -bin values, capitals in keys',
  async (t) => {
    const given: unknown[] = [];
    const { channel, stub } = open({
      transformer: (metadata) => {
        given.push([...metadata]);
        return [
          ['Authorization', 'Bearer x'],
          ['trace-bin', new Uint8Array([1, 2])],
        ];
      },
    });
    void stub.Say('x', { timeout: 1, metadata: { 'X-Key': ['a', 'b'] } });
    t.strictSame(channel.call.options.metadata, [
      'authorization',
      'Bearer x',
      'trace-bin',
      'AQI',
      'x-key',
      'a',
      'x-key',
      'b',
    ]);
    void stub.Say('x', 1);
    t.strictSame(channel.call.options.metadata, ['authorization', 'Bearer x', 'trace-bin', 'AQI']);
    t.strictSame(given, [[], []], 'called once per RPC, with an empty list');
  },
);

await t.test(
  'the transformer may fill the list it is given, or return any iterable of pairs',
  async (t) => {
    const transformers: Transformer[] = [
      (metadata) => {
        (metadata as [string, MetadataValue][]).push(['k', 'v']);
        return metadata;
      },
      () => new Map([['k', 'v']]),
      () => Metadata.from({ k: 'v' }),
      function* () {
        yield ['k', 'v'] as const;
      },
    ];
    for (const transformer of transformers) {
      const { channel, stub } = open({ transformer });
      void stub.Say('x', 1);
      t.strictSame(channel.call.options.metadata, ['k', 'v']);
    }
  },
);

await t.test(
  'a transformer that fails, or gives no pairs, fails that call with the cause',
  async (t) => {
    const raised = new Error('no token');
    const transformers: [Transformer, RegExp][] = [
      [
        () => {
          throw raised;
        },
        /metadata transformer of \/test\.Echo\/Say failed: no token/,
      ],
      [() => undefined as never, /must return an iterable/],
      [() => ({ k: 'v' }) as never, /must return an iterable/],
      [() => [['bad key', 'v']], /bad key/],
      [() => 'k' as never, /metadata/],
    ];
    for (const [transformer, message] of transformers) {
      const { channel, stub } = open({ transformer });
      const error = (await rejection(stub.Say('x', 1))) as RpcError;
      t.equal(error.code, Status.INTERNAL);
      t.match(error.details, message);
      t.ok(error.cause instanceof Error);
      t.equal(channel.calls.length, 0);
    }
  },
);

await t.test('waitForReady is handed on', async (t) => {
  const { channel, stub } = open();
  void stub.Say('x', { timeout: 1, waitForReady: true });
  t.equal(channel.call.options.waitForReady, true);
});

await t.test('an AbortSignal cancels; its reason is the cause', async (t) => {
  const { channel, stub } = open();
  const controller = new AbortController();
  const answer = stub.Say('x', { timeout: 1, signal: controller.signal });
  const reason = new Error('enough');
  controller.abort(reason);
  const error = await rejection(answer);
  t.ok(error instanceof CancellationError);
  t.equal(error.cause, reason);
  t.strictSame(channel.call.log, ['unary x', `fail ${Status.CANCELLED}`]);
});

await t.test('a signal that has aborted before: no network', async (t) => {
  const { channel, stub } = open();
  const answer = stub.Say('x', { timeout: 1, signal: AbortSignal.abort('early') });
  const error = await rejection(answer);
  t.ok(error instanceof CancellationError);
  t.equal(error.cause, 'early');
  t.equal(channel.calls.length, 0);
});

await t.test('the signal is let go when the RPC ends', async (t) => {
  const { channel, stub } = open();
  let listeners = 0;
  const signal = {
    aborted: false,
    addEventListener: () => listeners++,
    removeEventListener: () => listeners--,
  } as unknown as AbortSignal;
  const answer = stub.Say('x', { timeout: 1, signal });
  t.equal(listeners, 1);
  channel.call.respond('y');
  await answer;
  t.equal(listeners, 0);
  const unserializable = rejection(stub.Say(7 as unknown as string, { timeout: 1, signal }));
  await unserializable;
  t.equal(listeners, 0, 'also when it never started');
});

await t.test(
  'metadata callbacks: initial when it arrives, trailing at the end, before the answer',
  async (t) => {
    const { channel, stub, reported } = open();
    const log: string[] = [];
    const options: RpcOptions = {
      timeout: 1,
      onInitialMetadata: (metadata) => log.push(`initial ${metadata.get('x-i')}`),
      onTrailingMetadata: (metadata) => log.push(`trailing ${metadata.get('x-t')}`),
    };
    const answer = stub.Say('x', options).then((value) => log.push(value));
    channel.call.metadata(['x-i', '1']);
    channel.call.message('y');
    channel.call.end(status(Status.OK, '', ['grpc-status', '0', 'x-t', '2']));
    await answer;
    t.strictSame(log, ['initial 1', 'trailing 2', 'y']);

    const failing = stub.Say('x', options);
    channel.call.end(status(Status.NOT_FOUND, '', ['x-t', '3']));
    await rejection(failing);
    t.equal(log.at(-1), 'trailing 3');
    t.strictSame(reported, []);
  },
);

await t.test('a metadata callback that raises is reported and changes nothing', async (t) => {
  const { channel, stub, reported } = open();
  const answer = stub.Say('x', {
    timeout: 1,
    onTrailingMetadata: () => {
      throw new Error('mine');
    },
  });
  channel.call.respond('y');
  t.equal(await answer, 'y');
  t.strictSame(reported, ['/test.Echo/Say: onTrailingMetadata: mine']);
});

await t.test('leaving the context does not cancel an RPC in flight', async (t) => {
  const { channel, stub } = open();
  const answer = stub.Say('x', 1);
  await stub.close();
  await turn();
  t.strictSame(channel.call.log, ['unary x']);
  channel.call.respond('late');
  t.equal(await answer, 'late');
});
