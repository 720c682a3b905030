/** A call that the server or the connection ends in the middle: the messages asked for before are delivered, those not asked for are not. */

import { ErrorCode } from '../../framing/constants.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
import { t } from '../support/tap.ts';
import { BIDI, FakeClientHost, OK_HEADERS, RecordingClientListener, UNARY } from './fake-hosts.ts';
import { prefixed } from './fake-stream.ts';

interface Scene {
  readonly host: FakeClientHost;
  readonly listener: RecordingClientListener;
  readonly call: ReturnType<FakeClientHost['call']>;
}

/** A call whose headers and two messages and a half came in the read that also ends it. */
function begin(demand: number, method = BIDI): Scene {
  const host = new FakeClientHost();
  const listener = new RecordingClientListener();
  const call = host.call(method);
  if (method === UNARY) call.startUnary(listener, Uint8Array.of(1));
  else {
    call.start(listener);
    if (demand > 0) call.request(demand);
  }
  const { last } = host.transport;
  last.listener?.onHeaders(OK_HEADERS, false, true);
  last.receive(prefixed([7]));
  if (method === BIDI) {
    last.receive(prefixed([8]));
    last.receive(prefixed([9, 9]).slice(0, 6));
  }
  return { host, listener, call };
}

for (const [name, code, initiator] of [
  ['RST_STREAM', ErrorCode.NO_ERROR, Initiator.REMOTE],
  ['the loss of the connection', ErrorCode.NO_ERROR, Initiator.CONNECTION],
] as const) {
  await t.test(`messages asked for before ${name} are delivered, then the status`, async (t) => {
    for (const [demand, delivered] of [
      [1, ['message [7]']],
      [2, ['message [7]', 'message [8]']],
      [9, ['message [7]', 'message [8]']],
    ] as const) {
      const { host, listener } = begin(demand);
      host.transport.last.close(code, initiator, StreamProgress.PROCESSED, 'gone');
      host.run();
      const status = initiator === Initiator.REMOTE ? 'status INTERNAL' : 'status UNAVAILABLE';
      t.strictSame(listener.log, ['metadata 2', ...delivered, status]);
    }
  });

  await t.test(`messages not asked for before ${name} are dropped`, async (t) => {
    const { host, listener, call } = begin(0);
    host.transport.last.close(code, initiator, StreamProgress.PROCESSED, 'gone');
    call.request(5);
    host.run();
    t.strictSame(
      listener.log.filter((line) => line.startsWith('message')),
      [],
    );
    const one = begin(1);
    one.host.transport.last.close(code, initiator, StreamProgress.PROCESSED, 'gone');
    one.host.run();
    one.call.request(5);
    one.host.run();
    t.strictSame(one.listener.log.slice(0, 2), ['metadata 2', 'message [7]']);
    t.match(one.listener.log[2]!, /^status/);
    t.equal(one.listener.log.length, 3);
  });
}

await t.test('a unary call has no message without OK', async (t) => {
  const { host, listener } = begin(0, UNARY);
  host.transport.last.close(0, Initiator.REMOTE, StreamProgress.PROCESSED, '');
  host.run();
  t.strictSame(listener.log.at(-1), 'status INTERNAL');
  t.notOk(listener.log.some((line) => line.startsWith('message')));
});

await t.test('cancelling drops the messages that are left', async (t) => {
  const { host, listener, call } = begin(1);
  host.transport.last.close(0, Initiator.REMOTE, StreamProgress.PROCESSED, '');
  call.cancel('enough');
  host.run();
  t.notOk(listener.log.some((line) => line.startsWith('message')));
  t.strictSame(listener.log.at(-1), 'status CANCELLED');
});
