/** The loops of a client whose library speaks promises and async iterables; each arm of that style gives its own calls. */

import type { DownloadRequest, Message, UploadSummary } from './messages.ts';
import { RequestFeed } from './request-feed.ts';
import type { DownloadSlot, EchoSlot, SlotRunners, UploadSlot } from './slots.ts';

/** The calls of one connection. */
export interface IterableCalls {
  /** Nothing or Echo, as the load says. */
  unary(request: Message): Promise<Message>;
  download(request: DownloadRequest): AsyncIterable<Message>;
  upload(requests: AsyncIterable<Message>): Promise<UploadSummary>;
  pingPong(requests: AsyncIterable<Message>): AsyncIterable<Message>;
  close(): Promise<void> | void;
}

/** Runners over `connections`; `open` makes a further connection, which need not be established yet. */
export function iterableRunners(
  connections: readonly IterableCalls[],
  open: () => Promise<IterableCalls>,
): SlotRunners {
  return {
    unary: (slot, connection) => unary(slot, connections[connection]!),
    download: (slot, connection) => download(slot, connections[connection]!),
    upload: (slot, connection) => upload(slot, connections[connection]!),
    pingPong: (slot, connection) => pingPong(slot, connections[connection]!),
    connect: async (slot) => {
      for (let request = slot.begin(); request !== null; request = slot.begin()) {
        const calls = await open();
        const response = await calls.unary(request);
        await calls.close();
        slot.end(response);
      }
    },
  };
}

/** A ping-pong stream on which one message has gone both ways, so that both sides know of it. Resolves to what keeps it open. */
export async function idleStream(calls: IterableCalls): Promise<unknown> {
  const feed = new RequestFeed<Message>();
  const responses = calls.pingPong(feed)[Symbol.asyncIterator]();
  feed.push({ sequence: 1, body: Buffer.alloc(1) });
  await responses.next();
  return [feed, responses];
}

async function unary(slot: EchoSlot, calls: IterableCalls): Promise<void> {
  for (let request = slot.begin(); request !== null; request = slot.begin()) {
    slot.end(await calls.unary(request));
  }
}

async function download(slot: DownloadSlot, calls: IterableCalls): Promise<void> {
  for (let request = slot.begin(); request !== null; request = slot.begin()) {
    for await (const message of calls.download(request)) slot.message(message);
    slot.end();
  }
}

async function upload(slot: UploadSlot, calls: IterableCalls): Promise<void> {
  while (slot.begin()) slot.end(await calls.upload(requestsOf(slot)));
}

// An async generator, although nothing here waits: some libraries take no other kind of iterable.
async function* requestsOf(slot: UploadSlot): AsyncGenerator<Message> {
  for (let message = slot.next(); message !== null; message = slot.next()) yield message;
}

async function pingPong(slot: EchoSlot, calls: IterableCalls): Promise<void> {
  const feed = new RequestFeed<Message>();
  const send = (): void => {
    const request = slot.begin();
    if (request === null) feed.end();
    else feed.push(request);
  };
  const responses = calls.pingPong(feed);
  send();
  for await (const response of responses) {
    slot.end(response);
    send();
  }
}
