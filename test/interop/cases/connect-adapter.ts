/** @connectrpc/connect-node for the interoperability cases. */

import type { ClientTarget, Pairs } from '../peers/peer.ts';
import {
  type ConnectCallOptions,
  type ConnectLibrary,
  loadConnect,
} from '../programs/connect-library.ts';
import {
  type InteropCall,
  type InteropCallOptions,
  type InteropClient,
  type MethodName,
  Unsupported,
} from './interop-client.ts';
import { RequestQueue } from './request-queue.ts';
import { ResponseQueue } from './response-queue.ts';

type UnaryRpc = (request: object, options: ConnectCallOptions) => Promise<object>;
type StreamRpc = (request: object, options: ConnectCallOptions) => AsyncIterable<object>;

/** Methods whose responses come as a stream, and those whose requests do. */
const RESPONSE_STREAMING = /(StreamingOutput|FullDuplex|HalfDuplex)Call$/;
const REQUEST_STREAMING = /(StreamingInput|FullDuplex|HalfDuplex)Call$/;

/** Opens a client with one connection. */
export function openConnect({ host = 'localhost', port, tls }: ClientTarget): InteropClient {
  const library = loadConnect();
  const baseUrl = `${tls === undefined ? 'http' : 'https'}://${host}:${port}`;
  const nodeOptions = {
    // Megabytes: node:http2 refuses streams of its own by ENHANCE_YOUR_CALM beyond 10 of queued requests.
    maxSessionMemory: 1000,
    ...(tls === undefined ? {} : { ca: tls.root }),
    ...(tls?.serverName ? { servername: tls.serverName } : {}),
  };
  const sessionManager = new library.Http2SessionManager(baseUrl, undefined, nodeOptions);
  const transport = library.createGrpcTransport({ baseUrl, nodeOptions, sessionManager });
  return {
    knowsCompression: false,
    start: (method, request, options = {}) =>
      startCall(library, transport, method, request, options),
    wasCompressed: () => false,
    async close() {
      sessionManager.abort();
    },
  };
}

function startCall<Response>(
  library: ConnectLibrary,
  transport: object,
  method: MethodName,
  request: object | null,
  options: InteropCallOptions,
): InteropCall<Response> {
  const [service, name] = method.split('/') as [string, string];
  if (service.startsWith('xds.')) throw new Unsupported('this service is not set up for connect');
  const rpc = library.createClient(library.service(service), transport)[
    name[0]!.toLowerCase() + name.slice(1)
  ];
  const responses = new ResponseQueue<Response>();
  const requests = new RequestQueue<object>();
  const canceller = new AbortController();
  let trailing: Pairs = [];
  const callOptions: ConnectCallOptions = {
    headers: headersOf(library, options.metadata ?? []),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    signal: canceller.signal,
    onHeader: (headers) => responses.setHeaders(pairsOf(library, headers)),
    onTrailer: (trailers) => {
      trailing = pairsOf(library, trailers);
    },
  };
  const sent = REQUEST_STREAMING.test(name) ? requests : request!;
  const run = async (): Promise<void> => {
    if (!RESPONSE_STREAMING.test(name)) {
      responses.push((await (rpc as UnaryRpc)(sent, callOptions)) as Response);
      return;
    }
    for await (const response of (rpc as StreamRpc)(sent, callOptions)) {
      responses.push(response as Response);
    }
  };
  void run().then(
    () => responses.end(0, '', trailing),
    (error: unknown) => {
      const { code, rawMessage, metadata } = library.ConnectError.from(error);
      responses.end(code, rawMessage, pairsOf(library, metadata));
    },
  );
  return {
    send: (message) => requests.push(message),
    halfClose: () => requests.end(),
    cancel: () => canceller.abort(),
    next: () => responses.next(),
    headers: () => responses.headers(),
    ending: responses.ending,
  };
}

function headersOf(library: ConnectLibrary, pairs: Pairs): Headers {
  const headers = new Headers();
  for (const [key, value] of pairs) {
    headers.append(key, typeof value === 'string' ? value : library.encodeBinaryHeader(value));
  }
  return headers;
}

function pairsOf(library: ConnectLibrary, headers: Headers): Pairs {
  return [...headers].map(([key, value]) => [
    key,
    key.endsWith('-bin') ? library.decodeBinaryHeader(value) : value,
  ]);
}
