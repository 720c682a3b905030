/**
 * A TCP proxy inside the test's own process that does to a connection what networks do: cut it at an exact octet, hold octets back, deliver
 * them in slices. It knows nothing of what passes through.
 */

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** From the client to the server, or from the server to the client. */
export type Direction = 'up' | 'down';

/** How a cut looks to the two ends: FIN, or RST. */
export type CutKind = 'end' | 'reset';

/** What is done to one direction of the connections made from now on. */
export interface Toxics {
  /** Octets per write, each in a turn of its own; 0: as they come. */
  sliceOctets: number;
  /** Both directions are cut when this many octets of the connection have passed; Infinity: never. */
  cutAfterOctets: number;
  cutKind: CutKind;
}

/** Listens on 127.0.0.1 and passes everything on to one port there. */
export class ToxicProxy {
  readonly up: Toxics = {
    sliceOctets: 0,
    cutAfterOctets: Number.POSITIVE_INFINITY,
    cutKind: 'end',
  };
  readonly down: Toxics = { ...this.up };
  /** Connections ever made. */
  connections = 0;
  readonly #server: Server;
  readonly #upstreamPort: number;
  readonly #links: Set<Link>;

  private constructor(upstreamPort: number) {
    this.#upstreamPort = upstreamPort;
    this.#links = new Set();
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
      this.#accept(client),
    );
  }

  /** Starts a proxy in front of `upstreamPort`. */
  static async start(upstreamPort: number): Promise<ToxicProxy> {
    const proxy = new ToxicProxy(upstreamPort);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** Where clients connect to. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are open now. */
  get openConnections(): number {
    return this.#links.size;
  }

  /** Takes back everything asked for. Connections keep what they were made with. */
  heal(): void {
    for (const toxics of [this.up, this.down]) {
      toxics.sliceOctets = 0;
      toxics.cutAfterOctets = Number.POSITIVE_INFINITY;
      toxics.cutKind = 'end';
    }
  }

  /** Cuts every connection now. */
  cutAll(kind: CutKind): void {
    for (const link of [...this.#links]) link.cut(kind);
  }

  /** Passes nothing on in `direction` until `release`; the proxy reads no further either. */
  hold(direction: Direction): void {
    for (const link of this.#links) link.pumps[direction].hold(true);
  }

  /** Ends `hold`. */
  release(direction: Direction): void {
    for (const link of this.#links) link.pumps[direction].hold(false);
  }

  /** Cuts everything and listens no more. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cutAll('end');
    await closed;
  }

  #accept(client: Socket): void {
    this.connections += 1;
    const server = connect({ port: this.#upstreamPort, host: '127.0.0.1', allowHalfOpen: true });
    server.setNoDelay(true);
    const link = new Link(client, server, { up: { ...this.up }, down: { ...this.down } }, () =>
      this.#links.delete(link),
    );
    this.#links.add(link);
  }
}

/** One connection through the proxy: a pump for each direction. */
class Link {
  readonly pumps: Readonly<Record<Direction, Pump>>;
  readonly #sockets: readonly Socket[];
  readonly #onClosed: () => void;
  #open: number;

  constructor(
    client: Socket,
    server: Socket,
    toxics: Readonly<Record<Direction, Toxics>>,
    onClosed: () => void,
  ) {
    this.#sockets = [client, server];
    this.#onClosed = onClosed;
    this.#open = 2;
    this.pumps = {
      up: new Pump(client, server, toxics.up, (kind) => this.cut(kind)),
      down: new Pump(server, client, toxics.down, (kind) => this.cut(kind)),
    };
    for (const socket of this.#sockets) {
      // An end that breaks off is a cut for the other.
      socket.on('error', () => this.cut('reset'));
      socket.on('close', () => this.#onSocketClosed());
    }
  }

  cut(kind: CutKind): void {
    for (const socket of this.#sockets) {
      if (socket.destroyed) continue;
      // FIN goes out behind what was passed on already; RST overtakes it. Behind a FIN, Node (20 … 26) loses a reset, and never exits.
      if (kind === 'reset' && !socket.writableEnded) socket.resetAndDestroy();
      else if (kind === 'reset') socket.destroy();
      else socket.destroySoon();
    }
  }

  #onSocketClosed(): void {
    this.#open -= 1;
    if (this.#open > 0) this.cut('end');
    else this.#onClosed();
  }
}

/** Carries the octets of one direction. */
class Pump {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #toxics: Toxics;
  readonly #cut: (kind: CutKind) => void;
  #left: number;
  #held: boolean;
  #slices: Buffer[];
  #slicing: boolean;

  constructor(from: Socket, to: Socket, toxics: Toxics, cut: (kind: CutKind) => void) {
    this.#from = from;
    this.#to = to;
    this.#toxics = toxics;
    this.#cut = cut;
    this.#left = toxics.cutAfterOctets;
    this.#held = false;
    this.#slices = [];
    this.#slicing = false;
    from.on('data', (chunk: Buffer) => this.#onData(chunk));
    from.on('end', () => this.#onEnd());
    to.on('drain', () => this.#resume());
  }

  hold(held: boolean): void {
    this.#held = held;
    if (held) this.#from.pause();
    else this.#resume();
  }

  #onData(chunk: Buffer): void {
    if (this.#left <= 0) return;
    const passed = chunk.length > this.#left ? chunk.subarray(0, this.#left) : chunk;
    this.#left -= passed.length;
    const { sliceOctets } = this.#toxics;
    if (sliceOctets === 0) {
      this.#pass(passed);
      return;
    }
    for (let at = 0; at < passed.length; at += sliceOctets) {
      this.#slices.push(passed.subarray(at, at + sliceOctets));
    }
    this.#from.pause();
    if (!this.#slicing) this.#passSlice();
  }

  /** One slice per turn of the event loop, so that the other end reads it by itself. */
  #passSlice(): void {
    const slice = this.#slices.shift();
    this.#slicing = slice !== undefined;
    if (slice === undefined) {
      this.#resume();
      return;
    }
    this.#pass(slice);
    setImmediate(() => this.#passSlice());
  }

  #pass(octets: Buffer): void {
    if (this.#to.destroyed) return;
    const isLast = this.#left === 0 && this.#slices.length === 0;
    if (!this.#to.write(octets) && !isLast) this.#from.pause();
    if (isLast) this.#cut(this.#toxics.cutKind);
  }

  #resume(): void {
    if (this.#held || this.#slicing || this.#from.destroyed) return;
    this.#from.resume();
  }

  #onEnd(): void {
    if (this.#slicing) setImmediate(() => this.#onEnd());
    else if (!this.#to.destroyed) this.#to.end();
  }
}
