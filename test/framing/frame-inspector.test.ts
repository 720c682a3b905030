import {
  describeFrame,
  type InspectedFrame,
  inspectFrames,
} from '../../framing/frame-inspector.ts';
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
  PREFACE,
  PRIORITY_FLAG,
  paddedData,
  ping,
  priority,
  priorityFields,
  pushPromise,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from '../support/frame-factory.ts';
import { t } from '../support/tap.ts';

/** Octets as plain arrays, so that views compare by content. */
function plain(frames: readonly InspectedFrame[]): unknown[] {
  return frames.map((found) =>
    Object.fromEntries(
      Object.entries(found).map(([key, value]) => [
        key,
        value instanceof Uint8Array ? String.fromCharCode(...value) : (value as unknown),
      ]),
    ),
  );
}

await t.test('every frame type of §6 is told with its fields', async (t) => {
  const found = inspectFrames(
    octets(
      PREFACE,
      paddedData(1, 'abc', 2, 2, END_STREAM),
      frame(
        1,
        END_HEADERS | PADDED | PRIORITY_FLAG,
        3,
        [1],
        priorityFields(7, 255, true),
        'hh',
        'p',
      ),
      priority(5, 3, 0),
      rstStream(7, 0xfe),
      settings([4, 100], [9, 2 ** 32 - 1]),
      pushPromise(1, 2, 'pp'),
      ping('12345678', ACK),
      goAway(9, 0xb, 'calm'),
      windowUpdate(0, 2 ** 31 - 1),
      continuation(11, 'cc', 0),
      frame(0x20, 0xaa, 13, 'uu'),
    ),
  );
  t.strictSame(plain(found), [
    { type: 'PREFACE' },
    { type: 'DATA', length: 6, flags: 9, streamId: 1, endStream: true, data: 'abc', padOctets: 2 },
    {
      type: 'HEADERS',
      length: 9,
      flags: 0x2c,
      streamId: 3,
      endStream: false,
      endHeaders: true,
      priority: { exclusive: true, dependency: 7, weight: 256 },
      fragment: 'hh',
      padOctets: 1,
      headers: null,
    },
    {
      type: 'PRIORITY',
      length: 5,
      flags: 0,
      streamId: 5,
      priority: { exclusive: false, dependency: 3, weight: 1 },
    },
    { type: 'RST_STREAM', length: 4, flags: 0, streamId: 7, errorCode: 0xfe },
    {
      type: 'SETTINGS',
      length: 12,
      flags: 0,
      streamId: 0,
      ack: false,
      settings: [
        { id: 4, value: 100 },
        { id: 9, value: 2 ** 32 - 1 },
      ],
    },
    {
      type: 'PUSH_PROMISE',
      length: 6,
      flags: 4,
      streamId: 1,
      endHeaders: true,
      promisedStreamId: 2,
      fragment: 'pp',
      padOctets: null,
    },
    { type: 'PING', length: 8, flags: 1, streamId: 0, ack: true, payload: '12345678' },
    {
      type: 'GOAWAY',
      length: 12,
      flags: 0,
      streamId: 0,
      lastStreamId: 9,
      errorCode: 0xb,
      debugData: 'calm',
    },
    { type: 'WINDOW_UPDATE', length: 4, flags: 0, streamId: 0, increment: 2 ** 31 - 1 },
    {
      type: 'CONTINUATION',
      length: 2,
      flags: 0,
      streamId: 11,
      endHeaders: false,
      fragment: 'cc',
      headers: null,
    },
    { type: 'UNKNOWN', length: 2, flags: 0xaa, streamId: 13, typeNumber: 0x20, payload: 'uu' },
  ]);
});

await t.test('payloads that do not hold their fields are MALFORMED', async (t) => {
  const bad = [
    frame(0, PADDED, 1),
    paddedData(1, '', 1, 0),
    frame(1, PADDED, 1, [4], 'abc'),
    frame(1, PRIORITY_FLAG, 1, 'abcd'),
    frame(2, 0, 1, 'abcd'),
    frame(3, 0, 1, 'abc'),
    frame(4, 0, 0, 'abcde'),
    frame(5, 0, 1, 'abc'),
    frame(6, 0, 0, 'abcdefg'),
    frame(7, 0, 0, 'abcdefg'),
    frame(8, 0, 0, 'abc'),
  ];
  const found = inspectFrames(octets(...bad));
  t.strictSame(
    found.map((frame) => frame.type),
    bad.map(() => 'MALFORMED'),
  );
});

await t.test('an end inside a frame is INCOMPLETE', async (t) => {
  const whole = data(1, 'abc');
  for (let cut = 1; cut < whole.length; cut++) {
    const found = inspectFrames(octets(ping('12345678'), whole.subarray(0, cut)));
    t.strictSame(
      found.map((frame) => frame.type),
      ['PING', 'INCOMPLETE'],
    );
    t.equal(describeFrame(found[1]!), `INCOMPLETE octets=${cut}`);
  }
  t.strictSame(inspectFrames(octets()), []);
});

await t.test('with a decoder the list is at the frame that ends its block', async (t) => {
  const decode = (block: Uint8Array): string[] => ['block', String.fromCharCode(...block)];
  const found = inspectFrames(
    octets(headers(1, 'ab', 0), continuation(1, 'cd', 0), continuation(1, 'ef'), headers(3, 'gh')),
    decode,
  );
  t.strictSame(
    found.map((frame) => ('headers' in frame ? frame.headers : undefined)),
    [null, null, ['block', 'abcdef'], ['block', 'gh']],
  );
});

await t.test('describeFrame tells each frame in one line', async (t) => {
  const input = octets(
    PREFACE,
    paddedData(1, 'abc', 2, 2, END_STREAM),
    data(1, 'abc'),
    frame(1, 0xff & ~PADDED, 3, priorityFields(7, 255, true), 'hh'),
    frame(1, PADDED, 3, [0], 'hh'),
    priority(5, 3, 0),
    rstStream(7, 8),
    rstStream(7, 0xfe),
    settings([4, 100], [9, 1]),
    settingsAck(),
    pushPromise(1, 2, 'pp'),
    ping('12345678', ACK),
    goAway(9, 0xb, 'calm\r\n\x1b[0m"'),
    goAway(9, 0),
    windowUpdate(0, 5),
    continuation(11, 'cc'),
    frame(0x20, 0xaa, 13, 'uu'),
    frame(6, 0, 0, 'x'),
  );
  t.strictSame(inspectFrames(input).map(describeFrame), [
    'PREFACE',
    'DATA stream=1 length=6 END_STREAM padding=2',
    'DATA stream=1 length=3',
    'HEADERS stream=3 length=7 END_STREAM END_HEADERS dependency=7 weight=256 exclusive',
    'HEADERS stream=3 length=3 padding=0',
    'PRIORITY stream=5 length=5 dependency=3 weight=1',
    'RST_STREAM stream=7 length=4 CANCEL',
    'RST_STREAM stream=7 length=4 0xfe',
    'SETTINGS stream=0 length=12 INITIAL_WINDOW_SIZE=100 0x9=1',
    'SETTINGS stream=0 length=0 ACK',
    'PUSH_PROMISE stream=1 length=6 promised=2 END_HEADERS',
    'PING stream=0 length=8 ACK 3132333435363738',
    'GOAWAY stream=0 length=19 last=9 ENHANCE_YOUR_CALM "calm...[0m\\""',
    'GOAWAY stream=0 length=8 last=9 NO_ERROR',
    'WINDOW_UPDATE stream=0 length=4 increment=5',
    'CONTINUATION stream=11 length=2 END_HEADERS',
    'UNKNOWN stream=13 length=2 type=0x20 flags=0xaa',
    'MALFORMED stream=0 length=1 type=0x6 flags=0x0',
  ]);
});

await t.test('describeFrame never shows header values', async (t) => {
  const [found] = inspectFrames(headers(1, 'authorization: secret'), () => ['a', 'secret']);
  t.equal(describeFrame(found!), 'HEADERS stream=1 length=21 END_HEADERS fields=1');
});
