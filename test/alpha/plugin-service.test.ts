/**
 * The original's protoc-plugin test (alpha-semantics 6.2), the richest test of alpha: a servicer that can be paused or made to fail. The
 * nine cases that the original skipped are active here.
 */

import {
  CancelledError,
  ExpirationError,
  RpcError,
  Status,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { type TestContext, t } from '../support/tap.ts';
import { rejection } from './support/fake-channel.ts';
import { collect, fromJson, gate, openStub, startServer, toJson } from './support/loopback.ts';

const SERVICE = 'test.TestService';
const LONG = 600;
/** Long enough for a call to begin on a busy machine, short enough not to be waited for. */
const SHORT = 0.2;

interface SizesRequest {
  readonly sizes: readonly number[];
}

/** Answers with text of the sizes asked for; can be paused and made to fail. */
class Servicer {
  #pause: ReturnType<typeof gate> | null = null;
  failing = false;

  pause(): void {
    this.#pause = gate();
  }

  resume(): void {
    this.#pause?.open();
    this.#pause = null;
  }

  async control(): Promise<void> {
    if (this.failing) throw new Error('ValueError of the servicer');
    await this.#pause?.opened;
  }

  unary({ sizes }: SizesRequest): string {
    return 'a'.repeat(sizes[0] ?? 0);
  }

  async *stream({ sizes }: SizesRequest): AsyncGenerator<string> {
    for (const size of sizes) {
      await this.control();
      yield 'b'.repeat(size);
    }
  }
}

const METHODS = {
  UnaryCall: unaryUnaryInvocationDescription<SizesRequest, string>(toJson, fromJson),
  StreamingOutputCall: unaryStreamInvocationDescription<SizesRequest, string>(toJson, fromJson),
  StreamingInputCall: streamUnaryInvocationDescription<string, number>(toJson, fromJson),
  FullDuplexCall: streamStreamInvocationDescription<SizesRequest, string>(toJson, fromJson),
  HalfDuplexCall: streamStreamInvocationDescription<SizesRequest, string>(toJson, fromJson),
};

async function fixture(t: TestContext) {
  const servicer = new Servicer();
  const server = await startServer(
    t,
    SERVICE,
    {
      UnaryCall: unaryUnaryServiceDescription(
        async (request: SizesRequest) => {
          await servicer.control();
          return servicer.unary(request);
        },
        fromJson<SizesRequest>,
        toJson,
      ),
      StreamingOutputCall: unaryStreamServiceDescription(
        (request: SizesRequest) => servicer.stream(request),
        fromJson<SizesRequest>,
        toJson,
      ),
      StreamingInputCall: streamUnaryServiceDescription(
        async (requests) => {
          let size = 0;
          for await (const request of requests) size += request.length;
          await servicer.control();
          return size;
        },
        fromJson<string>,
        toJson,
      ),
      FullDuplexCall: streamStreamServiceDescription(
        async function* (requests) {
          for await (const request of requests) yield* servicer.stream(request);
        },
        fromJson<SizesRequest>,
        toJson,
      ),
      HalfDuplexCall: streamStreamServiceDescription(
        async function* (requests) {
          const all: SizesRequest[] = [];
          for await (const request of requests) all.push(request);
          for (const request of all) yield* servicer.stream(request);
        },
        fromJson<SizesRequest>,
        toJson,
      ),
    },
    { onError: () => {} },
  );
  t.teardown(() => servicer.resume());
  return { servicer, server, stub: openStub(t, SERVICE, METHODS, server) };
}

const SIZES: SizesRequest = { sizes: [3, 1, 2] };
const OUTPUT = ['bbb', 'b', 'bb'];
const INPUT = ['xxxx', 'x', 'xx'];

function* fullDuplexRequests(): Generator<SizesRequest> {
  yield { sizes: [3, 1] };
  yield { sizes: [2] };
}

await t.test('testUpDown', async (t) => {
  const { server } = await fixture(t);
  t.ok(server.port() > 0, 'the fixture is up; its teardown takes it down');
});

await t.test('testUnaryCall', async (t) => {
  const { servicer, stub } = await fixture(t);
  t.equal(await stub.UnaryCall(SIZES, LONG), servicer.unary(SIZES));
});

await t.test('testUnaryCallAsync: async does not block while the servicer is paused', async (t) => {
  const { servicer, stub } = await fixture(t);
  servicer.pause();
  const future = stub.UnaryCall.async(SIZES, LONG);
  t.equal(future.running(), true);
  servicer.resume();
  t.equal(await future.result(), servicer.unary(SIZES));
});

await t.test('testUnaryCallAsyncExpired', async (t) => {
  const { servicer, stub } = await fixture(t);
  servicer.pause();
  const future = stub.UnaryCall.async(SIZES, SHORT);
  t.ok((await rejection(future.result())) instanceof ExpirationError);
});

await t.test('testUnaryCallAsyncCancelled', async (t) => {
  const { servicer, stub } = await fixture(t);
  servicer.pause();
  const future = stub.UnaryCall.async(SIZES, LONG);
  t.equal(future.cancel(), false);
  t.equal(future.cancelled(), true);
});

await t.test('testUnaryCallAsyncFailed', async (t) => {
  const { servicer, stub } = await fixture(t);
  servicer.failing = true;
  const error = await stub.UnaryCall.async(SIZES, LONG).exception();
  t.ok(error instanceof RpcError);
  t.equal(error?.code, Status.UNKNOWN);
  t.notOk(error?.message.includes('ValueError'));
});

await t.test('testStreamingOutputCall', async (t) => {
  const { stub } = await fixture(t);
  t.strictSame(await collect(stub.StreamingOutputCall(SIZES, LONG)), OUTPUT);
});

await t.test('testStreamingOutputCallExpired', async (t) => {
  const { servicer, stub } = await fixture(t);
  servicer.pause();
  const responses = stub.StreamingOutputCall(SIZES, SHORT);
  t.ok((await rejection(collect(responses))) instanceof ExpirationError);
});

await t.test('testStreamingOutputCallCancelled', async (t) => {
  const { stub } = await fixture(t);
  const responses = stub.StreamingOutputCall(SIZES, LONG);
  t.strictSame(await responses.next(), { value: 'bbb', done: false });
  responses.cancel();
  t.ok((await rejection(responses.next())) instanceof CancelledError);
});

await t.test('testStreamingOutputCallFailed', async (t) => {
  const { servicer, stub } = await fixture(t);
  servicer.failing = true;
  const error = await rejection(stub.StreamingOutputCall(SIZES, LONG).next());
  t.equal((error as RpcError).code, Status.UNKNOWN);
});

await t.test('testStreamingInputCall', async (t) => {
  const { stub } = await fixture(t);
  t.equal(await stub.StreamingInputCall(INPUT, LONG), 7);
});

await t.test('testStreamingInputCallAsync', async (t) => {
  const { servicer, stub } = await fixture(t);
  servicer.pause();
  const future = stub.StreamingInputCall.async(INPUT, LONG);
  servicer.resume();
  t.equal(await future.result(), 7);
});

await t.test('testStreamingInputCallAsyncExpired', async (t) => {
  const { servicer, stub } = await fixture(t);
  servicer.pause();
  const future = stub.StreamingInputCall.async(INPUT, SHORT);
  t.ok((await rejection(future.result())) instanceof ExpirationError);
  t.ok((await future.exception()) instanceof ExpirationError);
});

await t.test('testStreamingInputCallAsyncCancelled', async (t) => {
  const { servicer, stub } = await fixture(t);
  servicer.pause();
  const future = stub.StreamingInputCall.async(INPUT, LONG);
  future.cancel();
  t.equal(future.cancelled(), true);
  t.ok((await rejection(future.result())) instanceof CancelledError);
});

await t.test('testStreamingInputCallAsyncFailed', async (t) => {
  const { servicer, stub } = await fixture(t);
  servicer.failing = true;
  const error = await stub.StreamingInputCall.async(INPUT, LONG).exception();
  t.equal(error?.code, Status.UNKNOWN);
});

await t.test('testFullDuplexCall: 2 requests, 3 responses', async (t) => {
  const { stub } = await fixture(t);
  t.strictSame(await collect(stub.FullDuplexCall(fullDuplexRequests(), LONG)), OUTPUT);
});

await t.test('testFullDuplexCallExpired', async (t) => {
  const { servicer, stub } = await fixture(t);
  servicer.pause();
  const responses = stub.FullDuplexCall(fullDuplexRequests(), SHORT);
  t.ok((await rejection(collect(responses))) instanceof ExpirationError);
});

await t.test('testFullDuplexCallCancelled', async (t) => {
  const { stub } = await fixture(t);
  const responses = stub.FullDuplexCall(fullDuplexRequests(), LONG);
  t.strictSame(await responses.next(), { value: 'bbb', done: false });
  responses.cancel();
  t.ok((await rejection(responses.next())) instanceof CancelledError);
});

await t.test('testFullDuplexCallFailed', async (t) => {
  const { servicer, stub } = await fixture(t);
  servicer.failing = true;
  const error = await rejection(stub.FullDuplexCall(fullDuplexRequests(), LONG).next());
  t.equal((error as RpcError).code, Status.UNKNOWN);
});

await t.test('testHalfDuplexCall: all requests first, then all responses', async (t) => {
  const { stub } = await fixture(t);
  t.strictSame(await collect(stub.HalfDuplexCall(fullDuplexRequests(), LONG)), OUTPUT);
});

await t.test('testHalfDuplexCallWedged: requests that never end', async (t) => {
  const { stub } = await fixture(t);
  const wedged = gate();
  const responses = stub.HalfDuplexCall(
    (async function* () {
      yield { sizes: [1] };
      await wedged.opened;
    })(),
    SHORT,
  );
  t.ok((await rejection(responses.next())) instanceof ExpirationError);
  wedged.open();
});
