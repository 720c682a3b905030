import {
  httpFault,
  OK_TRAILERS,
  RESPONSE_TEMPLATE,
  ResponseReader,
  readResponseHeaders,
  refusalTemplate,
  statusExtra,
  statusTemplate,
} from '../../lib/protocol/response-headers.ts';
import { Status } from '../../lib/status.ts';
import { HeaderRules } from '../../transport/header-rules.ts';
import { t } from '../support/tap.ts';

await t.test('Responses: templates are well-formed and identity-stable', async (t) => {
  const rules = new HeaderRules();
  t.equal(rules.checkResponse(RESPONSE_TEMPLATE), null);
  t.equal(rules.checkTrailers(OK_TRAILERS), null);
  t.equal(statusTemplate(Status.OK), OK_TRAILERS);
  for (const code of Object.values(Status)) {
    t.strictSame([...statusTemplate(code)], ['grpc-status', String(code)]);
    t.equal(statusTemplate(code), statusTemplate(code));
  }
  for (const httpStatus of [400, 405, 415]) {
    t.equal(rules.checkResponse(refusalTemplate(httpStatus)), null);
    t.equal(rules.status, httpStatus);
  }
  t.strictSame([...refusalTemplate(405)].slice(-2), ['allow', 'POST']);
});

await t.test(
  'statusTemplate: codes that are none become UNKNOWN, other numbers are kept',
  async (t) => {
    for (const [code, text] of [
      [17, '17'],
      [4711, '4711'],
      [-1, '2'],
      [1.5, '2'],
      [Number.NaN, '2'],
      [4294967296, '2'],
    ] as const) {
      t.strictSame([...statusTemplate(code)], ['grpc-status', text]);
    }
  },
);

await t.test('statusExtra: message, then metadata, or null', async (t) => {
  t.equal(statusExtra('', null, 100), null);
  const metadata = ['a', 'b'];
  t.equal(statusExtra('', metadata, 100), metadata);
  t.strictSame(statusExtra('50%', metadata, 100), ['grpc-message', '50%25', 'a', 'b']);
  t.strictSame(statusExtra('abcdef', null, 3), ['grpc-message', 'abc']);
});

await t.test('C23 grpc-status texts', async (t) => {
  for (const [text, code] of [
    ['0', 0],
    ['5', 5],
    ['16', 16],
    ['17', 17],
    ['2147483647', 2147483647],
    ['2147483648', 2],
    ['4294967296', 2],
    ['abc', 2],
    ['-1', 2],
    ['00', 2],
    ['05', 2],
    ['', 2],
    ['1.0', 2],
    ['0x5', 2],
    ['٥', 2],
  ] as const) {
    t.equal(readResponseHeaders(['grpc-status', text]).status?.code, code, JSON.stringify(text));
  }
  t.equal(
    readResponseHeaders(['grpc-status', '0', 'grpc-status', '0']).status?.code,
    Status.UNKNOWN,
  );
  t.equal(readResponseHeaders(['x', 'y']).status, null);
});

await t.test('C24 grpc-message is decoded; the trailers stay as received', async (t) => {
  const list = ['grpc-status', '5', 'grpc-message', 'a%2Fb', 'x', 'y'];
  t.strictSame(readResponseHeaders(list).status, {
    code: 5,
    message: 'a/b',
    trailers: list,
    cause: undefined,
  });
});

await t.test(
  'C25 S88 bad -bin values: INTERNAL instead of OK, any other status is kept, details never matter',
  async (t) => {
    t.equal(readResponseHeaders(['grpc-status', '0', 'x-bin', '!!']).status?.code, Status.INTERNAL);
    t.equal(
      readResponseHeaders(['grpc-status', '5', 'x-bin', '!!']).status?.code,
      Status.NOT_FOUND,
    );
    t.equal(
      readResponseHeaders(['grpc-status', '0', 'grpc-status-details-bin', '!!']).status?.code,
      Status.OK,
    );
    const both = ['grpc-status', '0', 'grpc-status-details-bin', '!!', 'x-bin', 'YQ', 'y-bin', 'a'];
    t.equal(readResponseHeaders(both).badBinaryKey, 'y-bin');
  },
);

await t.test('httpFault: HTTP status first, then content-type; null for gRPC', async (t) => {
  const faultOf = (...list: string[]) => httpFault(readResponseHeaders(list), list);
  t.equal(faultOf(':status', '200', 'content-type', 'application/grpc+proto'), null);
  t.equal(faultOf(':status', '200', 'content-type', 'text/html')?.code, Status.UNKNOWN);
  t.equal(faultOf(':status', '200')?.code, Status.UNKNOWN);
  t.equal(faultOf(':status', '503', 'content-type', 'application/grpc')?.code, Status.UNAVAILABLE);
});

await t.test('ResponseReader: the usual OK trailers give one shared status object', async (t) => {
  const reader = new ResponseReader();
  const trailers = ['grpc-status', '0'];
  const headers = [':status', '200', 'content-type', 'application/grpc'];
  const { status } = reader.read(trailers);
  reader.read(headers);
  t.equal(reader.read(trailers).status, status);
  for (let n = 0; n < 8; n++) reader.read(['grpc-status', String(n)]);
  t.strictSame(reader.read(trailers).status, status);
  t.equal(reader.read(headers).httpStatus, 200);
});
