import { ErrorCode } from '../../framing/constants.ts';
import {
  continuation,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  head,
  headers,
  type Octets,
  octets,
  PREFACE,
  ping,
  priority,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from '../support/frame-factory.ts';
import { block, REQUEST, ScriptedClient, ScriptedServer } from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';
import {
  ENDS,
  expectConnectionError,
  expectNoHarm,
  firstBlock,
  forBothRoles,
  greetedServer,
} from '../support/verdicts.ts';

const { COMPRESSION_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR } = ErrorCode;

await forBothRoles(t, '§4.1 §5.5 frames of unknown types are discarded', (t, scene) => {
  for (const type of [0x0a, 0x16, 0xfe, 0xff]) {
    scene.peer.send(
      frame(type, 0xff, 0, 'any octets'),
      frame(type, 0, scene.subjectId, 'any octets'),
      frame(type, 0, scene.idleId + 100),
    );
  }
  t.strictSame(scene.peer.frames(), [], 'nothing is answered');
  t.equal(scene.subject.closed, undefined);
  expectNoHarm(t, scene);
});

await forBothRoles(t, '§4.1 flags that a type does not define are ignored', (t, scene) => {
  scene.peer.send(
    frame(6, 0xfe, 0, '12345678'),
    frame(8, 0xff, scene.subjectId, [0, 0, 0, 9]),
    frame(8, 0xff, 0, [0, 0, 0, 9]),
    frame(4, 0xfe, 0),
  );
  t.strictSame(
    scene.peer.frames().map((answer) => answer.type),
    ['PING', 'SETTINGS'],
    'acknowledged like any other',
  );
  expectNoHarm(t, scene);
});

await forBothRoles(t, '§4.1 the reserved bit is ignored', (t, scene) => {
  scene.peer.send(
    octets(head(8, 6, 0, 2 ** 31), '12345678'),
    octets(head(4, 8, 0, 2 ** 31 + scene.subjectId), [0x80, 0, 0, 9]),
  );
  t.strictSame(
    scene.peer.frames().map((answer) => answer.type),
    ['PING'],
  );
  expectNoHarm(t, scene);
});

await forBothRoles(t, '§4.2 DATA of 2^14 octets is taken', (t, scene) => {
  const content = new Uint8Array(16_384).fill(0x61);
  if (scene.role === 'client') scene.peer.send(headers(scene.subjectId, firstBlock(scene)));
  scene.peer.send(data(scene.subjectId, content));
  t.strictSame(scene.subject.received, content);
  expectNoHarm(t, scene);
});

await forBothRoles(
  t,
  '§4.2 DATA above our MAX_FRAME_SIZE ends the connection at its header, FRAME_SIZE_ERROR',
  (t, scene) => {
    scene.peer.send(head(16_385, 0, 0, scene.subjectId));
    expectConnectionError(t, scene, FRAME_SIZE_ERROR, 'frame.too-large');
  },
);

await forBothRoles(
  t,
  '§4.2 HEADERS above our MAX_FRAME_SIZE end the connection, FRAME_SIZE_ERROR',
  (t, scene) => {
    scene.peer.send(head(17_575, 1, END_HEADERS, scene.subjectId));
    expectConnectionError(t, scene, FRAME_SIZE_ERROR, 'frame.too-large');
  },
);

await forBothRoles(
  t,
  '§4.2 a frame too small for its fields ends the connection when it could change it, FRAME_SIZE_ERROR',
  (t, scene) => {
    scene.peer.send(frame(1, END_HEADERS | 0x20, scene.subjectId, [0, 0]));
    expectConnectionError(t, scene, FRAME_SIZE_ERROR, 'frame.headers.priority-missing');
  },
);

/** RFC 7541: field blocks that cannot be decoded, with the check that finds them. */
const UNDECODABLE: readonly (readonly [title: string, fragment: Octets])[] = [
  ['§4.3 RFC 7541 §6.1 index 0 ends the connection, COMPRESSION_ERROR', [0x80]],
  [
    '§4.3 RFC 7541 §2.3.3 an index beyond both tables ends the connection, COMPRESSION_ERROR',
    [0xff, 0x10],
  ],
  [
    '§4.3 RFC 7541 §2.3.3 a literal whose name index is beyond both tables ends the connection, COMPRESSION_ERROR',
    [0x7f, 0x50, 1, 0x61],
  ],
  [
    '§4.3 RFC 7541 §4.2 a size update behind a field ends the connection, COMPRESSION_ERROR',
    [0x82, 0x20],
  ],
  [
    '§4.3 RFC 7541 §6.3 a size update above our HEADER_TABLE_SIZE ends the connection, COMPRESSION_ERROR',
    [0x3f, 0xe2, 0x1f],
  ],
  [
    '§4.3 RFC 7541 §5.2 Huffman padding longer than 7 bits ends the connection, COMPRESSION_ERROR',
    [0, 0x84, 0xff, 0xff, 0xff, 0xff, 0],
  ],
  [
    '§4.3 RFC 7541 §5.2 Huffman padding with a zero ends the connection, COMPRESSION_ERROR',
    [0, 0x81, 0x1e, 0],
  ],
  [
    '§4.3 RFC 7541 §5.2 EOS in a Huffman string ends the connection, COMPRESSION_ERROR',
    [0, 0x85, 0xff, 0xff, 0xff, 0xff, 0xfc, 0],
  ],
  [
    '§4.3 RFC 7541 §5.1 an integer beyond our bounds ends the connection, COMPRESSION_ERROR',
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  ],
  ['§4.3 a block that ends inside a field ends the connection, COMPRESSION_ERROR', [0x40, 5, 0x61]],
];

for (const [title, fragment] of UNDECODABLE) {
  await forBothRoles(t, title, (t, scene) => {
    scene.peer.send(headers(scene.subjectId, fragment));
    const found = scene.peer.closed?.message ?? '';
    t.match(found, /^hpack\./, 'found by HPACK');
    expectConnectionError(t, scene, COMPRESSION_ERROR, found);
  });
}

/** Frames that must not come between HEADERS without END_HEADERS and its CONTINUATION. */
const INTERRUPTING: readonly (readonly [title: string, (subjectId: number) => Uint8Array])[] = [
  [
    '§4.3 §6.2 PRIORITY inside a field block ends the connection, PROTOCOL_ERROR',
    (subjectId) => priority(subjectId, 0),
  ],
  [
    '§4.3 §6.2 HEADERS of another stream inside a field block end the connection, PROTOCOL_ERROR',
    (subjectId) => headers(subjectId + 2, block(...REQUEST)),
  ],
  [
    '§4.3 §6.2 a second HEADERS frame of the same stream inside a field block ends the connection, PROTOCOL_ERROR',
    (subjectId) => headers(subjectId, block(...REQUEST)),
  ],
  [
    '§4.3 §6.2 DATA inside a field block ends the connection, PROTOCOL_ERROR',
    (subjectId) => data(subjectId, 'a'),
  ],
  [
    '§4.3 §6.2 PING inside a field block ends the connection, PROTOCOL_ERROR',
    () => ping('12345678'),
  ],
  [
    '§4.3 §6.2 RST_STREAM inside a field block ends the connection, PROTOCOL_ERROR',
    (subjectId) => rstStream(subjectId, 8),
  ],
  ['§4.3 §6.2 SETTINGS inside a field block ends the connection, PROTOCOL_ERROR', () => settings()],
  [
    '§4.3 §6.2 WINDOW_UPDATE inside a field block ends the connection, PROTOCOL_ERROR',
    () => windowUpdate(0, 1),
  ],
  [
    '§5.5 a frame of unknown type inside a field block ends the connection, PROTOCOL_ERROR',
    (subjectId) => frame(0x20, 0, subjectId, 'x'),
  ],
];

for (const [title, frameOf] of INTERRUPTING) {
  await forBothRoles(t, title, (t, scene) => {
    scene.peer.send(headers(scene.subjectId, firstBlock(scene), 0), frameOf(scene.subjectId));
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'frame.header-block.interrupted');
  });
}

await forBothRoles(
  t,
  '§4.3 §6.2 CONTINUATION of another stream inside a field block ends the connection, PROTOCOL_ERROR',
  (t, scene) => {
    scene.peer.send(
      headers(scene.subjectId, firstBlock(scene), 0),
      continuation(scene.bystanderId, ''),
    );
    expectConnectionError(t, scene, PROTOCOL_ERROR, 'frame.continuation.wrong-stream');
  },
);

await t.test(
  '§4.3.1 a block without the size update that our smaller table demands ends the connection, COMPRESSION_ERROR',
  async (t) => {
    const server = greetedServer(PREFACE, [], { decoderTableOctets: 1024 });
    server.send(headers(1, block(...REQUEST)));
    const [found] = server.frames();
    t.equal(found?.type === 'GOAWAY' && found.errorCode, COMPRESSION_ERROR);
    t.equal(server.streams.length, 0);
  },
);

await t.test('§4.3.1 the size update may be to anything up to our table', async (t) => {
  for (const update of [[0x20], [0x3f, 0xe1, 0x07]]) {
    const server = greetedServer(PREFACE, [], { decoderTableOctets: 1024 });
    server.send(headers(1, octets(update, block(...REQUEST)), ENDS));
    t.equal(server.streams.length, 1, 'to 0, and to 1024');
    t.strictSame(server.frames(), []);
  }
});

await t.test(
  '§4.3.1 until SETTINGS are acknowledged the peer may use the initial 4096 octets',
  async (t) => {
    const server = new ScriptedServer({ decoderTableOctets: 0 }, false);
    server.frames();
    server.send(
      PREFACE,
      settings(),
      headers(1, octets(block(...REQUEST), [0x40, 1, 0x61, 1, 0x62]), ENDS),
    );
    t.equal(server.streams.length, 1);
    server.frames();
    server.send(settingsAck(), headers(3, octets([0x20], block(...REQUEST)), ENDS));
    t.equal(server.streams.length, 2);
    server.send(headers(5, [0xbe]));
    const last = server.frames().at(-1);
    t.equal(last?.type === 'GOAWAY' && last.errorCode, COMPRESSION_ERROR, 'the entry is gone');
  },
);

await t.test(
  '§4.3.1 RFC 7541 §4.2 our next block after a smaller HEADER_TABLE_SIZE begins with a size update',
  async (t) => {
    const client = new ScriptedClient();
    client.open();
    client.frames();
    client.send(settings([1, 512]));
    client.open();
    client.tick();
    const written = client.pipe.take();
    // SETTINGS ACK, then HEADERS: the first octet of its block is a size update, and to no more than 512.
    t.strictSame(written.subarray(0, 9), settingsAck());
    t.equal(written[9 + 3], 1, 'HEADERS');
    const first = written[9 + 9] ?? 0;
    t.equal(first & 0xe0, 0x20, 'size update');
    t.strictSame(written.subarray(9 + 9, 9 + 12), octets([0x3f, 0xe1, 0x03]), 'to 512');
  },
);

await t.test(
  '§4.3.1 RFC 7541 §4.2 of several sizes between two blocks the smallest and the last are announced',
  async (t) => {
    const client = new ScriptedClient();
    client.open();
    client.frames();
    client.send(settings([1, 0]), settings([1, 4096]));
    client.open();
    client.tick();
    const written = client.pipe.take();
    t.strictSame(
      written.subarray(18 + 9, 18 + 13),
      octets([0x20, 0x3f, 0xe1, 0x1f]),
      '0, then 4096',
    );
  },
);

await t.test('§4.3 a field block may begin and end anywhere between its fragments', async (t) => {
  const whole = block(...REQUEST);
  for (let cut = 0; cut <= whole.length; cut++) {
    const server = new ScriptedServer();
    server.send(
      headers(1, whole.subarray(0, cut), END_STREAM),
      continuation(1, whole.subarray(cut)),
    );
    t.strictSame(server.requests, [REQUEST.flat()]);
  }
});
