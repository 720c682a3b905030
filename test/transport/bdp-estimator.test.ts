import { ErrorCode } from '../../framing/constants.ts';
import { BdpEstimator } from '../../transport/bdp-estimator.ts';
import {
  data,
  headers,
  octets,
  rstStream,
  settings,
  settingsAck,
} from '../support/frame-factory.ts';
import {
  block,
  REQUEST,
  RESPONSE,
  ScriptedClient,
  ScriptedServer,
} from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';

await t.test(
  'L30 the estimate doubles while a round trip fills the window, and stops at its bound',
  async (t) => {
    const bdp = new BdpEstimator(262_144, 1_000_000);
    t.equal(bdp.onData(65_535), false, 'too little for a sample');
    t.equal(bdp.onData(1), true);
    t.equal(bdp.onData(100_000), false, 'one sample at a time');
    t.equal(bdp.onData(100_000), false);
    t.equal(bdp.onRoundTrip(), true);
    t.equal(bdp.windowOctets, 524_288);
    t.equal(bdp.onRoundTrip(), false, 'an ACK without a sample');
    t.equal(bdp.onData(65_536), true);
    bdp.onData(900_000);
    t.equal(bdp.onRoundTrip(), true);
    t.equal(bdp.windowOctets, 1_000_000);
    t.equal(bdp.onData(10_000_000), false, 'nothing more to gain');
  },
);

await t.test('L30 a round trip that leaves the window half empty changes nothing', async (t) => {
  const bdp = new BdpEstimator(262_144, 4_194_304);
  t.equal(bdp.onData(65_536), true);
  bdp.onData(131_072);
  t.equal(bdp.onRoundTrip(), false);
  t.equal(bdp.windowOctets, 262_144);
  t.equal(bdp.onData(131_071), false, 'a fruitless sample doubles the octets before the next');
  t.equal(bdp.onData(1), true);
});

await t.test(
  '§6.9.2 a connection widens its windows by SETTINGS and WINDOW_UPDATE after a full round trip',
  async (t) => {
    const server = new ScriptedServer();
    server.send(headers(1, block(...REQUEST)));
    server.frames();
    const frame = data(1, new Uint8Array(16_384));
    for (let sent = 0; sent < 65_536; sent += 16_384) server.send(frame);
    const [ping] = server.framesOf('PING');
    if (ping?.type !== 'PING') throw new Error('no PING');
    for (let sent = 0; sent < 180_224; sent += 16_384) server.send(frame);
    server.frames();
    server.send(octets([0, 0, 8, 6, 1, 0, 0, 0, 0], ping.payload));
    const frames = server.frames();
    t.strictSame(
      frames.filter((each) => each.type === 'SETTINGS'),
      [
        {
          type: 'SETTINGS',
          length: 6,
          flags: 0,
          streamId: 0,
          ack: false,
          settings: [{ id: 4, value: 524_288 }],
        },
      ],
    );
    server.send(settingsAck());
    t.equal(server.closed, null, 'the ACK is expected');
  },
);

await t.test(
  '§6.9.2 a stream that waited for a slot while the windows grew opens with the new window',
  async (t) => {
    const client = new ScriptedClient();
    client.send(settings([3, 1]));
    client.open();
    const waiting = client.open();
    client.frames();
    const frame = (id: number): Uint8Array => data(id, new Uint8Array(16_384));
    client.send(headers(1, block(...RESPONSE)));
    for (let sent = 0; sent < 65_536; sent += 16_384) client.send(frame(1));
    const [ping] = client.framesOf('PING');
    if (ping?.type !== 'PING') throw new Error('no PING');
    for (let sent = 0; sent < 180_224; sent += 16_384) client.send(frame(1));
    client.frames();
    client.send(octets([0, 0, 8, 6, 1, 0, 0, 0, 0], ping.payload));
    t.equal(client.framesOf('SETTINGS').length, 1, 'the windows grow');
    client.send(settingsAck(), rstStream(1, ErrorCode.CANCEL));
    t.strictSame(
      client.framesOf('HEADERS').map((each) => each.type === 'HEADERS' && each.streamId),
      [3],
    );
    // All that the announced 524,288 octets allow, unused; one more is too much.
    waiting.usesAtOnce = false;
    client.send(headers(3, block(...RESPONSE)));
    for (let sent = 0; sent < 524_288; sent += 16_384) client.send(frame(3));
    t.equal(waiting.received.length, 524_288);
    t.strictSame(client.framesOf('RST_STREAM'), []);
    client.send(data(3, 'x'));
    t.equal(waiting.closed?.reason, 'flow.stream-window-exceeded');
  },
);
