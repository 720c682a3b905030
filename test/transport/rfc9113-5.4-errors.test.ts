import { ErrorCode } from '../../framing/constants.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
import {
  data,
  END_STREAM,
  frame,
  headers,
  octets,
  ping,
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
import { t } from '../support/tap.ts';
import {
  clientScene,
  ENDS,
  expectBystanderLives,
  expectConnectionError,
  expectNoHarm,
  expectStreamError,
  forBothRoles,
  pingAck,
  serverScene,
} from '../support/verdicts.ts';

const { CANCEL, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, NO_ERROR, PROTOCOL_ERROR } = ErrorCode;

await forBothRoles(
  t,
  '§5.4.1 a connection error sends GOAWAY with its code and closes the connection',
  (t, scene) => {
    scene.peer.send(frame(6, 0, 0, '1234'));
    expectConnectionError(t, scene, FRAME_SIZE_ERROR, 'frame.ping.length');
  },
);

await forBothRoles(
  t,
  '§5.4.1 what was due before the error still goes out, GOAWAY last',
  (t, scene) => {
    scene.peer.pipe.writes = 0;
    scene.peer.send(ping('abcdefgh'), settings(), frame(6, 0, 1, '12345678'));
    t.equal(scene.peer.pipe.writes, 1, 'in one write');
    t.strictSame(
      scene.peer.frames().map((sent) => sent.type),
      ['PING', 'SETTINGS', 'GOAWAY'],
    );
  },
);

await forBothRoles(
  t,
  '§5.4 of several errors in one read only the first is reported',
  (t, scene) => {
    scene.peer.send(frame(6, 0, 1, '12345678'), data(0, 'a'), windowUpdate(0, 0));
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'frame.ping.stream-not-zero');
  },
);

await forBothRoles(t, '§5.4.2 the first error of a stream is its only one', (t, scene) => {
  scene.peer.send(
    frame(8, 0, scene.subjectId, [0, 0, 0, 0]),
    frame(8, 0, scene.subjectId, [0, 0, 0, 0]),
    frame(2, 0, scene.subjectId, [1]),
    data(scene.subjectId, 'x', END_STREAM),
  );
  expectStreamError(t, scene, PROTOCOL_ERROR, 'frame.window-update.zero-increment');
});

await forBothRoles(t, '§5.4.2 RST_STREAM is never answered by RST_STREAM', (t, scene) => {
  for (const code of [NO_ERROR, CANCEL, PROTOCOL_ERROR, 0xffff_ffff]) {
    scene.peer.send(rstStream(scene.subjectId, code));
  }
  t.strictSame(scene.peer.frames(), []);
  t.equal(scene.subject.closed?.initiator, Initiator.REMOTE);
  expectNoHarm(t, scene);
});

await t.test('§5.4.2 a reset stream frees its place under MAX_CONCURRENT_STREAMS', async (t) => {
  const server = new ScriptedServer({ maxConcurrentStreams: 1 });
  for (let id = 1; id < 41; id += 2) {
    server.send(headers(id, block(...REQUEST)), windowUpdate(id, 2 ** 31 - 1));
  }
  const resets = server.framesOf('RST_STREAM');
  t.equal(resets.length, 20);
  t.ok(
    resets.every((reset) => reset.type === 'RST_STREAM' && reset.errorCode === FLOW_CONTROL_ERROR),
  );
  t.equal(server.connection.activeStreams, 0);
});

await t.test(
  '§5.4.3 §8.7 calls on a connection that breaks cannot be known to be unprocessed',
  async (t) => {
    for (const scene of [serverScene(), clientScene()]) {
      scene.peer.pipe.destroy(new Error('read ECONNRESET'));
      for (const stream of [scene.subject, scene.bystander]) {
        t.equal(stream.closed?.initiator, Initiator.CONNECTION);
        t.equal(stream.closed?.progress, StreamProgress.PROCESSED);
        t.match(stream.closed?.reason ?? '', /ECONNRESET/);
      }
      t.equal(scene.peer.connection.activeStreams, 0);
      t.equal(scene.peer.clock.pending, 0, 'no timer is left');
    }
  },
);

await t.test('§5.4.1 an end of the pipe without GOAWAY ends every call', async (t) => {
  for (const scene of [serverScene(), clientScene()]) {
    scene.peer.pipe.endByPeer();
    t.equal(scene.subject.closed?.initiator, Initiator.CONNECTION);
    t.equal(scene.peer.pipe.destroyed, true);
    t.equal(scene.peer.clock.pending, 0);
  }
});

await t.test('§5.4.1 one connection’s error is no other connection’s', async (t) => {
  const first = serverScene();
  const second = serverScene();
  first.peer.send(data(0, 'a'));
  expectConnectionError(t, first, PROTOCOL_ERROR, 'frame.data.stream-zero');
  expectBystanderLives(t, second);
});

await t.test('§5.4.1 a pipe that takes nothing cannot hold up the end', async (t) => {
  for (const scene of [serverScene(), clientScene()]) {
    scene.peer.pipe.stalled = true;
    scene.peer.send(ping('12345678'), data(0, 'a'));
    t.equal(scene.peer.closed?.errorCode, PROTOCOL_ERROR);
    t.equal(scene.bystander.closed?.errorCode, PROTOCOL_ERROR);
    scene.peer.clock.advance(1000);
    t.equal(scene.peer.pipe.destroyed, true);
    t.equal(scene.peer.clock.pending, 0);
  }
});

await t.test(
  '§5.4 §6.8 an error while draining sends a further GOAWAY with its code',
  async (t) => {
    const scene = serverScene();
    if (!(scene.peer instanceof ScriptedServer)) throw new Error('no server');
    scene.peer.connection.drain();
    const [first, marker] = scene.peer.frames();
    t.equal(first?.type === 'GOAWAY' && first.lastStreamId, 0x7fff_ffff);
    scene.peer.send(pingAck(marker?.type === 'PING' ? marker.payload : octets()));
    const [second] = scene.peer.frames();
    t.strictSame(second?.type === 'GOAWAY' && [second.lastStreamId, second.errorCode], [
      3,
      NO_ERROR,
    ]);
    scene.peer.send(data(0, 'a'));
    const [third, ...more] = scene.peer.frames();
    t.strictSame(third?.type === 'GOAWAY' && [third.lastStreamId, third.errorCode], [
      3,
      PROTOCOL_ERROR,
    ]);
    t.strictSame(more, []);
  },
);

await t.test(
  '§5.4.1 a fault of our own ends one connection with INTERNAL_ERROR, and no exception escapes',
  async (t) => {
    const client = new ScriptedClient();
    const call = client.open();
    call.stream?.sendEnd();
    client.frames();
    call.onHeaders = () => {
      throw new Error('listener fault');
    };
    client.send(headers(1, block(...RESPONSE), ENDS));
    const last = client.frames().at(-1);
    t.equal(last?.type === 'GOAWAY' && last.errorCode, ErrorCode.INTERNAL_ERROR);
    t.equal(client.closed?.errorCode, ErrorCode.INTERNAL_ERROR);
  },
);
