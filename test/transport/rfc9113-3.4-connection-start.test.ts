import { ErrorCode } from '../../framing/constants.ts';
import {
  END_HEADERS,
  goAway,
  headers,
  octets,
  PREFACE,
  ping,
  settings,
  settingsAck,
} from '../support/frame-factory.ts';
import { block, REQUEST, ScriptedClient, ScriptedServer } from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';

await t.test(
  '§3.4 §6.5 the first frame of a server is SETTINGS, before it heard anything',
  async (t) => {
    const server = new ScriptedServer({}, false);
    const [first] = server.frames();
    t.equal(first?.type, 'SETTINGS');
    t.equal(first?.type === 'SETTINGS' && first.ack, false);
    t.equal(first?.type === 'SETTINGS' && first.streamId, 0);
  },
);

await t.test('§3.4 a client begins with the 24 octets of the preface and SETTINGS', async (t) => {
  const client = new ScriptedClient({}, { greet: false });
  client.tick();
  const written = client.pipe.take();
  t.strictSame(written.subarray(0, 24), octets('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'));
  t.equal(written[24 + 3], 4, 'type SETTINGS');
  t.equal(written[24 + 4], 0, 'without ACK');
});

await t.test('§3.4 the first SETTINGS of the peer are acknowledged, behind our own', async (t) => {
  const server = new ScriptedServer({}, false);
  server.send(PREFACE, settings());
  const client = new ScriptedClient({}, { greet: false });
  client.send(settings());
  for (const peer of [server, client]) {
    const acks = peer
      .frames()
      .filter((frame) => frame.type === 'SETTINGS')
      .map((frame) => frame.type === 'SETTINGS' && frame.ack);
    t.strictSame(acks, [false, true]);
  }
});

await t.test('§3.4 §5.1.2 a client may send requests before it hears the server', async (t) => {
  const client = new ScriptedClient({}, { greet: false });
  const call = client.open();
  call.stream?.sendEnd();
  t.strictSame(
    client.frames().map((frame) => frame.type),
    ['PREFACE', 'SETTINGS', 'WINDOW_UPDATE', 'HEADERS', 'DATA'],
  );
  const server = new ScriptedServer({}, false);
  server.send(PREFACE, settings(), headers(1, block(...REQUEST)));
  t.equal(server.streams.length, 1, 'and a server takes them before its SETTINGS are acknowledged');
});

const INVALID_START: readonly (readonly [string, Uint8Array, string])[] = [
  [
    'an HTTP/1.1 request',
    octets('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    'connection.preface-invalid',
  ],
  [
    'the preface of a later version',
    octets('PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n'),
    'connection.preface-invalid',
  ],
  [
    'a preface followed by PING',
    octets(PREFACE, ping('12345678')),
    'connection.first-frame-not-settings',
  ],
  [
    'a preface followed by HEADERS',
    octets(PREFACE, headers(1, block(...REQUEST))),
    'connection.first-frame-not-settings',
  ],
  [
    'a preface followed by an acknowledgement',
    octets(PREFACE, settingsAck()),
    'connection.first-frame-not-settings',
  ],
];

await t.test('§3.4 an invalid client preface ends the connection, PROTOCOL_ERROR', async (t) => {
  for (const [name, start, token] of INVALID_START) {
    const server = new ScriptedServer({}, false);
    server.frames();
    server.send(start);
    const [frame, ...more] = server.frames();
    t.strictSame(
      frame,
      {
        type: 'GOAWAY',
        length: 8 + token.length,
        flags: 0,
        streamId: 0,
        lastStreamId: 0,
        errorCode: ErrorCode.PROTOCOL_ERROR,
        debugData: octets(token),
      },
      name,
    );
    t.strictSame(more, [], name);
    t.equal(server.pipe.ended, true, name);
    t.equal(server.closed?.message, token, name);
  }
});

await t.test('§3.4 an invalid server preface ends the connection, PROTOCOL_ERROR', async (t) => {
  const notSettings = 'connection.first-frame-not-settings';
  for (const [start, token] of [
    [octets('HTTP/1.1 400 Bad Request\r\n\r\n'), 'connection.peer-speaks-http1'],
    [ping('12345678'), notSettings],
    [headers(1, block([':status', '200']), END_HEADERS), notSettings],
    [goAway(0, 0), notSettings],
    [settingsAck(), notSettings],
  ] as const) {
    const client = new ScriptedClient({}, { greet: false });
    const call = client.open();
    client.frames();
    client.send(start);
    const [frame, ...more] = client.frames();
    t.equal(frame?.type, 'GOAWAY');
    t.equal(frame?.type === 'GOAWAY' && frame.errorCode, ErrorCode.PROTOCOL_ERROR);
    t.strictSame(more, []);
    t.equal(client.closed?.message, token);
    t.equal(call.closed?.errorCode, ErrorCode.PROTOCOL_ERROR);
    t.equal(client.ready, 0, 'the connection was never ready');
  }
});

await t.test(
  '§6.5.3 SETTINGS never acknowledged end the connection, SETTINGS_TIMEOUT',
  async (t) => {
    const server = new ScriptedServer({}, false);
    server.send(PREFACE, settings());
    server.frames();
    server.clock.advance(19_999);
    t.equal(server.closed, null);
    server.clock.advance(1);
    const [frame] = server.frames();
    t.equal(frame?.type === 'GOAWAY' && frame.errorCode, ErrorCode.SETTINGS_TIMEOUT);
    t.equal(server.closed?.message, 'connection.settings-ack-timeout');
  },
);

await t.test('§3.4 a peer that never sends SETTINGS is given up, SETTINGS_TIMEOUT', async (t) => {
  for (const peer of [new ScriptedServer({}, false), new ScriptedClient({}, { greet: false })]) {
    peer.frames();
    peer.clock.advance(10_000);
    const [frame] = peer.frames();
    t.equal(frame?.type === 'GOAWAY' && frame.errorCode, ErrorCode.SETTINGS_TIMEOUT);
    t.equal(peer.closed?.message, 'connection.first-settings-timeout');
  }
});
