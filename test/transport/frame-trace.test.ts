import { describeHeaders, FrameTrace, traceFrames } from '../../transport/frame-trace.ts';
import { captureOctets, inspectionLines } from '../conformance/inspect.ts';
import {
  continuation,
  data,
  END_STREAM,
  frame,
  headers,
  octets,
  PREFACE,
  ping,
  rstStream,
  settings,
  toHex,
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
import { ENDS } from '../support/verdicts.ts';

const SECRET = 'hunter2-hunter2';

/** A trace of a client, and its lines without title and time. */
function traceOfClient(): { readonly trace: FrameTrace; readonly lines: string[] } {
  const lines: string[] = [];
  const trace = new FrameTrace(
    (line) => lines.push(line),
    'client#1 test',
    'client',
    () => 0,
  );
  return { trace, lines };
}

await t.test('frames of both ways come as lines, with decoded headers and windows', async (t) => {
  const { trace, lines } = traceOfClient();
  trace.onOctetsSent(
    octets(PREFACE, settings([4, 70_000]), headers(1, block(...REQUEST.slice(0, 4)))),
  );
  trace.onOctetsSent(data(1, 'hello', END_STREAM));
  trace.onOctetsReceived(
    octets(
      settings([3, 100], [4, 65_000]),
      windowUpdate(0, 1000),
      headers(1, block(...RESPONSE)),
      data(1, 'abc'),
    ),
  );
  trace.onOctetsReceived(octets(headers(1, block(['grpc-status', '0']), ENDS), rstStream(1, 0)));
  trace.onProtocolError(1, 1, 'stream.made-up');
  t.strictSame(
    lines.map((line) => line.replace('client#1 test +0.0ms ', '')),
    [
      '> PREFACE',
      '> SETTINGS stream=0 length=6 INITIAL_WINDOW_SIZE=70000',
      '> HEADERS stream=1 length=78 END_HEADERS fields=4',
      '    :method: POST',
      '    :scheme: http',
      '    :path: /test.Service/Method',
      '    :authority: localhost',
      '> DATA stream=1 length=5 END_STREAM left=65530 connection=65530',
      '< SETTINGS stream=0 length=12 MAX_CONCURRENT_STREAMS=100 INITIAL_WINDOW_SIZE=65000',
      '< WINDOW_UPDATE stream=0 length=4 increment=1000 now=66530',
      '< HEADERS stream=1 length=44 END_HEADERS fields=2',
      '    :status: 200',
      '    content-type: application/grpc',
      '< DATA stream=1 length=3 left=69997 connection=65532',
      '< HEADERS stream=1 length=15 END_STREAM END_HEADERS fields=1',
      '    grpc-status: 0',
      '< RST_STREAM stream=1 length=4 NO_ERROR',
      '! stream=1 code=0x1 stream.made-up',
    ],
  );
});

await t.test('secrets are masked, whatever their case and place', async (t) => {
  const { trace, lines } = traceOfClient();
  const fields = [
    'authorization',
    'Proxy-Authorization',
    'cookie',
    'set-cookie',
    'x-trace-bin',
    'x-api-key',
  ];
  const whole = block(...fields.map((name) => [name, SECRET] as const), ['x-open', 'shown']);
  trace.onOctetsSent(
    octets(PREFACE, headers(1, whole.subarray(0, 30), 0), continuation(1, whole.subarray(30))),
  );
  t.notOk(lines.join('\n').includes(SECRET));
  t.ok(lines.includes('    x-open: shown'));
  t.ok(lines.includes(`    authorization: <${SECRET.length} characters masked>`));
});

await t.test('what a peer sends cannot forge a line', async (t) => {
  t.strictSame(describeHeaders(['x\ny', 'a\r\nclient#1 > GOAWAY\u001b[2J\u00e9']), [
    '    x\\x0ay: a\\x0d\\x0aclient#1 > GOAWAY\\x1b[2J\\xe9',
  ]);
  t.strictSame(describeHeaders(['x', 'a'.repeat(300)]), [`    x: ${'a'.repeat(200)}… <100 more>`]);
});

await t.test('octets may come in any pieces', async (t) => {
  const input = octets(
    PREFACE,
    settings(),
    headers(1, block(...REQUEST)),
    data(1, 'abc'),
    ping('12345678'),
  );
  const whole = traceOfClient();
  whole.trace.onOctetsSent(input);
  const pieces = traceOfClient();
  for (const octet of input) pieces.trace.onOctetsSent(Uint8Array.of(octet));
  t.strictSame(pieces.lines, whole.lines);
  t.ok(whole.lines.length > 8);
});

await t.test('a block that cannot be decoded, and garbage, are told and end nothing', async (t) => {
  const { trace, lines } = traceOfClient();
  trace.onOctetsReceived(
    octets(headers(1, [0x80]), headers(3, block(...RESPONSE)), ping('12345678')),
  );
  t.equal(
    lines.filter((line) => line.includes('cannot be decoded')).length,
    2,
    'the table is in doubt',
  );
  t.ok(lines.at(-1)?.includes('PING'));
  const garbage = traceOfClient();
  garbage.trace.onOctetsReceived(octets('HTTP/1.1 400 Bad Request\r\n\r\n', new Uint8Array(100)));
  garbage.trace.onOctetsReceived(
    octets([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1], new Uint8Array(50_000)),
  );
  t.pass('no exception');
});

await t.test(
  'traceFrames turns tracing on for the connections made after it, and off',
  async (t) => {
    const lines: string[] = [];
    traceFrames((line) => lines.push(line));
    t.teardown(() => traceFrames(null));
    const server = new ScriptedServer();
    server.send(headers(1, block(...REQUEST, ['authorization', SECRET]), ENDS));
    server.streams[0]?.stream?.sendTrailers([':status', '200', 'grpc-status', '0'], null);
    server.send(ping('1234'));
    server.frames();
    t.match(lines[0] ?? '', /^server#\d+ test:1 \+0\.0ms < PREFACE/);
    t.ok(lines.some((line) => / > SETTINGS stream=0 .*MAX_CONCURRENT_STREAMS=100/.test(line)));
    t.ok(lines.some((line) => / < HEADERS stream=1 /.test(line)));
    t.ok(lines.some((line) => / > HEADERS stream=1 /.test(line)));
    t.ok(lines.some((line) => / ! connection code=0x6 frame\.ping\.length/.test(line)));
    t.match(
      lines.at(-1) ?? '',
      /GOAWAY .*FRAME_SIZE_ERROR "frame\.ping\.length"/,
      'the last frame too',
    );
    t.notOk(lines.join('\n').includes(SECRET));
    const before = lines.length;
    traceFrames(null);
    new ScriptedClient().open();
    t.equal(lines.length, before);
  },
);

await t.test('inspector: hexadecimal or binary in, frames and masked headers out', async (t) => {
  const capture = octets(
    PREFACE,
    settings([4, 0]),
    headers(1, block([':method', 'POST'], ['authorization', SECRET])),
    frame(0x42, 7, 9, 'abc'),
    [0, 0, 9, 0],
  );
  const wanted = [
    'PREFACE',
    'SETTINGS stream=0 length=6 INITIAL_WINDOW_SIZE=0',
    'HEADERS stream=1 length=45 END_HEADERS fields=2',
    '    :method: POST',
    '    authorization: <15 characters masked>',
    'UNKNOWN stream=9 length=3 type=0x42 flags=0x7',
    'INCOMPLETE octets=4',
  ];
  t.strictSame(inspectionLines(captureOctets(capture), true), wanted);
  const hex = `${toHex(capture).replaceAll(/(.{32})/g, '$1\n')}\n`;
  t.strictSame(inspectionLines(captureOctets(octets(hex)), true), wanted);
  t.strictSame(
    inspectionLines(captureOctets(headers(3, [0xbe])), false),
    ['HEADERS stream=3 length=1 END_HEADERS fields=0'],
    'the middle of a connection',
  );
});
