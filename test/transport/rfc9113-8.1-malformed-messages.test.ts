import { ErrorCode } from '../../framing/constants.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
import { data, END_STREAM, headers, octets, rstStream } from '../support/frame-factory.ts';
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
  expectNoHarm,
  expectStreamError,
  forBothRoles,
  type Scene,
  serverScene,
} from '../support/verdicts.ts';

const { NO_ERROR, PROTOCOL_ERROR } = ErrorCode;

// ---- the sequence of frames ------------------------------------------------------------------------------------------

/** Brings the subject to where only DATA and trailers may follow. */
function withHeaders(scene: Scene): void {
  if (scene.role === 'client') scene.peer.send(headers(scene.subjectId, block(...RESPONSE)));
}

await forBothRoles(
  t,
  '§8.1 a second HEADERS frame without END_STREAM is a stream error PROTOCOL_ERROR',
  (t, scene) => {
    withHeaders(scene);
    scene.peer.send(headers(scene.subjectId, block(['x-trailer', 'a'])));
    expectStreamError(t, scene, PROTOCOL_ERROR, 'stream.trailers-without-end-stream');
  },
);

await forBothRoles(
  t,
  '§8.1 §8.3 a pseudo-header field in trailers is a stream error PROTOCOL_ERROR',
  (t, scene) => {
    withHeaders(scene);
    scene.peer.send(
      headers(scene.subjectId, block([scene.role === 'server' ? ':path' : ':status', '200']), ENDS),
    );
    t.notOk(scene.subject.events.some((event) => event.type === 'trailers'));
    expectStreamError(t, scene, PROTOCOL_ERROR, 'http.pseudo-header.in-trailers');
  },
);

await forBothRoles(
  t,
  '§8.2.1 §8.2.2 the fields of trailers are judged like any others',
  (t, scene) => {
    withHeaders(scene);
    scene.peer.send(headers(scene.subjectId, block(['connection', 'close']), ENDS));
    expectStreamError(t, scene, PROTOCOL_ERROR, 'http.field.connection-specific');
  },
);

await forBothRoles(t, '§8.1 headers, DATA and trailers arrive in their order', (t, scene) => {
  withHeaders(scene);
  scene.peer.send(
    data(scene.subjectId, 'ab'),
    data(scene.subjectId, 'cd'),
    headers(scene.subjectId, block(['x-trailer', 'a']), ENDS),
  );
  t.strictSame(
    scene.subject.events.map((event) => event.type),
    ['headers', 'data', 'data', 'trailers'],
  );
  expectNoHarm(t, scene);
});

await t.test(
  '§8.1 interim responses are skipped, any number of them, up to the final one',
  async (t) => {
    const scene = clientScene();
    scene.peer.send(
      headers(5, block([':status', '100'])),
      headers(5, block([':status', '103'], ['link', '</a>'])),
      headers(5, block([':status', '103'])),
      headers(5, block(...RESPONSE)),
    );
    t.strictSame(
      scene.subject.events.map((event) => event.type === 'headers' && event.headers),
      [RESPONSE.flat()],
    );
    expectNoHarm(t, scene);
  },
);

await t.test(
  '§8.1 an interim response with END_STREAM is a stream error PROTOCOL_ERROR',
  async (t) => {
    const scene = clientScene();
    scene.peer.send(headers(5, block([':status', '103']), ENDS));
    expectStreamError(t, scene, PROTOCOL_ERROR, 'headers.informational-ends-stream');
  },
);

await t.test('§8.1 §8.3.2 an interim response is held to the rules of responses', async (t) => {
  const scene = clientScene();
  scene.peer.send(headers(5, block([':status', '103'], ['upgrade', 'h2c'])));
  expectStreamError(t, scene, PROTOCOL_ERROR, 'http.field.connection-specific');
});

await t.test(
  '§8.1 §10.5 endless interim responses end their call, ENHANCE_YOUR_CALM',
  async (t) => {
    const scene = clientScene();
    for (let i = 0; i < 10; i++) {
      scene.peer.send(headers(5, block([':status', '103'], ['x', 'a'.repeat(2000)])));
    }
    expectStreamError(t, scene, ErrorCode.ENHANCE_YOUR_CALM, 'headers.informational-too-large');
  },
);

// ---- content-length --------------------------------------------------------------------------------------------------

await t.test(
  '§8.1.1 content-length that DATA exceeds is a stream error PROTOCOL_ERROR',
  async (t) => {
    for (const parts of [['test'], ['t', 'est']]) {
      const scene = serverScene();
      if (!(scene.peer instanceof ScriptedServer)) throw new Error('no server');
      scene.peer.send(headers(5, block(...REQUEST, ['content-length', '1'])));
      for (const [index, part] of parts.entries()) {
        scene.peer.send(data(5, part, index === parts.length - 1 ? END_STREAM : 0));
      }
      t.equal(scene.peer.streams[2]?.closed?.reason, 'stream.content-length-mismatch');
      expectStreamError(t, scene, PROTOCOL_ERROR, '', 5);
    }
  },
);

await t.test(
  '§8.1.1 content-length that DATA falls short of is a stream error PROTOCOL_ERROR',
  async (t) => {
    const short: readonly (readonly [string, Uint8Array])[] = [
      ['by DATA', data(5, 'test', END_STREAM)],
      ['by an empty DATA frame', octets(data(5, 'test'), data(5, '', END_STREAM))],
      ['by trailers', octets(data(5, 'test'), headers(5, block(['x', 'y']), ENDS))],
    ];
    for (const [name, frames] of short) {
      const scene = serverScene();
      if (!(scene.peer instanceof ScriptedServer)) throw new Error('no server');
      scene.peer.send(headers(5, block(...REQUEST, ['content-length', '5'])), frames);
      t.equal(scene.peer.streams[2]?.closed?.reason, 'stream.content-length-mismatch', name);
      expectStreamError(t, scene, PROTOCOL_ERROR, '', 5);
    }
  },
);

await t.test('§8.1.1 a true content-length is taken, padding apart', async (t) => {
  const scene = serverScene();
  if (!(scene.peer instanceof ScriptedServer)) throw new Error('no server');
  scene.peer.send(
    headers(5, block(...REQUEST, ['content-length', '4'])),
    octets([0, 0, 6, 0, 0x8, 0, 0, 0, 5, 3], 'te', [0, 0, 0]),
    data(5, 'st', END_STREAM),
  );
  t.strictSame(scene.peer.streams[2]?.received, octets('test'));
  expectNoHarm(t, scene);
});

await t.test('§8.1.1 the content-length of a response is held against its DATA', async (t) => {
  const over = clientScene();
  over.peer.send(headers(5, block(...RESPONSE, ['content-length', '3'])), data(5, 'test'));
  expectStreamError(t, over, PROTOCOL_ERROR, 'stream.content-length-mismatch');
  const none = clientScene();
  none.peer.send(headers(5, block(...RESPONSE, ['content-length', '3']), ENDS));
  expectStreamError(t, none, PROTOCOL_ERROR, 'stream.content-length-mismatch');
});

await t.test('§8.1.1 204 and 304 may speak of a length they do not have', async (t) => {
  for (const status of ['204', '304']) {
    for (const frames of [
      headers(5, block([':status', status], ['content-length', '1000']), ENDS),
      octets(
        headers(5, block([':status', status], ['content-length', '1000'])),
        data(5, '', END_STREAM),
      ),
    ]) {
      const scene = clientScene();
      scene.peer.send(frames);
      t.equal(scene.subject.events[0]?.type, 'headers', status);
      expectNoHarm(t, scene);
    }
  }
});

// ---- the end of an exchange ------------------------------------------------------------------------------------------

await t.test(
  '§8.1 a response that is complete before its request is kept, whatever RST_STREAM NO_ERROR follows',
  async (t) => {
    const scene = clientScene();
    scene.subject.stream?.sendMessage(0, new Uint8Array(500_000), true);
    scene.peer.send(
      headers(5, block(...RESPONSE)),
      data(5, 'abc'),
      headers(5, block(['grpc-status', '0']), ENDS),
      rstStream(5, NO_ERROR),
    );
    t.strictSame(
      scene.subject.events.map((event) => event.type),
      ['headers', 'data', 'trailers', 'closed'],
    );
    t.equal(scene.subject.closed?.errorCode, NO_ERROR);
    t.equal(scene.peer.framesOf('RST_STREAM').length, 0);
    expectBystanderLives(t, { ...scene });
  },
);

await t.test(
  '§8.1 a server that answered early resets the stream with NO_ERROR behind its answer',
  async (t) => {
    const scene = serverScene();
    scene.subject.stream?.sendHeaders([':status', '200'], null, false);
    scene.subject.stream?.sendMessage(0, new Uint8Array(100_000), false);
    scene.subject.stream?.sendTrailers(['grpc-status', '0'], null);
    scene.subject.stream?.reset(NO_ERROR);
    t.notOk(
      scene.peer.frames().some((frame) => frame.type === 'RST_STREAM'),
      'not before the rest is sent',
    );
    scene.peer.send(
      octets([0, 0, 4, 8, 0, 0, 0, 0, 3], [0, 1, 0, 0]),
      octets([0, 0, 4, 8, 0, 0, 0, 0, 0], [0, 1, 0, 0]),
    );
    const rest = scene.peer.frames().map((frame) => frame.type);
    t.strictSame(rest.slice(-3), ['DATA', 'HEADERS', 'RST_STREAM']);
    expectBystanderLives(t, scene);
  },
);

await t.test(
  '§8.7 REFUSED_STREAM from the peer means that the request was not processed',
  async (t) => {
    const scene = clientScene();
    scene.peer.send(rstStream(5, ErrorCode.REFUSED_STREAM));
    t.equal(scene.subject.closed?.progress, StreamProgress.REFUSED);
    t.equal(scene.subject.closed?.initiator, Initiator.REMOTE);
  },
);

await t.test(
  '§8.7 a server says REFUSED_STREAM only of requests that nobody heard of',
  async (t) => {
    const server = new ScriptedServer({ maxConcurrentStreams: 1 });
    server.send(
      headers(1, block(...REQUEST)),
      headers(3, block(...REQUEST)),
      data(1, 'x', END_STREAM),
    );
    const resets = server.framesOf('RST_STREAM');
    t.strictSame(
      resets.map((reset) => reset.type === 'RST_STREAM' && [reset.streamId, reset.errorCode]),
      [[3, ErrorCode.REFUSED_STREAM]],
    );
    t.equal(server.streams.length, 1);
  },
);

await t.test(
  '§10.5.1 a field block above our limit is decoded all the same; the call layer hears that it was cut',
  async (t) => {
    const scene = serverScene({ maxHeaderListOctets: 1000 });
    if (!(scene.peer instanceof ScriptedServer)) throw new Error('no server');
    // The large field comes first; what follows it still enters the table and does not move the bystander's entry by more than one.
    scene.peer.send(headers(5, block(['x-large', 'a'.repeat(1500)], ...REQUEST), ENDS));
    const [heard] = scene.peer.streams[2]?.events ?? [];
    t.equal(heard?.type === 'headers' && heard.complete, false);
    expectBystanderLives(t, scene);
  },
);

await t.test('§8.1 a client and a server may have many exchanges on one connection', async (t) => {
  const client = new ScriptedClient();
  for (let i = 0; i < 50; i++) {
    const call = client.open();
    call.stream?.sendMessage(0, octets([i]), true);
    client.send(
      headers(2 * i + 1, block(...RESPONSE)),
      headers(2 * i + 1, block(['grpc-status', '0']), ENDS),
    );
    t.equal(call.closed?.errorCode, NO_ERROR);
  }
  t.equal(client.connection.activeStreams, 0);
});
