/** A gRPC server written by hand on node:http2, as a peer. */

import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import {
  CANCEL,
  fieldsOf,
  framed,
  MessageSplitter,
  NO_ERROR,
  pairsOf,
  percentEncoded,
  timeoutOf,
} from './http2-wire.ts';
import { joined } from './octets.ts';
import {
  CallLog,
  type Directives,
  directivesOf,
  METHODS,
  type Pairs,
  type PeerServer,
  repeated,
  type ServerAddress,
} from './peer.ts';

const WINDOW_OCTETS = 1024 * 1024;

/** Handles a stream in place of the service. */
export type StreamHandler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/** Starts a server at `address`: of the service, or of `handler` if given. */
export async function startHttp2Server(
  address: ServerAddress,
  handler?: StreamHandler,
): Promise<PeerServer> {
  const log = new CallLog();
  const server = createFor(address);
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.on('sessionError', () => {});
  server.on('stream', (stream: ServerHttp2Stream, headers, _flags, rawFields) => {
    // A stream that its peer resets gives an error event.
    stream.on('error', () => {});
    if (handler === undefined) {
      new HandMadeCall(stream, headers, pairsOf(rawFields as unknown as string[]), log).serve();
    } else handler(stream, headers);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    if (address.path === undefined) server.listen(address.port ?? 0, '127.0.0.1', resolve);
    else server.listen(address.path, resolve);
  });
  return {
    port: address.path === undefined ? (server.address() as AddressInfo).port : 0,
    log,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.close();
      }),
    kill: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function createFor({ tls, maxConcurrentStreams = 100 }: ServerAddress): Http2Server {
  const settings = { initialWindowSize: WINDOW_OCTETS, maxConcurrentStreams };
  if (tls === undefined) return createServer({ settings });
  return createSecureServer({
    settings,
    key: tls.privateKey,
    cert: tls.certificateChain,
    ...(tls.clientRoot === undefined
      ? {}
      : { ca: tls.clientRoot, requestCert: true, rejectUnauthorized: true }),
  });
}

/** One call of the service. */
class HandMadeCall {
  readonly #stream: ServerHttp2Stream;
  readonly #name: string;
  readonly #directives: Directives;
  readonly #splitter = new MessageSplitter();
  readonly #requests: Buffer[] = [];
  #ended = false;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    metadata: Pairs,
    log: CallLog,
  ) {
    const path = String(headers[':path']);
    this.#stream = stream;
    this.#name = METHODS.find((method) => method.path === path)?.name ?? '';
    this.#directives = directivesOf(metadata);
    const record = log.onStart(this.#name, metadata, timeoutOf(headers));
    stream.on('close', () => {
      if (!this.#ended || stream.rstCode === CANCEL) record.onCancelled();
      else record.onEnd();
    });
  }

  serve(): void {
    const stream = this.#stream;
    if (this.#name === '') {
      this.#respondWithout(12, 'no such method', []);
      return;
    }
    const { initial } = this.#directives;
    if (initial.length > 0) this.#respond();
    stream.on('data', (chunk: Buffer) => {
      for (const message of this.#splitter.push(chunk)) this.#onMessage(message);
    });
    stream.on('end', () => this.#onEnd());
  }

  #onMessage(message: Buffer): void {
    if (this.#ended) return;
    if (this.#name === 'Chat') this.#write(message);
    else this.#requests.push(message);
    if (this.#directives.early) this.#answer();
  }

  #onEnd(): void {
    // A stream that was reset ends too.
    if (this.#stream.destroyed || this.#stream.aborted) return;
    if (!this.#ended && this.#name !== 'Hold') this.#answer();
  }

  #answer(): void {
    const [first] = this.#requests;
    const { code, details, trailing } = this.#directives;
    if (this.#name === 'Repeat') {
      this.#repeat(first!);
      return;
    }
    if (this.#name !== 'Chat' && code === 0) this.#write(Buffer.from(joined(this.#requests)));
    if (this.#stream.headersSent) this.#close();
    else this.#respondWithout(code, details, trailing);
  }

  #repeat(request: Buffer): void {
    const messages = repeated(request);
    const write = (): void => {
      // On Bun a stream outlives its session, and every write to it succeeds.
      const isOver = (): boolean =>
        this.#stream.destroyed || this.#stream.session?.destroyed !== false;
      for (let next = messages.next(); !isOver(); next = messages.next()) {
        if (next.done === true) {
          if (!this.#stream.headersSent) this.#respond();
          this.#close();
          return;
        }
        if (!this.#write(next.value)) {
          this.#stream.once('drain', write);
          return;
        }
      }
    };
    write();
  }

  #respond(): void {
    this.#stream.respond(
      {
        ':status': 200,
        'content-type': 'application/grpc',
        ...fieldsOf(this.#directives.initial),
      },
      { waitForTrailers: true },
    );
    this.#stream.on('wantTrailers', () => {
      const { code, details, trailing } = this.#directives;
      this.#stream.sendTrailers({
        'grpc-status': String(code),
        ...(details === '' ? {} : { 'grpc-message': percentEncoded(details) }),
        ...fieldsOf(trailing),
      });
      // The client may still be sending: RFC 9113 §8.1.
      if (this.#directives.early) setImmediate(() => this.#stream.close(NO_ERROR));
    });
  }

  /** A Trailers-Only response. */
  #respondWithout(code: number, details: string, trailing: Pairs): void {
    this.#ended = true;
    this.#stream.respond(
      {
        ':status': 200,
        'content-type': 'application/grpc',
        'grpc-status': String(code),
        ...(details === '' ? {} : { 'grpc-message': percentEncoded(details) }),
        ...fieldsOf(trailing),
      },
      { endStream: true },
    );
    // Node may send a RST_STREAM of the same turn before the HEADERS.
    if (this.#directives.early) setImmediate(() => this.#stream.close(NO_ERROR));
  }

  #write(message: Uint8Array): boolean {
    if (!this.#stream.headersSent) this.#respond();
    return this.#stream.write(framed(message));
  }

  #close(): void {
    this.#ended = true;
    this.#stream.end();
  }
}
