import { closureStatus } from '../../lib/call/call-fault.ts';
import { Status, statusName, statusOfHttp2Error, statusOfHttpStatus } from '../../lib/status.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
import { t } from '../support/tap.ts';

const HTTP_ROWS: [number, Status][] = [
  [400, Status.INTERNAL],
  [401, Status.UNAUTHENTICATED],
  [403, Status.PERMISSION_DENIED],
  [404, Status.UNIMPLEMENTED],
  [409, Status.UNKNOWN],
  [412, Status.UNKNOWN],
  [413, Status.UNKNOWN],
  [415, Status.UNKNOWN],
  [418, Status.UNKNOWN],
  [429, Status.UNAVAILABLE],
  [431, Status.UNKNOWN],
  [500, Status.UNKNOWN],
  [502, Status.UNAVAILABLE],
  [503, Status.UNAVAILABLE],
  [504, Status.UNAVAILABLE],
  [505, Status.UNKNOWN],
  [999, Status.UNKNOWN],
  [200, Status.UNKNOWN],
];

await t.test('http-grpc-status-mapping: each row', async (t) => {
  for (const [httpStatus, code] of HTTP_ROWS) {
    t.equal(statusOfHttpStatus(httpStatus), code, `${httpStatus} is ${statusName(code)}`);
  }
});

const RST_ROWS: [number, Status][] = [
  [0x0, Status.INTERNAL],
  [0x1, Status.INTERNAL],
  [0x2, Status.INTERNAL],
  [0x3, Status.INTERNAL],
  [0x4, Status.INTERNAL],
  [0x5, Status.INTERNAL],
  [0x6, Status.INTERNAL],
  [0x7, Status.UNAVAILABLE],
  [0x8, Status.CANCELLED],
  [0x9, Status.INTERNAL],
  [0xa, Status.INTERNAL],
  [0xb, Status.RESOURCE_EXHAUSTED],
  [0xc, Status.PERMISSION_DENIED],
  [0xd, Status.INTERNAL],
  [0xff, Status.INTERNAL],
  [0xffff_ffff, Status.INTERNAL],
];

await t.test('C27 RST_STREAM code to status: each row', async (t) => {
  for (const [errorCode, code] of RST_ROWS) {
    t.equal(statusOfHttp2Error(errorCode), code, `0x${errorCode.toString(16)}`);
    const status = closureStatus(errorCode, Initiator.REMOTE, StreamProgress.PROCESSED, '', null);
    t.equal(status.code, code);
    // The words that programs match on in errors of grpc-js.
    t.match(status.message, `Received RST_STREAM with code ${errorCode} (`);
  }
});

await t.test('5.5 loss of the connection and unprocessed streams are UNAVAILABLE', async (t) => {
  const { CONNECTION, REMOTE, LIBRARY } = Initiator;
  const { PROCESSED, REFUSED, MISCARRIED } = StreamProgress;
  for (const [errorCode, initiator, progress, reason, message] of [
    [0, CONNECTION, PROCESSED, 'read ECONNRESET', 'Connection dropped: read ECONNRESET'],
    [0, CONNECTION, PROCESSED, '', 'Connection dropped'],
    [0xb, CONNECTION, REFUSED, 'too_many_pings', 'Connection dropped: too_many_pings'],
    [0, CONNECTION, MISCARRIED, 'gone', 'Connection dropped: gone'],
    [
      7,
      REMOTE,
      REFUSED,
      '',
      'Stream refused by server: Received RST_STREAM with code 7 (REFUSED_STREAM)',
    ],
  ] as const) {
    const status = closureStatus(errorCode, initiator, progress, reason, null);
    t.equal(status.code, Status.UNAVAILABLE);
    t.equal(status.message, message);
  }
  const own = closureStatus(1, LIBRARY, PROCESSED, 'http.field.name-invalid', null);
  t.equal(own.code, Status.INTERNAL);
  t.match(own.message, /http\.field\.name-invalid/);
});

await t.test(
  '5.3 a reset behind the headers of a foreign response keeps its HTTP status',
  async (t) => {
    const foreign = {
      code: Status.UNAVAILABLE,
      message: 'HTTP 503',
      trailers: [],
      cause: undefined,
    };
    t.equal(closureStatus(0, Initiator.REMOTE, StreamProgress.PROCESSED, '', foreign), foreign);
  },
);
