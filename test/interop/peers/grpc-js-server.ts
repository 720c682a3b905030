/** A `@grpc/grpc-js` server as a peer. */

import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerOptions,
  type StatusObject,
} from '@grpc/grpc-js';
import { metadataOf, pairsOf } from './grpc-js-metadata.ts';
import { joined } from './octets.ts';
import {
  CallLog,
  type CallRecord,
  type Directives,
  directivesOf,
  MAX_MESSAGE_OCTETS,
  METHODS,
  type PeerServer,
  repeated,
  type ServerAddress,
  type ServerTls,
} from './peer.ts';

/** What its four kinds of call have in common, which grpc-js's types do not say. */
interface Call {
  readonly metadata: Metadata;
  getDeadline(): Date | number;
  sendMetadata(metadata: Metadata): void;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** The two kinds that stream responses. */
interface ResponseStream {
  end(metadata: Metadata): unknown;
  emit(event: 'error', status: StatusObject): unknown;
}

/** Starts a server at `address`. */
export async function startGrpcJsServer(
  address: ServerAddress,
  options: ServerOptions = {},
): Promise<PeerServer> {
  const log = new CallLog();
  const server = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_OCTETS,
    'grpc.max_send_message_length': MAX_MESSAGE_OCTETS,
    'grpc.max_concurrent_streams': address.maxConcurrentStreams ?? 100,
    ...options,
  });
  server.addService(definition(), implementation(log));
  const target =
    address.path === undefined ? `127.0.0.1:${address.port ?? 0}` : `unix:${address.path}`;
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(target, credentials(address.tls), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port: address.path === undefined ? port : 0,
    log,
    stop: () =>
      new Promise((resolve, reject) => {
        server.tryShutdown((error) => (error === undefined ? resolve() : reject(error)));
      }),
    async kill() {
      server.forceShutdown();
    },
  };
}

function credentials(tls: ServerTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const pair = {
    private_key: Buffer.from(tls.privateKey),
    cert_chain: Buffer.from(tls.certificateChain),
  };
  return tls.clientRoot === undefined
    ? ServerCredentials.createSsl(null, [pair], false)
    : ServerCredentials.createSsl(Buffer.from(tls.clientRoot), [pair], true);
}

function definition(): Parameters<Server['addService']>[0] {
  const same = (octets: Buffer): Buffer => octets;
  const methods = METHODS.map(({ name, path, requestStreaming, responseStreaming }) => [
    name,
    {
      path,
      requestStream: requestStreaming,
      responseStream: responseStreaming,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    },
  ]);
  return Object.fromEntries(methods) as Parameters<Server['addService']>[0];
}

function implementation(log: CallLog): Parameters<Server['addService']>[1] {
  const echo: handleUnaryCall<Buffer, Buffer> = (call, answer) => {
    const directives = begin('Echo', call, log);
    directives.record.onEnd();
    if (directives.code === 0) answer(null, call.request, metadataOf(directives.trailing));
    else answer(statusOf(directives));
  };

  const repeat: handleServerStreamingCall<Buffer, Buffer> = (call) => {
    const directives = begin('Repeat', call, log);
    const messages = repeated(call.request);
    const write = (): void => {
      for (let next = messages.next(); !call.cancelled; next = messages.next()) {
        if (next.done === true) {
          end(call, directives);
          return;
        }
        if (!call.write(Buffer.from(next.value))) {
          call.once('drain', write);
          return;
        }
      }
    };
    write();
  };

  const join: handleClientStreamingCall<Buffer, Buffer> = (call, answer) => {
    const directives = begin('Join', call, log);
    const parts: Buffer[] = [];
    let answered = false;
    const finish = (): void => {
      if (answered) return;
      answered = true;
      directives.record.onEnd();
      if (directives.code === 0) {
        answer(null, Buffer.from(joined(parts)), metadataOf(directives.trailing));
      } else answer(statusOf(directives));
    };
    call.on('data', (part: Buffer) => {
      parts.push(part);
      if (directives.early) finish();
    });
    call.on('end', finish);
  };

  const chat: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    const directives = begin('Chat', call, log);
    let ended = false;
    const finish = (): void => {
      if (ended) return;
      ended = true;
      end(call, directives);
    };
    call.on('data', (message: Buffer) => {
      if (ended) return;
      if (!call.write(message)) {
        call.pause();
        call.once('drain', () => call.resume());
      }
      if (directives.early) finish();
    });
    call.on('end', finish);
  };

  const hold: handleUnaryCall<Buffer, Buffer> = (call) => {
    begin('Hold', call, log);
  };

  return { Echo: echo, Repeat: repeat, Join: join, Chat: chat, Hold: hold };
}

/** A call's directives, and where its end is noted. */
interface Begun extends Directives {
  readonly record: CallRecord;
}

/** Notes the call and does what its metadata asks for at its start. */
function begin(name: string, call: Call, log: CallLog): Begun {
  const metadata = pairsOf(call.metadata);
  const deadline = Number(call.getDeadline());
  const record = log.onStart(
    name,
    metadata,
    Number.isFinite(deadline) ? deadline - Date.now() : null,
  );
  call.on('cancelled', record.onCancelled);
  const directives = { ...directivesOf(metadata), record };
  if (directives.initial.length > 0) call.sendMetadata(metadataOf(directives.initial));
  return directives;
}

/** Ends a response stream as asked for. */
function end(call: ResponseStream, directives: Begun): void {
  directives.record.onEnd();
  if (directives.code === 0) call.end(metadataOf(directives.trailing));
  else call.emit('error', statusOf(directives));
}

function statusOf({ code, details, trailing }: Directives): StatusObject {
  return { code, details, metadata: metadataOf(trailing) };
}
