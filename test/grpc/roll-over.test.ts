/** RFC 9113 §5.1.1: stream ids are used up. A new connection takes over through the channel, and no call notices. */

import { Channel } from '../../lib/channel/channel.ts';
import type { MethodDescriptor } from '../../lib/method.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { Status } from '../../lib/status.ts';
import { createMemoryChannel } from '../../lib/testing/memory-channel.ts';
import type { CallOutcome } from '../support/client-calls.ts';
import { callOptions, startUnary } from '../support/client-calls.ts';
import { ECHO, ECHO_STREAM, EchoService } from '../support/echo-service.ts';
import { type TestContext, t } from '../support/tap.ts';

/** The id at which a connection takes no more streams: three quarters of 2^31-1, as in grpc-go. */
const LAST_STREAM_ID = 0x5fff_ffff;
const STREAMS_PER_CONNECTION = 250;
const CALLS = 2000;
const FIRST_STREAM_ID = LAST_STREAM_ID - 2 * (STREAMS_PER_CONNECTION - 1);

/** An echo service that counts the connections it was given and the calls of each request number it served. */
function countingServer(maxConcurrentStreams: number): {
  readonly server: GrpcServer;
  readonly served: Map<number, number>;
  readonly connections: Set<string>;
} {
  const service = new EchoService();
  const served = new Map<number, number>();
  const connections = new Set<string>();
  const server = new GrpcServer({ limits: { maxConcurrentStreams } });
  const count = (number: number): void => {
    served.set(number, (served.get(number) ?? 0) + 1);
  };
  server.addMethods(
    service.methods.map(({ method, handler }) => ({
      method,
      handler: (call) => {
        const listener = handler(call);
        connections.add(call.peer.address);
        return {
          ...listener,
          onMessage: (chunk, start, end) => {
            count(numberOf(chunk.subarray(start, end)));
            listener.onMessage(chunk, start, end);
          },
        };
      },
    })),
  );
  return { server, served, connections };
}

function message(number: number): Uint8Array {
  return Uint8Array.of(number >> 8, number & 255);
}

function numberOf(octets: Uint8Array): number {
  return (octets[0] as number) * 256 + (octets[1] as number);
}

function expectEcho(t: TestContext, outcomes: readonly CallOutcome[], first = 0): void {
  const wrong = outcomes.filter(
    ({ status, messages: [only, ...more] }, i) =>
      status.code !== Status.OK ||
      more.length > 0 ||
      only === undefined ||
      numberOf(only) !== first + i,
  );
  t.strictSame(wrong, []);
}

/** A call of `method` that is half-way through: one message out, one back, at the test's pace. */
function openChat(
  channel: Channel,
  method: MethodDescriptor,
): { echoOf(number: number): Promise<number>; end(): Promise<number> } {
  const call = channel.createCall(method, callOptions());
  let onMessage = (_number: number): void => {};
  const status = new Promise<number>((resolve) => {
    call.start({
      onMetadata(): void {},
      onMessage: (chunk, start, end) => onMessage(numberOf(chunk.subarray(start, end))),
      onStatus: ({ code }) => resolve(code),
      onReady(): void {},
    });
  });
  return {
    echoOf: (number) =>
      new Promise((resolve) => {
        onMessage = resolve;
        call.sendMessage(message(number));
        call.request(1);
      }),
    end: () => {
      call.halfClose();
      call.request(1);
      return status;
    },
  };
}

for (const slots of [1, 7, 100]) {
  await t.test(
    `§5.1.1 ${CALLS} calls, 100 at a time, ${slots} slots: none is lost or served twice`,
    async (t) => {
      const { server, served, connections } = countingServer(slots);
      const channel = createMemoryChannel(server, { firstStreamId: FIRST_STREAM_ID });
      let next = 0;
      const outcomes: CallOutcome[] = [];
      const worker = async (): Promise<void> => {
        while (next < CALLS) {
          const number = next++;
          outcomes[number] = await startUnary(channel, ECHO, message(number)).outcome;
        }
      };
      await Promise.all(Array.from({ length: 100 }, worker));
      expectEcho(t, outcomes);
      t.equal(served.size, CALLS);
      t.ok(
        [...served.values()].every((times) => times === 1),
        'each was served once',
      );
      // Refused calls take a second id, so that there may be a few more.
      t.ok(connections.size >= CALLS / STREAMS_PER_CONNECTION, `${connections.size} connections`);
      await channel.close();
      await server.shutdown(0);
    },
  );
}

await t.test(
  '§5.1.1 a stream open across the change goes on over its own connection',
  async (t) => {
    const { server } = countingServer(100);
    const port = await server.listen({ host: '127.0.0.1', port: 0 });
    const channel = new Channel(`127.0.0.1:${port}`, { firstStreamId: FIRST_STREAM_ID });
    const chat = openChat(channel, ECHO_STREAM);
    for (let round = 0; round < 3; round++) {
      t.equal(await chat.echoOf(round), round);
      for (let i = 0; i < STREAMS_PER_CONNECTION; i++) {
        const { outcome } = startUnary(channel, ECHO, message(i));
        expectEcho(t, [await outcome], i);
      }
    }
    t.equal(server.connectionCount, 2, 'the chat keeps the first one; the second was used up too');
    t.equal(await chat.end(), Status.OK);
    t.equal((await startUnary(channel, ECHO, message(0)).outcome).status.code, Status.OK);
    await channel.close();
    await server.shutdown(0);
  },
);
