/** gRFC A6 across connections that end by GOAWAY: what the server had in hand is sent once more, what never left as often as it takes. */

import { inspectFrames } from '../../framing/frame-inspector.ts';
import { Channel } from '../../lib/channel/channel.ts';
import { callOptions, startUnary } from '../support/client-calls.ts';
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
import { block, RESPONSE } from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';

const MAX_CONCURRENT_STREAMS = 3;
const STREAMS = 3;

/** The one octet that each message of a call carries, by which it is known on the wire. */
function callsIn(written: Uint8Array): number[] {
  return inspectFrames(written)
    .filter((frame) => frame.type === 'DATA')
    .map((frame) => frame.data[5]!);
}

await t.test(
  'A6 GOAWAY refuses a call twice: UNAVAILABLE; calls without a slot go on',
  async (t) => {
    const connector = new ScriptedConnector();
    const channel = new Channel('localhost:1', {
      connector,
      clock: new FakeClock(),
      backoff: { random: () => 0.5 },
    });
    // Those that wait for a connection and for its SETTINGS: none goes out before the limit of streams is known.
    const calls = Array.from({ length: 8 }, (_, n) =>
      startUnary(channel, ECHO, Uint8Array.of(n), callOptions({ waitForReady: true })),
    );
    const sent: number[][] = [];
    // Each server allows three streams at once, answers the first and leaves out the others.
    for (let round = 0; round < 8 && channel.activeCalls > 0; round++) {
      const pipe = connector.last.accept();
      pipe.feed(settings([MAX_CONCURRENT_STREAMS, STREAMS]));
      pipe.feed(settingsAck());
      await settle();
      sent.push(callsIn(pipe.take().subarray(PREFACE.length)));
      pipe.feed(headers(1, block(...RESPONSE)));
      pipe.feed(data(1, [0, 0, 0, 0, 1, 9]));
      pipe.feed(goAway(1, 0, 'enough'));
      pipe.feed(headers(1, block(['grpc-status', '0']), END_STREAM | END_HEADERS));
      await settle();
    }
    const outcomes = await Promise.all(calls.map(({ outcome }) => outcome));
    const times = calls.map((_, n) => sent.flat().filter((each) => each === n).length);
    for (const [n, { status }] of outcomes.entries()) {
      t.ok(times[n]! >= 1, `call ${n} was sent`);
      t.ok(times[n]! <= 2, `call ${n} was sent ${times[n]} times`);
      if (status.code === 0) continue;
      t.equal(status.code, 14);
      t.equal(times[n], 2, 'given up after the second refusal only');
      t.match(status.message, /GOAWAY received: NO_ERROR, "enough"/);
    }
    t.ok(outcomes.filter(({ status }) => status.code === 0).length >= 3);
    t.ok(sent.length > 2, 'those without a slot outlived two connections');
    await channel.closeNow();
  },
);
