/** @connectrpc/connect-node with its gRPC transport. It takes messages of @bufbuild/protobuf only, so its codec is its own. */

import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { peerVersions, requirePeer } from '../project.ts';
import {
  type BenchClient,
  type BenchServer,
  type ClientSettings,
  callTimeoutMs,
  type ServerSettings,
  serverName,
} from '../worker/bench-arm.ts';
import { countStatus, isAuthorized } from '../worker/interception.ts';
import { type IterableCalls, idleStream, iterableRunners } from '../worker/iterable-client.ts';
import { type DownloadRequest, type Message, patternedBody } from '../worker/messages.ts';
import { metadataEntries } from '../worker/metadata.ts';
import { runSlots } from '../worker/slots.ts';

/** The parts of the libraries that the arm uses. */
interface ConnectNode {
  connectNodeAdapter(this: void, options: object): (request: object, response: object) => void;
  createGrpcTransport(this: void, options: object): object;
  Http2SessionManager: new (
    url: string,
    ping: undefined,
    options: object,
  ) => { abort(): void; connect(): Promise<string> };
}
interface Connect {
  createClient(this: void, service: object, transport: object): ConnectClient;
  ConnectError: new (message: string, code: number) => Error;
}
interface ConnectClient {
  nothing(request: Message, options: object): Promise<Message>;
  echo(request: Message, options: object): Promise<Message>;
  download(request: DownloadRequest, options: object): AsyncIterable<Message>;
  upload(
    requests: AsyncIterable<Message>,
    options: object,
  ): Promise<{ messages: number; octets: bigint }>;
  pingPong(requests: AsyncIterable<Message>, options: object): AsyncIterable<Message>;
}
interface Protobuf {
  create(this: void, schema: object, init: object): object;
  createFileRegistry(this: void, set: object): { getService(name: string): object | undefined };
}

export async function startServer({ tls, interceptors }: ServerSettings): Promise<BenchServer> {
  const { connectNodeAdapter } = requirePeer('@connectrpc/connect-node') as ConnectNode;
  const service = serviceDescriptor();
  const { ConnectError } = requirePeer('@connectrpc/connect') as Connect;
  const around: Interceptor = (next) => (request) => {
    if (isAuthorized(request.header.get('authorization'))) return counted(next)(request);
    throw new ConnectError('a token is missing', 16);
  };
  const handler = connectNodeAdapter({
    ...(interceptors ? { interceptors: [around] } : {}),
    routes: (router: { service(service: object, implementation: object): void }) =>
      router.service(service, implementation),
  });
  const server =
    tls === null
      ? http2.createServer(handler)
      : http2.createSecureServer({ cert: tls.certificate, key: tls.privateKey }, handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    versions: peerVersions('@connectrpc/connect-node', '@bufbuild/protobuf'),
  };
}

export async function startClient(settings: ClientSettings): Promise<BenchClient> {
  const service = serviceDescriptor();
  const { load } = settings;
  const open = (): Promise<IterableCalls> => openClient(service, settings);
  const connections: IterableCalls[] = [];
  if (load.kind !== 'connect') {
    for (let i = 0; i < load.connections; i++) connections.push(await open());
  }
  const held: unknown[] = [];
  return {
    versions: peerVersions('@connectrpc/connect-node', '@bufbuild/protobuf'),
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

async function openClient(
  service: object,
  { port, tls, load }: ClientSettings,
): Promise<IterableCalls> {
  const { createGrpcTransport, Http2SessionManager } = requirePeer(
    '@connectrpc/connect-node',
  ) as ConnectNode;
  const { createClient } = requirePeer('@connectrpc/connect') as Connect;
  const baseUrl = `${tls === null ? 'http' : 'https'}://127.0.0.1:${port}`;
  const nodeOptions = tls === null ? {} : { ca: tls.certificate, servername: serverName };
  const sessionManager = new Http2SessionManager(baseUrl, undefined, nodeOptions);
  await sessionManager.connect();
  const transport = createGrpcTransport({
    baseUrl,
    nodeOptions,
    sessionManager,
    // By default it offers gzip and brotli, and the server then compresses; nobody else here does.
    acceptCompression: [],
    ...(load.interceptors ? { interceptors: [counted] } : {}),
  });
  const client = createClient(service, transport);
  const options = { timeoutMs: callTimeoutMs };
  const unary =
    load.bodyOctets === 0
      ? (request: Message) => client.nothing(request, options)
      : (request: Message) => client.echo(request, options);
  const unaryWithMetadata = (request: Message): Promise<Message> =>
    client.echo(request, {
      timeoutMs: callTimeoutMs,
      headers: metadataEntries(load.metadataEntries),
    });
  return {
    unary: load.metadataEntries === 0 ? unary : unaryWithMetadata,
    download: (request) => client.download(request, options),
    upload: async (requests) => {
      const summary = await client.upload(requests, options);
      return { messages: summary.messages, octets: Number(summary.octets) };
    },
    pingPong: (requests) => client.pingPong(requests, options),
    close: () => sessionManager.abort(),
  };
}

interface InterceptedRequest {
  readonly header: Headers;
}
type Handle = (request: InterceptedRequest) => Promise<unknown>;
type Interceptor = (next: Handle) => Handle;

/** Counts the status of each call. */
const counted: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    countStatus(0);
    return response;
  } catch (error) {
    countStatus((error as { code?: number }).code ?? 2);
    throw error;
  }
};

const implementation = {
  nothing: (request: Message) => request,
  echo: (request: Message) => request,
  async *download({ messages, bodyOctets }: DownloadRequest): AsyncGenerator<Message> {
    const body = patternedBody(bodyOctets);
    for (let sequence = 0; sequence < messages; sequence++) yield { sequence, body };
  },
  upload: async (requests: AsyncIterable<Message>) => {
    let messages = 0;
    let octets = 0;
    for await (const request of requests) {
      messages += 1;
      octets += request.body?.length ?? 0;
    }
    return { messages, octets: BigInt(octets) };
  },
  async *pingPong(requests: AsyncIterable<Message>): AsyncGenerator<Message> {
    for await (const request of requests) yield request;
  },
};

/** bench.proto as the descriptor that the library's code generator would have made. */
function serviceDescriptor(): object {
  const { create, createFileRegistry } = requirePeer('@bufbuild/protobuf') as Protobuf;
  const { FileDescriptorSetSchema } = requirePeer('@bufbuild/protobuf/wkt') as {
    FileDescriptorSetSchema: object;
  };
  // FieldDescriptorProto.Type: 4 uint64, 12 bytes, 13 uint32. Label 1: optional.
  const field = (name: string, number: number, type: number): object => ({
    name,
    number,
    type,
    label: 1,
  });
  const method = (
    name: string,
    input: string,
    output: string,
    clientStreaming = false,
    serverStreaming = false,
  ): object => ({
    name,
    inputType: `.purewire.bench.${input}`,
    outputType: `.purewire.bench.${output}`,
    clientStreaming,
    serverStreaming,
  });
  const file = {
    name: 'bench.proto',
    package: 'purewire.bench',
    syntax: 'proto3',
    messageType: [
      { name: 'Empty' },
      { name: 'Message', field: [field('sequence', 1, 13), field('body', 2, 12)] },
      { name: 'DownloadRequest', field: [field('messages', 1, 13), field('body_octets', 2, 13)] },
      { name: 'UploadSummary', field: [field('messages', 1, 13), field('octets', 2, 4)] },
    ],
    service: [
      {
        name: 'Bench',
        method: [
          method('Nothing', 'Empty', 'Empty'),
          method('Echo', 'Message', 'Message'),
          method('Download', 'DownloadRequest', 'Message', false, true),
          method('Upload', 'Message', 'UploadSummary', true),
          method('PingPong', 'Message', 'Message', true, true),
        ],
      },
    ],
  };
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
  const service = registry.getService('purewire.bench.Bench');
  if (service === undefined) throw new Error('@bufbuild/protobuf did not take the descriptor');
  return service;
}
