/** Field blocks that are thrown away must still move the HPACK table of their receiver, or every later block means something else (C8). */

import { ErrorCode } from '../../framing/constants.ts';
import { data, END_STREAM, headers, octets, settings } from '../support/frame-factory.ts';
import {
  block,
  REQUEST,
  RESPONSE,
  ScriptedClient,
  ScriptedServer,
} from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';
import { ENDS } from '../support/verdicts.ts';

/** `x-moved: <value>` as a literal that enters the table. */
function inserted(value: string): Uint8Array {
  return octets([0x40, 7], 'x-moved', [value.length], value);
}

const NEWEST = octets([0xbe]);
const SECOND = octets([0xbf]);

type Discarded = readonly [
  title: string,
  limits: ConstructorParameters<typeof ScriptedServer>[0],
  send: (server: ScriptedServer) => void,
];

const DISCARDED_BY_SERVERS: readonly Discarded[] = [
  [
    '§4.3 HPACK is in step behind a request refused for MAX_CONCURRENT_STREAMS',
    { maxConcurrentStreams: 1 },
    (server) => server.send(headers(3, octets(block(...REQUEST), inserted('new')), ENDS)),
  ],
  [
    '§4.3 HPACK is in step behind a malformed request',
    {},
    (server) => server.send(headers(3, octets(inserted('new'), block([':bad', 'x'])), ENDS)),
  ],
  [
    '§4.3 HPACK is in step behind a request above our field limit',
    { maxHeaderFields: 8 },
    (server) =>
      server.send(
        headers(
          3,
          octets(
            block(...REQUEST, ...Array.from({ length: 20 }, () => ['a', 'b'] as const)),
            inserted('new'),
          ),
          ENDS,
        ),
      ),
  ],
  [
    '§4.3 HPACK is in step behind malformed trailers',
    {},
    (server) =>
      server.send(
        headers(3, block(...REQUEST)),
        headers(3, octets(block([':path', '/']), inserted('new')), ENDS),
      ),
  ],
  [
    '§4.3 §5.1 HPACK is in step behind trailers of a stream we reset',
    {},
    (server) => {
      server.send(headers(3, block(...REQUEST)));
      server.streams.at(-1)?.stream?.reset(ErrorCode.CANCEL);
      server.send(headers(3, octets(block(['x', 'y']), inserted('new')), ENDS));
    },
  ],
  [
    '§4.3 §5.1 HPACK is in step behind HEADERS on a half-closed (remote) stream',
    {},
    (server) =>
      server.send(
        headers(3, block(...REQUEST), ENDS),
        headers(3, octets(block(['x', 'y']), inserted('new')), ENDS),
      ),
  ],
];

for (const [title, limits, send] of DISCARDED_BY_SERVERS) {
  await t.test(title, async (t) => {
    const server = new ScriptedServer(limits);
    server.send(headers(1, octets(block(...REQUEST.slice(0, 4)), inserted('old'))));
    send(server);
    t.equal(server.closed, null);
    // The bystander's trailers refer to both entries.
    server.send(headers(1, octets(NEWEST, SECOND), ENDS));
    const last = server.streams[0]?.events.at(-1);
    t.strictSame(last?.type === 'trailers' && last.headers, ['x-moved', 'new', 'x-moved', 'old']);
  });
}

const DISCARDED_BY_CLIENTS: readonly (readonly [title: string, frames: Uint8Array])[] = [
  [
    '§4.3 §5.1 HPACK is in step behind the response to a cancelled call',
    headers(3, octets(block(...RESPONSE), inserted('new'))),
  ],
  [
    '§4.3 HPACK is in step behind a malformed response',
    headers(5, octets(block([':status', '200'], ['connection', 'close']), inserted('new')), ENDS),
  ],
  [
    '§4.3 HPACK is in step behind an interim response',
    headers(5, octets(block([':status', '103']), inserted('new'))),
  ],
];

for (const [title, frames] of DISCARDED_BY_CLIENTS) {
  await t.test(title, async (t) => {
    const client = new ScriptedClient();
    const calls = [client.open(), client.open(), client.open()];
    calls[1]?.stream?.reset(ErrorCode.CANCEL);
    client.send(headers(1, octets(block(...RESPONSE), inserted('old'))), frames);
    t.equal(client.closed, null);
    client.send(headers(1, octets(NEWEST, SECOND), ENDS));
    const last = calls[0]?.events.at(-1);
    t.strictSame(last?.type === 'trailers' && last.headers, ['x-moved', 'new', 'x-moved', 'old']);
  });
}

await t.test('§4.3 RFC 7541 §2.2 the two directions have tables of their own', async (t) => {
  const server = new ScriptedServer();
  server.send(headers(1, octets(block(...REQUEST), inserted('request'))));
  server.streams[0]?.stream?.sendHeaders([':status', '200', 'x-moved', 'response'], null, false);
  server.streams[0]?.stream?.sendTrailers(['x-moved', 'response'], null);
  const lists = server
    .framesOf('HEADERS')
    .map((frame) => frame.type === 'HEADERS' && frame.headers);
  t.strictSame(lists, [
    [':status', '200', 'x-moved', 'response'],
    ['x-moved', 'response'],
  ]);
  server.send(headers(1, NEWEST, ENDS));
  const last = server.streams[0]?.events.find((event) => event.type === 'trailers');
  t.strictSame(last?.type === 'trailers' && last.headers, ['x-moved', 'request']);
});

await t.test(
  '§4.3 a template is read right after requests that were never answered or reset',
  async (t) => {
    const client = new ScriptedClient();
    const template = REQUEST.flat();
    const lists: unknown[] = [];
    for (let i = 0; i < 12; i++) {
      const call = client.open(template);
      if (i % 3 === 0) call.stream?.reset(ErrorCode.CANCEL);
      if (i === 6) client.send(settings([1, 60]));
      for (const frame of client.framesOf('HEADERS'))
        if (frame.type === 'HEADERS') lists.push(frame.headers);
    }
    t.equal(lists.length, 12);
    t.ok(lists.every((list) => JSON.stringify(list) === JSON.stringify(template)));
  },
);

await t.test(
  '§5.1 §4.3 a stream that is refused while its DATA is under way harms nobody',
  async (t) => {
    const server = new ScriptedServer({ maxConcurrentStreams: 1 });
    server.send(headers(1, octets(block(...REQUEST), inserted('old'))));
    server.send(headers(3, block(...REQUEST)), data(3, 'abc'), data(3, 'def', END_STREAM));
    const frames = server.frames();
    t.strictSame(
      frames.map((frame) => frame.type === 'RST_STREAM' && [frame.streamId, frame.errorCode]),
      [[3, ErrorCode.REFUSED_STREAM]],
    );
    server.send(data(1, 'abc', END_STREAM));
    t.strictSame(server.streams[0]?.received, octets('abc'));
  },
);
