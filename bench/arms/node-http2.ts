/**
 * Bare node:http2 in the shape of gRPC: request and response headers, the 5-octet message prefix, trailers; no message codec, no
 * metadata, no deadlines. What every gRPC library on node:http2 has at least to pay.
 */

import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import {
  type BenchClient,
  type BenchServer,
  type ClientSettings,
  type ServerSettings,
  serverName,
  serviceName,
} from '../worker/bench-arm.ts';
import { codecs, patternedBody } from '../worker/messages.ts';
import { type DownloadSlot, type EchoSlot, runSlots, type UploadSlot } from '../worker/slots.ts';
import { resumption } from './sockets.ts';

const responseHeaders = { ':status': 200, 'content-type': 'application/grpc' };
const manyStreams = 2 ** 20;

export async function startServer({ tls }: ServerSettings): Promise<BenchServer> {
  const settings = { maxConcurrentStreams: manyStreams };
  const server =
    tls === null
      ? http2.createServer({ settings })
      : http2.createSecureServer({ settings, cert: tls.certificate, key: tls.privateKey });
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    stream.respond(responseHeaders, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    switch (headers[':path']) {
      case `/${serviceName}/Download`:
        serveDownload(stream);
        break;
      case `/${serviceName}/Upload`:
        serveUpload(stream);
        break;
      case `/${serviceName}/PingPong`:
        stream.on('data', (chunk: Buffer) => stream.write(chunk));
        stream.on('end', () => stream.end());
        break;
      default:
        serveEcho(stream);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, versions: {} };
}

export async function startClient(settings: ClientSettings): Promise<BenchClient> {
  const { load, tls, port } = settings;
  const tlsSessions: Buffer[] | null = load.resumeTls ? [] : null;
  const open = async (): Promise<http2.ClientHttp2Session> => {
    const session =
      tls === null
        ? http2.connect(`http://127.0.0.1:${port}`)
        : http2.connect(`https://127.0.0.1:${port}`, {
            ca: tls.certificate,
            servername: serverName,
            ...resumption(tlsSessions),
          });
    if (tlsSessions !== null) {
      session.socket.on('session', (octets: Buffer) => tlsSessions.push(octets));
    }
    await once(session, 'connect');
    return session;
  };
  const sessions: http2.ClientHttp2Session[] = [];
  if (load.kind !== 'connect') {
    for (let i = 0; i < load.connections; i++) sessions.push(await open());
  }
  const held: unknown[] = [];
  const body = patternedBody(load.bodyOctets);
  const message =
    load.bodyOctets === 0
      ? Buffer.alloc(5)
      : prefixed(codecs.message.encode({ sequence: 1, body }));
  const runner = new Http2Runner(message, body, load.bodyOctets === 0 ? 'Nothing' : 'Echo');
  return {
    versions: {},
    run: (meter) =>
      runSlots(meter, load, {
        unary: (slot, connection) => runner.unary(slot, sessions[connection]!),
        download: (slot, connection) => runner.download(slot, sessions[connection]!),
        upload: (slot, connection) => runner.upload(slot, sessions[connection]!),
        pingPong: (slot, connection) => runner.pingPong(slot, sessions[connection]!),
        connect: async (slot) => {
          for (;;) {
            const session = await open();
            const goesOn = await runner.call(slot, session);
            session.close();
            if (!goesOn) return;
          }
        },
      }),
    hold: async (what, count) => {
      for (let i = 0; i < count; i++) {
        if (what === 'connections') {
          held.push(await open());
        } else {
          const stream = request(sessions[0]!, 'PingPong');
          stream.write(message);
          await once(stream, 'data');
          held.push(stream);
        }
      }
    },
  };
}

class Http2Runner {
  /** The one message all calls send, prefix included. */
  readonly #message: Buffer;
  readonly #body: Buffer;
  readonly #method: string;

  constructor(message: Buffer, body: Buffer, method: string) {
    this.#message = message;
    this.#body = body;
    this.#method = method;
  }

  async unary(slot: EchoSlot, session: http2.ClientHttp2Session): Promise<void> {
    while (await this.call(slot, session));
  }

  /** One call; false when the slice was over before it. */
  call(slot: EchoSlot, session: http2.ClientHttp2Session): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const asked = slot.begin();
      if (asked === null) {
        resolve(false);
        return;
      }
      const stream = request(session, this.#method);
      const chunks: Buffer[] = [];
      let status: unknown = null;
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('trailers', (trailers) => {
        status = trailers['grpc-status'];
      });
      stream.on('error', reject);
      stream.on('end', () => {
        const whole = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
        if (status !== '0' || whole.compare(this.#message) !== 0) {
          reject(new Error(`wrong response: status ${String(status)}, ${whole.length} octets`));
          return;
        }
        slot.end(asked);
        resolve(true);
      });
      stream.end(this.#message);
    });
  }

  async download(slot: DownloadSlot, session: http2.ClientHttp2Session): Promise<void> {
    for (;;) {
      const asked = slot.begin();
      if (asked === null) return;
      const stream = request(session, 'Download');
      stream.end(prefixed(codecs.downloadRequest.encode(asked)));
      let octets = 0;
      let sequence = 0;
      stream.on('data', (chunk: Buffer) => {
        octets += chunk.length;
        for (; octets >= this.#message.length; octets -= this.#message.length) {
          slot.message({ sequence, body: this.#body });
          sequence += 1;
        }
      });
      await endWithStatusOk(stream);
      slot.end();
    }
  }

  async upload(slot: UploadSlot, session: http2.ClientHttp2Session): Promise<void> {
    while (slot.begin()) {
      const stream = request(session, 'Upload');
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      const ended = endWithStatusOk(stream);
      while (slot.next() !== null) {
        if (!stream.write(this.#message)) await once(stream, 'drain');
      }
      stream.end();
      await ended;
      const messages = Buffer.concat(chunks).readUInt32BE(5) / this.#message.length;
      slot.end({ messages, octets: messages * this.#body.length });
    }
  }

  pingPong(slot: EchoSlot, session: http2.ClientHttp2Session): Promise<void> {
    const stream = request(session, 'PingPong');
    let asked = slot.begin();
    if (asked === null) stream.end();
    else stream.write(this.#message);
    return new Promise((resolve, reject) => {
      stream.on('data', (chunk: Buffer) => {
        if (asked === null || chunk.compare(this.#message) !== 0) {
          reject(new Error(`wrong response of ${chunk.length} octets`));
          return;
        }
        slot.end(asked);
        asked = slot.begin();
        if (asked === null) stream.end();
        else stream.write(this.#message);
      });
      endWithStatusOk(stream).then(resolve, reject);
    });
  }
}

function request(session: http2.ClientHttp2Session, method: string): http2.ClientHttp2Stream {
  return session.request({
    ':method': 'POST',
    ':path': `/${serviceName}/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
}

function endWithStatusOk(stream: http2.ClientHttp2Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    let status: unknown = null;
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status'];
    });
    stream.on('error', reject);
    stream.on('end', () => {
      if (status === '0') resolve();
      else reject(new Error(`the stream ended with grpc-status ${String(status)}`));
    });
  });
}

function serveEcho(stream: http2.ServerHttp2Stream): void {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => stream.end(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
}

function serveDownload(stream: http2.ServerHttp2Stream): void {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => {
    const asked = codecs.downloadRequest.decode(Buffer.concat(chunks).subarray(5));
    const body = patternedBody(asked.bodyOctets);
    const message = prefixed(codecs.message.encode({ sequence: 1, body }));
    let sent = 0;
    const fill = (): void => {
      while (sent < asked.messages) {
        sent += 1;
        if (!stream.write(message)) {
          stream.once('drain', fill);
          return;
        }
      }
      stream.end();
    };
    fill();
  });
}

/** Answers with the octets received: there is no codec to count messages with. */
function serveUpload(stream: http2.ServerHttp2Stream): void {
  let octets = 0;
  stream.on('data', (chunk: Buffer) => {
    octets += chunk.length;
  });
  stream.on('end', () => {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(octets);
    stream.end(prefixed(count));
  });
}

function prefixed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
