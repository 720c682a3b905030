/** Our own server as a peer: the alpha API on octets. */

import {
  Abortion,
  type RequestIterator,
  type RpcContext,
  type ServerOptions,
  type ServiceMethods,
  server,
  streamStreamServiceDescription,
  streamUnaryServiceDescription,
  unaryStreamServiceDescription,
  unaryUnaryServiceDescription,
} from '../../../lib/index.ts';
import { joined } from './octets.ts';
import {
  CallLog,
  type CallRecord,
  type Directives,
  directivesOf,
  MAX_MESSAGE_OCTETS,
  type PeerServer,
  repeated,
  SERVICE_NAME,
  type ServerAddress,
} from './peer.ts';
import { sameOctets } from './purewire-client.ts';

type Octets = Uint8Array;

/** Starts a server at `address`. `options` are laid over those the address needs. */
export async function startPurewireServer(
  address: ServerAddress,
  options: ServerOptions = {},
): Promise<PeerServer> {
  const log = new CallLog();
  const serving = server(SERVICE_NAME, descriptions(log), address.port ?? 0, {
    ...(address.path === undefined ? { host: '127.0.0.1' } : { path: address.path }),
    ...tlsOptions(address),
    ...options,
    limits: {
      ...(address.messageLimit === 'default'
        ? {}
        : { maxReceiveMessageOctets: MAX_MESSAGE_OCTETS }),
      maxConcurrentStreams: address.maxConcurrentStreams ?? 100,
      ...options.limits,
    },
  });
  await serving.start();
  return { port: serving.port(), log, stop: () => serving.stop(), kill: () => serving.stop(0) };
}

function tlsOptions({ tls }: ServerAddress): ServerOptions {
  if (tls === undefined) return {};
  const { privateKey, certificateChain, clientRoot } = tls;
  return clientRoot === undefined
    ? { privateKey, certificateChain }
    : {
        privateKey,
        certificateChain,
        rootCertificates: clientRoot,
        clientCertificates: 'require',
      };
}

/** The service: `log` is told of every call. */
function descriptions(log: CallLog): ServiceMethods {
  function echo(request: Octets, context: RpcContext): Octets {
    const directives = begin('Echo', context, log);
    finish(directives, context);
    return request;
  }

  function* repeat(request: Octets, context: RpcContext): Generator<Octets> {
    const directives = begin('Repeat', context, log);
    try {
      yield* repeated(request);
    } finally {
      finish(directives, context);
    }
  }

  async function join(requests: RequestIterator<Octets>, context: RpcContext): Promise<Octets> {
    const directives = begin('Join', context, log);
    const parts: Octets[] = [];
    try {
      for await (const request of requests) {
        parts.push(request);
        if (directives.early) break;
      }
      return joined(parts);
    } finally {
      finish(directives, context);
    }
  }

  async function* chat(
    requests: RequestIterator<Octets>,
    context: RpcContext,
  ): AsyncGenerator<Octets> {
    const directives = begin('Chat', context, log);
    try {
      for await (const request of requests) {
        yield request;
        if (directives.early) break;
      }
    } finally {
      finish(directives, context);
    }
  }

  function hold(_: Octets, context: RpcContext): Promise<Octets> {
    begin('Hold', context, log);
    return new Promise((_resolve, reject) => {
      context.signal.addEventListener('abort', () => reject(context.signal.reason));
    });
  }

  return {
    Echo: unaryUnaryServiceDescription(echo, sameOctets, sameOctets),
    Repeat: unaryStreamServiceDescription(repeat, sameOctets, sameOctets),
    Join: streamUnaryServiceDescription(join, sameOctets, sameOctets),
    Chat: streamStreamServiceDescription(chat, sameOctets, sameOctets),
    Hold: unaryUnaryServiceDescription(hold, sameOctets, sameOctets),
  };
}

/** A call's directives, and where its end is noted. */
interface Begun extends Directives {
  readonly record: CallRecord;
}

/** Notes the call and does what its metadata asks for at its start. */
function begin(name: string, context: RpcContext, log: CallLog): Begun {
  const metadata = [...context.metadata];
  const seconds = context.timeRemaining();
  const record = log.onStart(name, metadata, Number.isFinite(seconds) ? seconds * 1000 : null);
  context.addAbortionCallback((abortion) => {
    if (abortion !== Abortion.SERVICER_FAILURE) record.onCancelled();
  });
  const directives = { ...directivesOf(metadata), record };
  if (directives.initial.length > 0) context.sendInitialMetadata(directives.initial);
  return directives;
}

/** Sets the status and the trailing metadata that were asked for. */
function finish(directives: Begun, context: RpcContext): void {
  context.setTrailingMetadata(directives.trailing);
  context.setStatus(directives.code, directives.details);
  directives.record.onEnd();
}
