/**
 * What the tests of this folder see of any gRPC library: a server of one small service, and a client of it, both on octets. Each library
 * gets an adapter; the scenarios are written once and run between any two of them.
 */

import { hex, sample } from './octets.ts';

/** Metadata as pairs, several values of one key as several pairs; octets for keys that end in `-bin`. */
export type Pairs = readonly (readonly [key: string, value: string | Uint8Array])[];

/** The service's full name. */
export const SERVICE_NAME = 'test.Octets';

/** One method of the service. */
export interface PeerMethod {
  readonly name: string;
  readonly path: string;
  readonly requestStreaming: boolean;
  readonly responseStreaming: boolean;
}

function method(name: string, requestStreaming: boolean, responseStreaming: boolean): PeerMethod {
  return { name, path: `/${SERVICE_NAME}/${name}`, requestStreaming, responseStreaming };
}

/** Answers with the request. */
export const ECHO: PeerMethod = method('Echo', false, false);
/** Sends the messages that the request asks for: see `repeatRequest`. */
export const REPEAT: PeerMethod = method('Repeat', false, true);
/** Answers with all requests joined. */
export const JOIN: PeerMethod = method('Join', true, false);
/** Answers each request with itself, while requests come. */
export const CHAT: PeerMethod = method('Chat', true, true);
/** Never answers. */
export const HOLD: PeerMethod = method('Hold', false, false);
/** Known to clients only. */
export const MISSING: PeerMethod = method('Missing', false, false);

/** The methods that every peer server implements. */
export const METHODS: readonly PeerMethod[] = [ECHO, REPEAT, JOIN, CHAT, HOLD];

/** Request metadata that steers a call. Keys that begin with `initial-` or `trailing-` come back in that metadata. */
export const CODE_KEY = 'x-code';
/** The status message, as UTF-8. */
export const DETAILS_KEY = 'x-details-bin';
/** The server ends the call after the first request message, with whatever status is asked for. */
export const EARLY_KEY = 'x-early';

/** What a call's metadata asks of the server. */
export interface Directives {
  readonly initial: Pairs;
  readonly trailing: Pairs;
  readonly code: number;
  readonly details: string;
  readonly early: boolean;
}

/** Reads the directives in received metadata. */
export function directivesOf(metadata: Pairs): Directives {
  const details = metadata.find(([key]) => key === DETAILS_KEY)?.[1] ?? new Uint8Array(0);
  return {
    initial: metadata.filter(([key]) => key.startsWith('initial-')),
    trailing: metadata.filter(([key]) => key.startsWith('trailing-')),
    code: Number(metadata.find(([key]) => key === CODE_KEY)?.[1] ?? 0),
    details: new TextDecoder().decode(details as Uint8Array),
    early: metadata.some(([key]) => key === EARLY_KEY),
  };
}

/** Metadata that asks for a status. */
export function askFor(code: number, details: string): Pairs {
  return [
    [CODE_KEY, String(code)],
    [DETAILS_KEY, new TextEncoder().encode(details)],
  ];
}

/** A request of `Repeat`: `count` messages of `octets` each. */
export function repeatRequest(count: number, octets: number): Uint8Array {
  const request = new Uint8Array(8);
  const view = new DataView(request.buffer);
  view.setUint32(0, count);
  view.setUint32(4, octets);
  return request;
}

/** Asks for messages without end. */
export const ENDLESS: number = 2 ** 32 - 1;

/** The messages that a request of `Repeat` asks for. */
export function* repeated(request: Uint8Array): Generator<Uint8Array, void> {
  const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
  const octets = view.getUint32(4);
  for (let left = view.getUint32(0); left > 0; left--) yield sample(octets, left);
}

/** Values by key: texts joined as HTTP allows, octets in hexadecimal. */
export function valuesOf(pairs: Pairs): Map<string, string> {
  const values = new Map<string, string>();
  for (const [key, value] of pairs) {
    const text = typeof value === 'string' ? value : hex(value);
    const known = values.get(key);
    values.set(key, known === undefined ? text : `${known}, ${text}`);
  }
  return values;
}

/** What a call came to. */
export interface Outcome {
  readonly code: number;
  readonly details: string;
  /** Custom metadata of the response headers; empty when there were none. */
  readonly initial: Pairs;
  /** Custom metadata that came with the status. */
  readonly trailing: Pairs;
  readonly messages: readonly Uint8Array[];
}

/** Options of a call. */
export interface PeerCallOptions {
  readonly metadata?: Pairs;
  readonly timeoutMs?: number;
}

/** A call in progress. Response messages are taken as they come. */
export interface PeerCall {
  /** Sends a request message of a request-streaming method. */
  send(message: Uint8Array): void;
  /** No more requests. */
  end(): void;
  /** Cancels the call. */
  cancel(): void;
  /** Resolves when `count` response messages are there; never if the call ends before. */
  received(count: number): Promise<void>;
  /** Told of initial metadata and of each message as they come, if set in the turn of `start`. */
  onInitial: ((initial: Pairs) => void) | null;
  onMessage: ((message: Uint8Array) => void) | null;
  /** Never rejects. */
  readonly outcome: Promise<Outcome>;
}

/** A client of the service on one connection, unless it says otherwise. */
export interface PeerClient {
  /** Starts a call; `request` is for request-unary methods. */
  start(method: PeerMethod, request: Uint8Array | null, options?: PeerCallOptions): PeerCall;
  close(): Promise<void>;
}

/** A server of the service. */
export interface PeerServer {
  /** 0 on a Unix socket. */
  readonly port: number;
  readonly log: CallLog;
  /** Takes no new calls; resolves when those in flight have ended. */
  stop(): Promise<void>;
  /** Cuts off calls in flight. */
  kill(): Promise<void>;
}

/** PEM texts of a client. */
export interface ClientTls {
  readonly root: string;
  readonly identity?: { readonly privateKey: string; readonly certificateChain: string };
  /** The name the certificate must be for. */
  readonly serverName?: string;
}

/** PEM texts of a server. With `clientRoot`, clients need a certificate signed by it. */
export interface ServerTls {
  readonly privateKey: string;
  readonly certificateChain: string;
  readonly clientRoot?: string;
}

/** Where a client connects to. */
export interface ClientTarget {
  /** 127.0.0.1 if left out. */
  readonly host?: string;
  readonly port?: number;
  /** Path of a Unix socket instead. */
  readonly path?: string;
  readonly tls?: ClientTls;
}

/** Where a server listens, and what it allows. */
export interface ServerAddress {
  readonly path?: string;
  readonly port?: number;
  readonly tls?: ServerTls;
  /** 100 if left out. */
  readonly maxConcurrentStreams?: number;
  /** Our own server only: the limit that the library has by itself. */
  readonly messageLimit?: 'default';
}

/** A library that tests talk to. All limits on message sizes are raised to 16 MiB. */
export interface Peer {
  readonly name: string;
  openClient(target: ClientTarget): PeerClient;
  startServer(address: ServerAddress): Promise<PeerServer>;
}

/** The limit of every peer. */
export const MAX_MESSAGE_OCTETS: number = 16 * 1024 * 1024;

/** Told by a server of the end of one call; only the first end counts. */
export interface CallRecord {
  onEnd(): void;
  /** The client cancelled the call or left, or its time ran out. */
  onCancelled(): void;
}

/** What a server has seen of its calls. */
export class CallLog {
  /** Method names of all calls, in order of arrival. */
  readonly started: string[] = [];
  /** Method names of the calls that their client cancelled or left. */
  readonly cancelled: string[] = [];
  /** Request metadata of all calls. */
  readonly metadata: Pairs[] = [];
  /** Milliseconds that each call had left on arrival; null without a deadline. */
  readonly timeLeftMs: (number | null)[] = [];
  /** Calls running now, and the most there ever were. */
  running = 0;
  mostRunning = 0;
  readonly #waiting: { readonly isReached: () => boolean; readonly resolve: () => void }[] = [];

  onStart(name: string, metadata: Pairs, timeLeftMs: number | null): CallRecord {
    this.started.push(name);
    this.metadata.push(metadata);
    this.timeLeftMs.push(timeLeftMs);
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    this.#check();
    let ended = false;
    const onEnd = (): void => {
      if (ended) return;
      ended = true;
      this.running -= 1;
      this.#check();
    };
    const onCancelled = (): void => {
      if (ended) return;
      this.cancelled.push(name);
      onEnd();
    };
    return { onEnd, onCancelled };
  }

  /** Resolves once `isReached` gives true. */
  until(isReached: (log: CallLog) => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ isReached: () => isReached(this), resolve });
      this.#check();
    });
  }

  #check(): void {
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const { isReached, resolve } = this.#waiting[i]!;
      if (!isReached()) continue;
      this.#waiting.splice(i, 1);
      resolve();
    }
  }
}
