/** A `@grpc/grpc-js` client as a peer. */

import {
  type CallOptions,
  type ChannelCredentials,
  Client,
  type ClientOptions,
  type ClientWritableStream,
  credentials,
  type Metadata,
  type requestCallback,
  type StatusObject,
} from '@grpc/grpc-js';
import { CollectedCall } from './collected-call.ts';
import { metadataOf, pairsOf } from './grpc-js-metadata.ts';
import {
  type ClientTarget,
  type ClientTls,
  MAX_MESSAGE_OCTETS,
  type PeerCall,
  type PeerCallOptions,
  type PeerClient,
  type PeerMethod,
} from './peer.ts';

/** What its four kinds of call have in common, which grpc-js's types do not say. */
interface Call {
  on(event: 'metadata', listener: (metadata: Metadata) => void): unknown;
  on(event: 'status', listener: (status: StatusObject) => void): unknown;
  on(event: 'error' | 'end', listener: () => void): unknown;
  cancel(): void;
  readonly readableEnded?: boolean;
}

const same = (octets: Buffer): Buffer => octets;

/** Opens a client with a connection of its own. */
export function openGrpcJsClient(target: ClientTarget, options: ClientOptions = {}): PeerClient {
  const { host = '127.0.0.1', port = 0, path, tls } = target;
  const address = path === undefined ? `${host}:${port}` : `unix:${path}`;
  const client = new Client(address, channelCredentials(tls), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': MAX_MESSAGE_OCTETS,
    'grpc.max_send_message_length': MAX_MESSAGE_OCTETS,
    ...(tls?.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': tls.serverName }),
    ...options,
  });

  function start(
    method: PeerMethod,
    request: Uint8Array | null,
    callOptions: PeerCallOptions = {},
  ): PeerCall {
    const collected = new CollectedCall();
    const call = invoke(client, method, request, callOptions, collected);
    call.on('metadata', (metadata) => {
      collected.setInitial(pairsOf(metadata));
    });
    call.on('status', ({ code, details, metadata }) => {
      collected.trailing = pairsOf(metadata);
      // Messages of a stream that is not read to its end may come after the status.
      if (!method.responseStreaming || call.readableEnded === true) {
        collected.finish(code, details);
      } else call.on('end', () => collected.finish(code, details));
    });
    call.on('error', () => {});
    const sending = 'write' in call ? (call as unknown as ClientWritableStream<Buffer>) : null;
    collected.sender = {
      send: (message) => void sending?.write(Buffer.from(message)),
      end: () => void sending?.end(),
      cancel: () => call.cancel(),
    };
    return collected;
  }

  return {
    start,
    async close() {
      client.close();
    },
  };
}

function channelCredentials(tls: ClientTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const { root, identity } = tls;
  return identity === undefined
    ? credentials.createSsl(Buffer.from(root))
    : credentials.createSsl(
        Buffer.from(root),
        Buffer.from(identity.privateKey),
        Buffer.from(identity.certificateChain),
      );
}

function invoke(
  client: Client,
  { path, requestStreaming, responseStreaming }: PeerMethod,
  request: Uint8Array | null,
  { metadata = [], timeoutMs }: PeerCallOptions,
  collected: CollectedCall,
): Call {
  const sent = metadataOf(metadata);
  const options: CallOptions = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
  const answered: requestCallback<Buffer> = (_, response) => {
    if (response !== undefined) collected.push(response);
  };
  if (!responseStreaming) {
    return requestStreaming
      ? client.makeClientStreamRequest(path, same, same, sent, options, answered)
      : client.makeUnaryRequest(path, same, same, Buffer.from(request!), sent, options, answered);
  }
  const call = requestStreaming
    ? client.makeBidiStreamRequest(path, same, same, sent, options)
    : client.makeServerStreamRequest(path, same, same, Buffer.from(request!), sent, options);
  call.on('data', (message: Buffer) => collected.push(message));
  return call;
}
