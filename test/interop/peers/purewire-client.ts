/** Our own client as a peer: the alpha API on octets. */

import {
  type CancellableIterator,
  CancelledError,
  type Future,
  RpcError,
  type RpcOptions,
  type StubOptions,
  streamStreamInvocationDescription,
  streamUnaryInvocationDescription,
  stub,
  unaryStreamInvocationDescription,
  unaryUnaryInvocationDescription,
} from '../../../lib/index.ts';
import { RequestQueue } from '../cases/request-queue.ts';
import { CollectedCall } from './collected-call.ts';
import {
  CHAT,
  type ClientTarget,
  JOIN,
  MAX_MESSAGE_OCTETS,
  type PeerCall,
  type PeerCallOptions,
  type PeerClient,
  type PeerMethod,
  REPEAT,
  SERVICE_NAME,
} from './peer.ts';

/** Octets are messages already. */
export function sameOctets(octets: Uint8Array): Uint8Array {
  return octets;
}

const METHODS = {
  Echo: unaryUnaryInvocationDescription(sameOctets, sameOctets),
  Repeat: unaryStreamInvocationDescription(sameOctets, sameOctets),
  Join: streamUnaryInvocationDescription(sameOctets, sameOctets),
  Chat: streamStreamInvocationDescription(sameOctets, sameOctets),
  Hold: unaryUnaryInvocationDescription(sameOctets, sameOctets),
  Missing: unaryUnaryInvocationDescription(sameOctets, sameOctets),
};

/** Seconds of calls without a deadline of their own. */
const NO_TIMEOUT = Number.POSITIVE_INFINITY;

/** The options of a stub for `target`. */
function stubOptions({ tls }: ClientTarget, options: StubOptions): StubOptions {
  return {
    ...options,
    limits: { maxReceiveMessageOctets: MAX_MESSAGE_OCTETS, ...options.limits },
    ...(tls === undefined
      ? {}
      : {
          secure: true,
          rootCertificates: tls.root,
          serverHostOverride: tls.serverName ?? null,
          privateKey: tls.identity?.privateKey ?? null,
          certificateChain: tls.identity?.certificateChain ?? null,
        }),
  };
}

/** Opens a stub on `target`. `options` are laid over those the target needs. */
export function openPurewireClient(target: ClientTarget, options: StubOptions = {}): PeerClient {
  const { host = '127.0.0.1', port = 0, path } = target;
  const made =
    path === undefined
      ? stub(SERVICE_NAME, METHODS, host, port, stubOptions(target, options))
      : stub(SERVICE_NAME, METHODS, `unix:${path}`, 0, stubOptions(target, options));
  const opened = made.open();

  function start(
    method: PeerMethod,
    request: Uint8Array | null,
    callOptions: PeerCallOptions = {},
  ): PeerCall {
    const call = new CollectedCall();
    const requests = new RequestQueue<Uint8Array>();
    const timeout: RpcOptions = {
      timeout: callOptions.timeoutMs === undefined ? NO_TIMEOUT : callOptions.timeoutMs / 1000,
      metadata: callOptions.metadata,
      onInitialMetadata: (metadata) => {
        call.setInitial([...metadata]);
      },
      onTrailingMetadata: (metadata) => {
        call.trailing = [...metadata];
      },
    };
    let rpc: Future<Uint8Array> | CancellableIterator<Uint8Array>;
    switch (method) {
      case REPEAT:
        rpc = opened.Repeat(request!, timeout);
        break;
      case CHAT:
        rpc = opened.Chat(requests, timeout);
        break;
      case JOIN:
        rpc = opened.Join.async(requests, timeout);
        break;
      default:
        rpc = opened.rpc(method.name as 'Echo').async(request!, timeout);
        break;
    }
    if ('result' in rpc) void takeResult(rpc, call);
    else void takeResponses(rpc, call);
    call.sender = {
      send: (message) => requests.push(message),
      end: () => requests.end(),
      cancel: () => void rpc.cancel(),
    };
    return call;
  }

  return { start, close: () => opened.close() };
}

async function takeResult(rpc: Future<Uint8Array>, call: CollectedCall): Promise<void> {
  try {
    call.push(await rpc.result());
    call.finish(0, '');
  } catch (error) {
    finishWith(error, call);
  }
}

async function takeResponses(
  rpc: CancellableIterator<Uint8Array>,
  call: CollectedCall,
): Promise<void> {
  try {
    for await (const message of rpc) call.push(message);
    call.finish(0, '');
  } catch (error) {
    finishWith(error, call);
  }
}

function finishWith(error: unknown, call: CollectedCall): void {
  if (error instanceof RpcError) call.finish(error.code, error.details);
  else if (error instanceof CancelledError) call.finish(1, error.message);
  else call.finish(-1, String(error));
}
