/** The original's interop cases (alpha-semantics 6.3), insecure and over TLS; requests and responses are raw octets. */

import {
  CancelledError,
  type ServerOptions,
  type StubOptions,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { testCertificates } from '../support/certificates.ts';
import { type TestContext, t } from '../support/tap.ts';
import { rejection } from './support/fake-channel.ts';
import { collect, openStub, startServer } from './support/loopback.ts';

const SERVICE = 'grpc.testing.TestService';
const TIMEOUT = 60;

/** A request: how large each response is to be (four octets each), then payload. */
function request(sizes: readonly number[], payloadOctets = 0): Uint8Array {
  const octets = new Uint8Array(4 + sizes.length * 4 + payloadOctets);
  const view = new DataView(octets.buffer);
  view.setUint32(0, sizes.length);
  for (const [i, size] of sizes.entries()) view.setUint32(4 + i * 4, size);
  return octets;
}

function sizesOf(octets: Uint8Array): number[] {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  return Array.from({ length: view.getUint32(0) }, (_, i) => view.getUint32(4 + i * 4));
}

const same = (octets: Uint8Array): Uint8Array => octets;

const SERVED = {
  EmptyCall: unaryUnaryServiceDescription(() => new Uint8Array(0), same, same),
  UnaryCall: unaryUnaryServiceDescription(
    (octets: Uint8Array) => new Uint8Array(sizesOf(octets)[0] ?? 0),
    same,
    same,
  ),
  StreamingOutputCall: unaryStreamServiceDescription(
    (octets: Uint8Array) => sizesOf(octets).map((size) => new Uint8Array(size)),
    same,
    same,
  ),
  StreamingInputCall: streamUnaryServiceDescription(
    async (requests) => {
      let octets = 0;
      for await (const one of requests) octets += one.length;
      return octets;
    },
    same,
    (octets: number) => new Uint8Array(new Uint32Array([octets]).buffer),
  ),
  FullDuplexCall: streamStreamServiceDescription(
    async function* (requests) {
      for await (const octets of requests) {
        for (const size of sizesOf(octets)) yield new Uint8Array(size);
      }
    },
    same,
    same,
  ),
};

const METHODS = {
  EmptyCall: unaryUnaryInvocationDescription(same, same),
  UnaryCall: unaryUnaryInvocationDescription(same, same),
  StreamingOutputCall: unaryStreamInvocationDescription(same, same),
  StreamingInputCall: streamUnaryInvocationDescription(
    same,
    (octets) => new Uint32Array(new Uint8Array(octets).buffer)[0],
  ),
  FullDuplexCall: streamStreamInvocationDescription(same, same),
};

/** A pipe made by hand: what is written is iterated over. */
class Pipe implements AsyncIterable<Uint8Array> {
  readonly #values: Uint8Array[] = [];
  #wake: () => void = () => {};
  #closed = false;

  add(value: Uint8Array): void {
    this.#values.push(value);
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const value = this.#values.shift();
      if (value !== undefined) yield value;
      else if (this.#closed) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

const PING_PONG_REQUESTS = [27_182, 8, 1828, 45_904];
const PING_PONG_RESPONSES = [31_415, 9, 2653, 58_979];

for (const transport of ['insecure', 'TLS'] as const) {
  const open = async (t: TestContext) => {
    let serverOptions: ServerOptions = {};
    let stubOptions: StubOptions = {};
    if (transport === 'TLS') {
      const { root, server } = await testCertificates();
      serverOptions = server;
      stubOptions = {
        secure: true,
        rootCertificates: root,
        serverHostOverride: 'purewire.test',
      };
    }
    const server = await startServer(t, SERVICE, SERVED, serverOptions);
    return openStub(t, SERVICE, METHODS, server, stubOptions);
  };

  await t.test(`${transport}: empty_unary`, async (t) => {
    const stub = await open(t);
    t.equal((await stub.EmptyCall(new Uint8Array(0), TIMEOUT)).length, 0);
  });

  await t.test(`${transport}: large_unary through async`, async (t) => {
    const stub = await open(t);
    const future = stub.UnaryCall.async(request([314_159], 271_828), TIMEOUT);
    t.equal((await future.result()).length, 314_159);
  });

  await t.test(`${transport}: server_streaming`, async (t) => {
    const stub = await open(t);
    const responses = await collect(
      stub.StreamingOutputCall(request(PING_PONG_RESPONSES), TIMEOUT),
    );
    t.strictSame(
      responses.map((response) => response.length),
      PING_PONG_RESPONSES,
    );
  });

  await t.test(`${transport}: client_streaming, direct`, async (t) => {
    const stub = await open(t);
    const requests = PING_PONG_REQUESTS.map((size) => new Uint8Array(size));
    t.equal(await stub.StreamingInputCall(requests, TIMEOUT), 74_922);
  });

  await t.test(`${transport}: ping_pong through a hand-made pipe`, async (t) => {
    const stub = await open(t);
    const pipe = new Pipe();
    const responses = stub.FullDuplexCall(pipe, TIMEOUT);
    for (const [i, size] of PING_PONG_RESPONSES.entries()) {
      pipe.add(request([size], PING_PONG_REQUESTS[i]));
      t.equal((await responses.next()).value?.length, size);
    }
    pipe.close();
    t.strictSame(await responses.next(), { value: undefined, done: true });
  });

  await t.test(`${transport}: cancel_after_begin, requests given as a list`, async (t) => {
    const stub = await open(t);
    const future = stub.StreamingInputCall.async([], TIMEOUT);
    future.cancel();
    t.equal(future.cancelled(), true);
  });

  await t.test(`${transport}: cancel_after_first_response`, async (t) => {
    const stub = await open(t);
    const pipe = new Pipe();
    const responses = stub.FullDuplexCall(pipe, TIMEOUT);
    pipe.add(request([31_415], 27_182));
    t.equal((await responses.next()).value?.length, 31_415);
    responses.cancel();
    t.ok((await rejection(responses.next())) instanceof CancelledError);
  });
}
