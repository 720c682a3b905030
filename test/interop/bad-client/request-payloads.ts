/** Payloads about requests: their fields, their messages, their windows. */

import { Code, Grpc, Path } from '../../hostile/octets.ts';
import { data, END_STREAM, frame, head, octets, uint32 } from '../../support/frame-factory.ts';
import {
  fieldsWith,
  GREETING,
  open,
  openAndEnd,
  type Payload,
  prefix,
  type Verdict,
} from './payload.ts';

const FRAME_SIZE: Verdict = { goAway: [Code.FRAME_SIZE_ERROR] };
const SERVED: Verdict = { status: [1, 0] };

function of(program: string) {
  return (
    name: string,
    content: Uint8Array,
    verdict: Verdict,
    starts: number | 'any' = 1,
  ): Payload => ({
    program,
    name,
    octets: octets(GREETING, content),
    verdict,
    starts,
  });
}

function simpleRequests(): Payload[] {
  const payload = of('simple_request');
  const host = fieldsWith(
    [':authority', 'content-type'],
    ['host', 'localhost'],
    ['content-type', 'application/grpc+this-is-valid'],
    ['grpc-timeout', '10S'],
    ['grpc-timeout', '5S'],
  );
  const parameter = fieldsWith(
    ['content-type'],
    ['content-type', 'application/grpc;this-is-valid'],
  );
  return [
    payload('a request', openAndEnd(), SERVED),
    payload('host, a subtype, and two timeouts', openAndEnd(1, host), SERVED),
    payload('a content-type with a parameter', openAndEnd(1, parameter), SERVED),
    // gRPC PROTOCOL-HTTP2: the flag is 0 or 1. The call fails alone.
    payload('a compressed flag of 0x34', octets(open(), data(1, [0x34, 0, 0, 0, 0], END_STREAM)), {
      status: [1, Grpc.INTERNAL],
    }),
    payload(
      'DATA with an undefined flag',
      octets(open(), data(1, prefix(0), 0x02 | END_STREAM)),
      SERVED,
    ),
    payload('WINDOW_UPDATE of 1 octet', octets(open(), frame(8, 0, 1, [1])), FRAME_SIZE, 'any'),
    payload('WINDOW_UPDATE of 0 octets', octets(open(), frame(8, 0x10, 1)), FRAME_SIZE, 'any'),
    // RFC 9113 §6.9: on a stream, a stream error.
    payload(
      'WINDOW_UPDATE by 0',
      octets(open(), frame(8, 0, 1, uint32(0))),
      {
        reset: [1, Code.PROTOCOL_ERROR],
      },
      'any',
    ),
    payload('GOAWAY of 4 octets', octets(open(), frame(7, 0, 0, [0, 0, 0, 0])), FRAME_SIZE, 'any'),
    payload('a GOAWAY header', octets(open(), head(8, 7, 0, 0)), { unfinished: true }, 'any'),
    payload('RST_STREAM of 1 octet', octets(open(), frame(3, 0, 1, [0])), FRAME_SIZE, 'any'),
    payload('RST_STREAM of 0 octets', octets(open(), frame(3, 0, 1)), FRAME_SIZE, 'any'),
  ];
}

function badRequests(): Payload[] {
  const payload = of('badreq');
  const replaced = (name: string, value: string) =>
    openAndEnd(1, fieldsWith([name], [name, value]));
  return [
    payload(
      'content-type text/html',
      replaced('content-type', 'text/html'),
      { http: [1, '415'] },
      0,
    ),
    // RFC 9113 §8.2.2: te is "trailers" or nothing.
    payload('te: frobnicate', replaced('te', 'frobnicate'), { reset: [1, Code.PROTOCOL_ERROR] }, 0),
    payload(
      'two :path',
      openAndEnd(1, [[':path', '/foo/bar'], ...fieldsWith([])]),
      { reset: [1, Code.PROTOCOL_ERROR] },
      0,
    ),
    payload('an unknown grpc-accept-encoding', replaced('grpc-accept-encoding', 'foo'), SERVED),
    payload(
      'an unknown grpc-encoding',
      octets(
        open(1, fieldsWith([], ['grpc-encoding', 'foobar'])),
        data(1, octets(prefix(1, 1), 'x'), END_STREAM),
      ),
      { status: [1, Grpc.UNIMPLEMENTED] },
      0,
    ),
  ];
}

/** RFC 9113 §8.1: HEADERS in the middle of a request end it. */
function duplicateHeaders(): Payload[] {
  const payload = of('duplicate_header');
  const cut = octets(head(10, 0, 0, 1), [0, 0, 0]);
  return [2, 3].map((count) =>
    payload(
      `HEADERS ${count} times, then DATA cut short`,
      octets(...new Array<Uint8Array>(count).fill(open()), cut),
      { unfinished: true },
      'any',
    ),
  );
}

function headOfLine(): Payload {
  const stalled = octets(open(1), data(1, prefix(10_000)));
  const frames = Array.from({ length: 10 }, (_, at) =>
    data(
      3,
      octets(at === 0 ? prefix(10_000) : [], new Uint8Array(1000).fill(at)),
      at === 9 ? END_STREAM : 0,
    ),
  );
  return {
    ...of('head_of_line_blocking')(
      'stream 1 stalls, stream 3 is served',
      octets(stalled, open(3), ...frames),
      { status: [3, 0] },
      2,
    ),
    check(peer) {
      if (peer.responses.get(1)?.ended === true) throw new Error('stream 1 has ended');
    },
  };
}

function messages(): Payload[] {
  const payload = of('server_registered_method');
  const withData = (content: Uint8Array): Uint8Array =>
    octets(open(), data(1, content, END_STREAM));
  const cutPrefix = [1, 2, 3, 4].map((length) =>
    payload(
      `${length} octets of a message prefix`,
      withData(Uint8Array.from(prefix(0).slice(0, length))),
      { status: [1, Grpc.INTERNAL] },
    ),
  );
  // No message at all is a good request of a client-streaming method.
  const empty = payload('an empty DATA frame', withData(new Uint8Array(0)), SERVED);
  const whole = [0, 1, 2].map((length) =>
    payload(
      `a message of ${length} octets`,
      withData(octets(prefix(length), new Uint8Array(length))),
      SERVED,
    ),
  );
  const missing = [0, 1, 2].map((length) =>
    payload(
      `${length} octets of a message of ${length + 1}`,
      withData(octets(prefix(length + 1), new Uint8Array(length))),
      { status: [1, Grpc.INTERNAL] },
    ),
  );
  return [empty, ...cutPrefix, ...whole, ...missing];
}

/** About 4 MB of empty messages to a handler that takes none; more than any window that the client was given. */
function windowOverflow(): Payload {
  const full = new Uint8Array(16_380);
  const frames = Array.from({ length: 256 }, () => data(1, full));
  return of('window_overflow')(
    '4 MB of empty messages at once',
    octets(open(1, [[':path', Path.PARK], ...fieldsWith([':path'])]), ...frames),
    { reset: [1, Code.FLOW_CONTROL_ERROR] },
    'any',
  );
}

/** Over the limit of the list (RFC 9113 §10.5.1): the call fails, unseen by its handler, and the connection goes on. */
function largeMetadata(): Payload {
  const fields = Array.from(
    { length: 92 },
    (_, at) => [`metadata-${at}`, 'v'.repeat(150)] as const,
  );
  return of('large_metadata')(
    '19 KB of metadata',
    openAndEnd(1, fieldsWith([], ...fields)),
    { status: [1, Grpc.RESOURCE_EXHAUSTED] },
    0,
  );
}

export const REQUEST_PAYLOADS: readonly Payload[] = [
  ...simpleRequests(),
  ...badRequests(),
  ...duplicateHeaders(),
  headOfLine(),
  ...messages(),
  windowOverflow(),
];

export const LARGE_METADATA: Payload = largeMetadata();
