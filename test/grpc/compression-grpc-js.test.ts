/** Compressed messages from and to `@grpc/grpc-js`. Its server never compresses; its client reads what ours does. */

import {
  Client,
  compressionAlgorithms,
  credentials,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js';
import { unaryUnaryInvocationDescription, unaryUnaryServiceDescription } from '../../lib/index.ts';
import { openStub, startServer } from '../alpha/support/loopback.ts';
import { t } from '../support/tap.ts';

const octets = (value: Uint8Array): Uint8Array => value;
const buffer = (value: Buffer): Buffer => value;
const TEXT = Buffer.from('a text that is worth compressing '.repeat(20_000));
const PATH = '/test.Octets/Echo';

for (const [algorithm, name] of [
  [compressionAlgorithms.deflate, 'deflate'],
  [compressionAlgorithms.gzip, 'gzip'],
] as const) {
  await t.test(`${name}: grpc-js client, our server`, async (t) => {
    const seen: string[] = [];
    const server = await startServer(
      t,
      'test.Octets',
      {
        Echo: unaryUnaryServiceDescription(
          (request: Uint8Array, context) => {
            seen.push(String(context.setCompression(name)));
            return new Uint8Array(request);
          },
          octets,
          octets,
        ),
      },
      {},
    );
    const client = new Client(`127.0.0.1:${server.port()}`, credentials.createInsecure(), {
      'grpc.default_compression_algorithm': algorithm,
    });
    t.teardown(() => client.close());
    const answer = await new Promise<Buffer>((resolve, reject) => {
      client.makeUnaryRequest(PATH, buffer, buffer, TEXT, (error, value) => {
        if (error !== null) reject(error);
        else resolve(value!);
      });
    });
    t.ok(TEXT.equals(answer));
    t.strictSame(seen, ['true'], 'the client reads it');
  });

  await t.test(`${name}: our client, grpc-js server`, async (t) => {
    const server = new Server();
    server.addService(
      {
        Echo: {
          path: PATH,
          requestStream: false,
          responseStream: false,
          requestSerialize: buffer,
          requestDeserialize: buffer,
          responseSerialize: buffer,
          responseDeserialize: buffer,
        },
      },
      {
        Echo: (call: { request: Buffer }, done: (error: null, value: Buffer) => void) =>
          done(null, call.request),
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    t.teardown(() => server.forceShutdown());
    const stub = openStub(
      t,
      'test.Octets',
      { Echo: unaryUnaryInvocationDescription(octets, octets) },
      { port: () => port } as Parameters<typeof openStub>[3],
      { compression: name },
    );
    t.ok(TEXT.equals(await stub.Echo(new Uint8Array(TEXT), 20)));
  });
}
