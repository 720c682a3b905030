/**
 * L1 and L2: real frames and message prefixes, streams looked up by id, one write per read, and nothing else: header blocks are
 * constants, there is no flow control and no error path. L1 passes message octets through; L2 (`withCodec`) also decodes and encodes
 * them. What lies between these and purewire is what a complete runtime costs.
 */

import type { Socket } from 'node:net';
import type { TlsMaterial } from '../protocol.ts';
import type {
  ArmModule,
  BenchClient,
  BenchServer,
  ClientSettings,
  ServerSettings,
} from '../worker/bench-arm.ts';
import { codecs, type Message, patternedBody } from '../worker/messages.ts';
import { type DownloadSlot, type EchoSlot, runSlots, type UploadSlot } from '../worker/slots.ts';
import { END_STREAM, type FramedStream, FrameSocket, FrameType } from './frame-socket.ts';
import { connect, listen } from './sockets.ts';

// The last octet of the constant request block tells the server the method.
const Method = { NOTHING: 1, ECHO: 2, DOWNLOAD: 3, UPLOAD: 4, PING_PONG: 5 } as const;
type Method = (typeof Method)[keyof typeof Method];

const requestBlock = Uint8Array.of(0x83, 0x86, 0xbe, 0xbf, 0xc0, 0);
const responseBlock = Uint8Array.of(0x88, 0xbe);
const trailersBlock = Uint8Array.of(0xbf);
const flushOctets = 65_536;

/** L1: message octets pass through. */
export function startServer(settings: ServerSettings): Promise<BenchServer> {
  return serve(settings, false);
}

/** L1: sends the same octets each time and compares what comes back with them. */
export function startClient(settings: ClientSettings): Promise<BenchClient> {
  return open(settings, false);
}

/** L2: the same with protobufjs on both sides. */
export const withCodec: ArmModule = {
  startServer: (settings) => serve(settings, true),
  startClient: (settings) => open(settings, true),
};

async function serve({ tls }: ServerSettings, codec: boolean): Promise<BenchServer> {
  const port = await listen(tls, (socket) => {
    const frames = new FrameSocket(socket, (streamId, block) =>
      serverStream(frames, socket, streamId, block[block.length - 1] as Method, codec),
    );
    return frames.onOctets;
  });
  return { port, versions: {} };
}

function serverStream(
  frames: FrameSocket,
  socket: Socket,
  id: number,
  method: Method,
  codec: boolean,
): FramedStream {
  const endOk = (): void => {
    frames.writeFrame(FrameType.HEADERS, END_STREAM, id, trailersBlock);
    frames.streams.delete(id);
  };
  if (method !== Method.NOTHING && method !== Method.ECHO) {
    frames.writeFrame(FrameType.HEADERS, 0, id, responseBlock);
  }
  switch (method) {
    case Method.PING_PONG:
      return {
        onMessage: (octets) => frames.writeMessage(id, again(octets, codec), 0),
        onEnd: endOk,
      };
    case Method.DOWNLOAD:
      return {
        onMessage: (octets) => {
          const asked = codecs.downloadRequest.decode(octets);
          void sendDownload(frames, socket, id, asked.messages, asked.bodyOctets, codec, endOk);
        },
        onEnd: () => {},
      };
    case Method.UPLOAD: {
      let messages = 0;
      let total = 0;
      return {
        onMessage: (octets) => {
          messages += 1;
          total += codec ? (codecs.message.decode(octets).body?.length ?? 0) : octets.length;
        },
        onEnd: () => {
          frames.writeMessage(id, codecs.uploadSummary.encode({ messages, octets: total }), 0);
          endOk();
        },
      };
    }
    default:
      return {
        onMessage: (octets) => {
          frames.writeFrame(FrameType.HEADERS, 0, id, responseBlock);
          frames.writeMessage(id, again(octets, codec), 0);
          endOk();
        },
        onEnd: () => {},
      };
  }
}

function again(octets: Uint8Array, codec: boolean): Uint8Array {
  return codec ? codecs.message.encode(codecs.message.decode(octets)) : octets;
}

async function sendDownload(
  frames: FrameSocket,
  socket: Socket,
  id: number,
  messages: number,
  bodyOctets: number,
  codec: boolean,
  endOk: () => void,
): Promise<void> {
  const body = patternedBody(bodyOctets);
  const constant = codecs.message.encode({ sequence: 1, body });
  for (let sequence = 0; sequence < messages; sequence++) {
    frames.writeMessage(id, codec ? codecs.message.encode({ sequence, body }) : constant, 0);
    if (frames.pendingOctets >= flushOctets && !frames.flush()) await drained(socket);
  }
  endOk();
}

async function open(settings: ClientSettings, codec: boolean): Promise<BenchClient> {
  const { load } = settings;
  const connections: FramedClient[] = [];
  if (load.kind !== 'connect') {
    for (let i = 0; i < load.connections; i++) {
      connections.push(
        await FramedClient.open(settings.port, settings.tls, load.bodyOctets, codec),
      );
    }
  }
  return {
    versions: {},
    run: (meter) =>
      runSlots(meter, load, {
        unary: (slot, connection) => connections[connection]!.unary(slot),
        download: (slot, connection) => connections[connection]!.download(slot),
        upload: (slot, connection) => connections[connection]!.upload(slot),
        pingPong: (slot, connection) => connections[connection]!.pingPong(slot),
        connect: async (slot) => {
          while (!(await oneConnection(settings, slot, codec)));
        },
      }),
    hold: async () => {
      throw new Error('the framed echo has no idle rows');
    },
  };
}

async function oneConnection(
  settings: ClientSettings,
  slot: EchoSlot,
  codec: boolean,
): Promise<boolean> {
  const { port, tls, load } = settings;
  const client = await FramedClient.open(port, tls, load.bodyOctets, codec);
  const over = await client.oneCall(slot);
  client.socket.destroy();
  return over;
}

class FramedClient {
  readonly frames: FrameSocket;
  readonly socket: Socket;
  readonly #body: Buffer;
  readonly #constant: Buffer;
  readonly #codec: boolean;
  readonly #unary: Method;
  #nextId: number;

  private constructor(frames: FrameSocket, socket: Socket, bodyOctets: number, codec: boolean) {
    this.frames = frames;
    this.socket = socket;
    this.#body = patternedBody(bodyOctets);
    this.#constant =
      bodyOctets === 0 ? Buffer.alloc(0) : codecs.message.encode({ sequence: 1, body: this.#body });
    this.#codec = codec;
    this.#unary = bodyOctets === 0 ? Method.NOTHING : Method.ECHO;
    this.#nextId = 1;
  }

  static async open(
    port: number,
    tls: TlsMaterial | null,
    bodyOctets: number,
    codec: boolean,
  ): Promise<FramedClient> {
    let frames: FrameSocket | null = null;
    const socket = await connect(port, tls, (chunk, length) => frames?.onOctets(chunk, length));
    frames = new FrameSocket(socket, null);
    return new FramedClient(frames, socket, bodyOctets, codec);
  }

  unary(slot: EchoSlot): Promise<void> {
    return new Promise((resolve, reject) => {
      let request: Message | null = null;
      let response: Message | null = null;
      const stream: FramedStream = {
        onMessage: (octets) => {
          response = this.#decode(octets, request!);
        },
        onEnd: () => {
          try {
            slot.end(response!);
          } catch (wrong) {
            reject(wrong as Error);
            return;
          }
          next();
        },
      };
      const next = (): void => {
        request = slot.begin();
        response = null;
        if (request === null) {
          resolve();
          return;
        }
        const id = this.#begin(this.#unary, stream);
        this.frames.writeMessage(id, this.#encode(request), END_STREAM);
      };
      next();
    });
  }

  /** True when the slice was over before the call. */
  oneCall(slot: EchoSlot): Promise<boolean> {
    const request = slot.begin();
    if (request === null) return Promise.resolve(true);
    return new Promise((resolve) => {
      const id = this.#begin(this.#unary, {
        onMessage: (octets) => slot.end(this.#decode(octets, request)),
        onEnd: () => resolve(false),
      });
      this.frames.writeMessage(id, this.#encode(request), END_STREAM);
    });
  }

  download(slot: DownloadSlot): Promise<void> {
    return new Promise((resolve, reject) => {
      let sequence = 0;
      const next = (): void => {
        const asked = slot.begin();
        if (asked === null) {
          resolve();
          return;
        }
        sequence = 0;
        const id = this.#begin(Method.DOWNLOAD, {
          onMessage: (octets) => {
            slot.message(this.#decode(octets, { sequence, body: this.#body }));
            sequence += 1;
          },
          onEnd: () => {
            try {
              slot.end();
            } catch (wrong) {
              reject(wrong as Error);
              return;
            }
            next();
          },
        });
        this.frames.writeMessage(id, codecs.downloadRequest.encode(asked), END_STREAM);
      };
      next();
    });
  }

  async upload(slot: UploadSlot): Promise<void> {
    while (slot.begin()) {
      let onSummary: (octets: Uint8Array) => void = () => {};
      const summary = new Promise<Uint8Array>((resolve) => {
        onSummary = (octets) => resolve(octets.slice());
      });
      const id = this.#begin(Method.UPLOAD, { onMessage: onSummary, onEnd: () => {} });
      for (let message = slot.next(); message !== null; message = slot.next()) {
        this.frames.writeMessage(id, this.#encode(message), 0);
        if (this.frames.pendingOctets >= flushOctets && !this.frames.flush()) {
          await drained(this.socket);
        }
      }
      this.frames.writeFrame(FrameType.DATA, END_STREAM, id, new Uint8Array(0));
      const { messages, octets } = codecs.uploadSummary.decode(await summary);
      // Without a codec the server counts message octets, not body octets.
      const counted = this.#codec ? octets : (octets / this.#constant.length) * this.#body.length;
      slot.end({ messages, octets: counted });
    }
  }

  pingPong(slot: EchoSlot): Promise<void> {
    return new Promise((resolve, reject) => {
      let request = slot.begin();
      const id = this.#begin(Method.PING_PONG, {
        onMessage: (octets) => {
          try {
            slot.end(this.#decode(octets, request!));
          } catch (wrong) {
            reject(wrong as Error);
            return;
          }
          request = slot.begin();
          send();
        },
        onEnd: resolve,
      });
      const send = (): void => {
        if (request !== null) this.frames.writeMessage(id, this.#encode(request), 0);
        else this.frames.writeFrame(FrameType.DATA, END_STREAM, id, new Uint8Array(0));
      };
      send();
    });
  }

  #begin(method: Method, stream: FramedStream): number {
    const id = this.#nextId;
    this.#nextId += 2;
    this.frames.streams.set(id, stream);
    requestBlock[requestBlock.length - 1] = method;
    this.frames.writeFrame(FrameType.HEADERS, 0, id, requestBlock);
    return id;
  }

  #encode(message: Message): Buffer {
    return this.#codec && message.body !== undefined
      ? codecs.message.encode(message)
      : this.#constant;
  }

  /** Without a codec the response stands for the request it must equal. */
  #decode(octets: Uint8Array, request: Message): Message {
    if (this.#codec) return codecs.message.decode(octets);
    if (this.#constant.compare(octets) !== 0) {
      throw new Error(`wrong response of ${octets.length} octets`);
    }
    return request;
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('drain', resolve));
}
