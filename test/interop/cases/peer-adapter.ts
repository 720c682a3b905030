/** Any peer client on octets (see `peers/`) as a client for the interoperability cases. */

import type { MessageCodec, ProtoMethod } from '../../../lib/protobuf/index.ts';
import type { PeerClient, PeerMethod } from '../peers/peer.ts';
import { openRcaService, testService, unimplementedService } from '../service/definition.ts';
import type { InteropCall, InteropClient } from './interop-client.ts';
import { ResponseQueue } from './response-queue.ts';

interface Method extends PeerMethod {
  readonly request: MessageCodec;
  readonly response: MessageCodec;
}

const METHODS: ReadonlyMap<string, Method> = new Map(
  [testService, unimplementedService, openRcaService]
    .flatMap(({ methods }) => methods as readonly ProtoMethod[])
    .map(({ name, path, requestStreaming, responseStreaming, request, response }) => [
      path.slice(1),
      { name, path, requestStreaming, responseStreaming, request, response },
    ]),
);

/** Wraps `client`, which must take responses as they come. */
export function interopClientOf(client: PeerClient): InteropClient {
  return {
    knowsCompression: false,
    start<Response>(...[name, request, options = {}]: Parameters<InteropClient['start']>) {
      const method = METHODS.get(name)!;
      const octets = request === null ? null : method.request.encode(request);
      const call = client.start(method, octets, options);
      const responses = new ResponseQueue<Response>();
      call.onInitial = (initial) => responses.setHeaders(initial);
      call.onMessage = (message) => responses.push(method.response.decode(message) as Response);
      void call.outcome.then(({ code, details, trailing }) => {
        responses.end(code, details, trailing);
      });
      const started: InteropCall<Response> = {
        send: (message) => call.send(method.request.encode(message)),
        halfClose: () => call.end(),
        cancel: () => call.cancel(),
        next: () => responses.next(),
        headers: () => responses.headers(),
        ending: responses.ending,
      };
      return started;
    },
    wasCompressed: () => false,
    close: () => client.close(),
  };
}
