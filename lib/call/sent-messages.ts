/**
 * The messages of a client call that can still be sent: those that wait for a stream, and those kept so that a stream the server never
 * processed can be replaced (gRFC A6, transparent retry).
 */

import type { TransportStream } from '../../transport/stream-listener.ts';
import type { RetryBuffer } from './retry-buffer.ts';

/** Keeps messages until the call commits; the usual one message needs no array. */
export class SentMessages {
  /** True once nothing is kept any more: the call cannot be sent again. */
  committed: boolean;
  /** Octets of the messages kept. */
  octets: number;
  readonly #budget: RetryBuffer;
  readonly #limitOctets: number;
  #first: Uint8Array | null;
  #more: Uint8Array[] | null;
  #reserved: number;

  /** `limitOctets`: L25 `retryBufferOctets`; `budget`: that of the channel. */
  constructor(budget: RetryBuffer, limitOctets: number) {
    this.committed = false;
    this.octets = 0;
    this.#budget = budget;
    this.#limitOctets = limitOctets;
    this.#first = null;
    this.#more = null;
    this.#reserved = 0;
  }

  /** Keeps `message` unless the call has committed. */
  add(message: Uint8Array): void {
    if (this.committed) return;
    if (this.#first === null) this.#first = message;
    else if (this.#more === null) this.#more = [message];
    else this.#more.push(message);
    this.octets += message.length;
    if (this.#budget.reserve(message.length)) this.#reserved += message.length;
  }

  /** Sends everything kept, and the end of the request with it if `end`. False when the stream wants the sender to wait. */
  sendTo(stream: TransportStream, end: boolean): boolean {
    const first = this.#first;
    const more = this.#more;
    if (first === null) {
      if (end) stream.sendEnd();
      return true;
    }
    let accepted = stream.sendMessage(0, first, end && more === null);
    if (more !== null) {
      for (let i = 0; i < more.length; i++) {
        accepted = stream.sendMessage(0, more[i] as Uint8Array, end && i === more.length - 1);
      }
    }
    return accepted;
  }

  /** Once everything kept has been handed to a stream: commits when it is more than L25 allows. */
  commitIfTooLarge(): void {
    if (this.octets > this.#limitOctets || this.#reserved < this.octets) this.commit();
  }

  /** Lets go of everything: a response has begun, the call has ended, or too much would have to be kept. */
  commit(): void {
    if (this.committed) return;
    this.committed = true;
    this.#budget.release(this.#reserved);
    this.#reserved = 0;
    this.octets = 0;
    this.#first = null;
    this.#more = null;
  }
}
