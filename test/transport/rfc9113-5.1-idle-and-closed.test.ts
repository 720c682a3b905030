import { ErrorCode } from '../../framing/constants.ts';
import { Initiator } from '../../transport/stream-listener.ts';
import {
  continuation,
  data,
  END_STREAM,
  frame,
  headers,
  priority,
  pushPromise,
  rstStream,
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
  expectBystanderLives,
  expectConnectionError,
  expectNoError,
  expectNoHarm,
  expectStreamError,
  firstBlock,
  forBothRoles,
  type Scene,
  serverScene,
} from '../support/verdicts.ts';

const { CANCEL, FRAME_SIZE_ERROR, PROTOCOL_ERROR, STREAM_CLOSED } = ErrorCode;

// ---- idle ----------------------------------------------------------------------------------------------------------

await forBothRoles(
  t,
  '§5.1 DATA on an idle stream ends the connection, PROTOCOL_ERROR',
  (t, scene) => {
    scene.peer.send(data(scene.idleId, 'a'));
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'stream.frame-on-idle');
  },
);

await forBothRoles(
  t,
  '§5.1 §6.4 RST_STREAM on an idle stream ends the connection, PROTOCOL_ERROR',
  (t, scene) => {
    scene.peer.send(rstStream(scene.idleId, CANCEL));
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'stream.frame-on-idle');
  },
);

await forBothRoles(
  t,
  '§5.1 WINDOW_UPDATE on an idle stream ends the connection, PROTOCOL_ERROR',
  (t, scene) => {
    scene.peer.send(windowUpdate(scene.idleId, 100));
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'stream.frame-on-idle');
  },
);

await forBothRoles(
  t,
  '§5.1 §6.10 CONTINUATION on an idle stream ends the connection, PROTOCOL_ERROR',
  (t, scene) => {
    scene.peer.send(continuation(scene.idleId, firstBlock(scene)));
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'frame.continuation.unexpected');
  },
);

await forBothRoles(
  t,
  '§5.1 a frame on a stream of the other parity, which is idle for ever, ends the connection, PROTOCOL_ERROR',
  (t, scene) => {
    scene.peer.send(data(2, 'a'));
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'stream.frame-on-idle');
  },
);

await t.test(
  '§5.1 HEADERS on an idle stream end the connection of a client, PROTOCOL_ERROR',
  async (t) => {
    for (const streamId of [7, 101, 2]) {
      const scene = clientScene();
      scene.peer.send(headers(streamId, block(...RESPONSE)));
      expectConnectionError(t, scene, PROTOCOL_ERROR, 'stream.headers-on-idle');
    }
  },
);

await forBothRoles(
  t,
  '§5.1 §5.3.2 PRIORITY is taken in every state: idle, open and closed',
  (t, scene) => {
    scene.peer.send(
      priority(scene.idleId, 0),
      priority(scene.subjectId, scene.idleId),
      priority(101, 99, 255),
    );
    scene.subject.stream?.reset(CANCEL);
    scene.peer.frames();
    scene.peer.send(priority(scene.subjectId, 0));
    expectNoHarm(t, scene);
  },
);

await t.test('§5.1 PRIORITY on an idle stream does not open it', async (t) => {
  const server = new ScriptedServer();
  server.send(priority(9, 0), headers(3, block(...REQUEST)), headers(9, block(...REQUEST)));
  t.equal(server.streams.length, 2, 'lower and equal ids can still be opened');
  t.strictSame(server.frames(), []);
});

// ---- half-closed (remote) ------------------------------------------------------------------------------------------

/** The peer ends its side of the subject; ours stays open. */
function peerEnds(scene: Scene): void {
  if (scene.role === 'client') {
    scene.peer.send(
      headers(scene.subjectId, firstBlock(scene)),
      data(scene.subjectId, '', END_STREAM),
    );
  } else scene.peer.send(data(scene.subjectId, '', END_STREAM));
  scene.peer.frames();
}

await forBothRoles(
  t,
  '§5.1 §6.1 DATA on a half-closed (remote) stream is a stream error STREAM_CLOSED',
  (t, scene) => {
    peerEnds(scene);
    scene.peer.send(data(scene.subjectId, 'more'));
    t.equal(scene.subject.received.length, 0, 'nothing is handed on');
    expectStreamError(t, scene, STREAM_CLOSED, 'stream.data-after-end');
  },
);

await forBothRoles(
  t,
  '§5.1 HEADERS on a half-closed (remote) stream are a stream error STREAM_CLOSED',
  (t, scene) => {
    peerEnds(scene);
    scene.peer.send(headers(scene.subjectId, block(['grpc-status', '0']), ENDS));
    expectStreamError(t, scene, STREAM_CLOSED, 'stream.headers-after-end');
  },
);

await forBothRoles(
  t,
  '§5.1 CONTINUATION on a half-closed (remote) stream ends the connection, PROTOCOL_ERROR',
  (t, scene) => {
    peerEnds(scene);
    scene.peer.send(continuation(scene.subjectId, firstBlock(scene)));
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'frame.continuation.unexpected');
  },
);

await forBothRoles(
  t,
  '§5.1 §6.9 WINDOW_UPDATE, PRIORITY and RST_STREAM on a half-closed (remote) stream are no errors',
  (t, scene) => {
    peerEnds(scene);
    scene.peer.send(windowUpdate(scene.subjectId, 100), priority(scene.subjectId, 0));
    expectNoError(t, scene);
    t.equal(scene.subject.closed, undefined, 'the stream is alive');
    scene.peer.send(rstStream(scene.subjectId, CANCEL));
    t.equal(scene.subject.closed?.initiator, Initiator.REMOTE);
    expectNoHarm(t, scene);
  },
);

await t.test(
  '§5.1 a half-closed (remote) stream still sends DATA, within its windows',
  async (t) => {
    const { peer, subject } = serverScene();
    peer.send(data(3, '', END_STREAM));
    subject.stream?.sendHeaders([':status', '200'], null, false);
    subject.stream?.sendMessage(0, new Uint8Array(70_000), false);
    const sent = peer
      .framesOf('DATA')
      .reduce((sum, data) => sum + ('length' in data ? data.length : 0), 0);
    t.equal(sent, 65_535);
    peer.send(windowUpdate(3, 100_000), windowUpdate(0, 100_000));
    t.equal(peer.framesOf('DATA').length, 1);
  },
);

// ---- half-closed (local) -------------------------------------------------------------------------------------------

await t.test('§5.1 a half-closed (local) stream receives and gives credit', async (t) => {
  const scene = clientScene();
  scene.subject.stream?.sendEnd();
  scene.peer.frames();
  scene.peer.send(headers(5, block(...RESPONSE)), windowUpdate(5, 10));
  for (let i = 0; i < 16; i++) scene.peer.send(data(5, new Uint8Array(16_384)));
  t.equal(scene.subject.received.length, 16 * 16_384);
  const updates = scene.peer.framesOf('WINDOW_UPDATE');
  t.ok(updates.some((frame) => frame.type === 'WINDOW_UPDATE' && frame.streamId === 5));
  expectBystanderLives(t, scene);
});

// ---- closed --------------------------------------------------------------------------------------------------------

/** The subject ends cleanly on both sides. */
function bothEnd(scene: Scene): void {
  peerEnds(scene);
  if (scene.role === 'client') scene.subject.stream?.sendEnd();
  else scene.subject.stream?.sendTrailers([':status', '200', 'grpc-status', '0'], null);
  scene.peer.frames();
  if (scene.subject.closed?.errorCode !== ErrorCode.NO_ERROR) throw new Error('not a clean end');
}

await forBothRoles(
  t,
  '§5.1 DATA behind END_STREAM on a closed stream ends the connection, STREAM_CLOSED',
  (t, scene) => {
    bothEnd(scene);
    scene.peer.send(data(scene.subjectId, 'a'));
    expectConnectionError(t, scene, STREAM_CLOSED, 'stream.data-on-closed');
  },
);

await forBothRoles(
  t,
  '§5.1 HEADERS behind END_STREAM on a closed stream end the connection, STREAM_CLOSED',
  (t, scene) => {
    bothEnd(scene);
    scene.peer.send(headers(scene.subjectId, firstBlock(scene), ENDS));
    expectConnectionError(t, scene, STREAM_CLOSED, 'stream.headers-on-closed');
  },
);

await forBothRoles(
  t,
  '§5.1 CONTINUATION on a closed stream ends the connection, PROTOCOL_ERROR',
  (t, scene) => {
    bothEnd(scene);
    scene.peer.send(continuation(scene.subjectId, firstBlock(scene)));
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'frame.continuation.unexpected');
  },
);

await forBothRoles(
  t,
  '§5.1 §6.9 WINDOW_UPDATE and RST_STREAM that cross our END_STREAM are no errors',
  (t, scene) => {
    bothEnd(scene);
    scene.peer.send(
      windowUpdate(scene.subjectId, 100),
      rstStream(scene.subjectId, ErrorCode.NO_ERROR),
      rstStream(scene.subjectId, CANCEL),
    );
    expectNoHarm(t, scene);
  },
);

await forBothRoles(
  t,
  '§5.1 §6.1 DATA behind the peer’s own RST_STREAM is a stream error STREAM_CLOSED, once',
  (t, scene) => {
    scene.peer.send(rstStream(scene.subjectId, CANCEL));
    t.strictSame(scene.peer.frames(), [], 'RST_STREAM is not answered by one');
    scene.peer.send(
      data(scene.subjectId, 'a'),
      data(scene.subjectId, 'b'),
      data(scene.subjectId, 'c'),
    );
    const [reset, ...more] = scene.peer.frames();
    t.strictSame(reset, {
      type: 'RST_STREAM',
      length: 4,
      flags: 0,
      streamId: scene.subjectId,
      errorCode: STREAM_CLOSED,
    });
    t.strictSame(more, [], '§5.4.2: one RST_STREAM per stream');
    expectNoHarm(t, scene);
  },
);

await forBothRoles(
  t,
  '§5.1 HEADERS behind the peer’s own RST_STREAM end the connection, STREAM_CLOSED',
  (t, scene) => {
    scene.peer.send(
      rstStream(scene.subjectId, CANCEL),
      headers(scene.subjectId, firstBlock(scene), ENDS),
    );
    expectConnectionError(t, scene, STREAM_CLOSED, 'stream.headers-on-closed');
  },
);

await forBothRoles(
  t,
  '§5.1 CONTINUATION behind the peer’s own RST_STREAM ends the connection, PROTOCOL_ERROR',
  (t, scene) => {
    scene.peer.send(
      rstStream(scene.subjectId, CANCEL),
      continuation(scene.subjectId, firstBlock(scene)),
    );
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'frame.continuation.unexpected');
  },
);

await forBothRoles(
  t,
  '§5.1 §5.4.2 §6.4 frames that cross our RST_STREAM are minimally processed and discarded',
  (t, scene) => {
    scene.subject.stream?.reset(CANCEL);
    const [reset] = scene.peer.frames();
    t.equal(reset?.type === 'RST_STREAM' && reset.errorCode, CANCEL);
    const heard = scene.subject.events.length;
    scene.peer.send(
      headers(scene.subjectId, block(...RESPONSE)),
      data(scene.subjectId, 'late'),
      windowUpdate(scene.subjectId, 100),
      headers(scene.subjectId, block(['grpc-status', '0']), ENDS),
      rstStream(scene.subjectId, ErrorCode.NO_ERROR),
    );
    t.equal(scene.subject.events.length, heard, 'nothing is handed on');
    expectNoHarm(t, scene);
  },
);

await t.test(
  '§5.1 a client that cancels many calls at once, or long ago, ignores what was under way',
  async (t) => {
    const client = new ScriptedClient({ maxRememberedStreams: 4, rememberedStreamMs: 2000 });
    const calls = Array.from({ length: 60 }, () => client.open());
    client.frames();
    for (const call of calls.slice(1)) call.stream?.reset(CANCEL);
    client.frames();
    client.clock.advance(60_000);
    for (let id = 3; id < 121; id += 2) {
      client.send(
        headers(id, block(...RESPONSE)),
        data(id, new Uint8Array(1000)),
        data(id, '', END_STREAM),
      );
    }
    t.strictSame(
      client.frames().filter((frame) => frame.type !== 'WINDOW_UPDATE'),
      [],
      'no RST_STREAM, no GOAWAY',
    );
    client.send(headers(1, block(...RESPONSE)), headers(1, block(['grpc-status', '0']), ENDS));
    t.equal(calls[0]?.events.length, 2, 'the call that was not cancelled goes on');
    t.equal(client.closed, null);
  },
);

await t.test(
  '§5.1 §6.9 a server that forgot a stream it reset credits and discards its DATA',
  async (t) => {
    const server = new ScriptedServer({ maxRememberedStreams: 2 });
    for (let id = 1; id < 41; id += 2) server.send(headers(id, block(...REQUEST)));
    for (const stream of server.streams) stream.stream?.reset(ErrorCode.NO_ERROR);
    server.frames();
    for (let id = 1; id < 41; id += 2)
      server.send(data(id, new Uint8Array(16_384)), data(id, '', END_STREAM));
    const frames = server.frames();
    t.notOk(frames.some((frame) => frame.type === 'RST_STREAM' || frame.type === 'GOAWAY'));
    t.equal(server.closed, null);
  },
);

// ---- the other odd frames --------------------------------------------------------------------------------------------

await forBothRoles(
  t,
  '§5.1 §6.6 PUSH_PROMISE in any state ends the connection, PROTOCOL_ERROR',
  (t, scene) => {
    scene.peer.send(pushPromise(scene.subjectId, 2, block(...REQUEST)));
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'frame.push-promise.refused');
  },
);

await forBothRoles(
  t,
  '§6.3 a PRIORITY frame of another length than 5 on a stream that just ended is still a stream error FRAME_SIZE_ERROR, once',
  (t, scene) => {
    bothEnd(scene);
    scene.peer.send(
      frame(2, 0, scene.subjectId, [0, 0, 0, 1]),
      frame(2, 0, scene.subjectId, [0, 0, 0, 1]),
    );
    const errors = scene.peer.frames();
    t.strictSame(errors, [
      {
        type: 'RST_STREAM',
        length: 4,
        flags: 0,
        streamId: scene.subjectId,
        errorCode: FRAME_SIZE_ERROR,
      },
    ]);
    expectNoHarm(t, scene);
  },
);

await t.test(
  '§5.1 §8.1 DATA before the response headers is a stream error PROTOCOL_ERROR',
  async (t) => {
    const scene = clientScene();
    scene.peer.send(data(5, 'a'));
    expectStreamError(t, scene, PROTOCOL_ERROR, 'stream.data-before-headers');
  },
);
