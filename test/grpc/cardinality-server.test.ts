import type { MethodDescriptor } from '../../lib/method.ts';
import { Status } from '../../lib/status.ts';
import { t } from '../support/tap.ts';
import {
  BIDI,
  CLIENT_STREAM,
  FakeServerHost,
  requestHeaders,
  SERVER_STREAM,
  UNARY,
} from './fake-hosts.ts';
import { prefixed } from './fake-stream.ts';

const HEADERS = 'headers :status=200, content-type=application/grpc';

/** A call of `method` whose request of one message is complete. */
function start(method: MethodDescriptor) {
  const host = new FakeServerHost();
  const listener = host.serve(method);
  const stream = host.accept(requestHeaders(method.path));
  stream.receive(prefixed([1]), true);
  host.run();
  listener.call?.request(1);
  host.run();
  return { host, listener, stream, call: listener.call! };
}

await t.test(
  'each cardinality delivers its request: unary without, streams with half-close',
  async (t) => {
    for (const method of [UNARY, SERVER_STREAM]) {
      t.strictSame(start(method).listener.log, ['handler', 'message [1]'], method.path);
    }
    for (const method of [CLIENT_STREAM, BIDI]) {
      t.strictSame(
        start(method).listener.log,
        ['handler', 'message [1]', 'half-close'],
        method.path,
      );
    }
  },
);

await t.test('a unary response is one message', async (t) => {
  for (const method of [UNARY, CLIENT_STREAM]) {
    const { stream, call } = start(method);
    call.sendMessage(new Uint8Array([2]));
    call.close(Status.OK, '', null);
    t.strictSame(stream.log, [HEADERS, 'message 0 [2]', 'trailers grpc-status=0'], method.path);
  }
});

await t.test(
  'a unary response ended with OK and no message becomes INTERNAL, with another status stays',
  async (t) => {
    for (const method of [UNARY, CLIENT_STREAM]) {
      const ok = start(method);
      ok.call.close(Status.OK, '', ['a', 'b']);
      t.match(
        ok.stream.log[0] as string,
        /^headers end .*grpc-status=13, grpc-message=handler ended/,
      );
      const other = start(method);
      other.call.close(Status.NOT_FOUND, '', null);
      t.match(other.stream.log[0] as string, /^headers end .*grpc-status=5$/);
    }
  },
);

await t.test('a second message in a unary response ends the call with INTERNAL', async (t) => {
  for (const method of [UNARY, CLIENT_STREAM]) {
    const { stream, call, listener, host } = start(method);
    call.sendMessage(new Uint8Array([2]));
    call.sendMessage(new Uint8Array([3]));
    call.close(Status.OK, '', null);
    t.match(stream.log[2] as string, /^trailers grpc-status=13/);
    t.equal(stream.log.length, 3);
    host.run();
    t.equal(listener.log.at(-1), 'cancel network');
  }
});

await t.test('a response stream has any number of messages', async (t) => {
  for (const method of [SERVER_STREAM, BIDI]) {
    const none = start(method);
    none.call.close(Status.OK, '', null);
    t.match(none.stream.log[0] as string, /^headers end .*grpc-status=0$/);
    const two = start(method);
    two.call.sendMessage(new Uint8Array([2]));
    two.call.sendMessage(new Uint8Array([3]));
    two.call.close(Status.OUT_OF_RANGE, 'end', ['k', 'v']);
    t.strictSame(two.stream.log, [
      HEADERS,
      'message 0 [2]',
      'message 0 [3]',
      'trailers grpc-status=11, grpc-message=end, k=v',
    ]);
  }
});
