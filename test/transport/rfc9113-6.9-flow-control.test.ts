import { ErrorCode } from '../../framing/constants.ts';
import type { InspectedFrame } from '../../framing/frame-inspector.ts';
import {
  data,
  END_STREAM,
  frame,
  headers,
  octets,
  paddedData,
  rstStream,
  settings,
  windowUpdate,
} from '../support/frame-factory.ts';
import {
  block,
  REQUEST,
  RESPONSE,
  ScriptedClient,
  ScriptedServer,
} from '../support/scripted-peer.ts';
import { type TestContext, t } from '../support/tap.ts';
import {
  clientScene,
  expectBystanderLives,
  expectConnectionError,
  expectNoHarm,
  expectStreamError,
  forBothRoles,
  type Scene,
  serverScene,
} from '../support/verdicts.ts';

const { CANCEL, FLOW_CONTROL_ERROR, NO_ERROR, PROTOCOL_ERROR } = ErrorCode;
const MEBIBYTE = 1_048_576;

function credited(frames: readonly InspectedFrame[], streamId: number): number {
  let octets = 0;
  for (const frame of frames) {
    if (frame.type === 'WINDOW_UPDATE' && frame.streamId === streamId) octets += frame.increment;
  }
  return octets;
}

/**
 * Sends `frame` again and again and plays the peer's connection window. The peer never runs dry exactly when we give back everything
 * it is charged for, `flowLength` per frame.
 */
function expectCreditFor(
  t: TestContext,
  peer: ScriptedServer | ScriptedClient,
  flowLength: number,
  frame: Uint8Array,
): void {
  let window = MEBIBYTE;
  for (let sent = 0; sent < 3 * MEBIBYTE && window > 0; sent += flowLength) {
    window -= flowLength;
    peer.pipe.feed(frame);
    window += credited(peer.frames(), 0);
  }
  t.ok(window > 0, `the peer's connection window ends at ${window}`);
  t.equal(peer.closed, null);
}

// ---- what we send -----------------------------------------------------------------------------------------------------

await forBothRoles(
  t,
  '§6.9 a zero increment on a stream is a stream error PROTOCOL_ERROR',
  (t, scene) => {
    scene.peer.send(windowUpdate(scene.subjectId, 0));
    expectStreamError(t, scene, PROTOCOL_ERROR, 'frame.window-update.zero-increment');
  },
);

await forBothRoles(
  t,
  '§6.9.1 a stream window above 2^31-1 is a stream error FLOW_CONTROL_ERROR',
  (t, scene) => {
    scene.peer.send(
      windowUpdate(scene.subjectId, 2 ** 31 - 1 - 65_535),
      windowUpdate(scene.subjectId, 1),
    );
    expectStreamError(t, scene, FLOW_CONTROL_ERROR, 'flow.stream-window-overflow');
  },
);

await forBothRoles(t, '§6.9.1 windows of exactly 2^31-1 are legal', (t, scene) => {
  scene.peer.send(windowUpdate(scene.subjectId, 2 ** 31 - 1 - 65_535));
  scene.peer.send(windowUpdate(0, 2 ** 31 - 1 - 65_535));
  expectNoHarm(t, scene);
});

await t.test('§6.9.1 DATA never exceeds the stream window nor the connection window', async (t) => {
  const { peer, subject, bystander } = clientScene();
  subject.stream?.sendMessage(0, new Uint8Array(100_000), false);
  bystander.stream?.sendMessage(0, new Uint8Array(100_000), false);
  const lengths = (): Map<number, number> => {
    const sums = new Map<number, number>();
    for (const sent of peer.framesOf('DATA')) {
      if (sent.type !== 'DATA') continue;
      sums.set(sent.streamId, (sums.get(sent.streamId) ?? 0) + sent.length);
    }
    return sums;
  };
  const first = [...lengths().values()].reduce((a, b) => a + b, 0);
  t.equal(first, 65_535, 'the connection window');
  peer.send(windowUpdate(0, 10));
  t.equal(
    [...lengths().values()].reduce((a, b) => a + b, 0),
    10,
  );
  peer.send(windowUpdate(0, 10_000_000));
  const rest = lengths();
  const total = [...rest.values()].reduce((a, b) => a + b, 0);
  t.equal(total, 2 * 65_535 - 65_535 - 10, 'both streams at the end of their own windows');
});

await t.test(
  '§5.2 a message written at once takes no window from a stream that waits for it',
  async (t) => {
    const { peer, subject, subjectId, bystander, bystanderId } = clientScene();
    peer.send(windowUpdate(bystanderId, 1_000_000));
    bystander.stream?.sendMessage(0, new Uint8Array(100_000), false);
    peer.frames();
    // Each octet that comes makes the subject write a message which just fits the window the peer gave in the same read.
    const answer = new Uint8Array(25);
    subject.onData = (_chunk, start, end) => {
      subject.stream?.sendMessage(0, answer, false);
      return end - start;
    };
    peer.send(headers(subjectId, block(...RESPONSE)));
    const writers: number[] = [];
    for (let round = 0; round < 4; round++) {
      peer.send(windowUpdate(0, 30), data(subjectId, 'x'));
      for (const sent of peer.framesOf('DATA')) {
        t.equal('length' in sent && sent.length, 30);
        writers.push('streamId' in sent ? sent.streamId : 0);
      }
    }
    t.strictSame(writers, [bystanderId, subjectId, bystanderId, subjectId], 'each in its turn');
  },
);

await t.test('§6.9.1 the first DATA frame under a window of 1 has one octet', async (t) => {
  const { peer, subject } = serverScene();
  peer.send(settings([4, 1]));
  subject.stream?.sendHeaders([':status', '200'], null, false);
  subject.stream?.sendMessage(0, octets('hello'), true);
  t.strictSame(
    peer.framesOf('DATA').map((sent) => 'length' in sent && sent.length),
    [1],
  );
  peer.send(windowUpdate(3, 1));
  t.strictSame(
    peer.framesOf('DATA').map((sent) => 'length' in sent && sent.length),
    [1],
  );
});

await t.test('§6.9.2 a negative window sends nothing until it is positive again', async (t) => {
  const { peer, subject } = serverScene();
  peer.send(settings([4, 3]));
  subject.stream?.sendHeaders([':status', '200'], null, false);
  subject.stream?.sendMessage(0, octets('hello'), true);
  t.strictSame(
    peer.framesOf('DATA').map((sent) => 'length' in sent && sent.length),
    [3],
  );
  peer.send(settings([4, 2]));
  t.equal(peer.framesOf('DATA').length, 0, 'window -1');
  peer.send(windowUpdate(3, 1));
  t.equal(peer.framesOf('DATA').length, 0, 'window 0');
  peer.send(windowUpdate(3, 2));
  t.strictSame(
    peer.framesOf('DATA').map((sent) => 'length' in sent && sent.length),
    [2],
  );
});

await t.test(
  '§6.9.1 an empty DATA frame with END_STREAM and trailers need no window',
  async (t) => {
    const client = new ScriptedClient({}, { greet: false });
    client.send(settings([4, 0]));
    const call = client.open();
    call.stream?.sendEnd();
    t.equal(client.framesOf('DATA').length, 1);
    const { peer, subject } = serverScene();
    peer.send(settings([4, 0]));
    subject.stream?.sendTrailers([':status', '200', 'grpc-status', '0'], null);
    t.equal(peer.framesOf('HEADERS').length, 1);
  },
);

await t.test(
  '§6.9 only DATA is charged: HEADERS leave while both windows are closed',
  async (t) => {
    const { peer, subject, bystander } = serverScene();
    subject.stream?.sendHeaders([':status', '200'], null, false);
    subject.stream?.sendMessage(0, new Uint8Array(200_000), true);
    peer.frames();
    bystander.stream?.sendHeaders([':status', '200'], null, false);
    t.strictSame(
      peer.frames().map((sent) => sent.type),
      ['HEADERS'],
    );
  },
);

await t.test(
  '§5.2.2 frames are read while our own output is blocked by the peer’s windows',
  async (t) => {
    const { peer, subject } = clientScene();
    subject.stream?.sendMessage(0, new Uint8Array(1_000_000), false);
    peer.frames();
    peer.send(headers(5, block(...RESPONSE)), data(5, 'abc'));
    t.strictSame(subject.received, octets('abc'));
  },
);

// ---- what we receive ----------------------------------------------------------------------------------------------------

await t.test(
  '§6.9.1 a peer that exceeds the connection window ends the connection, FLOW_CONTROL_ERROR',
  async (t) => {
    const scene = serverScene({
      connectionWindowOctets: 65_535,
      streamWindowOctets: 1_000_000,
      maxUnreadOctets: 0,
    });
    scene.subject.usesAtOnce = false;
    scene.bystander.usesAtOnce = false;
    for (let i = 0; i < 4; i++) scene.peer.send(data(3, new Uint8Array(16_383)));
    scene.peer.send(data(3, 'abcd'));
    expectConnectionError(t, scene, FLOW_CONTROL_ERROR, 'flow.connection-window-exceeded');
  },
);

await t.test('§6.9 the padding of DATA counts, and is given back', async (t) => {
  const { peer } = serverScene({ streamWindowOctets: 65_535 });
  let stream = 65_535;
  let connection = MEBIBYTE;
  let least = stream;
  const padded = paddedData(3, 'a', 255);
  for (let i = 0; i < 5000 && peer.closed === null; i++) {
    stream -= 257;
    connection -= 257;
    least = Math.min(least, stream, connection);
    peer.pipe.feed(padded);
    const frames = peer.frames();
    stream += credited(frames, 3);
    connection += credited(frames, 0);
  }
  t.ok(least > 0, 'no window ran dry');
  t.equal(peer.closed, null);
});

await t.test(
  '§6.9 §5.1 the connection window is credited for DATA of a stream we reset',
  async (t) => {
    for (const scene of [serverScene(), clientScene()]) {
      scene.subject.stream?.reset(CANCEL);
      scene.peer.frames();
      expectCreditFor(t, scene.peer, 16_384, data(scene.subjectId, new Uint8Array(16_384)));
    }
  },
);

await t.test(
  '§6.9 the connection window is credited for padded DATA of a stream we reset',
  async (t) => {
    const scene = serverScene();
    scene.subject.stream?.reset(CANCEL);
    scene.peer.frames();
    expectCreditFor(t, scene.peer, 16_001, paddedData(3, new Uint8Array(15_745), 255));
  },
);

await t.test('§6.9 the connection window is credited for DATA in error', async (t) => {
  const errors: readonly (readonly [string, (id: number) => Uint8Array])[] = [
    [
      'behind END_STREAM',
      (id) => octets(data(id, '', END_STREAM), data(id, new Uint8Array(16_000))),
    ],
    ['of the wrong length', (id) => data(id, new Uint8Array(16_000))],
  ];
  for (const [name, frameOf] of errors) {
    const server = new ScriptedServer({ ownResets: 1_000_000 });
    let window = MEBIBYTE;
    for (let id = 1; id < 161 && window > 0; id += 2) {
      const fields =
        name === 'of the wrong length' ? [...REQUEST, ['content-length', '5'] as const] : REQUEST;
      server.send(headers(id, block(...fields)), frameOf(id));
      window += credited(server.frames(), 0) - 16_000;
    }
    t.ok(window > 0, `${name}: ${window}`);
    t.equal(server.closed, null, name);
  }
});

await t.test('§6.9 what a reset call had not used is given back to the connection', async (t) => {
  const server = new ScriptedServer({ maxUnreadOctets: 0 });
  server.usesAtOnce = false;
  let window = MEBIBYTE;
  for (let id = 1; id < 100; id += 2) {
    server.send(
      headers(id, block(...REQUEST)),
      data(id, new Uint8Array(16_384)),
      data(id, new Uint8Array(16_384)),
    );
    window += credited(server.frames(), 0) - 32_768;
    if (window < 0) break;
    // Half of them are reset by the client, half by the server.
    if (id % 4 === 1) server.send(rstStream(id, CANCEL));
    else server.streams.at(-1)?.stream?.reset(NO_ERROR);
    window += credited(server.frames(), 0);
  }
  t.ok(window > 0, `${window}`);
  t.equal(server.closed, null);
});

await t.test('§6.9 credit is given as DATA is used, in increments of 1 … 2^31-1', async (t) => {
  const { peer, subject } = serverScene();
  subject.usesAtOnce = false;
  for (let i = 0; i < 15; i++) peer.send(data(3, new Uint8Array(16_384)));
  t.equal(credited(peer.frames(), 3), 0, 'nothing is used');
  subject.stream?.consume(15 * 16_384);
  const updates = peer.framesOf('WINDOW_UPDATE');
  t.equal(credited(updates, 3), 15 * 16_384);
  t.ok(updates.every((update) => update.type === 'WINDOW_UPDATE' && update.increment > 0));
});

await t.test('§5.1 §6.9 a stream that its peer has ended is sent no more credit', async (t) => {
  const { peer, subject } = serverScene();
  subject.usesAtOnce = false;
  for (let i = 0; i < 15; i++) peer.send(data(3, new Uint8Array(16_384)));
  peer.send(data(3, '', END_STREAM));
  peer.frames();
  subject.stream?.consume(15 * 16_384);
  t.equal(credited(peer.frames(), 3), 0);
});

await t.test('§6.9 one stream whose octets nobody uses does not starve the others', async (t) => {
  const scene: Scene = serverScene();
  scene.subject.usesAtOnce = false;
  for (let i = 0; i < 16; i++) scene.peer.send(data(3, new Uint8Array(16_384)));
  t.equal(credited(scene.peer.frames(), 3), 0);
  scene.peer.send(data(3, 'a'));
  expectStreamError(t, scene, FLOW_CONTROL_ERROR, 'flow.stream-window-exceeded');
});

await t.test(
  '§6.9 frames that are not flow-controlled are taken with the windows used up',
  async (t) => {
    const scene = serverScene();
    scene.subject.usesAtOnce = false;
    for (let i = 0; i < 16; i++) scene.peer.send(data(3, new Uint8Array(16_384)));
    scene.peer.frames();
    scene.peer.send(
      headers(3, block(['x-trailer', 'a']), 5),
      frame(0xaa, 0, 3, new Uint8Array(16_384)),
    );
    t.equal(scene.subject.events.at(-1)?.type, 'trailers');
    expectBystanderLives(t, scene);
  },
);
