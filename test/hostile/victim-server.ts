/** The server under attack, in a process of its own. Told what to do through IPC; see victim.ts. */

import { serverMethods } from '../../lib/alpha/service-handler.ts';
import {
  streamUnaryServiceDescription,
  unaryUnaryServiceDescription,
} from '../../lib/alpha/utilities.ts';
import type { ServerCall, ServerCallListener, ServerMethod } from '../../lib/call/call.ts';
import { tlsServerCredentials } from '../../lib/credentials.ts';
import { reportToConsole } from '../../lib/error-reporter.ts';
import { Metadata } from '../../lib/metadata.ts';
import { Cardinality, methodDescriptor } from '../../lib/method.ts';
import { loadService } from '../../lib/protobuf/index.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { Status } from '../../lib/status.ts';
import type { ByteDuplex } from '../../transport/byte-duplex.ts';
import { EchoService } from '../support/echo-service.ts';
import { LiveObjects } from './live-objects.ts';
import type { ServerReport, VictimCommand, VictimSetup } from './victim.ts';
import { ProcessWatch } from './victim-watch.ts';

const SLOW_MS = 100;
const LATER_MS = 30;
/** Readers that begin together, and how long after the last of them. */
const READERS = 100;
const READ_LATER_MS = 200;

const watch = new ProcessWatch();
const setup = JSON.parse(process.argv[2] ?? '{}') as VictimSetup;
const neverEnding: ServerCall[] = [];
let [starts, running, mostRunning, aborted, intercepted] = [0, 0, 0, 0, 0];

function started(): void {
  starts += 1;
  running += 1;
  mostRunning = Math.max(mostRunning, running);
}

function settle(call: ServerCall): void {
  running -= 1;
  call.settled();
}

function listener(parts: Partial<ServerCallListener>): ServerCallListener {
  return {
    onMessage(): void {},
    onHalfClose(): void {},
    onCancel(): void {},
    onReady(): void {},
    onComplete(): void {},
    ...parts,
  };
}

function slow(call: ServerCall): ServerCallListener {
  started();
  setTimeout(() => {
    call.sendUnaryAndClose(new Uint8Array(0), null);
    settle(call);
  }, SLOW_MS);
  return listener({
    onCancel: () => {
      aborted += 1;
    },
  });
}

function later(call: ServerCall): ServerCallListener {
  started();
  const timer = setTimeout(() => {
    call.sendUnaryAndClose(new Uint8Array(0), null);
    settle(call);
  }, LATER_MS);
  return listener({
    onCancel() {
      clearTimeout(timer);
      aborted += 1;
      settle(call);
    },
  });
}

function never(call: ServerCall): ServerCallListener {
  started();
  neverEnding.push(call);
  return listener({
    onCancel: () => {
      aborted += 1;
    },
  });
}

function download(call: ServerCall): ServerCallListener {
  started();
  let [left, payload] = [0, new Uint8Array(0)];
  let over = false;
  const end = (): void => {
    if (!over) settle(call);
    over = true;
  };
  const send = (): void => {
    while (left > 0 && !over) {
      left -= 1;
      if (!call.sendMessage(payload)) return;
    }
    if (over) return;
    call.close(Status.OK, '', null);
    end();
  };
  return listener({
    onMessage(chunk, from, to) {
      const [count, size] = textOf(chunk, from, to).split(' ').map(Number);
      [left, payload] = [count ?? 0, new Uint8Array(size ?? 0)];
      send();
    },
    onReady: send,
    onCancel: end,
  });
}

function park(call: ServerCall): ServerCallListener {
  started();
  return listener({ onCancel: () => settle(call) });
}

function count(call: ServerCall): ServerCallListener {
  started();
  let octets = 0;
  call.request(1);
  return listener({
    onMessage(_chunk, from, to) {
      octets += to - from;
      call.request(1);
    },
    onHalfClose() {
      call.sendUnaryAndClose(new TextEncoder().encode(String(octets)), null);
      settle(call);
    },
    onCancel: () => settle(call),
  });
}

/** Sends back what it got, the way a careless proxy would. */
function mirror(call: ServerCall): ServerCallListener {
  started();
  return listener({
    onMessage() {
      const back = new Metadata();
      for (let i = 0; i < call.headers.length; i += 2) {
        try {
          back.append(call.headers[i]!, call.headers[i + 1]!);
        } catch {
          // What may not be metadata is refused by Metadata, not by the connection.
        }
      }
      call.sendMetadata(back.toHeaderList());
      call.sendUnaryAndClose(new Uint8Array(0), back.toHeaderList());
      settle(call);
    },
  });
}

function fail(call: ServerCall): ServerCallListener {
  started();
  return listener({
    onMessage(chunk, from, to) {
      settle(call);
      switch (textOf(chunk, from, to)) {
        case 'late':
          call.close(Status.OK, '', null);
          call.close(Status.INTERNAL, 'again', null);
          call.sendMessage(new Uint8Array(8));
          throw new Error('after the end');
        case 'value':
          throw 'a text, not an error';
        default:
          throw new Error('secret of the handler');
      }
    },
  });
}

function status(call: ServerCall): ServerCallListener {
  started();
  return listener({
    onMessage(chunk, from, to) {
      // Latin1 on the wire, so that tests may name lone surrogates as \uXXXX escapes.
      call.close(Status.INTERNAL, JSON.parse(textOf(chunk, from, to)) as string, null);
      settle(call);
    },
  });
}

const PROTO = loadService(
  {
    text: `syntax = "proto3"; package hostile;
      service Proto { rpc Decode(Node) returns (Node); }
      message Node { Node next = 1; map<string, string> map = 2; string text = 3; repeated int32 packed = 4; bytes blob = 5; }`,
  },
  'hostile.Proto',
).message('hostile.Node');

/** Decodes its request and sends it back; what is no such message is INTERNAL, as in every stub. */
function proto(call: ServerCall): ServerCallListener {
  started();
  return listener({
    onMessage(chunk, from, to) {
      try {
        const back = PROTO.encode(PROTO.decode(chunk.slice(from, to)));
        call.sendUnaryAndClose(back, null);
      } catch (error) {
        call.close(Status.INTERNAL, (error as Error).message, null);
      }
      settle(call);
    },
    onCancel: () => {
      aborted += 1;
    },
  });
}

/** A method of the alpha API behind an interceptor that denies it. */
const secret = unaryUnaryServiceDescription(
  (request: Uint8Array) => {
    starts += 1;
    return request;
  },
  (octets) => octets,
  (octets) => octets,
);

const readers: (() => void)[] = [];

/** Methods of the alpha API: a message of protobuf, and a reader that begins late. */
const program = {
  Decode: unaryUnaryServiceDescription(
    (request: Readonly<Record<string, unknown>>) => request,
    (octets) => PROTO.decode(octets),
    (response) => PROTO.encode(response),
  ),
  ReadLater: streamUnaryServiceDescription(
    async (requests: AsyncIterable<Uint8Array>) => {
      starts += 1;
      await new Promise<void>((resolve) => {
        if (readers.push(resolve) < READERS) return;
        setTimeout(() => {
          for (const begin of readers.splice(0)) begin();
        }, READ_LATER_MS);
      });
      let count = 0;
      for await (const _ of requests) count += 1;
      return count;
    },
    (octets) => octets,
    (count) => new TextEncoder().encode(String(count)),
  ),
};

function textOf(chunk: Uint8Array, from: number, to: number): string {
  return new TextDecoder('latin1').decode(chunk.subarray(from, to));
}

function served(
  name: string,
  cardinality: Cardinality,
  handler: ServerMethod['handler'],
): ServerMethod {
  return { method: methodDescriptor('hostile.Work', name, cardinality), handler };
}

/** Connections that are still reachable from somewhere: I4. */
const connections = new LiveObjects();
/** Lines for the log, whoever writes them: I6. Those of the library's default reporter go through `console.error`. */
let logLines = 0;
let acceptFaults = 0;
const writeLine = console.error;
console.error = (...parts: unknown[]): void => {
  logLines += 1;
  if (String(parts[0]).includes('accepting connections')) acceptFaults += 1;
  writeLine(...parts);
};

class WatchedServer extends GrpcServer {
  override accept(duplex: ByteDuplex): void {
    connections.add(duplex);
    super.accept(duplex);
  }
}

const server = new WatchedServer({
  limits: { ...setup.limits },
  onNotice: () => {
    logLines += 1;
  },
});
server.addMethods(new EchoService().methods);
server.addMethods([
  served('Slow', Cardinality.UNARY_UNARY, slow),
  served('Later', Cardinality.UNARY_UNARY, later),
  served('Never', Cardinality.UNARY_UNARY, never),
  served('Download', Cardinality.UNARY_STREAM, download),
  served('Park', Cardinality.STREAM_STREAM, park),
  served('Count', Cardinality.STREAM_UNARY, count),
  served('Mirror', Cardinality.UNARY_UNARY, mirror),
  served('Fail', Cardinality.UNARY_UNARY, fail),
  served('Status', Cardinality.UNARY_UNARY, status),
  served('Proto', Cardinality.UNARY_UNARY, proto),
]);

const clock = { now: (): number => performance.now() };
server.addMethods(serverMethods('hostile.Program', program, clock, reportToConsole));
server.addMethods(
  serverMethods('hostile.Guarded', { Secret: secret }, clock, () => {}, [
    (context, next) => {
      intercepted += 1;
      if (context.method === '/hostile.Guarded/Secret') context.abort(Status.PERMISSION_DENIED);
      return next();
    },
  ]),
);

function report(collect: boolean): ServerReport {
  const { trips, ...stats } = server.stats();
  return {
    ...watch.report(collect),
    ...stats,
    trips: Object.fromEntries(trips),
    starts,
    running,
    mostRunning,
    aborted,
    intercepted,
    liveConnections: collect ? connections.count() : 0,
    logLines,
    acceptFaults,
  };
}

async function obey(command: VictimCommand): Promise<unknown> {
  switch (command.type) {
    case 'reset':
      watch.reset();
      [starts, mostRunning, aborted] = [0, running, 0];
      logLines = 0;
      return null;
    case 'report':
      return report(command.collect);
    case 'settleNever':
      for (const call of neverEnding.splice(0)) settle(call);
      return null;
    case 'shutdown':
      await server.shutdown(command.graceMs);
      return null;
    default:
      throw new Error(`a server does not ${command.type}`);
  }
}

const credentials = setup.tls === undefined ? undefined : tlsServerCredentials(setup.tls);
const port = await server.listen({ host: '127.0.0.1', port: 0 }, credentials);
process.on('message', ({ id, command }: { id: number; command: VictimCommand }) => {
  obey(command).then(
    (result) => process.send?.({ id, result }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ port });
