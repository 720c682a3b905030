import type { HeaderList } from '../../framing/frame-handler.ts';
import { Status, statusName, statusOfHttpStatus } from '../../lib/status.ts';
import { t } from '../support/tap.ts';
import {
  BIDI,
  FakeClientHost,
  OK_HEADERS,
  OK_TRAILERS,
  RecordingClientListener,
  UNARY,
} from './fake-hosts.ts';
import type { FakeStream } from './fake-stream.ts';

function start(method = UNARY) {
  const host = new FakeClientHost();
  const listener = new RecordingClientListener();
  const call = host.call(method);
  if (method === UNARY) call.startUnary(listener, new Uint8Array([1]));
  else call.start(listener);
  return { host, listener, stream: host.transport.last as FakeStream };
}

function trailersOnly(...headers: string[]): RecordingClientListener {
  const { host, listener, stream } = start();
  stream.listener?.onHeaders(headers, true, true);
  stream.close();
  host.run();
  return listener;
}

await t.test(
  'Trailers-Only: the status is that of the headers, onMetadata is not called',
  async (t) => {
    const headers: HeaderList = [
      ...OK_HEADERS,
      'grpc-status',
      '5',
      'grpc-message',
      'gone%21',
      'reason',
      'r',
    ];
    const listener = trailersOnly(...headers);
    t.strictSame(listener.log, ['status NOT_FOUND']);
    t.equal(listener.status?.message, 'gone!');
    t.strictSame(listener.status?.trailers, headers);
  },
);

await t.test(
  'Trailers-Only OK without a message is UNIMPLEMENTED for a unary response, OK for a stream',
  async (t) => {
    t.strictSame(trailersOnly(...OK_HEADERS, 'grpc-status', '0').log, ['status UNIMPLEMENTED']);
    const { host, listener, stream } = start(BIDI);
    stream.listener?.onHeaders([...OK_HEADERS, 'grpc-status', '0'], true, true);
    host.run();
    t.strictSame(listener.log, ['status OK']);
    t.strictSame(stream.log, ['reset 8'], 'the open request is ended');
  },
);

await t.test('5.1 grpc-status wins over any HTTP status and content-type', async (t) => {
  t.strictSame(trailersOnly(':status', '503', 'grpc-status', '7').log, [
    'status PERMISSION_DENIED',
  ]);
  t.strictSame(
    trailersOnly(':status', '200', 'content-type', 'text/html', 'grpc-status', '7').log,
    ['status PERMISSION_DENIED'],
  );
});

await t.test('C21 without grpc-status the HTTP status decides', async (t) => {
  for (const httpStatus of [400, 401, 403, 404, 418, 429, 431, 500, 502, 503, 504, 999]) {
    const listener = trailersOnly(':status', String(httpStatus), 'content-type', 'text/html');
    t.strictSame(listener.log, [`status ${statusName(statusOfHttpStatus(httpStatus))}`]);
    t.match(listener.status?.message as string, `Received HTTP status code ${httpStatus}`);
  }
});

await t.test('5.1 HTTP 200 without grpc-status is UNKNOWN', async (t) => {
  t.strictSame(trailersOnly(...OK_HEADERS).log, ['status UNKNOWN']);
  t.strictSame(trailersOnly(':status', '200', 'content-type', 'text/html').log, ['status UNKNOWN']);
  const { host, listener, stream } = start();
  stream.listener?.onHeaders(OK_HEADERS, false, true);
  stream.listener?.onTrailers(['x', 'y'], true);
  host.run();
  t.strictSame(listener.log, ['metadata 2', 'status UNKNOWN']);
});

await t.test(
  'C21 G10 of a foreign body at most 1 KiB is read, then RST_STREAM CANCEL',
  async (t) => {
    const { host, listener, stream } = start();
    stream.listener?.onHeaders([':status', '502', 'content-type', 'text/html'], false, true);
    const text = new TextEncoder().encode('<p>\nBad gateway</p>');
    t.equal(stream.receive(text), text.length, 'used up at once');
    host.run();
    t.strictSame(listener.log, []);
    t.equal(stream.receive(new Uint8Array(5000).fill(0x78)), 5000);
    t.equal(stream.log.at(-1), 'reset 8');
    host.run();
    t.strictSame(listener.log, ['status UNAVAILABLE']);
    const message = listener.status?.message as string;
    t.match(message, /^Received HTTP status code 502: <p> Bad gateway<\/p>x+$/);
    t.ok(message.length < 1100);
  },
);

await t.test('C21 a short foreign body ends with END_STREAM or trailers', async (t) => {
  const data = start();
  data.stream.listener?.onHeaders([':status', '404'], false, true);
  data.stream.receive(new TextEncoder().encode('not here'), true);
  data.host.run();
  t.strictSame(data.listener.log, ['status UNIMPLEMENTED']);
  t.equal(data.listener.status?.message, 'Received HTTP status code 404: not here');
  const trailers = start();
  trailers.stream.listener?.onHeaders([':status', '404'], false, true);
  trailers.stream.receive([0x79]);
  trailers.stream.listener?.onTrailers([], true);
  trailers.host.run();
  t.strictSame(trailers.listener.log, ['status UNIMPLEMENTED']);
  const status = start();
  status.stream.listener?.onHeaders([':status', '404'], false, true);
  status.stream.listener?.onTrailers(['grpc-status', '16'], true);
  status.host.run();
  t.equal(status.listener.status?.code, Status.UNAUTHENTICATED, 'grpc-status wins here too');
  const reset = start();
  reset.stream.listener?.onHeaders([':status', '429'], false, true);
  reset.stream.close(0);
  reset.host.run();
  t.equal(reset.listener.status?.code, Status.UNAVAILABLE);
});

await t.test('OK trailers are given to the listener as received', async (t) => {
  const { host, listener, stream } = start(BIDI);
  stream.listener?.onHeaders(OK_HEADERS, false, true);
  stream.listener?.onTrailers(OK_TRAILERS, true);
  host.run();
  t.equal(listener.status?.trailers, OK_TRAILERS);
});
