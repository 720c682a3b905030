import { ErrorCode } from '../../framing/constants.ts';
import { StreamProgress } from '../../transport/stream-listener.ts';
import {
  ACK,
  continuation,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  goAway,
  headers,
  octets,
  PADDED,
  paddedData,
  ping,
  priority,
  priorityFields,
  rstStream,
  settings,
  uint16,
  uint32,
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
  expectConnectionError,
  expectNoError,
  expectNoHarm,
  expectStreamError,
  firstBlock,
  forBothRoles,
  type Scene,
  serverScene,
} from '../support/verdicts.ts';

const { CANCEL, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR } = ErrorCode;

/** The stream on which HEADERS may come now: a new one on a server, the open call's on a client. */
function headersStream(scene: Scene): number {
  return scene.role === 'server' ? scene.idleId : scene.subjectId;
}

/** Frames that end a connection by themselves, with code and check. */
const FATAL: readonly (readonly [
  title: string,
  frameOf: (scene: Scene) => Uint8Array,
  errorCode: number,
  token: string,
])[] = [
  [
    '§6.1 DATA on stream 0 ends the connection, PROTOCOL_ERROR',
    () => data(0, 'a'),
    PROTOCOL_ERROR,
    'frame.data.stream-zero',
  ],
  [
    '§6.1 DATA whose padding is as long as its payload ends the connection, PROTOCOL_ERROR',
    ({ subjectId }) => paddedData(subjectId, '', 5, 4),
    PROTOCOL_ERROR,
    'frame.data.padding-too-long',
  ],
  [
    '§6.2 HEADERS on stream 0 end the connection, PROTOCOL_ERROR',
    (scene) => headers(0, firstBlock(scene)),
    PROTOCOL_ERROR,
    'frame.headers.stream-zero',
  ],
  [
    '§6.2 HEADERS whose padding is as long as their payload end the connection, PROTOCOL_ERROR',
    (scene) => frame(1, END_HEADERS | PADDED, headersStream(scene), [9], 'abc'),
    PROTOCOL_ERROR,
    'frame.headers.padding-too-long',
  ],
  [
    '§6.3 PRIORITY on stream 0 ends the connection, PROTOCOL_ERROR',
    () => priority(0, 1),
    PROTOCOL_ERROR,
    'frame.priority.stream-zero',
  ],
  [
    '§6.4 RST_STREAM on stream 0 ends the connection, PROTOCOL_ERROR',
    () => rstStream(0, CANCEL),
    PROTOCOL_ERROR,
    'frame.rst-stream.stream-zero',
  ],
  [
    '§6.4 RST_STREAM of another length than 4 ends the connection, FRAME_SIZE_ERROR',
    ({ subjectId }) => frame(3, 0, subjectId, [0, 0, 8]),
    FRAME_SIZE_ERROR,
    'frame.rst-stream.length',
  ],
  [
    '§6.5 SETTINGS on a stream end the connection, PROTOCOL_ERROR',
    ({ subjectId }) => frame(4, 0, subjectId),
    PROTOCOL_ERROR,
    'frame.settings.stream-not-zero',
  ],
  [
    '§6.5 an acknowledgement with payload ends the connection, FRAME_SIZE_ERROR',
    () => frame(4, ACK, 0, uint16(3), uint32(1)),
    FRAME_SIZE_ERROR,
    'frame.settings.ack-with-payload',
  ],
  [
    '§6.5 SETTINGS whose length is no multiple of 6 end the connection, FRAME_SIZE_ERROR',
    () => frame(4, 0, 0, [0, 3, 0]),
    FRAME_SIZE_ERROR,
    'frame.settings.length',
  ],
  [
    '§6.5.2 ENABLE_PUSH of 2 ends the connection, PROTOCOL_ERROR',
    () => settings([2, 2]),
    PROTOCOL_ERROR,
    'frame.settings.enable-push-invalid',
  ],
  [
    '§6.5.2 INITIAL_WINDOW_SIZE above 2^31-1 ends the connection, FLOW_CONTROL_ERROR',
    () => settings([4, 2 ** 31]),
    FLOW_CONTROL_ERROR,
    'frame.settings.initial-window-size-too-large',
  ],
  [
    '§6.5.2 MAX_FRAME_SIZE below 2^14 ends the connection, PROTOCOL_ERROR',
    () => settings([5, 16_383]),
    PROTOCOL_ERROR,
    'frame.settings.max-frame-size-out-of-range',
  ],
  [
    '§6.5.2 MAX_FRAME_SIZE above 2^24-1 ends the connection, PROTOCOL_ERROR',
    () => settings([5, 2 ** 24]),
    PROTOCOL_ERROR,
    'frame.settings.max-frame-size-out-of-range',
  ],
  [
    '§6.7 PING on a stream ends the connection, PROTOCOL_ERROR',
    ({ subjectId }) => frame(6, 0, subjectId, '12345678'),
    PROTOCOL_ERROR,
    'frame.ping.stream-not-zero',
  ],
  [
    '§6.7 PING of another length than 8 ends the connection, FRAME_SIZE_ERROR',
    () => ping('123456789'),
    FRAME_SIZE_ERROR,
    'frame.ping.length',
  ],
  [
    '§6.8 GOAWAY on a stream ends the connection, PROTOCOL_ERROR',
    ({ subjectId }) => frame(7, 0, subjectId, uint32(0), uint32(0)),
    PROTOCOL_ERROR,
    'frame.goaway.stream-not-zero',
  ],
  [
    '§6.8 GOAWAY of fewer than 8 octets ends the connection, FRAME_SIZE_ERROR',
    () => frame(7, 0, 0, uint32(0)),
    FRAME_SIZE_ERROR,
    'frame.goaway.length',
  ],
  [
    '§6.9 a zero increment of the connection window ends the connection, PROTOCOL_ERROR',
    () => windowUpdate(0, 0),
    PROTOCOL_ERROR,
    'frame.window-update.zero-increment-connection',
  ],
  [
    '§6.9 WINDOW_UPDATE of another length than 4 ends the connection, FRAME_SIZE_ERROR',
    ({ subjectId }) => frame(8, 0, subjectId, [0, 0, 1]),
    FRAME_SIZE_ERROR,
    'frame.window-update.length',
  ],
  [
    '§6.9.1 a connection window above 2^31-1 ends the connection, FLOW_CONTROL_ERROR',
    () => windowUpdate(0, 2 ** 31 - 1),
    FLOW_CONTROL_ERROR,
    'flow.connection-window-overflow',
  ],
  [
    '§6.9.2 INITIAL_WINDOW_SIZE that takes a stream window above 2^31-1 ends the connection, FLOW_CONTROL_ERROR',
    ({ subjectId }) => octets(windowUpdate(subjectId, 1), settings([4, 2 ** 31 - 1])),
    FLOW_CONTROL_ERROR,
    'flow.initial-window-overflow',
  ],
  [
    '§6.10 CONTINUATION on stream 0 ends the connection, PROTOCOL_ERROR',
    (scene) => octets(headers(headersStream(scene), firstBlock(scene), 0), continuation(0, '')),
    PROTOCOL_ERROR,
    'frame.continuation.wrong-stream',
  ],
  [
    '§6.10 CONTINUATION behind HEADERS with END_HEADERS ends the connection, PROTOCOL_ERROR',
    (scene) =>
      octets(
        headers(headersStream(scene), firstBlock(scene)),
        continuation(headersStream(scene), ''),
      ),
    PROTOCOL_ERROR,
    'frame.continuation.unexpected',
  ],
  [
    '§6.10 CONTINUATION behind CONTINUATION with END_HEADERS ends the connection, PROTOCOL_ERROR',
    (scene) =>
      octets(
        headers(headersStream(scene), firstBlock(scene), 0),
        continuation(headersStream(scene), ''),
        continuation(headersStream(scene), ''),
      ),
    PROTOCOL_ERROR,
    'frame.continuation.unexpected',
  ],
  [
    '§6.10 CONTINUATION behind DATA ends the connection, PROTOCOL_ERROR',
    (scene) =>
      octets(
        scene.role === 'client' ? headers(scene.subjectId, firstBlock(scene)) : octets(),
        data(scene.subjectId, 'a'),
        continuation(scene.subjectId, ''),
      ),
    PROTOCOL_ERROR,
    'frame.continuation.unexpected',
  ],
];

for (const [title, frameOf, errorCode, token] of FATAL) {
  await forBothRoles(t, title, (t, scene) => {
    scene.peer.send(frameOf(scene));
    expectConnectionError(t, scene, errorCode, token);
  });
}

// ---- DATA ----------------------------------------------------------------------------------------------------------

await forBothRoles(
  t,
  '§6.1 DATA, with and without padding, is delivered without it',
  (t, scene) => {
    if (scene.role === 'client') scene.peer.send(headers(scene.subjectId, firstBlock(scene)));
    scene.peer.send(
      data(scene.subjectId, 'ab'),
      paddedData(scene.subjectId, 'cd', 255),
      paddedData(scene.subjectId, 'ef', 0),
      paddedData(scene.subjectId, '', 9, 9, END_STREAM),
    );
    t.strictSame(scene.subject.received, octets('abcdef'));
    const last = scene.subject.events.at(-1);
    t.equal(last?.type === 'data' && last.endStream, true);
    expectNoHarm(t, scene);
  },
);

await t.test('§6.1 padding of a frame may be of any octets', async (t) => {
  const scene = serverScene();
  scene.peer.send(frame(0, PADDED, 3, [3], 'ab', [1, 2, 3]));
  t.strictSame(scene.subject.received, octets('ab'));
  expectNoHarm(t, scene);
});

// ---- HEADERS -------------------------------------------------------------------------------------------------------

await forBothRoles(
  t,
  '§6.2 HEADERS with padding, with priority, and with both, are taken',
  (t, scene) => {
    const fragment = firstBlock(scene);
    const first = headersStream(scene);
    const second = scene.role === 'server' ? scene.idleId + 2 : scene.bystanderId;
    scene.peer.send(
      frame(1, END_HEADERS | PADDED, first, [7], fragment, new Uint8Array(7)),
      frame(
        1,
        END_HEADERS | PADDED | 0x20,
        second,
        [2],
        priorityFields(0, 255, true),
        fragment,
        [0, 0],
      ),
    );
    if (scene.peer instanceof ScriptedServer) {
      t.strictSame(scene.peer.requests.slice(-2), [REQUEST.flat(), REQUEST.flat()]);
    } else {
      for (const call of [scene.subject, scene.bystander]) {
        const [heard] = call.events;
        t.strictSame(heard?.type === 'headers' && heard.headers, RESPONSE.flat());
      }
    }
    expectNoError(t, scene);
  },
);

await t.test(
  'RFC 7540 §5.3.1 PRIORITY that depends on itself is a stream error PROTOCOL_ERROR',
  async (t) => {
    const scene = serverScene();
    scene.peer.send(priority(3, 3));
    expectStreamError(t, scene, PROTOCOL_ERROR, 'frame.priority.self-dependency');
  },
);

await t.test(
  'RFC 7540 §5.3.1 HEADERS that depend on themselves are an error PROTOCOL_ERROR; with no stream yet, of the connection',
  async (t) => {
    const scene = serverScene();
    scene.peer.send(frame(1, END_HEADERS | 0x20, 5, priorityFields(5), block(...REQUEST)));
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'frame.headers.self-dependency');
  },
);

await forBothRoles(
  t,
  '§6.3 PRIORITY of another length than 5 is a stream error FRAME_SIZE_ERROR',
  (t, scene) => {
    scene.peer.send(frame(2, 0, scene.subjectId, [0, 0, 0, 1]));
    expectStreamError(t, scene, FRAME_SIZE_ERROR, 'frame.priority.length');
  },
);

// ---- RST_STREAM ----------------------------------------------------------------------------------------------------

await forBothRoles(
  t,
  '§6.4 RST_STREAM ends a stream at once, and nothing more is sent on it',
  (t, scene) => {
    const { stream } = scene.subject;
    if (scene.role === 'server') stream?.sendHeaders([':status', '200'], null, false);
    stream?.sendMessage(0, new Uint8Array(200_000), false);
    scene.peer.frames();
    scene.peer.send(rstStream(scene.subjectId, CANCEL), windowUpdate(0, 1_000_000));
    stream?.sendMessage(0, octets([1]), false);
    stream?.sendEnd();
    stream?.sendTrailers(['grpc-status', '0'], null);
    stream?.consume(10);
    stream?.reset(CANCEL);
    t.strictSame(scene.peer.frames(), []);
    t.equal(scene.subject.closed?.errorCode, CANCEL);
    t.equal(scene.subject.events.filter((event) => event.type === 'closed').length, 1);
    expectNoHarm(t, scene);
  },
);

await forBothRoles(t, '§7 an unknown error code has no special effect', (t, scene) => {
  scene.peer.send(rstStream(scene.subjectId, 0xdead_beef));
  t.equal(scene.subject.closed?.errorCode, 0xdead_beef);
  t.equal(scene.subject.closed?.progress, StreamProgress.PROCESSED);
  expectNoHarm(t, scene);
});

await t.test('§7 §6.8 GOAWAY with an unknown error code is a GOAWAY', async (t) => {
  const scene = clientScene();
  scene.peer.send(goAway(5, 0xdead_beef));
  t.equal(scene.peer instanceof ScriptedClient && scene.peer.draining.length, 1);
  t.equal(scene.subject.closed, undefined);
  scene.peer.send(ping('12345678'));
  t.equal(scene.peer.framesOf('PING').length, 1);
  const server = serverScene();
  server.peer.send(goAway(0, 0xdead_beef, 'bye'));
  expectNoHarm(t, server);
});

// ---- PING ----------------------------------------------------------------------------------------------------------

await forBothRoles(
  t,
  '§6.7 PING is answered with ACK and the same payload, at once',
  (t, scene) => {
    const payload = octets([0, 255, 1, 2, 3, 4, 5, 6]);
    scene.peer.send(ping(payload));
    t.strictSame(scene.peer.frames(), [
      { type: 'PING', length: 8, flags: ACK, streamId: 0, ack: true, payload },
    ]);
  },
);

await forBothRoles(t, '§6.7 PING with ACK is never answered', (t, scene) => {
  scene.peer.send(ping('12345678', ACK), ping('87654321', ACK));
  t.strictSame(scene.peer.frames(), []);
  expectNoHarm(t, scene);
});

await t.test('§6.7 PING is answered while the windows are closed', async (t) => {
  const scene = serverScene();
  scene.peer.send(settings([4, 0]));
  scene.subject.stream?.sendHeaders([':status', '200'], null, false);
  scene.subject.stream?.sendMessage(0, new Uint8Array(100_000), true);
  scene.peer.frames();
  scene.peer.send(ping('12345678'));
  t.strictSame(
    scene.peer.frames().map((sent) => sent.type),
    ['PING'],
  );
});

// ---- CONTINUATION --------------------------------------------------------------------------------------------------

await forBothRoles(
  t,
  '§6.10 a field block over HEADERS and several CONTINUATION frames is one block',
  (t, scene) => {
    const long: [string, string][] = [
      ['x-long-1', 'a'.repeat(4000)],
      ['x-long-2', 'b'.repeat(4000)],
    ];
    const whole = firstBlock(scene, ...long);
    const target = headersStream(scene);
    scene.peer.send(
      headers(target, whole.subarray(0, 10), END_STREAM),
      continuation(target, whole.subarray(10, 3000), 0),
      continuation(target, whole.subarray(3000, 8000), 0),
      continuation(target, whole.subarray(8000)),
    );
    const listener =
      scene.peer instanceof ScriptedServer ? scene.peer.streams.at(-1) : scene.subject;
    const [heard] = listener?.events ?? [];
    t.equal(heard?.type === 'headers' && heard.endStream, true);
    t.strictSame(heard?.type === 'headers' && heard.headers.slice(-4), long.flat());
    expectNoHarm(t, scene);
  },
);

await t.test('§6.2 §6.10 our own blocks above MAX_FRAME_SIZE are sent without a gap', async (t) => {
  const client = new ScriptedClient();
  client.open([...REQUEST.flat(), 'x-long', 'é'.repeat(20_000)]);
  const other = client.open();
  other.stream?.sendMessage(0, octets([1]), true);
  t.strictSame(
    client.frames().map((sent) => `${sent.type} ${'streamId' in sent ? sent.streamId : ''}`),
    ['HEADERS 1', 'CONTINUATION 1', 'HEADERS 3', 'DATA 3'],
  );
});
