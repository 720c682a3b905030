/**
 * L0: the same octet counts as the gRPC calls, with no protocol at all. It answers a count of octets with a count of octets, one write
 * per read: what kernel, libuv and one callback cost.
 */

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Load } from '../protocol.ts';
import type {
  BenchClient,
  BenchServer,
  ClientSettings,
  ServerSettings,
} from '../worker/bench-arm.ts';
import { codecs, patternedBody } from '../worker/messages.ts';
import type { Meter } from '../worker/meter.ts';
import { connect, listen } from './sockets.ts';

// Octets of a minimal call with warm header tables (gRPC PROTOCOL-HTTP2 over RFC 9113 §4.1 frames).
const frameHeader = 9;
const requestHeaders: number = frameHeader + 6;
const responseHeaders: number = frameHeader + 2;
const trailers: number = frameHeader + 1;
const messagePrefix = 5;
const maxFrame = 16_384;

/** How the server turns octets read into octets written; sent by the client as the first 16 octets. */
const Mode = { ECHO: 0, DOWNLOAD: 1, UPLOAD: 2 } as const;
type Mode = (typeof Mode)[keyof typeof Mode];

interface Shape {
  readonly mode: Mode;
  /** What the client sends per call, or per message of a ping-pong; for an upload, per message. */
  readonly requestOctets: number;
  /** What the server answers with; for a download, per message. */
  readonly responseOctets: number;
  readonly messages: number;
}

/** Of all connections of this process. */
const tlsSessions: Buffer[] = [];

const filler = Buffer.alloc(262_144, 0x5a);

/** A server that knows only octet counts. */
export async function startServer({ tls }: ServerSettings): Promise<BenchServer> {
  const port = await listen(tls, (socket) => new RawServerConnection(socket).onOctets);
  return { port, versions: {} };
}

/** A client that knows only octet counts. */
export async function startClient(settings: ClientSettings): Promise<BenchClient> {
  const shape = shapeOf(settings.load);
  const connections: RawClientConnection[] = [];
  const connecting = settings.load.kind === 'connect';
  for (let i = 0; i < settings.load.connections && !connecting; i++) {
    connections.push(await RawClientConnection.open(settings, shape));
  }
  return {
    versions: {},
    run: async (meter) => {
      if (connecting) {
        await Promise.all(
          Array.from({ length: meter.inFlight }, () => connectRepeatedly(meter, settings, shape)),
        );
        return;
      }
      const perConnection = splitEvenly(meter.inFlight, connections.length);
      await Promise.all(connections.map((each, i) => each.run(meter, perConnection[i]!)));
    },
    hold: async (_what, count) => {
      for (let i = 0; i < count; i++) await RawClientConnection.open(settings, shape);
    },
  };
}

/** Connect, one small exchange, close. */
async function connectRepeatedly(
  meter: Meter,
  settings: ClientSettings,
  shape: Shape,
): Promise<void> {
  while (!meter.stopped) {
    const startedAt = performance.now();
    const connection = await RawClientConnection.open(settings, shape);
    connection.close();
    meter.record(startedAt);
    meter.complete(1);
  }
}

class RawServerConnection {
  readonly onOctets: (chunk: Uint8Array, length: number) => void;
  readonly #socket: Socket;
  #mode: Mode;
  #requestOctets: number;
  #responseOctets: number;
  #messages: number;
  #pending: number;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#mode = Mode.ECHO;
    this.#requestOctets = 0;
    this.#responseOctets = 0;
    this.#messages = 0;
    this.#pending = 0;
    this.onOctets = (chunk, length) => this.#receive(chunk, length);
  }

  #receive(chunk: Uint8Array, length: number): void {
    let arrived = length;
    if (this.#requestOctets === 0) {
      // The client waits for the reply to its shape, so these 16 octets come alone.
      const view = new DataView(chunk.buffer, chunk.byteOffset, length);
      this.#mode = view.getUint32(0) as Mode;
      this.#requestOctets = view.getUint32(4);
      this.#responseOctets = view.getUint32(8);
      this.#messages = view.getUint32(12);
      arrived = 0;
      this.#socket.write(filler.subarray(0, 1));
      return;
    }
    this.#pending += arrived;
    if (this.#mode === Mode.ECHO) {
      const calls = Math.floor(this.#pending / this.#requestOctets);
      this.#pending -= calls * this.#requestOctets;
      if (calls > 0) writeFiller(this.#socket, calls * this.#responseOctets);
    } else if (this.#mode === Mode.DOWNLOAD) {
      if (this.#pending < this.#requestOctets) return;
      this.#pending -= this.#requestOctets;
      void streamFiller(this.#socket, this.#messages * this.#responseOctets);
    } else {
      const wanted = this.#messages * this.#requestOctets;
      if (this.#pending < wanted) return;
      this.#pending -= wanted;
      writeFiller(this.#socket, this.#responseOctets);
    }
  }
}

class RawClientConnection {
  readonly #shape: Shape;
  readonly #startTimes: number[];
  readonly #latency: boolean;
  #socket: Socket;
  #meter: Meter | null;
  #pending: number;
  #inFlight: number;
  #done: () => void;

  private constructor(shape: Shape, latency: boolean) {
    this.#shape = shape;
    this.#startTimes = [];
    this.#latency = latency;
    this.#socket = null as unknown as Socket;
    this.#meter = null;
    this.#pending = 0;
    this.#inFlight = 0;
    this.#done = () => {};
  }

  static async open(settings: ClientSettings, shape: Shape): Promise<RawClientConnection> {
    const connection = new RawClientConnection(shape, settings.load.latency);
    connection.#socket = await connect(
      settings.port,
      settings.tls,
      (_chunk, length) => connection.#receive(length),
      settings.load.resumeTls ? tlsSessions : null,
    );
    connection.#socket.on('error', (error) => {
      throw error;
    });
    const header = new DataView(new ArrayBuffer(16));
    header.setUint32(0, shape.mode);
    header.setUint32(4, shape.requestOctets);
    header.setUint32(8, shape.responseOctets);
    header.setUint32(12, shape.messages);
    const accepted = new Promise<void>((resolve) => {
      connection.#done = resolve;
    });
    connection.#socket.write(new Uint8Array(header.buffer));
    await accepted;
    return connection;
  }

  close(): void {
    this.#socket.end();
  }

  async run(meter: Meter, inFlight: number): Promise<void> {
    if (inFlight === 0) return;
    this.#meter = meter;
    this.#pending = 0;
    const { mode, requestOctets, messages } = this.#shape;
    if (mode === Mode.UPLOAD) {
      while (!meter.stopped) {
        const answered = this.#answer(1);
        await streamFiller(this.#socket, messages * requestOctets, (octets) => {
          this.#pending += octets;
          const count = Math.floor(this.#pending / requestOctets);
          this.#pending -= count * requestOctets;
          meter.complete(count);
        });
        this.#pending = 0;
        await answered;
      }
      return;
    }
    const drained = this.#answer(inFlight);
    this.#send(inFlight);
    await drained;
  }

  #answer(inFlight: number): Promise<void> {
    this.#inFlight = inFlight;
    return new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  #send(calls: number): void {
    if (this.#latency) {
      const now = performance.now();
      for (let i = 0; i < calls; i++) this.#startTimes.push(now);
    }
    writeFiller(this.#socket, calls * this.#shape.requestOctets);
  }

  #receive(length: number): void {
    const meter = this.#meter;
    if (meter === null) {
      this.#done();
      return;
    }
    this.#pending += length;
    const { mode, responseOctets, messages } = this.#shape;
    if (mode === Mode.UPLOAD) {
      this.#done();
      return;
    }
    const completed = Math.floor(this.#pending / responseOctets);
    if (completed === 0) return;
    this.#pending -= completed * responseOctets;
    if (this.#latency) for (const at of this.#startTimes.splice(0, completed)) meter.record(at);
    meter.complete(completed);
    if (mode === Mode.DOWNLOAD) {
      this.#downloaded(meter, completed, messages);
      return;
    }
    if (meter.stopped) {
      this.#inFlight -= completed;
      if (this.#inFlight === 0) this.#done();
    } else {
      this.#send(completed);
    }
  }

  #downloaded(meter: Meter, completed: number, messages: number): void {
    this.#inFlight += completed;
    if (this.#inFlight <= messages) return;
    // #inFlight counts from 1: the stream is complete.
    this.#inFlight = 1;
    if (meter.stopped) this.#done();
    else this.#send(1);
  }
}

function shapeOf(load: Load): Shape {
  const message =
    load.bodyOctets === 0
      ? 0
      : codecs.message.encode({ sequence: 1, body: patternedBody(load.bodyOctets) }).length;
  const data = dataOctets(message);
  switch (load.kind) {
    case 'ping-pong':
      return { mode: Mode.ECHO, requestOctets: data, responseOctets: data, messages: 0 };
    case 'server-stream':
      return {
        mode: Mode.DOWNLOAD,
        requestOctets: requestHeaders + dataOctets(5),
        responseOctets: data,
        messages: load.messagesPerStream,
      };
    case 'client-stream':
      return {
        mode: Mode.UPLOAD,
        requestOctets: data,
        responseOctets: responseHeaders + dataOctets(8) + trailers,
        messages: load.messagesPerStream,
      };
    default:
      return {
        mode: Mode.ECHO,
        requestOctets: requestHeaders + data,
        responseOctets: responseHeaders + data + trailers,
        messages: 0,
      };
  }
}

/** Octets of the DATA frames of one message: 14 + m while it fits one frame. */
function dataOctets(message: number): number {
  const octets = messagePrefix + message;
  return octets + frameHeader * Math.ceil(octets / maxFrame);
}

function writeFiller(socket: Socket, octets: number): void {
  for (let left = octets; left > 0; left -= filler.length) {
    socket.write(left >= filler.length ? filler : filler.subarray(0, left));
  }
}

async function streamFiller(
  socket: Socket,
  octets: number,
  onWritten: ((octets: number) => void) | null = null,
): Promise<void> {
  const chunkOctets = 65_536;
  for (let left = octets; left > 0; left -= chunkOctets) {
    const length = Math.min(left, chunkOctets);
    const room = socket.write(filler.subarray(0, length));
    onWritten?.(length);
    if (!room) await once(socket, 'drain');
  }
}

/** Splits `total` over `parts` as evenly as whole numbers allow. */
function splitEvenly(total: number, parts: number): number[] {
  return Array.from(
    { length: parts },
    (_, i) => Math.floor(total / parts) + (i < total % parts ? 1 : 0),
  );
}
