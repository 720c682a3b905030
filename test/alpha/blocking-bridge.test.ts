/** A worker that dies or never lives ends every call; no thread waits for it for ever. */

import { BlockingBridge } from '../../lib/alpha/blocking-bridge.ts';
import type { RemoteCall } from '../../lib/alpha/blocking-call.ts';
import { stubChannelConfig } from '../../lib/alpha/stub-channel.ts';
import type { CallOptions, CallStatus, ClientCallListener } from '../../lib/call/call.ts';
import { Cardinality, methodDescriptor } from '../../lib/method.ts';
import { Status } from '../../lib/status.ts';
import { t } from '../support/tap.ts';
import { octetsOf } from './support/fake-channel.ts';

const METHOD = methodDescriptor('test.Echo', 'Say', Cardinality.UNARY_UNARY);
const NO_LIMIT: CallOptions = {
  deadlineMs: Number.POSITIVE_INFINITY,
  timeoutMs: Number.POSITIVE_INFINITY,
  metadata: null,
  waitForReady: true,
};

class Outcome implements ClientCallListener {
  status: CallStatus | null = null;

  onMetadata(): void {}
  onMessage(): void {}
  onReady(): void {}
  onStatus(status: CallStatus): void {
    this.status = status;
  }
}

function block(bridge: BlockingBridge, call: RemoteCall): CallStatus | null {
  const outcome = new Outcome();
  call.startUnary(outcome, octetsOf('x'));
  bridge.wait(
    call,
    () => outcome.status !== null,
    () => false,
  );
  return outcome.status;
}

await t.test('a worker that dies while it starts: UNAVAILABLE', async (t) => {
  const bridge = new BlockingBridge({ target: null, settings: {} } as never);
  const status = block(bridge, bridge.blocking.createCall(METHOD, NO_LIMIT));
  t.equal(status?.code, Status.UNAVAILABLE);
  t.match(String(status?.message), /the worker of the blocking stub ended/);
  await bridge.close();
});

await t.test(
  'a worker that dies during a call: all calls end, the next starts another worker',
  async (t) => {
    // Nobody listens there; waiting for ready, the calls would wait for ever.
    const bridge = new BlockingBridge(stubChannelConfig('unix:/nowhere/purewire.sock', 0, {}));
    const other = new Outcome();
    bridge.blocking.createCall(METHOD, NO_LIMIT).startUnary(other, octetsOf('x'));
    const future = new Outcome();
    bridge.futures.createCall(METHOD, NO_LIMIT).startUnary(future, octetsOf('x'));
    const status = block(bridge, bridge.blocking.createCall(null as never, NO_LIMIT));
    for (const one of [status, other.status, future.status]) {
      t.equal(one?.code, Status.UNAVAILABLE);
    }
    const next = block(
      bridge,
      bridge.blocking.createCall(METHOD, { ...NO_LIMIT, waitForReady: false }),
    );
    t.equal(next?.code, Status.UNAVAILABLE);
    t.match(String(next?.message), /nowhere/);
    await bridge.close();
  },
);

await t.test('close() of a bridge whose worker dies meanwhile is fulfilled', async (t) => {
  const bridge = new BlockingBridge(stubChannelConfig('unix:/nowhere/purewire.sock', 0, {}));
  const outcome = new Outcome();
  bridge.futures.createCall(METHOD, NO_LIMIT).startUnary(outcome, octetsOf('x'));
  const closing = bridge.close();
  bridge.futures.createCall(null as never, NO_LIMIT).startUnary(new Outcome(), octetsOf('x'));
  await closing;
  t.equal(outcome.status?.code, Status.UNAVAILABLE);
});

await t.test('a bridge without calls has no worker to close', async (t) => {
  const bridge = new BlockingBridge({ target: null, settings: {} } as never);
  await bridge.close();
  t.pass();
});
