import { ErrorCode } from '../../framing/constants.ts';
import { Initiator } from '../../transport/stream-listener.ts';
import {
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  headers,
  octets,
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
  ENDS,
  expectBystanderLives,
  expectConnectionError,
  expectNoHarm,
  serverScene,
} from '../support/verdicts.ts';

const { CANCEL, PROTOCOL_ERROR } = ErrorCode;

await t.test(
  '§5.1.1 an even stream id from a client ends the connection, PROTOCOL_ERROR',
  async (t) => {
    const scene = serverScene();
    scene.peer.send(headers(6, block(...REQUEST), ENDS));
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'stream.id-even-from-client');
  },
);

await t.test(
  '§5.1.1 a stream id below one already opened ends the connection, PROTOCOL_ERROR',
  async (t) => {
    const scene = serverScene();
    scene.peer.send(headers(9, block(...REQUEST)), headers(7, block(...REQUEST)));
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'stream.id-not-increasing');
  },
);

await t.test('§5.1.1 ids may be skipped; a skipped stream is closed', async (t) => {
  const scene = serverScene();
  scene.peer.send(headers(101, block(...REQUEST)));
  t.equal(scene.peer instanceof ScriptedServer && scene.peer.streams.length, 3);
  scene.peer.send(windowUpdate(51, 10), rstStream(51, CANCEL));
  expectNoHarm(t, scene);
});

await t.test('§5.1.1 a client uses odd ids that grow by two', async (t) => {
  const client = new ScriptedClient();
  for (let i = 0; i < 5; i++) client.open();
  t.strictSame(
    client.framesOf('HEADERS').map((frame) => 'streamId' in frame && frame.streamId),
    [1, 3, 5, 7, 9],
  );
});

await t.test(
  '§5.1.1 a client near the end of its ids opens no more streams, tells its owner, and ends those it has',
  async (t) => {
    const client = new ScriptedClient({}, { firstStreamId: 0x5fff_fffd });
    const calls = [client.open(), client.open()];
    t.strictSame(client.draining, ['stream ids are used up']);
    const late = client.open();
    t.equal(late.closed?.initiator, Initiator.CONNECTION);
    t.strictSame(
      late.events.length,
      1,
      'a call that comes too late never left: it may go elsewhere',
    );
    for (const call of calls) call.stream?.sendEnd();
    client.frames();
    for (const id of [0x5fff_fffd, 0x5fff_ffff]) {
      client.send(headers(id, block(...RESPONSE)), headers(id, block(['grpc-status', '0']), ENDS));
    }
    for (const call of calls) t.equal(call.closed?.errorCode, ErrorCode.NO_ERROR);
    t.equal(client.pipe.ended, true, 'then the connection closes');
  },
);

await t.test('§5.1.1 the last stream id there is can be used', async (t) => {
  const server = new ScriptedServer();
  server.send(headers(0x7fff_ffff, block(...REQUEST), ENDS));
  server.streams[0]?.stream?.sendTrailers([':status', '200'], null);
  const [answer] = server.framesOf('HEADERS');
  t.equal(answer?.type === 'HEADERS' && answer.streamId, 0x7fff_ffff);
});

await t.test(
  '§5.1.2 a request above MAX_CONCURRENT_STREAMS is a stream error REFUSED_STREAM',
  async (t) => {
    const scene = serverScene({ maxConcurrentStreams: 2 });
    scene.peer.send(headers(5, block(...REQUEST), ENDS));
    const [reset, ...more] = scene.peer.frames();
    t.strictSame(reset, {
      type: 'RST_STREAM',
      length: 4,
      flags: 0,
      streamId: 5,
      errorCode: ErrorCode.REFUSED_STREAM,
    });
    t.strictSame(more, []);
    t.equal(
      scene.peer instanceof ScriptedServer && scene.peer.streams.length,
      2,
      'nobody hears of it',
    );
    scene.subject.stream?.sendTrailers([':status', '200'], null);
    scene.peer.send(data(3, '', END_STREAM));
    scene.peer.frames();
    expectBystanderLives(t, scene);
  },
);

await t.test('§5.1.2 the limit holds from the first octet and is announced', async (t) => {
  const server = new ScriptedServer({ maxConcurrentStreams: 3 }, false);
  const [first] = server.frames();
  t.ok(
    first?.type === 'SETTINGS' && first.settings.some(({ id, value }) => id === 3 && value === 3),
    'MAX_CONCURRENT_STREAMS is announced',
  );
  server.send(octets('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0));
  for (let id = 1; id <= 9; id += 2) server.send(headers(id, block(...REQUEST)));
  t.strictSame(
    server.framesOf('RST_STREAM').map((reset) => 'streamId' in reset && reset.streamId),
    [7, 9],
  );
});

await t.test('§5.1.2 streams in any half-closed state count, closed ones do not', async (t) => {
  const server = new ScriptedServer({ maxConcurrentStreams: 1 });
  server.send(headers(1, block(...REQUEST), ENDS), headers(3, block(...REQUEST), ENDS));
  t.equal(server.framesOf('RST_STREAM').length, 1);
  server.streams[0]?.stream?.sendTrailers([':status', '200'], null);
  server.frames();
  server.send(headers(5, block(...REQUEST), END_HEADERS));
  t.equal(server.streams.length, 2);
  t.equal(server.framesOf('RST_STREAM').length, 0);
});
