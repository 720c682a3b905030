/**
 * A gRPC server for HTTP/2 suites. They cannot be told to send a `content-type`, and a server rightly answers what is not gRPC without
 * a body, before the request has ended. So in this process the gRPC layer takes every request for gRPC: connection, streams, queues,
 * handlers and messages are then those of a real call, and what the suite sends on the wire stays what it is.
 */

import type { HeaderList } from '../../framing/frame-handler.ts';
import type { ServerCallListener, ServerMethod } from '../../lib/call/call.ts';
import { tlsServerCredentials } from '../../lib/credentials.ts';
import { Cardinality, methodDescriptor } from '../../lib/method.ts';
import { type RequestFacts, RequestReader } from '../../lib/protocol/request-headers.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { Status } from '../../lib/status.ts';
import type { TestIdentity } from '../support/certificates.ts';

const ANSWER = new TextEncoder().encode('hello from purewire');

/** Serves any path: one message, once the request has ended. */
const ANSWER_ALL: ServerMethod = {
  method: methodDescriptor('test.Conformance', 'Any', Cardinality.STREAM_STREAM),
  handler(call): ServerCallListener {
    return {
      onMessage() {
        call.request(1);
      },
      onHalfClose() {
        call.sendMessage(ANSWER);
        call.close(Status.OK, '', null);
        call.settled();
      },
      onCancel: () => call.settled(),
      onReady() {},
      onComplete() {},
    };
  },
};

let everythingIsGrpc = false;

function takeEverythingForGrpc(): void {
  if (everythingIsGrpc) return;
  everythingIsGrpc = true;
  const read = RequestReader.prototype.read;
  RequestReader.prototype.read = function (headers: HeaderList): RequestFacts {
    return { ...read.call(this, headers), httpStatus: 0, refusal: '' };
  };
}

/** A running server. */
export interface RunningTarget {
  readonly port: number;
  stop(): Promise<void>;
}

/** Listens on a free port of the loopback interface, with TLS when there is an `identity`. */
export async function startGrpcTarget(identity: TestIdentity | null): Promise<RunningTarget> {
  takeEverythingForGrpc();
  const server = new GrpcServer();
  server.setGenericMethod(() => ANSWER_ALL);
  const port = await server.listen(
    { host: '127.0.0.1', port: 0 },
    identity === null ? undefined : tlsServerCredentials(identity),
  );
  return { port, stop: () => server.closeNow() };
}
