/** Compression from stub to server and back over sockets: every encoding of the runtime, every cardinality, bombs included. */

import { Channel } from '../../lib/channel/channel.ts';
import {
  RpcError,
  Status,
  streamStreamInvocationDescription,
  streamStreamServiceDescription,
  streamUnaryInvocationDescription,
  streamUnaryServiceDescription,
  unaryStreamInvocationDescription,
  unaryStreamServiceDescription,
  unaryUnaryInvocationDescription,
  unaryUnaryServiceDescription,
} from '../../lib/index.ts';
import { zlibCodecs } from '../../lib/platform/zlib.ts';
import { GrpcServer } from '../../lib/server/server.ts';
import { MemoryConnector } from '../../lib/testing/memory-channel.ts';
import { openStub, startServer } from '../alpha/support/loopback.ts';
import { callOptions, startStream, startUnary } from '../support/client-calls.ts';
import { ECHO, ECHO_STREAM, EchoService } from '../support/echo-service.ts';
import { t } from '../support/tap.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (octets: Uint8Array): string => new TextDecoder().decode(octets);

const INVOCATIONS = {
  Echo: unaryUnaryInvocationDescription(encode, decode),
  Repeat: unaryStreamInvocationDescription(encode, decode),
  Count: streamUnaryInvocationDescription(encode, decode),
  Chat: streamStreamInvocationDescription(encode, decode),
};

const SERVICE = {
  Echo: unaryUnaryServiceDescription((text: string) => text, decode, encode),
  Repeat: unaryStreamServiceDescription(
    function* (text: string, context) {
      // Big and small ones in turn, with a change of mind in between.
      yield text;
      yield 'small';
      context.setCompression('identity');
      yield text;
      context.setCompression(text.slice(0, text.indexOf(' ')));
      yield text;
    },
    decode,
    encode,
  ),
  Count: streamUnaryServiceDescription(
    async (texts) => {
      let length = 0;
      for await (const text of texts) length += text.length;
      return String(length);
    },
    decode,
    encode,
  ),
  Chat: streamStreamServiceDescription(
    async function* (texts) {
      for await (const text of texts) yield text;
    },
    decode,
    encode,
  ),
};

const NAMES = zlibCodecs().map((codec) => codec.name);

for (const name of ['identity', ...NAMES]) {
  await t.test(`${name}: every cardinality, both ways`, async (t) => {
    const server = await startServer(t, 'test.Text', SERVICE, {
      compression: name,
      compressionMinOctets: 100,
    });
    const stub = openStub(t, 'test.Text', INVOCATIONS, server, {
      compression: name,
      compressionMinOctets: 100,
    });
    const medium = `${name} ${'medium '.repeat(700)}`;
    const long = `${name} ${'long '.repeat(200_000)}`;
    for (const text of ['', 'short', medium, long]) t.ok((await stub.Echo(text, 20)) === text);
    const repeated: string[] = [];
    for await (const text of stub.Repeat(long, 20)) repeated.push(text);
    t.strictSame(
      repeated.map((text) => (text === long ? 'long' : text)),
      ['long', 'small', 'long', 'long'],
    );
    t.equal(await stub.Count([long, '', medium, 'x'], 20), String(long.length + medium.length + 1));
    const chatted: string[] = [];
    for await (const text of stub.Chat([long, 'a', medium, 'b'], 20)) chatted.push(text);
    t.ok(chatted.join('|') === [long, 'a', medium, 'b'].join('|'), 'in order');
  });
}

await t.test('a call may choose its own encoding, and single requests none', async (t) => {
  const server = await startServer(t, 'test.Text', SERVICE);
  const stub = openStub(t, 'test.Text', INVOCATIONS, server);
  const text = 'text '.repeat(1000);
  const asked: string[] = [];
  const options = {
    timeout: 20,
    compression: 'deflate',
    compressRequest: (request: string) => {
      asked.push(request.slice(0, 4));
      return request !== 'skip';
    },
  };
  t.equal(await stub.Echo(text, options), text);
  t.equal(await stub.Count([text, 'skip'], options), String(text.length + 4));
  t.strictSame(asked, ['text', 'text', 'skip']);
  t.throws(() => stub.Echo('x', { timeout: 1, compression: 7 as unknown as string }), TypeError);
  await t.rejects(stub.Echo('x', { timeout: 1, compression: 'snappy' }), { code: Status.INTERNAL });
});

/** Octets that cross the wire each way. */
async function traffic(compression: string | undefined): Promise<[sent: number, received: number]> {
  const counts: [number, number] = [0, 0];
  const options = compression === undefined ? {} : { compression };
  const server = new GrpcServer(options);
  server.addMethods(new EchoService().methods);
  const channel = new Channel('localhost:1', {
    ...options,
    connector: new MemoryConnector(server),
    observer: {
      onOctetsSent: (chunk) => {
        counts[0] += chunk.length;
      },
      onOctetsReceived: (chunk) => {
        counts[1] += chunk.length;
      },
    },
  });
  const message = encode('words '.repeat(10_000));
  const { messages } = await startUnary(channel, ECHO, message, callOptions()).outcome;
  t.ok(Buffer.from(messages[0]!).equals(message));
  const { messages: more } = await startStream(channel, ECHO_STREAM, [message, message]).outcome;
  t.equal(more.length, 2);
  await channel.close();
  await server.shutdown(0);
  return counts;
}

await t.test('what is compressed takes less of the wire, in both directions', async (t) => {
  const plain = await traffic(undefined);
  for (const count of plain) t.ok(count > 180_000, `${count} octets as they are`);
  for (const name of NAMES) {
    for (const count of await traffic(name)) t.ok(count < 5000, `${count} octets in ${name}`);
  }
});

await t.test('S82 bombs of 16 MiB: each call alone, the connection goes on', async (t) => {
  const server = await startServer(t, 'test.Text', SERVICE);
  const bomb = new Uint8Array(16 << 20);
  const stub = openStub(
    t,
    'test.Text',
    { ...INVOCATIONS, Echo: unaryUnaryInvocationDescription<string, string>(() => bomb, decode) },
    server,
  );
  const failures: unknown[] = [];
  const calls = Array.from({ length: 8 }, () =>
    stub
      .Echo('', { timeout: 30, compression: 'gzip' })
      .catch((error: unknown) => failures.push(error)),
  );
  t.equal(await stub.Count(['still', 'there'], 30), '10');
  await Promise.all(calls);
  t.equal(failures.length, 8);
  for (const error of failures) {
    t.ok(error instanceof RpcError && error.code === Status.RESOURCE_EXHAUSTED, String(error));
    t.match(String(error), 'Received message larger than max (');
  }
  t.equal(await stub.Count(['again'], 30), '5');
});
