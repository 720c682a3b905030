/** nice-grpc: promises and async iterables over grpc-js. Calls carry no deadline: that takes a middleware of its own. */

import { peerVersions, requirePeer } from '../project.ts';
import {
  type BenchClient,
  type BenchServer,
  type ClientSettings,
  maxMessageOctets,
  type ServerSettings,
  serverName,
} from '../worker/bench-arm.ts';
import { grpcJsDefinition } from '../worker/grpc-js-definition.ts';
import { countStatus, isAuthorized } from '../worker/interception.ts';
import { type IterableCalls, idleStream, iterableRunners } from '../worker/iterable-client.ts';
import {
  type DownloadRequest,
  type Message,
  patternedBody,
  type UploadSummary,
} from '../worker/messages.ts';
import { metadataEntries } from '../worker/metadata.ts';
import { runSlots } from '../worker/slots.ts';

/** The part of the library that the arm uses. */
interface NiceGrpc {
  createServer(options: object): NiceServer;
  createChannel(address: string, credentials: object, options: object): { close(): void };
  createClient(definition: object, channel: object): NiceClient;
  createClientFactory(): NiceFactory;
  ServerError: new (code: number, details: string) => Error;
  Metadata: (entries: [string, string][]) => object;
}
/** Credentials come from the library beneath. */
interface GrpcJs {
  credentials: { createInsecure(): object; createSsl(root: Buffer): object };
  ServerCredentials: { createInsecure(): object; createSsl(root: null, pairs: object[]): object };
}
interface NiceFactory {
  use(middleware: Middleware): NiceFactory;
  create(definition: object, channel: object): NiceClient;
}
interface MiddlewareCall {
  readonly request: unknown;
  next(request: unknown, options: object): AsyncGenerator<unknown, unknown>;
}
interface MiddlewareContext {
  readonly metadata?: { get(key: string): unknown };
}
type Middleware = (
  call: MiddlewareCall,
  context: MiddlewareContext,
) => AsyncGenerator<unknown, unknown>;
interface NiceServer {
  use(middleware: Middleware): NiceServer;
  add(definition: object, implementation: object): void;
  listen(address: string, credentials: object): Promise<number>;
}
interface NiceClient {
  Nothing(request: Message): Promise<Message>;
  Echo(request: Message, options?: object): Promise<Message>;
  Download(request: DownloadRequest): AsyncIterable<Message>;
  Upload(requests: AsyncIterable<Message>): Promise<UploadSummary>;
  PingPong(requests: AsyncIterable<Message>): AsyncIterable<Message>;
}

const options = {
  'grpc.max_receive_message_length': maxMessageOctets,
  'grpc.max_send_message_length': maxMessageOctets,
};

export async function startServer({ tls, interceptors }: ServerSettings): Promise<BenchServer> {
  const nice = requirePeer('nice-grpc') as NiceGrpc;
  const grpc = requirePeer('@grpc/grpc-js') as GrpcJs;
  const bare = nice.createServer(options);
  const around: Middleware = (call, context) => {
    if (isAuthorized(context.metadata?.get('authorization'))) return counted(call, context);
    throw new nice.ServerError(16, 'a token is missing');
  };
  const server = interceptors ? bare.use(around) : bare;
  server.add(grpcJsDefinition, implementation);
  const credentials =
    tls === null
      ? grpc.ServerCredentials.createInsecure()
      : grpc.ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(tls.certificate), private_key: Buffer.from(tls.privateKey) },
        ]);
  return {
    port: await server.listen('127.0.0.1:0', credentials),
    versions: peerVersions('nice-grpc', '@grpc/grpc-js'),
  };
}

export async function startClient(settings: ClientSettings): Promise<BenchClient> {
  const nice = requirePeer('nice-grpc') as NiceGrpc;
  const { load } = settings;
  const open = async (): Promise<IterableCalls> => openClient(nice, settings);
  const connections: IterableCalls[] = [];
  if (load.kind !== 'connect') {
    for (let i = 0; i < load.connections; i++) connections.push(await open());
  }
  const held: unknown[] = [];
  return {
    versions: peerVersions('nice-grpc', '@grpc/grpc-js'),
    run: (meter) => runSlots(meter, load, iterableRunners(connections, open)),
    hold: async (what, count) => {
      for (let i = 0; i < count; i++) {
        if (what === 'streams') {
          held.push(await idleStream(connections[0]!));
        } else {
          const calls = await open();
          await calls.unary({});
          held.push(calls);
        }
      }
    },
  };
}

function openClient(nice: NiceGrpc, { port, tls, load }: ClientSettings): IterableCalls {
  const grpc = requirePeer('@grpc/grpc-js') as GrpcJs;
  const credentials =
    tls === null
      ? grpc.credentials.createInsecure()
      : grpc.credentials.createSsl(Buffer.from(tls.certificate));
  const channel = nice.createChannel(`127.0.0.1:${port}`, credentials, {
    ...options,
    'grpc.use_local_subchannel_pool': 1,
    ...(tls === null ? {} : { 'grpc.ssl_target_name_override': serverName }),
  });
  const client = load.interceptors
    ? nice.createClientFactory().use(counted).create(grpcJsDefinition, channel)
    : nice.createClient(grpcJsDefinition, channel);
  const unary =
    load.bodyOctets === 0
      ? (request: Message) => client.Nothing(request)
      : (request: Message) => client.Echo(request);
  const unaryWithMetadata = (request: Message): Promise<Message> => {
    const entries = metadataEntries(load.metadataEntries) as [string, string][];
    return client.Echo(request, { metadata: nice.Metadata(entries) });
  };
  return {
    unary: load.metadataEntries === 0 ? unary : unaryWithMetadata,
    download: (request) => client.Download(request),
    upload: (requests) => client.Upload(requests),
    pingPong: (requests) => client.PingPong(requests),
    close: () => channel.close(),
  };
}

/** Counts the status of each call. */
async function* counted(
  call: MiddlewareCall,
  context: MiddlewareContext,
): AsyncGenerator<unknown, unknown> {
  try {
    const response = yield* call.next(call.request, context);
    countStatus(0);
    return response;
  } catch (error) {
    countStatus((error as { code?: number }).code ?? 2);
    throw error;
  }
}

const implementation = {
  Nothing: async (request: Message) => request,
  Echo: async (request: Message) => request,
  async *Download({ messages, bodyOctets }: DownloadRequest): AsyncGenerator<Message> {
    const body = patternedBody(bodyOctets);
    for (let sequence = 0; sequence < messages; sequence++) yield { sequence, body };
  },
  Upload: async (requests: AsyncIterable<Message>): Promise<UploadSummary> => {
    let messages = 0;
    let octets = 0;
    for await (const request of requests) {
      messages += 1;
      octets += request.body?.length ?? 0;
    }
    return { messages, octets };
  },
  async *PingPong(requests: AsyncIterable<Message>): AsyncGenerator<Message> {
    for await (const request of requests) yield request;
  },
};
