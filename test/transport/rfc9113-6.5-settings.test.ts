import { ErrorCode } from '../../framing/constants.ts';
import {
  data,
  END_STREAM,
  headers,
  octets,
  PREFACE,
  ping,
  settings,
  settingsAck,
  windowUpdate,
} from '../support/frame-factory.ts';
import {
  block,
  REQUEST,
  RESPONSE,
  ScriptedClient,
  ScriptedServer,
} from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';
import {
  clientScene,
  ENDS,
  expectConnectionError,
  expectNoHarm,
  expectStreamError,
  forBothRoles,
  serverScene,
} from '../support/verdicts.ts';

/** Octets of DATA written on a stream since the last look. */
function sentOn(peer: ScriptedClient | ScriptedServer, streamId: number): number {
  let octets = 0;
  for (const frame of peer.framesOf('DATA')) {
    if (frame.type === 'DATA' && frame.streamId === streamId) octets += frame.length;
  }
  return octets;
}

await forBothRoles(
  t,
  '§6.5.3 SETTINGS are acknowledged at once, each frame once and in order',
  (t, scene) => {
    scene.peer.send(
      settings(),
      ping('11111111'),
      settings([3, 7]),
      ping('22222222'),
      settings([3, 9]),
    );
    t.strictSame(
      scene.peer.frames().map((sent) => [sent.type, 'ack' in sent && sent.ack]),
      [
        ['SETTINGS', true],
        ['PING', true],
        ['SETTINGS', true],
        ['PING', true],
        ['SETTINGS', true],
      ],
    );
    expectNoHarm(t, scene);
  },
);

await forBothRoles(t, '§6.5 an acknowledgement is not acknowledged', (t, scene) => {
  scene.peer.send(settingsAck(), settingsAck());
  t.strictSame(scene.peer.frames(), []);
  expectNoHarm(t, scene);
});

await forBothRoles(
  t,
  '§6.5.2 §6.5.3 unknown settings are ignored and the frame acknowledged',
  (t, scene) => {
    scene.peer.send(settings([0, 1], [7, 2 ** 32 - 1], [0xffff, 5], [0x8, 1]));
    t.strictSame(
      scene.peer.frames().map((sent) => sent.type),
      ['SETTINGS'],
    );
    expectNoHarm(t, scene);
  },
);

await t.test(
  '§6.5 §6.5.3 of a repeated setting the last value counts, applied before the acknowledgement',
  async (t) => {
    const { peer, subject } = serverScene();
    peer.send(settings([4, 100], [4, 1]));
    subject.stream?.sendHeaders([':status', '200'], null, false);
    subject.stream?.sendMessage(0, octets('hello'), true);
    const frames = peer.frames();
    t.strictSame(
      frames.map((sent) => `${sent.type} ${'length' in sent ? sent.length : ''}`),
      ['SETTINGS 0', 'HEADERS 1', 'DATA 1'],
    );
  },
);

await t.test(
  '§6.5.2 ENABLE_PUSH: a client sends 0, a server sends nothing and ignores 0 and 1',
  async (t) => {
    const client = new ScriptedClient({}, { greet: false });
    const first = client.framesOf('SETTINGS')[0];
    t.ok(
      first?.type === 'SETTINGS' && first.settings.some(({ id, value }) => id === 2 && value === 0),
    );
    const server = new ScriptedServer({}, false);
    const own = server.framesOf('SETTINGS')[0];
    t.notOk(own?.type === 'SETTINGS' && own.settings.some(({ id }) => id === 2));
    const scene = serverScene();
    scene.peer.send(settings([2, 0]), settings([2, 1]));
    expectNoHarm(t, scene);
  },
);

await t.test(
  '§6.5.2 ENABLE_PUSH of 1 from a server ends the connection, PROTOCOL_ERROR',
  async (t) => {
    const scene = clientScene();
    scene.peer.send(settings([2, 1]));
    expectConnectionError(
      t,
      scene,
      ErrorCode.PROTOCOL_ERROR,
      'frame.settings.enable-push-from-server',
    );
  },
);

await t.test('§6.5.2 ENABLE_PUSH of 0 from a server is legal', async (t) => {
  const scene = clientScene();
  scene.peer.send(settings([2, 0]));
  expectNoHarm(t, scene);
});

await t.test(
  '§6.5.2 MAX_CONCURRENT_STREAMS lets waiting calls go, and a smaller one ends none',
  async (t) => {
    const client = new ScriptedClient({}, { greet: false });
    client.send(settings([3, 2]), settingsAck());
    for (let i = 0; i < 5; i++) client.open();
    t.equal(client.framesOf('HEADERS').length, 2);
    client.send(settings([3, 4]));
    t.equal(client.framesOf('HEADERS').length, 2);
    client.send(settings([3, 0]));
    t.equal(client.connection.activeStreams, 5);
    for (const id of [1, 3, 5]) {
      client.send(headers(id, block(...RESPONSE)), data(id, '', END_STREAM));
    }
    t.equal(client.framesOf('HEADERS').length, 0, '0 is a limit like any other');
    client.send(settings([3, 100]));
    t.equal(client.framesOf('HEADERS').length, 1);
  },
);

await t.test('§6.5.2 without MAX_CONCURRENT_STREAMS there is no limit', async (t) => {
  const client = new ScriptedClient();
  for (let i = 0; i < 150; i++) client.open();
  t.equal(client.framesOf('HEADERS').length, 150);
});

await t.test(
  '§4.1 §4.2 §6.5.2 our frames keep to the peer’s MAX_FRAME_SIZE, before and after it grows',
  async (t) => {
    const { peer, subject } = clientScene();
    peer.send(settings([4, 1_000_000]), windowUpdate(0, 1_000_000));
    peer.frames();
    subject.stream?.sendMessage(0, new Uint8Array(40_000), false);
    const before = peer.framesOf('DATA').map((frame) => 'length' in frame && frame.length);
    t.strictSame(before, [16_384, 16_384, 7237]);
    peer.send(settings([5, 30_000]));
    peer.frames();
    subject.stream?.sendMessage(0, new Uint8Array(40_000), false);
    const after = peer.framesOf('DATA').map((frame) => 'length' in frame && frame.length);
    t.strictSame(after, [30_000, 10_005]);
    peer.send(settings([5, 16_384]));
    peer.frames();
    subject.stream?.sendMessage(0, new Uint8Array(20_000), true);
    t.strictSame(
      peer.framesOf('DATA').map((frame) => 'length' in frame && frame.length),
      [16_384, 3621],
    );
  },
);

await t.test(
  '§6.5.2 MAX_HEADER_LIST_SIZE is announced; the peer’s is advice and ends no call',
  async (t) => {
    const server = new ScriptedServer({}, false);
    const [own] = server.framesOf('SETTINGS');
    t.ok(
      own?.type === 'SETTINGS' &&
        own.settings.some(({ id, value }) => id === 6 && value === 16_384),
    );
    const scene = serverScene();
    scene.peer.send(settings([6, 1]));
    scene.peer.frames();
    scene.subject.stream?.sendTrailers([':status', '200', 'grpc-status', '0'], null);
    const [answer] = scene.peer.frames();
    t.equal(answer?.type, 'HEADERS', 'security.md A4: no reset because of the peer’s setting');
  },
);

await t.test('§6.9.2 INITIAL_WINDOW_SIZE before the first SETTINGS is 65,535', async (t) => {
  const client = new ScriptedClient({}, { greet: false });
  const call = client.open();
  call.stream?.sendMessage(0, new Uint8Array(200_000), false);
  t.equal(sentOn(client, 1), 65_535);
});

await t.test(
  '§6.9.2 a change moves the windows of all streams by the difference, open and waiting',
  async (t) => {
    const client = new ScriptedClient({}, { greet: false });
    client.send(settings([3, 1]), settingsAck(), windowUpdate(0, 10_000_000));
    const first = client.open();
    const waiting = client.open();
    first.stream?.sendMessage(0, new Uint8Array(300_000), false);
    waiting.stream?.sendMessage(0, new Uint8Array(300_000), false);
    t.equal(sentOn(client, 1), 65_535);
    client.send(settings([4, 100_000]));
    t.equal(sentOn(client, 1), 100_000 - 65_535);
    client.send(settings([3, 2]));
    t.equal(sentOn(client, 3), 100_000, 'a stream opened later begins with the new size');
    client.send(settings([4, 70_000]), windowUpdate(1, 30_000));
    t.equal(sentOn(client, 1), 0, 'the window is exactly 0');
    client.send(windowUpdate(1, 5));
    t.equal(sentOn(client, 1), 5);
  },
);

await t.test('§6.9.2 a window of the whole range can be moved to 0 and back', async (t) => {
  const { peer, subject } = clientScene();
  peer.send(settings([4, 2 ** 31 - 1]), settings([4, 0]));
  peer.frames();
  subject.stream?.sendMessage(0, octets('abc'), true);
  t.equal(sentOn(peer, 5), 0);
  peer.send(settings([4, 2 ** 31 - 1]));
  t.equal(sentOn(peer, 5), 8);
});

await t.test('§6.9.2 a SETTINGS frame cannot alter the connection window', async (t) => {
  const { peer, subject } = clientScene();
  peer.send(settings([4, 1_000_000]));
  subject.stream?.sendMessage(0, new Uint8Array(500_000), false);
  t.equal(sentOn(peer, 5), 65_535);
});

await t.test(
  '§6.9.3 our smaller stream window takes effect for the peer when it has acknowledged it',
  async (t) => {
    const server = new ScriptedServer({ streamWindowOctets: 1000 }, false);
    const [own] = server.framesOf('SETTINGS');
    t.ok(
      own?.type === 'SETTINGS' && own.settings.some(({ id, value }) => id === 4 && value === 1000),
    );
    server.usesAtOnce = false;
    server.send(PREFACE, settings(), headers(1, block(...REQUEST)));
    for (let i = 0; i < 4; i++) server.send(data(1, new Uint8Array(16_000)));
    t.equal(
      server.streams[0]?.received.length,
      64_000,
      'what the client sent by the initial window',
    );
    t.equal(server.framesOf('RST_STREAM').length, 0);
  },
);

await t.test(
  '§6.5.2 §6.9.1 a peer that exceeds our stream window ends its stream, FLOW_CONTROL_ERROR',
  async (t) => {
    const scene = serverScene({ streamWindowOctets: 65_535 });
    scene.subject.usesAtOnce = false;
    for (let i = 0; i < 4; i++) scene.peer.send(data(3, new Uint8Array(16_383)));
    t.equal(scene.subject.received.length, 65_532);
    scene.peer.send(data(3, 'abcd'));
    expectStreamError(t, scene, ErrorCode.FLOW_CONTROL_ERROR, 'flow.stream-window-exceeded');
  },
);

await t.test(
  '§6.5.2 HEADER_TABLE_SIZE of 0 and back: our blocks follow and stay readable',
  async (t) => {
    const client = new ScriptedClient();
    const lists: unknown[] = [];
    for (const size of [4096, 0, 100, 4096, 1_000_000, 0]) {
      client.send(settings([1, size]));
      for (let i = 0; i < 3; i++) client.open([...REQUEST.flat(), 'x-constant', 'the same value']);
      for (const frame of client.framesOf('HEADERS')) {
        if (frame.type === 'HEADERS') lists.push(frame.headers?.slice(-2));
      }
    }
    t.equal(lists.length, 18);
    t.ok(lists.every((list) => JSON.stringify(list) === '["x-constant","the same value"]'));
  },
);

await t.test('§6.5.3 nothing of a frame with one illegal value takes effect', async (t) => {
  const scene = clientScene();
  scene.peer.send(settings([4, 0], [5, 1]));
  expectConnectionError(
    t,
    scene,
    ErrorCode.PROTOCOL_ERROR,
    'frame.settings.max-frame-size-out-of-range',
  );
});

await t.test(
  '§6.5 SETTINGS may come at any time, also between the parts of a message',
  async (t) => {
    const scene = serverScene();
    scene.peer.send(
      data(3, [0, 0, 0]),
      settings([4, 70_000], [5, 20_000]),
      data(3, [0, 1, 9], END_STREAM),
    );
    t.strictSame(scene.subject.received, octets([0, 0, 0, 0, 1, 9]));
    expectNoHarm(t, scene);
  },
);

await t.test(
  '§6.5.2 a server takes requests while a client’s settings say no streams at all',
  async (t) => {
    const scene = serverScene();
    scene.peer.send(settings([3, 0]), headers(5, block(...REQUEST), ENDS));
    t.equal(scene.peer instanceof ScriptedServer && scene.peer.streams.length, 3);
  },
);

await t.test(
  '§6.9.2 a stream window smaller than 65,535 is kept open for messages larger than it',
  async (t) => {
    const server = new ScriptedServer({ streamWindowOctets: 1000 }, false);
    server.frames();
    server.usesAtOnce = false;
    // Before it acknowledged our SETTINGS the client used 900 octets of the initial window, which were consumed at once.
    server.send(PREFACE, settings(), headers(1, block(...REQUEST)), data(1, new Uint8Array(900)));
    server.streams[0]?.stream?.consume(900);
    let window = 1000 - 900;
    const credit = (): void => {
      for (const frame of server.framesOf('WINDOW_UPDATE')) {
        if (frame.type === 'WINDOW_UPDATE' && frame.streamId === 1) window += frame.increment;
      }
    };
    server.send(settingsAck());
    credit();
    t.equal(window, 1000, 'what was used before is announced now');
    server.send(data(1, '', 0), data(1, new Uint8Array(1000)));
    window -= 1000;
    server.streams[0]?.stream?.expect(50_000);
    credit();
    t.equal(window, 50_000, 'a large message is let in');
    server.streams[0]?.stream?.consume(1000);
    server.send(data(1, new Uint8Array(16_384)));
    t.equal(server.framesOf('RST_STREAM').length, 0);
  },
);

await t.test(
  '§6.9.2 what was sent by the initial window may exceed ours; nothing more may come until it is used',
  async (t) => {
    const server = new ScriptedServer({ streamWindowOctets: 1000 }, false);
    server.frames();
    server.usesAtOnce = false;
    server.send(PREFACE, settings(), headers(1, block(...REQUEST)), data(1, new Uint8Array(5000)));
    server.send(settingsAck(), data(1, ''));
    t.equal(server.framesOf('RST_STREAM').length, 0, 'empty frames are always legal');
    server.send(data(1, 'a'));
    const [reset] = server.framesOf('RST_STREAM');
    t.equal(reset?.type === 'RST_STREAM' && reset.errorCode, ErrorCode.FLOW_CONTROL_ERROR);
  },
);
