import { ErrorCode } from '../../framing/constants.ts';
import { headers } from '../support/frame-factory.ts';
import { block, REQUEST, RESPONSE, ScriptedServer } from '../support/scripted-peer.ts';
import { type TestContext, t } from '../support/tap.ts';
import {
  clientScene,
  ENDS,
  expectNoHarm,
  expectStreamError,
  serverScene,
} from '../support/verdicts.ts';

const { PROTOCOL_ERROR } = ErrorCode;

type Field = readonly [name: string, value: string];

/** REQUEST with one field replaced, or left out where `value` is null. */
function request(name: string, value: string | null): Field[] {
  return REQUEST.flatMap(([key, old]): Field[] =>
    key === name ? (value === null ? [] : [[key, value]]) : [[key, old]],
  );
}

/** A malformed request: RST_STREAM PROTOCOL_ERROR on it, nobody hears of it, everything else lives. */
function expectRefused(t: TestContext, fields: readonly Field[]): void {
  const scene = serverScene();
  if (!(scene.peer instanceof ScriptedServer)) throw new Error('no server');
  scene.peer.send(headers(5, block(...fields), ENDS));
  t.equal(scene.peer.streams.length, 2, 'the application does not see it');
  expectStreamError(t, scene, PROTOCOL_ERROR, '', 5);
}

/** A malformed response: the call fails, the application sees nothing of it, everything else lives. */
function expectNotAccepted(t: TestContext, fields: readonly Field[], token: string): void {
  const scene = clientScene();
  scene.peer.send(headers(5, block(...fields)));
  t.strictSame(
    scene.subject.events.map((event) => event.type),
    ['closed'],
  );
  expectStreamError(t, scene, PROTOCOL_ERROR, token);
}

const MALFORMED_REQUESTS: readonly (readonly [title: string, fields: readonly Field[]])[] = [
  [
    '§8.2.1 an upper-case field name in a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['X-Test', 'a']],
  ],
  [
    '§8.2.1 a blank in a field name of a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['x test', 'a']],
  ],
  [
    '§8.2.1 a control character in a field name of a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['x\u0001', 'a']],
  ],
  [
    '§8.2.1 an octet above 0x7e in a field name of a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['x\u00e9', 'a']],
  ],
  [
    '§8.2.1 a colon inside a field name of a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['x:y', 'a']],
  ],
  [
    '§8.2.1 an empty field name in a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['', 'a']],
  ],
  [
    '§8.2.1 CR in a field value of a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['x-a', 'a\rb']],
  ],
  [
    '§8.2.1 LF in a field value of a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['x-a', 'a\nb']],
  ],
  [
    '§8.2.1 NUL in a field value of a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['x-a', 'a\u0000b']],
  ],
  [
    '§8.2.1 a field value of a request that begins with a blank is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['x-a', ' a']],
  ],
  [
    '§8.2.1 a field value of a request that ends with a tab is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['x-a', 'a\t']],
  ],
  [
    '§8.2.1 CR LF in a pseudo-header field is a stream error PROTOCOL_ERROR',
    request(':path', '/a\r\nb'),
  ],
  [
    '§8.2.2 connection in a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['connection', 'keep-alive']],
  ],
  [
    '§8.2.2 keep-alive in a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['keep-alive', '5']],
  ],
  [
    '§8.2.2 proxy-connection in a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['proxy-connection', 'close']],
  ],
  [
    '§8.2.2 transfer-encoding in a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['transfer-encoding', 'chunked']],
  ],
  [
    '§8.2.2 §8.6 upgrade in a request is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['upgrade', 'h2c']],
  ],
  [
    '§8.2.2 te other than trailers in a request is a stream error PROTOCOL_ERROR',
    [...request('te', null), ['te', 'trailers, deflate;q=0.5']],
  ],
  [
    '§8.3 an unknown pseudo-header field in a request is a stream error PROTOCOL_ERROR',
    [[':test', 'a'], ...REQUEST],
  ],
  ['§8.3 :status in a request is a stream error PROTOCOL_ERROR', [[':status', '200'], ...REQUEST]],
  [
    '§8.3 a pseudo-header field behind a regular one in a request is a stream error PROTOCOL_ERROR',
    [...request(':path', null), [':path', '/']],
  ],
  ['§8.3 :method twice is a stream error PROTOCOL_ERROR', [[':method', 'POST'], ...REQUEST]],
  ['§8.3 :scheme twice is a stream error PROTOCOL_ERROR', [[':scheme', 'http'], ...REQUEST]],
  ['§8.3 :path twice is a stream error PROTOCOL_ERROR', [[':path', '/'], ...REQUEST]],
  [
    '§8.3 :authority twice is a stream error PROTOCOL_ERROR',
    [[':authority', 'localhost'], ...REQUEST],
  ],
  ['§8.3.1 a request without :method is a stream error PROTOCOL_ERROR', request(':method', null)],
  ['§8.3.1 a request without :scheme is a stream error PROTOCOL_ERROR', request(':scheme', null)],
  ['§8.3.1 a request without :path is a stream error PROTOCOL_ERROR', request(':path', null)],
  ['§8.3.1 an empty :path is a stream error PROTOCOL_ERROR', request(':path', '')],
  ['§8.3.1 a :path of * outside OPTIONS is a stream error PROTOCOL_ERROR', request(':path', '*')],
  [
    '§8.3.1 userinfo in :authority is a stream error PROTOCOL_ERROR',
    request(':authority', 'user@localhost'),
  ],
  [
    '§8.3.1 host that differs from :authority is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['host', 'elsewhere']],
  ],
  [
    '§8.3.1 a request without any authority is a stream error PROTOCOL_ERROR',
    request(':authority', null),
  ],
  [
    '§8.5 CONNECT with :scheme and :path is a stream error PROTOCOL_ERROR',
    request(':method', 'CONNECT'),
  ],
  [
    '§8.1.1 a content-length that is no number is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['content-length', '1x']],
  ],
  [
    '§8.1.1 two content-lengths are a stream error PROTOCOL_ERROR',
    [...REQUEST, ['content-length', '1'], ['content-length', '1']],
  ],
  [
    '§8.1.1 a content-length without content is a stream error PROTOCOL_ERROR',
    [...REQUEST, ['content-length', '1']],
  ],
];

for (const [title, fields] of MALFORMED_REQUESTS) {
  await t.test(title, async (t) => expectRefused(t, fields));
}

const MALFORMED_RESPONSES: readonly (readonly [
  title: string,
  fields: readonly Field[],
  token: string,
])[] = [
  [
    '§8.3.2 a response without :status is a stream error PROTOCOL_ERROR',
    [['content-type', 'application/grpc']],
    'http.response.status-missing',
  ],
  [
    '§8.3.2 :status twice is a stream error PROTOCOL_ERROR',
    [[':status', '200'], ...RESPONSE],
    'http.pseudo-header.duplicate',
  ],
  [
    '§8.3.2 :status that is no status code is a stream error PROTOCOL_ERROR',
    [[':status', '2000']],
    'http.response.status-invalid',
  ],
  [
    '§8.3 :path in a response is a stream error PROTOCOL_ERROR',
    [
      [':status', '200'],
      [':path', '/'],
    ],
    'http.pseudo-header.unknown',
  ],
  [
    '§8.3 a pseudo-header field behind a regular one in a response is a stream error PROTOCOL_ERROR',
    [
      ['a', 'b'],
      [':status', '200'],
    ],
    'http.pseudo-header.after-regular-field',
  ],
  [
    '§8.6 :status 101 is a stream error PROTOCOL_ERROR',
    [[':status', '101']],
    'http.response.status-invalid',
  ],
  [
    '§8.2.1 an upper-case field name in a response is a stream error PROTOCOL_ERROR',
    [...RESPONSE, ['X-Test', 'a']],
    'http.field.name-invalid',
  ],
  [
    '§8.2.1 CR LF in a field value of a response is a stream error PROTOCOL_ERROR',
    [...RESPONSE, ['x-a', 'a\r\nb']],
    'http.field.value-invalid',
  ],
  [
    '§8.2.1 a field value of a response that ends with a blank is a stream error PROTOCOL_ERROR',
    [...RESPONSE, ['x-a', 'a ']],
    'http.field.value-padded',
  ],
  [
    '§8.2.2 connection in a response is a stream error PROTOCOL_ERROR',
    [...RESPONSE, ['connection', 'close']],
    'http.field.connection-specific',
  ],
  [
    '§8.2.2 transfer-encoding in a response is a stream error PROTOCOL_ERROR',
    [...RESPONSE, ['transfer-encoding', 'chunked']],
    'http.field.connection-specific',
  ],
  [
    '§8.2.2 te in a response is a stream error PROTOCOL_ERROR',
    [...RESPONSE, ['te', 'gzip']],
    'http.field.te-not-trailers',
  ],
  [
    '§8.1.1 two content-lengths in a response are a stream error PROTOCOL_ERROR',
    [...RESPONSE, ['content-length', '1'], ['content-length', '2']],
    'http.content-length.duplicate',
  ],
];

for (const [title, fields, token] of MALFORMED_RESPONSES) {
  await t.test(title, async (t) => expectNotAccepted(t, fields, token));
}

// ---- odd, and legal --------------------------------------------------------------------------------------------------

const TAKEN: readonly (readonly [title: string, fields: readonly Field[]])[] = [
  ['§8.2.2 te: trailers is taken', REQUEST],
  [
    '§8.3.1 a :path without a leading slash is left to the call layer, which refuses it (security.md C14)',
    request(':path', 'Service/Method'),
  ],
  [
    '§8.3.1 host instead of :authority is taken',
    [...request(':authority', null), ['host', 'localhost']],
  ],
  ['§8.3.1 host that agrees with :authority is taken', [...REQUEST, ['host', 'LOCALHOST']]],
  ['§8.3.1 GET is a request like any other for the transport', request(':method', 'GET')],
  ['§8.3.1 any scheme is taken', request(':scheme', 'ftp')],
  [
    '§8.5 CONNECT with :authority alone is taken',
    [
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
    ],
  ],
  ['§8.2.1 obs-text and tabs inside a value are taken', [...REQUEST, ['x-a', 'a\t\u00ff b']]],
  ['§8.2.1 an empty value is taken', [...REQUEST, ['x-a', '']]],
  [
    '§8.2.3 cookie crumbs are handed on as they came',
    [...REQUEST, ['cookie', 'a=b'], ['cookie', 'c=d']],
  ],
];

for (const [title, fields] of TAKEN) {
  await t.test(title, async (t) => {
    const scene = serverScene();
    scene.peer.send(headers(5, block(...fields)));
    t.strictSame(scene.peer instanceof ScriptedServer && scene.peer.requests[2], fields.flat());
    expectNoHarm(t, scene);
  });
}
