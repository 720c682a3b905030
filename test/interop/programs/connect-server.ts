/** The interoperability server on @connectrpc/connect-node: `connect-server.js --port N [--use_tls=true …]`. */

import { createSecureServer, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import {
  ECHO_INITIAL_KEY,
  ECHO_TRAILING_KEY,
  type EchoStatus,
  type SimpleRequest,
  type SimpleResponse,
  type StreamingInputCallRequest,
  type StreamingInputCallResponse,
  type StreamingOutputCallRequest,
  type StreamingOutputCallResponse,
  testService,
} from '../service/definition.ts';
import { loadConnect } from './connect-library.ts';
import { readServerFlags } from './server-flags.ts';

interface Context {
  readonly requestHeader: Headers;
  readonly responseHeader: Headers;
  readonly responseTrailer: Headers;
}

type Responses = AsyncGenerator<StreamingOutputCallResponse, void>;

const connect = loadConnect();

/** Gives back the metadata that the tests want back. */
function echo({ requestHeader, responseHeader, responseTrailer }: Context): void {
  const initial = requestHeader.get(ECHO_INITIAL_KEY);
  if (initial !== null) responseHeader.set(ECHO_INITIAL_KEY, initial);
  const trailing = requestHeader.get(ECHO_TRAILING_KEY);
  if (trailing !== null) responseTrailer.set(ECHO_TRAILING_KEY, trailing);
}

function endIfAsked(status: EchoStatus | null | undefined): void {
  if (status?.code) throw new connect.ConnectError(status.message ?? '', status.code);
}

async function* respond(request: StreamingOutputCallRequest): Responses {
  for (const { size = 0, intervalUs = 0 } of request.responseParameters ?? []) {
    if (intervalUs > 0) await pause(intervalUs / 1000);
    yield { payload: { body: new Uint8Array(size) } };
  }
  endIfAsked(request.responseStatus);
}

const implementation = {
  emptyCall(_: object, context: Context): object {
    echo(context);
    return {};
  },
  unaryCall(request: SimpleRequest, context: Context): SimpleResponse {
    echo(context);
    endIfAsked(request.responseStatus);
    const serverId = request.fillServerId === true ? 'connect' : '';
    return { payload: { body: new Uint8Array(request.responseSize ?? 0) }, serverId };
  },
  async *streamingOutputCall(request: StreamingOutputCallRequest, context: Context): Responses {
    echo(context);
    yield* respond(request);
  },
  async streamingInputCall(
    requests: AsyncIterable<StreamingInputCallRequest>,
    context: Context,
  ): Promise<StreamingInputCallResponse> {
    echo(context);
    let aggregatedPayloadSize = 0;
    for await (const { payload } of requests) aggregatedPayloadSize += payload?.body?.length ?? 0;
    return { aggregatedPayloadSize };
  },
  async *fullDuplexCall(
    requests: AsyncIterable<StreamingOutputCallRequest>,
    context: Context,
  ): Responses {
    echo(context);
    for await (const request of requests) yield* respond(request);
  },
  async *halfDuplexCall(
    requests: AsyncIterable<StreamingOutputCallRequest>,
    context: Context,
  ): Responses {
    echo(context);
    const all: StreamingOutputCallRequest[] = [];
    for await (const request of requests) all.push(request);
    for (const request of all) yield* respond(request);
  },
};

const { port, tls } = await readServerFlags();
const handler = connect.connectNodeAdapter({
  routes: (router: { service(service: object, implementation: object): void }) =>
    router.service(connect.service(testService.name), implementation),
});
const server = tls === null ? createServer(handler) : createSecureServer(tls, handler);
server.listen(port, '0.0.0.0', () => {
  console.log(`port ${(server.address() as AddressInfo).port}`);
});
