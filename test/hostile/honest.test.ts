/** No false alarms: the busiest honest traffic trips nothing, over sockets with the default limits (security reference, I7). */

import * as v8 from 'node:v8';
import * as vm from 'node:vm';
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
const MANY = methodDescriptor('honest.Work', 'Many', Cardinality.UNARY_STREAM);
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

/** Sends `count` messages of `octets` octets. */
function feed(call: ServerCall, count: number, octets: number): ServerCallListener {
  let left = count;
  const send = (): void => {
    while (left > 0) {
      left -= 1;
      if (!call.sendMessage(octets === 0 ? EMPTY : new Uint8Array(octets))) return;
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
    { method: FEED, handler: (call) => feed(call, 64, 16_384) },
    { method: MANY, handler: (call) => feed(call, MILLION, 0) },
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

const MILLION = 1_000_000;
const MEMORY_OCTETS = 32 * 2 ** 20;

/** Garbage is as much as the runtime likes; null on a runtime without V8's switch for it, where the bound is not looked at. */
const collectGarbage = ((): (() => void) | null => {
  try {
    v8.setFlagsFromString('--expose-gc');
    return vm.runInNewContext('gc') as () => void;
  } catch {
    return null;
  }
})();

/** The most that heap and buffers in use grow over now, looked at each 50 ms until `stop`. */
function memoryWatch(): { stop(): number } {
  const look = (): number => {
    collectGarbage?.();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const base = look();
  let peak = base;
  const timer = setInterval(() => {
    peak = Math.max(peak, look());
  }, 50);
  return {
    stop() {
      clearInterval(timer);
      return Math.max(peak, look()) - base;
    },
  };
}

/** A line that is shown though the file passed. */
function tell(t: TestContext, what: string, startMs: number, grown: number): void {
  const perSecond = (MILLION / (performance.now() - startMs)) * 1000;
  t.comment(
    `figure: ${what}: ${perSecond.toFixed(0)} messages/s, memory grew by at most ${(grown / 2 ** 20).toFixed(1)} MiB`,
  );
}

await t.test('a million messages of nothing up one stream', async (t) => {
  await undisturbed(t, async (channel) => {
    const startMs = performance.now();
    const memory = memoryWatch();
    const answer = await new Promise<{ readonly code: number; readonly text: string }>(
      (resolve) => {
        const call = channel.createCall(TALLY, callOptions());
        let left = MILLION;
        let text = '';
        const send = (): void => {
          while (left > 0) {
            left -= 1;
            if (!call.sendMessage(EMPTY) && left > 0) return;
          }
          left = -1;
          call.halfClose();
        };
        call.start({
          onMetadata(): void {},
          onMessage: (chunk, from, to) => {
            text = new TextDecoder().decode(chunk.subarray(from, to));
          },
          onStatus: ({ code }) => resolve({ code, text }),
          onReady: () => {
            if (left >= 0) send();
          },
        });
        call.request(1);
        send();
      },
    );
    const grown = memory.stop();
    t.strictSame(answer, { code: Status.OK, text: String(MILLION) });
    t.ok(collectGarbage === null || grown < MEMORY_OCTETS, `memory grew by ${grown} octets`);
    tell(t, 'up', startMs, grown);
  });
});

await t.test('a million messages of nothing down one stream', async (t) => {
  await undisturbed(t, async (channel) => {
    const startMs = performance.now();
    const memory = memoryWatch();
    let count = 0;
    const code = await new Promise<number>((resolve) => {
      const call = channel.createCall(MANY, callOptions());
      call.startUnary(
        {
          onMetadata(): void {},
          onMessage: () => {
            count += 1;
            call.request(1);
          },
          onStatus: (status) => resolve(status.code),
          onReady(): void {},
        },
        EMPTY,
      );
      call.request(64);
    });
    const grown = memory.stop();
    t.strictSame([code, count], [Status.OK, MILLION]);
    t.ok(collectGarbage === null || grown < MEMORY_OCTETS, `memory grew by ${grown} octets`);
    tell(t, 'down', startMs, grown);
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
