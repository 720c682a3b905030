/** No false alarms: the busiest honest traffic trips nothing, over sockets with the default limits (security reference, I7). */

import type { ServerCall, ServerCallListener, ServerMethod } from '../../lib/call/call.ts';
import { Channel } from '../../lib/channel/channel.ts';
import { Metadata } from '../../lib/metadata.ts';
import { Cardinality, methodDescriptor } from '../../lib/method.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { Status } from '../../lib/status.ts';
import { callOptions, startStream, startUnary, withTimeout } from '../support/client-calls.ts';
import { ECHO, ECHO_STREAM, EchoService } from '../support/echo-service.ts';
import { type TestContext, t } from '../support/tap.ts';

const LATER = methodDescriptor('honest.Work', 'Later', Cardinality.UNARY_UNARY);
const FEED = methodDescriptor('honest.Work', 'Feed', Cardinality.UNARY_STREAM);
const TALLY = methodDescriptor('honest.Work', 'Tally', Cardinality.STREAM_UNARY);
const EMPTY = new Uint8Array(0);

function listener(parts: Partial<ServerCallListener>): ServerCallListener {
  return {
    onMessage(): void {},
    onHalfClose(): void {},
    onCancel(): void {},
    onReady(): void {},
    onComplete(): void {},
    ...parts,
  };
}

/** Answers after a while; ends early when its call was aborted. */
function later(call: ServerCall): ServerCallListener {
  const timer = setTimeout(() => {
    call.sendUnaryAndClose(EMPTY, null);
    call.settled();
  }, 30);
  return listener({
    onCancel() {
      clearTimeout(timer);
      call.settled();
    },
  });
}

/** Sends 64 messages of 16 KiB. */
function feed(call: ServerCall): ServerCallListener {
  let left = 64;
  const send = (): void => {
    while (left > 0) {
      left -= 1;
      if (!call.sendMessage(new Uint8Array(16_384))) return;
    }
    call.close(Status.OK, '', null);
    call.settled();
  };
  return listener({ onMessage: send, onReady: send, onCancel: () => call.settled() });
}

/** Counts messages. */
function tally(call: ServerCall): ServerCallListener {
  let count = 0;
  call.request(64);
  return listener({
    onMessage() {
      count += 1;
      call.request(1);
    },
    onHalfClose() {
      call.sendUnaryAndClose(new TextEncoder().encode(String(count)), null);
      call.settled();
    },
    onCancel: () => call.settled(),
  });
}

/** Runs `use` with a server and a channel, and sees that neither side's limits tripped and that one connection served it all. */
async function undisturbed(
  t: TestContext,
  use: (channel: Channel) => Promise<void>,
): Promise<void> {
  const server = new GrpcServer();
  const methods: ServerMethod[] = [
    { method: LATER, handler: later },
    { method: FEED, handler: feed },
    { method: TALLY, handler: tally },
  ];
  server.addMethods([...new EchoService().methods, ...methods]);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  let opened = 0;
  const channel = new Channel(`127.0.0.1:${port}`, {
    observer: {
      onStreamOpened: () => {
        opened += 1;
      },
    },
  });
  try {
    await use(channel);
    t.strictSame([...server.stats().trips], [], 'nothing tripped on the server');
    t.strictSame([...channel.stats().trips], [], 'nothing tripped on the client');
    t.equal(channel.stats().connections, 1, 'the one connection still serves');
    t.ok(opened > 0);
  } finally {
    await channel.closeNow();
    await server.closeNow();
  }
}

await t.test('1,000 calls at once, half of them cancelled, again and again', async (t) => {
  await undisturbed(t, async (channel) => {
    for (let round = 0; round < 2; round++) {
      const calls = Array.from({ length: 1000 }, () => startUnary(channel, LATER, EMPTY));
      await new Promise((resolve) => setTimeout(resolve, 20));
      for (let i = 0; i < 1000; i += 2) calls[i]!.call.cancel('changed my mind');
      const ends = await Promise.all(calls.map(({ outcome }) => outcome));
      const codes = new Set(ends.map(({ status }, i) => (i % 2 === 1 ? status.code : 'cancelled')));
      t.strictSame(codes, new Set(['cancelled', Status.OK]));
    }
  });
});

await t.test('3,000 deadlines that expire', async (t) => {
  await undisturbed(t, async (channel) => {
    for (let round = 0; round < 30; round++) {
      const calls = Array.from({ length: 100 }, () =>
        startUnary(channel, LATER, EMPTY, withTimeout(15)),
      );
      const ends = await Promise.all(calls.map(({ outcome }) => outcome));
      const codes = new Set(ends.map(({ status }) => status.code));
      t.strictSame([...codes], [Status.DEADLINE_EXCEEDED]);
    }
  });
});

await t.test('200,000 messages of nothing in one stream', async (t) => {
  await undisturbed(t, async (channel) => {
    const { outcome } = startStream(channel, TALLY, Array<Uint8Array>(200_000).fill(EMPTY));
    const { status, messages } = await outcome;
    t.equal(status.code, Status.OK, status.message);
    t.equal(new TextDecoder().decode(messages[0]), '200000');
  });
});

await t.test('50 readers that take a message now and then', async (t) => {
  await undisturbed(t, async (channel) => {
    const read = (): Promise<number> =>
      new Promise((resolve) => {
        const call = channel.createCall(FEED, callOptions());
        call.startUnary(
          {
            onMetadata(): void {},
            onMessage: () => setTimeout(() => call.request(1), 2),
            onStatus: (status) => resolve(status.code),
            onReady(): void {},
          },
          EMPTY,
        );
        call.request(1);
      });
    const codes = await Promise.all(Array.from({ length: 50 }, read));
    t.strictSame([...new Set(codes)], [Status.OK]);
  });
});

await t.test('metadata just below the limits, on many calls', async (t) => {
  await undisturbed(t, async (channel) => {
    const large = new Metadata();
    for (let i = 0; i < 60; i++) large.append(`x-field-${i}`, `${i}`.repeat(90));
    const options = callOptions({ metadata: large.toHeaderList() });
    for (let i = 0; i < 100; i++) {
      const { status } = await startUnary(channel, ECHO, EMPTY, options).outcome;
      t.equal(status.code, Status.OK, status.message);
    }
  });
});

await t.test('calls, streams and cancellations mixed for a while', async (t) => {
  await undisturbed(t, async (channel) => {
    const one = async (i: number): Promise<void> => {
      for (let n = 0; n < 40; n++) {
        const payload = new Uint8Array((i * 997 + n * 131) % 20_000);
        const { outcome } =
          i % 2 === 0
            ? startUnary(channel, ECHO, payload)
            : startStream(channel, ECHO_STREAM, [payload, EMPTY, payload]);
        const { status, messages } = await outcome;
        t.ok(status.code === Status.OK && messages[0]!.length === payload.length);
      }
    };
    await Promise.all(Array.from({ length: 20 }, (_, i) => one(i)));
  });
});
