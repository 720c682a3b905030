/**
 * An in-process pair of byte pipes with the manners of a TCP connection: octets arrive later, in order and copied, the buffer between
 * the ends is bounded, the two directions end separately, and a destroyed end shows at the other one as a TCP close would.
 */

import type { ByteDuplex, ByteDuplexListener, PeerInfo } from './byte-duplex.ts';

/** Options of `createMemoryDuplexPair`. */
export interface MemoryDuplexOptions {
  /** Octets a direction holds before its writer has to wait, 1 or more; default 256 KiB, the size of a roomy socket buffer. */
  readonly bufferOctets?: number;
  /**
   * Runs `deliver` later, never within the call; one call is under way per end at most. Default: the runtime's next turn. Tests collect
   * these functions and call them by hand.
   */
  readonly defer?: (deliver: () => void) => void;
  /** Addresses of the two ends as the other one sees them; default `memory:1`, `memory:2`, … */
  readonly addresses?: readonly [string, string];
}

/** Most octets handed over in one `onOctets`, as a socket read has its largest size too. */
const READ_OCTETS = 65_536;

let lastAddress = 0;

/** Makes two connected ends. Neither holds the process open by itself; a pending delivery does for the moment it takes. */
export function createMemoryDuplexPair(
  options: MemoryDuplexOptions = {},
): [MemoryDuplex, MemoryDuplex] {
  const bufferOctets = options.bufferOctets ?? 262_144;
  if (!(bufferOctets >= 1)) {
    throw new RangeError(`bufferOctets must be 1 or more, got ${bufferOctets}`);
  }
  const defer = options.defer ?? nextTurn;
  const addresses = options.addresses ?? [`memory:${++lastAddress}`, `memory:${++lastAddress}`];
  const first = new MemoryDuplex(bufferOctets, defer, addresses[1]);
  const second = new MemoryDuplex(bufferOctets, defer, addresses[0]);
  first.connect(second);
  second.connect(first);
  return [first, second];
}

function nextTurn(deliver: () => void): void {
  setImmediate(deliver);
}

/** One end of a pair; made by `createMemoryDuplexPair` only. */
export class MemoryDuplex implements ByteDuplex {
  readonly peer: PeerInfo;
  readonly #bufferOctets: number;
  readonly #defer: (deliver: () => void) => void;
  readonly #deliver: () => void;
  #other: MemoryDuplex | null;
  #listener: ByteDuplexListener | null;
  /** Octets on their way to this end, oldest first, from `#inboundHead` on. */
  #inbound: Uint8Array[];
  #inboundHead: number;
  #inboundOctets: number;
  /** The other end will write no more. */
  #inboundEnded: boolean;
  #endDelivered: boolean;
  /** The other end is gone: what we write from now on meets a reset. */
  #otherGone: boolean;
  #paused: boolean;
  #writeEnded: boolean;
  /** `write` returned false and `onWritable` has not been called since. */
  #blocked: boolean;
  #writableDue: boolean;
  #closing: boolean;
  #closeReason: Error | undefined;
  #closed: boolean;
  #deferred: boolean;

  constructor(bufferOctets: number, defer: (deliver: () => void) => void, peerAddress: string) {
    this.peer = { address: peerAddress, tlsCipher: null, certificate: null };
    this.#bufferOctets = bufferOctets;
    this.#defer = defer;
    this.#deliver = () => this.#run();
    this.#other = null;
    this.#listener = null;
    this.#inbound = [];
    this.#inboundHead = 0;
    this.#inboundOctets = 0;
    this.#inboundEnded = false;
    this.#endDelivered = false;
    this.#otherGone = false;
    this.#paused = false;
    this.#writeEnded = false;
    this.#blocked = false;
    this.#writableDue = false;
    this.#closing = false;
    this.#closeReason = undefined;
    this.#closed = false;
    this.#deferred = false;
  }

  /** For `createMemoryDuplexPair`. */
  connect(other: MemoryDuplex): void {
    this.#other = other;
  }

  /** Octets written beyond what the buffer between the ends holds; `write` has copied them all the same. */
  get pendingOctets(): number {
    const other = this.#other;
    if (other === null || this.#closing) return 0;
    return Math.max(0, other.#inboundOctets - this.#bufferOctets);
  }

  start(listener: ByteDuplexListener): void {
    this.#listener = listener;
    this.#schedule();
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const other = this.#other;
    if (other === null || this.#closing || this.#writeEnded) return false;
    if (this.#otherGone) {
      // What TCP answers to octets for a closed socket.
      this.destroy(new Error(`connection reset: ${this.peer.address} has closed its end`));
      return false;
    }
    let octets = 0;
    for (const chunk of chunks) octets += chunk.length;
    if (octets === 0) return true;
    const copy = new Uint8Array(octets);
    let offset = 0;
    for (const chunk of chunks) {
      copy.set(chunk, offset);
      offset += chunk.length;
    }
    other.#inbound.push(copy);
    other.#inboundOctets += octets;
    other.#schedule();
    this.#blocked = this.pendingOctets > 0;
    return !this.#blocked;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#schedule();
  }

  end(): void {
    if (this.#writeEnded || this.#closing) return;
    this.#writeEnded = true;
    const other = this.#other;
    if (other !== null) {
      other.#inboundEnded = true;
      other.#schedule();
    }
    this.#schedule();
  }

  destroy(reason?: Error): void {
    if (this.#closing) return;
    const pendingOctets = this.pendingOctets;
    this.#closing = true;
    this.#closeReason = reason;
    this.#inbound = [];
    this.#inboundHead = 0;
    this.#inboundOctets = 0;
    const other = this.#other;
    if (other !== null) {
      other.#otherGone = true;
      other.#inboundEnded = true;
      // What the buffer between the ends holds has left this one; what still waits for room is lost.
      other.#dropNewest(pendingOctets);
      other.#schedule();
    }
    this.#schedule();
  }

  /** A pair has no handle of the runtime: nothing to hold the process open with. */
  setKeepsProcessAlive(_alive: boolean): void {}

  #dropNewest(octets: number): void {
    let left = octets;
    while (left > 0) {
      const newest = this.#inbound.pop();
      if (newest === undefined) return;
      const kept = Math.max(0, newest.length - left);
      if (kept > 0) this.#inbound.push(newest.subarray(0, kept));
      this.#inboundOctets -= newest.length - kept;
      left -= newest.length - kept;
    }
  }

  #schedule(): void {
    if (this.#deferred || this.#closed || this.#listener === null) return;
    this.#deferred = true;
    this.#defer(this.#deliver);
  }

  #run(): void {
    this.#deferred = false;
    const listener = this.#listener;
    if (listener === null || this.#closed) return;
    if (this.#writableDue && !this.#closing) {
      this.#writableDue = false;
      this.#blocked = false;
      listener.onWritable();
    }
    while (!this.#paused && !this.#closing) {
      const chunk = this.#takeChunk();
      if (chunk === null) break;
      listener.onOctets(chunk, chunk.length);
    }
    if (
      this.#inboundEnded &&
      !this.#endDelivered &&
      !this.#closing &&
      !this.#paused &&
      this.#inboundOctets === 0
    ) {
      this.#endDelivered = true;
      listener.onEnd();
    }
    // As a socket, an end that has both said and heard the end closes by itself; not before its octets were taken.
    if (this.#writeEnded && this.#endDelivered && !this.#closing && this.#outboundTaken()) {
      this.#closing = true;
    }
    if (this.#closing) {
      this.#closed = true;
      this.#listener = null;
      listener.onClosed(this.#closeReason);
    }
  }

  #outboundTaken(): boolean {
    return this.#otherGone || this.pendingOctets === 0;
  }

  #takeChunk(): Uint8Array | null {
    const first = this.#inbound[this.#inboundHead];
    if (first === undefined) return null;
    let chunk = first;
    if (first.length > READ_OCTETS) {
      // `slice`, not `subarray`: each chunk is the listener's own.
      chunk = first.slice(0, READ_OCTETS);
      this.#inbound[this.#inboundHead] = first.subarray(READ_OCTETS);
    } else if (++this.#inboundHead === this.#inbound.length) {
      this.#inbound = [];
      this.#inboundHead = 0;
    }
    this.#inboundOctets -= chunk.length;
    this.#other?.taken();
    return chunk;
  }

  /** For the other end: it took octets of ours. */
  taken(): void {
    if (this.pendingOctets > 0) return;
    if (this.#blocked) {
      this.#writableDue = true;
      this.#schedule();
    } else if (this.#writeEnded) {
      this.#schedule();
    }
  }
}
