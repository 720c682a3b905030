import { ErrorCode } from '../../framing/constants.ts';
import { ACK, frame, octets, settings, settingsAck } from '../support/frame-factory.ts';
import { connectionError, expectEvents, startReading } from '../support/frame-reading.ts';
import { t } from '../support/tap.ts';

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR, FLOW_CONTROL_ERROR, ENHANCE_YOUR_CALM } = ErrorCode;

await t.test('§6.5.2 parameters are told in order, repeated and unknown ones too', async (t) => {
  expectEvents(
    t,
    [settings([4, 100], [4, 1], [0xffff, 2 ** 32 - 1], [0, 0]), settingsAck()],
    [
      ['SETTING', 4, 100],
      ['SETTING', 4, 1],
      ['SETTING', 0xffff, 2 ** 32 - 1],
      ['SETTING', 0, 0],
      ['SETTINGS_END', false],
      ['SETTINGS_END', true],
    ],
  );
});

await t.test('§6.5 SETTINGS on a stream is PROTOCOL_ERROR', async (t) => {
  expectEvents(
    t,
    [frame(4, 0, 1)],
    [connectionError(PROTOCOL_ERROR, 'frame.settings.stream-not-zero', 1)],
  );
  expectEvents(
    t,
    [frame(4, ACK, 1)],
    [connectionError(PROTOCOL_ERROR, 'frame.settings.stream-not-zero', 1)],
  );
});

await t.test('§6.5 an acknowledgement with payload is FRAME_SIZE_ERROR', async (t) => {
  for (const length of [1, 6]) {
    expectEvents(
      t,
      [frame(4, ACK, 0, new Uint8Array(length))],
      [connectionError(FRAME_SIZE_ERROR, 'frame.settings.ack-with-payload')],
    );
  }
});

await t.test('§6.5 a length that is no multiple of 6 is FRAME_SIZE_ERROR', async (t) => {
  for (const length of [1, 5, 7, 8, 13]) {
    expectEvents(
      t,
      [frame(4, 0, 0, new Uint8Array(length))],
      [connectionError(FRAME_SIZE_ERROR, 'frame.settings.length')],
    );
  }
});

/** Id, value, error code and token, or null when the value is legal; for a server and for a client. */
const VALUES: readonly (readonly [number, number, number | null, string])[] = [
  [1, 0, null, ''],
  [1, 2 ** 32 - 1, null, ''],
  [2, 0, null, ''],
  [2, 2, PROTOCOL_ERROR, 'frame.settings.enable-push-invalid'],
  [2, 2 ** 32 - 1, PROTOCOL_ERROR, 'frame.settings.enable-push-invalid'],
  [3, 0, null, ''],
  [3, 2 ** 32 - 1, null, ''],
  [4, 0, null, ''],
  [4, 2 ** 31 - 1, null, ''],
  [4, 2 ** 31, FLOW_CONTROL_ERROR, 'frame.settings.initial-window-size-too-large'],
  [4, 2 ** 32 - 1, FLOW_CONTROL_ERROR, 'frame.settings.initial-window-size-too-large'],
  [5, 16_384, null, ''],
  [5, 2 ** 24 - 1, null, ''],
  [5, 0, PROTOCOL_ERROR, 'frame.settings.max-frame-size-out-of-range'],
  [5, 16_383, PROTOCOL_ERROR, 'frame.settings.max-frame-size-out-of-range'],
  [5, 2 ** 24, PROTOCOL_ERROR, 'frame.settings.max-frame-size-out-of-range'],
  [6, 0, null, ''],
  [6, 2 ** 32 - 1, null, ''],
];

for (const [id, value, code, token] of VALUES) {
  const verdict = code === null ? 'legal' : token;
  await t.test(`§6.5.2 S27 C01 C02 setting ${id} = ${value} is ${verdict}`, async (t) => {
    for (const role of ['client', 'server'] as const) {
      const wanted =
        code === null
          ? [
              ['SETTING', id, value],
              ['SETTINGS_END', false],
            ]
          : [connectionError(code, token)];
      expectEvents(t, [settings([id, value])], wanted, { role });
    }
  });
}

await t.test(
  '§6.5.2 ENABLE_PUSH = 1 is legal from a client, PROTOCOL_ERROR from a server',
  async (t) => {
    expectEvents(
      t,
      [settings([2, 1])],
      [
        ['SETTING', 2, 1],
        ['SETTINGS_END', false],
      ],
      { role: 'server' },
    );
    expectEvents(
      t,
      [settings([2, 1])],
      [connectionError(PROTOCOL_ERROR, 'frame.settings.enable-push-from-server')],
      { role: 'client' },
    );
  },
);

await t.test('§6.5.3 nothing of a frame is told when one of its values is illegal', async (t) => {
  expectEvents(
    t,
    [settings([1, 1], [3, 3], [5, 1])],
    [connectionError(PROTOCOL_ERROR, 'frame.settings.max-frame-size-out-of-range')],
  );
});

await t.test(
  '§10.5 L12 S25 more parameters than the limit are ENHANCE_YOUR_CALM, none is told',
  async (t) => {
    const many = Array.from({ length: 5 }, () => [3, 1] as const);
    expectEvents(
      t,
      [settings(...many)],
      [connectionError(ENHANCE_YOUR_CALM, 'frame.settings.too-many-entries')],
    );
    // An illegal value among them is not even looked at.
    expectEvents(
      t,
      [settings([5, 0], ...many)],
      [connectionError(ENHANCE_YOUR_CALM, 'frame.settings.too-many-entries')],
    );
    expectEvents(
      t,
      [settings(...many.slice(1))],
      [...many.slice(1).map(([id, value]) => ['SETTING', id, value]), ['SETTINGS_END', false]],
    );
  },
);

await t.test('§6.5 S28 cut at any octet, each value is told exactly once', async (t) => {
  for (let position = 0; position < 4; position++) {
    const pairs: [number, number][] = [
      [1, 11],
      [3, 33],
      [6, 66],
    ];
    pairs.splice(position, 0, [4, 44]);
    const input = octets(settings(...pairs));
    for (let cut = 0; cut <= input.length; cut++) {
      const { reader, recorder } = startReading();
      reader.read(input.slice(0, cut), 0, cut, recorder);
      reader.read(input, cut, input.length, recorder);
      const wanted = [
        ...pairs.map(([id, value]) => ['SETTING', id, value]),
        ['SETTINGS_END', false],
      ];
      if (JSON.stringify(recorder.events) !== JSON.stringify(wanted)) {
        t.strictSame(recorder.events, wanted, `cut at ${cut}`);
      }
    }
    t.pass(`INITIAL_WINDOW_SIZE at position ${position}, every cut`);
  }
});
