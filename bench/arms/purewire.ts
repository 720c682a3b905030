/** purewire through its public alpha API, as an application would use it; a timeout on each call. */

import type * as Purewire from '../../lib/index.ts';
import {
  type BenchClient,
  type BenchServer,
  type ClientSettings,
  callTimeoutMs,
  type ServerSettings,
  serverName,
  serviceName,
} from '../worker/bench-arm.ts';
import { countStatus, isAuthorized } from '../worker/interception.ts';
import { type IterableCalls, idleStream, iterableRunners } from '../worker/iterable-client.ts';
import { loadLibrary } from '../worker/library.ts';
import {
  codecs,
  type DownloadRequest,
  type Message,
  patternedBody,
  type UploadSummary,
} from '../worker/messages.ts';
import { metadataEntries } from '../worker/metadata.ts';
import { runSlots } from '../worker/slots.ts';

const timeoutSeconds: number = callTimeoutMs / 1000;
const { empty, message, downloadRequest, uploadSummary } = codecs;

export async function startServer({
  tls,
  library,
  maxStreams,
  interceptors,
}: ServerSettings): Promise<BenchServer> {
  const purewire = await loadLibrary(library);
  // An older revision would ignore them, and be measured without what its opponent does.
  if (interceptors && purewire.ContextKey === undefined) {
    throw new Error('this revision of purewire has no interceptors');
  }
  const methods = {
    Nothing: purewire.unaryUnaryServiceDescription(
      (request: Message) => request,
      empty.decode,
      empty.encode,
    ),
    Echo: purewire.unaryUnaryServiceDescription(
      (request: Message) => request,
      message.decode,
      message.encode,
    ),
    Download: purewire.unaryStreamServiceDescription(
      download,
      downloadRequest.decode,
      message.encode,
    ),
    Upload: purewire.streamUnaryServiceDescription(upload, message.decode, uploadSummary.encode),
    PingPong: purewire.streamStreamServiceDescription(
      (requests: AsyncIterable<Message>) => requests,
      message.decode,
      message.encode,
    ),
  };
  const secure =
    tls === null ? {} : { privateKey: tls.privateKey, certificateChain: tls.certificate };
  const more =
    maxStreams === null
      ? {}
      : { limits: { maxConcurrentStreams: maxStreams, maxRunningHandlers: maxStreams } };
  const around: Purewire.ServerInterceptor = (context, next) => {
    if (!isAuthorized(context.metadata.get('authorization'))) {
      throw new purewire.RpcError(purewire.Status.UNAUTHENTICATED, 'a token is missing');
    }
    return next({ onStatus: ({ code }) => countStatus(code) });
  };
  const server = purewire.server(serviceName, methods, 0, {
    host: '127.0.0.1',
    ...(interceptors ? { interceptors: [around] } : {}),
    ...secure,
    ...more,
  });
  await server.start();
  return { port: server.port(), versions: {} };
}

export async function startClient(settings: ClientSettings): Promise<BenchClient> {
  const purewire = await loadLibrary(settings.library);
  const { load: wanted } = settings;
  const open = async (): Promise<IterableCalls> => openStub(purewire, settings);
  const connections: IterableCalls[] = [];
  if (wanted.kind !== 'connect') {
    for (let i = 0; i < wanted.connections; i++) {
      const calls = await open();
      if (wanted.kind === 'unary') await calls.unary({ sequence: 0, body: new Uint8Array(1) });
      connections.push(calls);
    }
  }
  const held: unknown[] = [];
  return {
    versions: {},
    run: (meter) => runSlots(meter, wanted, iterableRunners(connections, open)),
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

function openStub(
  purewire: typeof Purewire,
  { port, tls, load: wanted }: ClientSettings,
): IterableCalls {
  const methods = {
    Nothing: purewire.unaryUnaryInvocationDescription<Message, Message>(empty.encode, empty.decode),
    Echo: purewire.unaryUnaryInvocationDescription<Message, Message>(
      message.encode,
      message.decode,
    ),
    Download: purewire.unaryStreamInvocationDescription<DownloadRequest, Message>(
      downloadRequest.encode,
      message.decode,
    ),
    Upload: purewire.streamUnaryInvocationDescription<Message, UploadSummary>(
      message.encode,
      uploadSummary.decode,
    ),
    PingPong: purewire.streamStreamInvocationDescription<Message, Message>(
      message.encode,
      message.decode,
    ),
  };
  const around: Purewire.ClientInterceptor = (_rpc, next) =>
    next({ onStatus: ({ code }) => countStatus(code) });
  const options = {
    ...(tls === null
      ? {}
      : { secure: true, rootCertificates: tls.certificate, serverHostOverride: serverName }),
    ...(wanted.interceptors ? { interceptors: [around] } : {}),
    // By itself it resumes; older revisions make full handshakes only, and do not know the limit.
    ...('maxTlsSessions' in purewire.edge && !wanted.resumeTls
      ? { limits: { maxTlsSessions: 0 } }
      : {}),
  };
  const stub = purewire.stub(serviceName, methods, '127.0.0.1', port, options).open();
  const unary =
    wanted.bodyOctets === 0
      ? (request: Message) => stub.Nothing(request, timeoutSeconds)
      : (request: Message) => stub.Echo(request, timeoutSeconds);
  const unaryWithMetadata = (request: Message): Promise<Message> => {
    const metadata = metadataEntries(wanted.metadataEntries);
    return stub.Echo(request, { timeout: timeoutSeconds, metadata });
  };
  return {
    unary: wanted.metadataEntries === 0 ? unary : unaryWithMetadata,
    download: (request) => stub.Download(request, timeoutSeconds),
    upload: (requests) => stub.Upload(requests, timeoutSeconds),
    pingPong: (requests) => stub.PingPong(requests, timeoutSeconds),
    close: () => stub.close(),
  };
}

function* download({ messages, bodyOctets }: DownloadRequest): Generator<Message> {
  const body = patternedBody(bodyOctets);
  for (let sequence = 0; sequence < messages; sequence++) yield { sequence, body };
}

async function upload(requests: AsyncIterable<Message>): Promise<UploadSummary> {
  let messages = 0;
  let octets = 0;
  for await (const request of requests) {
    messages += 1;
    octets += request.body?.length ?? 0;
  }
  return { messages, octets };
}
