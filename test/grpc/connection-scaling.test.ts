/** gRFC A105: another connection when all have as many streams as the server allows, up to `maxConnections`. */

import { inspectFrames } from '../../framing/frame-inspector.ts';
import { Channel } from '../../lib/channel/channel.ts';
import { startUnary } from '../support/client-calls.ts';
import { ECHO } from '../support/echo-service.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  data,
  END_HEADERS,
  END_STREAM,
  goAway,
  headers,
  PREFACE,
  settings,
  settingsAck,
} from '../support/frame-factory.ts';
import { ScriptedConnector, settle } from '../support/scripted-connector.ts';
import { block, RESPONSE, type ScriptedPipe } from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';

const MAX_CONCURRENT_STREAMS = 3;
const STREAMS = 2;
/** The id at which a connection takes no more streams: three quarters of 2^31-1, as in grpc-go. */
const LAST_STREAM_ID = 0x5fff_ffff;

class Scene {
  readonly connector = new ScriptedConnector();
  readonly clock = new FakeClock();
  readonly channel: Channel;
  readonly #greeted = new Set<ScriptedPipe>();

  constructor(maxConnections?: number, firstStreamId = 1) {
    this.channel = new Channel('localhost:1', {
      connector: this.connector,
      clock: this.clock,
      backoff: { random: () => 0.5 },
      firstStreamId,
      ...(maxConnections === undefined ? {} : { maxConnections }),
    });
  }

  call(): ReturnType<typeof startUnary> {
    return startUnary(this.channel, ECHO, Uint8Array.of(1));
  }

  /** Answers the latest attempt with a server that allows two streams. */
  async accept(): Promise<ScriptedPipe> {
    const pipe = this.connector.last.accept();
    pipe.feed(settings([MAX_CONCURRENT_STREAMS, STREAMS]));
    pipe.feed(settingsAck());
    await settle();
    return pipe;
  }

  /** Ids of the streams that were opened on `pipe` since the last look. */
  opened(pipe: ScriptedPipe): number[] {
    const taken = pipe.take();
    const isFirst = !this.#greeted.has(pipe);
    this.#greeted.add(pipe);
    return inspectFrames(isFirst ? taken.subarray(PREFACE.length) : taken)
      .filter((frame) => frame.type === 'HEADERS')
      .map((frame) => frame.streamId);
  }

  /** A connection with both its streams taken. */
  async full(): Promise<ScriptedPipe> {
    this.call();
    const pipe = await this.accept();
    this.call();
    await settle();
    return pipe;
  }
}

function answer(pipe: ScriptedPipe, id: number): void {
  pipe.feed(headers(id, block(...RESPONSE)));
  pipe.feed(data(id, [0, 0, 0, 0, 1, 9]));
  pipe.feed(headers(id, block(['grpc-status', '0']), END_STREAM | END_HEADERS));
}

await t.test('A105 the call that finds no free slot opens a second connection', async (t) => {
  const scene = new Scene(2);
  const first = await scene.full();
  t.strictSame(scene.opened(first), [1, 3]);
  t.equal(scene.connector.attempts.length, 1, 'none before it is needed');
  const third = scene.call();
  await settle();
  t.equal(scene.connector.attempts.length, 2);
  t.equal(scene.channel.waitingCalls, 1);
  const second = await scene.accept();
  t.strictSame(scene.opened(second), [1]);
  t.strictSame(scene.opened(first), []);
  answer(second, 1);
  t.equal((await third.outcome).status.code, 0);
  t.equal(scene.channel.stats().connections, 2);

  scene.call();
  await settle();
  t.strictSame(scene.opened(second), [3], 'the first one is full still');
  scene.call();
  scene.call();
  await settle();
  t.equal(scene.connector.attempts.length, 2, 'no third connection');
  t.strictSame(scene.opened(second), [5]);
  answer(first, 1);
  await settle();
  t.strictSame(scene.opened(first), [5], 'the last call waited where the fewest did');
  await scene.channel.closeNow();
});

await t.test('A105 one connection unless told otherwise', async (t) => {
  const scene = new Scene();
  const first = await scene.full();
  scene.call();
  await settle();
  t.equal(scene.connector.attempts.length, 1);
  t.strictSame(scene.opened(first), [1, 3]);
  answer(first, 3);
  await settle();
  t.strictSame(scene.opened(first), [5]);
  await scene.channel.closeNow();
});

await t.test('A105 a slot that becomes free is not left for the second connection', async (t) => {
  const scene = new Scene(2);
  const first = await scene.full();
  scene.opened(first);
  scene.call();
  answer(first, 1);
  await settle();
  t.strictSame(scene.opened(first), [5]);
  t.equal(scene.channel.waitingCalls, 0);
  await scene.channel.closeNow();
});

await t.test('A105 when the second connection fails, calls wait at the first', async (t) => {
  const scene = new Scene(2);
  const first = await scene.full();
  scene.opened(first);
  scene.call();
  await settle();
  scene.connector.last.fail('no more sockets');
  await settle();
  t.equal(scene.channel.waitingCalls, 0);
  scene.call();
  await settle();
  t.equal(scene.connector.attempts.length, 2, 'not tried again at once');
  answer(first, 1);
  answer(first, 3);
  await settle();
  t.strictSame(scene.opened(first), [5, 7]);
  scene.clock.advance(20_000);
  scene.call();
  await settle();
  t.equal(scene.connector.attempts.length, 3, 'but later');
  await scene.channel.closeNow();
});

await t.test('A105 the second connection takes the place of the first', async (t) => {
  const scene = new Scene(2);
  const first = await scene.full();
  scene.call();
  await settle();
  const second = await scene.accept();
  scene.opened(second);
  first.feed(goAway(3, 0));
  await settle();
  scene.call();
  await settle();
  t.strictSame(scene.opened(second), [3]);
  t.equal(scene.channel.state, 'READY');
  t.equal(scene.connector.attempts.length, 2);
  second.feed(goAway(3, 0));
  await settle();
  t.equal(scene.channel.state, 'IDLE');
  await scene.channel.closeNow();
});

await t.test(
  'A105 the second connection takes over when the ids of the first are used up',
  async (t) => {
    const scene = new Scene(2, LAST_STREAM_ID - 4);
    const first = await scene.full();
    t.strictSame(scene.opened(first), [LAST_STREAM_ID - 4, LAST_STREAM_ID - 2]);
    scene.call();
    await settle();
    const second = await scene.accept();
    t.strictSame(scene.opened(second), [LAST_STREAM_ID - 4]);
    answer(first, LAST_STREAM_ID - 4);
    await settle();
    scene.call();
    await settle();
    t.strictSame(scene.opened(first), [LAST_STREAM_ID], 'the last id');
    answer(first, LAST_STREAM_ID - 2);
    await settle();
    scene.call();
    await settle();
    t.strictSame(scene.opened(second), [LAST_STREAM_ID - 2]);
    t.equal(scene.connector.attempts.length, 2, 'nothing is dialled while there is a free slot');
    t.equal(scene.channel.stats().state, 'READY');
    await scene.channel.closeNow();
  },
);

await t.test('A105 closing gives up the connection that is being made', async (t) => {
  const scene = new Scene(2);
  await scene.full();
  scene.call();
  await settle();
  const { last } = scene.connector;
  await scene.channel.closeNow();
  t.ok(last.cancelled);
});

await t.test('maxConnections is an integer of 1 to 100', async (t) => {
  for (const maxConnections of [0, 101, 1.5, Number.NaN, '2' as unknown as number]) {
    t.throws(() => new Scene(maxConnections), { name: 'RangeError', message: /maxConnections/ });
  }
});
