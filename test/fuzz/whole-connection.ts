/** A whole server and a whole channel over a pipe in memory, fed with one fuzz input each. */

import { Channel } from '../../lib/channel/channel.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { callOptions } from '../support/client-calls.ts';
import { ECHO, ECHO_STREAM, EchoService } from '../support/echo-service.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { octets, PREFACE, settings, settingsAck } from '../support/frame-factory.ts';
import { ScriptedPipe } from '../support/scripted-peer.ts';

/** No input makes us write more than this. */
const MOST_WRITTEN_OCTETS = 4 * 2 ** 20;
/** Longer than every timer that is set without traffic. */
const LONG_MS = 200_000;

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Feeds `input` in pieces whose sizes come from its first octet. */
async function feed(pipe: ScriptedPipe, input: Uint8Array): Promise<void> {
  const size = 1 + (input[0] ?? 0) * 8;
  for (let at = 0; at < input.length && !pipe.destroyed; at += size) {
    // As the pipe keeps what it was given, pieces are copies.
    pipe.feed(input.slice(at, at + size));
    if ((at / size) % 64 === 63) await nextTurn();
  }
  await nextTurn();
}

/** A server with echo methods; after whatever came, its connection must be able to end and leave no call behind. */
export async function fuzzServer(input: Uint8Array): Promise<void> {
  const faults: unknown[] = [];
  const clock = new FakeClock();
  const server = new GrpcServer({ clock, reportError: (error) => faults.push(error) });
  server.addMethods([
    ...new EchoService().methods.map((served) => ({
      ...served,
      method: { ...served.method, path: served.method.path.replace('Unary', 'Other') },
    })),
    { ...new EchoService().methods[0]!, method: { ...ECHO, path: '/test.Service/Method' } },
  ]);
  const pipe = new ScriptedPipe();
  server.accept(pipe);
  await feed(pipe, octets(PREFACE, settings(), settingsAck()));
  await feed(pipe, input);
  if (pipe.take().length > MOST_WRITTEN_OCTETS) throw new Error('wrote without end');
  clock.advance(LONG_MS);
  await nextTurn();
  pipe.destroy();
  await nextTurn();
  const { connections, activeCalls, runningHandlers, waitingCalls, trips } = server.stats();
  if (connections + activeCalls + runningHandlers + waitingCalls > 0) {
    throw new Error(
      `left behind: ${JSON.stringify({ activeCalls, runningHandlers, waitingCalls })}`,
    );
  }
  for (const token of trips.keys()) {
    if (token.includes('internal')) throw new Error(`internal error: ${token}`);
  }
  if (faults.length > 0) throw faults[0];
  await server.closeNow();
}

/** A channel with three calls; whatever the server says, each call ends exactly once. */
export async function fuzzClient(input: Uint8Array): Promise<void> {
  const faults: unknown[] = [];
  const clock = new FakeClock();
  const pipes: ScriptedPipe[] = [];
  const channel = new Channel('127.0.0.1:1', {
    clock,
    reportError: (error) => faults.push(error),
    connector: {
      address: 'fuzz',
      connect(_timeoutMs, listener) {
        queueMicrotask(() => {
          const pipe = new ScriptedPipe();
          pipes.push(pipe);
          listener.onConnected(pipe);
        });
        return { cancel(): void {} };
      },
    },
  });
  const ends = [0, 0, 0];
  for (let i = 0; i < ends.length; i++) {
    const call = channel.createCall(i === 1 ? ECHO_STREAM : ECHO, callOptions());
    const listener = {
      onMetadata(): void {},
      onMessage: (): void => call.request(1),
      onStatus: (): void => {
        ends[i]! += 1;
      },
      onReady(): void {},
    };
    if (i === 1) {
      call.start(listener);
      call.sendMessage(new Uint8Array(100));
    } else call.startUnary(listener, new Uint8Array(10));
    call.request(1);
  }
  await nextTurn();
  const [pipe] = pipes;
  if (pipe === undefined) throw new Error('the channel did not connect');
  await feed(pipe, octets(settings(), settingsAck()));
  await feed(pipe, input);
  if (pipe.take().length > MOST_WRITTEN_OCTETS) throw new Error('wrote without end');
  for (const open of pipes) open.destroy();
  await nextTurn();
  await channel.closeNow();
  await nextTurn();
  if (ends.some((count) => count !== 1)) throw new Error(`calls ended ${ends.join(', ')} times`);
  if (channel.activeCalls > 0) throw new Error(`${channel.activeCalls} calls left behind`);
  if (faults.length > 0) throw faults[0];
}
