import { CancellationError, ExpirationError, RpcError } from '../../lib/alpha/exceptions.ts';
import {
  Abortion,
  type RequestIterator,
  type RpcContext,
  type RpcMethodServiceDescription,
} from '../../lib/alpha/interfaces.ts';
import { VALUES_PER_TURN } from '../../lib/alpha/message-pump.ts';
import { serverMethods } from '../../lib/alpha/service-handler.ts';
import {
  streamStreamServiceDescription,
  streamUnaryServiceDescription,
  unaryStreamServiceDescription,
  unaryUnaryServiceDescription,
} from '../../lib/alpha/utilities.ts';
import { MAX_LINES_PER_SECOND } from '../../lib/line-budget.ts';
import { Metadata } from '../../lib/metadata.ts';
import { Status } from '../../lib/status.ts';
import { SERVER_LIMITS } from '../../transport/limits.ts';
import { t } from '../support/tap.ts';
import { readText, rejection, thrown, turn, writeText } from './support/fake-channel.ts';
import { FakeServerCall, serve } from './support/fake-server-call.ts';

type Behavior = (request: string, context: RpcContext) => unknown;

const unaryUnary = (behavior: Behavior, read = readText, write = writeText) =>
  serve(unaryUnaryServiceDescription(behavior as (request: string) => string, read, write));
const unaryStream = (behavior: Behavior, read = readText, write = writeText) =>
  serve(unaryStreamServiceDescription(behavior as () => string[], read, write));
const streamUnary = (
  behavior: (requests: RequestIterator<string>, context: RpcContext) => unknown,
  read = readText,
) => serve(streamUnaryServiceDescription(behavior as () => string, read, writeText));
const streamStream = (
  behavior: (requests: RequestIterator<string>, context: RpcContext) => unknown,
  read = readText,
) => serve(streamStreamServiceDescription(behavior as () => string[], read, writeText));

await t.test('a synchronous unary behaviour answers in the same step', async (t) => {
  const { call } = unaryUnary((request) => `${request}!`);
  call.message('x');
  t.strictSame(call.log, ['response x!', 'settled']);
});

await t.test('asynchronous unary behaviours and thenables', async (t) => {
  for (const behavior of [
    async (request: string) => {
      await turn();
      return `${request}!`;
    },
    (request: string) => ({
      // biome-ignore lint/suspicious/noThenProperty: a thenable is the point.
      then: (resolve: (value: string) => void) => resolve(`${request}!`), // oxlint-disable-line unicorn/no-thenable
    }),
  ]) {
    const { call } = unaryUnary(behavior);
    call.message('x');
    await turn();
    await turn();
    t.strictSame(call.log, ['response x!', 'settled']);
  }
});

await t.test(
  'response streams: arrays, generators, async generators, promises of them',
  async (t) => {
    for (const behavior of [
      () => ['a', 'b'],
      function* () {
        yield 'a';
        yield 'b';
      },
      async function* () {
        yield 'a';
        await turn();
        yield 'b';
      },
      async () => {
        await turn();
        return ['a', 'b'];
      },
    ]) {
      const { call } = unaryStream(behavior);
      call.message('x');
      for (let i = 0; i < 4; i++) await turn();
      t.strictSame(call.log, ['message a', 'message b', 'close 0', 'settled']);
    }
  },
);

await t.test('a stream-unary behaviour reads its requests', async (t) => {
  const { call } = streamUnary(async (requests) => {
    const seen: string[] = [];
    for await (const request of requests) seen.push(request);
    return seen.join('+');
  });
  call.message('a');
  call.message('b');
  call.halfClose();
  await turn();
  t.strictSame(call.log, ['response a+b', 'settled']);
});

await t.test('a stream-stream behaviour answers while it reads', async (t) => {
  const { call } = streamStream(async function* (requests) {
    for await (const request of requests) yield `${request}!`;
  });
  call.message('a');
  await turn();
  t.strictSame(call.log, ['message a!']);
  call.message('b');
  call.halfClose();
  await turn();
  t.strictSame(call.log, ['message a!', 'message b!', 'close 0', 'settled']);
});

await t.test('requests are asked for one at a time, within the bound', async (t) => {
  const { call } = streamUnary(() => new Promise(() => {}));
  let sent = 0;
  while (call.demand > 0) {
    t.equal(call.demand, 1);
    call.message(String(sent++));
  }
  t.equal(sent, SERVER_LIMITS.maxUndeliveredMessages);
});

await t.test('a response stream waits while the call is full', async (t) => {
  let pulled = 0;
  const { call } = unaryStream(function* () {
    for (;;) yield String(pulled++);
  });
  call.accepts = false;
  call.message('x');
  await turn();
  t.equal(pulled, 1);
  call.ready();
  t.ok(pulled > 1);
  t.ok(pulled <= VALUES_PER_TURN, 'an endless generator gives the event loop its turns');
  call.abort('cancelled');
});

await t.test('what a behaviour raises is UNKNOWN with a generic text, and reported', async (t) => {
  const secret = new Error('password is hunter2');
  for (const raise of [
    () => {
      throw secret;
    },
    () => Promise.reject(secret),
  ]) {
    const { call, reported } = unaryUnary(raise);
    call.message('x');
    await turn();
    t.strictSame(call.log, ['close 2 the service raised an exception', 'settled']);
    t.strictSame(reported, [{ error: secret, where: '/test.Echo/Say: behavior' }]);
  }
  const { call, reported } = unaryStream(function* () {
    yield 'a';
    throw secret;
  });
  call.message('x');
  t.strictSame(call.log, ['message a', 'close 2 the service raised an exception', 'settled']);
  t.equal(reported.length, 1);
});

await t.test(
  'an error that carries a status chooses the status, and is not reported',
  async (t) => {
    const trailers = Metadata.from({ 'x-t': '1' });
    const errors: [unknown, string][] = [
      [new RpcError(Status.NOT_FOUND, 'nowhere'), 'close 5 nowhere'],
      [new RpcError(Status.NOT_FOUND, 'nowhere', trailers), 'close 5 nowhere [x-t,1]'],
      [new CancellationError('mine'), 'close 1 mine'],
      [{ code: 9, details: 'plain' }, 'close 9 plain'],
      [Object.assign(new Error('m'), { code: 16, details: '' }), 'close 16'],
    ];
    for (const [error, wanted] of errors) {
      const { call, reported } = unaryUnary(() => {
        throw error;
      });
      call.message('x');
      t.strictSame(call.log, [wanted, 'settled']);
      t.strictSame(reported, []);
    }
  },
);

await t.test('an error that only looks like one is UNKNOWN', async (t) => {
  const errors = [
    { code: 0, details: 'ok?' },
    { code: 17, details: '' },
    { code: 5.5, details: '' },
    { code: '5', details: '' },
    { code: 5 },
    { code: 5, details: 7 },
    Object.assign(new Error('ENOENT'), { code: 'ENOENT' }),
    new RpcError(42, 'strange'),
    undefined,
    null,
    'text',
  ];
  for (const error of errors) {
    const { call, reported } = unaryUnary(() => {
      throw error;
    });
    call.message('x');
    t.strictSame(call.log, ['close 2 the service raised an exception', 'settled']);
    t.equal(reported.length, 1);
  }
});

await t.test('no response is INTERNAL, unary or in a stream', async (t) => {
  for (const nothing of [null, undefined]) {
    const unary = unaryUnary(() => nothing);
    unary.call.message('x');
    t.strictSame(unary.call.log, ['close 13 the service gave no response', 'settled']);
    t.equal(unary.reported.length, 1);
    const stream = unaryStream(() => ['a', nothing, 'never']);
    stream.call.message('x');
    t.strictSame(stream.call.log, [
      'message a',
      'close 13 the service gave no response',
      'settled',
    ]);
  }
});

await t.test('a response stream that is none', async (t) => {
  for (const value of [7, null, undefined, {}]) {
    const { call, reported } = unaryStream(() => value);
    call.message('x');
    t.strictSame(call.log, ['close 2 the service raised an exception', 'settled']);
    t.match((reported[0]!.error as Error).message, /returned no iterable/);
  }
});

await t.test(
  'a response serializer that raises: INTERNAL, and the context sees NETWORK_FAILURE',
  async (t) => {
    for (const write of [
      () => {
        throw new Error('unwritable');
      },
      () => 'text' as never,
    ]) {
      const log: unknown[] = [];
      const unary = unaryUnary(
        (request, context) => {
          context.addAbortionCallback((abortion) => log.push(abortion));
          return request;
        },
        readText,
        write,
      );
      unary.call.message('x');
      t.strictSame(unary.call.log, ['close 13 the response could not be serialized', 'settled']);
      t.strictSame(log, [Abortion.NETWORK_FAILURE]);
      t.equal(unary.reported[0]!.where, '/test.Echo/Say: response serializer');
    }
    let closed = false;
    const stream = unaryStream(
      function* () {
        try {
          yield 'a';
          yield 'b';
        } finally {
          closed = true;
        }
      },
      readText,
      () => {
        throw new Error('unwritable');
      },
    );
    stream.call.message('x');
    t.strictSame(stream.call.log, ['close 13 the response could not be serialized', 'settled']);
    t.ok(closed);
  },
);

await t.test(
  'a request deserializer that raises: INTERNAL, the behaviour does not run',
  async (t) => {
    let ran = false;
    const { call, reported } = unaryUnary(
      () => {
        ran = true;
      },
      () => {
        throw new Error('secret detail');
      },
    );
    call.message('x');
    t.strictSame(call.log, ['close 13 the request could not be deserialized', 'settled']);
    t.notOk(ran);
    t.equal(reported[0]!.where, '/test.Echo/Say: request deserializer');
    t.strictSame(call.trips, ['message.unreadable']);
  },
);

await t.test('requests that cannot be read flood no reporter, behaviours may', async (t) => {
  const reported: string[] = [];
  const failing = (read: (octets: Uint8Array) => string) =>
    unaryUnaryServiceDescription(
      (): string => {
        throw new Error('a fault of the program');
      },
      read,
      writeText,
    ) as RpcMethodServiceDescription<unknown, unknown>;
  const unreadable = (): string => {
    throw new Error('unreadable');
  };
  const served = serverMethods(
    'test.Echo',
    { Read: failing(unreadable), Run: failing(readText) },
    { now: () => 0 },
    (_error, where) => reported.push(where),
  );
  for (const { method, handler } of served) {
    for (let i = 0; i < 1000; i++) {
      const call = new FakeServerCall(method);
      call.listener = handler(call);
      call.message('x');
    }
  }
  const of = (where: string): number => reported.filter((each) => each === where).length;
  // A second may have ended in between.
  t.ok(of('/test.Echo/Read: request deserializer') <= 2 * (MAX_LINES_PER_SECOND + 1));
  t.equal(of('/test.Echo/Run: behavior'), 1000);
});

await t.test(
  'a request deserializer that raises in a stream: the iterator raises too',
  async (t) => {
    const log: unknown[] = [];
    const { call } = streamUnary(
      async (requests, context) => {
        context.addAbortionCallback((abortion) => log.push(abortion));
        const error = (await rejection(requests.next())) as RpcError;
        log.push(error.code);
        throw error;
      },
      () => {
        throw new Error('unreadable');
      },
    );
    call.message('x');
    await turn();
    t.strictSame(call.log, ['close 13 the request could not be deserialized', 'settled']);
    t.strictSame(log, [Abortion.NETWORK_FAILURE, Status.INTERNAL]);
  },
);

await t.test(
  'abortion: the request iterator raises the alpha class, before unread requests',
  async (t) => {
    for (const [kind, errorClass] of [
      ['cancelled', CancellationError],
      ['expired', ExpirationError],
      ['network', RpcError],
    ] as const) {
      const seen: unknown[] = [];
      const { call, reported } = streamUnary(async (requests) => {
        await turn();
        await turn();
        for (let i = 0; i < 2; i++) seen.push((await rejection(requests.next())).constructor);
        throw new Error('ignored: the RPC is inactive');
      });
      call.message('unread');
      call.abort(kind);
      for (let i = 0; i < 4; i++) await turn();
      t.strictSame(seen, [errorClass, errorClass]);
      t.strictSame(call.log, ['settled']);
      t.strictSame(reported, []);
    }
  },
);

await t.test(
  'abortion: the response generator is closed, finally runs, then the slot is free',
  async (t) => {
    const log: string[] = [];
    const { call } = unaryStream(async function* () {
      try {
        for (;;) {
          yield 'a';
          await turn();
        }
      } finally {
        await turn();
        log.push('finally');
      }
    });
    call.message('x');
    await turn();
    call.abort('cancelled');
    t.notOk(call.log.includes('settled'));
    for (let i = 0; i < 4; i++) await turn();
    t.strictSame(log, ['finally']);
    t.equal(call.log.at(-1), 'settled');
  },
);

await t.test('abortion before the behaviour began settles at once', async (t) => {
  const { call } = unaryUnary(() => 'never');
  call.abort('cancelled');
  t.strictSame(call.log, ['settled']);
});

await t.test(
  'a unary behaviour runs on after the abortion, and its result is dropped',
  async (t) => {
    let finish: (value: string) => void = () => {};
    const { call, reported } = unaryUnary(
      () => new Promise<string>((resolve) => (finish = resolve)),
    );
    call.message('x');
    call.abort('expired');
    t.strictSame(call.log, [], 'the slot is taken as long as it runs');
    finish('late');
    await turn();
    t.strictSame(call.log, ['settled']);
    t.strictSame(reported, []);
  },
);

await t.test(
  'an iterable promised before the abortion and given after it is not begun',
  async (t) => {
    let begun = false;
    let finish: (value: unknown) => void = () => {};
    const { call } = unaryStream(() => new Promise((resolve) => (finish = resolve)));
    call.message('x');
    call.abort('cancelled');
    finish({
      [Symbol.iterator]: () => {
        begun = true;
        return [][Symbol.iterator]();
      },
    });
    await turn();
    t.notOk(begun);
    t.strictSame(call.log, ['settled']);
  },
);

await t.test('an early answer ends the request iterator quietly', async (t) => {
  const holder: { requests?: RequestIterator<string> } = {};
  const { call } = streamUnary((requests) => {
    holder.requests = requests;
    return 'early';
  });
  t.strictSame(call.log, ['response early', 'settled']);
  t.strictSame(await holder.requests?.next(), { value: undefined, done: true });
});

await t.test('leaving the request loop drops what is queued', async (t) => {
  const { call } = streamUnary(async (requests) => {
    for await (const request of requests) return request;
    return 'none';
  });
  call.message('a');
  call.message('b');
  await turn();
  t.strictSame(call.log, ['response a', 'settled']);
});

await t.test('an exception of return() is reported', async (t) => {
  const { call, reported } = unaryStream(() => ({
    [Symbol.iterator]: () => ({
      next: () => ({ value: 'a', done: false }),
      return: () => {
        throw new Error('unclosable');
      },
    }),
  }));
  call.accepts = false;
  call.message('x');
  call.abort('cancelled');
  t.equal(reported[0]!.where, '/test.Echo/Say: return() of the response iterator');
  t.equal(call.log.at(-1), 'settled');
});

await t.test('a reporter that raises harms nothing', async (t) => {
  const behavior = (): string => {
    throw new Error('mine');
  };
  const [served] = serverMethods(
    'test.Echo',
    {
      Say: unaryUnaryServiceDescription(behavior, readText, writeText),
    },
    { now: () => 0 },
    () => {
      throw new Error('reporter');
    },
  );
  const call = new FakeServerCall(served!.method);
  call.listener = served!.handler(call);
  call.message('x');
  t.strictSame(call.log, ['close 2 the service raised an exception', 'settled']);
});

await t.test('maps that cannot work are refused', async (t) => {
  const bad: [unknown, RegExp][] = [
    [null, /methods of test\.Echo must be an object/],
    [{ Say: null }, /test\.Echo: methods\.Say is not an RpcMethodServiceDescription/],
    [{ Say: {} }, /is not an RpcMethodServiceDescription/],
  ];
  for (const [methods, message] of bad) {
    const error = thrown(() =>
      serverMethods('test.Echo', methods as never, { now: () => 0 }, () => {}),
    );
    t.ok(error instanceof TypeError);
    t.match(error.message, message);
  }
});
