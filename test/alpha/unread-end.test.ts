/** The end of a stream of responses that came before its reader asked for it: reads that follow must not write over it. */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { stub, unaryStreamInvocationDescription } from '../../lib/index.ts';
import { CLIENT_LIMITS } from '../../transport/limits.ts';
import * as frames from '../support/frame-factory.ts';
import { block, RESPONSE } from '../support/scripted-peer.ts';
import { t } from '../support/tap.ts';

const same = (octets: Uint8Array): Uint8Array => octets;
const UNKNOWN_TYPE = 0xbb;
/** The first is taken at once, as many as are asked for ahead lie in the queue of the iterator, and one in that of the call. */
const MESSAGES = CLIENT_LIMITS.maxUndeliveredMessages + 2;

/** Fulfilled when the client has answered the PING with `payload`: it has read everything before. */
async function answered(socket: Socket, payload: string): Promise<void> {
  let heard = '';
  while (!heard.includes(payload)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    heard += chunk.toString('latin1');
  }
}

await t.test('an empty message that came with the trailers is read later', async (t) => {
  const peer = createServer();
  peer.listen(0, '127.0.0.1');
  await once(peer, 'listening');
  t.teardown(() => peer.close());
  const accepted = once(peer, 'connection') as Promise<[Socket]>;
  const { port } = peer.address() as AddressInfo;
  const methods = { Watch: unaryStreamInvocationDescription(same, same) };
  const remote = stub('test.UnreadEnd', methods, '127.0.0.1', port).open();
  const responses = remote.Watch(new Uint8Array(0), 60);
  const [socket] = await accepted;
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  socket.resume();
  socket.write(
    frames.octets(
      frames.settings(),
      frames.headers(1, block(...RESPONSE), frames.END_HEADERS),
      ...Array.from({ length: MESSAGES }, (_, octet) => frames.data(1, [0, 0, 0, 0, 1, octet])),
    ),
  );
  t.equal((await responses.next()).value?.[0], 0);
  const overwriting = frames.frame(UNKNOWN_TYPE, 0, 0, new Uint8Array(16_000).fill(0xee));
  const end = frames.END_HEADERS | frames.END_STREAM;
  socket.write(
    frames.octets(
      frames.data(1, [0, 0, 0, 0, 0]),
      frames.headers(1, block(['grpc-status', '0']), end),
      frames.ping('came-too'),
    ),
  );
  await answered(socket, 'came-too');
  socket.write(frames.octets(overwriting, frames.ping('overread')));
  await answered(socket, 'overread');
  const lengths: number[] = [];
  for await (const response of responses) lengths.push(response.length);
  t.strictSame(lengths, [...Array<number>(MESSAGES - 1).fill(1), 0]);
  await remote.close();
});
