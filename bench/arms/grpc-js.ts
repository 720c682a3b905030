/** @grpc/grpc-js, used as its documentation shows: a generic client constructor, callbacks and streams, a deadline on each call. */

import { peerVersions, requirePeer } from '../project.ts';
import {
  type BenchClient,
  type BenchServer,
  type ClientSettings,
  callTimeoutMs,
  maxMessageOctets,
  type ServerSettings,
  serverName,
  serviceName,
} from '../worker/bench-arm.ts';
import { grpcJsDefinition } from '../worker/grpc-js-definition.ts';
import { countStatus, isAuthorized } from '../worker/interception.ts';
import {
  type DownloadRequest,
  type Message,
  patternedBody,
  type UploadSummary,
} from '../worker/messages.ts';
import { metadataEntries } from '../worker/metadata.ts';
import { type DownloadSlot, type EchoSlot, runSlots, type UploadSlot } from '../worker/slots.ts';

/** The part of the library that the arm uses. */
interface GrpcJs {
  makeGenericClientConstructor(methods: object, name: string): ClientConstructor;
  Server: new (options: object) => GrpcServer;
  Metadata: new () => { set(key: string, value: string): void };
  ServerCredentials: { createInsecure(): object; createSsl(root: null, pairs: object[]): object };
  credentials: { createInsecure(): object; createSsl(root: Buffer): object };
  InterceptingCall: new (call: object, requester: object) => object;
  ServerInterceptingCall: new (
    call: { sendStatus(status: object): void },
    responder: object,
  ) => object;
}
interface Status {
  readonly code: number;
}
type ClientConstructor = new (target: string, credentials: object, options: object) => GrpcClient;
type Callback<T> = (error: Error | null, response: T) => void;
interface GrpcServer {
  addService(methods: object, handlers: object): void;
  bindAsync(
    target: string,
    credentials: object,
    done: (error: Error | null, port: number) => void,
  ): void;
}
interface GrpcClient {
  Nothing(request: Message, metadata: object, options: object, done: Callback<Message>): void;
  Echo(request: Message, metadata: object, options: object, done: Callback<Message>): void;
  Download(request: DownloadRequest, options: object): Readable<Message>;
  Upload(options: object, done: Callback<UploadSummary>): Writable<Message>;
  PingPong(options: object): Readable<Message> & Writable<Message>;
  close(): void;
  waitForReady(deadline: number, done: (error: Error | undefined) => void): void;
}
interface Readable<T> {
  on(event: 'data', listener: (message: T) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  on(event: 'end', listener: () => void): void;
  on(event: 'status', listener: (status: { code: number }) => void): void;
}
interface Writable<T> {
  write(message: T): boolean;
  end(): void;
  once(event: 'drain', listener: () => void): void;
}

const options = {
  'grpc.max_receive_message_length': maxMessageOctets,
  'grpc.max_send_message_length': maxMessageOctets,
};

export async function startServer({ tls, interceptors }: ServerSettings): Promise<BenchServer> {
  const grpc = requirePeer('@grpc/grpc-js') as GrpcJs;
  const server = new grpc.Server(
    interceptors ? { ...options, interceptors: [serverInterceptor(grpc)] } : options,
  );
  server.addService(grpcJsDefinition, handlers);
  const credentials =
    tls === null
      ? grpc.ServerCredentials.createInsecure()
      : grpc.ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(tls.certificate), private_key: Buffer.from(tls.privateKey) },
        ]);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, versions: peerVersions('@grpc/grpc-js') };
}

export async function startClient(settings: ClientSettings): Promise<BenchClient> {
  const { load } = settings;
  const grpc = requirePeer('@grpc/grpc-js') as GrpcJs;
  const Client = grpc.makeGenericClientConstructor(grpcJsDefinition, serviceName);
  const open = async (): Promise<GrpcClient> => {
    const credentials =
      settings.tls === null
        ? grpc.credentials.createInsecure()
        : grpc.credentials.createSsl(Buffer.from(settings.tls.certificate));
    const client = new Client(`127.0.0.1:${settings.port}`, credentials, {
      ...options,
      // Channels with equal options share their connections unless each has its own pool.
      'grpc.use_local_subchannel_pool': 1,
      ...(load.interceptors ? { interceptors: [clientInterceptor(grpc)] } : {}),
      ...(settings.tls === null ? {} : { 'grpc.ssl_target_name_override': serverName }),
    });
    await new Promise<void>((resolve, reject) => {
      client.waitForReady(deadline(), (error) => (error ? reject(error) : resolve()));
    });
    return client;
  };
  const clients: GrpcClient[] = [];
  if (load.kind !== 'connect') {
    for (let i = 0; i < load.connections; i++) clients.push(await open());
  }
  const metadata = (): object => {
    const entries = new grpc.Metadata();
    for (const [key, value] of metadataEntries(load.metadataEntries)) entries.set(key, value);
    return entries;
  };
  const none = new grpc.Metadata();
  const call = (client: GrpcClient, request: Message, done: Callback<Message>): void => {
    const entries = load.metadataEntries === 0 ? none : metadata();
    if (load.bodyOctets === 0) client.Nothing(request, entries, { deadline: deadline() }, done);
    else client.Echo(request, entries, { deadline: deadline() }, done);
  };
  const held: unknown[] = [];
  return {
    versions: peerVersions('@grpc/grpc-js'),
    run: (meter) =>
      runSlots(meter, load, {
        unary: (slot, connection) => unary(slot, clients[connection]!, call),
        download: (slot, connection) => download(slot, clients[connection]!),
        upload: (slot, connection) => upload(slot, clients[connection]!),
        pingPong: (slot, connection) => pingPong(slot, clients[connection]!),
        connect: (slot) => connectRepeatedly(slot, open, call),
      }),
    hold: async (what, count) => {
      for (let i = 0; i < count; i++) {
        if (what === 'streams') {
          held.push(await idleStream(clients[0]!));
        } else {
          const client = await open();
          await new Promise<void>((resolve, reject) => {
            client.Nothing({}, none, {}, (error) => (error === null ? resolve() : reject(error)));
          });
          held.push(client);
        }
      }
    },
  };
}

function unary(
  slot: EchoSlot,
  client: GrpcClient,
  call: (client: GrpcClient, request: Message, done: Callback<Message>) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (): void => {
      const request = slot.begin();
      if (request === null) resolve();
      else call(client, request, onResponse);
    };
    const onResponse = (error: Error | null, response: Message): void => {
      if (error !== null) {
        reject(error);
        return;
      }
      try {
        slot.end(response);
      } catch (wrong) {
        reject(wrong as Error);
        return;
      }
      next();
    };
    next();
  });
}

function download(slot: DownloadSlot, client: GrpcClient): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (): void => {
      const request = slot.begin();
      if (request === null) {
        resolve();
        return;
      }
      const stream = client.Download(request, { deadline: deadline() });
      stream.on('data', (message) => slot.message(message));
      stream.on('error', reject);
      stream.on('status', (status) => {
        if (status.code !== 0) return;
        try {
          slot.end();
        } catch (wrong) {
          reject(wrong as Error);
          return;
        }
        next();
      });
    };
    next();
  });
}

function upload(slot: UploadSlot, client: GrpcClient): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (): void => {
      if (!slot.begin()) {
        resolve();
        return;
      }
      const stream = client.Upload({ deadline: deadline() }, (error, summary) => {
        if (error !== null) {
          reject(error);
          return;
        }
        try {
          slot.end(summary);
        } catch (wrong) {
          reject(wrong as Error);
          return;
        }
        next();
      });
      const fill = (): void => {
        for (;;) {
          const message = slot.next();
          if (message === null) {
            stream.end();
            return;
          }
          if (!stream.write(message)) {
            stream.once('drain', fill);
            return;
          }
        }
      };
      fill();
    };
    next();
  });
}

function pingPong(slot: EchoSlot, client: GrpcClient): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = client.PingPong({ deadline: deadline() });
    const next = (): void => {
      const request = slot.begin();
      if (request === null) stream.end();
      else stream.write(request);
    };
    stream.on('data', (message) => {
      try {
        slot.end(message);
      } catch (wrong) {
        reject(wrong as Error);
        return;
      }
      next();
    });
    stream.on('error', reject);
    stream.on('status', (status) => {
      if (status.code === 0) resolve();
    });
    next();
  });
}

async function connectRepeatedly(
  slot: EchoSlot,
  open: () => Promise<GrpcClient>,
  call: (client: GrpcClient, request: Message, done: Callback<Message>) => void,
): Promise<void> {
  for (;;) {
    const request = slot.begin();
    if (request === null) return;
    const client = await open();
    const response = await new Promise<Message>((resolve, reject) => {
      call(client, request, (error, value) => (error === null ? resolve(value) : reject(error)));
    });
    client.close();
    slot.end(response);
  }
}

/** A ping-pong stream on which one message has gone both ways, so that both sides know of it. */
function idleStream(client: GrpcClient): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const stream = client.PingPong({});
    stream.on('data', () => resolve(stream));
    stream.on('error', reject);
    stream.write({ sequence: 1, body: Buffer.alloc(1) });
  });
}

const handlers = {
  Nothing: (call: { request: Message }, done: Callback<Message>) => done(null, call.request),
  Echo: (call: { request: Message }, done: Callback<Message>) => done(null, call.request),
  Download: (call: { request: DownloadRequest } & Writable<Message>) => {
    const { messages, bodyOctets } = call.request;
    const body = patternedBody(bodyOctets);
    let sequence = 0;
    const fill = (): void => {
      while (sequence < messages) {
        const room = call.write({ sequence, body });
        sequence += 1;
        if (!room) {
          call.once('drain', fill);
          return;
        }
      }
      call.end();
    };
    fill();
  },
  Upload: (call: Readable<Message>, done: Callback<UploadSummary>) => {
    let messages = 0;
    let octets = 0;
    call.on('data', (message) => {
      messages += 1;
      octets += message.body?.length ?? 0;
    });
    call.on('end', () => done(null, { messages, octets }));
  },
  PingPong: (call: Readable<Message> & Writable<Message>) => {
    call.on('data', (message) => call.write(message));
    call.on('end', () => call.end());
    call.on('error', () => {});
  },
};

/** Counts the status of each call. */
function clientInterceptor(grpc: GrpcJs): unknown {
  return (callOptions: object, nextCall: (options: object) => object) =>
    new grpc.InterceptingCall(nextCall(callOptions), {
      start: (
        metadata: object,
        _listener: object,
        next: (metadata: object, listener: object) => void,
      ) =>
        next(metadata, {
          onReceiveStatus: (status: Status, nextStatus: (status: Status) => void) => {
            countStatus(status.code);
            nextStatus(status);
          },
        }),
    });
}

/** Refuses calls without a token, and counts the status of each. */
function serverInterceptor(grpc: GrpcJs): unknown {
  return (_method: object, call: { sendStatus(status: object): void }) =>
    new grpc.ServerInterceptingCall(call, {
      start: (next: (listener: object) => void) =>
        next({
          onReceiveMetadata: (
            metadata: { get(key: string): unknown[] },
            nextMetadata: (metadata: object) => void,
          ) => {
            if (isAuthorized(metadata.get('authorization')[0])) nextMetadata(metadata);
            else call.sendStatus({ code: 16, details: 'a token is missing' });
          },
        }),
      sendStatus: (status: Status, next: (status: Status) => void) => {
        countStatus(status.code);
        next(status);
      },
    });
}

function deadline(): number {
  return Date.now() + callTimeoutMs;
}
