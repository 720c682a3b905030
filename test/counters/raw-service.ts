/** A service whose messages are octets as they are, so that what is counted is the library's and not a codec's. */

import type * as Purewire from '../../lib/index.ts';

type Library = typeof Purewire;

const same = (octets: Uint8Array): Uint8Array => octets;

/** Serves `Echo` (unary) and `Upload` (counts octets) on a free port of 127.0.0.1; resolves to the running server. */
export function serveRaw({
  server,
  unaryUnaryServiceDescription,
  streamUnaryServiceDescription,
}: Library): Promise<Purewire.Server> {
  const upload = async (requests: AsyncIterable<Uint8Array>): Promise<Uint8Array> => {
    let octets = 0;
    for await (const request of requests) octets += request.length;
    return new TextEncoder().encode(String(octets));
  };
  const methods = {
    Echo: unaryUnaryServiceDescription(same, same, same),
    Upload: streamUnaryServiceDescription(upload, same, same),
  };
  return server('test.Raw', methods, 0, { host: '127.0.0.1' }).start();
}

/** An open stub of it. */
export interface RawStub {
  echo(request: Uint8Array): Promise<Uint8Array>;
  upload(requests: Iterable<Uint8Array>): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** `timeoutSeconds` Infinity: calls without a deadline. */
export function rawStub(
  { stub, unaryUnaryInvocationDescription, streamUnaryInvocationDescription }: Library,
  port: number,
  timeoutSeconds: number,
): RawStub {
  const methods = {
    Echo: unaryUnaryInvocationDescription<Uint8Array, Uint8Array>(same, same),
    Upload: streamUnaryInvocationDescription<Uint8Array, Uint8Array>(same, same),
  };
  const opened = stub('test.Raw', methods, '127.0.0.1', port).open();
  return {
    echo: (request) => opened.Echo(request, timeoutSeconds),
    upload: (requests) => opened.Upload(requests, timeoutSeconds),
    close: async () => opened.close(),
  };
}

/** Makes `calls` calls, `inFlight` at a time; each response must equal the request. */
export async function makeCalls(
  stub: RawStub,
  calls: number,
  inFlight: number,
  request: Uint8Array,
): Promise<void> {
  let left = calls;
  const chain = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const response = await stub.echo(request);
      if (response.length !== request.length) throw new Error('wrong response');
    }
  };
  await Promise.all(Array.from({ length: inFlight }, chain));
}
