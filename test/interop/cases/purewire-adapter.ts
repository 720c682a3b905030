/** Our own client for the interoperability cases: stubs of the services. */

import {
  type CancellableIterator,
  CancelledError,
  type Future,
  type InvocationMethods,
  RpcError,
  type RpcOptions,
  type Stub,
  type StubOptions,
  stub,
} from '../../../lib/index.ts';
import { cameCompressed, witness } from '../service/compression-witness.ts';
import { openRcaService, testService, unimplementedService } from '../service/definition.ts';
import type {
  InteropCall,
  InteropCallOptions,
  InteropClient,
  MethodName,
} from './interop-client.ts';
import { RequestQueue } from './request-queue.ts';
import { ResponseQueue } from './response-queue.ts';

const SERVICES = [testService, unimplementedService, openRcaService];
const NO_TIMEOUT = Number.POSITIVE_INFINITY;
/** For the header of 63 KB in one of the cases. */
const MAX_HEADER_LIST_OCTETS = 131_072;
/** For the case about a server that allows few streams; others fill no connection, or mind no second one. */
const MAX_CONNECTIONS = 2;

/** Opens stubs on `host:port`, each of which connects when it is first called. */
export function openPurewire(host: string, port: number, options: StubOptions = {}): InteropClient {
  const stubs = new Map(
    SERVICES.map((service) => {
      const { name } = service;
      for (const { response } of service.methods) witness(response);
      const methods = service.invocationDescriptions() as unknown as InvocationMethods;
      const limits = {
        maxHeaderListOctets: MAX_HEADER_LIST_OCTETS,
        maxHeaderBlockOctets: MAX_HEADER_LIST_OCTETS,
        ...options.limits,
      };
      const made = stub(name, methods, host, port, {
        compressionMinOctets: 0,
        maxConnections: MAX_CONNECTIONS,
        ...options,
        limits,
      });
      return [name, made.open()] as const;
    }),
  );
  return {
    knowsCompression: true,
    start: (method, request, callOptions = {}) => startCall(stubs, method, request, callOptions),
    wasCompressed: cameCompressed,
    async close() {
      await Promise.all([...stubs.values()].map((each) => each.close()));
    },
  };
}

type AnyRpc = ((request: object, timeout: RpcOptions) => CancellableIterator<unknown>) & {
  async?: (request: object, timeout: RpcOptions) => Future<unknown>;
};

function startCall<Response>(
  stubs: ReadonlyMap<string, Stub<InvocationMethods>>,
  method: MethodName,
  request: object | null,
  options: InteropCallOptions,
): InteropCall<Response> {
  const [service, name] = method.split('/') as [string, string];
  const rpc = stubs.get(service)!.rpc(name) as unknown as AnyRpc;
  const responses = new ResponseQueue<Response>();
  const requests = new RequestQueue<object>();
  const compressed = new WeakSet<object>();
  let trailing: InteropCallOptions['metadata'] = [];
  const rpcOptions: RpcOptions = {
    timeout: options.timeoutMs === undefined ? NO_TIMEOUT : options.timeoutMs / 1000,
    metadata: options.metadata,
    ...(options.compressed === undefined ? {} : { compression: 'gzip' }),
    compressRequest: (sent: object) =>
      request === null ? compressed.has(sent) : options.compressed === true,
    onInitialMetadata: (metadata) => responses.setHeaders([...metadata]),
    onTrailingMetadata: (metadata) => {
      trailing = [...metadata];
    },
  };
  const sent = request ?? requests;
  const running = rpc.async === undefined ? rpc(sent, rpcOptions) : rpc.async(sent, rpcOptions);
  const taken = 'result' in running ? takeOne(running, responses) : takeAll(running, responses);
  void taken.then(
    () => responses.end(0, '', trailing ?? []),
    (error: unknown) => {
      if (error instanceof RpcError) responses.end(error.code, error.details, trailing ?? []);
      else if (error instanceof CancelledError) responses.end(1, error.message, []);
      else responses.end(-1, String(error), []);
    },
  );
  return {
    send(message, isCompressed = false) {
      if (isCompressed) compressed.add(message);
      requests.push(message);
    },
    halfClose: () => requests.end(),
    cancel: () => void running.cancel(),
    next: () => responses.next(),
    headers: () => responses.headers(),
    ending: responses.ending,
  };
}

async function takeOne<Response>(
  future: Future<unknown>,
  responses: ResponseQueue<Response>,
): Promise<void> {
  responses.push((await future.result()) as Response);
}

async function takeAll<Response>(
  iterator: CancellableIterator<unknown>,
  responses: ResponseQueue<Response>,
): Promise<void> {
  for await (const response of iterator) responses.push(response as Response);
}
