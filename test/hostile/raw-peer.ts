/**
 * The attacker's end of a connection: octets out as the attack has them, frames in as RFC 9113 §4.1 reads. Shares no code with the
 * runtime; only the response header blocks are decoded, by the plain model of test/support.
 */

import { connect, createServer, type Server, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  createServer as createTlsServer,
  type TlsOptions,
  connect as tlsConnect,
} from 'node:tls';
import { PREFACE, ping, settings, settingsAck, windowUpdate } from '../support/frame-factory.ts';
import { HpackModel } from '../support/hpack-model.ts';

/** A frame as it came. */
export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Uint8Array;
}

/** GOAWAY as it came. */
export interface RawGoAway {
  readonly lastStreamId: number;
  readonly code: number;
  readonly text: string;
}

/** What came back on one stream. */
export interface RawResponse {
  /** Header lists in order: initial headers, trailers; name, value, … */
  readonly lists: string[][];
  octets: number;
  ended: boolean;
}

/** How a raw peer behaves by itself. */
export interface RawPeerOptions {
  /** Sends preface, SETTINGS and the acknowledgement of theirs. True unless given. */
  readonly greet?: boolean;
  /** Reads what comes. True unless given. */
  readonly reads?: boolean;
  /** Returns window credit for all DATA. False unless given. */
  readonly credits?: boolean;
  /** Acknowledges PINGs. False unless given. */
  readonly answersPings?: boolean;
  readonly tls?: ConnectionOptions;
}

const KEPT_FRAMES = 4000;
const DEFAULT_WAIT_MS = 15_000;

/** One raw connection, of either role. */
export class RawPeer {
  readonly socket: Socket;
  /** The latest frames. */
  frames: RawFrame[] = [];
  readonly counts: Map<number, number> = new Map();
  readonly resets: Map<number, number> = new Map();
  readonly responses: Map<number, RawResponse> = new Map();
  readonly goAways: RawGoAway[] = [];
  closed = false;
  /** Hears of every frame. */
  onFrame: ((frame: RawFrame) => void) | null = null;
  readonly #credits: boolean;
  readonly #answersPings: boolean;
  #model: HpackModel | null = new HpackModel();
  #rest: Buffer = Buffer.alloc(0);
  /** Octets of the client's preface still to be skipped. */
  #skip: number;
  #waiters: (() => void)[] = [];

  constructor(socket: Socket, options: RawPeerOptions, isServer: boolean) {
    this.socket = socket;
    this.#credits = options.credits ?? false;
    this.#answersPings = options.answersPings ?? false;
    this.#skip = isServer ? PREFACE.length : 0;
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
    socket.on('end', () => this.#wake());
    if (options.reads ?? true) socket.on('data', (chunk: Buffer) => this.#onOctets(chunk));
    else socket.pause();
  }

  /** Connects to a server under attack. */
  static async connect(port: number, options: RawPeerOptions = {}): Promise<RawPeer> {
    const socket =
      options.tls === undefined
        ? connect({ port, host: '127.0.0.1', noDelay: true })
        : tlsConnect({ port, host: '127.0.0.1', ...options.tls });
    const peer = new RawPeer(socket, options, false);
    await new Promise<void>((resolve) => {
      socket.once(options.tls === undefined ? 'connect' : 'secureConnect', resolve);
      socket.once('close', resolve);
    });
    if (options.greet ?? true) peer.write(PREFACE, settings(), settingsAck());
    return peer;
  }

  /** The GOAWAY that ended the connection, if one came. */
  get goAway(): RawGoAway | undefined {
    return this.goAways.at(-1);
  }

  /** Frames of `type` that have come. */
  count(type: number): number {
    return this.counts.get(type) ?? 0;
  }

  /** Writes at once, whether the socket has room or not. False when it has none or is closed. */
  write(...parts: readonly Uint8Array[]): boolean {
    if (this.closed || this.socket.destroyed || !this.socket.writable) return false;
    return this.socket.write(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
  }

  /**
   * Writes what `make` gives for 0 … count - 1, in large writes, as fast as the socket takes it, until the connection is closed. Returns how
   * many were written.
   */
  async flood(count: number, make: (index: number) => Uint8Array): Promise<number> {
    let index = 0;
    while (index < count && !this.closed && this.socket.writable) {
      const batch: Uint8Array[] = [];
      for (let octets = 0; octets < 32_768 && index < count; index++) {
        const part = make(index);
        batch.push(part);
        octets += part.length;
      }
      if (this.write(...batch)) await new Promise<void>((resolve) => setImmediate(resolve));
      else await this.#roomOrEnd();
    }
    return index;
  }

  /** Resolves when the socket has room again or is closed, or when a second has passed: a victim may stop reading for good. */
  #roomOrEnd(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.socket.off('drain', done);
        this.socket.off('close', done);
        resolve();
      };
      const timer = setTimeout(done, 1000);
      this.socket.on('drain', done);
      this.socket.on('close', done);
    });
  }

  /** Waits until `condition` holds. Throws Error naming `what` when it does not in time. */
  async until(
    condition: () => boolean,
    what: string,
    waitMs: number = DEFAULT_WAIT_MS,
  ): Promise<void> {
    const endMs = Date.now() + waitMs;
    while (!condition()) {
      const leftMs = endMs - Date.now();
      if (leftMs <= 0) throw new Error(`waited ${waitMs} ms for ${what}; ${this.summary()}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(leftMs, 250));
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Waits for the end of the connection and expects GOAWAY with one of `codes` before it, and `text` in its debug data. */
  async expectGoAway(
    codes: number | readonly number[],
    text: string | RegExp | null = null,
    waitMs: number = DEFAULT_WAIT_MS,
  ): Promise<RawGoAway> {
    const wanted = typeof codes === 'number' ? [codes] : codes;
    await this.until(() => this.goAway !== undefined || this.closed, 'GOAWAY', waitMs);
    const { goAway } = this;
    if (goAway === undefined) throw new Error(`closed without GOAWAY; ${this.summary()}`);
    if (!wanted.includes(goAway.code)) {
      throw new Error(`GOAWAY ${goAway.code} "${goAway.text}", wanted ${wanted.join(' or ')}`);
    }
    if (text !== null && !new RegExp(text).test(goAway.text)) {
      throw new Error(`GOAWAY says "${goAway.text}", wanted ${String(text)}`);
    }
    await this.until(() => this.closed, 'the close after GOAWAY', waitMs);
    return goAway;
  }

  /** Waits for the end of the connection, however it comes. */
  async expectClosed(waitMs: number = DEFAULT_WAIT_MS): Promise<void> {
    await this.until(() => this.closed, 'the close', waitMs);
  }

  /** Waits for RST_STREAM on `streamId` and expects one of `codes`. */
  async expectReset(streamId: number, codes: number | readonly number[]): Promise<void> {
    const wanted = typeof codes === 'number' ? [codes] : codes;
    await this.until(() => this.resets.has(streamId) || this.closed, `RST_STREAM of ${streamId}`);
    const code = this.resets.get(streamId);
    if (code === undefined || !wanted.includes(code)) {
      throw new Error(
        `stream ${streamId}: RST_STREAM ${code}, wanted ${wanted.join(' or ')}; ${this.summary()}`,
      );
    }
  }

  /** Waits for the end of the response on `streamId` and expects `grpc-status` to be one of `codes`. */
  async expectStatus(streamId: number, codes: number | readonly number[]): Promise<void> {
    const wanted = (typeof codes === 'number' ? [codes] : codes).map(String);
    await this.until(
      () => this.responses.get(streamId)?.ended === true || this.closed,
      `the response on ${streamId}`,
    );
    const status = this.fieldOf(streamId, 'grpc-status');
    if (status === undefined || !wanted.includes(status)) {
      throw new Error(
        `stream ${streamId}: grpc-status ${status}, wanted ${wanted.join(' or ')}; ${this.summary()}`,
      );
    }
  }

  /** The last value of a response field. */
  fieldOf(streamId: number, name: string): string | undefined {
    let value: string | undefined;
    for (const list of this.responses.get(streamId)?.lists ?? []) {
      for (let i = 0; i < list.length; i += 2) if (list[i] === name) value = list[i + 1];
    }
    return value;
  }

  /** What has come, for messages of failure. */
  summary(): string {
    const counts = [...this.counts].map(([type, count]) => `${count} of type ${type}`).join(', ');
    const ends = this.goAways.map(({ code, text }) => `GOAWAY ${code} "${text}"`).join(', ');
    return `came: ${counts || 'nothing'}${ends && `; ${ends}`}${this.closed ? '; closed' : ''}`;
  }

  /** Ends abruptly: TCP RST. */
  destroy(): void {
    this.socket.resetAndDestroy();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  #onOctets(chunk: Buffer): void {
    let octets = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const skipped = Math.min(this.#skip, octets.length);
    this.#skip -= skipped;
    octets = octets.subarray(skipped);
    let at = 0;
    while (octets.length - at >= 9) {
      const length = octets.readUIntBE(at, 3);
      if (octets.length - at < 9 + length) break;
      this.#onFrame({
        type: octets[at + 3]!,
        flags: octets[at + 4]!,
        streamId: octets.readUInt32BE(at + 5) & 0x7fffffff,
        payload: octets.subarray(at + 9, at + 9 + length),
      });
      at += 9 + length;
    }
    this.#rest = octets.subarray(at);
    this.#wake();
  }

  #onFrame(frame: RawFrame): void {
    const { type, flags, streamId, payload } = frame;
    this.counts.set(type, this.count(type) + 1);
    this.onFrame?.(frame);
    this.frames.push(frame);
    if (this.frames.length > KEPT_FRAMES) this.frames = this.frames.slice(KEPT_FRAMES / 2);
    const view = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    if (type === 0) {
      const response = this.#responseOf(streamId);
      response.octets += payload.length;
      if ((flags & 1) !== 0) response.ended = true;
      if (this.#credits && payload.length > 0) {
        this.write(windowUpdate(0, payload.length));
        if (!response.ended) this.write(windowUpdate(streamId, payload.length));
      }
    } else if (type === 1) {
      const response = this.#responseOf(streamId);
      try {
        if (this.#model !== null) response.lists.push(this.#model.decode(payload));
      } catch {
        // Blocks over several frames are of no interest here; the model is lost after one.
        this.#model = null;
      }
      if ((flags & 1) !== 0) response.ended = true;
    } else if (type === 3) {
      this.resets.set(streamId, view.readUInt32BE(0));
    } else if (type === 6 && (flags & 1) === 0 && this.#answersPings) {
      this.write(ping(payload, 1));
    } else if (type === 7) {
      this.goAways.push({
        lastStreamId: view.readUInt32BE(0),
        code: view.readUInt32BE(4),
        text: view.subarray(8).toString('latin1'),
      });
    }
  }

  #responseOf(streamId: number): RawResponse {
    let response = this.responses.get(streamId);
    if (response === undefined) {
      response = { lists: [], octets: 0, ended: false };
      // A flood must not fill the attacker's memory.
      if (this.responses.size > KEPT_FRAMES) this.responses.clear();
      this.responses.set(streamId, response);
    }
    return response;
  }
}

/** A hostile server: gives each connection that comes to `onPeer`. */
export class RawServer {
  readonly peers: RawPeer[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens on a free port, over TLS with `tls`. `options` are those of its peers; `greet` sends SETTINGS and the acknowledgement at once. */
  static async listen(
    onPeer: (peer: RawPeer) => void,
    options: RawPeerOptions = {},
    tls?: TlsOptions,
  ): Promise<RawServer> {
    const server =
      tls === undefined
        ? createServer({ noDelay: true })
        : createTlsServer({ noDelay: true, ...tls });
    const raw = new RawServer(server);
    server.on('tlsClientError', () => {});
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      const peer = new RawPeer(socket, options, true);
      raw.peers.push(peer);
      if (options.greet ?? true) peer.write(settings(), settingsAck());
      onPeer(peer);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return raw;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  close(): void {
    this.#server.close();
    for (const peer of this.peers) peer.socket.destroy();
  }
}
