/** The client under attack, in a process of its own: one channel to a hostile server. Told what to do through IPC; see victim.ts. */

import { Channel } from '../../lib/channel/channel.ts';
import { socketConnector } from '../../lib/channel/channel-options.ts';
import { parseTarget } from '../../lib/channel/target.ts';
import { insecureChannelCredentials, tlsChannelCredentials } from '../../lib/credentials.ts';
import type { Connector } from '../../transport/connector.ts';
import { systemClock } from '../../transport/system-clock.ts';
import { callOptions, startStream, startUnary, withTimeout } from '../support/client-calls.ts';
import { ECHO, ECHO_STREAM } from '../support/echo-service.ts';
import { LiveObjects } from './live-objects.ts';
import type {
  CallRequest,
  CallResult,
  ClientReport,
  VictimCommand,
  VictimSetup,
} from './victim.ts';
import { ProcessWatch } from './victim-watch.ts';

const watch = new ProcessWatch();
let setup = JSON.parse(process.argv[2] ?? '{}') as VictimSetup;
let channel: Channel | null = null;
/** Connections that are still reachable from somewhere: I4. */
const connections = new LiveObjects();
/** Lines for the log: I6. */
let logLines = 0;

/** Sockets as ever, whose pipes are watched. */
function watchedConnector(target: string): Connector {
  const credentials =
    setup.rootCertificates === undefined
      ? insecureChannelCredentials()
      : tlsChannelCredentials({ rootCertificates: setup.rootCertificates });
  const connector = socketConnector(parseTarget(target), credentials, systemClock);
  return {
    address: connector.address,
    connect: (timeoutMs, listener) =>
      connector.connect(timeoutMs, {
        onConnected(duplex) {
          connections.add(duplex);
          listener.onConnected(duplex);
        },
        onFailed: (error) => listener.onFailed(error),
      }),
  };
}

function openChannel(): Channel {
  const target = `127.0.0.1:${setup.port}`;
  channel ??= new Channel(target, {
    limits: { ...setup.limits },
    backoff: { initialMs: 20, maxMs: 100 },
    connector: watchedConnector(target),
    reportError: () => {
      logLines += 1;
    },
    ...(setup.connectTimeoutMs === undefined ? {} : { connectTimeoutMs: setup.connectTimeoutMs }),
  });
  return channel;
}

async function callOnce(request: CallRequest): Promise<CallResult> {
  const { timeoutMs, octets = 0, streaming = false, cancelAfterMs, metadata = null } = request;
  const options =
    timeoutMs === undefined ? callOptions({ metadata }) : withTimeout(timeoutMs, { metadata });
  const payload = new Uint8Array(octets);
  const { call, outcome } = streaming
    ? startStream(openChannel(), ECHO_STREAM, [payload], options)
    : startUnary(openChannel(), ECHO, payload, options);
  if (cancelAfterMs !== undefined) setTimeout(() => call.cancel('enough'), cancelAfterMs);
  const { messages, status } = await outcome;
  return {
    code: status.code,
    message: status.message,
    messages: messages.length,
    octets: messages.reduce((sum, message) => sum + message.length, 0),
  };
}

/** Streams whose responses nobody reads, left by the application. */
function abandon(count: number): void {
  for (let i = 0; i < count; i++) {
    const call = openChannel().createCall(ECHO_STREAM, callOptions());
    call.start({
      onMetadata(): void {},
      onMessage(): void {},
      onStatus(): void {},
      onReady(): void {},
    });
    call.sendMessage(new Uint8Array(16));
    setTimeout(() => call.cancel('left'), 20);
  }
}

function report(collect: boolean): ClientReport {
  const stats = channel?.stats();
  return {
    ...watch.report(collect),
    connections: stats?.connections ?? 0,
    activeCalls: stats?.activeCalls ?? 0,
    waitingCalls: stats?.waitingCalls ?? 0,
    trips: Object.fromEntries(stats?.trips ?? []),
    liveConnections: collect ? connections.count() : 0,
    logLines,
  };
}

async function obey(command: VictimCommand): Promise<unknown> {
  switch (command.type) {
    case 'reset':
      watch.reset();
      logLines = 0;
      return null;
    case 'report':
      return report(command.collect);
    case 'call':
      return Promise.all(Array.from({ length: command.count }, () => callOnce(command.request)));
    case 'abandon':
      abandon(command.count);
      return null;
    case 'target':
      await channel?.closeNow();
      channel = null;
      setup = command.setup;
      return null;
    case 'close': {
      const closing = channel;
      channel = null;
      await closing?.closeNow();
      return null;
    }
    default:
      throw new Error(`a client does not ${command.type}`);
  }
}

process.on('message', ({ id, command }: { id: number; command: VictimCommand }) => {
  obey(command).then(
    (result) => process.send?.({ id, result }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ port: 0 });
