/** What a failed call says of itself: who ended it, where, and what its time went into. */

import { ErrorCode } from '../../framing/constants.ts';
import { rpcErrorOfStatus } from '../../lib/alpha/exceptions.ts';
import { Channel } from '../../lib/channel/channel.ts';
import {
  CallPhase,
  EndedBy,
  ExpirationError,
  RpcError,
  Status,
  unaryUnaryInvocationDescription,
} from '../../lib/index.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { MemoryConnector } from '../../lib/testing/memory-channel.ts';
import { Initiator, StreamProgress } from '../../transport/stream-listener.ts';
import { openStub } from '../alpha/support/loopback.ts';
import { startUnary as call, withTimeout } from '../support/client-calls.ts';
import { ECHO, EchoService, HOLD } from '../support/echo-service.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { goAway, settings } from '../support/frame-factory.ts';
import { ScriptedConnector, settle } from '../support/scripted-connector.ts';
import { t } from '../support/tap.ts';
import {
  BIDI,
  FakeClientHost,
  OK_HEADERS,
  OK_TRAILERS,
  RecordingClientListener,
  SERVER_STREAM,
  UNARY,
} from './fake-hosts.ts';
import { prefixed } from './fake-stream.ts';

function started(options = {}, method = BIDI) {
  const host = new FakeClientHost();
  const listener = new RecordingClientListener();
  const call = host.call(method, options);
  call.start(listener);
  return { host, call, listener, stream: host.transport.last };
}

await t.test('a call that ended with OK has nothing to explain', async (t) => {
  const { host, listener, stream } = started();
  stream.listener?.onHeaders(OK_HEADERS, false, true);
  stream.listener?.onTrailers(OK_TRAILERS, true);
  host.run();
  t.equal(listener.status?.end, undefined);
});

await t.test(
  'cancelled by the program, 40 ms after it was sent, 60 before its deadline',
  async (t) => {
    const { host, call, listener, stream } = started({ timeoutMs: 100 });
    stream.id = 7;
    host.clock.advance(40);
    call.cancel('enough');
    host.run();
    t.equal(listener.status?.message, 'enough');
    t.strictSame(listener.status?.end, {
      endedBy: 'user',
      phase: 'sent',
      peer: 'memory:1',
      streamId: 7,
      http2Code: null,
      goAway: null,
      messagesReceived: 0,
      elapsedMs: 40,
      remainingMs: 60,
    });
  },
);

await t.test('a status from the server: the peer ended it, behind three messages', async (t) => {
  const { host, call, listener, stream } = started();
  call.request(5);
  stream.listener?.onHeaders(OK_HEADERS, false, true);
  for (let i = 0; i < 3; i++) stream.receive(prefixed([i]));
  stream.listener?.onTrailers(['grpc-status', '5', 'grpc-message', 'no such thing'], true);
  host.run();
  t.equal(listener.status?.message, 'no such thing', 'its words are not touched');
  t.match(JSON.stringify(listener.status?.end), '"endedBy":"peer","phase":"trailers received"');
  t.equal(listener.status?.end?.messagesReceived, 3);
  t.equal(listener.status?.end?.remainingMs, Number.POSITIVE_INFINITY);
});

await t.test('reset by the peer: code, stream and phase are in the message', async (t) => {
  const { host, listener, stream } = started();
  stream.listener?.onHeaders(OK_HEADERS, false, true);
  stream.close(ErrorCode.INTERNAL_ERROR, Initiator.REMOTE);
  host.run();
  t.equal(
    listener.status?.message,
    'Received RST_STREAM with code 2 (INTERNAL_ERROR) (peer memory:1, stream 1, response headers received)',
  );
  t.equal(listener.status?.end?.endedBy, EndedBy.PEER);
  t.equal(listener.status?.end?.http2Code, 2);
});

await t.test('ended by this library for what the peer sent', async (t) => {
  const { host, listener, stream } = started({}, SERVER_STREAM);
  stream.close(ErrorCode.PROTOCOL_ERROR, Initiator.LIBRARY, StreamProgress.PROCESSED, 'some.token');
  host.run();
  t.equal(listener.status?.end?.endedBy, EndedBy.LIBRARY);
  t.equal(listener.status?.end?.http2Code, 1);
  t.match(
    listener.status?.message as string,
    'PROTOCOL_ERROR for an error in the response: some.token',
  );
});

await t.test('lost with the connection, whose GOAWAY is quoted', async (t) => {
  const { host, listener, stream } = started();
  const reason = 'read ECONNRESET (GOAWAY received: ENHANCE_YOUR_CALM, "too_many_pings")';
  stream.close(0, Initiator.CONNECTION, StreamProgress.PROCESSED, reason);
  host.run();
  t.equal(listener.status?.code, Status.UNAVAILABLE);
  t.match(listener.status?.message as string, 'Connection dropped: read ECONNRESET');
  t.equal(listener.status?.end?.endedBy, EndedBy.CONNECTION);
  t.equal(listener.status?.end?.http2Code, null);
  t.equal(listener.status?.end?.goAway, 'ENHANCE_YOUR_CALM, "too_many_pings"');
});

await t.test('DEADLINE_EXCEEDED tells the time line of the call', async (t) => {
  const host = new FakeClientHost();
  const listener = new RecordingClientListener();
  const call = host.call(SERVER_STREAM, { timeoutMs: 1500 });
  host.holds = true;
  call.startUnary(listener, Uint8Array.of(1));
  host.clock.advance(250);
  host.transport.behaviour = 'wait-for-slot';
  call.onTransport(host.transport);
  host.clock.advance(100);
  host.transport.grantSlot();
  host.clock.advance(50);
  call.request(9);
  host.transport.last.listener?.onHeaders(OK_HEADERS, false, true);
  host.transport.last.receive(prefixed([1]));
  host.run();
  host.clock.advance(1100);
  host.run();
  t.equal(
    listener.status?.message,
    'Deadline exceeded after 1.500s: connected after 0.250s, sent after 0.350s, peer memory:1, stream 1, ' +
      'response headers after 0.400s, 1 messages received, no trailers',
  );
  t.equal(listener.status?.end?.remainingMs, 0);
});

await t.test('a timer that fires late says so', async (t) => {
  const { host, listener } = started({ timeoutMs: 1000 });
  host.clock.advance(4000);
  host.run();
  // The fake clock fires on time; what is late is the reading that the call takes.
  t.match(listener.status?.message as string, 'Deadline exceeded after 1.000s');
  const late = started({ timeoutMs: 1000 });
  late.host.clock.now = () => 3500;
  late.stream.close(ErrorCode.CANCEL, Initiator.REMOTE);
  late.host.run();
  t.match(
    late.listener.status?.message as string,
    /Deadline exceeded after 2\.500s: .*noticed 1\.500s late: this process was busy or suspended/,
  );
});

await t.test('elapsed time is right across the wrap of its small integers', async (t) => {
  const host = new FakeClientHost();
  const origin = 2 ** 31 - 5;
  const now = host.clock.now.bind(host.clock);
  host.clock.now = () => origin + now();
  const listener = new RecordingClientListener();
  const call = host.call(UNARY);
  call.startUnary(listener, Uint8Array.of(1));
  host.clock.advance(20);
  call.cancel('x');
  host.run();
  t.equal(listener.status?.end?.elapsedMs, 20);
});

await t.test('a channel says what its calls wait for', async (t) => {
  const connector = new ScriptedConnector();
  const clock = new FakeClock();
  const channel = new Channel('localhost:1', { connector, clock });
  const options = { timeoutMs: 5000, deadlineMs: clock.now() + 5000, waitForReady: true };
  const first = call(channel, ECHO, Uint8Array.of(1), { ...withTimeout(0), ...options });
  connector.last.fail('connect ECONNREFUSED 127.0.0.1:1');
  clock.advance(5000);
  const { status } = await first.outcome;
  t.match(
    status.message,
    /^Deadline exceeded after 5\.000s: waiting for a connection \(\w+( \w+)? to localhost:1, last error: connect ECONNREFUSED 127\.0\.0\.1:1\)$/,
  );
  t.equal(status.end?.phase, CallPhase.CONNECTING);
  t.equal(status.end?.peer, null);
  await channel.closeNow();
});

await t.test('GOAWAY with an error, then the end: the calls quote it', async (t) => {
  const connector = new ScriptedConnector();
  const channel = new Channel('localhost:1', { connector });
  const { outcome } = call(channel, ECHO, Uint8Array.of(1));
  const pipe = connector.last.accept();
  await settle();
  pipe.feed(settings());
  pipe.feed(goAway(1, ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings'));
  await settle();
  pipe.destroy();
  const { status } = await outcome;
  t.equal(status.code, Status.UNAVAILABLE);
  t.equal(status.end?.goAway, 'ENHANCE_YOUR_CALM, "too_many_pings"');
  t.match(status.message, 'too_many_pings');
  await channel.closeNow();
});

await t.test('an RpcError carries it, whatever its class', async (t) => {
  const server = new GrpcServer();
  server.addMethods(new EchoService().methods);
  const channel = new Channel('localhost:1', { connector: new MemoryConnector(server) });
  const { outcome } = call(channel, HOLD, Uint8Array.of(1), withTimeout(30));
  const { status } = await outcome;
  const error = rpcErrorOfStatus(status);
  t.ok(error instanceof ExpirationError);
  t.equal(error.end, status.end);
  t.match(error.message, /^DEADLINE_EXCEEDED: Deadline exceeded after 0\.\d\d\ds: .*sent /);
  t.equal(new RpcError(5, 'made by hand').end, null);
  await channel.close();
  await server.shutdown(0);
});

await t.test('through a stub: nobody listens at the port', async (t) => {
  const octets = (value: Uint8Array): Uint8Array => value;
  const nowhere = { port: () => 1 } as Parameters<typeof openStub>[3];
  const stub = openStub(t, 's', { M: unaryUnaryInvocationDescription(octets, octets) }, nowhere);
  const error = await stub.M(new Uint8Array(0), 10).catch((failure: unknown) => failure);
  t.ok(error instanceof RpcError);
  const { end, code } = error as RpcError;
  t.equal(code, Status.UNAVAILABLE);
  t.equal(end?.endedBy, EndedBy.CONNECTION);
  t.match(String(error), /UNAVAILABLE: No connection established\. Last error: .*127\.0\.0\.1:1/);
});

await t.test('a name that is not found: the words and the phase say so', async (t) => {
  const connector = new ScriptedConnector();
  const channel = new Channel('nowhere.test:1', { connector });
  const waiting = call(channel, ECHO, Uint8Array.of(1), withTimeout(20));
  connector.last.isResolving = true;
  const expired = (await waiting.outcome).status;
  t.match(
    expired.message,
    /^Deadline exceeded after \d\.\d{3}s: waiting for a connection \(resolving the name of nowhere\.test:1\)$/,
  );
  t.equal(expired.end?.phase, CallPhase.RESOLVING);
  const failing = call(channel, ECHO, Uint8Array.of(1));
  connector.last.fail('the host name is unknown');
  const { status } = await failing.outcome;
  t.equal(status.code, Status.UNAVAILABLE);
  t.equal(
    status.message,
    'Name resolution failed for target nowhere.test:1: the host name is unknown',
  );
  t.equal(status.end?.phase, CallPhase.RESOLVING);
  t.equal(status.end?.endedBy, EndedBy.CONNECTION);
  await channel.closeNow();
});

await t.test('calls that never left the stub say who ended them, too', async (t) => {
  const octets = (value: Uint8Array): Uint8Array => value;
  const fails = (): never => {
    throw new Error('cannot');
  };
  const nowhere = { port: () => 1 } as Parameters<typeof openStub>[3];
  const methods = {
    M: unaryUnaryInvocationDescription(octets, octets),
    Bad: unaryUnaryInvocationDescription<Uint8Array, Uint8Array>(fails, octets),
  };
  const stub = openStub(t, 's', methods, nowhere);
  const none = new Uint8Array(0);
  const signal = AbortSignal.abort(new Error('enough'));
  const cases: [Promise<unknown>, RegExp, EndedBy][] = [
    [stub.M(none, 0), /^DEADLINE_EXCEEDED: Deadline exceeded: the timeout is zero/, 'library'],
    [stub.M(none, { timeout: 9, signal }), /^CANCELLED: Cancelled on client: by its/, 'user'],
    [stub.Bad(none, 9), /^INTERNAL: request serializer of \/s\/Bad failed: cannot$/, 'user'],
  ];
  for (const [promise, message, endedBy] of cases) {
    const error = (await promise.catch((raised: unknown) => raised)) as RpcError;
    t.match(error.message, message);
    t.equal(error.end?.endedBy, endedBy);
    t.equal(error.end?.phase, CallPhase.STARTING);
    t.equal(error.end?.peer, null);
  }
});

await t.test('the words of grpc-js that programs match on', async (t) => {
  const reset = async (code: number, initiator: Initiator = Initiator.REMOTE): Promise<string> => {
    const { host, listener, stream } = started();
    stream.close(code, initiator);
    host.run();
    return listener.status?.message ?? '';
  };
  t.match(await reset(ErrorCode.INTERNAL_ERROR), /^Received RST_STREAM with code 2/);
  t.match(await reset(ErrorCode.NO_ERROR), /^Received RST_STREAM with code 0/);
  t.match(await reset(ErrorCode.CANCEL), /^Call cancelled/);
  t.match(
    await reset(ErrorCode.ENHANCE_YOUR_CALM),
    /^Bandwidth exhausted or memory limit exceeded/,
  );
  t.match(await reset(ErrorCode.INADEQUATE_SECURITY), /^Protocol not secure enough/);
  t.match(await reset(ErrorCode.REFUSED_STREAM), /^Stream refused by server/);
  t.match(await reset(0, Initiator.CONNECTION), /^Connection dropped/);
  // `Cancelled on client`, `Name resolution failed for target`, `No connection established` and `Deadline exceeded` are in the cases above.
});
